/* zim-create.c: making a model of a store from a checkpoint
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-json-private.h"
#include "store/zim-blobs-private.h"
#include "store/zim-create-private.h"
#include "store/zim-journal-private.h"
#include "store/zim-lock-private.h"
#include "store/zim-manifest-private.h"
#include "store/zim-parallel-private.h"
#include "store/zim-tags-private.h"
#include "store/zim-tensor-blob-private.h"

#include <string.h>

typedef struct {
  const char       *root;
  ZimCheckpoint    *checkpoint;
  const ZimReport  *report;
  GArray           *blobs;   /* of ZimTensorBlob, in the manifest's order */
  GPtrArray        *order;   /* the same, the largest first */
  GHashTable       *sources; /* path → ZimSource */
  ZimJournal       *journal;
  ZimManifest      *manifest;
  guint64           n_parameters;
} Create;

static void
blob_clear (gpointer data)
{
  ZimTensorBlob *blob = data;

  g_free (blob->name);
}

static void
create_clear (Create *self)
{
  g_array_unref (self->blobs);
  g_ptr_array_unref (self->order);
  g_hash_table_unref (self->sources);
  g_clear_pointer (&self->journal, zim_journal_free);
  zim_manifest_free (self->manifest);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Create, create_clear)

/* Tensors */

static ZimSource *
find_source (Create      *self,
             const char  *path,
             GError     **error)
{
  ZimSource *source = g_hash_table_lookup (self->sources, path);

  if (source != NULL)
    return source;
  source = zim_source_open (path, error);
  if (source != NULL)
    g_hash_table_insert (self->sources, source->path, source);
  return source;
}

static gboolean
add_component (Create        *self,
               ZimComponent   component,
               GError       **error)
{
  g_autoptr(GPtrArray) list = zim_checkpoint_list (self->checkpoint, component);

  for (guint i = 0; i < list->len; i++)
    {
      const ZimWeight *weight = g_ptr_array_index (list, i);
      ZimTensorBlob blob = { .weight = weight };
      const char *path;

      if (zim_checkpoint_locate (self->checkpoint, component, weight, &path, &blob.offset) &&
          (blob.source = find_source (self, path, error)) == NULL)
        return FALSE;
      blob.name = zim_checkpoint_full_name (component, weight->name);
      g_array_append_val (self->blobs, blob);
      self->n_parameters += (guint64) zim_weight_n_elements (weight);
    }
  return TRUE;
}

static int
compare_sizes (gconstpointer a,
               gconstpointer b)
{
  const ZimTensorBlob *x = *(const ZimTensorBlob *const *) a;
  const ZimTensorBlob *y = *(const ZimTensorBlob *const *) b;

  return x->weight->size > y->weight->size ? -1 : x->weight->size < y->weight->size;
}

static gboolean
plan (Create  *self,
      GError **error)
{
  guint64 total = 0;

  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    if (!add_component (self, i, error))
      return FALSE;
  for (guint i = 0; i < self->blobs->len; i++)
    {
      ZimTensorBlob *blob = &g_array_index (self->blobs, ZimTensorBlob, i);

      g_ptr_array_add (self->order, blob);
      total += blob->weight->size;
    }
  /* So that no thread is alone with a large one at the end. */
  g_ptr_array_sort (self->order, compare_sizes);
  zim_report_total (self->report, total);
  return TRUE;
}

/* What an earlier try had stored. */
static gboolean
recall (Create        *self,
        const char    *key,
        ZimTensorBlob *blob)
{
  const char *value = key != NULL ? zim_journal_lookup (self->journal, key) : NULL;
  g_auto(GStrv) parts = value != NULL ? g_strsplit (value, " ", -1) : NULL;
  guint64 size;

  if (parts == NULL || g_strv_length (parts) != 3 ||
      !zim_sha256_parse (parts[0], blob->hex) ||
      !g_ascii_string_to_unsigned (parts[1], 10, 0, G_MAXINT64, &size, NULL) ||
      !zim_dtype_from_name (parts[2], &blob->dtype) || !zim_blobs_has (self->root, blob->hex, size))
    return FALSE;
  blob->size = size;
  return TRUE;
}

static gboolean
make_blob (guint          i,
           gpointer       user_data,
           GCancellable  *cancellable,
           GError       **error)
{
  Create *self = user_data;
  ZimTensorBlob *blob = g_ptr_array_index (self->order, i);
  g_autofree char *key = zim_tensor_blob_get_key (blob);
  g_autofree char *value = NULL;

  if (recall (self, key, blob))
    {
      zim_report_done (self->report, blob->weight->size, blob->name);
      return TRUE;
    }
  if (!zim_tensor_blob_make (blob, self->root, self->report, cancellable, error))
    return FALSE;
  value = g_strdup_printf ("sha256:%s %" G_GUINT64_FORMAT " %s", blob->hex, blob->size, zim_dtype_name (blob->dtype));
  if (key != NULL)
    zim_journal_note (self->journal, key, value);
  return TRUE;
}

static void
list_tensors (Create *self)
{
  for (guint i = 0; i < self->blobs->len; i++)
    {
      const ZimTensorBlob *blob = &g_array_index (self->blobs, ZimTensorBlob, i);
      ZimLayer *layer = zim_manifest_add (self->manifest, ZIM_MEDIA_TYPE_TENSOR, blob->name, blob->hex, blob->size);

      layer->dtype = g_strdup (zim_dtype_name (blob->dtype));
      layer->has_shape = TRUE;
      layer->n_dims = blob->weight->n_dims;
      memcpy (layer->dims, blob->weight->dims, layer->n_dims * sizeof *layer->dims);
    }
}

