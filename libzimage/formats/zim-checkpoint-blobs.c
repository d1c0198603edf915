/* zim-checkpoint-blobs.c: models of which every tensor is a file
 *
 * As a store has them: weights are used where they lie, and other models may use the same files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-checkpoint-internal.h"
#include "formats/zim-file-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

/* The component whose tensor it is and the name behind the slash; ZIM_N_COMPONENTS if it is none's. */
static ZimComponent
split_name (const char  *name,
            const char **rest)
{
  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    {
      const char *component = _zim_component_get_name (i);
      gsize length = strlen (component);

      if (g_str_has_prefix (name, component) && name[length] == '/')
        {
          *rest = name + length + 1;
          return i;
        }
    }
  return ZIM_N_COMPONENTS;
}

/* What the one weight of a file is called: by its name with or without the component, or “data”. NULL for none. */
static const char *
find_name (ZimSafetensors *file,
           const char     *name,
           const char     *rest)
{
  const char *const names[] = { rest, name, "data" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (zim_tensor_set_has (zim_safetensors_get_set (file), names[i]))
      return names[i];
  return NULL;
}

/* The list of a model and its files have to agree. */
static gboolean
check_tensor (const ZimCheckpointBlob  *blob,
              const ZimWeight          *weight,
              GError                  **error)
{
  g_autofree char *found = NULL;
  g_autofree char *expected = NULL;

  if (blob->dtype != NULL && strcmp (blob->dtype, zim_dtype_name (weight->dtype)) != 0)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: Tensor “%s” is of type %s, expected %s"),
                   blob->path, blob->name, zim_dtype_name (weight->dtype), blob->dtype);
      return FALSE;
    }
  if (!blob->has_shape || (blob->n_dims == weight->n_dims &&
                           (blob->n_dims == 0 ||
                            memcmp (blob->dims, weight->dims, blob->n_dims * sizeof *blob->dims) == 0)))
    return TRUE;
  found = zim_shape_to_string (weight->n_dims, weight->dims);
  expected = zim_shape_to_string (blob->n_dims, blob->dims);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: Tensor “%s” has shape %s, expected %s"),
               blob->path, blob->name, found, expected);
  return FALSE;
}

static gboolean
fail_size (const ZimCheckpointBlob  *blob,
           guint64                   size,
           GError                  **error)
{
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
               _("%s: “%s” has %llu bytes, expected %llu"),
               blob->path, blob->name, (unsigned long long) size, (unsigned long long) blob->size);
  return FALSE;
}

/* ZIM_ERROR_NOT_FOUND would mean the model. */
static GBytes *
map_blob (const ZimCheckpointBlob  *blob,
          GError                  **error)
{
  g_autoptr(GError) local_error = NULL;
  g_autoptr(GBytes) bytes = zim_file_map (blob->path, &local_error);

  if (g_error_matches (local_error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND))
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: “%s” is missing"), blob->path, blob->name);
  else if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else if (g_bytes_get_size (bytes) == blob->size)
    return g_steal_pointer (&bytes);
  else
    fail_size (blob, g_bytes_get_size (bytes), error);
  return NULL;
}

/* Its weight, if it is of a type that is known here, or else, with foreign set, its bytes. */
static gboolean
read_tensor (ZimSafetensors           *file,
             const ZimCheckpointBlob  *blob,
             const char               *rest,
             ZimWeight                *weight,
             const char              **foreign,
             GError                  **error)
{
  const ZimTensorSet *set = zim_safetensors_get_set (file);
  const char *name = find_name (file, blob->name, rest);
  gboolean is_packed;

  *foreign = NULL;
  if (name == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: Tensor “%s” is not in it"), blob->path, blob->name);
      return FALSE;
    }
  if (!_zim_checkpoint_unpack (file, blob, name, weight, &is_packed, error))
    return FALSE;
  if (!is_packed && (*foreign = g_hash_table_lookup (set->foreign, name)) != NULL)
    *weight = *(const ZimWeight *) g_hash_table_lookup (set->others, name);
  else if (!is_packed)
    *weight = *zim_tensor_set_lookup (set, name);
  return *foreign != NULL || check_tensor (blob, weight, error);
}

static gboolean
add_tensor (ZimCheckpoint            *self,
            const ZimCheckpointBlob  *blob,
            GError                  **error)
{
  const char *rest;
  ZimComponent component = split_name (blob->name, &rest);
  g_autoptr(GBytes) bytes = NULL;
  g_autoptr(ZimSafetensors) file = NULL;
  ZimWeight weight;
  const char *foreign;

  if (component == ZIM_N_COMPONENTS)
    return TRUE; /* of a network that is not used here */
  bytes = map_blob (blob, error);
  file = bytes != NULL ? zim_safetensors_new_from_bytes (bytes, blob->path, error) : NULL;
  if (file == NULL || !read_tensor (file, blob, rest, &weight, &foreign, error))
    return FALSE;
  g_ptr_array_add (self->components[component].files, zim_safetensors_ref (file));
  return _zim_checkpoint_add_stored (self, component, zim_safetensors_get_path (file),
                                     zim_safetensors_get_base (file), rest, &weight, foreign, 0, error);
}

static gboolean
add_config (ZimCheckpoint            *self,
            const ZimCheckpointBlob  *blob,
            GError                  **error)
{
  g_autoptr(GBytes) bytes = map_blob (blob, error);

  if (bytes == NULL)
    return FALSE;
  _zim_checkpoint_add_config (self, blob->name, blob->path);
  return TRUE;
}

static const char *
find_config (ZimCheckpoint  *self,
             const char     *name,
             GError        **error)
{
  const char *path = self->files != NULL ? g_tree_lookup (self->files, name) : NULL;

  if (path == NULL && error != NULL && *error == NULL)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_CONFIG, _("%s: The model has no “%s”"), self->path, name);
  return path;
}

static gboolean
load_config (ZimCheckpoint  *self,
             GError        **error)
{
  g_autoptr(GError) local_error = NULL;
  const ZimConfigPaths paths = {
    find_config (self, "model_index.json", &local_error),
    find_config (self, "scheduler/scheduler_config.json", &local_error),
    find_config (self, "text_encoder/config.json", &local_error),
    find_config (self, "transformer/config.json", &local_error),
    find_config (self, "vae/config.json", &local_error),
    find_config (self, "zimage.json", NULL),
  };
  const char *tokenizer = find_config (self, "tokenizer/tokenizer.json", &local_error);

  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  return zim_config_load_paths (&self->config, &paths, self->path, error) &&
         (self->tokenizer = zim_file_map (tokenizer, error)) != NULL;
}

ZimCheckpoint *
zim_checkpoint_open_blobs (const char               *name,
                           const ZimCheckpointBlob  *blobs,
                           guint                     n_blobs,
                           GCancellable             *cancellable,
                           GError                  **error)
{
  g_autoptr(ZimCheckpoint) self = NULL;

  g_return_val_if_fail (name != NULL, NULL);

  self = _zim_checkpoint_new (name);
  for (guint i = 0; i < n_blobs; i++)
    if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
        !(blobs[i].is_tensor ? add_tensor (self, &blobs[i], error) : add_config (self, &blobs[i], error)))
      return NULL;
  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    if (!_zim_checkpoint_attach_sides (self, i, error))
      return NULL;
  return load_config (self, error) ? g_steal_pointer (&self) : NULL;
}
