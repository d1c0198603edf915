/* test-history.c: pictures that are kept, looked at, taken up again and thrown away
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gstdio.h>
#include <unistd.h>
#include <utime.h>

#include "gui-canvas.h"
#include "gui-gallery.h"
#include "gui-studio.h"
#include "gui-test.h"
#include "gui-thumb.h"

#define MANY 3000
#define LONGEST_FRAME 33.0 /* milliseconds; the processor draws all of it here */

static GSettings *settings;

/* Writes a picture with parameters into a folder. (transfer full) */
static char *
write_picture (const char *folder,
               const char *name,
               const char *prompt,
               int         width,
               int         height,
               gint64      seed)
{
  g_autoptr(GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, width, height);
  g_autoptr(ZimParams) params = zim_params_new (prompt);
  g_autoptr(ZimImage) image = NULL;
  g_autoptr(GError) error = NULL;
  char *path = g_build_filename (folder, name, NULL);

  gdk_pixbuf_fill (pixbuf, (guint32) seed * 2654435761u | 0xff);
  zim_params_set_size (params, width, height);
  zim_params_set_steps (params, 3);
  zim_params_set_seed (params, seed);
  image = zim_image_new (pixbuf, params, "Demo"); /* as the demo model calls itself */
  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  zim_image_save (image, path, &error);
  g_assert_no_error (error);
  return path;
}

static char *
write_in_history (const char *name,
                  const char *prompt,
                  gint64      seed)
{
  return write_picture (gui_test_get_folder (), name, prompt, 96, 64, seed);
}

static void
set_up (void)
{
  gui_test_reset ();
  gui_test_choose_demo ();
}

static GListModel *
get_list (GuiApplication *application)
{
  return gui_history_get_list (gui_test_get_history (application));
}

static gboolean
is_loaded (gpointer data)
{
  return !gui_history_is_loading (gui_test_get_history (data));
}

/* Starting again */

static void
first_script (GuiApplication *application,
              gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);

  gui_window_generate (window, "the first");
  gui_test_wait_for_pictures (application, 1);
  gui_window_generate (window, "the second");
  gui_test_wait_for_pictures (application, 2);
}

static gboolean
shows_prompt (gpointer data)
{
  return g_str_equal (gtk_label_get_text (gui_test_find (data, "prompt_label")), "the second");
}

static void
again_script (GuiApplication *application,
              gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  g_autofree char *prompt = NULL;

  gui_test_wait_for_pictures (application, 2);
  prompt = gui_studio_get_prompt (gui_test_find (window, "studio"));
  g_assert_cmpstr (prompt, ==, "the second");
  gui_test_activate (window, "win.view", "history");
  g_signal_emit_by_name (gui_test_find (window, "grid"), "activate", 0);
  gui_test_wait (shows_prompt, window);
  g_assert_nonnull (strstr (gtk_label_get_text (gui_test_find (window, "details_label")), "64 × 64"));
  g_assert_true (gui_test_is_enabled (window, "win.back"));
  gui_test_activate (window, "win.next", NULL);
  gui_test_settle ();
  gui_test_activate (window, "win.previous", NULL);
  gui_test_wait (shows_prompt, window);
  gui_test_activate (window, "win.back", NULL);
  g_assert_false (gui_test_is_enabled (window, "win.back"));
}

static void
test_again (void)
{
  set_up ();
  gui_test_run (first_script, NULL, NULL);
  gui_test_run (again_script, NULL, NULL);
}

/* Other programs in the folder */

static void
others_script (GuiApplication *application,
               gpointer        data)
{
  g_autofree char *one = NULL;
  g_autofree char *renamed = NULL;

  gui_test_wait_for_pictures (application, 0);
  one = write_in_history ("one.png", "from elsewhere", 1);
  gui_test_wait_for_pictures (application, 1);
  renamed = g_build_filename (gui_test_get_folder (), "renamed.png", NULL);
  g_assert_cmpint (g_rename (one, renamed), ==, 0);
  gui_test_settle ();
  gui_test_wait_for_pictures (application, 1);
  g_assert_cmpint (g_unlink (renamed), ==, 0);
  gui_test_wait_for_pictures (application, 0);
}

static void
test_others (void)
{
  set_up ();
  g_assert_cmpint (g_mkdir_with_parents (gui_test_get_folder (), 0700), ==, 0);
  gui_test_run (others_script, NULL, NULL);
}

/* Trash */

