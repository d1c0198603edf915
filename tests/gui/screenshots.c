/* screenshots.c: pictures of the application in use
 *
 * Usage: screenshots FOLDER
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "gui-preferences.h"
#include "gui-test.h"

static const char *folder;

static void
shoot (gpointer    window,
       const char *name)
{
  g_autofree char *file = g_strconcat (name, ".png", NULL);
  g_autofree char *path = g_build_filename (folder, file, NULL);
  g_autoptr(GdkTexture) texture = NULL;

  gui_test_settle ();
  texture = gui_test_draw (GTK_WINDOW (window));
  g_assert_true (gdk_texture_save_to_png (texture, path));
}

typedef struct
{
  GuiSession *session;
  guint       n_pictures;
} Made;

static gboolean
is_made (gpointer data)
{
  const Made *made = data;

  return g_list_model_get_n_items (gui_history_get_list (gui_session_get_history (made->session))) >= made->n_pictures;
}

/* One after the other, however long all of them take. */
static void
wait_for_pictures (GuiSession *session,
                   guint       n_pictures)
{
  guint n = g_list_model_get_n_items (gui_history_get_list (gui_session_get_history (session)));

  for (guint i = n; i < n_pictures; i++)
    {
      Made made = { session, i + 1 };

      gui_test_wait (is_made, &made);
    }
}

static gboolean
has_preview (gpointer data)
{
  GuiTask *task = gui_queue_get_current (gui_session_get_queue (data));

  return task == NULL || gui_task_get_preview (task) != NULL;
}

static void
first_run (GuiApplication *application,
           gpointer        data)
{
  shoot (gui_test_get_window (application), "first-run");
}

static void
wait_a_little (int milliseconds)
{
  gint64 end = g_get_monotonic_time () + milliseconds * 1000;

  while (g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, FALSE);
}

static void
shoot_other (GType       type,
             const char *name)
{
  GtkWindow *window;

  wait_a_little (500);
  window = gui_test_find_window (type);
  g_assert_nonnull (window);
  shoot (window, name);
  gtk_window_destroy (window);
}

static void
use (GuiApplication *application,
     gpointer        data)
{
  GuiSession *session = gui_application_get_session (application);
  GuiWindow *window = gui_test_get_window (application);
  AdwStyleManager *style = adw_style_manager_get_default ();
  g_autoptr(GuiPicture) newest = NULL;

  shoot (window, "empty");
  g_action_group_activate_action (G_ACTION_GROUP (application), "preferences", NULL);
  shoot_other (GUI_TYPE_PREFERENCES, "preferences");
  gui_test_activate (window, "win.show-help-overlay", NULL);
  shoot_other (GTK_TYPE_SHORTCUTS_WINDOW, "shortcuts");
  g_settings_set_int (gui_session_get_settings (session), "count", 3);
  gui_window_generate (window, "a rainbow over a meadow");
  gui_window_generate (window, "clouds over the sea");
  gui_window_generate (window, "a sunset over mountains");
  gui_test_wait (has_preview, session);
  wait_a_little (500); /* until one page has faded into the other */
  shoot (window, "generating");
  wait_for_pictures (session, 9);
  wait_a_little (500);
  shoot (window, "light");
  adw_style_manager_set_color_scheme (style, ADW_COLOR_SCHEME_FORCE_DARK);
  wait_a_little (500);
  shoot (window, "dark");
  gui_test_activate (window, "win.view", "history");
  wait_a_little (800);
  shoot (window, "history-dark");
  adw_style_manager_set_color_scheme (style, ADW_COLOR_SCHEME_DEFAULT);
  wait_a_little (500);
  shoot (window, "history");
  newest = g_list_model_get_item (gui_history_get_list (gui_session_get_history (session)), 0);
  gui_window_show_picture (window, gui_picture_get_path (newest));
  wait_a_little (800);
  shoot (window, "viewer");
  gui_test_activate (window, "win.view", "models");
  wait_a_little (500);
  shoot (window, "models");
}

static void
narrow (GuiApplication *application,
        gpointer        data)
{
  GuiSession *session = gui_application_get_session (application);
  GuiWindow *window = gui_test_get_window (application);

  wait_a_little (500);
  shoot (window, "narrow-empty");
  gui_window_generate (window, "a sunset over mountains");
  wait_for_pictures (session, 10);
  wait_a_little (800);
  shoot (window, "narrow");
  g_settings_set_boolean (gui_session_get_settings (session), "show-options", TRUE);
  wait_a_little (800);
  shoot (window, "narrow-options");
  gui_test_activate (window, "win.view", "history");
  wait_a_little (800);
  shoot (window, "narrow-history");
  gui_test_activate (window, "win.view", "models");
  wait_a_little (500);
  shoot (window, "narrow-models");
}

static void
rtl (GuiApplication *application,
     gpointer        data)
{
  GuiSession *session = gui_application_get_session (application);
  GuiWindow *window = gui_test_get_window (application);

  gui_window_generate (window, "a sunset over mountains");
  wait_for_pictures (session, 11);
  wait_a_little (800);
  shoot (window, "rtl");
}

int
main (int    argc,
      char **argv)
{
  g_autoptr(GSettings) settings = NULL;

  g_assert_cmpint (argc, ==, 2);
  folder = argv[1];
  gui_test_init (&argc, &argv);
  settings = g_settings_new (GUI_APPLICATION_ID);
  gui_test_reset ();
  gui_test_run (first_run, NULL, NULL);
  gui_test_choose_demo ();
  g_settings_set_int64 (settings, "seed", 1);
  g_settings_set_boolean (settings, "seed-locked", TRUE);
  gui_test_run (use, NULL, NULL);
  g_settings_reset (settings, "count");
  g_settings_set_int (settings, "window-width", 360);
  g_settings_set_int (settings, "window-height", 640);
  g_settings_set_boolean (settings, "show-options", FALSE);
  gui_test_run (narrow, NULL, NULL);
  g_settings_reset (settings, "window-width");
  g_settings_reset (settings, "window-height");
  g_settings_set_boolean (settings, "show-options", TRUE);
  gtk_widget_set_default_direction (GTK_TEXT_DIR_RTL);
  gui_test_run (rtl, NULL, NULL);
  return 0;
}
