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

/* Decoding */

/* A feature map and its size. */
typedef struct {
  ZimAutoencoder *self;
  ZimProgram     *p;
  gboolean        keep_named;
  ZimTensor      *x;
  gint64          height;
  gint64          width;
} Map;

static ZimTensor *
build_norm (const Map    *map,
            const Affine *norm,
            ZimTensor    *x,
            gboolean      silu)
{
  return zim_program_group_norm (map->p, x, norm->weight, norm->bias, map->self->config.norm_num_groups, GROUP_NORM_EPS,
                                 silu);
}

static ZimTensor *
build_conv (const Map    *map,
            const Affine *conv,
            ZimTensor    *x,
            guint         pad)
{
  return zim_program_conv2d (map->p, x, conv->weight, conv->bias, map->height, map->width, 1, pad, FALSE);
}

/* x + conv2 (SiLU (GN (conv1 (SiLU (GN (x)))))) */
static void
build_resnet (Map          *map,
              const Resnet *resnet)
{
  ZimTensor *y = build_conv (map, &resnet->conv1, build_norm (map, &resnet->norm1, map->x, TRUE), 1);
  ZimTensor *x = map->x;

  y = build_conv (map, &resnet->conv2, build_norm (map, &resnet->norm2, y, TRUE), 1);
  if (resnet->shortcut.weight != NULL)
    x = build_conv (map, &resnet->shortcut, x, 0);
  map->x = zim_program_add (map->p, y, x);
}

/* One head over all pixels. */
static void
build_attention (Map             *map,
                 const Attention *attention)
{
  gint64 channels = map->x->cols;
  ZimTensor *n = build_norm (map, &attention->norm, map->x, FALSE);
  ZimTensor *qkv = zim_program_linear (map->p, n, attention->qkv, attention->qkv_bias, 3, 1);
  ZimTensor *o;

  o = zim_program_attention (map->p, zim_program_cols (map->p, qkv, 0, channels),
                             zim_program_cols (map->p, qkv, channels, channels),
                             zim_program_cols (map->p, qkv, 2 * channels, channels), 1, 1, (guint) channels, FALSE,
                             NULL, 0);
  o = zim_program_linear (map->p, o, &attention->out.weight, &attention->out.bias, 1, 1);
  map->x = zim_program_add (map->p, o, map->x);
}

static void
build_up_block (Map           *map,
                const UpBlock *block)
{
  for (guint i = 0; i <= map->self->config.layers_per_block; i++)
    build_resnet (map, &block->resnets[i]);
  if (block->upsampler.weight == NULL)
    return;
  map->x = zim_program_conv2d (map->p, map->x, block->upsampler.weight, block->upsampler.bias, map->height, map->width,
                               1, 1, TRUE);
  map->height *= 2;
  map->width *= 2;
}

/* Dumps are [channels, height · width], as the reference has them. */
static void
name_map (const Map  *map,
          const char *name)
{
  const gint64 dims[] = { map->x->rows, map->x->cols };
  const guint order[] = { 1, 0 };

  if (map->keep_named)
    zim_program_name (map->p, zim_program_permute (map->p, map->x, 2, dims, order, map->x->cols, map->x->rows), "%s",
                      name);
}

/* latents → [height · width, channels] / scaling_factor + shift_factor */
static void
build_latents (Map              *map,
               ZimDecodeProgram *result)
{
  const ZimAutoencoderConfig *config = &map->self->config;
  const gint64 dims[] = { config->latent_channels, map->height * map->width };
  const guint order[] = { 1, 0 };
  ZimTensor *z;

  result->latents = zim_program_input (map->p, "latents", ZIM_DTYPE_F32, dims[0], dims[1]);
  z = zim_program_permute (map->p, result->latents, 2, dims, order, dims[1], dims[0]);
  map->x = zim_program_affine (map->p, z, 1 / config->scaling_factor, config->shift_factor);
  name_map (map, "decode.z");
  if (config->use_post_quant_conv)
    map->x = build_conv (map, &map->self->post_quant, map->x, 0);
}

void
zim_autoencoder_build_decode (ZimAutoencoder   *self,
                              guint             latent_height,
                              guint             latent_width,
                              gboolean          keep_named,
                              ZimDecodeProgram *result)
{
  Map map = { self, zim_program_new ("decode"), keep_named, NULL, latent_height, latent_width };

  zim_program_set_keep_named (map.p, keep_named);
  result->program = map.p;
  build_latents (&map, result);
  map.x = build_conv (&map, &self->conv_in, map.x, 1);
  name_map (&map, "decode.conv_in");
  build_resnet (&map, &self->mid[0]);
  if (self->config.mid_block_add_attention)
    build_attention (&map, &self->attention);
  build_resnet (&map, &self->mid[1]);
  name_map (&map, "decode.mid");
  for (guint b = 0; b < self->config.n_blocks; b++)
    {
      g_autofree char *name = g_strdup_printf ("decode.up.%u", b);

      build_up_block (&map, &self->up[b]);
      name_map (&map, name);
    }
  map.x = build_conv (&map, &self->conv_out, build_norm (&map, &self->norm_out, map.x, TRUE), 1);
  name_map (&map, "image");
  zim_program_output (map.p, map.x, "pixels");
  result->image = map.x;
}

float *
zim_autoencoder_decode (ZimAutoencoder  *self,
                        ZimBackend      *backend,
                        ZimPrecision     precision,
                        const float     *latents,
                        guint            latent_height,
                        guint            latent_width,
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

  zim_autoencoder_build_decode (self, latent_height, latent_width, dump != NULL, &decode);
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
                         gboolean         keep_named,
                         GError         **error)
{
  g_autoptr(ZimProgram) program = NULL;
  ZimDecodeProgram decode;

  zim_autoencoder_build_decode (self, latent_height, latent_width, keep_named, &decode);
  program = decode.program;
  return zim_backend_compile (backend, program, precision, error);
}
