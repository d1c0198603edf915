/* test-config.c: configurations, consistent and not
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats-util.h"
#include "formats/zim-config-private.h"
#include "zim-error.h"

#include <glib/gstdio.h>

static void
write_tiny (Folder *folder)
{
  g_autoptr(GError) error = NULL;
  ZimConfig config;

  tiny_config_init (&config);
  zim_config_write_folder (&config, folder->path, &error);
  g_assert_no_error (error);
}

static void
assert_loads (Folder    *folder,
              ZimConfig *config)
{
  g_autoptr(GError) error = NULL;

  zim_config_load_folder (config, folder->path, &error);
  g_assert_no_error (error);
}

static void
assert_same_config (const ZimConfig *a,
                    const ZimConfig *b)
{
  g_assert_cmpmem (&a->transformer, sizeof a->transformer, &b->transformer, sizeof b->transformer);
  g_assert_cmpmem (&a->text_encoder, sizeof a->text_encoder, &b->text_encoder,
                   sizeof b->text_encoder);
  g_assert_cmpmem (&a->autoencoder, sizeof a->autoencoder, &b->autoencoder, sizeof b->autoencoder);
  g_assert_cmpmem (&a->scheduler, sizeof a->scheduler, &b->scheduler, sizeof b->scheduler);
  g_assert_cmpstr (a->defaults.name, ==, b->defaults.name);
  g_assert_cmpint (a->defaults.turbo, ==, b->defaults.turbo);
  g_assert_cmpuint (a->defaults.width, ==, b->defaults.width);
  g_assert_cmpuint (a->defaults.height, ==, b->defaults.height);
  g_assert_cmpuint (a->defaults.steps, ==, b->defaults.steps);
  g_assert_cmpfloat (a->defaults.guidance, ==, b->defaults.guidance);
}

/* Every field survives writing and reading, floats to the bit. */
static void
test_round_trip (Folder        *folder,
                 gconstpointer  unused)
{
  ZimConfig config;
  ZimConfig copy;
  ZimConfig loaded;

  memset (&config, 0, sizeof config); /* padding too: structs are compared as bytes */
  tiny_config_init (&config);
  config.transformer.norm_eps = 3e-6f;
  config.transformer.rope_theta = 123.456;
  config.transformer.qk_norm = FALSE;
  config.autoencoder.scaling_factor = 0.776f;
  config.autoencoder.shift_factor = -0.04f;
  config.autoencoder.use_quant_conv = TRUE;
  config.autoencoder.mid_block_add_attention = FALSE;
  config.autoencoder.n_blocks = 2;
  memset (config.autoencoder.block_out_channels + 2, 0, 2 * sizeof (guint));
  config.scheduler.shift = 4.7;
  config.scheduler.use_dynamic_shifting = TRUE;
  config.scheduler.time_shift_linear = TRUE;
  config.defaults = (ZimModelDefaults) { (char *) "Tiny “one”", FALSE, 128, 96, 12, 2.5 };
  zim_config_copy (&config, &copy);
  g_assert_true (copy.defaults.name != config.defaults.name);

  g_assert_true (zim_config_write_folder (&copy, folder->path, NULL));
  assert_loads (folder, &loaded);
  assert_same_config (&config, &loaded);
  zim_config_clear (&copy);
  zim_config_clear (&loaded);
}

/* What a file leaves out is the class's default, because diffusers and transformers leave out
 * just that. */
