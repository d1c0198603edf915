/* gui-test.c: runs the application for a test
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "gui-test.h"

#include <gdk/x11/gdkx.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT 60 /* seconds */
#define TICK 50    /* milliseconds */

static char *home;

static char *
make_folder (const char *name)
{
  char *path = g_build_filename (home, name, NULL);

  g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
  return path;
}

static void
set_folder (const char *variable,
            const char *name)
{
  g_autofree char *path = make_folder (name);

  g_setenv (variable, path, TRUE);
}

static void
make_tiny_model (const char *path,
                 const char *seed,
                 const char *variant)
{
  const char *const argv[] = { g_getenv ("MAKE_TINY_MODEL"), "--size", "small", "--seed", seed, "--variant", variant,
                               path, NULL };
  g_autoptr(GError) error = NULL;
  int status;

  g_assert_nonnull (argv[0]);
  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_spawn_check_wait_status (status, &error);
  g_assert_no_error (error);
}

/* The demo model is where an installed one would be: a tiny one, or that of GUI_TEST_MODEL, for pictures to look at. */
static void
make_model (void)
{
  g_autofree char *parent = make_folder ("data-dir/zimage/models");
  g_autofree char *model = g_build_filename (parent, "demo", NULL);
  g_autofree char *dirs = g_strconcat (home, "/data-dir:/usr/local/share:/usr/share", NULL);
  const char *real = g_getenv ("GUI_TEST_MODEL");

  if (real != NULL)
    g_assert_no_errno (symlink (real, model));
  else
    make_tiny_model (model, "1", "turbo");
  g_setenv ("XDG_DATA_DIRS", dirs, TRUE);
}

static void
remove_tree (const char *path)
{
  const char *const argv[] = { "rm", "-rf", "--", path, NULL };

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
}

static void
remove_home (void)
{
  remove_tree (home);
}

void
gui_test_init (int    *argc,
               char ***argv)
{
  home = g_dir_make_tmp ("zimage-gui-XXXXXX", NULL);
  g_assert_nonnull (home);
  atexit (remove_home);
  g_setenv ("HOME", home, TRUE);
  set_folder ("XDG_DATA_HOME", "data");
  set_folder ("XDG_CONFIG_HOME", "config");
  set_folder ("XDG_CACHE_HOME", "cache");
  set_folder ("XDG_STATE_HOME", "state");
  set_folder ("ZIMAGE_MODELS", "models");
  make_model ();
  g_unsetenv ("GTK_THEME");
  gtk_test_init (argc, argv, NULL);
  adw_init ();
  /* What is between two pages is not what a test looks at. */
  g_object_set (gtk_settings_get_default (), "gtk-enable-animations", FALSE, NULL);
}

const char *
gui_test_get_model (void)
{
  static char *model;

  if (model == NULL)
    model = g_build_filename (home, "data-dir", "zimage", "models", "demo", NULL);
  return model;
}

char *
gui_test_make_model (const char *name,
                     const char *seed,
                     const char *variant)
{
  char *path = g_build_filename (home, name, NULL);

  make_tiny_model (path, seed, variant);
  return path;
}

const char *
gui_test_get_folder (void)
{
  static char *folder;

  if (folder == NULL)
    folder = g_build_filename (home, "Pictures", "Zimage", NULL);
  return folder;
}

void
gui_test_reset (void)
{
  g_autoptr(GSettings) settings = g_settings_new (GUI_APPLICATION_ID);
  g_autoptr(GSettingsSchema) schema = NULL;
  g_auto(GStrv) keys = NULL;

  g_object_get (settings, "settings-schema", &schema, NULL);
  keys = g_settings_schema_list_keys (schema);
  for (guint i = 0; keys[i] != NULL; i++)
    g_settings_reset (settings, keys[i]);
  g_settings_set_string (settings, "folder", gui_test_get_folder ());
  g_settings_set_boolean (settings, "notify", FALSE); /* nobody shows them here, of which GLib warns */
  remove_tree (gui_test_get_folder ());
}

void
gui_test_choose_demo (void)
{
  g_autoptr(GSettings) settings = g_settings_new (GUI_APPLICATION_ID);

  g_settings_set_string (settings, "model", GUI_DEMO_MODEL);
}

/* Running */

typedef struct
{
  GuiApplication *application;
  GuiScript       script;
  gpointer        data;
  gboolean        has_run;
} Run;

