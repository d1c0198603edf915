/* test-keep.c: pictures that leave the application, and pictures under the pointer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "gui-canvas.h"
#include "gui-studio.h"
#include "gui-test.h"
#include "gui-thumb.h"

#define SIDE 64
#define LEFT 0xff0000ffu  /* RGBA */
#define RIGHT 0x0000ffffu

/* Red on the left, blue on the right. */
static char *
write_halves (void)
{
  g_autoptr(GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, SIDE, SIDE);
  g_autoptr(GdkPixbuf) right = gdk_pixbuf_new_subpixbuf (pixbuf, SIDE / 2, 0, SIDE / 2, SIDE);

  gdk_pixbuf_fill (pixbuf, LEFT);
  gdk_pixbuf_fill (right, RIGHT);
  return gui_test_write ("halves.png", "two halves", pixbuf, 5);
}

static void
set_up (void)
{
  gui_test_reset ();
  gui_test_choose_demo ();
}

static GtkWidget *
show_history (GuiApplication *application)
{
  GuiWindow *window = gui_test_get_window (application);
  GtkWidget *grid = gui_test_find (window, "grid");

  gui_test_wait_for_pictures (application, 1);
  gui_test_activate (window, "win.view", "history");
  gtk_selection_model_select_item (gtk_grid_view_get_model (GTK_GRID_VIEW (grid)), 0, TRUE);
  gui_test_settle ();
  return grid;
}

static gboolean
exists (gpointer data)
{
  return g_file_test (data, G_FILE_TEST_EXISTS);
}

/* Saving under another name */

static gboolean
has_chooser (gpointer data)
{
  return gui_test_find_window (GTK_TYPE_FILE_CHOOSER_DIALOG) != NULL;
}

static gboolean
has_no_chooser (gpointer data)
{
  return !has_chooser (data);
}

static void
save_as (GuiWindow  *window,
         const char *path)
{
  gui_test_activate (window, "win.save-as", NULL);
  gui_test_wait (has_chooser, NULL);
  gui_test_focus (gui_test_find_window (GTK_TYPE_FILE_CHOOSER_DIALOG));
  gui_test_settle ();
  if (path == NULL)
    {
      gui_test_press ("Escape");
      gui_test_wait (has_no_chooser, NULL);
      return;
    }
  gui_test_press ("ctrl+a");
  gui_test_type (path);
  gui_test_settle ();
  gui_test_press ("Return");
  gui_test_wait (has_no_chooser, NULL);
  gui_test_wait (exists, (gpointer) path);
}

/* A file is there before it is whole. */
static gboolean
is_picture (gpointer data)
{
  g_autoptr(ZimImage) image = zim_image_load (data, NULL);

  return image != NULL;
}

static void
save_script (GuiApplication *application,
             gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  g_autofree char *path = g_build_filename (g_get_home_dir (), "saved.jpg", NULL);
  g_autoptr(ZimImage) image = NULL;
  g_autofree char *contents = NULL;
  gsize size;

  show_history (application);
  save_as (window, NULL);
  g_assert_false (exists (path));
  save_as (window, path);
  gui_test_wait (is_picture, path);
  image = zim_image_load (path, NULL);
  g_assert_cmpstr (zim_params_get_prompt (zim_image_get_params (image)), ==, "two halves");
  g_assert_cmpint (zim_image_get_seed (image), ==, 5);
  g_assert_cmpint (gdk_pixbuf_get_width (zim_image_get_pixbuf (image)), ==, SIDE);
  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  g_assert_cmpmem (contents, 2, "\xff\xd8", 2); /* as the name says, a JPEG */
}

static void
test_save (void)
{
  g_autofree char *path = NULL;

  set_up ();
  path = write_halves ();
  gui_test_run (save_script, NULL, NULL);
}

/* Copying: another program, with a connection of its own, asks for what was copied. */

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

static gboolean
is_offered (gpointer data)
{
  return gdk_content_formats_contain_mime_type (gdk_clipboard_get_formats (data), "image/png");
}

static void
check_first_file (const GValue *value,
                  const char   *path)
{
  GSList *files = g_value_get_boxed (value);

  g_assert_cmpuint (g_slist_length (files), ==, 1);
  g_assert_cmpstr (g_file_peek_path (files->data), ==, path);
}

