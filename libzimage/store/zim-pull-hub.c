/* zim-pull-hub.c: models of a Hugging Face repository
 *
 * A repository is a diffusers folder. Of its weights, each tensor is fetched by itself and becomes a blob at once, so
 * that nothing is on the disk twice and other models' tensors are shared. All requests name the commit that the
 * revision meant at first.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-json-private.h"
#include "formats/zim-safetensors-private.h"
#include "store/zim-blobs-private.h"
#include "store/zim-parallel-private.h"
#include "store/zim-publish-private.h"
#include "store/zim-pull-private.h"
#include "zim-error.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>

#define N_STREAMS 4
#define MAX_LISTING (1 << 26)
#define MAX_CONFIG (1 << 27) /* a tokenizer has 11 MB */

/* A file of weights; its tensors' data are offsets in it. */
typedef struct {
  char           *name; /* in the repository */
  char           *path; /* on the server */
  ZimSafetensors *tensors;
} Shard;

typedef struct {
  const char      *root;
  const ZimServer *server;
  const char      *repository;
  char            *commit;
  const ZimReport *report;
  GHashTable      *files;   /* names of the repository */
  GPtrArray       *shards;  /* of Shard */
  GArray          *blobs;   /* of ZimTensorBlob */
  GPtrArray       *owners;  /* of Shard, one for each blob */
  ZimJournal      *journal;
} Hub;

static void
shard_free (gpointer data)
{
  Shard *shard = data;

  g_clear_pointer (&shard->tensors, zim_safetensors_unref);
  g_free (shard->name);
  g_free (shard->path);
  g_free (shard);
}

static void
blob_clear (gpointer data)
{
  g_free (((ZimTensorBlob *) data)->name);
}

static void
hub_clear (Hub *self)
{
  g_free (self->commit);
  g_hash_table_unref (self->files);
  g_array_unref (self->blobs);
  g_ptr_array_unref (self->owners);
  g_ptr_array_unref (self->shards);
  g_clear_pointer (&self->journal, zim_journal_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Hub, hub_clear)

/* What there is */

static gboolean
is_commit (const char *text)
{
  return text != NULL && strlen (text) >= 7 && strlen (text) <= 64 &&
         strspn (text, "0123456789abcdef") == strlen (text);
}

static gboolean
read_listing (Hub       *self,
              GBytes    *bytes,
              GError   **error)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  g_autoptr(JsonNode) node = zim_json_parse (data, size, self->repository, error);
  ZimJsonReader reader = { .source = self->repository, .code = ZIM_ERROR_BAD_FILE };
  JsonObject *root;
  JsonArray *siblings;

  if (node == NULL)
    return FALSE;
  root = zim_json_read_root (&reader, node);
  self->commit = g_strdup (zim_json_need_string (&reader, root, "sha"));
  siblings = zim_json_need_array (&reader, root, "siblings");
  if (reader.error == NULL && !is_commit (self->commit))
    zim_json_reader_fail (&reader, ZIM_ERROR_BAD_FILE, _("Field “%s” is no commit"), "sha");
  for (guint i = 0; reader.error == NULL && i < json_array_get_length (siblings); i++)
    {
      JsonNode *sibling = json_array_get_element (siblings, i);
      const char *name = JSON_NODE_HOLDS_OBJECT (sibling)
        ? zim_json_need_string (&reader, json_node_get_object (sibling), "rfilename") : NULL;

      if (name != NULL)
        g_hash_table_add (self->files, g_strdup (name));
    }
  return zim_json_reader_finish (&reader, error);
}

static char *
get_path (Hub        *self,
          const char *name)
{
  g_autofree char *escaped = g_uri_escape_string (name, "/", FALSE);

  return g_strdup_printf ("/%s/resolve/%s/%s", self->repository, self->commit, escaped);
}

