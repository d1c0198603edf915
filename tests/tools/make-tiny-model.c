/* make-tiny-model.c: writes a small model with made-up weights, for tests and for a first look
 *
 * The weights are a hash of their names: the same arguments give the same bytes on every machine. They are not quite
 * random. The last layer undoes the first one, so that denoising takes the noise away, and the autoencoder's kernels
 * blur, so that what attention makes of positions and words is seen as soft shapes in many colours.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/zim-dtype-private.h"
#include "diffusion/zim-autoencoder-private.h"
#include "diffusion/zim-text-encoder-private.h"
#include "diffusion/zim-transformer-private.h"
#include "formats/zim-checkpoint-private.h"

/* What a size is: networks, the picture that zimage.json suggests, the steps. */
typedef struct {
  const char *name;
  guint       n_heads;
  guint       head_dim;
  guint       n_layers;
  guint       text_width;
  guint       text_layers;
  guint       channels[4];
  guint       n_groups;
  guint       picture; /* pixels */
  guint       steps;
  gboolean    is_single;
} Size;

/* What a single file does not tell, the width of heads and the groups of norms, “single” has as the published model
 * does. Its rows are whole blocks of 32, in the text encoder of 256. */
static const Size sizes[] = {
  { "small", 1, 64, 1, 128, 2, { 8, 8, 16, 16 }, 8, 64, 4 },
  { "medium", 6, 64, 4, 128, 4, { 32, 32, 64, 64 }, 8, 256, 8 },
  { "large", 12, 64, 8, 128, 6, { 64, 64, 128, 128 }, 8, 512, 8 },
  { "single", 3, 128, 1, 256, 2, { 32, 32, 32, 32 }, 32, 64, 4, TRUE },
};

/* How much of the latents there is in the residual stream, beside positions and words. */
#define EMBEDDER_GAIN 0.15f

typedef struct {
  guint64     seed;
  const char *nan; /* (nullable) the tensor whose first value is not a number */
} Filler;

/* FNV-1a of the name, then splitmix64 of the position: −1 … 1. */
static guint64
hash_name (const char *name,
           guint64     seed)
{
  guint64 hash = 0xcbf29ce484222325u ^ seed;

  for (; *name != '\0'; name++)
    hash = (hash ^ (guint8) *name) * 0x100000001b3u;
  return hash;
}

static float
random_value (guint64 hash,
              gsize   i)
{
  guint64 z = hash + 0x9e3779b97f4a7c15u * (i + 1);

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (float) ((z ^ (z >> 31)) >> 40) / (1 << 23) - 1;
}

/* A linear layer keeps the variance of what goes through, times this. */
static float
gain (const char *name)
{
  if (strstr (name, "adaLN_modulation") != NULL)
    return 0.2f;
  return strstr (name, "x_embedder") != NULL ? EMBEDDER_GAIN : 1;
}

/* Attention speaks up, the feed-forward network, which sees no neighbours, does not. Parts: scale and gate of each. */
static float
modulation_bias (const gint64 *dims,
                 guint64       hash,
                 gsize         i)
{
  static const float gates[] = { 0, 0.5f, 0, 0.1f };
  guint part = (guint) (4 * i / dims[0]);

  return part % 2 == 1 ? gates[part] : 0.5f * random_value (hash, i);
}

/* The transposed embedder: where z went in, a multiple of −z comes out. */
static float
final_weight (const gint64 *dims,
              guint64       seed,
              gsize         i)
{
  gint64 row = (gint64) i / dims[1], col = (gint64) i % dims[1];
  guint64 hash = hash_name ("transformer/all_x_embedder.2-1.weight", seed);

  return -2.5f / EMBEDDER_GAIN * sqrtf (3.0f * dims[0]) / dims[1] * random_value (hash, col * dims[0] + row);
}

/* [out, in, k, k]: a random value for each pair of channels times a blur. In the last convolution neighbouring
 * channels have opposite signs, so that no colour prevails. */
static float
kernel_weight (const char   *name,
               const gint64 *dims,
               guint64       hash,
               gsize         i)
{
  static const float blur[] = { 0.25f, 0.5f, 0.25f };
  gsize taps = dims[2] * dims[3], tap = i % taps, pair = i / taps;
  float strength = sqrtf (3.0f / dims[1]);

  if (taps == 9)
    strength *= blur[tap / 3] * blur[tap % 3];
  if (strstr (name, "conv_out") == NULL)
    return strength * random_value (hash, pair);
  return (pair % 2 == 0 ? 1.5f : -1.5f) * strength * random_value (hash, pair / 2);
}

