/* test-look.c: every page and state of the application in a narrow window, in the dark and from right to left
 *
 * A test walks through all of them and looks at each in its own way.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <libintl.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "gui-gallery.h"
#include "gui-models.h"
#include "gui-preferences.h"
#include "gui-studio.h"
#include "gui-test.h"

#define NARROW 360
#define WIDE 1000
#define HEIGHT 640
#define LONG_PROMPT "a small wooden cabin at the shore of a lake between mountains, with a light in its window, at "  \
                    "dusk, mist over the water, an old rowing boat at a jetty, painted in oil with broad strokes of " \
                    "the brush"

static GSettings *settings;

typedef void (*Look) (GtkWindow  *window,
                      const char *scene,
                      gpointer    data);

typedef struct
{
  Look        look;
  int         width;  /* of the window */
  gpointer    data;
  GPtrArray  *faults; /* what was found, and where */
  const char *where;  /* added to what is found */
} Walk;

static void G_GNUC_PRINTF (2, 3)
find_fault (Walk       *walk,
            const char *format,
            ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_ptr_array_add (walk->faults, g_strdup_printf ("%s: %s", walk->where, text));
}

/* Pages and states */

static void
look (Walk       *walk,
      gpointer    window,
      const char *scene)
{
  gui_test_settle ();
  walk->look (window, scene, walk);
}

static gboolean
is_error_shown (gpointer data)
{
  GtkStack *stack = gui_test_find (gui_test_find (data, "studio"), "stack");

  return g_strcmp0 (gtk_stack_get_visible_child_name (stack), "error") == 0;
}

static gboolean
has_preview (gpointer data)
{
  GuiTask *task = gui_queue_get_current (gui_test_get_queue (data));

  return task != NULL && gui_task_get_preview (task) != NULL;
}

static gboolean
is_guided (gpointer data)
{
  ZimModel *model = gui_generator_get_model (gui_session_get_generator (gui_application_get_session (data)));

  return model != NULL && zim_model_get_variant (model) == ZIM_VARIANT_BASE;
}

static void
look_at_first_run (GuiApplication *application,
                   gpointer        data)
{
  look (data, gui_test_get_window (application), "first run");
}

static void
look_at_studio (Walk           *walk,
                GuiApplication *application,
                GuiWindow      *window)
{
  g_settings_set_boolean (settings, "show-options", FALSE);
  look (walk, window, "nothing yet");
  g_settings_set_int (settings, "steps", 1000);
  for (int i = 0; i < 3; i++)
    gui_window_generate (window, LONG_PROMPT);
  gui_test_wait (has_preview, application);
  look (walk, window, "generating");
  gui_test_activate (window, "win.cancel-all", NULL);
  gui_test_wait (gui_test_is_idle, application);

  g_settings_set_string (settings, "model", "there-is-no-model-of-this-name");
  gui_window_generate (window, LONG_PROMPT);
  gui_test_wait (is_error_shown, window);
  look (walk, window, "error");
  g_settings_set_string (settings, "model", "guided");
  g_settings_set_int (settings, "steps", 2);
  gui_window_generate (window, LONG_PROMPT);
  gui_test_wait_for_pictures (application, 1);
  look (walk, window, "picture");
}

static void
look_at_options (Walk           *walk,
                 GuiApplication *application,
                 GuiWindow      *window)
{
  gui_test_wait (is_guided, application);
  g_settings_set_boolean (settings, "show-options", TRUE);
  g_settings_set_string (settings, "shape", "custom");
  look (walk, window, "options");
  g_settings_reset (settings, "shape");
  g_settings_set_boolean (settings, "show-options", FALSE);
}

static void
look_at_history (Walk      *walk,
                 GuiWindow *window)
{
  GtkSelectionModel *selection;

  gui_test_activate (window, "win.view", "history");
  selection = gtk_grid_view_get_model (gui_test_find (window, "grid"));
  gtk_selection_model_unselect_all (selection);
  look (walk, window, "history");
  gtk_selection_model_select_item (selection, 0, TRUE);
  look (walk, window, "chosen");
  gui_test_activate (window, "win.open", NULL);
  look (walk, window, "viewer");
  gui_test_activate (window, "win.back", NULL);
  gui_test_activate (window, "win.trash", NULL);
  look (walk, window, "removed");
  gui_test_activate (window, "win.undo", NULL);
}

