/* formats-util.c: tiny models and temporary folders for the tests of formats/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats-util.h"
#include "zim-error.h"

#include <glib/gstdio.h>

void
folder_init (Folder        *folder,
             gconstpointer  unused)
{
  g_autoptr(GError) error = NULL;

  folder->path = g_dir_make_tmp ("zimage-formats-XXXXXX", &error);
  g_assert_no_error (error);
}

static void
remove_all (const char *path)
{
  g_autoptr(GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        remove_all (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

void
folder_clear (Folder        *folder,
              gconstpointer  unused)
{
  remove_all (folder->path);
  g_clear_pointer (&folder->path, g_free);
}

char *
folder_file (Folder     *folder,
             const char *name)
{
  return g_build_filename (folder->path, name, NULL);
}

void
folder_write (Folder        *folder,
              const char    *name,
              gconstpointer  data,
              gssize         size)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = folder_file (folder, name);
  g_autofree char *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0777), ==, 0);
  g_file_set_contents_full (path, data, size, G_FILE_SET_CONTENTS_CONSISTENT, 0666, &error);
  g_assert_no_error (error);
}

guint
folder_count (Folder     *folder,
              const char *subfolder)
{
  g_autofree char *path = folder_file (folder, subfolder);
  g_autoptr(GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

void
folder_replace (Folder     *folder,
                const char *name,
                const char *from,
                const char *to)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = folder_file (folder, name);
  g_autofree char *before = NULL;
  g_autoptr(GString) text = NULL;

  g_file_get_contents (path, &before, NULL, &error);
  g_assert_no_error (error);
  text = g_string_new (before);
  if (g_string_replace (text, from, to, 1) != 1)
    g_error ("“%s” is not in %s:\n%s", from, path, text->str);
  folder_write (folder, name, text->str, -1);
}

void
tiny_config_init (ZimConfig *config)
{
  static const guint widths[] = { 32, 64, 32, 96 };

  zim_config_init_published (config, TRUE);
  config->transformer.dim = 256;
  config->transformer.n_heads = 2;
  config->transformer.n_layers = 3;
  config->transformer.n_refiner_layers = 1;
  config->transformer.cap_feat_dim = 64;
  config->text_encoder.vocab_size = 1224; /* of bytes.json */
  config->text_encoder.hidden_size = 64;
  config->text_encoder.intermediate_size = 96;
  config->text_encoder.num_hidden_layers = 3;
  config->text_encoder.num_attention_heads = 4;
  config->text_encoder.num_key_value_heads = 2;
  config->text_encoder.head_dim = 32;
  config->autoencoder.layers_per_block = 1;
  memcpy (config->autoencoder.block_out_channels, widths, sizeof widths);
}

/* One walk over all tensors. */
typedef struct {
  ZimComponent component;
  TensorFunc   func;
  gpointer     user_data;
} Walk;

/* Calls func with prefix + name; unused dimensions are 0. */
static void
visit (Walk       *walk,
       const char *prefix,
       const char *name,
       gint64      d0,
       gint64      d1,
       gint64      d2,
       gint64      d3)
{
  g_autofree char *full = g_strconcat (prefix, name, NULL);
  gint64 dims[] = { d0, d1, d2, d3 };
  guint n = 0;

  while (n < G_N_ELEMENTS (dims) && dims[n] > 0)
    n++;
  walk->func (walk->component, full, n, dims, walk->user_data);
}

static void
visit_biased (Walk       *walk,
              const char *prefix,
              const char *name,
              gint64      d0,
              gint64      d1,
              gint64      kernel)
{
  g_autofree char *stem = g_strconcat (prefix, name, NULL);

  visit (walk, stem, ".weight", d0, d1, kernel, kernel);
  visit (walk, stem, ".bias", d0, 0, 0, 0);
}

