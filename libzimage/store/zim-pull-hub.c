/* zim-pull-hub.c: models of a Hugging Face repository
 *
 * A repository is a diffusers folder. Of its weights, each tensor is fetched by itself and becomes a blob at once, so
 * that nothing is on the disk twice and other models' tensors are shared. All requests name the commit that the
 * revision meant at first. In the end the files are put together again, in thought, to see whether their digests are
 * those that the hub has for them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-json-private.h"
#include "formats/zim-safetensors-private.h"
#include "store/zim-blobs-private.h"
#include "store/zim-hub-private.h"
#include "store/zim-parallel-private.h"
#include "store/zim-publish-private.h"
#include "store/zim-pull-private.h"
#include "store/zim-tags-private.h"
#include "zim-error.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>

#define N_STREAMS 4
/* A file of weights; its tensors' data are offsets in it. */
typedef struct {
  const char     *name;                      /* in the repository */
  char           *path;                      /* on the server */
  const char     *hex;                       /* (nullable) its digest */
  char            found[ZIM_SHA256_HEX + 1]; /* the digest of what came, or “” */
  char           *from;                      /* for manifests and journals: its digest, or else its path */
  GBytes         *start;                     /* all that is before the tensors */
  ZimSafetensors *tensors;
  guint           first;                     /* of its tensors, in blobs */
  int             n_fetched;                 /* atomic: tensors that are not those of an earlier pull */
} Shard;

typedef struct {
  const char      *root;
  ZimServer       *server;
  const ZimReport *report;
  ZimHub          *hub;
  GPtrArray       *names;     /* of the files of weights */
  GPtrArray       *manifests; /* of ZimManifest: those of the store */
  GHashTable      *known;     /* keys of tensors → ZimLayer of a manifest */
  GPtrArray       *shards;    /* of Shard */
  GArray          *blobs;     /* of ZimTensorBlob */
  GPtrArray       *owners;    /* of Shard, one for each blob */
  ZimJournal      *journal;
} Pull;

static void
shard_free (gpointer data)
{
  Shard *shard = data;

  g_clear_pointer (&shard->tensors, zim_safetensors_unref);
  g_clear_pointer (&shard->start, g_bytes_unref);
  g_free (shard->path);
  g_free (shard->from);
  g_free (shard);
}

static void
blob_clear (gpointer data)
{
  g_free (((ZimTensorBlob *) data)->name);
}

