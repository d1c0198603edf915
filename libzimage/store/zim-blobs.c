/* zim-blobs.c: the files of a store that are named by their contents
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "zim-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (1 << 20)

char *
zim_blobs_get_path (const char *root,
                    const char *hex)
{
  return g_strdup_printf ("%s/blobs/sha256-%s", root, hex);
}

char *
zim_blobs_get_partial (const char *root,
                       const char *name)
{
  return g_build_filename (root, "partial", name, NULL);
}

gboolean
zim_blobs_parse_name (const char *name,
                      char        hex[ZIM_SHA256_HEX + 1])
{
  return g_str_has_prefix (name, "sha256-") && zim_sha256_parse (name, hex);
}

gboolean
zim_blobs_has (const char *root,
               const char *hex,
               guint64     size)
{
  g_autofree char *path = zim_blobs_get_path (root, hex);
  GStatBuf info;

  return g_stat (path, &info) == 0 && S_ISREG (info.st_mode) && (guint64) info.st_size == size;
}

gboolean
zim_blobs_check_link (const char  *root,
                      const char  *hex,
                      GError     **error)
{
  g_autofree char *path = zim_blobs_get_path (root, hex);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *parent = NULL;
  char *resolved, *resolved_folder;
  gboolean ok;

  if (!g_file_test (path, G_FILE_TEST_IS_SYMLINK))
    return TRUE;
  resolved = realpath (path, NULL);
  resolved_folder = realpath (folder, NULL);
  parent = resolved != NULL ? g_path_get_dirname (resolved) : NULL;
  ok = parent != NULL && g_strcmp0 (parent, resolved_folder) == 0;
  free (resolved);
  free (resolved_folder);
  if (!ok)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("“%s” is a link that leads out of the store"), path);
  return ok;
}

gboolean
zim_blobs_fail (const char  *path,
                int          saved_errno,
                GError     **error)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved_errno), _("Could not write “%s”: %s"),
               path, g_strerror (saved_errno));
  return FALSE;
}

gboolean
zim_blobs_make_folder (const char  *path,
                       GError     **error)
{
  int saved;

  if (g_mkdir_with_parents (path, 0755) == 0)
    return TRUE;
  saved = errno;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), _("Could not create “%s”: %s"),
               path, g_strerror (saved));
  return FALSE;
}

void
zim_blobs_sync_folder (const char *path)
{
  int fd = g_open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

  if (fd < 0)
    return;
  fsync (fd);
  g_close (fd, NULL);
}

void
zim_blobs_sync (const char *root)
{
  g_autofree char *folder = g_build_filename (root, "blobs", NULL);

  zim_blobs_sync_folder (folder);
}

/* Hashes what is left of an open file. */
static gboolean
hash_file (int            fd,
           const char    *path,
           ZimSha256     *sha256,
           GCancellable  *cancellable,
           GError       **error)
{
  g_autofree guint8 *buffer = g_malloc (CHUNK);
  gssize n;

  while ((n = read (fd, buffer, CHUNK)) != 0)
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          int saved = errno;

          g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), _("Could not read “%s”: %s"),
                       path, g_strerror (saved));
          return FALSE;
        }
      zim_sha256_update (sha256, buffer, (gsize) n);
    }
  return TRUE;
}

gboolean
zim_blobs_verify (const char    *path,
                  const char    *hex,
                  GCancellable  *cancellable,
                  GError       **error)
{
  int fd = g_open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  char found[ZIM_SHA256_HEX + 1];
  ZimSha256 sha256;
  gboolean ok;

  if (fd < 0)
    {
      int saved = errno;

      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), _("Could not open “%s”: %s"),
                   path, g_strerror (saved));
      return FALSE;
    }
  zim_sha256_init (&sha256);
  ok = hash_file (fd, path, &sha256, cancellable, error);
  g_close (fd, NULL);
  if (!ok)
    return FALSE;
  zim_sha256_finish (&sha256, found);
  if (strcmp (found, hex) == 0)
    return TRUE;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
               _("“%s” is damaged: the digest of its contents is sha256:%s, expected sha256:%s"), path, found, hex);
  return FALSE;
}

gboolean
zim_blobs_put (const char  *root,
               GBytes      *bytes,
               char         hex[ZIM_SHA256_HEX + 1],
               GError     **error)
{
  g_auto(ZimBlobWriter) writer = { .fd = -1 };
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  zim_sha256_of_bytes (bytes, hex);
  if (zim_blobs_has (root, hex, size))
    return TRUE;
  return zim_blob_writer_open (&writer, root, error) &&
         zim_blob_writer_write (&writer, data, size, error) &&
         zim_blob_writer_commit (&writer, hex, error);
}

gboolean
zim_blob_writer_open (ZimBlobWriter  *self,
                      const char     *root,
                      GError        **error)
{
  g_autofree char *partial = zim_blobs_get_partial (root, "");
  g_autofree char *blobs = g_build_filename (root, "blobs", NULL);
  g_autofree char *temporary = zim_blobs_get_partial (root, "blob-XXXXXX");

  *self = (ZimBlobWriter) { .fd = -1 };
  if (!zim_blobs_make_folder (partial, error) || !zim_blobs_make_folder (blobs, error))
    return FALSE;
  self->fd = g_mkstemp_full (temporary, O_RDWR | O_CLOEXEC, 0644);
  if (self->fd < 0)
    return zim_blobs_fail (temporary, errno, error);
  self->root = g_strdup (root);
  self->temporary = g_steal_pointer (&temporary);
  return TRUE;
}

gboolean
zim_blob_writer_write (ZimBlobWriter  *self,
                       const void     *data,
                       gsize           size,
                       GError        **error)
{
  const char *p = data;

  while (size > 0)
    {
      gssize n = write (self->fd, p, MIN (size, 1 << 30));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return zim_blobs_fail (self->root, errno, error);
      p += n;
      size -= (gsize) n;
    }
  return TRUE;
}

gboolean
zim_blob_writer_commit (ZimBlobWriter  *self,
                        const char     *hex,
                        GError        **error)
{
  g_autofree char *path = zim_blobs_get_path (self->root, hex);
  int fd = self->fd;

  if (fsync (fd) != 0)
    return zim_blobs_fail (self->root, errno, error);
  self->fd = -1;
  if (!g_close (fd, error))
    return FALSE;
  if (g_rename (self->temporary, path) != 0)
    return zim_blobs_fail (path, errno, error);
  g_clear_pointer (&self->temporary, g_free);
  return TRUE;
}

void
zim_blob_writer_clear (ZimBlobWriter *self)
{
  if (self->fd >= 0)
    g_close (self->fd, NULL);
  if (self->temporary != NULL)
    g_unlink (self->temporary);
  g_clear_pointer (&self->temporary, g_free);
  g_clear_pointer (&self->root, g_free);
  self->fd = -1;
}