static void
visit_transformer_block (Walk                       *walk,
                         const ZimTransformerConfig *config,
                         const char                 *group,
                         guint                       index,
                         gboolean                    modulated)
{
  static const char *const square[] = {
    "attention.to_q.weight", "attention.to_k.weight", "attention.to_v.weight",
    "attention.to_out.0.weight",
  };
  static const char *const norms[] = {
    "attention_norm1.weight", "attention_norm2.weight", "ffn_norm1.weight", "ffn_norm2.weight",
  };
  g_autofree char *prefix = g_strdup_printf ("%s.%u.", group, index);
  gint64 dim = config->dim;
  gint64 ffn = (gint64) (dim / 3.0 * 8);

  for (guint i = 0; i < 4; i++)
    {
      visit (walk, prefix, square[i], dim, dim, 0, 0);
      visit (walk, prefix, norms[i], dim, 0, 0, 0);
    }
  visit (walk, prefix, "attention.norm_q.weight", dim / config->n_heads, 0, 0, 0);
  visit (walk, prefix, "attention.norm_k.weight", dim / config->n_heads, 0, 0, 0);
  visit (walk, prefix, "feed_forward.w1.weight", ffn, dim, 0, 0);
  visit (walk, prefix, "feed_forward.w2.weight", dim, ffn, 0, 0);
  visit (walk, prefix, "feed_forward.w3.weight", ffn, dim, 0, 0);
  if (modulated)
    visit_biased (walk, prefix, "adaLN_modulation.0", 4 * dim, MIN (dim, 256), 0);
}

static void
visit_transformer (Walk                       *walk,
                   const ZimTransformerConfig *config)
{
  g_autofree char *embedder = g_strdup_printf ("all_x_embedder.%u-1", config->patch_size);
  g_autofree char *final = g_strdup_printf ("all_final_layer.%u-1.", config->patch_size);
  gint64 patch = config->patch_size * config->patch_size * config->in_channels;
  gint64 width = MIN (config->dim, 256);

  visit_biased (walk, "", embedder, config->dim, patch, 0);
  visit_biased (walk, "", "t_embedder.mlp.0", 1024, 256, 0);
  visit_biased (walk, "", "t_embedder.mlp.2", width, 1024, 0);
  visit (walk, "", "cap_embedder.0.weight", config->cap_feat_dim, 0, 0, 0);
  visit_biased (walk, "", "cap_embedder.1", config->dim, config->cap_feat_dim, 0);
  visit (walk, "", "x_pad_token", 1, config->dim, 0, 0);
  visit (walk, "", "cap_pad_token", 1, config->dim, 0, 0);
  visit_biased (walk, final, "linear", patch, config->dim, 0);
  visit_biased (walk, final, "adaLN_modulation.1", config->dim, width, 0);
  for (guint i = 0; i < config->n_layers; i++)
    visit_transformer_block (walk, config, "layers", i, TRUE);
  for (guint i = 0; i < config->n_refiner_layers; i++)
    {
      visit_transformer_block (walk, config, "noise_refiner", i, TRUE);
      visit_transformer_block (walk, config, "context_refiner", i, FALSE);
    }
}

static void
visit_text_encoder (Walk                       *walk,
                    const ZimTextEncoderConfig *config)
{
  gint64 hidden = config->hidden_size;
  gint64 head = config->head_dim;
  gint64 q = head * config->num_attention_heads;
  gint64 kv = head * config->num_key_value_heads;

  visit (walk, "", "embed_tokens.weight", config->vocab_size, hidden, 0, 0);
  visit (walk, "", "norm.weight", hidden, 0, 0, 0);
  for (guint i = 0; i < config->num_hidden_layers; i++)
    {
      g_autofree char *prefix = g_strdup_printf ("layers.%u.", i);

      visit (walk, prefix, "input_layernorm.weight", hidden, 0, 0, 0);
      visit (walk, prefix, "self_attn.q_proj.weight", q, hidden, 0, 0);
      visit (walk, prefix, "self_attn.k_proj.weight", kv, hidden, 0, 0);
      visit (walk, prefix, "self_attn.v_proj.weight", kv, hidden, 0, 0);
      visit (walk, prefix, "self_attn.o_proj.weight", hidden, q, 0, 0);
      visit (walk, prefix, "self_attn.q_norm.weight", head, 0, 0, 0);
      visit (walk, prefix, "self_attn.k_norm.weight", head, 0, 0, 0);
      visit (walk, prefix, "post_attention_layernorm.weight", hidden, 0, 0, 0);
      visit (walk, prefix, "mlp.gate_proj.weight", config->intermediate_size, hidden, 0, 0);
      visit (walk, prefix, "mlp.up_proj.weight", config->intermediate_size, hidden, 0, 0);
      visit (walk, prefix, "mlp.down_proj.weight", hidden, config->intermediate_size, 0, 0);
    }
}