static void
pull_clear (Pull *self)
{
  g_clear_pointer (&self->hub, zim_hub_free);
  g_clear_pointer (&self->names, g_ptr_array_unref);
  g_hash_table_unref (self->known);
  g_ptr_array_unref (self->manifests);
  g_array_unref (self->blobs);
  g_ptr_array_unref (self->owners);
  g_ptr_array_unref (self->shards);
  g_clear_pointer (&self->journal, zim_journal_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pull, pull_clear)

/* Weights */

static Shard *
shard_new (Pull       *self,
           const char *name)
{
  Shard *shard = g_new0 (Shard, 1);
  const ZimHubFile *file = zim_hub_lookup (self->hub, name);

  shard->name = name;
  shard->path = zim_hub_get_path (self->hub, name);
  shard->hex = *file->hex != '\0' ? file->hex : NULL;
  shard->from = shard->hex != NULL ? g_strconcat ("sha256:", shard->hex, NULL) : g_strdup (shard->path);
  return shard;
}

/* The bytes before the tensors: their length, and the header that is so long. */
static GBytes *
get_start (Pull          *self,
           const Shard   *shard,
           guint64       *total,
           GCancellable  *cancellable,
           GError       **error)
{
  guint64 n = 0;
  g_autoptr(GBytes) length = zim_http_get_range (self->server, shard->path, 0, sizeof n, total, cancellable, error);
  g_autoptr(GBytes) start = NULL;

  if (length == NULL)
    return NULL;
  if (g_bytes_get_size (length) == sizeof n)
    memcpy (&n, g_bytes_get_data (length, NULL), sizeof n);
  n = GUINT64_FROM_LE (n);
  if (*total > sizeof n && n <= MIN (*total - sizeof n, ZIM_JSON_MAX_SIZE))
    {
      start = zim_http_get_range (self->server, shard->path, 0, sizeof n + n, NULL, cancellable, error);
      if (start == NULL || g_bytes_get_size (start) == sizeof n + n)
        return g_steal_pointer (&start);
    }
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: This is no safetensors file"), shard->name);
  return NULL;
}

static gboolean
add_shard (Pull          *self,
           const char    *name,
           GCancellable  *cancellable,
           GError       **error)
{
  Shard *shard = shard_new (self, name);
  guint64 total = 0;

  g_ptr_array_add (self->shards, shard);
  shard->start = get_start (self, shard, &total, cancellable, error);
  if (shard->start != NULL)
    shard->tensors = zim_safetensors_new_from_header (shard->start, total, name, error);
  return shard->tensors != NULL;
}

static gboolean
add_shards (Pull          *self,
            GCancellable  *cancellable,
            GError       **error)
{
  self->names = zim_hub_list_weights (self->hub, cancellable, error);
  for (guint i = 0; self->names != NULL && i < self->names->len; i++)
    if (!add_shard (self, g_ptr_array_index (self->names, i), cancellable, error))
      return FALSE;
  return self->names != NULL;
}

static gboolean
list_tensors (Pull    *self,
              GError **error)
{
  for (guint i = 0; i < self->shards->len; i++)
    {
      Shard *shard = g_ptr_array_index (self->shards, i);
      g_autofree char *folder = g_path_get_dirname (shard->name);

      if (g_hash_table_size (zim_safetensors_get_foreign (shard->tensors)) > 0)
        {
          g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
                       _("%s: It has tensors of types that are not supported"), shard->name);
          return FALSE;
        }
      shard->first = self->blobs->len;
      for (guint j = 0; j < zim_safetensors_get_n (shard->tensors); j++)
        {
          const ZimWeight *weight = zim_safetensors_get (shard->tensors, j);
          ZimTensorBlob blob = {
            .name = g_strconcat (folder, "/", weight->name, NULL), .weight = weight, .from = shard->from,
          };

          blob.offset = (guint64) (weight->data - zim_safetensors_get_base (shard->tensors));
          g_array_append_val (self->blobs, blob);
          g_ptr_array_add (self->owners, shard);
        }
    }
  return TRUE;
}

/* Tensors */

typedef struct {
  const ZimReport *report;
  const char      *item;
} Progress;

static void
progress_cb (gint64   n_bytes,
             gpointer data)
{
  Progress *progress = data;

  if (n_bytes > 0)
    zim_report_done (progress->report, (guint64) n_bytes, progress->item);
}

/* The tensor as a file of its own, then the blob that it becomes. */
static gboolean
fetch_tensor (Pull           *self,
              ZimTensorBlob  *blob,
              const Shard    *shard,
              const char     *key,
              GCancellable   *cancellable,
              GError        **error)
{
  g_autoptr(GBytes) key_bytes = g_bytes_new_static (key, strlen (key));
  g_autofree char *name = NULL;
  g_auto(ZimPartial) partial = { NULL, -1 };
  Progress progress = { self->report, blob->name };
  const ZimReport silent = { NULL };
  ZimTensorBlob local = *blob;
  char hex[ZIM_SHA256_HEX + 1];
  gboolean ok;

  zim_sha256_of_bytes (key_bytes, hex);
  name = g_strconcat ("tensor-", hex, NULL);
  if (!zim_partial_open (&partial, self->root, name, cancellable, error) ||
      !zim_http_fill_file (self->server, shard->path, blob->offset, partial.fd, blob->weight->size,
                           progress_cb, &progress, cancellable, error))
    return FALSE;
  local.source = zim_source_open (partial.path, error);
  if (local.source == NULL)
    return FALSE;
  local.offset = 0;
  ok = zim_tensor_blob_make (&local, self->root, &silent, cancellable, error);
  zim_source_free (local.source);
  if (!ok)
    return FALSE;
  local.source = NULL;
  local.offset = blob->offset;
  *blob = local;
  zim_tensor_blob_note (blob, self->journal, key);
  g_unlink (partial.path);
  return TRUE;
}

static char *
make_key (const char *from,
          const char *name)
{
  return g_strconcat (from, " ", name, NULL);
}