static float
weight_value (const char   *name,
              guint         n_dims,
              const gint64 *dims,
              guint64       seed,
              gsize         i)
{
  guint64 hash = hash_name (name, seed);

  if (g_str_has_suffix (name, "attention.norm_q.weight"))
    return 6; /* sharp attention: edges */
  if (n_dims == 1 && g_str_has_suffix (name, ".weight"))
    return 1 + 0.1f * random_value (hash, i);
  if (g_str_has_suffix (name, "adaLN_modulation.0.bias"))
    return modulation_bias (dims, hash, i);
  if (g_str_has_suffix (name, ".bias"))
    return 0.5f * random_value (hash, i);
  if (g_str_has_suffix (name, "pad_token") || g_str_has_suffix (name, "embed_tokens.weight"))
    return random_value (hash, i);
  if (g_str_has_suffix (name, "all_final_layer.2-1.linear.weight"))
    return final_weight (dims, seed, i);
  if (n_dims == 4)
    return kernel_weight (name, dims, hash, i);
  return gain (name) * sqrtf (3.0f / dims[1]) * random_value (hash, i);
}

static void
store (ZimDType  dtype,
       void     *data,
       gsize     i,
       float     value)
{
  if (dtype == ZIM_DTYPE_F32)
    ((float *) data)[i] = value;
  else
    ((guint16 *) data)[i] = dtype == ZIM_DTYPE_BF16 ? zim_f32_to_bf16 (value) : zim_f32_to_f16 (value);
}

static void
fill (const char   *name,
      guint         n_dims,
      const gint64 *dims,
      ZimDType      dtype,
      void         *data,
      gpointer      user_data)
{
  const Filler *filler = user_data;
  gsize n = 1;

  for (guint d = 0; d < n_dims; d++)
    n *= dims[d];
  for (gsize i = 0; i < n; i++)
    store (dtype, data, i, weight_value (name, n_dims, dims, filler->seed, i));
  if (g_strcmp0 (name, filler->nan) == 0)
    store (dtype, data, 0, NAN);
}

static void
init_config (ZimConfig  *config,
             const Size *size,
             gboolean    turbo)
{
  ZimTransformerConfig *transformer = &config->transformer;
  ZimTextEncoderConfig *text = &config->text_encoder;
  ZimAutoencoderConfig *autoencoder = &config->autoencoder;

  zim_config_init_published (config, turbo);
  transformer->n_heads = size->n_heads;
  transformer->dim = size->head_dim * size->n_heads;
  transformer->n_layers = size->n_layers;
  transformer->n_refiner_layers = 1;
  transformer->cap_feat_dim = size->text_width;
  for (guint i = 0; i < 3; i++)
    transformer->axes_dims[i] = (i == 0 ? 16 : 24) * size->head_dim / 64;
  text->vocab_size = 7040; /* of the tokenizer in tests/reference */
  text->hidden_size = size->text_width;
  text->intermediate_size = 2 * size->text_width;
  text->num_hidden_layers = size->text_layers;
  text->num_attention_heads = 4;
  text->num_key_value_heads = 2;
  text->head_dim = size->text_width / text->num_attention_heads;
  for (guint i = 0; i < autoencoder->n_blocks; i++)
    autoencoder->block_out_channels[i] = size->channels[i];
  autoencoder->layers_per_block = 1;
  autoencoder->norm_num_groups = size->n_groups;
  config->defaults.name = g_strdup ("tiny");
  config->defaults.width = config->defaults.height = size->picture;
  config->defaults.steps = size->steps;
}

/* A file that has no configuration tells the number of its layers by having them: the last one too, whose weights are
 * of the same shapes and which nobody computes. */
static gboolean
request_last_layer (ZimCheckpoint  *checkpoint,
                    guint           n_layers,
                    GError        **error)
{
  g_autoptr(GPtrArray) list = zim_checkpoint_list (checkpoint, ZIM_COMPONENT_TEXT_ENCODER);
  g_autofree char *before = g_strdup_printf ("layers.%u.", n_layers - 2);

  for (guint i = 0; i < list->len; i++)
    {
      const ZimWeight *weight = list->pdata[i];
      g_autofree char *name = NULL;

      if (!g_str_has_prefix (weight->name, before))
        continue;
      name = g_strdup_printf ("layers.%u.%s", n_layers - 1, weight->name + strlen (before));
      if (zim_checkpoint_require (checkpoint, ZIM_COMPONENT_TEXT_ENCODER, name, weight->n_dims, weight->dims,
                                  error) == NULL)
        return FALSE;
    }
  return TRUE;
}