static void
select_first (GuiWindow *window,
              guint      n)
{
  GtkSelectionModel *selection = gtk_grid_view_get_model (gui_test_find (window, "grid"));

  gtk_selection_model_unselect_all (selection);
  for (guint i = 0; i < n; i++)
    gtk_selection_model_select_item (selection, i, FALSE);
}

static gboolean
is_in_trash (gpointer data)
{
  g_autofree char *path = g_build_filename (g_get_user_data_dir (), "Trash", "files", data, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
trash_script (GuiApplication *application,
              gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  g_autofree char *a = g_build_filename (gui_test_get_folder (), "a.png", NULL);
  g_autofree char *b = g_build_filename (gui_test_get_folder (), "b.png", NULL);

  gui_test_wait_for_pictures (application, 3);
  gui_test_activate (window, "win.view", "history");
  g_assert_false (gui_test_is_enabled (window, "win.trash"));
  select_first (window, 3);
  gui_test_activate (window, "win.trash", NULL);
  g_assert_cmpuint (g_list_model_get_n_items (get_list (application)), ==, 0);
  g_assert_true (g_file_test (a, G_FILE_TEST_EXISTS));
  g_assert_true (gui_test_is_enabled (window, "win.undo"));
  gui_test_activate (window, "win.undo", NULL);
  g_assert_cmpuint (g_list_model_get_n_items (get_list (application)), ==, 3);
  g_assert_false (gui_test_is_enabled (window, "win.undo"));

  /* The next one to go makes the one before it final. */
  select_first (window, 1);
  gui_test_activate (window, "win.trash", NULL);
  select_first (window, 1);
  gui_test_activate (window, "win.trash", NULL);
  gui_test_wait (is_in_trash, (gpointer) "c.png");
  g_assert_true (g_file_test (b, G_FILE_TEST_EXISTS));
}

static void
test_trash (void)
{
  static const char *const names[] = { "a.png", "b.png", "c.png" };

  set_up ();
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = write_in_history (names[i], names[i], i);
      struct utimbuf times = { 1000 + i, 1000 + i };

      g_assert_cmpint (g_utime (path, &times), ==, 0);
    }
  gui_test_run (trash_script, NULL, NULL);
  /* Whoever quits does not want them back. */
  g_assert_true (is_in_trash ((gpointer) "b.png"));
  g_assert_false (is_in_trash ((gpointer) "a.png"));
}

/* Parameters */

static void
drop (GuiWindow  *window,
      const char *path)
{
  g_autoptr(GListModel) controllers = gtk_widget_observe_controllers (GTK_WIDGET (window));
  g_autoptr(GFile) file = g_file_new_for_path (path);
  g_autoptr(GSList) files = g_slist_append (NULL, file);
  g_auto(GValue) value = G_VALUE_INIT;
  gboolean is_taken = FALSE;

  g_value_init (&value, GDK_TYPE_FILE_LIST);
  g_value_take_boxed (&value, gdk_file_list_new_from_list (files));
  for (guint i = 0; i < g_list_model_get_n_items (controllers) && !is_taken; i++)
    {
      g_autoptr(GtkEventController) controller = g_list_model_get_item (controllers, i);

      if (GTK_IS_DROP_TARGET (controller))
        g_signal_emit_by_name (controller, "drop", &value, 10.0, 10.0, &is_taken);
    }
  g_assert_true (is_taken);
}

typedef struct
{
  GuiWindow  *window;
  const char *prompt;
} Prompt;

static gboolean
has_prompt (gpointer data)
{
  const Prompt *expected = data;
  g_autofree char *prompt = gui_studio_get_prompt (gui_test_find (expected->window, "studio"));

  return g_str_equal (prompt, expected->prompt);
}

static void
check_setting (const char *key,
               int         value)
{
  g_assert_cmpint (g_settings_get_int (settings, key), ==, value);
}

/* As stable-diffusion-webui writes them */
static char *
write_foreign (void)
{
  g_autoptr(GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, 64, 96);
  g_autoptr(GError) error = NULL;
  char *path = g_build_filename (g_get_user_data_dir (), "foreign.png", NULL);

  gdk_pixbuf_fill (pixbuf, 0x336699ff);
  gdk_pixbuf_save (pixbuf, path, "png", &error, "tEXt::parameters",
                   "a green bottle\nNegative prompt: a wall\n"
                   "Steps: 5, Sampler: Euler, CFG scale: 1, Seed: 42, Size: 64x96, Model: other", NULL);
  g_assert_no_error (error);
  return path;
}

static char *
write_plain (void)
{
  g_autoptr(GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, 64, 64);
  char *path = g_build_filename (g_get_user_data_dir (), "plain.png", NULL);

  g_assert_true (gdk_pixbuf_save (pixbuf, path, "png", NULL, NULL));
  return path;
}

static gboolean
has_toast (gpointer data)
{
  return g_str_equal (gtk_widget_get_css_name (data), "toast") ||
         (gtk_widget_get_first_child (data) != NULL && has_toast (gtk_widget_get_first_child (data))) ||
         (gtk_widget_get_next_sibling (data) != NULL && has_toast (gtk_widget_get_next_sibling (data)));
}

static void
drop_script (GuiApplication *application,
             gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  g_autofree char *plain = write_plain ();
  g_autofree char *own = write_picture (g_get_user_data_dir (), "own.png", "a blue door", 96, 64, 99);
  g_autofree char *foreign = write_foreign ();
  Prompt expected = { window, "a blue door" };
  g_autofree char *model = NULL;
  g_autofree char *negative = NULL;

  gui_studio_set_prompt (gui_test_find (window, "studio"), "as it was");
  drop (window, plain);
  gui_test_wait (has_toast, gui_test_find (window, "toasts"));
  expected.prompt = "as it was";
  g_assert_true (has_prompt (&expected));
  g_assert_false (g_settings_get_boolean (settings, "seed-locked"));

  expected.prompt = "a blue door";
  g_settings_set_string (settings, "model", "elsewhere");
  drop (window, own);
  gui_test_wait (has_prompt, &expected);
  model = g_settings_get_string (settings, "model");
  g_assert_cmpstr (model, ==, GUI_DEMO_MODEL);
  g_assert_cmpint (g_settings_get_int64 (settings, "seed"), ==, 99);
  g_assert_true (g_settings_get_boolean (settings, "seed-locked"));
  check_setting ("steps", 3);
  check_setting ("width", 96);
  check_setting ("height", 64);
  gui_test_activate (window, "win.generate", NULL);
  gui_test_wait_for_pictures (application, 1);

  expected.prompt = "a green bottle";
  drop (window, foreign);
  gui_test_wait (has_prompt, &expected);
  g_assert_cmpint (g_settings_get_int64 (settings, "seed"), ==, 42);
  check_setting ("steps", 5);
  check_setting ("width", 64);
  check_setting ("height", 96);
  negative = g_settings_get_string (settings, "negative-prompt");
  g_assert_cmpstr (negative, ==, "a wall");
}

static void
check_dropped (void)
{
  g_autoptr(GDir) folder = g_dir_open (gui_test_get_folder (), 0, NULL);
  g_autofree char *path = g_build_filename (gui_test_get_folder (), g_dir_read_name (folder), NULL);
  g_autoptr(ZimImage) image = zim_image_load (path, NULL);

  g_assert_cmpint (zim_image_get_seed (image), ==, 99);
  g_assert_cmpint (zim_params_get_steps (zim_image_get_params (image)), ==, 3);
  g_assert_cmpint (gdk_pixbuf_get_width (zim_image_get_pixbuf (image)), ==, 96);
}

static void
test_drop (void)
{
  set_up ();
  gui_test_run (drop_script, NULL, NULL);
  check_dropped ();
}

/* Looking closely */

static gboolean
has_canvas_picture (gpointer data)
{
  return gui_canvas_get_picture (data) != NULL;
}

static void
zoom_script (GuiApplication *application,
             gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  GuiCanvas *canvas = gui_test_find (gui_test_find (window, "viewer"), "canvas");
  double fitting;

  gui_test_wait_for_pictures (application, 2);
  gui_test_activate (window, "win.view", "history");
  g_assert_false (gui_test_is_enabled (window, "win.zoom-in"));
  select_first (window, 2);
  g_assert_true (gui_test_is_enabled (window, "win.compare"));
  g_assert_false (gui_test_is_enabled (window, "win.reuse"));
  gui_test_activate (window, "win.compare", NULL);
  gui_test_wait (has_canvas_picture, canvas);
  gui_test_settle ();
  g_assert_true (gtk_widget_get_visible (gui_test_find (window, "split")));

  g_assert_true (gui_canvas_is_fitting (canvas));
  fitting = gui_canvas_get_zoom (canvas);
  gui_test_activate (window, "win.zoom-in", NULL);
  g_assert_cmpfloat_with_epsilon (gui_canvas_get_zoom (canvas), fitting * 1.25, 1e-9);
  gui_test_activate (window, "win.zoom-out", NULL);
  g_assert_cmpfloat_with_epsilon (gui_canvas_get_zoom (canvas), fitting, 1e-9);
  gui_test_activate (window, "win.zoom-original", NULL);
  g_assert_cmpfloat (gui_canvas_get_zoom (canvas), ==, 1);
  gui_test_activate (window, "win.zoom-fit", NULL);
  g_assert_true (gui_canvas_is_fitting (canvas));
  gui_test_activate (window, "win.back", NULL);

  select_first (window, 1);
  g_assert_false (gui_test_is_enabled (window, "win.compare"));
  gui_test_activate (window, "win.open", NULL);
  g_assert_false (gtk_widget_get_visible (gui_test_find (window, "split")));
}

static void
test_zoom (void)
{
  g_autofree char *one = NULL;
  g_autofree char *two = NULL;

  set_up ();
  one = write_in_history ("one.png", "one", 1);
  two = write_in_history ("two.png", "two", 2);
  gui_test_run (zoom_script, NULL, NULL);
}

/* The two halves of a comparison are of the two pictures. */
static guint32
get_pixel (GdkTexture *texture,
           int         x,
           int         y)
{
  int width = gdk_texture_get_width (texture);
  g_autofree guint32 *pixels = g_new (guint32, (gsize) width * (gsize) gdk_texture_get_height (texture));

  gdk_texture_download (texture, (guchar *) pixels, 4 * (gsize) width);
  return pixels[y * width + x];
}

static gboolean
has_other (gpointer data)
{
  g_autoptr(GdkTexture) texture = gui_test_draw (GTK_WINDOW (gtk_widget_get_root (data)));
  double x, y;

  gtk_widget_translate_coordinates (data, GTK_WIDGET (gtk_widget_get_root (data)),
                                    gtk_widget_get_width (data) / 2.0, gtk_widget_get_height (data) / 2.0, &x, &y);
  return get_pixel (texture, (int) x - 20, (int) y) != get_pixel (texture, (int) x + 20, (int) y);
}

static void
compare_script (GuiApplication *application,
                gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  GtkWidget *canvas = gui_test_find (gui_test_find (window, "viewer"), "canvas");

  gui_test_wait_for_pictures (application, 2);
  gui_test_activate (window, "win.view", "history");
  select_first (window, 2);
  gui_test_activate (window, "win.compare", NULL);
  gui_test_settle ();
  gui_test_wait (has_other, canvas);
  gtk_range_set_value (gui_test_find (window, "split"), 0);
  gui_test_settle ();
  g_assert_false (has_other (canvas));
}

static void
test_compare (void)
{
  g_autofree char *one = NULL;
  g_autofree char *two = NULL;

  set_up ();
  one = write_in_history ("one.png", "one", 1);
  two = write_in_history ("two.png", "two", 2);
  gui_test_run (compare_script, NULL, NULL);
}

/* Choosing several, with the pointer and the keyboard */

static GtkWidget *
get_thumb (GtkWidget *widget,
           guint     *n_before)
{
  GtkWidget *found = NULL;

  if (GUI_IS_THUMB (widget))
    return (*n_before)-- == 0 ? widget : NULL;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL && found == NULL;
       child = gtk_widget_get_next_sibling (child))
    found = get_thumb (child, n_before);
  return found;
}

