/* zim-checkpoint-folder.c: opening and writing diffusers folders
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-checkpoint-internal.h"
#include "formats/zim-file-private.h"
#include "formats/zim-json-private.h"
#include "zim-error.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>

/* What diffusers and what transformers calls the weights of a component. */
static const char *const stems[] = { "diffusion_pytorch_model", "model" };

/* Shards lie beside their index: the name of one is never a path. */
static gboolean
is_plain_name (const char *name)
{
  return *name != '\0' && strpbrk (name, "/\\") == NULL && strcmp (name, ".") != 0 &&
         strcmp (name, "..") != 0;
}

/* The shard of that name, opened once. */
static ZimSafetensors *
open_shard (GHashTable  *shards,
            const char  *folder,
            const char  *name,
            GError     **error)
{
  ZimSafetensors *shard = g_hash_table_lookup (shards, name);
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (shard != NULL)
    return shard;
  shard = zim_safetensors_open (path, error);
  if (shard != NULL)
    g_hash_table_insert (shards, g_strdup (name), shard);
  return shard;
}

static gboolean
holds_tensor (ZimSafetensors *file,
              const char     *name)
{
  return zim_safetensors_lookup (file, name) != NULL ||
         g_hash_table_contains (zim_safetensors_get_foreign (file), name);
}

/* One member of the weight map: opens its shard and looks for the tensor in it. */
static gboolean
check_mapping (GHashTable     *shards,
               const char     *folder,
               const char     *tensor,
               JsonNode       *value,
               ZimJsonReader  *reader)
{
  g_autofree char *name = zim_json_shorten (tensor);
  const char *shard_name = JSON_NODE_HOLDS_VALUE (value) ? json_node_get_string (value) : NULL;
  ZimSafetensors *shard;

  if (shard_name == NULL || !is_plain_name (shard_name))
    {
      zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE,
                            _("Tensor “%s” is not mapped to a file beside the index"), name);
      return FALSE;
    }
  shard = open_shard (shards, folder, shard_name, &reader->error);
  if (shard == NULL)
    return FALSE;
  if (holds_tensor (shard, tensor))
    return TRUE;
  zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE,
                        _("Tensor “%s” is mapped to “%s”, which does not have it"),
                        name, shard_name);
  return FALSE;
}

static GHashTable *
open_shards (const char    *index_path,
             const char    *folder,
             GCancellable  *cancellable,
             GError       **error)
{
  g_autoptr(JsonNode) node = zim_file_load_json (index_path, error);
  g_autoptr(GHashTable) shards = NULL;
  ZimJsonReader reader = { .source = index_path, .code = ZIM_ERROR_BAD_FILE };
  JsonObjectIter iter;
  JsonObject *map;
  const char *tensor;
  JsonNode *value;

  if (node == NULL)
    return NULL;
  shards = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                  (GDestroyNotify) zim_safetensors_unref);
  map = zim_json_need_object (&reader, zim_json_read_root (&reader, node), "weight_map");
  if (map != NULL)
    {
      json_object_iter_init_ordered (&iter, map);
      while (json_object_iter_next_ordered (&iter, &tensor, &value))
        if (g_cancellable_set_error_if_cancelled (cancellable, &reader.error) ||
            !check_mapping (shards, folder, tensor, value, &reader))
          break;
    }
  return zim_json_reader_finish (&reader, error) ? g_steal_pointer (&shards) : NULL;
}

static gboolean
add_index (ZimCheckpoint  *self,
           ZimComponent    component,
           const char     *index_path,
           const char     *folder,
           GCancellable   *cancellable,
           GError        **error)
{
  g_autoptr(GHashTable) shards = open_shards (index_path, folder, cancellable, error);
  GHashTableIter iter;
  gpointer shard;

  if (shards == NULL)
    return FALSE;
  g_hash_table_iter_init (&iter, shards);
  while (g_hash_table_iter_next (&iter, NULL, &shard))
    if (!_zim_checkpoint_add_file (self, component, shard, "", error))
      return FALSE;
  return TRUE;
}

static gboolean
add_single (ZimCheckpoint  *self,
            ZimComponent    component,
            const char     *path,
            GError        **error)
{
  g_autoptr(ZimSafetensors) file = zim_safetensors_open (path, error);

  return file != NULL && _zim_checkpoint_add_file (self, component, file, "", error);
}

static gboolean
add_weights (ZimCheckpoint  *self,
             ZimComponent    component,
             const char     *path,
             GCancellable   *cancellable,
             GError        **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (stems); i++)
    {
      g_autofree char *single = g_strdup_printf ("%s/%s.safetensors", path, stems[i]);
      g_autofree char *index = g_strconcat (single, ".index.json", NULL);

      if (g_file_test (index, G_FILE_TEST_EXISTS))
        return add_index (self, component, index, path, cancellable, error);
      if (g_file_test (single, G_FILE_TEST_EXISTS))
        return add_single (self, component, single, error);
    }
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND,
               _("“%s” has no weights: neither “%s.safetensors” nor “%s.safetensors”, nor an index "
                 "of shards"),
               path, stems[0], stems[1]);
  return FALSE;
}