static void
add_known (Pull              *self,
           const ZimManifest *manifest)
{
  for (guint i = 0; i < manifest->layers->len; i++)
    {
      const ZimLayer *layer = g_ptr_array_index (manifest->layers, i);

      if (layer->from != NULL && layer->name != NULL && layer->dtype != NULL)
        g_hash_table_insert (self->known, make_key (layer->from, layer->name), (gpointer) layer);
    }
}

/* What the store's models have, one of which may be the same under another name or an older revision. */
static void
list_known (Pull *self)
{
  g_autoptr(GPtrArray) names = zim_tags_list (self->root);

  for (guint i = 0; i < names->len; i++)
    {
      g_auto(ZimTag) tag = { NULL };

      if (!zim_tags_read (self->root, g_ptr_array_index (names, i), &tag, NULL))
        continue;
      add_known (self, tag.manifest);
      g_ptr_array_add (self->manifests, g_steal_pointer (&tag.manifest));
    }
}

static gboolean
is_known (Pull          *self,
          ZimTensorBlob *blob,
          const char    *key)
{
  const ZimLayer *layer = g_hash_table_lookup (self->known, key);

  if (layer == NULL || !zim_dtype_from_name (layer->dtype, &blob->dtype) ||
      !zim_blobs_has (self->root, layer->hex, layer->size))
    return FALSE;
  blob->size = layer->size;
  memcpy (blob->hex, layer->hex, sizeof blob->hex);
  return TRUE;
}

/* Tells how much there is to do, and returns how much space that takes at the least: if all that can be is narrowed. */
static guint64
plan (Pull *self)
{
  guint64 total = 0, space = 0;

  for (guint i = 0; i < self->blobs->len; i++)
    {
      ZimTensorBlob blob = g_array_index (self->blobs, ZimTensorBlob, i);
      g_autofree char *key = make_key (blob.from, blob.name);

      total += blob.weight->size;
      if (!is_known (self, &blob, key) && !zim_tensor_blob_recall (&blob, self->root, self->journal, key))
        space += blob.weight->dtype == ZIM_DTYPE_F32 ? blob.weight->size / 2 : blob.weight->size;
    }
  zim_report_total (self->report, total);
  return space;
}

static gboolean
pull_tensor (guint          i,
             gpointer       user_data,
             GCancellable  *cancellable,
             GError       **error)
{
  Pull *self = user_data;
  ZimTensorBlob *blob = &g_array_index (self->blobs, ZimTensorBlob, i);
  Shard *shard = g_ptr_array_index (self->owners, i);
  g_autofree char *key = make_key (shard->from, blob->name);

  if (!is_known (self, blob, key))
    {
      g_atomic_int_inc (&shard->n_fetched);
      if (!zim_tensor_blob_recall (blob, self->root, self->journal, key))
        return fetch_tensor (self, blob, shard, key, cancellable, error);
    }
  zim_report_done (self->report, blob->weight->size, blob->name);
  return TRUE;
}

/* Checking what came */

/* The next try shall not take what this one has noted. */
static void
forget_shard (Pull        *self,
              const Shard *shard)
{
  for (guint i = 0; i < zim_safetensors_get_n (shard->tensors); i++)
    {
      const ZimTensorBlob *blob = &g_array_index (self->blobs, ZimTensorBlob, shard->first + i);
      g_autofree char *key = make_key (shard->from, blob->name);

      zim_journal_note (self->journal, key, "");
    }
}

/* The whole file's digest, of its start and of what its tensors were. They follow one another without a gap. */
static gboolean
hash_shard (guint          i,
            gpointer       user_data,
            GCancellable  *cancellable,
            GError       **error)
{
  Pull *self = user_data;
  Shard *shard = g_ptr_array_index (self->shards, i);
  ZimSha256 sha256;

  if (shard->hex == NULL || g_atomic_int_get (&shard->n_fetched) == 0)
    return TRUE;
  zim_sha256_init (&sha256);
  zim_sha256_update (&sha256, g_bytes_get_data (shard->start, NULL), g_bytes_get_size (shard->start));
  for (guint j = 0; j < zim_safetensors_get_n (shard->tensors); j++)
    if (!zim_tensor_blob_rehash (&g_array_index (self->blobs, ZimTensorBlob, shard->first + j), self->root, &sha256,
                                 cancellable, error))
      return FALSE;
  zim_sha256_finish (&sha256, shard->found);
  return TRUE;
}