static GBytes *
get_file (Hub           *self,
          const char    *name,
          GCancellable  *cancellable,
          GError       **error)
{
  g_autofree char *path = get_path (self, name);

  return zim_http_get (self->server, path, NULL, MAX_CONFIG, cancellable, error);
}

/* Weights */

static gboolean
add_shard (Hub           *self,
           const char    *name,
           GCancellable  *cancellable,
           GError       **error)
{
  Shard *shard = g_new0 (Shard, 1);
  g_autoptr(GBytes) length = NULL;
  g_autoptr(GBytes) start = NULL;
  guint64 n, total = 0;

  g_ptr_array_add (self->shards, shard);
  shard->name = g_strdup (name);
  shard->path = get_path (self, name);
  length = zim_http_get_range (self->server, shard->path, 0, sizeof n, &total, cancellable, error);
  if (length == NULL)
    return FALSE;
  if (g_bytes_get_size (length) == sizeof n)
    {
      memcpy (&n, g_bytes_get_data (length, NULL), sizeof n);
      n = GUINT64_FROM_LE (n);
      if (total > sizeof n && n <= MIN (total - sizeof n, ZIM_JSON_MAX_SIZE))
        {
          start = zim_http_get_range (self->server, shard->path, 0, sizeof n + n, NULL, cancellable, error);
          if (start == NULL)
            return FALSE;
        }
    }
  if (start == NULL || g_bytes_get_size (start) != sizeof n + n)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: This is no safetensors file"), name);
      return FALSE;
    }
  shard->tensors = zim_safetensors_new_from_header (start, total, name, error);
  return shard->tensors != NULL;
}

/* Names of the files that an index maps tensors to. */
static gboolean
add_indexed (Hub           *self,
             const char    *folder,
             const char    *index,
             GCancellable  *cancellable,
             GError       **error)
{
  g_autoptr(GBytes) bytes = get_file (self, index, cancellable, error);
  gsize size;
  const char *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;
  g_autoptr(JsonNode) node = data != NULL ? zim_json_parse (data, size, index, error) : NULL;
  g_autoptr(GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  ZimJsonReader reader = { .source = index, .code = ZIM_ERROR_BAD_FILE };
  g_autoptr(GList) values = NULL;
  JsonObject *map;

  if (node == NULL)
    return FALSE;
  map = zim_json_need_object (&reader, zim_json_read_root (&reader, node), "weight_map");
  values = map != NULL ? json_object_get_values (map) : NULL;
  for (GList *l = values; l != NULL && reader.error == NULL; l = l->next)
    {
      const char *shard = JSON_NODE_HOLDS_VALUE (l->data) ? json_node_get_string (l->data) : NULL;
      g_autofree char *name = shard != NULL ? g_strconcat (folder, "/", shard, NULL) : NULL;

      if (name == NULL || !g_hash_table_contains (self->files, name))
        zim_json_reader_fail (&reader, ZIM_ERROR_BAD_FILE, _("It names a file that the repository does not have"));
      else if (g_hash_table_add (seen, (gpointer) shard))
        add_shard (self, name, cancellable, &reader.error);
    }
  return zim_json_reader_finish (&reader, error);
}

static gboolean
add_component (Hub           *self,
               const char    *folder,
               GCancellable  *cancellable,
               GError       **error)
{
  static const char *const stems[] = { "diffusion_pytorch_model", "model" };

  for (guint i = 0; i < G_N_ELEMENTS (stems); i++)
    {
      g_autofree char *single = g_strdup_printf ("%s/%s.safetensors", folder, stems[i]);
      g_autofree char *index = g_strconcat (single, ".index.json", NULL);

      if (g_hash_table_contains (self->files, index))
        return add_indexed (self, folder, index, cancellable, error);
      if (g_hash_table_contains (self->files, single))
        return add_shard (self, single, cancellable, error);
    }
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("%s: The repository has no weights in “%s”"),
               self->repository, folder);
  return FALSE;
}

