/* test-generate.c: from the prompt to the picture
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <string.h>

#include "gui-canvas.h"
#include "gui-studio.h"
#include "gui-test.h"

#define STEPS 6
#define LONGEST_DISPATCH 16.0 /* milliseconds: a frame of 60 in a second */

static GSettings *settings;

static void
set_up (void)
{
  gui_test_reset ();
  gui_test_choose_demo ();
  g_settings_set_int64 (settings, "seed", 7);
  g_settings_set_boolean (settings, "seed-locked", TRUE);
  g_settings_set_int (settings, "steps", STEPS);
}

static char *
get_path (GuiApplication *application,
          guint           position)
{
  g_autoptr(GuiPicture) picture =
    g_list_model_get_item (gui_history_get_list (gui_test_get_history (application)), position);

  return g_strdup (gui_picture_get_path (picture));
}

/* Steps */

typedef struct
{
  guint   n_steps;  /* that were seen, one after another */
  double  fraction;
  guint   n_risen;
  guint   n_previews;
  double  bar;      /* what the progress bar showed last */
  GtkProgressBar *progress_bar;
} Watch;

static void
fraction_cb (GuiTask    *task,
             GParamSpec *pspec,
             Watch      *watch)
{
  double fraction = gui_task_get_fraction (task);
  guint step = (guint) gui_task_get_step (task);

  g_assert_cmpfloat (fraction, >=, watch->fraction);
  if (step > watch->n_steps)
    {
      g_assert_cmpuint (step, ==, watch->n_steps + 1);
      g_assert_cmpfloat (fraction, >, watch->fraction);
      watch->n_risen++;
      watch->n_steps = step;
    }
  watch->fraction = fraction;
  watch->bar = gtk_progress_bar_get_fraction (watch->progress_bar);
  g_assert_cmpfloat (watch->bar, <=, fraction);
}

static void
preview_cb (GuiTask    *task,
            GParamSpec *pspec,
            Watch      *watch)
{
  GdkTexture *preview = gui_task_get_preview (task);

  g_assert_cmpint (gdk_texture_get_width (preview), >, 0);
  watch->n_previews++;
}

static void
check_pixels (const char *path)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimImage) image = zim_image_load (path, &error);
  g_autoptr(ZimParams) params = zim_params_new ("a red fox in the snow");
  g_autoptr(GBytes) expected = NULL;
  g_autoptr(GBytes) pixels = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (zim_params_get_prompt (zim_image_get_params (image)), ==, "a red fox in the snow");
  g_assert_cmpint (zim_image_get_seed (image), ==, 7);
  zim_params_set_size (params, 64, 64);
  zim_params_set_steps (params, STEPS);
  zim_params_set_seed (params, 7);
  expected = gui_test_make_pixels (GUI_DEMO_MODEL, params);
  pixels = gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (image));
  g_assert_cmpuint (g_bytes_get_size (expected), >, 0);
  g_assert_true (g_bytes_equal (pixels, expected));
}

/* What is seen is what was saved. */
static void
check_canvas (GuiWindow  *window,
              const char *path)
{
  GuiCanvas *canvas = gui_test_find (window, "canvas");
  GdkTexture *seen = GDK_TEXTURE (gui_canvas_get_picture (canvas));
  g_autoptr(GdkTexture) saved = gdk_texture_new_from_filename (path, NULL);
  gsize stride = 4 * (gsize) gdk_texture_get_width (saved);
  gsize size = stride * (gsize) gdk_texture_get_height (saved);
  g_autofree guchar *a = g_malloc (size);
  g_autofree guchar *b = g_malloc (size);

  g_assert_cmpint (gdk_texture_get_width (seen), ==, gdk_texture_get_width (saved));
  g_assert_cmpint (gdk_texture_get_height (seen), ==, gdk_texture_get_height (saved));
  gdk_texture_download (seen, a, stride);
  gdk_texture_download (saved, b, stride);
  g_assert_cmpmem (a, size, b, size);
}