static void
click (GtkWidget  *grid,
       guint       number,
       const char *modifier)
{
  GtkWidget *thumb = get_thumb (grid, &number);

  gui_test_point (thumb, gtk_widget_get_width (thumb) / 2.0, gtk_widget_get_height (thumb) / 2.0);
  if (modifier != NULL)
    gui_test_button ("keydown", modifier);
  gui_test_button ("click", "1");
  if (modifier != NULL)
    gui_test_button ("keyup", modifier);
}

/* One letter to a picture, a capital if it is chosen */
static char *
list_chosen (GtkWidget *grid)
{
  GtkSelectionModel *selection = gtk_grid_view_get_model (GTK_GRID_VIEW (grid));
  GString *list = g_string_new (NULL);

  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (selection)); i++)
    g_string_append_c (list, (char) ((gtk_selection_model_is_selected (selection, i) ? 'A' : 'a') + i));
  return g_string_free (list, FALSE);
}

static void
expect_chosen (GuiWindow  *window,
               const char *expected)
{
  g_autofree char *chosen = list_chosen (gui_test_find (window, "grid"));

  g_assert_cmpstr (chosen, ==, expected);
  g_assert_cmpint (gui_test_is_enabled (window, "win.trash"), ==, !g_str_equal (chosen, "abcde"));
}