static void
test_class_defaults (Folder        *folder,
                     gconstpointer  unused)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = folder_file (folder, "config.json");
  g_autofree char *bad = folder_file (folder, "none.json");
  ZimTransformerConfig transformer;
  ZimTextEncoderConfig text;
  ZimAutoencoderConfig vae;

  folder_write (folder, "config.json", "{}", -1);
  zim_config_load_transformer (&transformer, path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (transformer.dim, ==, 3840);
  g_assert_cmpuint (transformer.n_heads, ==, 30);
  g_assert_cmpuint (transformer.axes_lens[0], ==, 1024);
  g_assert_true (transformer.qk_norm);
  zim_config_load_text_encoder (&text, path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (text.head_dim, ==, 128);
  g_assert_cmpuint (text.num_key_value_heads, ==, 32);
  g_assert_cmpfloat (text.rope_theta, ==, 10000);
  zim_config_load_autoencoder (&vae, path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (vae.n_blocks, ==, 1);
  g_assert_cmpuint (vae.block_out_channels[0], ==, 64);
  g_assert_cmpuint (vae.latent_channels, ==, 4);
  g_assert_true (vae.use_quant_conv);

  g_assert_false (zim_config_load_transformer (&transformer, bad, &error));
  assert_and_clear_error (&error, ZIM_ERROR_NOT_FOUND, "none.json");
  folder_write (folder, "config.json", "[]", -1);
  g_assert_false (zim_config_load_transformer (&transformer, path, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_CONFIG, "Expected an object");
}

/* The places where transformers' versions put the rotary base. */
static void
test_rope_theta (Folder        *folder,
                 gconstpointer  unused)
{
  static const struct {
    const char *json;
    double      theta;
  } cases[] = {
    { "{\"rope_theta\":5000}", 5000 },
    { "{\"rope_theta\":1e6,\"rope_scaling\":null}", 1e6 },
    { "{\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":1000000}}", 1e6 },
    { "{\"rope_scaling\":{\"type\":\"default\",\"rope_theta\":7}}", 7 },
    { "{\"rope_theta\":5000,\"rope_scaling\":{\"rope_type\":\"default\"}}", 5000 },
  };
  g_autofree char *path = folder_file (folder, "config.json");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GError) error = NULL;
      ZimTextEncoderConfig text;

      folder_write (folder, "config.json", cases[i].json, -1);
      zim_config_load_text_encoder (&text, path, &error);
      g_assert_no_error (error);
      g_assert_cmpfloat (text.rope_theta, ==, cases[i].theta);
    }
}

/* Written as null: as many as there are heads. */
static void
test_null_kv_heads (Folder        *folder,
                    gconstpointer  unused)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = folder_file (folder, "config.json");
  ZimTextEncoderConfig text;

  folder_write (folder, "config.json", "{\"num_attention_heads\":12,\"num_key_value_heads\":null}",
                -1);
  zim_config_load_text_encoder (&text, path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (text.num_key_value_heads, ==, 12);
}

#define TRANSFORMER "transformer/config.json"
#define TEXT "text_encoder/config.json"
#define VAE "vae/config.json"
#define SCHEDULER "scheduler/scheduler_config.json"
#define INDEX "model_index.json"
#define DEFAULTS "zimage.json"

