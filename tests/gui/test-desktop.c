/* test-desktop.c: what the application and the desktop ask of each other
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <string.h>

#include "gui-gallery.h"
#include "gui-preferences.h"
#include "gui-test.h"

static GSettings *settings;

static void
set_up (void)
{
  gui_test_reset ();
  gui_test_choose_demo ();
}

/* A desktop that remembers what it was asked. */

static const char introspection[] =
  "<node>"
  "<interface name='org.freedesktop.portal.Wallpaper'><method name='SetWallpaperFile'>"
  "<arg type='s' direction='in'/><arg type='h' direction='in'/><arg type='a{sv}' direction='in'/>"
  "<arg type='o' direction='out'/></method></interface>"
  "<interface name='org.gtk.Notifications'><method name='AddNotification'>"
  "<arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='a{sv}' direction='in'/></method>"
  "<method name='RemoveNotification'><arg type='s' direction='in'/><arg type='s' direction='in'/></method></interface>"
  "</node>";

typedef struct
{
  GDBusConnection *bus;
  guint            registered;
  guint            owned;
  gboolean         is_there;
  GBytes          *wallpaper;    /* what is in the file that was given */
  GVariant        *notification;
} Desktop;

static GBytes *
read_file (int fd)
{
  g_autoptr(GInputStream) input = g_unix_input_stream_new (fd, TRUE);

  return g_input_stream_read_bytes (input, 1 << 24, NULL, NULL);
}

static void
called_cb (GDBusConnection       *bus,
           const char            *sender,
           const char            *path,
           const char            *interface,
           const char            *method,
           GVariant              *arguments,
           GDBusMethodInvocation *invocation,
           gpointer               data)
{
  Desktop *desktop = data;
  GUnixFDList *files = g_dbus_message_get_unix_fd_list (g_dbus_method_invocation_get_message (invocation));

  if (g_str_equal (method, "SetWallpaperFile"))
    {
      desktop->wallpaper = read_file (g_unix_fd_list_get (files, 0, NULL));
      g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", "/request"));
      return;
    }
  if (g_str_equal (method, "AddNotification"))
    desktop->notification = g_variant_get_child_value (arguments, 2);
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
owned_cb (GDBusConnection *bus,
          const char      *name,
          gpointer         data)
{
  ((Desktop *) data)->is_there = TRUE;
}

static gboolean
is_there (gpointer data)
{
  return ((Desktop *) data)->is_there;
}

static void
desktop_start (Desktop    *desktop,
               const char *name,
               const char *path)
{
  static const GDBusInterfaceVTable table = { called_cb };
  g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (introspection, NULL);
  guint index = g_str_equal (name, "org.gtk.Notifications");
  g_autoptr(GError) error = NULL;

  desktop->bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error);
  g_assert_no_error (error);
  desktop->registered = g_dbus_connection_register_object (desktop->bus, path, node->interfaces[index], &table, desktop,
                                                           NULL, &error);
  g_assert_no_error (error);
  desktop->owned = g_bus_own_name_on_connection (desktop->bus, name, G_BUS_NAME_OWNER_FLAGS_NONE, owned_cb, NULL,
                                                 desktop, NULL);
  gui_test_wait (is_there, desktop);
}

static void
desktop_stop (Desktop *desktop)
{
  g_bus_unown_name (desktop->owned);
  g_dbus_connection_unregister_object (desktop->bus, desktop->registered);
  g_clear_object (&desktop->bus);
  g_clear_pointer (&desktop->wallpaper, g_bytes_unref);
  g_clear_pointer (&desktop->notification, g_variant_unref);
}

/* Wallpaper */

static gboolean
has_wallpaper (gpointer data)
{
  return ((Desktop *) data)->wallpaper != NULL;
}

static gboolean
has_toast (gpointer data)
{
  return g_str_equal (gtk_widget_get_css_name (data), "toast") ||
         (gtk_widget_get_first_child (data) != NULL && has_toast (gtk_widget_get_first_child (data))) ||
         (gtk_widget_get_next_sibling (data) != NULL && has_toast (gtk_widget_get_next_sibling (data)));
}

static char *
get_path (GuiApplication *application)
{
  g_autoptr(GuiPicture) picture =
    g_list_model_get_item (gui_history_get_list (gui_test_get_history (application)), 0);

  return g_strdup (gui_picture_get_path (picture));
}

static void
wallpaper_script (GuiApplication *application,
                  gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  Desktop desktop = { NULL };
  g_autofree char *path = NULL;
  g_autofree char *contents = NULL;
  gsize size;

  gui_window_generate (window, "for the wall");
  gui_test_wait_for_pictures (application, 1);
  path = get_path (application);

  /* A desktop without the portal: the user is told. */
  gui_test_activate (window, "win.wallpaper", NULL);
  gui_test_wait (has_toast, gui_test_find (window, "toasts"));

  desktop_start (&desktop, "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop");
  gui_test_activate (window, "win.wallpaper", NULL);
  gui_test_wait (has_wallpaper, &desktop);
  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  g_assert_cmpmem (g_bytes_get_data (desktop.wallpaper, NULL), g_bytes_get_size (desktop.wallpaper), contents, size);
  desktop_stop (&desktop);
}