static void
steps_script (GuiApplication *application,
              gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  Watch watch = { .progress_bar = gui_test_find (window, "progress_bar") };
  GtkRevealer *revealer = gui_test_find (window, "progress_revealer");
  g_autofree char *path = NULL;
  GuiTask *task;

  gui_studio_set_prompt (gui_test_find (window, "studio"), "a red fox in the snow");
  g_assert_false (gtk_revealer_get_reveal_child (revealer));
  g_assert_false (gui_test_is_enabled (window, "win.cancel"));
  gui_test_activate (window, "win.generate", NULL);
  task = gui_queue_get_current (gui_test_get_queue (application));
  g_assert_true (gtk_revealer_get_reveal_child (revealer));
  g_assert_true (gui_test_is_enabled (window, "win.cancel"));
  g_signal_connect_after (task, "notify::fraction", G_CALLBACK (fraction_cb), &watch);
  g_signal_connect (task, "notify::preview", G_CALLBACK (preview_cb), &watch);
  gui_test_wait_for_pictures (application, 1);

  g_assert_cmpuint (watch.n_steps, ==, STEPS);
  g_assert_cmpuint (watch.n_risen, ==, STEPS);
  g_assert_cmpuint (watch.n_previews, >, 1);
  g_assert_cmpfloat (watch.fraction, ==, 1);
  g_assert_cmpfloat (watch.bar, >, 0.5);
  g_assert_false (gtk_revealer_get_reveal_child (revealer));
  path = get_path (application, 0);
  check_pixels (path);
  check_canvas (window, path);
}

static void
test_steps (void)
{
  set_up ();
  gui_test_run (steps_script, NULL, NULL);
}

/* Cancelling */

static void
cancel_script (GuiApplication *application,
               gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  GtkStack *stack = gui_test_find (gui_test_find (window, "studio"), "stack");
  g_autoptr(GuiTask) task = NULL;

  g_settings_set_int (settings, "steps", 1000);
  gui_window_generate (window, "a red fox in the snow");
  task = g_object_ref (gui_queue_get_current (gui_test_get_queue (application)));
  gui_test_wait (gui_test_is_midway, application);
  gui_test_activate (window, "win.cancel", NULL);
  gui_test_wait (gui_test_is_idle, application);
  g_assert_cmpint (gui_task_get_state (task), ==, ZIM_JOB_STATE_CANCELLED);
  g_assert_cmpint (gui_task_get_step (task), <, 1000);
  g_assert_cmpstr (gtk_stack_get_visible_child_name (stack), ==, "empty");

  g_settings_set_int (settings, "steps", 2);
  gui_test_activate (window, "win.generate", NULL);
  gui_test_wait_for_pictures (application, 1);
  g_assert_cmpstr (gtk_stack_get_visible_child_name (stack), ==, "canvas");
}

static void
test_cancel (void)
{
  set_up ();
  gui_test_run (cancel_script, NULL, NULL);
}

/* Queueing */

static void
queue_script (GuiApplication *application,
              gpointer        data)
{
  static const char *const prompts[] = { "one", "two", "three", "four" };
  GuiWindow *window = gui_test_get_window (application);
  GtkMenuButton *button = gui_test_find (window, "queue_button");
  g_autoptr(GuiTask) fourth = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (prompts); i++)
    gui_window_generate (window, prompts[i]);
  g_assert_cmpuint (gui_queue_get_length (gui_test_get_queue (application)), ==, 4);
  g_assert_cmpstr (gtk_menu_button_get_label (button), ==, "3");
  g_assert_true (gtk_widget_get_visible (GTK_WIDGET (button)));
  fourth = g_list_model_get_item (G_LIST_MODEL (gui_test_get_queue (application)), 3);
  gui_task_cancel (fourth);
  g_assert_cmpuint (gui_queue_get_length (gui_test_get_queue (application)), ==, 3);
  gui_test_wait_for_pictures (application, 3);

  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *path = get_path (application, i);
      g_autoptr(ZimImage) image = zim_image_load (path, NULL);

      g_assert_cmpstr (zim_params_get_prompt (zim_image_get_params (image)), ==, prompts[2 - i]);
    }
}

static void
test_queue (void)
{
  set_up ();
  gui_test_run (queue_script, NULL, NULL);
}