/* One change to a good folder and the error it gives. */
static const struct {
  const char *file;
  const char *from;
  const char *to;
  int         code;
  const char *message;
} bad[] = {
  { INDEX, "{", "", ZIM_ERROR_BAD_FILE, "Not valid JSON" },
  { INDEX, "\"_class_name\": \"ZImagePipeline\"", "\"x\": 1",
    ZIM_ERROR_BAD_CONFIG, "Field “_class_name” is missing" },
  { INDEX, "\"ZImagePipeline\"", "\"FluxPipeline\"",
    ZIM_ERROR_UNSUPPORTED, "Field “_class_name” is “FluxPipeline”" },
  { INDEX, "\"ZImagePipeline\"", "\"ZImageOmniPipeline\"",
    ZIM_ERROR_UNSUPPORTED, "ZImageOmniPipeline" },
  { INDEX, "\"_class_name\": \"ZImagePipeline\"", "\"architecture\": \"Flux2KleinPipeline\"",
    ZIM_ERROR_UNSUPPORTED, "Field “architecture” is “Flux2KleinPipeline”" },
  { INDEX, "FlowMatchEulerDiscreteScheduler", "UniPCMultistepScheduler",
    ZIM_ERROR_UNSUPPORTED, "Field “scheduler” is" },
  { INDEX, "Qwen3Model", "T5EncoderModel",
    ZIM_ERROR_UNSUPPORTED, "Field “text_encoder” is “T5EncoderModel”" },
  { INDEX, "ZImageTransformer2DModel", "FluxTransformer2DModel",
    ZIM_ERROR_UNSUPPORTED, "Field “transformer” is" },
  { INDEX, "[\"diffusers\", \"AutoencoderKL\"]", "[\"diffusers\", \"AutoencoderTiny\"]",
    ZIM_ERROR_UNSUPPORTED, "Field “vae” is" },
  { INDEX, "[\"diffusers\", \"AutoencoderKL\"]", "[1, 2]",
    ZIM_ERROR_BAD_CONFIG, "Field “vae” is not a library and a class" },
  { INDEX, "[\"diffusers\", \"AutoencoderKL\"]", "\"x\"",
    ZIM_ERROR_BAD_CONFIG, "Field “vae” is not an array" },

  { TRANSFORMER, "ZImageTransformer2DModel", "Lumina2Transformer2DModel",
    ZIM_ERROR_UNSUPPORTED, "“_class_name”" },
  { TRANSFORMER, "\"dim\": 256", "\"dim\": 0", ZIM_ERROR_BAD_CONFIG, "Field “dim” is 0" },
  { TRANSFORMER, "\"dim\": 256", "\"dim\": -256", ZIM_ERROR_BAD_CONFIG, "Field “dim” is -256" },
  { TRANSFORMER, "\"dim\": 256", "\"dim\": 4000000000",
    ZIM_ERROR_BAD_CONFIG, "Field “dim” is 4000000000" },
  { TRANSFORMER, "\"dim\": 256", "\"dim\": 131072",
    ZIM_ERROR_BAD_CONFIG, "Field “dim” is 131072, expected 1 to 65536" },
  { TRANSFORMER, "\"dim\": 256", "\"dim\": 256.5",
    ZIM_ERROR_BAD_CONFIG, "Field “dim” is not an integer" },
  { TRANSFORMER, "\"dim\": 256", "\"dim\": \"256\"",
    ZIM_ERROR_BAD_CONFIG, "Field “dim” is not an integer" },
  { TRANSFORMER, "\"dim\": 256", "\"dim\": 384",
    ZIM_ERROR_BAD_CONFIG, "“axes_dims” sums up to 128, expected “dim” / “n_heads”, 192" },
  { TRANSFORMER, "\"n_heads\": 2", "\"n_heads\": 3",
    ZIM_ERROR_BAD_CONFIG, "Field “dim” is 256, expected a multiple of “n_heads”, 3" },
  { TRANSFORMER, "\"n_heads\": 2", "\"n_heads\": 0", ZIM_ERROR_BAD_CONFIG, "Field “n_heads” is 0" },
  { TRANSFORMER, "[32, 48, 48]", "[31, 49, 48]",
    ZIM_ERROR_BAD_CONFIG, "Field “axes_dims” has an odd element, 31" },
  { TRANSFORMER, "[32, 48, 48]", "[0, 64, 64]", ZIM_ERROR_BAD_CONFIG, "Field “axes_dims” is 0" },
  { TRANSFORMER, "[32, 48, 48]", "[64, 64]",
    ZIM_ERROR_BAD_CONFIG, "Field “axes_dims” has 2 elements, expected 3" },
  { TRANSFORMER, "[32, 48, 48]", "[32, 32, 32, 32]",
    ZIM_ERROR_BAD_CONFIG, "Field “axes_dims” has 4 elements, expected at most 3" },
  { TRANSFORMER, "\"all_patch_size\": [2]", "\"all_patch_size\": [2, 4]",
    ZIM_ERROR_BAD_CONFIG, "Field “all_patch_size” has 2 elements" },
  { TRANSFORMER, "\"all_patch_size\": [2]", "\"all_patch_size\": []",
    ZIM_ERROR_BAD_CONFIG, "Field “all_patch_size” is empty" },
  { TRANSFORMER, "\"all_patch_size\": [2]", "\"all_patch_size\": [0]",
    ZIM_ERROR_BAD_CONFIG, "Field “all_patch_size” is 0" },
  { TRANSFORMER, "\"all_f_patch_size\": [1]", "\"all_f_patch_size\": [2]",
    ZIM_ERROR_UNSUPPORTED, "“all_f_patch_size” is not [1]" },
  { TRANSFORMER, "\"n_layers\": 3", "\"n_layers\": 0",
    ZIM_ERROR_BAD_CONFIG, "Field “n_layers” is 0" },
  { TRANSFORMER, "\"norm_eps\": 1e-05", "\"norm_eps\": 0",
    ZIM_ERROR_BAD_CONFIG, "Field “norm_eps” is 0" },
  { TRANSFORMER, "\"norm_eps\": 1e-05", "\"norm_eps\": \"1e-5\"",
    ZIM_ERROR_BAD_CONFIG, "Field “norm_eps” is not a number" },
  { TRANSFORMER, "\"qk_norm\": true", "\"qk_norm\": 1",
    ZIM_ERROR_BAD_CONFIG, "Field “qk_norm” is not true or false" },
  { TRANSFORMER, "\"qk_norm\": true", "\"siglip_feat_dim\": 1152",
    ZIM_ERROR_UNSUPPORTED, "Field “siglip_feat_dim” is set" },
  { TRANSFORMER, "\"in_channels\": 16", "\"in_channels\": 4",
    ZIM_ERROR_BAD_CONFIG, "The autoencoder has 16 latent channels, the transformer takes 4" },
  { TRANSFORMER, "\"cap_feat_dim\": 64", "\"cap_feat_dim\": 65",
    ZIM_ERROR_BAD_CONFIG, "have a width of 64, the transformer takes 65" },
  { TRANSFORMER, "\"rope_theta\": 256.0", "\"rope_theta\": -1",
    ZIM_ERROR_BAD_CONFIG, "Field “rope_theta” is -1" },
  { TRANSFORMER, "\"t_scale\": 1000.0", "\"t_scale\": 0.0",
    ZIM_ERROR_BAD_CONFIG, "Field “t_scale” is 0" },

  { TEXT, "\"qwen3\"", "\"qwen2\"",
    ZIM_ERROR_UNSUPPORTED, "Field “model_type” is “qwen2”, only “qwen3”" },
  { TEXT, "\"silu\"", "\"gelu\"", ZIM_ERROR_UNSUPPORTED, "Field “hidden_act” is “gelu”" },
  { TEXT, "\"attention_bias\": false", "\"attention_bias\": true",
    ZIM_ERROR_UNSUPPORTED, "Field “attention_bias” is true" },
  { TEXT, "\"attention_bias\": false", "\"use_sliding_window\": true",
    ZIM_ERROR_UNSUPPORTED, "Field “use_sliding_window” is true" },
  { TEXT, "\"attention_bias\": false", "\"layer_types\": [\"full_attention\", \"sliding_attention\"]",
    ZIM_ERROR_UNSUPPORTED, "“layer_types”" },
  { TEXT, "\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"yarn\"}",
    ZIM_ERROR_UNSUPPORTED, "Field “rope_type” is “yarn”" },
  { TEXT, "\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"linear\"}",
    ZIM_ERROR_UNSUPPORTED, "Field “type” is “linear”" },
  { TEXT, "\"rope_scaling\": null", "\"rope_parameters\": {\"partial_rotary_factor\": 0.5}",
    ZIM_ERROR_UNSUPPORTED, "“partial_rotary_factor”" },
  { TEXT, "\"rope_scaling\": null", "\"rope_scaling\": 4",
    ZIM_ERROR_BAD_CONFIG, "Field “rope_scaling” is not an object" },
  { TEXT, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
    ZIM_ERROR_BAD_CONFIG, "Field “num_attention_heads” is 4, expected a multiple of “num_key_value_heads”, 3" },
  { TEXT, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 0",
    ZIM_ERROR_BAD_CONFIG, "Field “num_key_value_heads” is 0" },
  { TEXT, "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 1",
    ZIM_ERROR_BAD_CONFIG, "Field “num_hidden_layers” is 1, expected 2 to" },
  { TEXT, "\"head_dim\": 32", "\"head_dim\": 31", ZIM_ERROR_BAD_CONFIG, "Field “head_dim” is odd" },
  { TEXT, "\"vocab_size\": 1224", "\"vocab_size\": 2000000000",
    ZIM_ERROR_BAD_CONFIG, "Field “vocab_size” is 2000000000" },
  { TEXT, "\"hidden_size\": 64", "\"hidden_size\": 32",
    ZIM_ERROR_BAD_CONFIG, "have a width of 32, the transformer takes 64" },
  { TEXT, "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": -1e-06",
    ZIM_ERROR_BAD_CONFIG, "Field “rms_norm_eps”" },

  { VAE, "\"AutoencoderKL\"", "\"AutoencoderKLWan\"", ZIM_ERROR_UNSUPPORTED, "“_class_name”" },
  { VAE, "\"silu\"", "\"mish\"", ZIM_ERROR_UNSUPPORTED, "Field “act_fn” is “mish”" },
  { VAE, "\"norm_num_groups\": 32", "\"norm_num_groups\": 24",
    ZIM_ERROR_BAD_CONFIG, "Field “block_out_channels” is 32, expected a multiple of “norm_num_groups”, 24" },
  { VAE, "\"norm_num_groups\": 32", "\"norm_num_groups\": 0",
    ZIM_ERROR_BAD_CONFIG, "Field “norm_num_groups” is 0" },
  { VAE, "[32, 64, 32, 96]", "[]", ZIM_ERROR_BAD_CONFIG, "“down_block_types” has 4 elements" },
  { VAE, "[32, 64, 32, 96]", "[32, 64, 96]",
    ZIM_ERROR_BAD_CONFIG, "“down_block_types” has 4 elements, expected as many as “block_out_channels”, 3" },
  { VAE, "[32, 64, 32, 96]", "[32, 32, 32, 32, 32, 32, 32, 32, 32]",
    ZIM_ERROR_BAD_CONFIG, "“block_out_channels” has 9 elements, expected at most 8" },
  { VAE, "[32, 64, 32, 96]", "[32, 64, 0, 96]",
    ZIM_ERROR_BAD_CONFIG, "Field “block_out_channels” is 0" },
  { VAE, "\"DownEncoderBlock2D\"", "\"AttnDownEncoderBlock2D\"",
    ZIM_ERROR_UNSUPPORTED, "Field “down_block_types” has others" },
  { VAE, "\"UpDecoderBlock2D\"", "1", ZIM_ERROR_UNSUPPORTED, "Field “up_block_types” has others" },
  { VAE, "\"in_channels\": 3", "\"in_channels\": 4",
    ZIM_ERROR_BAD_CONFIG, "Field “in_channels” is 4, expected 3" },
  { VAE, "\"out_channels\": 3", "\"out_channels\": 1",
    ZIM_ERROR_BAD_CONFIG, "Field “out_channels” is 1, expected 3" },
  { VAE, "\"latent_channels\": 16", "\"latent_channels\": 4",
    ZIM_ERROR_BAD_CONFIG, "The autoencoder has 4 latent channels" },
  { VAE, "\"layers_per_block\": 1", "\"layers_per_block\": 0",
    ZIM_ERROR_BAD_CONFIG, "Field “layers_per_block” is 0" },
  { VAE, "\"scaling_factor\": 0.3611", "\"scaling_factor\": 0",
    ZIM_ERROR_BAD_CONFIG, "Field “scaling_factor” is 0" },

  { SCHEDULER, "FlowMatchEulerDiscreteScheduler", "DDIMScheduler",
    ZIM_ERROR_UNSUPPORTED, "Field “_class_name” is “DDIMScheduler”" },
  { SCHEDULER, "\"shift\": 3.0", "\"shift\": 0", ZIM_ERROR_BAD_CONFIG, "Field “shift” is 0" },
  { SCHEDULER, "\"shift\": 3.0", "\"shift_terminal\": 0.1",
    ZIM_ERROR_UNSUPPORTED, "Field “shift_terminal” is set" },
  { SCHEDULER, "\"shift\": 3.0", "\"use_karras_sigmas\": true",
    ZIM_ERROR_UNSUPPORTED, "Field “use_karras_sigmas” is true" },
  { SCHEDULER, "\"shift\": 3.0", "\"invert_sigmas\": true",
    ZIM_ERROR_UNSUPPORTED, "Field “invert_sigmas” is true" },
  { SCHEDULER, "\"shift\": 3.0", "\"stochastic_sampling\": true",
    ZIM_ERROR_UNSUPPORTED, "Field “stochastic_sampling” is true" },
  { SCHEDULER, "\"exponential\"", "\"cubic\"",
    ZIM_ERROR_UNSUPPORTED, "Field “time_shift_type” is “cubic”" },
  { SCHEDULER, "\"max_image_seq_len\": 4096", "\"max_image_seq_len\": 256",
    ZIM_ERROR_BAD_CONFIG, "“max_image_seq_len” is 256, expected more" },
  { SCHEDULER, "\"num_train_timesteps\": 1000", "\"num_train_timesteps\": 0",
    ZIM_ERROR_BAD_CONFIG, "“num_train_timesteps” is 0" },

  { DEFAULTS, "\"turbo\"", "\"lite\"",
    ZIM_ERROR_BAD_CONFIG, "Field “variant” is “lite”, expected “turbo” or “base”" },
  { DEFAULTS, "\"turbo\"", "7", ZIM_ERROR_BAD_CONFIG, "Field “variant” is not a string" },
  { DEFAULTS, "\"width\": 1024", "\"width\": 1000",
    ZIM_ERROR_BAD_CONFIG, "Field “width” is 1000, expected a multiple of 16" },
  { DEFAULTS, "\"height\": 1024", "\"height\": 8208",
    ZIM_ERROR_BAD_CONFIG, "Field “height” is 8208, expected 16 to 8192" },
  { DEFAULTS, "\"steps\": 8", "\"steps\": 0", ZIM_ERROR_BAD_CONFIG, "Field “steps” is 0" },
  { DEFAULTS, "\"guidance\": 0.0", "\"guidance\": -1",
    ZIM_ERROR_BAD_CONFIG, "Field “guidance” is -1" },
};

