/* test-session.c: what a session of the desktop sees of the application: that it works, and how its window was left
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "gui-test.h"

static GSettings *settings;

static void
set_up (void)
{
  gui_test_reset ();
  gui_test_choose_demo ();
}

/* A session manager, in a thread of its own: GTK calls it and waits. */

static const char introspection[] =
  "<node><interface name='org.gnome.SessionManager'><method name='Inhibit'>"
  "<arg type='s' direction='in'/><arg type='u' direction='in'/><arg type='s' direction='in'/>"
  "<arg type='u' direction='in'/><arg type='u' direction='out'/></method>"
  "<method name='Uninhibit'><arg type='u' direction='in'/></method></interface></node>";

typedef struct
{
  GThread      *thread;
  GMainContext *context;
  GMainLoop    *loop;
  int           is_there; /* atomic, as the others */
  int           n_inhibitors;
  int           n_calls;
  guint         flags;
} Manager;

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
  Manager *manager = data;
  const char *id, *reason;
  guint window, flags;

  if (g_str_equal (method, "Uninhibit"))
    {
      g_atomic_int_add (&manager->n_inhibitors, -1);
      g_dbus_method_invocation_return_value (invocation, NULL);
      return;
    }
  g_variant_get (arguments, "(&su&su)", &id, &window, &reason, &flags);
  g_assert_cmpstr (id, ==, GUI_APPLICATION_ID);
  g_assert_cmpuint (window, !=, 0);
  g_assert_cmpstr (reason, !=, "");
  g_atomic_int_set (&manager->flags, flags);
  g_atomic_int_inc (&manager->n_calls);
  g_atomic_int_inc (&manager->n_inhibitors);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(u)", 7));
}

static void
owned_cb (GDBusConnection *bus,
          const char      *name,
          gpointer         data)
{
  g_atomic_int_set (&((Manager *) data)->is_there, TRUE);
}

static gpointer
manage (gpointer data)
{
  static const GDBusInterfaceVTable table = { called_cb };
  Manager *manager = data;
  g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (introspection, NULL);
  g_autofree char *address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  g_autoptr(GDBusConnection) bus = NULL;
  guint owned;

  g_main_context_push_thread_default (manager->context);
  bus = g_dbus_connection_new_for_address_sync (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                         G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                NULL, NULL, NULL);
  g_dbus_connection_register_object (bus, "/org/gnome/SessionManager", node->interfaces[0], &table, manager, NULL,
                                     NULL);
  owned = g_bus_own_name_on_connection (bus, "org.gnome.SessionManager", G_BUS_NAME_OWNER_FLAGS_NONE, owned_cb, NULL,
                                        manager, NULL);
  g_main_loop_run (manager->loop);
  g_bus_unown_name (owned);
  g_dbus_connection_close_sync (bus, NULL, NULL);
  g_main_context_pop_thread_default (manager->context);
  return NULL;
}

static gboolean
is_there (gpointer data)
{
  return g_atomic_int_get (&((Manager *) data)->is_there);
}

static void
manager_start (Manager *manager)
{
  manager->context = g_main_context_new ();
  manager->loop = g_main_loop_new (manager->context, FALSE);
  manager->thread = g_thread_new ("session-manager", manage, manager);
  gui_test_wait (is_there, manager);
}

static void
manager_stop (Manager *manager)
{
  g_main_loop_quit (manager->loop);
  g_thread_join (manager->thread);
  g_main_loop_unref (manager->loop);
  g_main_context_unref (manager->context);
}

/* GTK does not wait for an answer then. */
static gboolean
is_released (gpointer data)
{
  return g_atomic_int_get (&((Manager *) data)->n_inhibitors) == 0;
}