static void
count_script (GuiApplication *application,
              gpointer        data)
{
  g_settings_set_int (settings, "count", 3);
  g_settings_set_string (settings, "shape", "portrait-2-3");
  gui_window_generate (gui_test_get_window (application), "three of them");
  gui_test_wait_for_pictures (application, 3);

  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *path = get_path (application, i);
      g_autoptr(ZimImage) image = zim_image_load (path, NULL);

      g_assert_cmpint (zim_image_get_seed (image), ==, 9 - i);
      g_assert_cmpint (gdk_pixbuf_get_width (zim_image_get_pixbuf (image)), ==, 48);
      g_assert_cmpint (gdk_pixbuf_get_height (zim_image_get_pixbuf (image)), ==, 80);
    }
}

static void
test_count (void)
{
  set_up ();
  gui_test_run (count_script, NULL, NULL);
}

/* By keyboard alone */

static gboolean
has_prompt (gpointer data)
{
  g_autofree char *prompt = gui_studio_get_prompt (gui_test_find (data, "studio"));

  return g_str_equal (prompt, "a fox");
}

static gboolean
has_no_prompt (gpointer data)
{
  g_autofree char *prompt = gui_studio_get_prompt (gui_test_find (data, "studio"));

  return *prompt == '\0';
}

static const char *
get_view (GuiWindow *window)
{
  return adw_view_stack_get_visible_child_name (gui_test_find (window, "views"));
}

static gboolean
is_in_history (gpointer data)
{
  return g_str_equal (get_view (data), "history");
}

static gboolean
is_in_studio (gpointer data)
{
  return g_str_equal (get_view (data), "studio");
}

static gboolean
is_open (gpointer data)
{
  return gui_test_is_enabled (data, "win.back");
}

/* From what has the focus, with no more keys than a patient person presses. */
static void
press_until_focus (GuiWindow  *window,
                   GtkWidget  *widget,
                   const char *key)
{
  for (guint i = 0; i < 30; i++)
    {
      GtkWidget *focus = gtk_window_get_focus (GTK_WINDOW (window));

      if (focus != NULL && (focus == widget || gtk_widget_is_ancestor (focus, widget)))
        return;
      gui_test_press (key);
      gui_test_settle ();
    }
  g_error ("%s does not lead to the %s", key, G_OBJECT_TYPE_NAME (widget));
}

static gboolean
has_seven_steps (gpointer data)
{
  return g_settings_get_int (settings, "steps") == STEPS + 1;
}

static gboolean
is_locked (gpointer data)
{
  return g_settings_get_boolean (settings, "seed-locked");
}

static gboolean
is_zoomed (gpointer data)
{
  return !gui_canvas_is_fitting (data);
}

static gboolean
is_fitting (gpointer data)
{
  return gui_canvas_is_fitting (data);
}

static gboolean
is_closed (gpointer data)
{
  return !is_open (data);
}

static gboolean
has_undo (gpointer data)
{
  return gui_test_is_enabled (data, "win.undo");
}

/* The prompt, the button, an option, cancelling */
static void
create_by_keyboard (GuiApplication *application,
                    GuiWindow      *window)
{
  gui_test_type ("a fox");
  gui_test_wait (has_prompt, window);
  gui_test_press ("ctrl+Return");
  gui_test_wait_for_pictures (application, 1);
  g_assert_true (has_prompt (window));
  gui_test_press ("Tab");
  gui_test_settle ();
  g_assert_true (gtk_window_get_focus (GTK_WINDOW (window)) == gui_test_find (window, "generate_button"));
  gui_test_press ("space");
  gui_test_wait_for_pictures (application, 2);

  press_until_focus (window, gui_test_find (window, "steps_spin"), "Tab");
  gui_test_press ("Up");
  gui_test_wait (has_seven_steps, NULL);
  g_settings_set_boolean (settings, "seed-locked", FALSE);
  press_until_focus (window, gui_test_find (window, "lock_button"), "Tab");
  gui_test_press ("space");
  gui_test_wait (is_locked, NULL);
  press_until_focus (window, gui_test_find (window, "prompt_view"), "shift+Tab");

  g_settings_set_int (settings, "steps", 1000);
  gui_test_press ("ctrl+Return");
  gui_test_wait (gui_test_is_midway, application);
  gui_test_press ("ctrl+period");
  gui_test_wait (gui_test_is_idle, application);
  g_settings_set_int (settings, "steps", STEPS);
}

