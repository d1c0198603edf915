/* zim-model.c: an opened checkpoint
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "store/zim-open-private.h"
#include "store/zim-pull-private.h"
#include "zim-enum-types.h"
#include "zim-error.h"
#include "zim-model-private.h"

/**
 * ZimModel:
 *
 * A Z-Image checkpoint: its text encoder, transformer, autoencoder and tokenizer.
 *
 * Opening a model reads its configurations and the headers of its weight files and checks that every tensor is there
 * in the right shape. The weights themselves stay mapped from disk and are read when a [class@ZImage.Pipeline] first
 * uses them.
 *
 * A model is immutable and can be used from any thread and by several pipelines at once. Async methods invoke their
 * callback in the thread-default context of the caller.
 */
struct _ZimModel {
  GObject         parent_instance;

  char           *name;
  ZimCheckpoint  *checkpoint;
  ZimTokenizer   *tokenizer;
  ZimTextEncoder *text_encoder;
  ZimTransformer *transformer;
  ZimAutoencoder *autoencoder;
  guint64         n_parameters;
  guint64         size;
  const char     *quantization; /* the type of most of the transformer's bytes */
};

G_DEFINE_FINAL_TYPE (ZimModel, zim_model, G_TYPE_OBJECT)

enum {
  PROP_0,
  PROP_NAME,
  PROP_PATH,
  PROP_VARIANT,
  PROP_DEFAULT_WIDTH,
  PROP_DEFAULT_HEIGHT,
  PROP_DEFAULT_STEPS,
  PROP_DEFAULT_GUIDANCE,
  PROP_N_PARAMETERS,
  PROP_SIZE,
  PROP_QUANTIZATION,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
zim_model_finalize (GObject *object)
{
  ZimModel *self = ZIM_MODEL (object);

  g_free (self->name);
  g_clear_pointer (&self->tokenizer, zim_tokenizer_unref);
  g_clear_pointer (&self->text_encoder, zim_text_encoder_free);
  g_clear_pointer (&self->transformer, zim_transformer_free);
  g_clear_pointer (&self->autoencoder, zim_autoencoder_free);
  g_clear_pointer (&self->checkpoint, zim_checkpoint_unref);
  G_OBJECT_CLASS (zim_model_parent_class)->finalize (object);
}

static void
zim_model_get_property (GObject    *object,
                        guint       prop_id,
                        GValue     *value,
                        GParamSpec *pspec)
{
  ZimModel *self = ZIM_MODEL (object);

  switch (prop_id)
    {
    case PROP_NAME:
      g_value_set_string (value, zim_model_get_name (self));
      break;
    case PROP_PATH:
      g_value_set_string (value, zim_model_get_path (self));
      break;
    case PROP_VARIANT:
      g_value_set_enum (value, zim_model_get_variant (self));
      break;
    case PROP_DEFAULT_WIDTH:
      g_value_set_int (value, zim_model_get_default_width (self));
      break;
    case PROP_DEFAULT_HEIGHT:
      g_value_set_int (value, zim_model_get_default_height (self));
      break;
    case PROP_DEFAULT_STEPS:
      g_value_set_int (value, zim_model_get_default_steps (self));
      break;
    case PROP_DEFAULT_GUIDANCE:
      g_value_set_double (value, zim_model_get_default_guidance (self));
      break;
    case PROP_N_PARAMETERS:
      g_value_set_uint64 (value, self->n_parameters);
      break;
    case PROP_SIZE:
      g_value_set_uint64 (value, self->size);
      break;
    case PROP_QUANTIZATION:
      g_value_set_string (value, zim_model_get_quantization (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_model_class_init (ZimModelClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = zim_model_finalize;
  object_class->get_property = zim_model_get_property;

  /**
   * ZimModel:name:
   *
   * What the model is called: by itself, else by its file or folder.
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);

  /**
   * ZimModel:path:
   *
   * The folder, the transformer’s file, or the name in the store.
   */
  properties[PROP_PATH] = g_param_spec_string ("path", NULL, NULL, NULL, flags);

  /**
   * ZimModel:variant:
   *
   * Turbo or base.
   */
  properties[PROP_VARIANT] = g_param_spec_enum ("variant", NULL, NULL, ZIM_TYPE_VARIANT, ZIM_VARIANT_TURBO, flags);

  /**
   * ZimModel:default-width:
   *
   * The width in pixels that the model suggests.
   */
  properties[PROP_DEFAULT_WIDTH] = g_param_spec_int ("default-width", NULL, NULL, 0, G_MAXINT, 0, flags);

  /**
   * ZimModel:default-height:
   *
   * The height in pixels that the model suggests.
   */
  properties[PROP_DEFAULT_HEIGHT] = g_param_spec_int ("default-height", NULL, NULL, 0, G_MAXINT, 0, flags);

  /**
   * ZimModel:default-steps:
   *
   * The number of steps that the model suggests.
   */
  properties[PROP_DEFAULT_STEPS] = g_param_spec_int ("default-steps", NULL, NULL, 0, G_MAXINT, 0, flags);

  /**
   * ZimModel:default-guidance:
   *
   * The guidance that the model suggests, where 0 is off.
   */
  properties[PROP_DEFAULT_GUIDANCE] = g_param_spec_double ("default-guidance", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);

  /**
   * ZimModel:n-parameters:
   *
   * The number of parameters of all its networks.
   */
  properties[PROP_N_PARAMETERS] = g_param_spec_uint64 ("n-parameters", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * ZimModel:size:
   *
   * The size of its weights in bytes.
   */
  properties[PROP_SIZE] = g_param_spec_uint64 ("size", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * ZimModel:quantization:
   *
   * The type that most of the transformer is stored in: `BF16`, `Q4_K`, …
   */
  properties[PROP_QUANTIZATION] = g_param_spec_string ("quantization", NULL, NULL, NULL, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
zim_model_init (ZimModel *self)
{
}

static gboolean
build_networks (ZimModel  *self,
                GError   **error)
{
  GBytes *tokenizer = zim_checkpoint_get_tokenizer (self->checkpoint);

  if (tokenizer != NULL)
    {
      const char *path = zim_checkpoint_get_path (self->checkpoint);

      self->tokenizer = zim_tokenizer_new (tokenizer, path, error);
      if (self->tokenizer == NULL)
        return FALSE;
    }
  return (self->text_encoder = zim_text_encoder_new (self->checkpoint, error)) != NULL &&
         (self->transformer = zim_transformer_new (self->checkpoint, error)) != NULL &&
         (self->autoencoder = zim_autoencoder_new (self->checkpoint, error)) != NULL;
}

static void
find_quantization (ZimModel *self)
{
  g_autoptr(GPtrArray) weights = zim_checkpoint_list (self->checkpoint, ZIM_COMPONENT_TRANSFORMER);
  g_autoptr(GHashTable) sums = g_hash_table_new (g_direct_hash, g_direct_equal);
  gsize most = 0;

  for (guint i = 0; i < weights->len; i++)
    {
      const ZimWeight *weight = g_ptr_array_index (weights, i);
      gpointer key = GUINT_TO_POINTER (weight->dtype);
      gsize sum = GPOINTER_TO_SIZE (g_hash_table_lookup (sums, key)) + weight->size;

      g_hash_table_insert (sums, key, GSIZE_TO_POINTER (sum));
      if (sum > most)
        self->quantization = zim_dtype_name (weight->dtype);
      most = MAX (most, sum);
    }
}

static void
count_parameters (ZimModel *self)
{
  for (guint component = 0; component < ZIM_N_COMPONENTS; component++)
    {
      g_autoptr(GPtrArray) weights = zim_checkpoint_list (self->checkpoint, component);

      for (guint i = 0; i < weights->len; i++)
        {
          const ZimWeight *weight = g_ptr_array_index (weights, i);

          self->n_parameters += zim_weight_n_elements (weight);
          self->size += weight->size;
        }
    }
}

ZimModel *
_zim_model_new_for_checkpoint (ZimCheckpoint  *checkpoint,
                               const char     *name,
                               GError        **error)
{
  g_autoptr(ZimModel) self = g_object_new (ZIM_TYPE_MODEL, NULL);
  const ZimModelDefaults *defaults = &zim_checkpoint_get_config (checkpoint)->defaults;

  self->checkpoint = zim_checkpoint_ref (checkpoint);
  self->name = g_strdup (defaults->name != NULL ? defaults->name : name);
  if (!build_networks (self, error))
    return NULL;
  count_parameters (self);
  find_quantization (self);
  return g_steal_pointer (&self);
}

/* Names */

static gboolean
is_path (const char *name)
{
  return g_str_has_prefix (name, "/") || g_str_has_prefix (name, "./") || g_str_has_prefix (name, "../") ||
         g_str_has_prefix (name, "~") || g_strcmp0 (name, ".") == 0 || g_strcmp0 (name, "..") == 0 ||
         g_str_has_suffix (name, ".safetensors") || g_str_has_suffix (name, ".gguf");
}

static char *
expand_home (const char *path)
{
  if (g_strcmp0 (path, "~") == 0 || g_str_has_prefix (path, "~/"))
    return g_strconcat (g_get_home_dir (), path + 1, NULL);
  return g_strdup (path);
}

/* <datadir>/zimage/models/NAME: models that are installed with a program, in this prefix or in XDG_DATA_DIRS. */
static char *
find_installed (const char *name)
{
  const char *const *dirs = g_get_system_data_dirs ();
  g_autofree char *own = g_build_filename (ZIM_DATADIR, "zimage", "models", name, NULL);

  if (strchr (name, '/') != NULL)
    return NULL;
  if (g_file_test (own, G_FILE_TEST_IS_DIR))
    return g_steal_pointer (&own);
  for (guint i = 0; dirs[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (dirs[i], "zimage", "models", name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        return g_steal_pointer (&path);
    }
  return NULL;
}

/* The folder or file that is meant, if it is not a model of the store. */
static char *
find_path (const char *name)
{
  char *path;

  if (is_path (name))
    return expand_home (name);
  path = find_installed (name);
  return path != NULL || !g_file_test (name, G_FILE_TEST_IS_DIR) ? path : g_strdup (name);
}

/* With the line that gets it, if anybody knows one. */
static void
fail_not_found (const char  *name,
                GError     **error)
{
  g_autoptr(ZimStoreName) parsed = zim_store_name_parse (name, NULL);

  if (parsed != NULL && zim_pull_is_possible (parsed))
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND,
                 _("There is no model “%s” on this machine. This gets it: zimage pull %s"), name, name);
  else
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND,
                 _("There is no model “%s”. A folder of weights becomes one with: zimage create %s -f FOLDER. "
                   "It can also be used where it is: ./%s"), name, name, name);
}

/* The name that a model of a file has: the file's, without what is behind its last dot. */
static ZimModel *
new_for_file (ZimCheckpoint  *checkpoint,
              GError        **error)
{
  g_autofree char *name = g_path_get_basename (zim_checkpoint_get_path (checkpoint));
  char *dot = strrchr (name, '.');

  if (dot != NULL && dot != name)
    *dot = '\0';
  return _zim_model_new_for_checkpoint (checkpoint, name, error);
}

static ZimModel *
open_parts (const ZimCheckpointParts  *parts,
            GCancellable              *cancellable,
            GError                   **error)
{
  g_autoptr(ZimCheckpoint) checkpoint = zim_checkpoint_open_parts (parts, cancellable, error);

  return checkpoint != NULL ? new_for_file (checkpoint, error) : NULL;
}

static ZimModel *
open_path (const char    *path,
           GCancellable  *cancellable,
           GError       **error)
{
  const ZimCheckpointParts parts = { .transformer = path, .variant = -1 };
  const char *const paths[] = { path, NULL };
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  g_autofree char *index = g_build_filename (path, "model_index.json", NULL);
  g_autofree char *absolute = NULL;
  g_autofree char *name = NULL;

  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return open_parts (&parts, cancellable, error);
  if (!g_file_test (index, G_FILE_TEST_EXISTS))
    return zim_model_open_files (paths, NULL, cancellable, error);
  checkpoint = zim_checkpoint_open_folder (path, cancellable, error);
  if (checkpoint == NULL)
    return NULL;
  absolute = g_canonicalize_filename (path, NULL);
  name = g_path_get_basename (absolute);
  return _zim_model_new_for_checkpoint (checkpoint, name, error);
}

/* NULL without an error if the store has no such model. */
static ZimCheckpoint *
open_stored (const char    *name,
             GCancellable  *cancellable,
             GError       **error)
{
  g_autofree char *root = zim_open_default_root ();
  g_autoptr(ZimStoreName) parsed = zim_store_name_parse (name, NULL);
  g_autoptr(GError) local_error = NULL;
  ZimCheckpoint *checkpoint;

  if (parsed == NULL)
    return NULL;
  checkpoint = zim_open_checkpoint (root, parsed, cancellable, &local_error);
  if (checkpoint == NULL && !g_error_matches (local_error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND))
    g_propagate_error (error, g_steal_pointer (&local_error));
  return checkpoint;
}

static ZimModel *
open_name (const char    *name,
           GCancellable  *cancellable,
           GError       **error)
{
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  g_autoptr(GError) local_error = NULL;
  g_autofree char *path = NULL;

  if (!is_path (name))
    checkpoint = open_stored (name, cancellable, &local_error);
  if (checkpoint != NULL)
    return _zim_model_new_for_checkpoint (checkpoint, zim_checkpoint_get_path (checkpoint), error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  path = find_path (name);
  if (path != NULL && g_file_test (path, G_FILE_TEST_EXISTS))
    return open_path (path, cancellable, error);
  if (path != NULL)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("There is no model at “%s”"), path);
  else
    fail_not_found (name, error);
  return NULL;
}

/**
 * zim_model_open: (constructor)
 * @name: a path if it starts with `/`, `./`, `../` or `~` or ends in `.safetensors` or `.gguf`; else the name of a
 *   model in the user’s [class@ZImage.Store], else of one that is installed with a program, else an existing folder
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Opens a model.
 *
 * A folder is one in the diffusers layout, with `model_index.json`, or one of single files. A single file,
 * safetensors or GGUF, is completed by files beside it; [ctor@ZImage.Model.open_parts] names them.
 *
 * Fails with %ZIM_ERROR_NOT_FOUND if there is no such model, and with %ZIM_ERROR_BAD_FILE, %ZIM_ERROR_BAD_CONFIG,
 * %ZIM_ERROR_MISSING_TENSOR, %ZIM_ERROR_BAD_SHAPE or %ZIM_ERROR_UNSUPPORTED if it is none that can be run.
 *
 * Returns: (transfer full): the model
 */
ZimModel *
zim_model_open (const char    *name,
                GCancellable  *cancellable,
                GError       **error)
{
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  return open_name (name, cancellable, error);
}

static gboolean
parse_variant (const char  *variant,
               int         *value,
               GError     **error)
{
  *value = -1;
  if (variant == NULL)
    return TRUE;
  if (g_strcmp0 (variant, "turbo") == 0)
    *value = ZIM_VARIANT_TURBO;
  else if (g_strcmp0 (variant, "base") == 0)
    *value = ZIM_VARIANT_BASE;
  else
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("The variant is “%s”, expected “turbo” or “base”"),
                 variant);
  return *value != -1;
}

/**
 * zim_model_open_parts: (constructor)
 * @transformer: the transformer’s file
 * @text_encoder: (nullable): the text encoder’s file or folder
 * @vae: (nullable): the autoencoder’s file or folder
 * @tokenizer: (nullable): `tokenizer.json` or the folder that holds it
 * @variant: (nullable): `turbo` or `base`
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Opens a model whose parts are single files, each safetensors or GGUF.
 *
 * What is %NULL is looked for in the transformer’s file and beside it, the tokenizer first in the text encoder’s GGUF
 * file. What is not there either is named in the error.
 *
 * Fails as [ctor@ZImage.Model.open] does.
 *
 * Returns: (transfer full): the model
 */
ZimModel *
zim_model_open_parts (const char    *transformer,
                      const char    *text_encoder,
                      const char    *vae,
                      const char    *tokenizer,
                      const char    *variant,
                      GCancellable  *cancellable,
                      GError       **error)
{
  ZimCheckpointParts parts = { transformer, text_encoder, vae, tokenizer, -1 };

  g_return_val_if_fail (transformer != NULL, NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!parse_variant (variant, &parts.variant, error))
    return NULL;
  return open_parts (&parts, cancellable, error);
}

/**
 * zim_model_open_files: (constructor)
 * @paths: (array zero-terminated=1) (element-type filename): files and folders
 * @variant: (nullable): `turbo` or `base`
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Opens a model whose parts lie anywhere, in any order: what is in a file or folder tells which part it is.
 *
 * A folder can be one of a part, one of files that are parts, or a whole model, of which what the others lack is taken.
 * What is missing then is looked for beside the transformer’s file.
 *
 * Fails as [ctor@ZImage.Model.open] does.
 *
 * Returns: (transfer full): the model
 */
ZimModel *
zim_model_open_files (const char *const  *paths,
                      const char         *variant,
                      GCancellable       *cancellable,
                      GError            **error)
{
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  int value;

  g_return_val_if_fail (paths != NULL && paths[0] != NULL, NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!parse_variant (variant, &value, error))
    return NULL;
  checkpoint = zim_checkpoint_open_files (paths, value, cancellable, error);
  return checkpoint != NULL ? new_for_file (checkpoint, error) : NULL;
}

/* What an asynchronous call opens: files, a name, or parts. */
typedef struct {
  char **files;
  char *name;
  char *text_encoder;
  char *vae;
  char *tokenizer;
  char *variant;
  gboolean is_parts;
} Open;

static void
open_free (Open *open)
{
  g_strfreev (open->files);
  g_free (open->name);
  g_free (open->text_encoder);
  g_free (open->vae);
  g_free (open->tokenizer);
  g_free (open->variant);
  g_free (open);
}

static void
open_in_thread (GTask        *task,
                gpointer      source,
                gpointer      task_data,
                GCancellable *cancellable)
{
  Open *open = task_data;
  GError *error = NULL;
  ZimModel *model;

  if (open->files != NULL)
    model = zim_model_open_files ((const char *const *) open->files, open->variant, cancellable, &error);
  else if (open->is_parts)
    model = zim_model_open_parts (open->name, open->text_encoder, open->vae, open->tokenizer, open->variant,
                                  cancellable, &error);
  else
    model = zim_model_open (open->name, cancellable, &error);
  if (model != NULL)
    g_task_return_pointer (task, model, g_object_unref);
  else
    g_task_return_error (task, error);
}

static void
open_async (Open                *open,
            gpointer             source_tag,
            GCancellable        *cancellable,
            GAsyncReadyCallback  callback,
            gpointer             user_data)
{
  g_autoptr(GTask) task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_source_tag (task, source_tag);
  g_task_set_task_data (task, open, (GDestroyNotify) open_free);
  g_task_run_in_thread (task, open_in_thread);
}

/**
 * zim_model_open_async:
 * @name: as in [ctor@ZImage.Model.open]
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the model is open
 * @user_data: data for @callback
 *
 * Opens a model without blocking.
 */
void
zim_model_open_async (const char          *name,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  Open *open;

  g_return_if_fail (name != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  open = g_new0 (Open, 1);
  open->name = g_strdup (name);
  open_async (open, zim_model_open_async, cancellable, callback, user_data);
}

/**
 * zim_model_open_finish: (constructor)
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [func@ZImage.Model.open_async].
 *
 * Returns: (transfer full): the model
 */
ZimModel *
zim_model_open_finish (GAsyncResult  *result,
                       GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * zim_model_open_parts_async:
 * @transformer: the transformer’s file
 * @text_encoder: (nullable): the text encoder’s file or folder
 * @vae: (nullable): the autoencoder’s file or folder
 * @tokenizer: (nullable): `tokenizer.json` or the folder that holds it
 * @variant: (nullable): `turbo` or `base`
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the model is open
 * @user_data: data for @callback
 *
 * Opens a model whose parts are single files without blocking: [ctor@ZImage.Model.open_parts].
 */
void
zim_model_open_parts_async (const char          *transformer,
                            const char          *text_encoder,
                            const char          *vae,
                            const char          *tokenizer,
                            const char          *variant,
                            GCancellable        *cancellable,
                            GAsyncReadyCallback  callback,
                            gpointer             user_data)
{
  Open *open;

  g_return_if_fail (transformer != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  open = g_new0 (Open, 1);
  open->is_parts = TRUE;
  open->name = g_strdup (transformer);
  open->text_encoder = g_strdup (text_encoder);
  open->vae = g_strdup (vae);
  open->tokenizer = g_strdup (tokenizer);
  open->variant = g_strdup (variant);
  open_async (open, zim_model_open_parts_async, cancellable, callback, user_data);
}

/**
 * zim_model_open_parts_finish: (constructor)
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [func@ZImage.Model.open_parts_async].
 *
 * Returns: (transfer full): the model
 */
ZimModel *
zim_model_open_parts_finish (GAsyncResult  *result,
                             GError       **error)
{
  return zim_model_open_finish (result, error);
}

/**
 * zim_model_open_files_async:
 * @paths: (array zero-terminated=1) (element-type filename): files and folders
 * @variant: (nullable): `turbo` or `base`
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the model is open
 * @user_data: data for @callback
 *
 * Opens a model whose parts lie anywhere without blocking: [ctor@ZImage.Model.open_files].
 */
void
zim_model_open_files_async (const char *const   *paths,
                            const char          *variant,
                            GCancellable        *cancellable,
                            GAsyncReadyCallback  callback,
                            gpointer             user_data)
{
  Open *open;

  g_return_if_fail (paths != NULL && paths[0] != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  open = g_new0 (Open, 1);
  open->files = g_strdupv ((char **) paths);
  open->variant = g_strdup (variant);
  open_async (open, zim_model_open_files_async, cancellable, callback, user_data);
}

/**
 * zim_model_open_files_finish: (constructor)
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [func@ZImage.Model.open_files_async].
 *
 * Returns: (transfer full): the model
 */
ZimModel *
zim_model_open_files_finish (GAsyncResult  *result,
                             GError       **error)
{
  return zim_model_open_finish (result, error);
}

/* Getters */

/**
 * zim_model_get_name:
 * @self: a model
 *
 * Gets what the model is called.
 *
 * Returns: the name
 */
const char *
zim_model_get_name (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), NULL);

  return self->name;
}

/**
 * zim_model_get_path:
 * @self: a model
 *
 * Gets where the model lies: its folder, the transformer’s file, or its name in the store.
 *
 * Returns: the path
 */
const char *
zim_model_get_path (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), NULL);

  return zim_checkpoint_get_path (self->checkpoint);
}

static const ZimModelDefaults *
get_defaults (ZimModel *self)
{
  return &zim_checkpoint_get_config (self->checkpoint)->defaults;
}

/**
 * zim_model_get_variant:
 * @self: a model
 *
 * Gets which of the Z-Image models it is.
 *
 * Returns: the variant
 */
ZimVariant
zim_model_get_variant (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), ZIM_VARIANT_TURBO);

  return get_defaults (self)->turbo ? ZIM_VARIANT_TURBO : ZIM_VARIANT_BASE;
}

/**
 * zim_model_get_default_width:
 * @self: a model
 *
 * Gets the width that the model suggests.
 *
 * Returns: pixels
 */
int
zim_model_get_default_width (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return get_defaults (self)->width;
}

/**
 * zim_model_get_default_height:
 * @self: a model
 *
 * Gets the height that the model suggests.
 *
 * Returns: pixels
 */
int
zim_model_get_default_height (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return get_defaults (self)->height;
}

/**
 * zim_model_get_default_steps:
 * @self: a model
 *
 * Gets the number of steps that the model suggests.
 *
 * Returns: the number of steps
 */
int
zim_model_get_default_steps (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return get_defaults (self)->steps;
}

/**
 * zim_model_get_default_guidance:
 * @self: a model
 *
 * Gets the guidance that the model suggests, where 0 is off.
 *
 * Returns: the guidance
 */
double
zim_model_get_default_guidance (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return get_defaults (self)->guidance;
}

/**
 * zim_model_get_n_parameters:
 * @self: a model
 *
 * Gets the number of parameters of all its networks.
 *
 * Returns: the number of parameters
 */
guint64
zim_model_get_n_parameters (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return self->n_parameters;
}

/**
 * zim_model_get_size:
 * @self: a model
 *
 * Gets the size of its weights.
 *
 * Returns: bytes
 */
guint64
zim_model_get_size (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return self->size;
}

/**
 * zim_model_get_quantization:
 * @self: a model
 *
 * Gets the type that most of the transformer is stored in.
 *
 * Returns: the type: `BF16`, `Q4_K`, …
 */
const char *
zim_model_get_quantization (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), NULL);

  return self->quantization;
}

/**
 * zim_model_list_tensors:
 * @self: a model
 *
 * Lists the tensors of all its networks.
 *
 * Returns: (transfer full): of type `a(ssaxt)`: name, type, shape and bytes of each
 */
GVariant *
zim_model_list_tensors (ZimModel *self)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(ssaxt)"));

  g_return_val_if_fail (ZIM_IS_MODEL (self), NULL);

  for (guint component = 0; component < ZIM_N_COMPONENTS; component++)
    {
      g_autoptr(GPtrArray) weights = zim_checkpoint_list (self->checkpoint, component);

      for (guint i = 0; i < weights->len; i++)
        {
          const ZimWeight *weight = g_ptr_array_index (weights, i);
          g_autofree char *name = zim_checkpoint_full_name (component, weight->name);

          g_variant_builder_add (&builder, "(ss@axt)", name, zim_dtype_name (weight->dtype),
                                 g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, weight->dims, weight->n_dims,
                                                            sizeof *weight->dims),
                                 (guint64) weight->size);
        }
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

ZimCheckpoint *
_zim_model_get_checkpoint (ZimModel *self)
{
  return self->checkpoint;
}

ZimTokenizer *
_zim_model_get_tokenizer (ZimModel *self)
{
  return self->tokenizer;
}

ZimTextEncoder *
_zim_model_get_text_encoder (ZimModel *self)
{
  return self->text_encoder;
}

ZimTransformer *
_zim_model_get_transformer (ZimModel *self)
{
  return self->transformer;
}

ZimAutoencoder *
_zim_model_get_autoencoder (ZimModel *self)
{
  return self->autoencoder;
}