static void
look_at_two (Walk           *walk,
             GuiApplication *application,
             GuiWindow      *window)
{
  gui_window_generate (window, LONG_PROMPT);
  gui_test_wait_for_pictures (application, 2);
  gui_test_activate (window, "win.view", "history");
  gtk_selection_model_select_all (gtk_grid_view_get_model (gui_test_find (window, "grid")));
  gui_test_activate (window, "win.compare", NULL);
  look (walk, window, "comparison");
  gui_test_activate (window, "win.back", NULL);
}

/* A window beside the main one, not wider than it */
static void
look_at_other (Walk       *walk,
               GType       type,
               const char *scene)
{
  GtkWindow *window;

  gui_test_settle ();
  window = gui_test_find_window (type);
  g_assert_nonnull (window);
  if (gtk_widget_get_width (GTK_WIDGET (window)) > walk->width)
    gui_test_resize (window, walk->width, HEIGHT);
  look (walk, window, scene);
  gtk_window_destroy (window);
}

static void
look_at_models (Walk           *walk,
                GuiApplication *application,
                GuiWindow      *window)
{
  gui_test_activate (window, "win.view", "models");
  look (walk, window, "models");
  gui_test_activate (window, "win.remove-model", "guided");
  look_at_other (walk, ADW_TYPE_MESSAGE_DIALOG, "removing");
  g_action_group_activate_action (G_ACTION_GROUP (application), "preferences", NULL);
  look_at_other (walk, GUI_TYPE_PREFERENCES, "preferences");
}

static void
look_at_all (GuiApplication *application,
             gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);

  look_at_studio (data, application, window);
  look_at_options (data, application, window);
  look_at_history (data, window);
  look_at_two (data, application, window);
  look_at_models (data, application, window);
}

static void
set_up (int width)
{
  gui_test_reset ();
  g_settings_set_int (settings, "window-width", width);
  g_settings_set_int (settings, "window-height", HEIGHT);
  g_settings_set_int64 (settings, "seed", 1);
  g_settings_set_boolean (settings, "seed-locked", TRUE);
}

/* The first run, and then all that can be seen. */
static void
walk_through (Walk *walk)
{
  set_up (walk->width);
  gui_test_run (look_at_first_run, walk, NULL);
  gui_test_choose_demo ();
  gui_test_run (look_at_all, walk, NULL);
}

static void
expect_none (GPtrArray *faults)
{
  for (guint i = 0; i < faults->len; i++)
    g_test_message ("%s", (char *) g_ptr_array_index (faults, i));
  g_assert_cmpuint (faults->len, ==, 0);
}

/* Widgets */

typedef gboolean (*Visit) (GtkWidget *widget,
                           GtkWidget *root,
                           Walk      *walk);

/* What is shown of a window, from outside in, as long as the visitor wants to see what is inside. */
static void
visit_all (GtkWidget *widget,
           GtkWidget *root,
           Visit      visit,
           Walk      *walk)
{
  if (!gtk_widget_get_mapped (widget) || (widget != root && GTK_IS_NATIVE (widget)) || !visit (widget, root, walk))
    return;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    visit_all (child, root, visit, walk);
}

static char *
describe (GtkWidget *widget)
{
  const char *id = gtk_buildable_get_buildable_id (GTK_BUILDABLE (widget));

  if (GTK_IS_LABEL (widget))
    return g_strdup_printf ("label “%s”", gtk_label_get_text (GTK_LABEL (widget)));
  return g_strdup_printf ("%s “%s”", G_OBJECT_TYPE_NAME (widget), id != NULL ? id : "");
}

/* Narrow, in every language */

/* Texts that anybody writes are cut where there is no room. */
static gboolean
is_own_text (GtkLabel *label)
{
  const char *text = gtk_label_get_text (label);

  return !g_str_has_prefix (text, "a small wooden cabin") && !g_str_has_prefix (text, g_get_home_dir ());
}

