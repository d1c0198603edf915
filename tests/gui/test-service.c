/* test-service.c: the generator of the session paints for the application
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <string.h>

#include "gui-studio.h"
#include "gui-test.h"

#define GENERATOR "io.github.zimage.Generator"
#define STEPS 6

static GSettings *settings;

static void
set_up (void)
{
  gui_test_reset ();
  g_settings_set_string (settings, "model", "mine");
  g_settings_set_boolean (settings, "use-service", TRUE);
  g_settings_set_int64 (settings, "seed", 7);
  g_settings_set_boolean (settings, "seed-locked", TRUE);
  g_settings_set_int (settings, "steps", STEPS);
}

static GDBusConnection *
get_bus (void)
{
  GDBusConnection *bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);

  g_assert_nonnull (bus);
  return bus;
}

static void
call_bus (const char *method,
          GVariant   *arguments,
          GVariant  **answer)
{
  g_autoptr(GDBusConnection) bus = get_bus ();
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) got =
    g_dbus_connection_call_sync (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", method,
                                 arguments, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

  g_assert_no_error (error);
  if (answer != NULL)
    *answer = g_steal_pointer (&got);
}

/* What the bus starts programs with */
static void
set_environment (const char *name,
                 const char *value)
{
  call_bus ("UpdateActivationEnvironment", g_variant_new_parsed ("({%s: %s},)", name, value), NULL);
}

static gboolean
has_generator (gpointer data)
{
  g_autoptr(GVariant) answer = NULL;
  gboolean has_owner;

  call_bus ("NameHasOwner", g_variant_new ("(s)", GENERATOR), &answer);
  g_variant_get (answer, "(b)", &has_owner);
  return has_owner;
}

static gboolean
has_no_generator (gpointer data)
{
  return !has_generator (data);
}

static guint
get_generator_pid (void)
{
  g_autoptr(GVariant) answer = NULL;
  guint pid;

  call_bus ("GetConnectionUnixProcessID", g_variant_new ("(s)", GENERATOR), &answer);
  g_variant_get (answer, "(u)", &pid);
  return pid;
}

static GuiTask *
get_task (GuiApplication *application)
{
  return gui_queue_get_current (gui_test_get_queue (application));
}

/* The same picture, with the same signs on the way */

typedef struct
{
  int    step;
  double fraction;
  guint  n_previews;
} Watch;

static void
fraction_cb (GuiTask    *task,
             GParamSpec *pspec,
             Watch      *watch)
{
  g_assert_cmpfloat (gui_task_get_fraction (task), >=, watch->fraction);
  g_assert_cmpint (gui_task_get_step (task), <=, STEPS);
  watch->fraction = gui_task_get_fraction (task);
  watch->step = MAX (watch->step, gui_task_get_step (task));
}

static void
preview_cb (GuiTask    *task,
            GParamSpec *pspec,
            Watch      *watch)
{
  g_assert_cmpint (gdk_texture_get_width (gui_task_get_preview (task)), >, 0);
  watch->n_previews++;
}

static ZimImage *
load_picture (GuiApplication *application,
              guint           position)
{
  GListModel *list = gui_history_get_list (gui_test_get_history (application));
  g_autoptr(GuiPicture) picture = g_list_model_get_item (list, position);
  g_autoptr(GError) error = NULL;
  ZimImage *image = zim_image_load (gui_picture_get_path (picture), &error);

  g_assert_no_error (error);
  return image;
}

static void
picture_script (GuiApplication *application,
                gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  g_autoptr(ZimParams) params = zim_params_new ("a red fox in the snow");
  g_autoptr(GBytes) expected = NULL;
  g_autoptr(GBytes) pixels = NULL;
  g_autoptr(ZimImage) image = NULL;
  Watch watch = { 0 };

  g_assert_false (has_generator (NULL));
  g_assert_false (gtk_widget_get_visible (gui_test_find (window, "device_row")));
  gui_window_generate (window, "a red fox in the snow");
  g_signal_connect (get_task (application), "notify::fraction", G_CALLBACK (fraction_cb), &watch);
  g_signal_connect (get_task (application), "notify::preview", G_CALLBACK (preview_cb), &watch);
  gui_test_wait_for_pictures (application, 1);
  g_assert_true (has_generator (NULL));
  g_assert_cmpint (watch.step, ==, STEPS);
  g_assert_cmpuint (watch.n_previews, >, 0);

  zim_params_set_size (params, 64, 64);
  zim_params_set_steps (params, STEPS);
  zim_params_set_seed (params, 7);
  expected = gui_test_make_pixels ("mine", params);
  image = load_picture (application, 0);
  g_assert_cmpint (zim_image_get_seed (image), ==, 7);
  pixels = gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (image));
  g_assert_true (g_bytes_equal (pixels, expected));

  g_settings_set_int (settings, "count", 2);
  gui_window_generate (window, "two of them");
  gui_test_wait_for_pictures (application, 3);
  g_settings_set_boolean (settings, "use-service", FALSE);
  g_assert_true (gtk_widget_get_visible (gui_test_find (window, "device_row")));
  gui_window_generate (window, "by itself again");
  gui_test_wait_for_pictures (application, 5);
}

