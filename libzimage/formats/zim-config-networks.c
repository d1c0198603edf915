/* zim-config-networks.c: the configurations of the three networks
 *
 * Fields, their defaults and their rules are those of diffusers' ZImageTransformer2DModel and
 * AutoencoderKL and of transformers' Qwen3Config. What the networks here would compute differently
 * is refused, never ignored.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-config-internal.h"
#include "formats/zim-file-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

#define MAX_COUNT 1000      /* layers, heads, channels of latents */
#define MAX_WIDTH 65536     /* so that no product of two widths leaves 32 bits */
#define MAX_VOCAB (1 << 24) /* f32 still counts them one by one */

typedef struct {
  const char *field;
  guint       value;
  guint       min;
  guint       max;
} Range;

static void
check_ranges (ZimJsonReader *reader,
              const Range   *ranges,
              guint          n_ranges)
{
  for (guint i = 0; i < n_ranges; i++)
    if (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max)
      zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG, _("Field “%s” is %u, expected %u to %u"),
                            ranges[i].field, ranges[i].value, ranges[i].min, ranges[i].max);
}

static void
check_divides (ZimJsonReader *reader,
               const char    *field,
               guint          value,
               const char    *divisor_field,
               guint          divisor)
{
  if (reader->error == NULL && value % divisor != 0)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                          _("Field “%s” is %u, expected a multiple of “%s”, %u"),
                          field, value, divisor_field, divisor);
}

/* A range wide enough for any guint; check_ranges () narrows it down, for sizes from shapes too. */
static guint
read_uint (ZimJsonReader *reader,
           JsonObject    *root,
           const char    *field,
           guint          fallback)
{
  return (guint) zim_json_read_int (reader, root, field, 0, G_MAXINT32, fallback);
}

static double
read_positive (ZimJsonReader *reader,
               JsonObject    *root,
               const char    *field,
               double         max,
               double         fallback)
{
  return zim_json_read_double (reader, root, field, 1e-30, max, fallback);
}

/* The transformer. */

static void
check_transformer (ZimJsonReader              *reader,
                   const ZimTransformerConfig *config)
{
  const Range ranges[] = {
    { "in_channels", config->in_channels, 1, MAX_COUNT },
    { "all_patch_size", config->patch_size, 1, 16 },
    { "dim", config->dim, 1, MAX_WIDTH },
    { "n_layers", config->n_layers, 1, MAX_COUNT },
    { "n_refiner_layers", config->n_refiner_layers, 0, MAX_COUNT },
    { "n_heads", config->n_heads, 1, MAX_COUNT },
    { "cap_feat_dim", config->cap_feat_dim, 1, MAX_WIDTH },
  };
  guint sum = 0;

  check_ranges (reader, ranges, G_N_ELEMENTS (ranges));
  check_divides (reader, "dim", config->dim, "n_heads", config->n_heads);
  for (guint i = 0; i < 3; i++)
    {
      const Range axis = { "axes_dims", config->axes_dims[i], 2, MAX_WIDTH };

      check_ranges (reader, &axis, 1);
      if (config->axes_dims[i] % 2 != 0) /* rotated in pairs */
        zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                              _("Field “axes_dims” has an odd element, %u"),
                              config->axes_dims[i]);
      sum += config->axes_dims[i];
    }
  if (reader->error == NULL && sum != config->dim / config->n_heads)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                          _("Field “axes_dims” sums up to %u, expected “dim” / “n_heads”, %u"),
                          sum, config->dim / config->n_heads);
}

/* An array of one element: no checkpoint has more, and which one to use is nowhere said. */
static guint
read_only_element (ZimJsonReader *reader,
                   JsonObject    *root,
                   const char    *field,
                   guint          fallback)
{
  gint64 value = fallback;

  if (!zim_json_has (root, field))
    return fallback;
  if (zim_json_read_ints (reader, root, field, 0, G_MAXINT32, &value, 1) != 1)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG, _("Field “%s” is empty"), field);
  return (guint) value;
}