static void
test_wallpaper (void)
{
  set_up ();
  gui_test_run (wallpaper_script, NULL, NULL);
}

/* Notifications */

static gboolean
has_notification (gpointer data)
{
  return ((Desktop *) data)->notification != NULL;
}

static gboolean
is_open (gpointer data)
{
  return gui_test_is_enabled (data, "win.back");
}

static gboolean
is_behind (gpointer data)
{
  return !gtk_window_is_active (data);
}

static void
notification_script (GuiApplication *application,
                     gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  Desktop *desktop = data;
  g_autofree char *path = NULL;
  const char *body, *action;
  g_autoptr(GVariant) target = NULL;
  GtkWindow *other = GTK_WINDOW (gtk_window_new ());

  gtk_window_present (other);
  gui_test_settle ();
  gui_test_focus (other);
  gui_test_wait (is_behind, window);
  gui_window_generate (window, "meanwhile");
  gui_test_wait_for_pictures (application, 1);
  gui_test_wait (has_notification, desktop);
  g_assert_true (g_variant_lookup (desktop->notification, "body", "&s", &body));
  g_assert_cmpstr (body, ==, "meanwhile");
  g_assert_true (g_variant_lookup (desktop->notification, "default-action", "&s", &action));
  g_assert_cmpstr (action, ==, "app.show-picture");
  target = g_variant_lookup_value (desktop->notification, "default-action-target", G_VARIANT_TYPE_STRING);
  path = get_path (application);
  g_assert_cmpstr (g_variant_get_string (target, NULL), ==, path);
  g_action_group_activate_action (G_ACTION_GROUP (application), "show-picture", target);
  gui_test_wait (is_open, window);

  g_clear_pointer (&desktop->notification, g_variant_unref);
  gui_test_focus (other);
  gui_test_wait (is_behind, window);
  g_settings_set_boolean (settings, "notify", FALSE);
  gui_window_generate (window, "in silence");
  gui_test_wait_for_pictures (application, 2);
  gui_test_settle ();
  g_assert_null (desktop->notification);
  gtk_window_destroy (other);
}

static gboolean
is_studio (gpointer data)
{
  return g_str_equal (adw_view_stack_get_visible_child_name (gui_test_find (data, "views")), "studio");
}

static void
message_cb (GuiSession *session,
            const char *message,
            guint      *n_messages)
{
  g_assert_nonnull (strstr (message, "no-such-model"));
  ++*n_messages;
}

/* The notification says what went wrong, and leads to where it is said as well. */
static void
failure_script (GuiApplication *application,
                gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  Desktop *desktop = data;
  GtkStack *stack = gui_test_find (gui_test_find (window, "studio"), "stack");
  const char *title, *body, *action;
  GtkWindow *other = GTK_WINDOW (gtk_window_new ());
  guint n_messages = 0;

  g_signal_connect (gui_application_get_session (application), "message", G_CALLBACK (message_cb), &n_messages);
  gui_window_generate (window, "in front");
  gui_test_wait (gui_test_is_idle, application);
  gui_test_settle ();
  g_assert_null (desktop->notification);
  g_assert_cmpuint (n_messages, ==, 0);

  gtk_window_present (other);
  gui_test_settle ();
  gui_test_focus (other);
  gui_test_wait (is_behind, window);
  gui_window_generate (window, "in vain");
  gui_test_activate (window, "win.view", "history");
  gui_test_wait (has_notification, desktop);
  g_assert_true (g_variant_lookup (desktop->notification, "title", "&s", &title));
  g_assert_cmpstr (title, ==, "No Picture Was Made");
  g_assert_true (g_variant_lookup (desktop->notification, "body", "&s", &body));
  g_assert_nonnull (strstr (body, "no-such-model"));
  g_assert_true (g_variant_lookup (desktop->notification, "default-action", "&s", &action));
  g_assert_cmpstr (action, ==, "app.show-studio");
  g_assert_cmpuint (n_messages, ==, 1); /* for who looks at the history */
  g_action_group_activate_action (G_ACTION_GROUP (application), "show-studio", NULL);
  gui_test_wait (is_studio, window);
  g_assert_cmpstr (gtk_stack_get_visible_child_name (stack), ==, "error");

  g_clear_pointer (&desktop->notification, g_variant_unref);
  gui_test_focus (other);
  gui_test_wait (is_behind, window);
  g_settings_set_boolean (settings, "notify", FALSE);
  gui_window_generate (window, "in vain and silence");
  gui_test_wait (gui_test_is_idle, application);
  gui_test_settle ();
  g_assert_null (desktop->notification);
  g_assert_cmpuint (n_messages, ==, 1);
  g_signal_handlers_disconnect_by_data (gui_application_get_session (application), &n_messages);
  gtk_window_destroy (other);
}

static void
test_failure (void)
{
  Desktop desktop = { NULL };

  set_up ();
  g_settings_set_boolean (settings, "notify", TRUE);
  g_settings_set_string (settings, "model", "no-such-model");
  desktop_start (&desktop, "org.gtk.Notifications", "/org/gtk/Notifications");
  gui_test_run (failure_script, &desktop, NULL);
  desktop_stop (&desktop);
}