static void
test_inconsistent (Folder        *folder,
                   gconstpointer  unused)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr(GError) error = NULL;
      ZimConfig config;

      write_tiny (folder);
      folder_replace (folder, bad[i].file, bad[i].from, bad[i].to);
      g_assert_false (zim_config_load_folder (&config, folder->path, &error));
      g_assert_true (g_str_has_prefix (error->message, folder->path));
      assert_and_clear_error (&error, bad[i].code, bad[i].message);
    }
}

static void
test_missing_files (Folder        *folder,
                    gconstpointer  unused)
{
  static const char *const files[] = { INDEX, SCHEDULER, TEXT, TRANSFORMER, VAE };

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autoptr(GError) error = NULL;
      g_autofree char *path = folder_file (folder, files[i]);
      ZimConfig config;

      write_tiny (folder);
      g_unlink (path);
      g_assert_false (zim_config_load_folder (&config, folder->path, &error));
      assert_and_clear_error (&error, ZIM_ERROR_NOT_FOUND, files[i]);
    }
}

/* What else is accepted: one change to a good folder that stays good. */
static void
test_accepted (Folder        *folder,
               gconstpointer  unused)
{
  static const struct {
    const char *file;
    const char *from;
    const char *to;
  } cases[] = {
    { INDEX, "\"_class_name\": \"ZImagePipeline\"", "\"architecture\": \"ZImagePipeline\"" },
    { INDEX, "\"ZImagePipeline\"", "\"ZImageInpaintPipeline\"" },
    { INDEX, "\"vae\": [\"diffusers\", \"AutoencoderKL\"]", "\"future\": {\"x\": [1]}" },
    { TRANSFORMER, "\"n_kv_heads\": 2", "\"n_kv_heads\": 7" },
    { TRANSFORMER, "\"qk_norm\": true", "\"qk_norm\": false, \"siglip_feat_dim\": null" },
    { TRANSFORMER, "\"n_refiner_layers\": 1", "\"n_refiner_layers\": 0" },
    { TRANSFORMER, "\"norm_eps\": 1e-05", "\"norm_eps\": 1" },
    { TEXT, "\"rope_scaling\": null", "\"rope_scaling\": {}" },
    { TEXT, "\"attention_bias\": false", "\"layer_types\": [\"full_attention\"]" },
    { VAE, "\"shift_factor\": 0.1159", "\"shift_factor\": null" },
    { SCHEDULER, "\"shift\": 3.0", "\"shift\": 3, \"shift_terminal\": null, \"use_beta_sigmas\": false" },
    { DEFAULTS, "\"variant\": \"turbo\",", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      ZimConfig config;

      write_tiny (folder);
      folder_replace (folder, cases[i].file, cases[i].from, cases[i].to);
      assert_loads (folder, &config);
      zim_config_clear (&config);
    }
}

static void
test_defaults (Folder        *folder,
               gconstpointer  unused)
{
  g_autofree char *path = folder_file (folder, DEFAULTS);
  ZimConfig config;

  write_tiny (folder);
  g_unlink (path);
  assert_loads (folder, &config);
  g_assert_null (config.defaults.name);
  g_assert_true (config.defaults.turbo);
  g_assert_cmpuint (config.defaults.steps, ==, 8);
  g_assert_cmpuint (config.defaults.width, ==, 1024);
  g_assert_cmpfloat (config.defaults.guidance, ==, 0);

  folder_replace (folder, SCHEDULER, "\"shift\": 3.0", "\"shift\": 6.0");
  assert_loads (folder, &config);
  g_assert_false (config.defaults.turbo);
  g_assert_cmpuint (config.defaults.steps, ==, 50);
  g_assert_cmpfloat (config.defaults.guidance, ==, 4);

  /* Only what zimage.json says is changed. */
  folder_write (folder, DEFAULTS, "{\"name\":\"Tiny\",\"variant\":\"turbo\",\"height\":64}", -1);
  assert_loads (folder, &config);
  g_assert_cmpstr (config.defaults.name, ==, "Tiny");
  g_assert_true (config.defaults.turbo);
  g_assert_cmpuint (config.defaults.steps, ==, 8);
  g_assert_cmpuint (config.defaults.width, ==, 1024);
  g_assert_cmpuint (config.defaults.height, ==, 64);
  zim_config_clear (&config);
}

/* The published model's own files, as far as they matter. */
static void
test_published (Folder        *folder,
                gconstpointer  unused)
{
  ZimConfig published;
  ZimConfig loaded;

  zim_config_init_published (&published, FALSE);
  g_assert_true (zim_config_check (&published, "published", NULL));
  g_assert_true (zim_config_write_folder (&published, folder->path, NULL));
  assert_loads (folder, &loaded);
  assert_same_config (&published, &loaded);
  g_assert_cmpfloat (loaded.scheduler.shift, ==, 6);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/config/round-trip", Folder, NULL, folder_init, test_round_trip, folder_clear);
  g_test_add ("/config/class-defaults", Folder, NULL, folder_init, test_class_defaults, folder_clear);
  g_test_add ("/config/rope-theta", Folder, NULL, folder_init, test_rope_theta, folder_clear);
  g_test_add ("/config/null-kv-heads", Folder, NULL, folder_init, test_null_kv_heads, folder_clear);
  g_test_add ("/config/inconsistent", Folder, NULL, folder_init, test_inconsistent, folder_clear);
  g_test_add ("/config/missing-files", Folder, NULL, folder_init, test_missing_files, folder_clear);
  g_test_add ("/config/accepted", Folder, NULL, folder_init, test_accepted, folder_clear);
  g_test_add ("/config/defaults", Folder, NULL, folder_init, test_defaults, folder_clear);
  g_test_add ("/config/published", Folder, NULL, folder_init, test_published, folder_clear);
  return g_test_run ();
}