static void
read_axes (ZimJsonReader *reader,
           JsonObject    *root,
           const char    *field,
           guint          axes[3])
{
  gint64 values[3];
  guint n;

  if (!zim_json_has (root, field))
    return;
  n = zim_json_read_ints (reader, root, field, 0, G_MAXINT32, values, 3);
  if (n != 3)
    {
      zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                            _("Field “%s” has %u elements, expected 3"), field, n);
      return;
    }
  for (guint i = 0; i < 3; i++)
    axes[i] = (guint) values[i];
}

static void
read_transformer (ZimJsonReader        *reader,
                  JsonObject           *root,
                  ZimTransformerConfig *config)
{
  static const guint axes_dims[3] = { 32, 48, 48 };
  static const guint axes_lens[3] = { 1024, 512, 512 };

  zim_json_only_string (reader, root, "_class_name", "ZImageTransformer2DModel");
  zim_json_only_null (reader, root, "siglip_feat_dim"); /* Omni: image conditions */
  config->in_channels = read_uint (reader, root, "in_channels", 16);
  config->patch_size = read_only_element (reader, root, "all_patch_size", 2);
  if (read_only_element (reader, root, "all_f_patch_size", 1) != 1)
    zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                          _("Field “all_f_patch_size” is not [1]: video is not supported"));
  config->dim = read_uint (reader, root, "dim", 3840);
  config->n_layers = read_uint (reader, root, "n_layers", 30);
  config->n_refiner_layers = read_uint (reader, root, "n_refiner_layers", 2);
  config->n_heads = read_uint (reader, root, "n_heads", 30);
  config->norm_eps = (float) read_positive (reader, root, "norm_eps", 1, 1e-5);
  config->qk_norm = zim_json_read_boolean (reader, root, "qk_norm", TRUE);
  config->cap_feat_dim = read_uint (reader, root, "cap_feat_dim", 2560);
  config->rope_theta = read_positive (reader, root, "rope_theta", 1e12, 256);
  config->t_scale = read_positive (reader, root, "t_scale", 1e9, 1000);
  memcpy (config->axes_dims, axes_dims, sizeof axes_dims);
  memcpy (config->axes_lens, axes_lens, sizeof axes_lens);
  read_axes (reader, root, "axes_dims", config->axes_dims);
  read_axes (reader, root, "axes_lens", config->axes_lens);
  check_transformer (reader, config);
}

/* The text encoder. */

static void
check_text_encoder (ZimJsonReader              *reader,
                    const ZimTextEncoderConfig *config)
{
  const Range ranges[] = {
    { "vocab_size", config->vocab_size, 1, MAX_VOCAB },
    { "hidden_size", config->hidden_size, 1, MAX_WIDTH },
    { "intermediate_size", config->intermediate_size, 1, 16 * MAX_WIDTH },
    { "num_hidden_layers", config->num_hidden_layers, 2, MAX_COUNT }, /* the last but one is used */
    { "num_attention_heads", config->num_attention_heads, 1, MAX_COUNT },
    { "num_key_value_heads", config->num_key_value_heads, 1, MAX_COUNT },
    { "head_dim", config->head_dim, 2, MAX_COUNT },
  };

  check_ranges (reader, ranges, G_N_ELEMENTS (ranges));
  check_divides (reader, "num_attention_heads", config->num_attention_heads,
                 "num_key_value_heads", config->num_key_value_heads);
  if (config->head_dim % 2 != 0) /* rotated in halves */
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG, _("Field “head_dim” is odd, %u"),
                          config->head_dim);
}

/* Newer files have rope_parameters; older ones may have rope_scaling, null or “default” for
 * Qwen3's own. */
static void
read_rope (ZimJsonReader *reader,
           JsonObject    *root,
           const char    *field,
           double        *theta)
{
  JsonObject *rope = zim_json_read_object (reader, root, field);

  if (rope == NULL)
    return;
  zim_json_only_string (reader, rope, "rope_type", "default");
  zim_json_only_string (reader, rope, "type", "default");
  if (zim_json_read_double (reader, rope, "partial_rotary_factor", 0, 1, 1) != 1)
    zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED, _("Field “partial_rotary_factor” is not 1"));
  *theta = read_positive (reader, rope, "rope_theta", 1e12, *theta);
}

