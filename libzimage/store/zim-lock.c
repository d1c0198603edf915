/* zim-lock.c: who may write to a store and who may remove from it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-lock-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <sys/file.h>

#define INTERVAL (50 * G_TIME_SPAN_MILLISECOND)

static gboolean
open_file (ZimLock     *self,
           const char  *root,
           GError     **error)
{
  g_autofree char *path = g_build_filename (root, ".lock", NULL);

  self->fd = -1;
  if (!zim_blobs_make_folder (root, error))
    return FALSE;
  self->fd = g_open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  return self->fd >= 0 || zim_blobs_fail (path, errno, error);
}

gboolean
zim_lock_share (ZimLock       *self,
                const char    *root,
                GCancellable  *cancellable,
                GError       **error)
{
  if (!open_file (self, root, error))
    return FALSE;
  while (flock (self->fd, LOCK_SH | LOCK_NB) != 0)
    {
      if (errno != EWOULDBLOCK && errno != EINTR)
        return zim_blobs_fail (root, errno, error);
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      g_usleep (INTERVAL);
    }
  return TRUE;
}

gboolean
zim_lock_own (ZimLock     *self,
              const char  *root,
              GError     **error)
{
  if (!open_file (self, root, error))
    return FALSE;
  if (flock (self->fd, LOCK_EX | LOCK_NB) == 0)
    return TRUE;
  if (errno != EWOULDBLOCK)
    return zim_blobs_fail (root, errno, error);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
               _("“%s” is being written to. Try again when that is over"), root);
  return FALSE;
}

void
zim_lock_clear (ZimLock *self)
{
  if (self->fd >= 0)
    g_close (self->fd, NULL);
  self->fd = -1;
}