static void
copy_script (GuiApplication *application,
             gpointer        data)
{
  GdkDisplay *other = gdk_display_open (NULL);
  GdkClipboard *clipboard = gdk_display_get_clipboard (other);
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GAsyncResult) files = NULL;
  g_autoptr(GdkTexture) texture = NULL;
  g_autoptr(GError) error = NULL;
  guint32 pixels[SIDE * SIDE];

  show_history (application);
  gui_test_activate (gui_test_get_window (application), "win.copy", NULL);
  gui_test_wait (is_offered, clipboard);
  g_assert_false (gdk_clipboard_is_local (clipboard));
  gdk_clipboard_read_texture_async (clipboard, NULL, keep_result_cb, &result);
  gui_test_wait (is_set, &result);
  texture = gdk_clipboard_read_texture_finish (clipboard, result, &error);
  g_assert_no_error (error);
  g_assert_cmpint (gdk_texture_get_width (texture), ==, SIDE);
  gdk_texture_download (texture, (guchar *) pixels, SIDE * 4);
  g_assert_cmphex (pixels[0], ==, 0xffff0000);
  g_assert_cmphex (pixels[SIDE - 1], ==, 0xff0000ff);

  gdk_clipboard_read_value_async (clipboard, GDK_TYPE_FILE_LIST, G_PRIORITY_DEFAULT, NULL, keep_result_cb, &files);
  gui_test_wait (is_set, &files);
  check_first_file (gdk_clipboard_read_value_finish (clipboard, files, &error), data);
  gdk_display_close (other);
}

static void
test_copy (void)
{
  g_autofree char *path = NULL;

  set_up ();
  path = write_halves ();
  gui_test_run (copy_script, path, NULL);
}

/* Dragging out */

static gboolean
drop_cb (GtkDropTarget *target,
         const GValue  *value,
         double         x,
         double         y,
         char         **dropped)
{
  GSList *files = g_value_get_boxed (value);

  g_free (*dropped);
  *dropped = g_strdup (g_file_peek_path (files->data));
  return TRUE;
}

static GtkWindow *
open_target (char **dropped)
{
  GtkWindow *window = GTK_WINDOW (gtk_window_new ());
  GtkDropTarget *target = gtk_drop_target_new (GDK_TYPE_FILE_LIST, GDK_ACTION_COPY);

  gtk_window_set_default_size (window, 200, 200);
  g_signal_connect (target, "drop", G_CALLBACK (drop_cb), dropped);
  gtk_widget_add_controller (GTK_WIDGET (window), GTK_EVENT_CONTROLLER (target));
  gtk_window_present (window);
  gui_test_settle ();
  gui_test_move (window, 1060, 300);
  gui_test_settle ();
  return window;
}

static void
drag_to (GtkWidget  *source,
         GtkWindow  *target,
         char      **dropped)
{
  double x = gtk_widget_get_width (source) / 2.0;
  double y = gtk_widget_get_height (source) / 2.0;

  gui_test_point (source, x, y);
  gui_test_button ("mousedown", "1");
  for (int i = 1; i <= 4; i++)
    gui_test_point (source, x + 10 * i, y);
  for (int i = 0; i < 4; i++)
    gui_test_point (GTK_WIDGET (target), 60 + 10 * i, 90);
  gui_test_button ("mouseup", "1");
  gui_test_wait (is_set, dropped);
}

static GtkWidget *
find_thumb (GtkWidget *widget)
{
  GtkWidget *found = GUI_IS_THUMB (widget) ? widget : NULL;

  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL && found == NULL;
       child = gtk_widget_get_next_sibling (child))
    found = find_thumb (child);
  return found;
}

static gboolean
has_canvas_picture (gpointer data)
{
  return gui_canvas_get_picture (data) != NULL;
}

static GtkWidget *
open_first (GuiApplication *application)
{
  GuiWindow *window = gui_test_get_window (application);
  GtkWidget *canvas = gui_test_find (gui_test_find (window, "viewer"), "canvas");

  g_signal_emit_by_name (gui_test_find (window, "grid"), "activate", 0);
  gui_test_wait (has_canvas_picture, canvas);
  gui_test_settle ();
  return canvas;
}

static void
drag_script (GuiApplication *application,
             gpointer        data)
{
  GtkWidget *grid = show_history (application);
  char *dropped = NULL;
  GtkWindow *target = open_target (&dropped);

  drag_to (find_thumb (grid), target, &dropped);
  g_assert_cmpstr (dropped, ==, data);
  g_clear_pointer (&dropped, g_free);
  drag_to (open_first (application), target, &dropped);
  g_assert_cmpstr (dropped, ==, data);
  g_free (dropped);
  gtk_window_destroy (target);
}

/* Who lets go of a picture where it was taken up has done nothing. */
static void
return_script (GuiApplication *application,
               gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  GtkWidget *grid = show_history (application);
  GtkWidget *thumb = find_thumb (grid);
  double x = gtk_widget_get_width (thumb) / 2.0;
  g_autofree char *prompt = NULL;
  g_autofree char *view = NULL;

  gui_studio_set_prompt (gui_test_find (window, "studio"), "mine");
  gui_test_point (thumb, x, x);
  gui_test_button ("mousedown", "1");
  for (int i = 1; i <= 8; i++)
    gui_test_point (thumb, x + 10 * i, x + 5 * i);
  gui_test_button ("mouseup", "1");
  gui_test_settle ();
  prompt = gui_studio_get_prompt (gui_test_find (window, "studio"));
  g_assert_cmpstr (prompt, ==, "mine");
  view = g_strdup (adw_view_stack_get_visible_child_name (gui_test_find (window, "views")));
  g_assert_cmpstr (view, ==, "history");
  /* Nothing is left of it: no rectangle of a rubber band. */
  for (GtkWidget *child = gtk_widget_get_first_child (grid); child != NULL; child = gtk_widget_get_next_sibling (child))
    g_assert_cmpstr (gtk_widget_get_css_name (child), ==, "child");
}