static void
check_layer_types (ZimJsonReader *reader,
                   JsonObject    *root)
{
  JsonArray *types = zim_json_read_array (reader, root, "layer_types");

  for (guint i = 0; types != NULL && i < json_array_get_length (types); i++)
    {
      JsonNode *node = json_array_get_element (types, i);

      if (!JSON_NODE_HOLDS_VALUE (node) ||
          g_strcmp0 (json_node_get_string (node), "full_attention") != 0)
        zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                              _("Field “%s” has others than “%s”, which is not supported"),
                              "layer_types", "full_attention");
    }
}

static void
read_text_encoder (ZimJsonReader        *reader,
                   JsonObject           *root,
                   ZimTextEncoderConfig *config)
{
  zim_json_only_string (reader, root, "model_type", "qwen3");
  zim_json_only_string (reader, root, "hidden_act", "silu");
  zim_json_only_false (reader, root, "attention_bias");
  zim_json_only_false (reader, root, "use_sliding_window");
  check_layer_types (reader, root);
  config->vocab_size = read_uint (reader, root, "vocab_size", 151936);
  config->hidden_size = read_uint (reader, root, "hidden_size", 4096);
  config->intermediate_size = read_uint (reader, root, "intermediate_size", 22016);
  config->num_hidden_layers = read_uint (reader, root, "num_hidden_layers", 32);
  config->num_attention_heads = read_uint (reader, root, "num_attention_heads", 32);
  /* Written as null it means as many as there are heads; left out, it is the class default. */
  config->num_key_value_heads = 32;
  if (root != NULL && json_object_has_member (root, "num_key_value_heads"))
    config->num_key_value_heads = read_uint (reader, root, "num_key_value_heads",
                                             config->num_attention_heads);
  config->head_dim = read_uint (reader, root, "head_dim", 128);
  config->rms_norm_eps = (float) read_positive (reader, root, "rms_norm_eps", 1, 1e-6);
  config->rope_theta = read_positive (reader, root, "rope_theta", 1e12, 10000);
  read_rope (reader, root, "rope_scaling", &config->rope_theta);
  read_rope (reader, root, "rope_parameters", &config->rope_theta);
  check_text_encoder (reader, config);
}

/* The autoencoder. */

static void
check_autoencoder (ZimJsonReader              *reader,
                   const ZimAutoencoderConfig *config)
{
  const Range ranges[] = {
    { "in_channels", config->in_channels, 3, 3 }, /* images here are RGB */
    { "out_channels", config->out_channels, 3, 3 },
    { "latent_channels", config->latent_channels, 1, MAX_COUNT },
    { "block_out_channels", config->n_blocks, 1, G_N_ELEMENTS (config->block_out_channels) },
    { "layers_per_block", config->layers_per_block, 1, MAX_COUNT },
    { "norm_num_groups", config->norm_num_groups, 1, MAX_WIDTH },
  };

  check_ranges (reader, ranges, G_N_ELEMENTS (ranges));
  for (guint i = 0; reader->error == NULL && i < config->n_blocks; i++)
    {
      const Range width = { "block_out_channels", config->block_out_channels[i], 1, MAX_WIDTH };

      check_ranges (reader, &width, 1);
      check_divides (reader, "block_out_channels", config->block_out_channels[i],
                     "norm_num_groups", config->norm_num_groups);
    }
}

static void
check_block_types (ZimJsonReader *reader,
                   JsonObject    *root,
                   const char    *field,
                   const char    *expected,
                   guint          n_blocks)
{
  JsonArray *types = zim_json_read_array (reader, root, field);
  guint n = types != NULL ? json_array_get_length (types) : n_blocks;

  if (n != n_blocks)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                          _("Field “%s” has %u elements, expected as many as “%s”, %u"),
                          field, n, "block_out_channels", n_blocks);
  for (guint i = 0; types != NULL && i < n; i++)
    {
      JsonNode *node = json_array_get_element (types, i);

      if (!JSON_NODE_HOLDS_VALUE (node) || g_strcmp0 (json_node_get_string (node), expected) != 0)
        zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                              _("Field “%s” has others than “%s”, which is not supported"),
                              field, expected);
    }
}

