/* zim-upkeep.c: checking a store and removing from it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-lock-private.h"
#include "store/zim-parallel-private.h"
#include "store/zim-tags-private.h"
#include "store/zim-upkeep-private.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>

/* Checking */

typedef struct {
  char    *path;
  char     hex[ZIM_SHA256_HEX + 1];
  guint64  size;
} Blob;

typedef struct {
  const char      *root;
  const ZimReport *report;
  gboolean         repair;
  GArray          *blobs;   /* of Blob */
  GHashTable      *damaged; /* digests */
  GPtrArray       *faults;
  GMutex           lock;    /* of the last two */
} Check;

static void
blob_clear (gpointer data)
{
  g_free (((Blob *) data)->path);
}

static void
list_blobs (Check *self)
{
  g_autofree char *folder = g_build_filename (self->root, "blobs", NULL);
  g_autoptr(GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  guint64 total = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      Blob blob = { g_build_filename (folder, name, NULL) };
      GStatBuf info;

      if (zim_blobs_parse_name (name, blob.hex) && g_stat (blob.path, &info) == 0)
        {
          blob.size = (guint64) info.st_size;
          total += blob.size;
          g_array_append_val (self->blobs, blob);
        }
      else
        {
          g_free (blob.path);
        }
    }
  zim_report_total (self->report, total);
}

static gboolean
check_blob (guint          i,
            gpointer       user_data,
            GCancellable  *cancellable,
            GError       **error)
{
  Check *self = user_data;
  Blob *blob = &g_array_index (self->blobs, Blob, i);
  g_autoptr(GError) local_error = NULL;

  if (!zim_blobs_check_link (self->root, blob->hex, &local_error) ||
      !zim_blobs_verify (blob->path, blob->hex, cancellable, &local_error))
    {
      g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

      if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      g_ptr_array_add (self->faults, g_strdup (local_error->message));
      g_hash_table_add (self->damaged, g_strdup (blob->hex));
      if (self->repair)
        g_unlink (blob->path);
    }
  zim_report_done (self->report, blob->size, blob->path);
  return TRUE;
}

static void
check_layer (Check          *self,
             const char     *title,
             const ZimLayer *layer)
{
  const char *name = layer->name != NULL ? layer->name : _("the configuration");

  if (g_hash_table_contains (self->damaged, layer->hex))
    g_ptr_array_add (self->faults, g_strdup_printf (_("%s: “%s” is damaged"), title, name));
  else if (!zim_blobs_has (self->root, layer->hex, layer->size))
    g_ptr_array_add (self->faults, g_strdup_printf (_("%s: “%s” is missing: sha256:%s"), title, name, layer->hex));
}

static void
check_tags (Check *self)
{
  g_autoptr(GPtrArray) names = zim_tags_list (self->root);

  for (guint i = 0; i < names->len; i++)
    {
      const ZimStoreName *name = g_ptr_array_index (names, i);
      g_autofree char *title = zim_store_name_to_string (name);
      g_autoptr(GError) error = NULL;
      g_auto(ZimTag) tag = { NULL };

      if (!zim_tags_read (self->root, name, &tag, &error))
        {
          g_ptr_array_add (self->faults, g_strdup_printf ("%s: %s", title, error->message));
          continue;
        }
      if (tag.manifest->config != NULL)
        check_layer (self, title, tag.manifest->config);
      for (guint j = 0; j < tag.manifest->layers->len; j++)
        check_layer (self, title, g_ptr_array_index (tag.manifest->layers, j));
    }
}

GPtrArray *
zim_check (const char       *root,
           gboolean          repair,
           const ZimReport  *report,
           GCancellable     *cancellable,
           GError          **error)
{
  g_auto(ZimLock) lock = { -1 };
  g_autoptr(GHashTable) damaged = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GArray) blobs = g_array_new (FALSE, TRUE, sizeof (Blob));
  g_autoptr(GPtrArray) faults = g_ptr_array_new_with_free_func (g_free);
  Check self = { .root = root, .report = report, .repair = repair, .blobs = blobs, .damaged = damaged,
                 .faults = faults };
  gboolean ok;

  if (repair && !zim_lock_own (&lock, root, error))
    return NULL;
  g_array_set_clear_func (blobs, blob_clear);
  g_mutex_init (&self.lock);
  list_blobs (&self);
  ok = zim_parallel_run (blobs->len, 0, check_blob, &self, cancellable, error);
  if (ok)
    check_tags (&self);
  g_mutex_clear (&self.lock);
  return ok ? g_steal_pointer (&faults) : NULL;
}

/* Removing */

static void
use_layer (GHashTable     *used,
           const ZimLayer *layer)
{
  if (layer != NULL)
    g_hash_table_add (used, g_strdup (layer->hex));
}

/* The digests of everything that a name needs. An error if one cannot be read: nobody knows then what it needs. */
static GHashTable *
list_used (const char  *root,
           GError     **error)
{
  g_autoptr(GHashTable) used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GPtrArray) names = zim_tags_list (root);

  for (guint i = 0; i < names->len; i++)
    {
      g_auto(ZimTag) tag = { NULL };

      if (!zim_tags_read (root, g_ptr_array_index (names, i), &tag, error))
        {
          g_autofree char *title = zim_store_name_to_string (g_ptr_array_index (names, i));

          g_prefix_error (error, _("Nothing was removed, as it is not known what “%s” needs: "), title);
          return NULL;
        }
      g_hash_table_add (used, g_strdup (tag.hex));
      use_layer (used, tag.manifest->config);
      for (guint j = 0; j < tag.manifest->layers->len; j++)
        use_layer (used, g_ptr_array_index (tag.manifest->layers, j));
    }
  return g_steal_pointer (&used);
}