static void
test_picture (void)
{
  set_up ();
  gui_test_run (picture_script, NULL, NULL);
}

/* Cancelling */

static gboolean
is_generator_idle (gpointer data)
{
  g_autoptr(GDBusConnection) bus = get_bus ();
  g_autoptr(GVariant) answer =
    g_dbus_connection_call_sync (bus, GENERATOR, "/io/github/zimage/Generator", "org.freedesktop.DBus.Properties",
                                 "Get", g_variant_new ("(ss)", GENERATOR, "Running"), G_VARIANT_TYPE ("(v)"),
                                 G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
  g_autoptr(GVariant) running = NULL;

  g_assert_nonnull (answer);
  g_variant_get (answer, "(v)", &running);
  return g_variant_get_uint32 (running) == 0;
}

static void
cancel_script (GuiApplication *application,
               gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  g_autoptr(GuiTask) task = NULL;

  g_settings_set_int (settings, "steps", 1000);
  gui_window_generate (window, "a long one");
  task = g_object_ref (get_task (application));
  gui_test_wait (gui_test_is_midway, application);
  g_assert_false (is_generator_idle (NULL));
  gui_test_activate (window, "win.cancel", NULL);
  gui_test_wait (gui_test_is_idle, application);
  g_assert_cmpint (gui_task_get_state (task), ==, ZIM_JOB_STATE_CANCELLED);
  g_assert_cmpint (gui_task_get_step (task), <, 1000);
  gui_test_wait (is_generator_idle, NULL);

  /* One that nobody knows yet */
  gui_window_generate (window, "not at all");
  gui_test_activate (window, "win.cancel", NULL);
  gui_test_wait (gui_test_is_idle, application);
  gui_test_wait (is_generator_idle, NULL);
  g_settings_set_int (settings, "steps", 2);
  gui_window_generate (window, "a short one");
  gui_test_wait_for_pictures (application, 1);
}

static void
test_cancel (void)
{
  set_up ();
  gui_test_run (cancel_script, NULL, NULL);
}

/* Errors */

static gboolean
has_error_page (gpointer data)
{
  return g_strcmp0 (gtk_stack_get_visible_child_name (gui_test_find (gui_test_find (data, "studio"), "stack")),
                    "error") == 0;
}

static void
expect_error (GuiWindow  *window,
              const char *text)
{
  AdwStatusPage *page = gui_test_find (window, "error_page");

  gui_test_wait (has_error_page, window);
  if (strstr (adw_status_page_get_description (page), text) == NULL)
    g_error ("“%s” is not in “%s”", text, adw_status_page_get_description (page));
  g_assert_nonnull (strstr (adw_status_page_get_description (page), "preferences"));
  g_assert_null (strstr (adw_status_page_get_description (page), "GDBus"));
  gui_test_activate (window, "win.view", "studio");
}

static void
error_script (GuiApplication *application,
              gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  g_autofree char *kill = NULL;

  /* It goes away in the middle, */
  g_settings_set_int (settings, "steps", 1000);
  gui_window_generate (window, "to no end");
  gui_test_wait (gui_test_is_midway, application);
  kill = g_strdup_printf ("kill -9 %u", get_generator_pid ());
  g_assert_true (g_spawn_command_line_sync (kill, NULL, NULL, NULL, NULL));
  expect_error (window, "went away");
  gui_test_wait (has_no_generator, NULL);

  /* it does not start, */
  set_environment ("ZIM_DEVICE", "no-such-device");
  gui_window_generate (window, "to no beginning");
  gui_test_wait (gui_test_is_idle, application);
  expect_error (window, "could not be started");

  /* it does not know the model, */
  set_environment ("ZIM_DEVICE", "cpu");
  g_settings_set_string (settings, "model", GUI_DEMO_MODEL);
  gui_window_generate (window, "with what it has not");
  gui_test_wait (gui_test_is_idle, application);
  expect_error (window, "demo");

  /* and after all that it works. */
  g_settings_set_string (settings, "model", "mine");
  g_settings_set_int (settings, "steps", 2);
  gui_window_generate (window, "at last");
  gui_test_wait_for_pictures (application, 1);
  g_assert_false (has_error_page (window));
}

static void
test_errors (void)
{
  set_up ();
  gui_test_run (error_script, NULL, NULL);
}

int
main (int    argc,
      char **argv)
{
  gui_test_init (&argc, &argv);
  settings = g_settings_new (GUI_APPLICATION_ID);
  set_environment ("HOME", g_get_home_dir ());
  set_environment ("ZIMAGE_MODELS", g_getenv ("ZIMAGE_MODELS")); /* the store of this test */
  gui_test_put_in_store ("mine", gui_test_get_model ());
  g_test_add_func ("/gui/service/picture", test_picture);
  g_test_add_func ("/gui/service/cancel", test_cancel);
  g_test_add_func ("/gui/service/errors", test_errors);
  return g_test_run ();
}