static gboolean
list_tensors (Hub     *self,
              GError **error)
{
  guint64 total = 0;

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
      for (guint j = 0; j < zim_safetensors_get_n (shard->tensors); j++)
        {
          const ZimWeight *weight = zim_safetensors_get (shard->tensors, j);
          ZimTensorBlob blob = { .name = g_strconcat (folder, "/", weight->name, NULL), .weight = weight };

          blob.offset = (guint64) (weight->data - zim_safetensors_get_base (shard->tensors));
          g_array_append_val (self->blobs, blob);
          g_ptr_array_add (self->owners, shard);
          total += weight->size;
        }
    }
  zim_report_total (self->report, total);
  return zim_pull_check_space (self->root, total / 2, error); /* at the least, if all of it can be narrowed */
}

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
fetch_tensor (Hub            *self,
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
  blob->dtype = local.dtype;
  blob->size = local.size;
  memcpy (blob->hex, local.hex, sizeof blob->hex);
  zim_tensor_blob_note (blob, self->journal, key);
  g_unlink (partial.path);
  return TRUE;
}

static gboolean
pull_tensor (guint          i,
             gpointer       user_data,
             GCancellable  *cancellable,
             GError       **error)
{
  Hub *self = user_data;
  ZimTensorBlob *blob = &g_array_index (self->blobs, ZimTensorBlob, i);
  const Shard *shard = g_ptr_array_index (self->owners, i);
  g_autofree char *key = g_strconcat (shard->path, " ", blob->name, NULL);

  if (!zim_tensor_blob_recall (blob, self->root, self->journal, key))
    return fetch_tensor (self, blob, shard, key, cancellable, error);
  zim_report_done (self->report, blob->weight->size, blob->name);
  return TRUE;
}

/* Configurations */

static gboolean
add_configs (Hub           *self,
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

      if (!files[i].needed && !g_hash_table_contains (self->files, files[i].name))
        continue;
      bytes = get_file (self, files[i].name, cancellable, error);
      if (bytes == NULL || !zim_publish_add_file (publish, files[i].name, bytes, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
zim_pull_hub (const char          *root,
              const ZimStoreName  *name,
              const char          *repository,
              const char          *revision,
              const ZimServer     *server,
              const ZimReport     *report,
              GCancellable        *cancellable,
              GError             **error)
{
  g_autofree char *listing = g_strdup_printf ("/api/models/%s/revision/%s", repository, revision);
  g_autofree char *place = zim_store_name_to_path (name);
  g_autoptr(GBytes) bytes = NULL;
  g_autoptr(ZimPublish) publish = NULL;
  g_auto(Hub) self = {
    .root = root,
    .server = server,
    .repository = repository,
    .report = report,
    .files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
    .shards = g_ptr_array_new_with_free_func (shard_free),
    .blobs = g_array_new (FALSE, TRUE, sizeof (ZimTensorBlob)),
    .owners = g_ptr_array_new (),
  };

  g_array_set_clear_func (self.blobs, blob_clear);
  bytes = zim_http_get (server, listing, NULL, MAX_LISTING, cancellable, error);
  if (bytes == NULL || !read_listing (&self, bytes, error) ||
      !add_component (&self, "text_encoder", cancellable, error) ||
      !add_component (&self, "transformer", cancellable, error) ||
      !add_component (&self, "vae", cancellable, error) ||
      !list_tensors (&self, error))
    return FALSE;
  self.journal = zim_journal_open (root, place);
  if (!zim_parallel_run (self.blobs->len, N_STREAMS, pull_tensor, &self, cancellable, error))
    return FALSE;
  publish = zim_publish_new (root, (const ZimTensorBlob *) (void *) self.blobs->data, self.blobs->len);
  if (!add_configs (&self, publish, cancellable, error) || !zim_publish_finish (publish, name, error))
    return FALSE;
  zim_journal_finish (self.journal);
  return TRUE;
}
