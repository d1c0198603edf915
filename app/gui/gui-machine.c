/* gui-machine.c: what this machine has
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-machine.h"

#include <sys/statvfs.h>
#include <unistd.h>

guint64
gui_machine_get_memory (void)
{
  long pages = sysconf (_SC_PHYS_PAGES);
  long size = sysconf (_SC_PAGESIZE);

  return pages > 0 && size > 0 ? (guint64) pages * (guint64) size : 0;
}

guint64
gui_machine_get_space (const char *folder)
{
  g_autofree char *path = g_strdup (folder);
  struct statvfs info;

  while (statvfs (path, &info) != 0)
    {
      char *parent = g_path_get_dirname (path);

      if (g_str_equal (parent, path))
        {
          g_free (parent);
          return 0;
        }
      g_free (path);
      path = parent;
    }
  return (guint64) info.f_bavail * info.f_frsize;
}