/* A network asks for each of its weights when it is built. */
static gboolean
request_weights (ZimCheckpoint  *checkpoint,
                 const Size     *size,
                 GError        **error)
{
  g_autoptr(ZimTextEncoder) text_encoder = zim_text_encoder_new (checkpoint, error);
  g_autoptr(ZimTransformer) transformer = text_encoder != NULL ? zim_transformer_new (checkpoint, error) : NULL;
  g_autoptr(ZimAutoencoder) autoencoder = transformer != NULL ? zim_autoencoder_new (checkpoint, error) : NULL;

  return autoencoder != NULL &&
         (!size->is_single || request_last_layer (checkpoint, size->text_layers, error));
}

static gboolean
write_model (const char  *folder,
             const Size  *size,
             gboolean     turbo,
             ZimDType     dtype,
             Filler      *filler,
             GError     **error)
{
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  g_autoptr(GBytes) tokenizer = NULL;
  ZimConfig config = { 0 };
  char *text;
  gsize length;

  if (!g_file_get_contents (TOKENIZER, &text, &length, error))
    return FALSE;
  tokenizer = g_bytes_new_take (text, length);
  init_config (&config, size, turbo);
  checkpoint = zim_checkpoint_new_generated (&config, tokenizer, dtype, fill, filler);
  zim_config_clear (&config);
  return request_weights (checkpoint, size, error) && zim_checkpoint_write_folder (checkpoint, folder, error);
}

/* Which of the names the option's value is; the first one without a value. */
static int
parse_choice (const char        *option,
              const char        *value,
              const char *const *names,
              int                standard)
{
  for (int i = 0; value != NULL && names[i] != NULL; i++)
    if (g_str_equal (value, names[i]))
      return i;
  if (value == NULL)
    return standard;
  g_printerr ("make-tiny-model: --%s cannot be “%s”\n", option, value);
  exit (2);
}

int
main (int    argc,
      char **argv)
{
  static const char *const size_names[] = { "small", "medium", "large", "single", NULL };
  static const char *const variant_names[] = { "turbo", "base", NULL };
  static const char *const dtype_names[] = { "f32", "bf16", "f16", NULL };
  static const ZimDType dtypes[] = { ZIM_DTYPE_F32, ZIM_DTYPE_BF16, ZIM_DTYPE_F16 };
  g_autofree char *size = NULL, *variant = NULL, *dtype = NULL;
  gboolean nan = FALSE;
  gint64 seed = 2;
  const GOptionEntry entries[] = {
    { "size", 0, 0, G_OPTION_ARG_STRING, &size, "small: 64x64 at once; medium (default): 256x256 in a second or two; "
      "large: 512x512 in ten; single: 64x64, in a form that does without configurations", "SIZE" },
    { "variant", 0, 0, G_OPTION_ARG_STRING, &variant, "turbo (default) or base: 50 steps, guidance 4", "VARIANT" },
    { "dtype", 0, 0, G_OPTION_ARG_STRING, &dtype, "f32, bf16 (default) or f16", "DTYPE" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &seed, "other weights for another number", "N" },
    { "nan", 0, 0, G_OPTION_ARG_NONE, &nan, "one weight of the transformer is not a number", NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new ("FOLDER");
  g_autoptr(GError) error = NULL;
  Filler filler = { 0 };

  g_option_context_set_summary (context, "Writes a small model with made-up weights in the diffusers layout.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2)
    {
      g_printerr ("make-tiny-model: %s\n", error != NULL ? error->message : "one folder, please");
      return 2;
    }
  filler.seed = (guint64) seed;
  filler.nan = nan ? "transformer/layers.0.attention.to_v.weight" : NULL;
  if (!write_model (argv[1], &sizes[parse_choice ("size", size, size_names, 1)],
                    parse_choice ("variant", variant, variant_names, 0) == 0,
                    dtypes[parse_choice ("dtype", dtype, dtype_names, 1)], &filler, &error))
    {
      g_printerr ("make-tiny-model: %s\n", error->message);
      return 1;
    }
  return 0;
}