gboolean
_zim_checkpoint_add_folder (ZimCheckpoint  *self,
                            ZimComponent    component,
                            const char     *path,
                            GCancellable   *cancellable,
                            GError        **error)
{
  g_free (self->components[component].path);
  self->components[component].path = g_strdup (path);
  return !g_cancellable_set_error_if_cancelled (cancellable, error) &&
         add_weights (self, component, path, cancellable, error) &&
         _zim_checkpoint_attach_sides (self, component, error);
}

/* What a model has beside its weights; none but the configurations and the tokenizer is needed. */
static const char *const config_files[] = {
  "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json",
  "text_encoder/generation_config.json", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json",
  "tokenizer/vocab.json", "transformer/config.json", "vae/config.json", "zimage.json",
};

static void
note_config_files (ZimCheckpoint *self,
                   const char    *folder)
{
  for (guint i = 0; i < G_N_ELEMENTS (config_files); i++)
    {
      g_autofree char *path = g_build_filename (folder, config_files[i], NULL);

      if (g_file_test (path, G_FILE_TEST_EXISTS))
        _zim_checkpoint_add_config (self, config_files[i], path);
    }
}

ZimCheckpoint *
zim_checkpoint_open_folder (const char    *path,
                            GCancellable  *cancellable,
                            GError       **error)
{
  g_autoptr(ZimCheckpoint) self = NULL;
  g_autofree char *tokenizer = NULL;

  g_return_val_if_fail (path != NULL, NULL);

  self = _zim_checkpoint_new (path);
  if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
      !zim_config_load_folder (&self->config, path, error))
    return NULL;
  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    {
      g_autofree char *folder = g_build_filename (path, _zim_component_get_name (i), NULL);

      if (!_zim_checkpoint_add_folder (self, i, folder, cancellable, error))
        return NULL;
    }
  note_config_files (self, path);
  tokenizer = g_build_filename (path, "tokenizer", "tokenizer.json", NULL);
  self->tokenizer = zim_file_map (tokenizer, error);
  return self->tokenizer != NULL ? g_steal_pointer (&self) : NULL;
}

static gboolean
make_folder (const char  *path,
             GError     **error)
{
  int saved;

  if (g_mkdir_with_parents (path, 0777) == 0)
    return TRUE;
  saved = errno;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), _("Could not create “%s”: %s"),
               path, g_strerror (saved));
  return FALSE;
}

static gboolean
write_component (ZimCheckpoint  *self,
                 ZimComponent    component,
                 const char     *folder,
                 GError        **error)
{
  g_autoptr(GPtrArray) list = zim_checkpoint_list (self, component);
  g_autoptr(GArray) weights = g_array_new (FALSE, FALSE, sizeof (ZimWeight));
  g_autoptr(GStringChunk) names = g_string_chunk_new (4096);
  g_autofree char *parent = g_build_filename (folder, _zim_component_get_name (component), NULL);
  g_autofree char *path = g_strdup_printf ("%s/%s.safetensors", parent,
                                           stems[component == ZIM_COMPONENT_TEXT_ENCODER ? 1 : 0]);

  for (guint i = 0; i < list->len; i++)
    {
      ZimWeight weight = *(const ZimWeight *) g_ptr_array_index (list, i);
      g_autofree char *name = zim_checkpoint_full_name (component, weight.name);

      weight.name = g_string_chunk_insert (names, strchr (name, '/') + 1);
      g_array_append_val (weights, weight);
    }
  return make_folder (parent, error) &&
         zim_safetensors_write (path, (const ZimWeight *) (void *) weights->data, weights->len,
                                error);
}

static gboolean
write_tokenizer (ZimCheckpoint  *self,
                 const char     *folder,
                 GError        **error)
{
  g_autofree char *parent = g_build_filename (folder, "tokenizer", NULL);
  g_autofree char *path = g_build_filename (parent, "tokenizer.json", NULL);
  const char *data;
  gsize size;

  if (self->tokenizer == NULL)
    return TRUE;
  data = g_bytes_get_data (self->tokenizer, &size);
  return make_folder (parent, error) &&
         g_file_set_contents_full (path, data != NULL ? data : "", (gssize) size,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                   0666, error);
}

gboolean
zim_checkpoint_write_folder (ZimCheckpoint  *self,
                             const char     *path,
                             GError        **error)
{
  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    if (!write_component (self, i, path, error))
      return FALSE;
  return write_tokenizer (self, path, error) &&
         zim_config_write_folder (&self->config, path, error);
}
