/* zim-autoencoder.c: latents to pixels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "diffusion/zim-autoencoder-private.h"
#include "diffusion/zim-feature-map-private.h"
#include "diffusion/zim-weights-private.h"

#define GROUP_NORM_EPS 1e-6f /* resnet_eps of the reference's decoder */
#define MAX_BLOCKS G_N_ELEMENTS (((ZimAutoencoderConfig *) NULL)->block_out_channels)

typedef struct {
  ZimAffine norm1, conv1, norm2, conv2;
  ZimAffine shortcut; /* a 1 × 1 convolution, where the channels change */
} Resnet;

typedef struct {
  ZimAffine norm, out;
  const ZimWeight *qkv[3];
  const ZimWeight *qkv_bias[3];
} Attention;

typedef struct {
  Resnet *resnets; /* layers_per_block + 1 */
  ZimAffine  upsampler;
} UpBlock;

struct _ZimAutoencoder {
  ZimCheckpoint        *checkpoint;
  ZimAutoencoderConfig  config;
  ZimAffine                post_quant; /* 1 × 1, rare */
  ZimAffine                conv_in;
  Resnet                mid[2];
  Attention             attention;
  UpBlock               up[MAX_BLOCKS];
  ZimAffine                norm_out;
  ZimAffine                conv_out;
};

/* Weights */

static ZimAffine
collect_norm (ZimWeights *weights,
              gint64      channels,
              const char *name)
{
  return (ZimAffine) { zim_weights_vector (weights, channels, "%s.weight", name),
                    zim_weights_vector (weights, channels, "%s.bias", name) };
}

