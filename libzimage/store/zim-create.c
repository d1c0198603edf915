/* zim-create.c: making a model of a store from a checkpoint
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-create-private.h"
#include "store/zim-lock-private.h"
#include "store/zim-parallel-private.h"
#include "store/zim-publish-private.h"

typedef struct {
  const char       *root;
  ZimCheckpoint    *checkpoint;
  ZimQuantizePlan  *quantize;
  const ZimReport  *report;
  GArray           *blobs;   /* of ZimTensorBlob, in the manifest's order */
  GPtrArray        *order;   /* the same, the largest first */
  GHashTable       *sources; /* path → ZimSource */
  ZimJournal       *journal;
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
      blob.quantize = self->quantize != NULL &&
                      zim_quantize_plan_choose (self->quantize, component, blob.name, weight, &blob.target);
      g_array_append_val (self->blobs, blob);
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
  if (self->quantize != NULL && !zim_quantize_plan_finish (self->quantize, error))
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

static gboolean
make_blob (guint          i,
           gpointer       user_data,
           GCancellable  *cancellable,
           GError       **error)
{
  Create *self = user_data;
  ZimTensorBlob *blob = g_ptr_array_index (self->order, i);
  g_autofree char *key = zim_tensor_blob_get_key (blob);

  if (key != NULL && zim_tensor_blob_recall (blob, self->root, self->journal, key))
    {
      zim_report_done (self->report, blob->weight->size, blob->name);
      return TRUE;
    }
  if (!zim_tensor_blob_make (blob, self->root, self->report, cancellable, error))
    return FALSE;
  if (key != NULL)
    zim_tensor_blob_note (blob, self->journal, key);
  return TRUE;
}

static gboolean
add_file (const char  *name,
          GBytes      *bytes,
          gpointer     publish,
          GError     **error)
{
  return zim_publish_add_file (publish, name, bytes, error);
}

gboolean
zim_create (const char          *root,
            const ZimStoreName  *name,
            ZimCheckpoint       *checkpoint,
            ZimQuantizePlan     *quantize,
            const ZimReport     *report,
            GCancellable        *cancellable,
            GError             **error)
{
  g_auto(ZimLock) lock = { -1 };
  g_autofree char *path = zim_store_name_to_path (name);
  g_autoptr(ZimPublish) publish = NULL;
  g_auto(Create) self = {
    .root = root,
    .checkpoint = checkpoint,
    .quantize = quantize,
    .report = report,
    .blobs = g_array_new (FALSE, TRUE, sizeof (ZimTensorBlob)),
    .order = g_ptr_array_new (),
    .sources = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) zim_source_free),
  };

  g_array_set_clear_func (self.blobs, blob_clear);
  if (!zim_lock_share (&lock, root, cancellable, error) || !plan (&self, error))
    return FALSE;
  self.journal = zim_journal_open (root, path);
  if (!zim_parallel_run (self.order->len, 0, make_blob, &self, cancellable, error))
    return FALSE;
  publish = zim_publish_new (root, (const ZimTensorBlob *) (void *) self.blobs->data, self.blobs->len);
  if (!zim_checkpoint_foreach_file (checkpoint, add_file, publish, error) ||
      g_cancellable_set_error_if_cancelled (cancellable, error) ||
      !zim_publish_finish (publish, name, NULL, cancellable, error))
    return FALSE;
  zim_journal_finish (self.journal);
  return TRUE;
}
