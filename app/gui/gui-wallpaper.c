/* gui-wallpaper.c: makes a picture the desktop's
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-wallpaper.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>

#define BUS_NAME "org.freedesktop.portal.Desktop"
#define OBJECT_PATH "/org/freedesktop/portal/desktop"
#define INTERFACE "org.freedesktop.portal.Wallpaper"

static void
called_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr(GTask) task = user_data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) answer =
    g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result, &error);

  if (answer != NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                             _("This desktop does not let applications set the wallpaper: %s"), error->message);
}

static void
bus_cb (GObject      *source,
        GAsyncResult *result,
        gpointer      user_data)
{
  g_autoptr(GTask) task = user_data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GDBusConnection) bus = g_bus_get_finish (result, &error);
  g_autoptr(GUnixFDList) files = NULL;
  GVariantBuilder options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  int fd = bus != NULL ? g_open (g_task_get_task_data (task), O_RDONLY | O_CLOEXEC) : -1;

  g_variant_builder_add (&options, "{sv}", "show-preview", g_variant_new_boolean (TRUE));
  g_variant_builder_add (&options, "{sv}", "set-on", g_variant_new_string ("both"));
  if (fd < 0)
    {
      g_variant_builder_clear (&options);
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s",
                               error != NULL ? error->message : g_strerror (errno));
      return;
    }
  files = g_unix_fd_list_new_from_array (&fd, 1);
  g_dbus_connection_call_with_unix_fd_list (bus, BUS_NAME, OBJECT_PATH, INTERFACE, "SetWallpaperFile",
                                            g_variant_new ("(sha{sv})", "", 0, &options), G_VARIANT_TYPE ("(o)"),
                                            G_DBUS_CALL_FLAGS_NONE, -1, files, NULL, called_cb,
                                            g_steal_pointer (&task));
}

void
gui_wallpaper_set_async (const char          *path,
                         GAsyncReadyCallback  callback,
                         gpointer             user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);

  g_task_set_source_tag (task, gui_wallpaper_set_async);
  g_task_set_task_data (task, g_strdup (path), g_free);
  g_bus_get (G_BUS_TYPE_SESSION, NULL, bus_cb, task);
}

gboolean
gui_wallpaper_set_finish (GAsyncResult  *result,
                          GError       **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