static ZimAffine
collect_conv (ZimWeights *weights,
              gint64      out,
              gint64      in,
              gint64      k,
              const char *name)
{
  return (ZimAffine) { zim_weights_kernel (weights, out, in, k, "%s.weight", name),
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

/* Decoding */

#define N_TILED 2 /* blocks, the last ones: their maps take nearly all of the memory */
#define REACH 1   /* rows that a 3 × 3 convolution reads above and below its own */

typedef struct {
  ZimAutoencoder *self;
  ZimMaps         maps;
  gboolean        keep_named;
  ZimTiling       tiling; /* of the block at work */
} Build;

/* x + conv2 (SiLU (GN (conv1 (SiLU (GN (x))))))
 *
 * Between the convolutions lies a map whose statistics must be known before the second one. Tiled, it is stored and the
 * result comes in its place, or it is made twice and the result comes in the place of x. */
static ZimMap *
build_resnet (Build        *build,
              const Resnet *resnet,
              ZimMap       *x)
{
  ZimMaps *maps = &build->maps;
  gboolean is_twice = build->tiling == ZIM_TILING_TWICE;
  ZimMap *y = zim_maps_conv (maps, &resnet->conv1, zim_maps_norm (maps, &resnet->norm1, x, TRUE), 1, FALSE);
  ZimMap *sum;

  if (!is_twice)
    zim_maps_store (maps, y, REACH, NULL, 0);
  sum = zim_maps_conv (maps, &resnet->conv2, zim_maps_norm (maps, &resnet->norm2, y, TRUE), 1, FALSE);
  sum = zim_maps_sum (maps, sum,
                      resnet->shortcut.weight != NULL ? zim_maps_conv (maps, &resnet->shortcut, x, 0, FALSE) : x);
  if (is_twice)
    zim_maps_store (maps, sum, 2 * REACH * build->self->config.layers_per_block, x, 2 * REACH);
  else
    zim_maps_store (maps, sum, 0, y, REACH);
  return sum;
}

/* One head over all pixels. */
static ZimMap *
build_attention (Build           *build,
                 const Attention *attention,
                 ZimMap          *map)
{
  ZimProgram *p = build->maps.program;
  gint64 channels = map->cols;
  ZimTensor *x = zim_maps_rows (&build->maps, map, 0, map->height), *n, *qkv, *o;

  n = zim_program_group_norm (p, x, attention->norm.weight, attention->norm.bias, build->self->config.norm_num_groups,
                              GROUP_NORM_EPS, FALSE);
  qkv = zim_program_linear (p, n, attention->qkv, attention->qkv_bias, 3, 1);
  o = zim_program_attention (p, zim_program_cols (p, qkv, 0, channels), zim_program_cols (p, qkv, channels, channels),
                             zim_program_cols (p, qkv, 2 * channels, channels), 1, 1, (guint) channels, FALSE, NULL,
                             0);
  o = zim_program_linear (p, o, &attention->out.weight, &attention->out.bias, 1, 1);
  return zim_maps_of_tensor (&build->maps, zim_program_add (p, o, x), map->height, map->width);
}

static void
set_tiling (Build     *build,
            ZimTiling  tiling,
            guint      block)
{
  build->tiling = block + N_TILED >= build->self->config.n_blocks ? tiling : ZIM_TILING_NONE;
  build->maps.in_bands = build->tiling != ZIM_TILING_NONE;
}

/* The enlarged map is the largest of all. Its rows can be made where they are needed, from a quarter of as many. */
static ZimMap *
build_up_block (Build     *build,
                ZimTiling  tiling,
                guint      b,
                ZimMap    *x)
{
  const ZimAutoencoderConfig *config = &build->self->config;
  const UpBlock *block = &build->self->up[b];
  ZimMaps *maps = &build->maps;

  set_tiling (build, tiling, b);
  for (guint i = 0; i <= config->layers_per_block; i++)
    x = build_resnet (build, &block->resnets[i], x);
  if (block->upsampler.weight == NULL)
    return x;
  x = zim_maps_conv (maps, &block->upsampler, x, 1, TRUE);
  if (tiling != ZIM_TILING_TWICE || b + 2 < config->n_blocks)
    x = zim_maps_of_tensor (maps, zim_maps_rows (maps, x, 0, x->height), x->height, x->width);
  return x;
}

/* Dumps are [channels, height · width], as the reference has them. */
static void
name_map (Build      *build,
          ZimMap     *map,
          const char *name)
{
  ZimProgram *p = build->maps.program;
  const gint64 dims[] = { map->height * map->width, map->cols };
  const guint order[] = { 1, 0 };

  if (build->keep_named)
    zim_program_name (p, zim_program_permute (p, zim_maps_rows (&build->maps, map, 0, map->height), 2, dims, order,
                                              dims[1], dims[0]), "%s", name);
}

/* latents → [height · width, channels] / scaling_factor + shift_factor */
static ZimMap *
build_latents (Build            *build,
               gint64            height,
               gint64            width,
               ZimDecodeProgram *result)
{
  const ZimAutoencoderConfig *config = &build->self->config;
  ZimProgram *p = build->maps.program;
  const gint64 dims[] = { config->latent_channels, height * width };
  const guint order[] = { 1, 0 };
  ZimTensor *z;
  ZimMap *map;

  result->latents = zim_program_input (p, "latents", ZIM_DTYPE_F32, dims[0], dims[1]);
  z = zim_program_permute (p, result->latents, 2, dims, order, dims[1], dims[0]);
  z = zim_program_affine (p, z, 1 / config->scaling_factor, config->shift_factor);
  map = zim_maps_of_tensor (&build->maps, z, height, width);
  name_map (build, map, "decode.z");
  if (config->use_post_quant_conv)
    map = zim_maps_conv (&build->maps, &build->self->post_quant, map, 0, FALSE);
  return map;
}

static ZimMap *
build_middle (Build  *build,
              ZimMap *x)
{
  ZimAutoencoder *self = build->self;

  x = zim_maps_conv (&build->maps, &self->conv_in, x, 1, FALSE);
  zim_maps_store (&build->maps, x, 0, NULL, 0);
  name_map (build, x, "decode.conv_in");
  x = build_resnet (build, &self->mid[0], x);
  if (self->config.mid_block_add_attention)
    x = build_attention (build, &self->attention, x);
  x = build_resnet (build, &self->mid[1], x);
  name_map (build, x, "decode.mid");
  return x;
}

static ZimMap *
build_last (Build  *build,
            ZimMap *x)
{
  ZimAutoencoder *self = build->self;

  x = zim_maps_conv (&build->maps, &self->conv_out, zim_maps_norm (&build->maps, &self->norm_out, x, TRUE), 1, FALSE);
  zim_maps_store (&build->maps, x, 0, NULL, 0);
  name_map (build, x, "image");
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
  ZimProgram *p = zim_program_new ("decode");
  Build build = { self, { NULL }, keep_named, ZIM_TILING_NONE };
  ZimMap *x;

  zim_maps_init (&build.maps, p, self->config.norm_num_groups, GROUP_NORM_EPS);
  zim_program_set_keep_named (p, keep_named);
  result->program = p;
  x = build_middle (&build, build_latents (&build, latent_height, latent_width, result));
  for (guint b = 0; b < self->config.n_blocks; b++)
    {
      g_autofree char *name = g_strdup_printf ("decode.up.%u", b);

      x = build_up_block (&build, tiling, b, x);
      name_map (&build, x, name);
    }
  x = build_last (&build, x);
  zim_program_output (p, x->buffer, "pixels");
  result->image = x->buffer;
  zim_maps_clear (&build.maps);
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
