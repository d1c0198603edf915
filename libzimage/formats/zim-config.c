/* zim-config.c: the configuration of a model as a whole
 *
 * model_index.json, the scheduler (diffusers' FlowMatchEulerDiscreteScheduler), zimage.json, and
 * whether the parts fit each other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-config-internal.h"
#include "formats/zim-file-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

/* The scheduler. */

static void
read_scheduler (ZimJsonReader      *reader,
                JsonObject         *root,
                ZimSchedulerConfig *config)
{
  static const char *const unused[] = {
    "invert_sigmas", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas",
    "stochastic_sampling",
  };
  const char *type;

  zim_json_only_string (reader, root, "_class_name", "FlowMatchEulerDiscreteScheduler");
  for (guint i = 0; i < G_N_ELEMENTS (unused); i++)
    zim_json_only_false (reader, root, unused[i]);
  zim_json_only_null (reader, root, "shift_terminal");
  config->num_train_timesteps = (guint) zim_json_read_int (reader, root, "num_train_timesteps",
                                                           1, 1000000, 1000);
  config->shift = zim_json_read_double (reader, root, "shift", 1e-30, 1000, 1);
  config->use_dynamic_shifting = zim_json_read_boolean (reader, root, "use_dynamic_shifting", FALSE);
  config->base_shift = zim_json_read_double (reader, root, "base_shift", -100, 100, 0.5);
  config->max_shift = zim_json_read_double (reader, root, "max_shift", -100, 100, 1.15);
  config->base_image_seq_len = (guint) zim_json_read_int (reader, root, "base_image_seq_len",
                                                          1, 1 << 24, 256);
  config->max_image_seq_len = (guint) zim_json_read_int (reader, root, "max_image_seq_len",
                                                         1, 1 << 24, 4096);
  if (config->max_image_seq_len <= config->base_image_seq_len)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                          _("Field “max_image_seq_len” is %u, expected more than "
                            "“base_image_seq_len”, %u"),
                          config->max_image_seq_len, config->base_image_seq_len);
  type = zim_json_read_string (reader, root, "time_shift_type", "exponential");
  config->time_shift_linear = g_strcmp0 (type, "linear") == 0;
  if (!config->time_shift_linear)
    zim_json_only_string (reader, root, "time_shift_type", "exponential");
}

/* The model as a whole. */

/* What model_index.json says of one component: a pair of library and class. */
static void
check_component (ZimJsonReader      *reader,
                 JsonObject         *root,
                 const char         *field,
                 const char *const  *classes)
{
  JsonArray *pair = zim_json_read_array (reader, root, field);
  const char *class = NULL;

  if (pair == NULL)
    return; /* what the components' own files say is checked in any case */
  if (json_array_get_length (pair) == 2 && JSON_NODE_HOLDS_VALUE (json_array_get_element (pair, 1)))
    class = json_node_get_string (json_array_get_element (pair, 1));
  if (class == NULL)
    {
      zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                            _("Field “%s” is not a library and a class"), field);
    }
  else if (!g_strv_contains (classes, class))
    {
      g_autofree char *shortened = zim_json_shorten (class);

      zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                            _("Field “%s” is “%s”, only “%s” is supported"),
                            field, shortened, classes[0]);
    }
}

static void
read_index (ZimJsonReader *reader,
            JsonObject    *root)
{
  static const char *const pipelines[] = {
    "ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline", NULL
  };
  static const char *const schedulers[] = { "FlowMatchEulerDiscreteScheduler", NULL };
  static const char *const text_encoders[] = { "Qwen3Model", "Qwen3ForCausalLM", NULL };
  static const char *const transformers[] = { "ZImageTransformer2DModel", NULL };
  static const char *const autoencoders[] = { "AutoencoderKL", NULL };
  /* Ollama's store writes the same class under another name. */
  gboolean rewritten = zim_json_has (root, "architecture") && !zim_json_has (root, "_class_name");
  const char *field = rewritten ? "architecture" : "_class_name";
  const char *class = zim_json_need_string (reader, root, field);

  if (class != NULL && !g_strv_contains (pipelines, class))
    {
      g_autofree char *shortened = zim_json_shorten (class);

      zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                            _("Field “%s” is “%s”, only “%s” is supported"),
                            field, shortened, pipelines[0]);
    }
  check_component (reader, root, "scheduler", schedulers);
  check_component (reader, root, "text_encoder", text_encoders);
  check_component (reader, root, "transformer", transformers);
  check_component (reader, root, "vae", autoencoders);
}

void
zim_config_suggest (ZimModelDefaults *defaults,
                    gboolean          turbo)
{
  defaults->turbo = turbo;
  defaults->width = 1024;
  defaults->height = 1024;
  defaults->steps = turbo ? 8 : 50;
  defaults->guidance = turbo ? 0 : 4;
}

static void
check_side (ZimJsonReader *reader,
            const char    *field,
            guint          pixels)
{
  if (pixels % 16 != 0)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                          _("Field “%s” is %u, expected a multiple of 16"), field, pixels);
}