static void
choose_script (GuiApplication *application,
               gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  GtkWidget *grid = gui_test_find (window, "grid");

  gui_test_wait_for_pictures (application, 5);
  gui_test_activate (window, "win.view", "history");
  gui_test_settle ();
  gui_test_focus (GTK_WINDOW (window));
  expect_chosen (window, "abcde");
  click (grid, 1, NULL);
  expect_chosen (window, "aBcde");
  click (grid, 3, "ctrl");
  expect_chosen (window, "aBcDe");
  g_assert_true (gui_test_is_enabled (window, "win.compare"));
  click (grid, 1, "ctrl");
  expect_chosen (window, "abcDe");
  click (grid, 0, NULL);
  click (grid, 2, "shift");
  expect_chosen (window, "ABCde");

  gui_test_press ("ctrl+a");
  gui_test_settle ();
  expect_chosen (window, "ABCDE");
  gui_test_press ("ctrl+shift+a");
  gui_test_settle ();
  expect_chosen (window, "abcde");
  click (grid, 1, NULL);
  gui_test_press ("shift+Right");
  gui_test_settle ();
  expect_chosen (window, "aBCde");
  gui_test_press ("Delete");
  gui_test_wait_for_pictures (application, 3);
}

static void
test_choose (void)
{
  set_up ();
  for (int i = 0; i < 5; i++)
    {
      g_autofree char *name = g_strdup_printf ("%d.png", i);
      g_autofree char *path = write_in_history (name, name, i);
    }
  gui_test_run (choose_script, NULL, NULL);
}