static gboolean
has_window (gpointer data)
{
  GtkWindow *window = gtk_application_get_active_window (data);

  return window != NULL && gtk_widget_get_mapped (GTK_WIDGET (window));
}

static gboolean
script_cb (gpointer data)
{
  Run *run = data;

  gui_test_wait (has_window, run->application);
  gui_test_settle ();
  run->script (run->application, run->data);
  run->has_run = TRUE;
  g_action_group_activate_action (G_ACTION_GROUP (run->application), "quit", NULL);
  return G_SOURCE_REMOVE;
}

static void
startup_cb (GApplication *application,
            Run          *run)
{
  g_idle_add (script_cb, run);
}

void
gui_test_run (GuiScript script,
              gpointer  data,
              ...)
{
  GuiApplication *application = gui_application_new ();
  Run run = { application, script, data, FALSE };
  g_autoptr(GPtrArray) words = g_ptr_array_new ();
  const char *word;
  va_list args;

  g_ptr_array_add (words, (char *) "zimage-gtk");
  va_start (args, data);
  while ((word = va_arg (args, const char *)) != NULL)
    g_ptr_array_add (words, (char *) word);
  va_end (args);
  g_ptr_array_add (words, NULL);

  g_signal_connect_after (application, "startup", G_CALLBACK (startup_cb), &run);
  g_assert_cmpint (g_application_run (G_APPLICATION (application), (int) words->len - 1, (char **) words->pdata), ==,
                   0);
  g_assert_true (run.has_run);
  g_object_unref (application);
}

/* Waiting */

static gboolean
timeout_cb (gpointer data)
{
  g_error ("nothing came within %d s", TIMEOUT);
  return G_SOURCE_REMOVE;
}

/* What is waited for need not come through the main loop. */
static gboolean
tick_cb (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

void
gui_test_wait (GuiCondition condition,
               gpointer     data)
{
  guint timer = g_timeout_add_seconds (TIMEOUT, timeout_cb, NULL);
  guint ticks = g_timeout_add (TICK, tick_cb, NULL);

  while (!condition (data))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);
  g_source_remove (ticks);
}

static gboolean
is_quiet (gpointer data)
{
  return !g_main_context_pending (NULL);
}

static gboolean
frames_cb (GtkWidget     *widget,
           GdkFrameClock *clock,
           gpointer       data)
{
  int *n_frames = data;

  return --*n_frames > 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
is_zero (gpointer data)
{
  return *(int *) data <= 0;
}

void
gui_test_settle (void)
{
  g_autoptr(GListModel) windows = g_object_ref (gtk_window_get_toplevels ());
  int n_frames = 3;

  for (guint i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr(GtkWidget) window = g_list_model_get_item (windows, i);

      if (!gtk_widget_get_mapped (window))
        continue;
      gtk_widget_add_tick_callback (window, frames_cb, &n_frames, NULL);
      gui_test_wait (is_zero, &n_frames);
      break;
    }
  gui_test_wait (is_quiet, NULL);
}

typedef struct
{
  GuiSession *session;
  guint       n_pictures;
} Expected;

static gboolean
has_pictures (gpointer data)
{
  const Expected *expected = data;
  GListModel *list = gui_history_get_list (gui_session_get_history (expected->session));

  return gui_queue_get_length (gui_session_get_queue (expected->session)) == 0 &&
         g_list_model_get_n_items (list) == expected->n_pictures;
}

void
gui_test_wait_for_pictures (GuiApplication *application,
                            guint           n_pictures)
{
  Expected expected = { gui_application_get_session (application), n_pictures };

  gui_test_wait (has_pictures, &expected);
}

GuiHistory *
gui_test_get_history (GuiApplication *application)
{
  return gui_session_get_history (gui_application_get_session (application));
}

GuiQueue *
gui_test_get_queue (GuiApplication *application)
{
  return gui_session_get_queue (gui_application_get_session (application));
}

gboolean
gui_test_is_midway (gpointer application)
{
  GuiTask *task = gui_queue_get_current (gui_test_get_queue (application));

  return task != NULL && gui_task_get_step (task) >= 2;
}

gboolean
gui_test_is_idle (gpointer application)
{
  return gui_queue_get_length (gui_test_get_queue (application)) == 0;
}

/* Widgets and actions */

GuiWindow *
gui_test_get_window (GuiApplication *application)
{
  GList *windows = gtk_application_get_windows (GTK_APPLICATION (application));

  for (GList *l = windows; l != NULL; l = l->next)
    if (GUI_IS_WINDOW (l->data))
      return l->data;
  g_assert_not_reached ();
}

gpointer
gui_test_find_window (GType type)
{
  GListModel *windows = gtk_window_get_toplevels ();

  for (guint i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr(GtkWidget) window = g_list_model_get_item (windows, i);

      if (G_TYPE_CHECK_INSTANCE_TYPE (window, type) && gtk_widget_get_mapped (window))
        return window;
    }
  return NULL;
}

static GtkWidget *
find (GtkWidget  *widget,
      const char *name)
{
  GtkWidget *found = NULL;

  if (g_strcmp0 (gtk_buildable_get_buildable_id (GTK_BUILDABLE (widget)), name) == 0)
    return widget;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL && found == NULL;
       child = gtk_widget_get_next_sibling (child))
    found = find (child, name);
  return found;
}