/* Configurations */

/* The type that most of the bytes are of. */
static const char *
get_quantization (Create *self)
{
  g_autoptr(GHashTable) sums = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  const char *best = "BF16";
  guint64 most = 0;

  for (guint i = 0; i < self->blobs->len; i++)
    {
      const ZimTensorBlob *blob = &g_array_index (self->blobs, ZimTensorBlob, i);
      const char *dtype = zim_dtype_name (blob->dtype);
      guint64 *sum = g_hash_table_lookup (sums, dtype);

      if (sum == NULL)
        g_hash_table_insert (sums, (gpointer) dtype, sum = g_new0 (guint64, 1));
      *sum += blob->size;
      if (*sum > most)
        {
          most = *sum;
          best = dtype;
        }
    }
  return best;
}

/* model_index.json as Ollama's store has it. */
static GBytes *
rewrite_index (Create  *self,
               GBytes  *bytes,
               GError **error)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  g_autoptr(JsonNode) node = zim_json_parse (data, size, "model_index.json", error);
  JsonObject *object;
  char *text;

  if (node == NULL)
    return NULL;
  object = json_node_get_object (node);
  if (json_object_has_member (object, "_class_name"))
    json_object_set_string_member (object, "architecture", json_object_get_string_member (object, "_class_name"));
  json_object_remove_member (object, "_class_name");
  json_object_remove_member (object, "_diffusers_version");
  json_object_set_int_member (object, "parameter_count", (gint64) self->n_parameters);
  json_object_set_string_member (object, "quantization", get_quantization (self));
  text = json_to_string (node, TRUE);
  return g_bytes_new_take (text, strlen (text));
}

static gboolean
add_file (const char  *name,
          GBytes      *bytes,
          gpointer     user_data,
          GError     **error)
{
  Create *self = user_data;
  g_autoptr(GBytes) rewritten = NULL;
  char hex[ZIM_SHA256_HEX + 1];

  if (strcmp (name, "model_index.json") == 0)
    {
      bytes = rewritten = rewrite_index (self, bytes, error);
      if (bytes == NULL)
        return FALSE;
    }
  if (!zim_blobs_put (self->root, bytes, hex, error))
    return FALSE;
  zim_manifest_add (self->manifest, ZIM_MEDIA_TYPE_JSON, name, hex, g_bytes_get_size (bytes));
  return TRUE;
}

/* What Ollama's list and show read. */
static gboolean
add_config (Create  *self,
            GError **error)
{
  g_autoptr(GBytes) bytes = NULL;
  char hex[ZIM_SHA256_HEX + 1];
  gboolean billions = self->n_parameters >= 1000000000;
  char count[G_ASCII_DTOSTR_BUF_SIZE];
  char *text;

  g_ascii_formatd (count, sizeof count, "%.1f", (double) self->n_parameters / (billions ? 1e9 : 1e6));
  text = g_strdup_printf ("{\"model_format\":\"safetensors\",\"model_family\":\"ZImagePipeline\","
                          "\"model_families\":[\"ZImagePipeline\"],\"model_type\":\"%s%s\",\"file_type\":\"%s\","
                          "\"requires\":\"0.14.0\",\"capabilities\":[\"image\"]}",
                          count, billions ? "B" : "M", get_quantization (self));
  bytes = g_bytes_new_take (text, strlen (text));
  if (!zim_blobs_put (self->root, bytes, hex, error))
    return FALSE;
  zim_manifest_set_config (self->manifest, hex, g_bytes_get_size (bytes));
  return TRUE;
}

/* Every blob and its name is on the disk before the manifest is, and the manifest before its name. */
static gboolean
publish (Create              *self,
         const ZimStoreName  *name,
         GError             **error)
{
  g_autoptr(GBytes) bytes = zim_manifest_print (self->manifest);
  char hex[ZIM_SHA256_HEX + 1];

  if (!zim_blobs_put (self->root, bytes, hex, error))
    return FALSE;
  zim_blobs_sync (self->root);
  return zim_tags_write (self->root, name, hex, error);
}

gboolean
zim_create (const char          *root,
            const ZimStoreName  *name,
            ZimCheckpoint       *checkpoint,
            const ZimReport     *report,
            GCancellable        *cancellable,
            GError             **error)
{
  g_auto(ZimLock) lock = { -1 };
  g_autofree char *path = zim_store_name_to_path (name);
  g_auto(Create) self = {
    .root = root,
    .checkpoint = checkpoint,
    .report = report,
    .blobs = g_array_new (FALSE, TRUE, sizeof (ZimTensorBlob)),
    .order = g_ptr_array_new (),
    .sources = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) zim_source_free),
    .manifest = zim_manifest_new (),
  };

  g_array_set_clear_func (self.blobs, blob_clear);
  if (!zim_lock_share (&lock, root, cancellable, error) || !plan (&self, error))
    return FALSE;
  self.journal = zim_journal_open (root, path);
  if (!zim_parallel_run (self.order->len, 0, make_blob, &self, cancellable, error))
    return FALSE;
  list_tensors (&self);
  if (!zim_checkpoint_foreach_file (checkpoint, add_file, &self, error) ||
      !add_config (&self, error) ||
      g_cancellable_set_error_if_cancelled (cancellable, error) ||
      !publish (&self, name, error))
    return FALSE;
  zim_journal_finish (self.journal);
  return TRUE;
}
