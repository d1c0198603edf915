/* zim-config-write.c: writing the JSON files of a checkpoint
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-config-private.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>

/* One flat object. json-glib would print 1e-5 with all digits that a double has; here a number
 * is as short as reads back the same, as Python writes it. */
static void
put (GString    *json,
     const char *field,
     const char *value)
{
  g_string_append_printf (json, "%s  \"%s\": %s", json->len == 0 ? "{\n" : ",\n", field, value);
}

static void
put_string (GString    *json,
            const char *field,
            const char *value)
{
  g_autoptr(JsonNode) node = json_node_init_string (json_node_alloc (), value);
  g_autofree char *quoted = json_to_string (node, FALSE);

  put (json, field, quoted);
}

static void
put_uint (GString    *json,
          const char *field,
          guint       value)
{
  char text[16];

  g_snprintf (text, sizeof text, "%u", value);
  put (json, field, text);
}

static void
put_boolean (GString    *json,
             const char *field,
             gboolean    value)
{
  put (json, field, value ? "true" : "false");
}

static void
put_double (GString    *json,
            const char *field,
            double      value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  char format[8];
  int digits = 1;

  if (fabs (value) < 1e9 && value == trunc (value))
    {
      g_ascii_formatd (text, sizeof text, "%.1f", value); /* 1000.0, not 1e+03 */
      put (json, field, text);
      return;
    }
  do
    {
      g_snprintf (format, sizeof format, "%%.%dg", digits);
      g_ascii_formatd (text, sizeof text, format, value);
    }
  while (g_ascii_strtod (text, NULL) != value && ++digits <= 17);
  put (json, field, text);
}

/* A field that is a float here: 1e-05, not 9.9999997e-06. */
static void
put_float (GString    *json,
           const char *field,
           float       value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  char format[8];
  int digits = 1;

  do
    {
      g_snprintf (format, sizeof format, "%%.%dg", digits);
      g_ascii_formatd (text, sizeof text, format, value);
    }
  while ((float) g_ascii_strtod (text, NULL) != value && ++digits <= 9);
  put_double (json, field, g_ascii_strtod (text, NULL));
}

static void
put_uints (GString     *json,
           const char  *field,
           const guint *values,
           guint        n)
{
  g_autoptr(GString) text = g_string_new ("[");

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s%u", i > 0 ? ", " : "", values[i]);
  g_string_append_c (text, ']');
  put (json, field, text->str);
}

static void
put_repeated (GString    *json,
              const char *field,
              const char *value,
              guint       n)
{
  g_autoptr(GString) text = g_string_new ("[");

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s\"%s\"", i > 0 ? ", " : "", value);
  g_string_append_c (text, ']');
  put (json, field, text->str);
}

static GString *
make_index (void)
{
  GString *json = g_string_new (NULL);

  put_string (json, "_class_name", "ZImagePipeline");
  put (json, "scheduler", "[\"diffusers\", \"FlowMatchEulerDiscreteScheduler\"]");
  put (json, "text_encoder", "[\"transformers\", \"Qwen3Model\"]");
  put (json, "tokenizer", "[\"transformers\", \"Qwen2Tokenizer\"]");
  put (json, "transformer", "[\"diffusers\", \"ZImageTransformer2DModel\"]");
  put (json, "vae", "[\"diffusers\", \"AutoencoderKL\"]");
  return json;
}

static GString *
make_defaults (const ZimModelDefaults *defaults)
{
  GString *json = g_string_new (NULL);

  if (defaults->name != NULL)
    put_string (json, "name", defaults->name);
  put_string (json, "variant", defaults->turbo ? "turbo" : "base");
  put_uint (json, "width", defaults->width);
  put_uint (json, "height", defaults->height);
  put_uint (json, "steps", defaults->steps);
  put_double (json, "guidance", defaults->guidance);
  return json;
}

static GString *
make_transformer (const ZimTransformerConfig *config)
{
  static const guint one = 1;
  GString *json = g_string_new (NULL);

  put_string (json, "_class_name", "ZImageTransformer2DModel");
  put_uints (json, "all_f_patch_size", &one, 1);
  put_uints (json, "all_patch_size", &config->patch_size, 1);
  put_uints (json, "axes_dims", config->axes_dims, 3);
  put_uints (json, "axes_lens", config->axes_lens, 3);
  put_uint (json, "cap_feat_dim", config->cap_feat_dim);
  put_uint (json, "dim", config->dim);
  put_uint (json, "in_channels", config->in_channels);
  put_uint (json, "n_heads", config->n_heads);
  put_uint (json, "n_kv_heads", config->n_heads);
  put_uint (json, "n_layers", config->n_layers);
  put_uint (json, "n_refiner_layers", config->n_refiner_layers);
  put_float (json, "norm_eps", config->norm_eps);
  put_boolean (json, "qk_norm", config->qk_norm);
  put_double (json, "rope_theta", config->rope_theta);
  put_double (json, "t_scale", config->t_scale);
  return json;
}