static void
test_notification (void)
{
  Desktop desktop = { NULL };

  set_up ();
  g_settings_set_boolean (settings, "notify", TRUE);
  desktop_start (&desktop, "org.gtk.Notifications", "/org/gtk/Notifications");
  gui_test_run (notification_script, &desktop, NULL);
  desktop_stop (&desktop);
}

/* One application, however it is started */

static GSubprocess *
start_other (const char *word)
{
  g_autoptr(GError) error = NULL;
  GSubprocess *other = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, g_getenv ("ZIMAGE_GTK"), word, NULL);

  g_assert_no_error (error);
  return other;
}

static gboolean
has_exited (gpointer data)
{
  return g_subprocess_get_identifier (data) == NULL;
}

static void
exited_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_assert_true (g_subprocess_wait_check_finish (G_SUBPROCESS (source), result, NULL));
}

static void
second_script (GuiApplication *application,
               gpointer        data)
{
  g_autoptr(GSubprocess) other = start_other ("asked elsewhere");
  g_autofree char *path = NULL;
  g_autoptr(ZimImage) image = NULL;

  g_subprocess_wait_check_async (other, NULL, exited_cb, NULL);
  gui_test_wait_for_pictures (application, 1);
  path = get_path (application);
  image = zim_image_load (path, NULL);
  g_assert_cmpstr (zim_params_get_prompt (zim_image_get_params (image)), ==, "asked elsewhere");
  gui_test_wait (has_exited, other);
}

static void
test_second (void)
{
  set_up ();
  gui_test_run (second_script, NULL, NULL);
}

/* The bus starts the application for who calls its name, and it does what it is asked. */

static void
keep_result_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

static gboolean
is_set (gpointer data)
{
  return *(gpointer *) data != NULL;
}

static void
activate_action (GDBusConnection *bus,
                 const char      *action)
{
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GVariant) answer = NULL;
  g_autoptr(GError) error = NULL;

  g_dbus_connection_call (bus, GUI_APPLICATION_ID, "/io/github/zimage/Zimage", "org.freedesktop.Application",
                          "ActivateAction", g_variant_new_parsed ("(%s, @av [], @a{sv} {})", action), NULL,
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, keep_result_cb, &result);
  gui_test_wait (is_set, &result);
  answer = g_dbus_connection_call_finish (bus, result, &error);
  g_assert_no_error (error);
}

static gboolean
is_gone (gpointer data)
{
  g_autoptr(GVariant) answer =
    g_dbus_connection_call_sync (data, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                 "NameHasOwner", g_variant_new ("(s)", GUI_APPLICATION_ID), G_VARIANT_TYPE ("(b)"),
                                 G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
  gboolean has_owner = TRUE;

  g_variant_get (answer, "(b)", &has_owner);
  return !has_owner;
}

static void
test_activation (void)
{
  g_autoptr(GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);

  g_assert_true (is_gone (bus));
  activate_action (bus, "new-image");
  g_assert_false (is_gone (bus));
  activate_action (bus, "quit");
  gui_test_wait (is_gone, bus);
}

/* The windows beside the main one */

static void
close_window (GType type)
{
  gui_test_settle ();
  g_assert_nonnull (gui_test_find_window (type));
  gtk_window_destroy (gui_test_find_window (type));
}

static void
windows_script (GuiApplication *application,
                gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  gpointer dialog;

  g_action_group_activate_action (G_ACTION_GROUP (application), "preferences", NULL);
  gui_test_settle ();
  g_assert_true (g_settings_get_boolean (settings, "preview"));
  dialog = gui_test_find_window (GUI_TYPE_PREFERENCES);
  gtk_switch_set_active (gui_test_find (dialog, "preview_switch"), FALSE);
  g_assert_false (g_settings_get_boolean (settings, "preview"));
  g_assert_cmpstr (adw_action_row_get_subtitle (gui_test_find (dialog, "folder_row")), ==, gui_test_get_folder ());
  close_window (GUI_TYPE_PREFERENCES);
  gui_test_activate (window, "win.show-help-overlay", NULL);
  close_window (GTK_TYPE_SHORTCUTS_WINDOW);
  g_action_group_activate_action (G_ACTION_GROUP (application), "about", NULL);
  close_window (ADW_TYPE_ABOUT_WINDOW);
}

static void
test_windows (void)
{
  set_up ();
  gui_test_run (windows_script, NULL, NULL);
}

int
main (int    argc,
      char **argv)
{
  gui_test_init (&argc, &argv);
  settings = g_settings_new (GUI_APPLICATION_ID);
  g_test_add_func ("/gui/desktop/windows", test_windows);
  g_test_add_func ("/gui/desktop/notification", test_notification);
  g_test_add_func ("/gui/desktop/failure", test_failure);
  g_test_add_func ("/gui/desktop/wallpaper", test_wallpaper);
  g_test_add_func ("/gui/desktop/second", test_second);
  g_test_add_func ("/gui/desktop/activation", test_activation);
  return g_test_run ();
}
