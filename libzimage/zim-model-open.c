/* zim-model-open.c: opening models by names, folders and files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "store/zim-open-private.h"
#include "store/zim-pull-private.h"
#include "zim-error.h"
#include "zim-model-private.h"

#define DEFAULT_TAG ":latest"

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

/* The data folders in which models can be that are installed with a program: this prefix’s, and XDG_DATA_DIRS. */
static GPtrArray *
list_data_dirs (void)
{
  const char *const *dirs = g_get_system_data_dirs ();
  GPtrArray *list = g_ptr_array_new ();

  g_ptr_array_add (list, (gpointer) ZIM_DATADIR);
  for (guint i = 0; dirs[i] != NULL; i++)
    g_ptr_array_add (list, (gpointer) dirs[i]);
  return list;
}

/* <datadir>/zimage/models/NAME. The tag that every name has that has none may be there. */
static char *
find_installed (const char *name)
{
  g_autoptr(GPtrArray) dirs = list_data_dirs ();
  gsize length = strlen (name) - (g_str_has_suffix (name, DEFAULT_TAG) ? strlen (DEFAULT_TAG) : 0);
  g_autofree char *folder = g_strndup (name, length);

  if (*folder == '\0' || *folder == '.' || strchr (folder, '/') != NULL || is_path (folder))
    return NULL;
  for (guint i = 0; i < dirs->len; i++)
    {
      g_autofree char *path = g_build_filename (dirs->pdata[i], "zimage", "models", folder, NULL);
      g_autofree char *index = g_build_filename (path, "model_index.json", NULL);

      if (g_file_test (index, G_FILE_TEST_EXISTS))
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
 * zim_model_is_installed:
 * @name: the name of a model, with or without the tag `:latest`
 *
 * Tells whether a model of that name is installed with a program, as a folder with `model_index.json` below
 * `zimage/models` in the data folder of the library’s own prefix or in one of `XDG_DATA_DIRS`.
 * [ctor@ZImage.Model.open] opens it, unless the user’s [class@ZImage.Store] has one of that name.
 *
 * Returns: whether there is one
 */
gboolean
zim_model_is_installed (const char *name)
{
  g_autofree char *path = NULL;

  g_return_val_if_fail (name != NULL, FALSE);

  path = find_installed (name);
  return path != NULL;
}

static void
add_installed (GHashTable *names,
               const char *data_dir)
{
  g_autofree char *path = g_build_filename (data_dir, "zimage", "models", NULL);
  g_autoptr(GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_utf8_validate (name, -1, NULL) && zim_model_is_installed (name))
      g_hash_table_add (names, g_strdup (name));
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

/**
 * zim_model_list_installed:
 *
 * Lists the models for which [func@ZImage.Model.is_installed] is true.
 *
 * Returns: (transfer full) (array zero-terminated=1): their names, in alphabetical order
 */
char **
zim_model_list_installed (void)
{
  g_autoptr(GPtrArray) dirs = list_data_dirs ();
  g_autoptr(GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GPtrArray) list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer name;

  for (guint i = 0; i < dirs->len; i++)
    add_installed (names, dirs->pdata[i]);

  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    {
      g_hash_table_iter_steal (&iter);
      g_ptr_array_add (list, name);
    }
  g_ptr_array_sort (list, compare_names);
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_steal (list, NULL);
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