/* zimage.json: every field is optional. */
static void
read_defaults (ZimJsonReader    *reader,
               JsonObject       *root,
               ZimModelDefaults *defaults)
{
  const char *variant = zim_json_read_string (reader, root, "variant",
                                              defaults->turbo ? "turbo" : "base");

  if (reader->error == NULL && strcmp (variant, "turbo") != 0 && strcmp (variant, "base") != 0)
    {
      g_autofree char *shortened = zim_json_shorten (variant);

      zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                            _("Field “variant” is “%s”, expected “turbo” or “base”"), shortened);
    }
  zim_config_suggest (defaults, g_strcmp0 (variant, "turbo") == 0);
  defaults->width = (guint) zim_json_read_int (reader, root, "width", 16, 8192, defaults->width);
  defaults->height = (guint) zim_json_read_int (reader, root, "height", 16, 8192, defaults->height);
  check_side (reader, "width", defaults->width);
  check_side (reader, "height", defaults->height);
  defaults->steps = (guint) zim_json_read_int (reader, root, "steps", 1, 1000, defaults->steps);
  defaults->guidance = zim_json_read_double (reader, root, "guidance", 0, 100, defaults->guidance);
  defaults->name = g_strdup (zim_json_read_string (reader, root, "name", NULL));
}

static gboolean
load_defaults (ZimConfig   *config,
               const char  *path,
               GError     **error)
{
  g_autoptr(JsonNode) node = NULL;
  ZimJsonReader reader = { .source = path, .code = ZIM_ERROR_BAD_CONFIG };

  /* Turbo is published with a shift of 3 and the base model with 6. Others are nearer to one or the
   * other; zimage.json is there to say more. */
  zim_config_suggest (&config->defaults, config->scheduler.shift < 4.5);
  if (path == NULL)
    return TRUE;
  node = zim_file_load_json (path, error);
  if (node == NULL)
    return FALSE;
  read_defaults (&reader, zim_json_read_root (&reader, node), &config->defaults);
  return zim_json_reader_finish (&reader, error);
}

static gboolean
load_index (const char  *path,
            GError     **error)
{
  g_autoptr(JsonNode) node = zim_file_load_json (path, error);
  ZimJsonReader reader = { .source = path, .code = ZIM_ERROR_BAD_CONFIG };

  if (node == NULL)
    return FALSE;
  read_index (&reader, zim_json_read_root (&reader, node));
  return zim_json_reader_finish (&reader, error);
}

static gboolean
load_scheduler (ZimSchedulerConfig  *config,
                const char          *path,
                GError             **error)
{
  g_autoptr(JsonNode) node = zim_file_load_json (path, error);
  ZimJsonReader reader = { .source = path, .code = ZIM_ERROR_BAD_CONFIG };

  if (node == NULL)
    return FALSE;
  read_scheduler (&reader, zim_json_read_root (&reader, node), config);
  return zim_json_reader_finish (&reader, error);
}

static void
check_together (ZimJsonReader   *reader,
                const ZimConfig *config)
{
  if (config->autoencoder.latent_channels != config->transformer.in_channels)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                          _("The autoencoder has %u latent channels, the transformer takes %u"),
                          config->autoencoder.latent_channels, config->transformer.in_channels);
  if (config->text_encoder.hidden_size != config->transformer.cap_feat_dim)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_CONFIG,
                          _("The text encoder’s features have a width of %u, the transformer takes %u"),
                          config->text_encoder.hidden_size, config->transformer.cap_feat_dim);
}

gboolean
zim_config_check (const ZimConfig  *config,
                  const char       *source,
                  GError          **error)
{
  ZimJsonReader reader = { .source = source, .code = ZIM_ERROR_BAD_CONFIG };

  _zim_config_check_networks (&reader, config);
  check_together (&reader, config);
  return zim_json_reader_finish (&reader, error);
}

gboolean
zim_config_load_paths (ZimConfig             *config,
                       const ZimConfigPaths  *paths,
                       const char            *source,
                       GError               **error)
{
  memset (config, 0, sizeof *config);
  if (load_index (paths->index, error) &&
      load_scheduler (&config->scheduler, paths->scheduler, error) &&
      zim_config_load_text_encoder (&config->text_encoder, paths->text_encoder, error) &&
      zim_config_load_transformer (&config->transformer, paths->transformer, error) &&
      zim_config_load_autoencoder (&config->autoencoder, paths->autoencoder, error) &&
      load_defaults (config, paths->defaults, error) &&
      zim_config_check (config, source, error))
    return TRUE;
  zim_config_clear (config);
  return FALSE;
}

gboolean
zim_config_load_folder (ZimConfig   *config,
                        const char  *path,
                        GError     **error)
{
  g_autofree char *index = g_build_filename (path, "model_index.json", NULL);
  g_autofree char *scheduler = g_build_filename (path, "scheduler", "scheduler_config.json", NULL);
  g_autofree char *text_encoder = g_build_filename (path, "text_encoder", "config.json", NULL);
  g_autofree char *transformer = g_build_filename (path, "transformer", "config.json", NULL);
  g_autofree char *autoencoder = g_build_filename (path, "vae", "config.json", NULL);
  g_autofree char *defaults = g_build_filename (path, "zimage.json", NULL);
  const ZimConfigPaths paths = {
    index, scheduler, text_encoder, transformer, autoencoder,
    g_file_test (defaults, G_FILE_TEST_EXISTS) ? defaults : NULL,
  };

  return zim_config_load_paths (config, &paths, path, error);
}

void
zim_config_copy (const ZimConfig *config,
                 ZimConfig       *copy)
{
  *copy = *config;
  copy->defaults.name = g_strdup (config->defaults.name);
}

void
zim_config_clear (ZimConfig *config)
{
  g_clear_pointer (&config->defaults.name, g_free);
}