/* A picture that is opened, looked at, thrown away, taken back and taken up again */
static void
keep_by_keyboard (GuiApplication *application,
                  GuiWindow      *window)
{
  GtkWidget *canvas = gui_test_find (gui_test_find (window, "viewer"), "canvas");

  gui_test_press ("alt+2");
  gui_test_wait (is_in_history, window);
  gui_test_settle ();
  gui_test_press ("Return");
  gui_test_wait (is_open, window);
  gui_test_wait (is_fitting, canvas);
  gui_test_press ("ctrl+plus");
  gui_test_wait (is_zoomed, canvas);
  gui_test_press ("ctrl+0");
  gui_test_wait (is_fitting, canvas);
  gui_test_press ("Escape");
  gui_test_wait (is_closed, window);
  gui_test_press ("Return");
  gui_test_wait (is_open, window);
  gui_test_press ("Delete");
  gui_test_wait_for_pictures (application, 1);
  gui_test_wait (has_undo, window);
  gui_test_press ("ctrl+shift+z");
  gui_test_wait_for_pictures (application, 2);
  gui_test_settle ();
  press_until_focus (window, gui_test_find (window, "grid"), "Tab");
  gui_test_press ("Return");
  gui_test_wait (is_open, window);
  gui_test_press ("ctrl+e");
  gui_test_wait (is_in_studio, window);
  g_assert_true (has_prompt (window));
}

static void
keyboard_script (GuiApplication *application,
                 gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);

  gui_test_focus (GTK_WINDOW (window));
  create_by_keyboard (application, window);
  keep_by_keyboard (application, window);
  gui_test_press ("ctrl+n");
  gui_test_wait (has_no_prompt, window);
}

static void
test_keyboard (void)
{
  set_up ();
  gui_test_run (keyboard_script, NULL, NULL);
}

/* The command line */

static void
prompt_script (GuiApplication *application,
               gpointer        data)
{
  g_autofree char *path = NULL;
  g_autoptr(ZimImage) image = NULL;

  gui_test_wait_for_pictures (application, 1);
  path = get_path (application, 0);
  image = zim_image_load (path, NULL);
  g_assert_cmpstr (zim_params_get_prompt (zim_image_get_params (image)), ==, "a sunset over mountains");
}

static void
test_prompt (void)
{
  set_up ();
  gui_test_run (prompt_script, NULL, "a sunset", "over mountains", NULL);
}

/* Dispatches */

static void
dispatch_script (GuiApplication *application,
                 gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  double longest;

  gui_window_generate (window, "to warm up");
  gui_test_wait_for_pictures (application, 1);
  gui_test_settle ();
  g_settings_set_int (settings, "steps", 8);
  g_settings_set_int (settings, "size", 256);
  gui_test_settle ();

  gui_test_probe_begin ();
  gui_test_activate (window, "win.generate", NULL);
  gui_test_wait_for_pictures (application, 2);
  longest = gui_test_probe_end ();
  g_test_message ("the main loop was busy for %.1f ms at most", longest);
  g_assert_cmpfloat (longest, >, 0);
  g_assert_cmpfloat (longest, <=, LONGEST_DISPATCH);
}

static void
test_dispatch (void)
{
  set_up ();
  gui_test_run (dispatch_script, NULL, NULL);
}

int
main (int    argc,
      char **argv)
{
  gui_test_init (&argc, &argv);
  settings = g_settings_new (GUI_APPLICATION_ID);
  g_test_add_func ("/gui/generate/steps", test_steps);
  g_test_add_func ("/gui/generate/cancel", test_cancel);
  g_test_add_func ("/gui/generate/queue", test_queue);
  g_test_add_func ("/gui/generate/count", test_count);
  g_test_add_func ("/gui/generate/keyboard", test_keyboard);
  g_test_add_func ("/gui/generate/command-line", test_prompt);
  g_test_add_func ("/gui/generate/dispatch", test_dispatch);
  return g_test_run ();
}