static void
visit_resnet (Walk   *walk,
              char   *prefix, /* taken */
              gint64  in,
              gint64  out)
{
  g_autofree char *taken = prefix;

  visit_biased (walk, taken, "norm1", in, 0, 0);
  visit_biased (walk, taken, "conv1", out, in, 3);
  visit_biased (walk, taken, "norm2", out, 0, 0);
  visit_biased (walk, taken, "conv2", out, out, 3);
  if (in != out)
    visit_biased (walk, taken, "conv_shortcut", out, in, 1);
}

static void
visit_mid_block (Walk       *walk,
                 const char *side,
                 gint64      width,
                 gboolean    attention)
{
  g_autofree char *prefix = g_strconcat (side, "mid_block.attentions.0.", NULL);

  visit_resnet (walk, g_strconcat (side, "mid_block.resnets.0.", NULL), width, width);
  visit_resnet (walk, g_strconcat (side, "mid_block.resnets.1.", NULL), width, width);
  if (!attention)
    return;
  visit_biased (walk, prefix, "group_norm", width, 0, 0);
  visit_biased (walk, prefix, "to_q", width, width, 0);
  visit_biased (walk, prefix, "to_k", width, width, 0);
  visit_biased (walk, prefix, "to_v", width, width, 0);
  visit_biased (walk, prefix, "to_out.0", width, width, 0);
}

static void
visit_decoder (Walk                       *walk,
               const ZimAutoencoderConfig *config)
{
  guint n = config->n_blocks;
  gint64 in = config->block_out_channels[n - 1];

  visit_biased (walk, "", "decoder.conv_in", in, config->latent_channels, 3);
  visit_mid_block (walk, "decoder.", in, config->mid_block_add_attention);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *upsampler = g_strdup_printf ("decoder.up_blocks.%u.upsamplers.0.conv", i);
      gint64 out = config->block_out_channels[n - 1 - i];

      for (guint j = 0; j <= config->layers_per_block; j++, in = out)
        visit_resnet (walk, g_strdup_printf ("decoder.up_blocks.%u.resnets.%u.", i, j), in, out);
      if (i + 1 < n)
        visit_biased (walk, "", upsampler, out, out, 3);
    }
  visit_biased (walk, "", "decoder.conv_norm_out", in, 0, 0);
  visit_biased (walk, "", "decoder.conv_out", config->out_channels, in, 3);
}

static void
visit_encoder (Walk                       *walk,
               const ZimAutoencoderConfig *config)
{
  gint64 in = config->block_out_channels[0];

  visit_biased (walk, "", "encoder.conv_in", in, config->in_channels, 3);
  for (guint i = 0; i < config->n_blocks; i++)
    {
      g_autofree char *downsampler = g_strdup_printf ("encoder.down_blocks.%u.downsamplers.0.conv",
                                                      i);
      gint64 out = config->block_out_channels[i];

      for (guint j = 0; j < config->layers_per_block; j++, in = out)
        visit_resnet (walk, g_strdup_printf ("encoder.down_blocks.%u.resnets.%u.", i, j), in, out);
      if (i + 1 < config->n_blocks)
        visit_biased (walk, "", downsampler, out, out, 3);
    }
  visit_mid_block (walk, "encoder.", in, config->mid_block_add_attention);
  visit_biased (walk, "", "encoder.conv_norm_out", in, 0, 0);
  visit_biased (walk, "", "encoder.conv_out", 2 * config->latent_channels, in, 3);
}