static void
read_block_widths (ZimJsonReader        *reader,
                   JsonObject           *root,
                   ZimAutoencoderConfig *config)
{
  gint64 widths[G_N_ELEMENTS (config->block_out_channels)] = { 64, };

  config->n_blocks = 1;
  if (zim_json_has (root, "block_out_channels"))
    config->n_blocks = zim_json_read_ints (reader, root, "block_out_channels", 0, G_MAXINT32,
                                           widths, G_N_ELEMENTS (widths));
  for (guint i = 0; i < config->n_blocks; i++)
    config->block_out_channels[i] = (guint) widths[i];
  check_block_types (reader, root, "down_block_types", "DownEncoderBlock2D", config->n_blocks);
  check_block_types (reader, root, "up_block_types", "UpDecoderBlock2D", config->n_blocks);
}

static void
read_autoencoder (ZimJsonReader        *reader,
                  JsonObject           *root,
                  ZimAutoencoderConfig *config)
{
  zim_json_only_string (reader, root, "_class_name", "AutoencoderKL");
  zim_json_only_string (reader, root, "act_fn", "silu");
  config->in_channels = read_uint (reader, root, "in_channels", 3);
  config->out_channels = read_uint (reader, root, "out_channels", 3);
  config->latent_channels = read_uint (reader, root, "latent_channels", 4);
  read_block_widths (reader, root, config);
  config->layers_per_block = read_uint (reader, root, "layers_per_block", 1);
  config->norm_num_groups = read_uint (reader, root, "norm_num_groups", 32);
  config->mid_block_add_attention = zim_json_read_boolean (reader, root, "mid_block_add_attention",
                                                           TRUE);
  config->use_quant_conv = zim_json_read_boolean (reader, root, "use_quant_conv", TRUE);
  config->use_post_quant_conv = zim_json_read_boolean (reader, root, "use_post_quant_conv", TRUE);
  config->scaling_factor = (float) read_positive (reader, root, "scaling_factor", 1e6, 0.18215);
  config->shift_factor = (float) zim_json_read_double (reader, root, "shift_factor", -1e6, 1e6, 0);
  check_autoencoder (reader, config);
}

gboolean
zim_config_load_transformer (ZimTransformerConfig  *config,
                             const char            *path,
                             GError               **error)
{
  g_autoptr(JsonNode) node = zim_file_load_json (path, error);
  ZimJsonReader reader = { .source = path, .code = ZIM_ERROR_BAD_CONFIG };

  if (node == NULL)
    return FALSE;
  read_transformer (&reader, zim_json_read_root (&reader, node), config);
  return zim_json_reader_finish (&reader, error);
}

gboolean
zim_config_load_text_encoder (ZimTextEncoderConfig  *config,
                              const char            *path,
                              GError               **error)
{
  g_autoptr(JsonNode) node = zim_file_load_json (path, error);
  ZimJsonReader reader = { .source = path, .code = ZIM_ERROR_BAD_CONFIG };

  if (node == NULL)
    return FALSE;
  read_text_encoder (&reader, zim_json_read_root (&reader, node), config);
  return zim_json_reader_finish (&reader, error);
}

gboolean
zim_config_load_autoencoder (ZimAutoencoderConfig  *config,
                             const char            *path,
                             GError               **error)
{
  g_autoptr(JsonNode) node = zim_file_load_json (path, error);
  ZimJsonReader reader = { .source = path, .code = ZIM_ERROR_BAD_CONFIG };

  if (node == NULL)
    return FALSE;
  read_autoencoder (&reader, zim_json_read_root (&reader, node), config);
  return zim_json_reader_finish (&reader, error);
}

void
_zim_config_check_networks (ZimJsonReader   *reader,
                            const ZimConfig *config)
{
  check_transformer (reader, &config->transformer);
  check_text_encoder (reader, &config->text_encoder);
  check_autoencoder (reader, &config->autoencoder);
}
