/* zim-pull-registry.c: models of a registry that speaks Ollama's protocol, which is Docker's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-parallel-private.h"
#include "store/zim-pull-private.h"
#include "store/zim-tags-private.h"
#include "zim-error.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define N_STREAMS 4
#define MAX_MANIFEST (1 << 26)

typedef struct {
  const char         *root;
  ZimServer    *server;
  const ZimStoreName *name;
  const ZimReport    *report;
  GPtrArray          *layers; /* of ZimLayer: those to be there, each once */
} Pull;

typedef struct {
  const ZimReport *report;
  const char      *item;
  gint64           reported;
} Progress;

/* Bytes that come a second time are not counted twice: the sum never falls. */
static void
progress_cb (gint64   n_bytes,
             gpointer data)
{
  Progress *self = data;

  self->reported += n_bytes;
  if (n_bytes > 0 && self->reported > 0)
    zim_report_done (self->report, (guint64) MIN (n_bytes, self->reported), self->item);
}

/* Fetches what is missing of the partial file and makes it the blob, if it is that. */
static gboolean
fetch_blob (Pull            *self,
            const ZimLayer  *layer,
            ZimPartial      *partial,
            GCancellable    *cancellable,
            GError         **error)
{
  g_autofree char *path = g_strdup_printf ("/v2/%s/%s/blobs/sha256:%s", self->name->name_space, self->name->model,
                                           layer->hex);
  g_autofree char *blob = zim_blobs_get_path (self->root, layer->hex);
  Progress progress = { self->report, layer->name };

  if (!zim_http_fill_file (self->server, path, 0, partial->fd, layer->size, progress_cb, &progress, cancellable, error))
    return FALSE;
  if (!zim_blobs_verify (partial->path, layer->hex, cancellable, error))
    return FALSE;
  if (fsync (partial->fd) != 0 || g_rename (partial->path, blob) != 0)
    return zim_blobs_fail (blob, errno, error);
  return TRUE;
}

static gboolean
pull_layer (guint          i,
            gpointer       user_data,
            GCancellable  *cancellable,
            GError       **error)
{
  Pull *self = user_data;
  const ZimLayer *layer = g_ptr_array_index (self->layers, i);
  g_autofree char *name = g_strconcat ("sha256-", layer->hex, NULL);
  g_auto(ZimPartial) partial = { NULL, -1 };
  g_autoptr(GError) local_error = NULL;

  if (!zim_partial_open (&partial, self->root, name, cancellable, error))
    return FALSE;
  /* Somebody else may have finished it meanwhile. */
  if (zim_blobs_has (self->root, layer->hex, layer->size))
    {
      g_unlink (partial.path);
      zim_report_done (self->report, layer->size, layer->name);
      return TRUE;
    }
  if (fetch_blob (self, layer, &partial, cancellable, &local_error))
    return TRUE;
  /* What an earlier try had left may be what is wrong: once more from the beginning, but not for ever. */
  if (g_error_matches (local_error, ZIM_ERROR, ZIM_ERROR_BAD_FILE))
    {
      g_clear_error (&local_error);
      if (ftruncate (partial.fd, 0) != 0)
        return zim_blobs_fail (partial.path, errno, error);
      if (fetch_blob (self, layer, &partial, cancellable, &local_error))
        return TRUE;
      if (g_error_matches (local_error, ZIM_ERROR, ZIM_ERROR_BAD_FILE))
        g_unlink (partial.path);
    }
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

/* The blobs that are not there, and how many bytes they are. */
static guint64
list_missing (Pull              *self,
              const ZimManifest *manifest)
{
  g_autoptr(GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  guint64 size = 0;

  for (guint i = 0; i <= manifest->layers->len; i++)
    {
      ZimLayer *layer = i > 0 ? g_ptr_array_index (manifest->layers, i - 1) : manifest->config;

      if (layer == NULL || !g_hash_table_add (seen, layer->hex) ||
          zim_blobs_has (self->root, layer->hex, layer->size))
        continue;
      g_ptr_array_add (self->layers, layer);
      size += layer->size;
    }
  return size;
}

/* The bytes of the manifest, and what they say. */
static ZimManifest *
get_manifest (const ZimStoreName  *name,
              ZimServer           *server,
              GBytes             **bytes,
              GCancellable        *cancellable,
              GError             **error)
{
  g_autofree char *path = g_strdup_printf ("/v2/%s/%s/manifests/%s", name->name_space, name->model, name->tag);
  g_autofree char *source = g_strconcat (server->base, path, NULL);
  g_autoptr(ZimManifest) manifest = NULL;

  *bytes = zim_http_get (server, path, ZIM_MEDIA_TYPE_MANIFEST, MAX_MANIFEST, cancellable, error);
  manifest = *bytes != NULL ? zim_manifest_parse (*bytes, source, error) : NULL;
  if (manifest == NULL || zim_manifest_is_image (manifest))
    return g_steal_pointer (&manifest);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED, _("%s: This is no model for pictures"), source);
  return NULL;
}

gboolean
zim_pull_registry_measure (const char          *root,
                           const ZimStoreName  *name,
                           ZimServer           *server,
                           guint64             *size,
                           GCancellable        *cancellable,
                           GError             **error)
{
  g_autoptr(GBytes) bytes = NULL;
  g_autoptr(ZimManifest) manifest = get_manifest (name, server, &bytes, cancellable, error);
  g_autoptr(GPtrArray) layers = g_ptr_array_new ();
  Pull self = { .root = root, .layers = layers };

  if (manifest == NULL)
    return FALSE;
  *size = list_missing (&self, manifest);
  return TRUE;
}

gboolean
zim_pull_registry (const char          *root,
                   const ZimStoreName  *name,
                   ZimServer           *server,
                   const ZimReport     *report,
                   ZimOpenCheck         check,
                   GCancellable        *cancellable,
                   GError             **error)
{
  g_autoptr(GBytes) bytes = NULL;
  g_autoptr(ZimManifest) manifest = get_manifest (name, server, &bytes, cancellable, error);
  g_autoptr(GPtrArray) layers = g_ptr_array_new ();
  Pull self = { root, server, name, report, layers };
  char hex[ZIM_SHA256_HEX + 1];
  guint64 size;

  if (manifest == NULL)
    return FALSE;
  size = list_missing (&self, manifest);
  zim_report_total (report, size);
  if (!zim_pull_check_space (root, size, error) ||
      !zim_parallel_run (layers->len, N_STREAMS, pull_layer, &self, cancellable, error) ||
      !zim_blobs_put (root, bytes, hex, error))
    return FALSE;
  zim_blobs_sync (root);
  return zim_open_name (root, name, manifest, hex, check, cancellable, error);
}
