/* zim-autoencoder.c: latents to pixels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "diffusion/zim-autoencoder-private.h"
#include "diffusion/zim-weights-private.h"

#define GROUP_NORM_EPS 1e-6f /* resnet_eps of the reference's decoder */
#define MAX_BLOCKS G_N_ELEMENTS (((ZimAutoencoderConfig *) NULL)->block_out_channels)

typedef struct {
  const ZimWeight *weight;
  const ZimWeight *bias;
} Affine;

typedef struct {
  Affine norm1, conv1, norm2, conv2;
  Affine shortcut; /* a 1 × 1 convolution, where the channels change */
} Resnet;

typedef struct {
  Affine norm, out;
  const ZimWeight *qkv[3];
  const ZimWeight *qkv_bias[3];
} Attention;

typedef struct {
  Resnet *resnets; /* layers_per_block + 1 */
  Affine  upsampler;
} UpBlock;

struct _ZimAutoencoder {
  ZimCheckpoint        *checkpoint;
  ZimAutoencoderConfig  config;
  Affine                post_quant; /* 1 × 1, rare */
  Affine                conv_in;
  Resnet                mid[2];
  Attention             attention;
  UpBlock               up[MAX_BLOCKS];
  Affine                norm_out;
  Affine                conv_out;
};

/* Weights */

static Affine
collect_norm (ZimWeights *weights,
              gint64      channels,
              const char *name)
{
  return (Affine) { zim_weights_vector (weights, channels, "%s.weight", name),
                    zim_weights_vector (weights, channels, "%s.bias", name) };
}

static Affine
collect_conv (ZimWeights *weights,
              gint64      out,
              gint64      in,
              gint64      k,
              const char *name)
{
  return (Affine) { zim_weights_kernel (weights, out, in, k, "%s.weight", name),
                    zim_weights_vector (weights, out, "%s.bias", name) };
}

static void
collect_resnet (ZimWeights *weights,
                gint64      in,
                gint64      out,
                const char *prefix,
                Resnet     *resnet)
{
  g_autofree char *norm1 = g_strconcat (prefix, ".norm1", NULL);
  g_autofree char *conv1 = g_strconcat (prefix, ".conv1", NULL);
  g_autofree char *norm2 = g_strconcat (prefix, ".norm2", NULL);
  g_autofree char *conv2 = g_strconcat (prefix, ".conv2", NULL);
  g_autofree char *shortcut = g_strconcat (prefix, ".conv_shortcut", NULL);

  resnet->norm1 = collect_norm (weights, in, norm1);
  resnet->conv1 = collect_conv (weights, out, in, 3, conv1);
  resnet->norm2 = collect_norm (weights, out, norm2);
  resnet->conv2 = collect_conv (weights, out, out, 3, conv2);
  if (in != out)
    resnet->shortcut = collect_conv (weights, out, in, 1, shortcut);
}

static void
collect_attention (ZimWeights *weights,
                   gint64      channels,
                   const char *prefix,
                   Attention  *attention)
{
  static const char *const names[] = { "to_q", "to_k", "to_v" };
  g_autofree char *norm = g_strconcat (prefix, ".group_norm", NULL);

  attention->norm = collect_norm (weights, channels, norm);
  for (guint i = 0; i < 3; i++)
    {
      attention->qkv[i] = zim_weights_matrix (weights, channels, channels, "%s.%s.weight", prefix, names[i]);
      attention->qkv_bias[i] = zim_weights_vector (weights, channels, "%s.%s.bias", prefix, names[i]);
    }
  attention->out.weight = zim_weights_matrix (weights, channels, channels, "%s.to_out.0.weight", prefix);
  attention->out.bias = zim_weights_vector (weights, channels, "%s.to_out.0.bias", prefix);
}

/* Up block b has the width of level n_blocks − 1 − b. */
static gint64
up_channels (const ZimAutoencoderConfig *config,
             guint                       b)
{
  return config->block_out_channels[config->n_blocks - 1 - b];
}

static void
collect_up_block (ZimWeights                 *weights,
                  const ZimAutoencoderConfig *config,
                  guint                       b,
                  UpBlock                    *block)
{
  gint64 in = up_channels (config, b > 0 ? b - 1 : 0), out = up_channels (config, b);

  block->resnets = g_new0 (Resnet, config->layers_per_block + 1);
  for (guint i = 0; i <= config->layers_per_block; i++)
    {
      g_autofree char *prefix = g_strdup_printf ("decoder.up_blocks.%u.resnets.%u", b, i);

      collect_resnet (weights, i == 0 ? in : out, out, prefix, &block->resnets[i]);
    }
  if (b + 1 < config->n_blocks)
    {
      g_autofree char *name = g_strdup_printf ("decoder.up_blocks.%u.upsamplers.0.conv", b);

      block->upsampler = collect_conv (weights, out, out, 3, name);
    }
}