static void
inhibit_script (GuiApplication *application,
                gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  Manager *manager = data;

  g_assert_cmpint (g_atomic_int_get (&manager->n_calls), ==, 0);
  g_settings_set_int (settings, "steps", 1000);
  gui_window_generate (window, "in the night");
  gui_window_generate (window, "and the next");
  gui_test_wait (gui_test_is_midway, application);
  g_assert_cmpint (g_atomic_int_get (&manager->n_inhibitors), ==, 1);
  g_assert_cmpuint (g_atomic_int_get (&manager->flags), ==, GTK_APPLICATION_INHIBIT_SUSPEND);
  gui_test_activate (window, "win.cancel", NULL);
  gui_test_wait (gui_test_is_midway, application);
  g_assert_cmpint (g_atomic_int_get (&manager->n_inhibitors), ==, 1);

  /* Whoever does not want it, does not want it now. */
  g_settings_set_boolean (settings, "keep-awake", FALSE);
  gui_test_wait (is_released, manager);
  g_settings_set_boolean (settings, "keep-awake", TRUE);
  g_assert_cmpint (g_atomic_int_get (&manager->n_inhibitors), ==, 1);
  gui_test_activate (window, "win.cancel", NULL);
  gui_test_wait (gui_test_is_idle, application);
  gui_test_wait (is_released, manager);
  g_assert_cmpint (g_atomic_int_get (&manager->n_calls), ==, 2);
}

static void
test_inhibit (void)
{
  Manager manager = { NULL };

  set_up ();
  manager_start (&manager);
  gui_test_run (inhibit_script, &manager, NULL);
  manager_stop (&manager);
}

/* The window comes back as it was left. */

#define WIDTH 900
#define HEIGHT 610

/* Its frame included */
static gboolean
is_resized (gpointer data)
{
  int width, height;

  gtk_window_get_default_size (data, &width, &height);
  return width == WIDTH && height == HEIGHT;
}

static gboolean
is_maximized (gpointer data)
{
  return gtk_window_is_maximized (data);
}

/* There is no window manager, but what a window is when it is shown, it becomes. */
static void
maximize (GtkWindow *window)
{
  gtk_widget_set_visible (GTK_WIDGET (window), FALSE);
  gtk_window_maximize (window);
  gtk_window_present (window);
  gui_test_wait (is_maximized, window);
}

static void
resize_script (GuiApplication *application,
               gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);

  g_assert_false (is_resized (window));
  gui_test_resize (GTK_WINDOW (window), WIDTH, HEIGHT);
  gui_test_wait (is_resized, window);
  gui_test_settle ();
  *(int *) data = gtk_widget_get_width (GTK_WIDGET (window));
}

static void
maximize_script (GuiApplication *application,
                 gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);

  g_assert_true (is_resized (window));
  g_assert_false (is_maximized (window));
  g_assert_cmpint (gtk_widget_get_width (GTK_WIDGET (window)), ==, *(int *) data);
  maximize (GTK_WINDOW (window));
}

static void
maximized_script (GuiApplication *application,
                  gpointer        data)
{
  g_assert_true (is_maximized (gui_test_get_window (application)));
}

static void
test_window (void)
{
  int width; /* without the frame */

  set_up ();
  gui_test_run (resize_script, &width, NULL);
  g_assert_cmpint (width, >, 0);
  g_assert_cmpint (g_settings_get_int (settings, "window-width"), ==, WIDTH);
  g_assert_cmpint (g_settings_get_int (settings, "window-height"), ==, HEIGHT);
  gui_test_run (maximize_script, &width, NULL);
  g_assert_true (g_settings_get_boolean (settings, "window-maximized"));
  g_assert_cmpint (g_settings_get_int (settings, "window-width"), ==, WIDTH);
  gui_test_run (maximized_script, NULL, NULL);
}

int
main (int    argc,
      char **argv)
{
  gui_test_init (&argc, &argv);
  settings = g_settings_new (GUI_APPLICATION_ID);
  g_test_add_func ("/gui/session/inhibit", test_inhibit);
  g_test_add_func ("/gui/session/window", test_window);
  return g_test_run ();
}