static guint64
remove_file (const char *path)
{
  GStatBuf info;

  return g_lstat (path, &info) == 0 && g_unlink (path) == 0 ? (guint64) info.st_size : 0;
}

/* Whether a name is one of those that files have which are not finished. A store that came from elsewhere may have a
 * link to a folder with files of other kinds. */
static gboolean
is_partial (const char *name)
{
  static const char *const starts[] = { "blob-", "journal-", "sha256-", "tensor-" };

  for (guint i = 0; i < G_N_ELEMENTS (starts); i++)
    if (g_str_has_prefix (name, starts[i]))
      return TRUE;
  return FALSE;
}

/* Files of a folder: blobs that are not in used, or what is not finished if that is NULL. */
static guint64
remove_unused (const char *root,
               const char *subfolder,
               GHashTable *used)
{
  g_autofree char *folder = g_build_filename (root, subfolder, NULL);
  g_autoptr(GDir) dir = g_dir_open (folder, 0, NULL);
  char hex[ZIM_SHA256_HEX + 1];
  const char *name;
  guint64 freed = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (used != NULL ? zim_blobs_parse_name (name, hex) && !g_hash_table_contains (used, hex) : is_partial (name))
        freed += remove_file (path);
    }
  return freed;
}

/* “.TAG.PID-NUMBER”, as zim_tags_write () makes them. */
static gboolean
is_temporary_link (const char *name)
{
  const char *end = strrchr (name, '.');
  gsize n;

  if (*name != '.' || end == name)
    return FALSE;
  n = strspn (end + 1, "0123456789");
  if (n == 0 || end[1 + n] != '-')
    return FALSE;
  end += 2 + n;
  return *end != '\0' && strspn (end, "0123456789abcdef") == strlen (end);
}

/* Links that were not given their name in time; no name starts with a dot. */
static void
remove_temporary_links (const char *path,
                        guint       depth)
{
  g_autoptr(GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (depth < 3)
        remove_temporary_links (child, depth + 1);
      else if (is_temporary_link (name))
        g_unlink (child);
    }
}

gboolean
zim_prune (const char  *root,
           guint64     *freed,
           GError     **error)
{
  g_auto(ZimLock) lock = { -1 };
  g_autofree char *links = g_build_filename (root, "manifests-v2", NULL);
  g_autoptr(GHashTable) used = NULL;

  *freed = 0;
  if (!zim_lock_own (&lock, root, error) || (used = list_used (root, error)) == NULL)
    return FALSE;
  *freed = remove_unused (root, "blobs", used) + remove_unused (root, "partial", NULL);
  remove_temporary_links (links, 0);
  return TRUE;
}

/* The blobs of a model that has lost its name, unless another needs them. */
static void
remove_blobs (const char   *root,
              const ZimTag *tag)
{
  g_auto(ZimLock) lock = { -1 };
  g_autoptr(GHashTable) used = NULL;
  g_autoptr(GPtrArray) digests = g_ptr_array_new ();

  if (!zim_lock_own (&lock, root, NULL) || (used = list_used (root, NULL)) == NULL)
    return;
  g_ptr_array_add (digests, (gpointer) tag->hex);
  if (tag->manifest->config != NULL)
    g_ptr_array_add (digests, tag->manifest->config->hex);
  for (guint i = 0; i < tag->manifest->layers->len; i++)
    g_ptr_array_add (digests, ((ZimLayer *) g_ptr_array_index (tag->manifest->layers, i))->hex);
  for (guint i = 0; i < digests->len; i++)
    {
      const char *hex = g_ptr_array_index (digests, i);
      g_autofree char *path = zim_blobs_get_path (root, hex);

      if (!g_hash_table_contains (used, hex))
        remove_file (path);
    }
}

gboolean
zim_remove (const char          *root,
            const ZimStoreName  *name,
            GError             **error)
{
  g_auto(ZimTag) tag = { NULL };
  /* A model that cannot be read can still be removed; what it was is then for zim_prune (). */
  gboolean known = zim_tags_read (root, name, &tag, NULL);

  if (!zim_tags_remove (root, name, error))
    return FALSE;
  if (known)
    remove_blobs (root, &tag);
  return TRUE;
}

gboolean
zim_copy (const char          *root,
          const ZimStoreName  *source,
          const ZimStoreName  *destination,
          GCancellable        *cancellable,
          GError             **error)
{
  g_auto(ZimLock) lock = { -1 };
  g_auto(ZimTag) tag = { NULL };
  char hex[ZIM_SHA256_HEX + 1];

  return zim_lock_share (&lock, root, cancellable, error) &&
         zim_tags_read (root, source, &tag, error) &&
         zim_blobs_put (root, tag.bytes, hex, error) &&
         zim_tags_write (root, destination, hex, error);
}
