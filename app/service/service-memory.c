/* service-memory.c: files in memory that can be given away
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "service-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <sys/mman.h>
#include <unistd.h>

static gboolean
write_all (int     fd,
           GBytes *bytes)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  while (size > 0)
    {
      gssize n_written = write (fd, data, size);

      if (n_written < 0 && errno != EINTR)
        return FALSE;
      if (n_written > 0)
        {
          data += n_written;
          size -= (gsize) n_written;
        }
    }

  return TRUE;
}

int
service_memory_new (GBytes  *bytes,
                    GError **error)
{
  int fd = memfd_create ("zimage-picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  int code;

  if (fd >= 0 && write_all (fd, bytes) && lseek (fd, 0, SEEK_SET) == 0 &&
      fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
    return fd;

  code = errno;
  if (fd >= 0)
    close (fd);
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), _("A picture cannot be passed on: %s"),
               g_strerror (code));
  return -1;
}