static gboolean
check_shards (Pull          *self,
              GCancellable  *cancellable,
              GError       **error)
{
  gboolean ok = TRUE;

  if (!zim_parallel_run (self->shards->len, 0, hash_shard, self, cancellable, error))
    return FALSE;
  for (guint i = 0; i < self->shards->len; i++)
    {
      const Shard *shard = g_ptr_array_index (self->shards, i);

      if (*shard->found == '\0' || strcmp (shard->found, shard->hex) == 0)
        continue;
      forget_shard (self, shard);
      if (ok)
        g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                     _("%s: The digest of what came is sha256:%s, expected sha256:%s. The next try fetches it again"),
                     shard->name, shard->found, shard->hex);
      ok = FALSE;
    }
  return ok;
}

/* Configurations */

static gboolean
add_configs (Pull          *self,
             ZimPublish    *publish,
             GCancellable  *cancellable,
             GError       **error)
{
  static const struct { const char *name; gboolean needed; } files[] = {
    { "model_index.json", TRUE }, { "scheduler/scheduler_config.json", TRUE },
    { "text_encoder/config.json", TRUE }, { "text_encoder/generation_config.json", FALSE },
    { "tokenizer/tokenizer.json", TRUE }, { "tokenizer/tokenizer_config.json", FALSE },
    { "tokenizer/vocab.json", FALSE }, { "transformer/config.json", TRUE }, { "vae/config.json", TRUE },
    { "zimage.json", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autoptr(GBytes) bytes = NULL;

      if (!files[i].needed && zim_hub_lookup (self->hub, files[i].name) == NULL)
        continue;
      bytes = zim_hub_get_file (self->hub, files[i].name, cancellable, error);
      if (bytes == NULL || !zim_publish_add_file (publish, files[i].name, bytes, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
zim_pull_hub_measure (const char    *repository,
                      const char    *revision,
                      ZimServer     *server,
                      guint64       *size,
                      GCancellable  *cancellable,
                      GError       **error)
{
  g_autoptr(ZimHub) hub = zim_hub_open (server, repository, revision, cancellable, error);
  g_autoptr(GPtrArray) names = hub != NULL ? zim_hub_list_weights (hub, cancellable, error) : NULL;

  *size = 0;
  for (guint i = 0; names != NULL && i < names->len; i++)
    *size += zim_hub_lookup (hub, g_ptr_array_index (names, i))->size;
  return names != NULL;
}

gboolean
zim_pull_hub (const char          *root,
              const ZimStoreName  *name,
              const char          *repository,
              const char          *revision,
              ZimServer     *server,
              const ZimReport     *report,
              ZimOpenCheck         check,
              GCancellable        *cancellable,
              GError             **error)
{
  g_autofree char *place = zim_store_name_to_path (name);
  g_autoptr(ZimPublish) publish = NULL;
  g_auto(Pull) self = {
    .root = root,
    .server = server,
    .report = report,
    .manifests = g_ptr_array_new_with_free_func ((GDestroyNotify) zim_manifest_free),
    .known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
    .shards = g_ptr_array_new_with_free_func (shard_free),
    .blobs = g_array_new (FALSE, TRUE, sizeof (ZimTensorBlob)),
    .owners = g_ptr_array_new (),
  };

  g_array_set_clear_func (self.blobs, blob_clear);
  self.hub = zim_hub_open (server, repository, revision, cancellable, error);
  if (self.hub == NULL || !add_shards (&self, cancellable, error) || !list_tensors (&self, error))
    return FALSE;
  list_known (&self);
  self.journal = zim_journal_open (root, place);
  if (!zim_pull_check_space (root, plan (&self), error) ||
      !zim_parallel_run (self.blobs->len, N_STREAMS, pull_tensor, &self, cancellable, error) ||
      !check_shards (&self, cancellable, error))
    return FALSE;
  publish = zim_publish_new (root, (const ZimTensorBlob *) (void *) self.blobs->data, self.blobs->len);
  if (!add_configs (&self, publish, cancellable, error) ||
      !zim_publish_finish (publish, name, check, cancellable, error))
    return FALSE;
  zim_journal_finish (self.journal);
  return TRUE;
}