/* What is read and pressed; boxes around it may be wider than what is seen of them. */
static gboolean
is_shown (GtkWidget *widget)
{
  return GTK_IS_LABEL (widget) || GTK_IS_BUTTON (widget) || GTK_IS_IMAGE (widget) || GTK_IS_TEXT (widget) ||
         GTK_IS_SCALE (widget) || GTK_IS_SWITCH (widget) || GTK_IS_PROGRESS_BAR (widget) || GTK_IS_TEXT_VIEW (widget);
}

static gboolean
visit_narrow (GtkWidget *widget,
              GtkWidget *root,
              Walk      *walk)
{
  int width = gtk_widget_get_width (root);
  g_autofree char *name = describe (widget);
  graphene_rect_t bounds;

  g_assert_true (gtk_widget_compute_bounds (widget, root, &bounds));
  if (!is_shown (widget))
    return TRUE;
  if (bounds.origin.x < -0.5f || bounds.origin.x + bounds.size.width > (float) width + 0.5f)
    find_fault (walk, "%s is cut off: %.0f to %.0f of %d", name, bounds.origin.x, bounds.origin.x + bounds.size.width,
                width);
  if (GTK_IS_LABEL (widget) && is_own_text (GTK_LABEL (widget)) &&
      pango_layout_is_ellipsized (gtk_label_get_layout (GTK_LABEL (widget))))
    find_fault (walk, "%s is cut short", name);
  return TRUE;
}

static void
look_narrow (GtkWindow  *window,
             const char *scene,
             gpointer    data)
{
  Walk *walk = data;
  g_autofree char *where = g_strdup_printf ("%s, %s", g_getenv ("LANGUAGE"), scene);
  int minimum;

  walk->where = where;
  for (GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (window)); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    {
      gtk_widget_measure (child, GTK_ORIENTATION_HORIZONTAL, -1, &minimum, NULL, NULL, NULL);
      if (minimum > NARROW)
        find_fault (walk, "%d pixels wide", minimum);
    }
  visit_all (GTK_WIDGET (window), GTK_WIDGET (window), visit_narrow, walk);
}

/* Binding a domain makes gettext ask for the language again. */
static void
set_language (const char *language)
{
  g_setenv ("LANGUAGE", language, TRUE);
  setlocale (LC_ALL, ""); /* GTK’s tests have none */
  bindtextdomain (GETTEXT_PACKAGE, g_getenv ("GUI_TEST_LOCALES"));
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
}

static void
test_narrow (gconstpointer data)
{
  const char *language = data;
  g_autoptr(GPtrArray) faults = g_ptr_array_new_with_free_func (g_free);
  Walk walk = { look_narrow, NARROW, NULL, faults, NULL };

  set_language (language);
  if (!g_str_equal (language, "en"))
    g_assert_cmpstr (gettext ("History"), !=, "History");
  walk_through (&walk);
  set_language ("en");
  expect_none (faults);
}

/* From right to left */

typedef struct
{
  char            *name;
  graphene_rect_t  bounds;
} Place;

static void
place_free (Place *place)
{
  g_free (place->name);
  g_free (place);
}

/* How GTK and libadwaita arrange what is in their own widgets is left to them. */
static gboolean
is_whole (GtkWidget *widget)
{
  return GTK_IS_EDITABLE (widget) || GTK_IS_PROGRESS_BAR (widget) || GTK_IS_SWITCH (widget) ||
         g_str_equal (G_OBJECT_TYPE_NAME (widget), "AdwViewSwitcherButton");
}

static gboolean
visit_places (GtkWidget *widget,
              GtkWidget *root,
              Walk      *walk)
{
  Place *place = g_new0 (Place, 1);

  place->name = describe (widget);
  g_assert_true (gtk_widget_compute_bounds (widget, root, &place->bounds));
  g_ptr_array_add (walk->data, place);
  return !is_whole (widget);
}

static GPtrArray *
find_places (GtkWindow *window)
{
  GPtrArray *places = g_ptr_array_new_with_free_func ((GDestroyNotify) place_free);
  Walk walk = { .data = places };

  visit_all (GTK_WIDGET (window), GTK_WIDGET (window), visit_places, &walk);
  return places;
}

/* Whether two are in one place, seen in a mirror; halves of pixels go to one side. */
static gboolean
is_mirrored (const Place *place,
             const Place *other,
             float        width)
{
  float left = width - other->bounds.origin.x - other->bounds.size.width;

  return fabsf (place->bounds.origin.x - left) <= 1.5f &&
         fabsf (place->bounds.size.width - other->bounds.size.width) <= 1.5f &&
         fabsf (place->bounds.origin.y - other->bounds.origin.y) <= 1.5f;
}