static GString *
make_text_encoder (const ZimTextEncoderConfig *config)
{
  GString *json = g_string_new (NULL);

  put (json, "architectures", "[\"Qwen3ForCausalLM\"]");
  put_boolean (json, "attention_bias", FALSE);
  put_uint (json, "head_dim", config->head_dim);
  put_string (json, "hidden_act", "silu");
  put_uint (json, "hidden_size", config->hidden_size);
  put_uint (json, "intermediate_size", config->intermediate_size);
  put_uint (json, "max_position_embeddings", 40960);
  put_string (json, "model_type", "qwen3");
  put_uint (json, "num_attention_heads", config->num_attention_heads);
  put_uint (json, "num_hidden_layers", config->num_hidden_layers);
  put_uint (json, "num_key_value_heads", config->num_key_value_heads);
  put_float (json, "rms_norm_eps", config->rms_norm_eps);
  put (json, "rope_scaling", "null");
  put_double (json, "rope_theta", config->rope_theta);
  put_boolean (json, "tie_word_embeddings", TRUE);
  put_uint (json, "vocab_size", config->vocab_size);
  return json;
}

static GString *
make_autoencoder (const ZimAutoencoderConfig *config)
{
  GString *json = g_string_new (NULL);

  put_string (json, "_class_name", "AutoencoderKL");
  put_string (json, "act_fn", "silu");
  put_uints (json, "block_out_channels", config->block_out_channels, config->n_blocks);
  put_repeated (json, "down_block_types", "DownEncoderBlock2D", config->n_blocks);
  put_uint (json, "in_channels", config->in_channels);
  put_uint (json, "latent_channels", config->latent_channels);
  put_uint (json, "layers_per_block", config->layers_per_block);
  put_boolean (json, "mid_block_add_attention", config->mid_block_add_attention);
  put_uint (json, "norm_num_groups", config->norm_num_groups);
  put_uint (json, "out_channels", config->out_channels);
  put_float (json, "scaling_factor", config->scaling_factor);
  put_float (json, "shift_factor", config->shift_factor);
  put_repeated (json, "up_block_types", "UpDecoderBlock2D", config->n_blocks);
  put_boolean (json, "use_post_quant_conv", config->use_post_quant_conv);
  put_boolean (json, "use_quant_conv", config->use_quant_conv);
  return json;
}

static GString *
make_scheduler (const ZimSchedulerConfig *config)
{
  GString *json = g_string_new (NULL);

  put_string (json, "_class_name", "FlowMatchEulerDiscreteScheduler");
  put_uint (json, "base_image_seq_len", config->base_image_seq_len);
  put_double (json, "base_shift", config->base_shift);
  put_uint (json, "max_image_seq_len", config->max_image_seq_len);
  put_double (json, "max_shift", config->max_shift);
  put_uint (json, "num_train_timesteps", config->num_train_timesteps);
  put_double (json, "shift", config->shift);
  put_string (json, "time_shift_type", config->time_shift_linear ? "linear" : "exponential");
  put_boolean (json, "use_dynamic_shifting", config->use_dynamic_shifting);
  return json;
}

gboolean
zim_config_foreach_file (const ZimConfig  *config,
                         ZimConfigFunc     func,
                         gpointer          user_data,
                         GError          **error)
{
  /* The index comes last: a folder without it is no model. */
  const struct { const char *name; GString *json; } files[] = {
    { "scheduler/scheduler_config.json", make_scheduler (&config->scheduler) },
    { "text_encoder/config.json", make_text_encoder (&config->text_encoder) },
    { "transformer/config.json", make_transformer (&config->transformer) },
    { "vae/config.json", make_autoencoder (&config->autoencoder) },
    { "zimage.json", make_defaults (&config->defaults) },
    { "model_index.json", make_index () },
  };
  gboolean ok = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autoptr(GString) json = files[i].json;

      g_string_append (json, "\n}\n");
      ok = ok && func (files[i].name, json->str, user_data, error);
    }
  return ok;
}

static gboolean
write_file (const char  *name,
            const char  *text,
            gpointer     folder,
            GError     **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);

  if (g_mkdir_with_parents (parent, 0777) != 0)
    {
      int saved = errno;

      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved),
                   _("Could not create “%s”: %s"),
                   parent, g_strerror (saved));
      return FALSE;
    }
  return g_file_set_contents_full (path, text, -1,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                   0666, error);
}

gboolean
zim_config_write_folder (const ZimConfig  *config,
                         const char       *path,
                         GError          **error)
{
  return zim_config_foreach_file (config, write_file, (gpointer) path, error);
}