static void
test_return (void)
{
  g_autofree char *path = NULL;

  set_up ();
  path = write_halves ();
  gui_test_run (return_script, NULL, NULL);
}

static void
test_drag (void)
{
  g_autofree char *path = NULL;

  set_up ();
  path = write_halves ();
  gui_test_run (drag_script, path, NULL);
}

/* Looking closely, with the pointer */

/* What is drawn so far to the right of the middle: more red than blue, or the other way round. */
static gboolean
is_red (GtkWidget *canvas,
        double     from_middle)
{
  GtkWindow *window = GTK_WINDOW (gtk_widget_get_root (canvas));
  g_autoptr(GdkTexture) texture = gui_test_draw (window);
  int width = gdk_texture_get_width (texture);
  g_autofree guint32 *pixels = g_new (guint32, (gsize) width * (gsize) gdk_texture_get_height (texture));
  double x, y;
  guint32 pixel;

  gtk_widget_translate_coordinates (canvas, GTK_WIDGET (window), gtk_widget_get_width (canvas) / 2.0 + from_middle,
                                    gtk_widget_get_height (canvas) / 2.0, &x, &y);
  gdk_texture_download (texture, (guchar *) pixels, 4 * (gsize) width);
  pixel = pixels[(int) y * width + (int) x];
  g_assert_cmphex (pixel & 0xff00ff00, ==, 0xff000000); /* nothing of the window shines through */
  return (pixel >> 16 & 0xff) > (pixel & 0xff);
}

/* Where red and blue meet; they run into each other there. */
static void
check_seam (GtkWidget *canvas,
            double     from_middle)
{
  gui_test_settle ();
  g_assert_true (is_red (canvas, from_middle - 5));
  g_assert_false (is_red (canvas, from_middle + 5));
}

static void
pan_script (GuiApplication *application,
            gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  GtkWidget *canvas;
  double middle_x, middle_y, fitting, zoom;

  show_history (application);
  canvas = open_first (application);
  middle_x = gtk_widget_get_width (canvas) / 2.0;
  middle_y = gtk_widget_get_height (canvas) / 2.0;
  fitting = gui_canvas_get_zoom (GUI_CANVAS (canvas));
  check_seam (canvas, 0);
  for (int i = 0; i < 3; i++)
    gui_test_activate (window, "win.zoom-in", NULL);
  check_seam (canvas, 0);

  /* The wheel zooms about the pointer: what is there stays. */
  gui_test_point (canvas, middle_x - 100, middle_y);
  gui_test_button ("click", "4");
  gui_test_button ("click", "4");
  zoom = gui_canvas_get_zoom (GUI_CANVAS (canvas));
  g_assert_cmpfloat_with_epsilon (zoom, fitting * pow (1.25, 5), 1e-6);
  check_seam (canvas, -100 + 100 * 1.25 * 1.25);

  gui_test_button ("mousedown", "1");
  for (int i = 1; i <= 5; i++)
    gui_test_point (canvas, middle_x - 100 - 20 * i, middle_y);
  gui_test_button ("mouseup", "1");
  check_seam (canvas, -200 + 100 * 1.25 * 1.25);

  /* An arrow key moves it by 48 pixels, but not beyond its edge. */
  gui_test_focus (GTK_WINDOW (window));
  gtk_widget_grab_focus (canvas);
  gui_test_press ("Left");
  check_seam (canvas, -152 + 100 * 1.25 * 1.25);
  for (int i = 0; i < 20; i++)
    gui_test_press ("Right");
  check_seam (canvas, middle_x - zoom * SIDE / 2);

  gui_test_button ("click", "5");
  g_assert_cmpfloat_with_epsilon (gui_canvas_get_zoom (GUI_CANVAS (canvas)), fitting * pow (1.25, 4), 1e-6);
}

static void
test_pan (void)
{
  g_autofree char *path = NULL;

  set_up ();
  path = write_halves ();
  gui_test_run (pan_script, NULL, NULL);
}

int
main (int    argc,
      char **argv)
{
  gui_test_init (&argc, &argv);
  g_test_add_func ("/gui/keep/save", test_save);
  g_test_add_func ("/gui/keep/copy", test_copy);
  g_test_add_func ("/gui/keep/drag", test_drag);
  g_test_add_func ("/gui/keep/return", test_return);
  g_test_add_func ("/gui/keep/pan", test_pan);
  return g_test_run ();
}