static void
keep_places (GtkWindow  *window,
             const char *scene,
             gpointer    data)
{
  g_hash_table_insert (((Walk *) data)->data, g_strdup (scene), find_places (window));
}

static void
compare_places (GtkWindow  *window,
                const char *scene,
                gpointer    data)
{
  Walk *walk = data;
  g_autoptr(GPtrArray) places = find_places (window);
  GPtrArray *others = g_hash_table_lookup (walk->data, scene);
  float width = (float) gtk_widget_get_width (GTK_WIDGET (window));

  g_assert_nonnull (others);
  walk->where = scene;
  if (places->len != others->len)
    find_fault (walk, "%u widgets, and %u from right to left", others->len, places->len);
  for (guint i = 0; i < MIN (places->len, others->len); i++)
    {
      const Place *place = g_ptr_array_index (places, i);
      const Place *other = g_ptr_array_index (others, i);

      if (!is_mirrored (place, other, width))
        find_fault (walk, "%s is at %.0f, %.0f wide, as %s at %.0f, %.0f wide, from left to right", place->name,
                    place->bounds.origin.x, place->bounds.size.width, other->name, other->bounds.origin.x,
                    other->bounds.size.width);
    }
}

static void
test_mirrored (gconstpointer data)
{
  int width = GPOINTER_TO_INT (data);
  g_autoptr(GHashTable) scenes =
    g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  g_autoptr(GPtrArray) faults = g_ptr_array_new_with_free_func (g_free);
  Walk there = { keep_places, width, scenes, faults, NULL };
  Walk back = { compare_places, width, scenes, faults, NULL };

  walk_through (&there);
  g_assert_cmpuint (g_hash_table_size (scenes), >, 10);
  gtk_widget_set_default_direction (GTK_TEXT_DIR_RTL);
  walk_through (&back);
  gtk_widget_set_default_direction (GTK_TEXT_DIR_LTR);
  expect_none (faults);
}

/* Light and dark */

#define CONTRAST 4.5     /* what WCAG 2 asks for text, */
#define CONTRAST_DIM 3.0 /* and for what is large; Adwaita’s dim texts and blue buttons have that */

typedef struct
{
  guint32 *pixels; /* ARGB */
  int      width;
  int      height;
} Drawing;

static double
get_luminance (guint32 pixel)
{
  const double weights[] = { 0.0722, 0.7152, 0.2126 }; /* blue, green, red */
  double sum = 0;

  for (guint i = 0; i < 3; i++)
    {
      double value = (pixel >> 8 * i & 0xff) / 255.0;

      sum += weights[i] * (value <= 0.04045 ? value / 12.92 : pow ((value + 0.055) / 1.055, 2.4));
    }
  return sum;
}

/* Between what is lightest and what is darkest in a part of it */
static double
find_contrast (const Drawing         *drawing,
               const graphene_rect_t *bounds)
{
  int left = MAX ((int) floorf (bounds->origin.x), 0);
  int top = MAX ((int) floorf (bounds->origin.y), 0);
  int right = MIN ((int) ceilf (bounds->origin.x + bounds->size.width), drawing->width);
  int bottom = MIN ((int) ceilf (bounds->origin.y + bounds->size.height), drawing->height);
  double least = 1, most = 0;

  for (int y = top; y < bottom; y++)
    for (int x = left; x < right; x++)
      {
        double luminance = get_luminance (drawing->pixels[y * drawing->width + x]);

        least = MIN (least, luminance);
        most = MAX (most, luminance);
      }
  return least > most ? 0 : (most + 0.05) / (least + 0.05);
}

static gboolean
is_dim (GtkWidget *widget)
{
  static const char *const classes[] = { "dim-label", "subtitle", "caption", "description", "suggested-action" };

  for (; widget != NULL && !GTK_IS_PROGRESS_BAR (widget); widget = gtk_widget_get_parent (widget))
    for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
      if (gtk_widget_has_css_class (widget, classes[i]))
        return TRUE;
  return widget != NULL;
}

