/* zim-file.c: files of a checkpoint, mapped
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-file-private.h"
#include "formats/zim-json-private.h"
#include "zim-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

static void
set_open_error (const char  *path,
                int          saved_errno,
                GError     **error)
{
  if (saved_errno == ENOENT || saved_errno == ENOTDIR)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("“%s” does not exist"), path);
  else
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved_errno),
                 _("Could not open “%s”: %s"),
                 path, g_strerror (saved_errno));
}

GBytes *
zim_file_map (const char  *path,
              GError     **error)
{
  /* Without O_NONBLOCK, opening a pipe of that name would wait for somebody to write to it. */
  int fd = g_open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  g_autoptr(GMappedFile) map = NULL;
  struct stat info;

  if (fd < 0)
    {
      set_open_error (path, errno, error);
      return NULL;
    }
  if (fstat (fd, &info) != 0)
    {
      set_open_error (path, errno, error);
    }
  else if (!S_ISREG (info.st_mode))
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: Not a regular file"), path);
    }
  else
    {
      map = g_mapped_file_new_from_fd (fd, FALSE, error);
      if (map == NULL)
        g_prefix_error (error, "%s: ", path);
    }
  g_close (fd, NULL);
  return map != NULL ? g_mapped_file_get_bytes (map) : NULL;
}

JsonNode *
zim_file_load_json (const char  *path,
                    GError     **error)
{
  g_autoptr(GBytes) bytes = zim_file_map (path, error);
  const char *data;
  gsize size;

  if (bytes == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &size);
  return zim_json_parse (data, size, path, error);
}