/* Thousands */

static guint
count_thumbs (GtkWidget *widget)
{
  guint n = GUI_IS_THUMB (widget);

  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    n += count_thumbs (child);
  return n;
}

/* Sixty clicks of the wheel come while the main loop runs. */
static gboolean
is_far_down (gpointer data)
{
  return gtk_adjustment_get_value (data) > 5 * gtk_adjustment_get_page_size (data);
}

static void
scroll (GtkWidget     *grid,
        GtkAdjustment *adjustment)
{
  g_autoptr(GError) error = NULL;
  double longest;

  gui_test_point (grid, gtk_widget_get_width (grid) / 2.0, gtk_widget_get_height (grid) / 2.0);
  gui_test_probe_begin ();
  g_spawn_command_line_async ("xdotool click --repeat 60 --delay 30 5", &error);
  g_assert_no_error (error);
  gui_test_wait (is_far_down, adjustment);
  longest = gui_test_probe_end ();
  g_test_message ("the main loop was busy for %.1f ms at most while scrolling", longest);
  g_assert_cmpfloat (longest, >, 0);
  g_assert_cmpfloat (longest, <=, LONGEST_FRAME);
  g_assert_cmpuint (count_thumbs (grid), <, 500);
}

static void
many_script (GuiApplication *application,
             gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  GtkWidget *grid = gui_test_find (window, "grid");
  GtkAdjustment *adjustment;

  gui_test_wait (is_loaded, application);
  g_assert_cmpuint (g_list_model_get_n_items (get_list (application)), ==, MANY);
  gui_test_activate (window, "win.view", "history");
  gui_test_settle ();
  g_assert_cmpuint (count_thumbs (grid), >, 0);
  g_assert_cmpuint (count_thumbs (grid), <, 500);
  adjustment = gtk_scrollable_get_vadjustment (GTK_SCROLLABLE (grid));
  scroll (grid, adjustment);
  gtk_adjustment_set_value (adjustment, gtk_adjustment_get_upper (adjustment));
  gui_test_settle ();
  g_assert_cmpuint (count_thumbs (grid), <, 500);
}

static void
test_many (void)
{
  g_autofree char *one = NULL;

  set_up ();
  one = write_in_history ("one.png", "one", 1);
  for (guint i = 1; i < MANY; i++)
    {
      g_autofree char *name = g_strdup_printf ("%u.png", i);
      g_autofree char *path = g_build_filename (gui_test_get_folder (), name, NULL);

      g_assert_cmpint (link (one, path), ==, 0);
    }
  gui_test_run (many_script, NULL, NULL);
}

int
main (int    argc,
      char **argv)
{
  gui_test_init (&argc, &argv);
  settings = g_settings_new (GUI_APPLICATION_ID);
  g_test_add_func ("/gui/history/again", test_again);
  g_test_add_func ("/gui/history/others", test_others);
  g_test_add_func ("/gui/history/trash", test_trash);
  g_test_add_func ("/gui/history/drop", test_drop);
  g_test_add_func ("/gui/history/zoom", test_zoom);
  g_test_add_func ("/gui/history/compare", test_compare);
  g_test_add_func ("/gui/history/choose", test_choose);
  g_test_add_func ("/gui/history/many", test_many);
  return g_test_run ();
}