/* Of a label that is on the screen, with a text in it. What cannot be used may be pale. */
static gboolean
visit_contrast (GtkWidget *widget,
                GtkWidget *root,
                Walk      *walk)
{
  const Drawing *drawing = walk->data;
  double needed = is_dim (widget) ? CONTRAST_DIM : CONTRAST;
  g_autofree char *name = describe (widget);
  graphene_rect_t bounds;
  double contrast;

  if (!GTK_IS_LABEL (widget) || *gtk_label_get_text (GTK_LABEL (widget)) == '\0' || !gtk_widget_is_sensitive (widget))
    return TRUE;
  g_assert_true (gtk_widget_compute_bounds (widget, root, &bounds));
  if (bounds.origin.y + bounds.size.height > (float) drawing->height || bounds.origin.y < 0)
    return TRUE;
  contrast = find_contrast (drawing, &bounds);
  if (contrast < needed)
    find_fault (walk, "%s has a contrast of %.2f", name, contrast);
  return TRUE;
}

static double
find_mean (const Drawing *drawing)
{
  int n = drawing->width * drawing->height;
  double sum = 0;

  for (int i = 0; i < n; i++)
    sum += get_luminance (drawing->pixels[i]);
  return sum / n;
}

static void
look_at_contrast (GtkWindow  *window,
                  const char *scene,
                  gpointer    data)
{
  Walk *walk = data;
  gboolean is_dark = adw_style_manager_get_dark (adw_style_manager_get_default ());
  g_autofree char *where = g_strdup_printf ("%s, %s", is_dark ? "dark" : "light", scene);
  g_autoptr(GdkTexture) texture = gui_test_draw (window);
  Drawing drawing = { NULL, gdk_texture_get_width (texture), gdk_texture_get_height (texture) };
  double mean;

  walk->where = where;
  drawing.pixels = g_new (guint32, (gsize) drawing.width * (gsize) drawing.height);
  gdk_texture_download (texture, (guchar *) drawing.pixels, 4 * (gsize) drawing.width);
  mean = find_mean (&drawing);
  if (is_dark ? mean > 0.3 : mean < 0.4)
    find_fault (walk, "is on the whole %.2f as light as white", mean);
  walk->data = &drawing;
  visit_all (GTK_WIDGET (window), GTK_WIDGET (window), visit_contrast, walk);
  g_free (drawing.pixels);
}

static void
test_contrast (gconstpointer data)
{
  g_autoptr(GPtrArray) faults = g_ptr_array_new_with_free_func (g_free);
  Walk walk = { look_at_contrast, WIDE, NULL, faults, NULL };

  adw_style_manager_set_color_scheme (adw_style_manager_get_default (), (AdwColorScheme) GPOINTER_TO_INT (data));
  walk_through (&walk);
  adw_style_manager_set_color_scheme (adw_style_manager_get_default (), ADW_COLOR_SCHEME_DEFAULT);
  expect_none (faults);
}

int
main (int    argc,
      char **argv)
{
  static const char *const languages[] = { "en", "de", "es", "fr", "ja", "zh_CN" };
  g_autofree char *guided = NULL;

  gui_test_init (&argc, &argv);
  settings = g_settings_new (GUI_APPLICATION_ID);
  guided = gui_test_make_model ("guided", "2", "base");
  gui_test_put_in_store ("guided", guided);
  for (guint i = 0; i < G_N_ELEMENTS (languages); i++)
    {
      g_autofree char *path = g_strconcat ("/gui/look/narrow/", languages[i], NULL);

      g_test_add_data_func (path, languages[i], test_narrow);
    }
  g_test_add_data_func ("/gui/look/mirrored/narrow", GINT_TO_POINTER (NARROW), test_mirrored);
  g_test_add_data_func ("/gui/look/mirrored/wide", GINT_TO_POINTER (WIDE), test_mirrored);
  g_test_add_data_func ("/gui/look/contrast/light", GINT_TO_POINTER (ADW_COLOR_SCHEME_FORCE_LIGHT), test_contrast);
  g_test_add_data_func ("/gui/look/contrast/dark", GINT_TO_POINTER (ADW_COLOR_SCHEME_FORCE_DARK), test_contrast);
  return g_test_run ();
}