static void
collect_decoder (ZimAutoencoder *self,
                 ZimWeights     *weights)
{
  const ZimAutoencoderConfig *config = &self->config;
  gint64 top = up_channels (config, 0), bottom = config->block_out_channels[0];

  if (config->use_post_quant_conv)
    self->post_quant = collect_conv (weights, config->latent_channels, config->latent_channels, 1, "post_quant_conv");
  self->conv_in = collect_conv (weights, top, config->latent_channels, 3, "decoder.conv_in");
  collect_resnet (weights, top, top, "decoder.mid_block.resnets.0", &self->mid[0]);
  if (config->mid_block_add_attention)
    collect_attention (weights, top, "decoder.mid_block.attentions.0", &self->attention);
  collect_resnet (weights, top, top, "decoder.mid_block.resnets.1", &self->mid[1]);
  for (guint b = 0; b < config->n_blocks; b++)
    collect_up_block (weights, config, b, &self->up[b]);
  self->norm_out = collect_norm (weights, bottom, "decoder.conv_norm_out");
  self->conv_out = collect_conv (weights, config->out_channels, bottom, 3, "decoder.conv_out");
}

ZimAutoencoder *
zim_autoencoder_new (ZimCheckpoint  *checkpoint,
                     GError        **error)
{
  g_autoptr(ZimAutoencoder) self = g_new0 (ZimAutoencoder, 1);
  ZimWeights weights = { checkpoint, ZIM_COMPONENT_AUTOENCODER, NULL };

  self->checkpoint = zim_checkpoint_ref (checkpoint);
  self->config = zim_checkpoint_get_config (checkpoint)->autoencoder;
  collect_decoder (self, &weights);
  if (weights.error != NULL)
    {
      g_propagate_error (error, weights.error);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
zim_autoencoder_free (ZimAutoencoder *self)
{
  for (guint b = 0; b < self->config.n_blocks; b++)
    g_free (self->up[b].resnets);
  zim_checkpoint_unref (self->checkpoint);
  g_free (self);
}

guint
zim_autoencoder_get_scale (ZimAutoencoder *self)
{
  return 1u << (self->config.n_blocks - 1);
}

guint
zim_autoencoder_get_channels (ZimAutoencoder *self)
{
  return self->config.latent_channels;
}

/* Feature maps
 *
 * A map says how its rows of pixels are made from those of others. They are recorded when somebody asks for them: all
 * at once, or in a tiled picture band by band, with the rows beside the band that its convolutions reach. A map that is
 * stored is asked but once. Bands consist of whole blocks of group norm's sums, so that the numbers are the same. */

#define MIN_BLOCK 512 /* pixels that group norm sums up at once, in whole rows */
#define N_BANDS 16
#define N_TILED 2     /* blocks, the last ones: their maps take nearly all of the memory */
#define REACH 1       /* rows that a 3 × 3 convolution reads above and below its own */

typedef struct _Map Map;

struct _Map {
  gint64        height;
  gint64        width;
  gint64        cols;
  Map          *sources[2];  /* (nullable): of a sum, there are two; of a stored map, none */
  const Affine *conv;        /* (nullable) */
  guint         pad;
  gboolean      upsample;
  ZimTensor    *factors;     /* (nullable): of a norm */
  gboolean      silu;
  ZimTensor    *buffer;      /* (nullable): of a stored map, which begins with the row `above` of it */
  gint64        above;
  ZimTensor    *band;        /* (nullable): the rows that were made last */
  gint64        band_first;
  gint64        band_rows;
};

typedef struct {
  ZimAutoencoder *self;
  ZimProgram     *p;
  gboolean        keep_named;
  ZimTiling       tiling; /* of the block at work */
  GPtrArray      *maps;   /* of Map */
} Build;

static Map *
map_new (Build  *build,
         gint64  height,
         gint64  width,
         gint64  cols)
{
  Map *map = g_new0 (Map, 1);

  map->height = height;
  map->width = width;
  map->cols = cols;
  g_ptr_array_add (build->maps, map);
  return map;
}

/* One whose rows lie in a tensor */
static Map *
map_of_tensor (Build     *build,
               ZimTensor *x,
               gint64     height,
               gint64     width)
{
  Map *map = map_new (build, height, width, x->cols);

  map->buffer = x;
  return map;
}

static gint64
block_rows (const Map *map)
{
  gint64 rows = 1;

  while (rows * map->width < MIN_BLOCK)
    rows *= 2;
  return rows;
}

static gint64
rows_of_band (const Build *build,
              const Map   *map)
{
  gint64 block = block_rows (map), rows = (map->height + N_BANDS - 1) / N_BANDS;

  if (build->tiling == ZIM_TILING_NONE)
    return map->height;
  return MIN ((rows + block - 1) / block * block, map->height);
}

static ZimTensor *map_rows (Build *build, Map *map, gint64 first, gint64 n);

static ZimTensor *
make_conv_rows (Build  *build,
                Map    *map,
                gint64  first,
                gint64  n)
{
  Map *source = map->sources[0];
  gint64 source_first, source_rows;

  zim_conv_source_rows (source->height, (guint) map->conv->weight->dims[2], 1, map->pad, map->upsample, first, n,
                        &source_first, &source_rows);
  return zim_program_conv2d_band (build->p, map_rows (build, source, source_first, source_rows), map->conv->weight,
                                  map->conv->bias, source->height, source->width, 1, map->pad, map->upsample,
                                  source_first, first, n);
}

static ZimTensor *
make_rows (Build  *build,
           Map    *map,
           gint64  first,
           gint64  n)
{
  ZimTensor *x;

  if (map->conv != NULL)
    return make_conv_rows (build, map, first, n);
  x = map_rows (build, map->sources[0], first, n);
  if (map->factors != NULL)
    return zim_program_group_apply (build->p, x, map->factors, map->silu);
  return zim_program_add (build->p, x, map_rows (build, map->sources[1], first, n));
}

static ZimTensor *
rows_of (const Build *build,
         const Map   *map,
         ZimTensor   *x,
         gint64       start,
         gint64       n)
{
  if (start == 0 && n * map->width == x->rows)
    return x;
  return zim_program_rows (build->p, x, start * map->width, n * map->width);
}

/* [n · width, cols]: rows of pixels from that one on */
static ZimTensor *
map_rows (Build  *build,
          Map    *map,
          gint64  first,
          gint64  n)
{
  if (map->buffer != NULL)
    return rows_of (build, map, map->buffer, map->above + first, n);
  if (map->band == NULL || first < map->band_first || first + n > map->band_first + map->band_rows)
    {
      map->band = make_rows (build, map, first, n);
      map->band_first = first;
      map->band_rows = n;
    }
  return rows_of (build, map, map->band, first - map->band_first, n);
}

/* Makes all rows, in a buffer with `above` rows more or in place of those of another map: each band comes to lie
 * `reach` rows above its own place, over rows that no later band reads. */
static void
store (Build     *build,
       Map       *map,
       gint64     above,
       const Map *over, /* (nullable) */
       gint64     reach)
{
  gint64 step = rows_of_band (build, map);
  ZimTensor *buffer;

  if (step == map->height)
    {
      map->buffer = map_rows (build, map, 0, map->height);
      return;
    }
  if (over != NULL && over->buffer != NULL && over->cols == map->cols && over->above >= reach)
    {
      buffer = over->buffer;
      above = over->above - reach;
    }
  else
    buffer = zim_program_empty (build->p, (map->height + above) * map->width, map->cols);
  for (gint64 first = 0; first < map->height; first += step)
    {
      gint64 n = MIN (step, map->height - first);

      zim_program_copy_to (build->p, map_rows (build, map, first, n),
                           rows_of (build, map, buffer, above + first, n));
    }
  map->buffer = buffer;
  map->above = above;
}

static Map *
build_norm (Build        *build,
            const Affine *norm,
            Map          *x,
            gboolean      silu)
{
  gboolean is_stored = x->buffer != NULL;
  gint64 block = block_rows (x), step = is_stored ? x->height : rows_of_band (build, x);
  Map *map = map_new (build, x->height, x->width, x->cols);
  ZimTensor *sums = zim_program_empty (build->p, (x->height + block - 1) / block, 4 * x->cols), *shift;

  if (is_stored)
    shift = zim_program_rows (build->p, x->buffer, x->above * x->width, 1);
  else
    shift = zim_program_empty (build->p, 1, x->cols);
  for (gint64 first = 0; first < x->height; first += step)
    {
      gint64 n = MIN (step, x->height - first);
      ZimTensor *rows = map_rows (build, x, first, n);

      if (first == 0 && !is_stored)
        zim_program_copy_to (build->p, zim_program_rows (build->p, rows, 0, 1), shift);
      zim_program_group_sums (build->p, rows, shift, block * x->width,
                              zim_program_rows (build->p, sums, first / block, (n + block - 1) / block));
    }
  map->sources[0] = x;
  map->silu = silu;
  map->factors = zim_program_group_factors (build->p, sums, shift, norm->weight, norm->bias,
                                            build->self->config.norm_num_groups, GROUP_NORM_EPS, x->height * x->width);
  return map;
}

static Map *
build_conv (Build        *build,
            const Affine *conv,
            Map          *x,
            guint         pad,
            gboolean      upsample)
{
  guint zoom = upsample ? 2 : 1;
  Map *map = map_new (build, zoom * x->height, zoom * x->width, conv->weight->dims[0]);

  map->sources[0] = x;
  map->conv = conv;
  map->pad = pad;
  map->upsample = upsample;
  return map;
}

/* Decoding */

/* x + conv2 (SiLU (GN (conv1 (SiLU (GN (x))))))
 *
 * Between the convolutions lies a map whose statistics must be known before the second one. Tiled, it is stored and the
 * result comes in its place, or it is made twice and the result comes in the place of x. */
static Map *
build_resnet (Build        *build,
              const Resnet *resnet,
              Map          *x)
{
  gboolean is_twice = build->tiling == ZIM_TILING_TWICE;
  Map *y = build_conv (build, &resnet->conv1, build_norm (build, &resnet->norm1, x, TRUE), 1, FALSE);
  Map *sum;

  if (!is_twice)
    store (build, y, REACH, NULL, 0);
  sum = map_new (build, y->height, y->width, y->cols);
  sum->sources[0] = build_conv (build, &resnet->conv2, build_norm (build, &resnet->norm2, y, TRUE), 1, FALSE);
  sum->sources[1] = x;
  if (resnet->shortcut.weight != NULL)
    sum->sources[1] = build_conv (build, &resnet->shortcut, x, 0, FALSE);
  if (is_twice)
    store (build, sum, 2 * REACH * build->self->config.layers_per_block, x, 2 * REACH);
  else
    store (build, sum, 0, y, REACH);
  return sum;
}

/* One head over all pixels. */
static Map *
build_attention (Build           *build,
                 const Attention *attention,
                 Map             *map)
{
  gint64 channels = map->cols;
  ZimTensor *x = map_rows (build, map, 0, map->height), *n, *qkv, *o;

  n = zim_program_group_norm (build->p, x, attention->norm.weight, attention->norm.bias,
                              build->self->config.norm_num_groups, GROUP_NORM_EPS, FALSE);
  qkv = zim_program_linear (build->p, n, attention->qkv, attention->qkv_bias, 3, 1);
  o = zim_program_attention (build->p, zim_program_cols (build->p, qkv, 0, channels),
                             zim_program_cols (build->p, qkv, channels, channels),
                             zim_program_cols (build->p, qkv, 2 * channels, channels), 1, 1, (guint) channels, FALSE,
                             NULL, 0);
  o = zim_program_linear (build->p, o, &attention->out.weight, &attention->out.bias, 1, 1);
  return map_of_tensor (build, zim_program_add (build->p, o, x), map->height, map->width);
}

static void
set_tiling (Build     *build,
            ZimTiling  tiling,
            guint      block)
{
  build->tiling = block + N_TILED >= build->self->config.n_blocks ? tiling : ZIM_TILING_NONE;
}

/* The enlarged map is the largest of all. Its rows can be made where they are needed, from a quarter of as many. */
static Map *
build_up_block (Build     *build,
                ZimTiling  tiling,
                guint      b,
                Map       *x)
{
  const ZimAutoencoderConfig *config = &build->self->config;
  const UpBlock *block = &build->self->up[b];

  set_tiling (build, tiling, b);
  for (guint i = 0; i <= config->layers_per_block; i++)
    x = build_resnet (build, &block->resnets[i], x);
  if (block->upsampler.weight == NULL)
    return x;
  x = build_conv (build, &block->upsampler, x, 1, TRUE);
  if (tiling != ZIM_TILING_TWICE || b + 2 < config->n_blocks)
    x = map_of_tensor (build, map_rows (build, x, 0, x->height), x->height, x->width);
  return x;
}

/* Dumps are [channels, height · width], as the reference has them. */
static void
name_map (Build      *build,
          Map        *map,
          const char *name)
{
  const gint64 dims[] = { map->height * map->width, map->cols };
  const guint order[] = { 1, 0 };

  if (build->keep_named)
    zim_program_name (build->p, zim_program_permute (build->p, map_rows (build, map, 0, map->height), 2, dims, order,
                                                     dims[1], dims[0]), "%s", name);
}

/* latents → [height · width, channels] / scaling_factor + shift_factor */
static Map *
build_latents (Build            *build,
               gint64            height,
               gint64            width,
               ZimDecodeProgram *result)
{
  const ZimAutoencoderConfig *config = &build->self->config;
  const gint64 dims[] = { config->latent_channels, height * width };
  const guint order[] = { 1, 0 };
  ZimTensor *z;
  Map *map;

  result->latents = zim_program_input (build->p, "latents", ZIM_DTYPE_F32, dims[0], dims[1]);
  z = zim_program_permute (build->p, result->latents, 2, dims, order, dims[1], dims[0]);
  z = zim_program_affine (build->p, z, 1 / config->scaling_factor, config->shift_factor);
  map = map_of_tensor (build, z, height, width);
  name_map (build, map, "decode.z");
  if (config->use_post_quant_conv)
    map = build_conv (build, &build->self->post_quant, map, 0, FALSE);
  return map;
}

static Map *
build_middle (Build *build,
              Map   *x)
{
  ZimAutoencoder *self = build->self;

  x = build_conv (build, &self->conv_in, x, 1, FALSE);
  store (build, x, 0, NULL, 0);
  name_map (build, x, "decode.conv_in");
  x = build_resnet (build, &self->mid[0], x);
  if (self->config.mid_block_add_attention)
    x = build_attention (build, &self->attention, x);
  x = build_resnet (build, &self->mid[1], x);
  name_map (build, x, "decode.mid");
  return x;
}

void
zim_autoencoder_build_decode (ZimAutoencoder   *self,
                              guint             latent_height,
                              guint             latent_width,
                              ZimTiling         tiling,
                              gboolean          keep_named,
                              ZimDecodeProgram *result)
{
  g_autoptr(GPtrArray) maps = g_ptr_array_new_with_free_func (g_free);
  Build build = { self, zim_program_new ("decode"), keep_named, ZIM_TILING_NONE, maps };
  Map *x;

  zim_program_set_keep_named (build.p, keep_named);
  result->program = build.p;
  x = build_middle (&build, build_latents (&build, latent_height, latent_width, result));
  for (guint b = 0; b < self->config.n_blocks; b++)
    {
      g_autofree char *name = g_strdup_printf ("decode.up.%u", b);

      x = build_up_block (&build, tiling, b, x);
      name_map (&build, x, name);
    }
  x = build_conv (&build, &self->conv_out, build_norm (&build, &self->norm_out, x, TRUE), 1, FALSE);
  store (&build, x, 0, NULL, 0);
  name_map (&build, x, "image");
  zim_program_output (build.p, x->buffer, "pixels");
  result->image = x->buffer;
}

float *
zim_autoencoder_decode (ZimAutoencoder  *self,
                        ZimBackend      *backend,
                        ZimPrecision     precision,
                        const float     *latents,
                        guint            latent_height,
                        guint            latent_width,
                        ZimTiling        tiling,
                        ZimDumpFunc      dump,
                        gpointer         dump_data,
                        GCancellable    *cancellable,
                        GError         **error)
{
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(ZimProgram) program = NULL;
  g_autofree float *image = NULL;
  ZimDecodeProgram decode;
  ZimBinding bindings[2];

  zim_autoencoder_build_decode (self, latent_height, latent_width, tiling, dump != NULL, &decode);
  program = decode.program;
  executable = zim_backend_compile (backend, program, precision, error);
  if (executable == NULL)
    return NULL;
  image = g_new (float, decode.image->rows * decode.image->cols);
  bindings[0] = (ZimBinding) { decode.latents, (gpointer) latents };
  bindings[1] = (ZimBinding) { decode.image, image };
  if (!zim_executable_run (executable, bindings, G_N_ELEMENTS (bindings), cancellable, error))
    return NULL;
  if (dump != NULL)
    zim_executable_dump (executable, dump, dump_data);
  return g_steal_pointer (&image);
}

ZimExecutable *
zim_autoencoder_compile (ZimAutoencoder  *self,
                         ZimBackend      *backend,
                         ZimPrecision     precision,
                         guint            latent_height,
                         guint            latent_width,
                         ZimTiling        tiling,
                         gboolean         keep_named,
                         GError         **error)
{
  g_autoptr(ZimProgram) program = NULL;
  ZimDecodeProgram decode;

  zim_autoencoder_build_decode (self, latent_height, latent_width, tiling, keep_named, &decode);
  program = decode.program;
  return zim_backend_compile (backend, program, precision, error);
}