gpointer
gui_test_find (gpointer    root,
               const char *name)
{
  GtkWidget *widget = find (GTK_WIDGET (root), name);

  if (widget == NULL)
    g_error ("there is no widget “%s”", name);
  return widget;
}

/* What a button of the action shows is what counts. */
gboolean
gui_test_is_enabled (GuiWindow  *window,
                     const char *action)
{
  g_autoptr(GtkWidget) button = g_object_ref_sink (gtk_button_new ());
  GtkWidget *any = gui_test_find (window, "studio");
  gboolean is_enabled;

  gtk_actionable_set_action_name (GTK_ACTIONABLE (button), action);
  gtk_widget_set_parent (button, any);
  is_enabled = gtk_widget_get_sensitive (button);
  gtk_widget_unparent (button);
  return is_enabled;
}

void
gui_test_activate (GuiWindow  *window,
                   const char *action,
                   const char *target)
{
  g_assert_true (gtk_widget_activate_action (GTK_WIDGET (window), action, target != NULL ? "s" : NULL, target));
}

/* Keys come from the X server, as if they were typed. */
static void
call_xdotool (const char *verb,
              ...)
{
  g_autoptr(GPtrArray) words = g_ptr_array_new ();
  g_autoptr(GError) error = NULL;
  const char *word;
  va_list args;

  g_ptr_array_add (words, (char *) "xdotool");
  va_start (args, verb);
  for (word = verb; word != NULL; word = va_arg (args, const char *))
    g_ptr_array_add (words, (char *) word);
  va_end (args);
  g_ptr_array_add (words, NULL);
  g_spawn_sync (NULL, (char **) words->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
}

static gboolean
is_active (gpointer data)
{
  return gtk_window_is_active (data);
}

static char *
get_xid (GtkWindow *window)
{
  return g_strdup_printf ("%lu", gdk_x11_surface_get_xid (gtk_native_get_surface (GTK_NATIVE (window))));
}

void
gui_test_resize (GtkWindow *window,
                 int        width,
                 int        height)
{
  g_autofree char *id = get_xid (window);
  g_autofree char *x = g_strdup_printf ("%d", width);
  g_autofree char *y = g_strdup_printf ("%d", height);

  call_xdotool ("windowsize", id, x, y, NULL);
}

void
gui_test_focus (GtkWindow *window)
{
  g_autofree char *id = get_xid (window);

  call_xdotool ("windowfocus", id, NULL);
  gui_test_wait (is_active, window);
}

void
gui_test_move (GtkWindow *window,
               int        x,
               int        y)
{
  g_autofree char *id = get_xid (window);
  g_autofree char *left = g_strdup_printf ("%d", x);
  g_autofree char *top = g_strdup_printf ("%d", y);

  call_xdotool ("windowmove", id, left, top, NULL);
}

void
gui_test_point (GtkWidget *widget,
                double     x,
                double     y)
{
  GtkNative *native = gtk_widget_get_native (widget);
  g_autofree char *id = get_xid (GTK_WINDOW (native));
  g_autofree char *left = NULL;
  g_autofree char *top = NULL;
  double native_x, native_y, frame_x, frame_y;

  gtk_native_get_surface_transform (native, &frame_x, &frame_y);
  g_assert_true (gtk_widget_translate_coordinates (widget, GTK_WIDGET (native), x, y, &native_x, &native_y));
  left = g_strdup_printf ("%d", (int) (native_x + frame_x));
  top = g_strdup_printf ("%d", (int) (native_y + frame_y));
  call_xdotool ("mousemove", "--window", id, left, top, NULL);
  gui_test_settle ();
}

void
gui_test_button (const char *verb,
                 const char *button)
{
  call_xdotool (verb, button, NULL);
  gui_test_settle ();
}

void
gui_test_press (const char *key)
{
  call_xdotool ("key", key, NULL);
}

void
gui_test_type (const char *text)
{
  call_xdotool ("type", text, NULL);
}

/* How long the main loop is busy: from a poll to the next. */

static struct
{
  gboolean is_on;
  gint64   since; /* microseconds of the thread’s processor time */
  gint64   longest;
} probe;

static gint64
thread_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static int
probe_poll (GPollFD *fds,
            guint    n_fds,
            int      timeout)
{
  int result;

  if (probe.is_on)
    probe.longest = MAX (probe.longest, thread_time () - probe.since);
  result = g_poll (fds, n_fds, timeout);
  probe.since = thread_time ();
  return result;
}

void
gui_test_probe_begin (void)
{
  g_main_context_set_poll_func (NULL, probe_poll);
  probe.since = thread_time ();
  probe.longest = 0;
  probe.is_on = TRUE;
}

double
gui_test_probe_end (void)
{
  probe.is_on = FALSE;
  return (double) probe.longest / 1000;
}

/* A widget that is to be drawn again has nothing to show until then. (nullable) */
static GskRenderNode *
get_drawn (GtkWindow *window)
{
  g_autoptr(GdkPaintable) paintable = gtk_widget_paintable_new (GTK_WIDGET (window));
  GtkSnapshot *snapshot = gtk_snapshot_new ();

  gdk_paintable_snapshot (paintable, snapshot, gtk_widget_get_width (GTK_WIDGET (window)),
                          gtk_widget_get_height (GTK_WIDGET (window)));
  return gtk_snapshot_free_to_node (snapshot);
}

static gboolean
is_drawn (gpointer data)
{
  g_autoptr(GskRenderNode) node = get_drawn (data);

  return node != NULL;
}

GdkTexture *
gui_test_draw (GtkWindow *window)
{
  GskRenderer *renderer = gtk_native_get_renderer (GTK_NATIVE (window));
  float width = (float) gtk_widget_get_width (GTK_WIDGET (window));
  float height = (float) gtk_widget_get_height (GTK_WIDGET (window));
  g_autoptr(GskRenderNode) node = NULL;

  gui_test_wait (is_drawn, window);
  node = get_drawn (window);
  return gsk_renderer_render_texture (renderer, node, &GRAPHENE_RECT_INIT (0, 0, width, height));
}

char *
gui_test_write (const char *name,
                const char *prompt,
                GdkPixbuf  *pixbuf,
                gint64      seed)
{
  g_autoptr(ZimParams) params = zim_params_new (prompt);
  g_autoptr(ZimImage) image = NULL;
  g_autoptr(GError) error = NULL;
  char *path = g_build_filename (gui_test_get_folder (), name, NULL);

  zim_params_set_size (params, gdk_pixbuf_get_width (pixbuf), gdk_pixbuf_get_height (pixbuf));
  zim_params_set_steps (params, 3);
  zim_params_set_seed (params, seed);
  image = zim_image_new (pixbuf, params, "demo");
  g_assert_cmpint (g_mkdir_with_parents (gui_test_get_folder (), 0700), ==, 0);
  zim_image_save (image, path, &error);
  g_assert_no_error (error);
  return path;
}

GBytes *
gui_test_make_pixels (const char *name,
                      ZimParams  *params)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimModel) model = zim_model_open (name, NULL, &error);
  g_autoptr(ZimPipeline) pipeline = NULL;
  g_autoptr(GPtrArray) images = NULL;

  g_assert_no_error (error);
  pipeline = zim_pipeline_new (model, NULL, &error);
  g_assert_no_error (error);
  images = zim_pipeline_generate (pipeline, params, NULL, &error);
  g_assert_no_error (error);
  return gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (g_ptr_array_index (images, 0)));
}

void
gui_test_put_in_store (const char *name,
                       const char *path)
{
  g_autoptr(ZimStore) store = zim_store_new (NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimModel) model = zim_model_open (path, NULL, &error);

  g_assert_no_error (error);
  zim_store_create (store, name, model, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
}