void
foreach_tensor (const ZimConfig *config,
                TensorFunc       func,
                gpointer         user_data)
{
  Walk walk = { ZIM_COMPONENT_TRANSFORMER, func, user_data };

  visit_transformer (&walk, &config->transformer);
  walk.component = ZIM_COMPONENT_TEXT_ENCODER;
  visit_text_encoder (&walk, &config->text_encoder);
  walk.component = ZIM_COMPONENT_AUTOENCODER;
  visit_decoder (&walk, &config->autoencoder);
  visit_encoder (&walk, &config->autoencoder);
  if (config->autoencoder.use_quant_conv)
    visit_biased (&walk, "", "quant_conv", 2 * config->autoencoder.latent_channels,
                  2 * config->autoencoder.latent_channels, 1);
  if (config->autoencoder.use_post_quant_conv)
    visit_biased (&walk, "", "post_quant_conv", config->autoencoder.latent_channels,
                  config->autoencoder.latent_channels, 1);
}

/* Bytes that depend on the name and the place. */
static void
fill (const char   *name,
      guint         n_dims,
      const gint64 *dims,
      ZimDType      dtype,
      void         *data,
      gpointer      user_data)
{
  guint32 state = g_str_hash (name) | 1;
  gsize size = zim_dtype_size (dtype);
  guint8 *bytes = data;

  for (guint i = 0; i < n_dims; i++)
    size *= (gsize) dims[i];
  for (gsize i = 0; i < size; i++)
    {
      state = state * 1664525 + 1013904223;
      bytes[i] = (guint8) (state >> 24);
      /* Finite bf16 values about 2⁻⁶, so that a network of them can run. */
      if (dtype == ZIM_DTYPE_BF16 && i % 2 == 1)
        bytes[i] = (bytes[i] & 0x80) | 0x3c;
    }
}

static void
require_one (ZimComponent   component,
             const char    *name,
             guint          n_dims,
             const gint64  *dims,
             gpointer       user_data)
{
  g_autoptr(GError) error = NULL;

  zim_checkpoint_require (user_data, component, name, n_dims, dims, &error);
  g_assert_no_error (error);
}

void
generate_all (const ZimConfig *config,
              ZimCheckpoint   *checkpoint)
{
  foreach_tensor (config, require_one, checkpoint);
}

ZimCheckpoint *
tiny_checkpoint_new (const ZimConfig *config,
                     ZimDType         dtype)
{
  g_autoptr(GBytes) tokenizer = g_bytes_new_static ("{\"tiny\":true}", 13);
  ZimCheckpoint *checkpoint = zim_checkpoint_new_generated (config, tokenizer, dtype, fill, NULL);

  generate_all (config, checkpoint);
  return checkpoint;
}

static void
compare_one (ZimComponent   component,
             const char    *name,
             guint          n_dims,
             const gint64  *dims,
             gpointer       user_data)
{
  ZimCheckpoint **both = user_data;
  const ZimWeight *expected = zim_checkpoint_lookup (both[0], component, name);
  const ZimWeight *found;
  g_autoptr(GError) error = NULL;

  g_assert_nonnull (expected);
  found = zim_checkpoint_require (both[1], component, name, n_dims, dims, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (found->name, ==, name);
  g_assert_cmpint (found->dtype, ==, expected->dtype);
  g_assert_cmpmem (found->data, found->size, expected->data, expected->size);
}

void
assert_same_tensors (const ZimConfig *config,
                     ZimCheckpoint   *expected,
                     ZimCheckpoint   *other)
{
  ZimCheckpoint *both[] = { expected, other };

  foreach_tensor (config, compare_one, both);
}

void
assert_and_clear_error (GError     **error,
                        int          code,
                        const char  *text)
{
  g_assert_error (*error, ZIM_ERROR, code);
  if (strstr ((*error)->message, text) == NULL)
    g_error ("“%s” is not in the message “%s”", text, (*error)->message);
  g_assert_true (g_utf8_validate ((*error)->message, -1, NULL));
  g_clear_error (error);
}
