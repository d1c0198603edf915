/* gui-window.c: the window of the application
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-window-private.h"

#include <glib/gi18n.h>

#include "gui-mnemonics.h"

#define TOAST_TIME 5     /* seconds that a toast is seen, at least */
#define TOAST_WIDTH 32   /* characters to a line: they fit into a narrow window */
#define READING_SPEED 12 /* characters in a second */

G_DEFINE_FINAL_TYPE (GuiWindow, gui_window, ADW_TYPE_APPLICATION_WINDOW)

static gboolean
is_view (GuiWindow  *self,
         const char *view)
{
  return g_strcmp0 (gtk_stack_get_visible_child_name (self->pages), "views") == 0 &&
         g_strcmp0 (adw_view_stack_get_visible_child_name (self->views), view) == 0;
}

GPtrArray *
_gui_window_get_pictures (GuiWindow *self)
{
  GPtrArray *pictures;
  GuiPicture *picture = gui_studio_get_picture (self->studio);

  if (is_view (self, "history"))
    return gui_gallery_get_pictures (self->gallery);
  pictures = g_ptr_array_new_with_free_func (g_object_unref);
  if (picture != NULL && is_view (self, "studio"))
    g_ptr_array_add (pictures, g_object_ref (picture));
  return pictures;
}

GuiCanvas *
_gui_window_get_canvas (GuiWindow *self)
{
  if (is_view (self, "history"))
    return gui_gallery_get_canvas (self->gallery);
  return is_view (self, "studio") ? gui_studio_get_canvas (self->studio) : NULL;
}

/* A title would be cut short after a line, and what can be done about an error stands at its end. */
AdwToast *
_gui_window_create_toast (const char *message)
{
  AdwToast *toast = adw_toast_new ("");
  GtkWidget *label = gtk_label_new (message);

  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_max_width_chars (GTK_LABEL (label), TOAST_WIDTH);
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  adw_toast_set_custom_title (toast, label);
  adw_toast_set_timeout (toast, MAX (TOAST_TIME, (guint) g_utf8_strlen (message, -1) / READING_SPEED));
  return toast;
}

/* What is still there to read is not said again. */
void
_gui_window_toast (GuiWindow  *self,
                   const char *message)
{
  GtkWidget *label = self->toast != NULL ? adw_toast_get_custom_title (self->toast) : NULL;

  if (label != NULL && g_str_equal (gtk_label_get_text (GTK_LABEL (label)), message))
    return;
  g_clear_weak_pointer (&self->toast);
  g_set_weak_pointer (&self->toast, _gui_window_create_toast (message));
  adw_toast_overlay_add_toast (self->toasts, self->toast);
}

void
gui_window_show_view (GuiWindow  *self,
                      const char *view)
{
  gtk_stack_set_visible_child_name (self->pages, "views");
  adw_view_stack_set_visible_child_name (self->views, view);
}

void
gui_window_new_image (GuiWindow *self)
{
  gui_window_show_view (self, "studio");
  gui_studio_clear (self->studio);
}

void
gui_window_generate (GuiWindow  *self,
                     const char *prompt)
{
  g_autofree char *model = gui_session_choose_model (self->session);

  gui_studio_set_prompt (self->studio, prompt);
  if (model == NULL)
    return; /* the welcome page says what to do first */
  gui_window_show_view (self, "studio");
  gui_studio_generate (self->studio);
}

void
gui_window_show_picture (GuiWindow  *self,
                         const char *path)
{
  GListModel *pictures = gui_history_get_list (gui_session_get_history (self->session));

  gui_window_show_view (self, "history");
  for (guint i = 0; i < g_list_model_get_n_items (pictures); i++)
    {
      g_autoptr(GuiPicture) picture = g_list_model_get_item (pictures, i);

      if (!g_str_equal (gui_picture_get_path (picture), path))
        continue;
      gui_gallery_open (self->gallery, picture, NULL);
      return;
    }
}

/* Whether there is a model decides what is seen first. */
static void
model_changed_cb (GuiWindow *self)
{
  g_autofree char *model = g_settings_get_string (gui_session_get_settings (self->session), "model");

  gtk_stack_set_visible_child_name (self->pages, *model != '\0' ? "views" : "welcome");
  _gui_window_actions_update (self);
}

static void
view_changed_cb (GuiWindow *self)
{
  gboolean has_views = g_strcmp0 (gtk_stack_get_visible_child_name (self->pages), "views") == 0;

  adw_view_switcher_title_set_view_switcher_enabled (self->title, has_views);
  gtk_widget_set_visible (self->new_button, has_views);
  gtk_widget_set_visible (self->options_button, is_view (self, "studio"));
  if (is_view (self, "studio"))
    gui_studio_focus_prompt (self->studio);
  else if (is_view (self, "history"))
    gui_gallery_focus (self->gallery);
  _gui_window_actions_update (self);
}

static void
generator_cb (GuiWindow *self)
{
  const GError *error = gui_generator_get_error (gui_session_get_generator (self->session));

  if (error != NULL)
    _gui_window_toast (self, error->message);
}

/* Dropping */

/* Not what was taken up in a window of ours: to let go of a picture again changes no parameters. */
static gboolean
accept_cb (GtkDropTarget *target,
           GdkDrop       *drop,
           GuiWindow     *self)
{
  return gdk_drop_get_drag (drop) == NULL &&
         gdk_content_formats_match (gtk_drop_target_get_formats (target), gdk_drop_get_formats (drop));
}

static gboolean
drop_cb (GtkDropTarget *target,
         const GValue  *value,
         double         x,
         double         y,
         GuiWindow     *self)
{
  GSList *files = G_VALUE_HOLDS (value, GDK_TYPE_FILE_LIST) ? g_value_get_boxed (value) : NULL;
  const char *path = files != NULL ? g_file_peek_path (files->data) : NULL;

  if (path == NULL)
    return FALSE;
  gui_window_import (self, path);
  return TRUE;
}

static void
add_drop_target (GuiWindow *self)
{
  GtkDropTarget *target = gtk_drop_target_new (GDK_TYPE_FILE_LIST, GDK_ACTION_COPY);

  g_signal_connect (target, "accept", G_CALLBACK (accept_cb), self);
  g_signal_connect (target, "drop", G_CALLBACK (drop_cb), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (target));
}

static void
add_settings (GuiWindow *self)
{
  static const char *const keys[] = { "model", "seed-locked", "show-options" };
  GSettings *settings = gui_session_get_settings (self->session);
  g_autoptr(GSimpleActionGroup) group = g_simple_action_group_new ();

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autoptr(GAction) action = g_settings_create_action (settings, keys[i]);

      g_action_map_add_action (G_ACTION_MAP (group), action);
    }
  gtk_widget_insert_action_group (GTK_WIDGET (self), "settings", G_ACTION_GROUP (group));
  g_settings_bind (settings, "window-width", self, "default-width", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "window-height", self, "default-height", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "window-maximized", self, "maximized", G_SETTINGS_BIND_DEFAULT);
  g_signal_connect_object (settings, "changed::model", G_CALLBACK (model_changed_cb), self, G_CONNECT_SWAPPED);
}

static void
watch (GuiWindow  *self,
       gpointer    object,
       const char *signal,
       GCallback   callback)
{
  g_signal_connect_object (object, signal, callback, self, G_CONNECT_SWAPPED);
}

static void
set_session (GuiWindow  *self,
             GuiSession *session)
{
  GCallback update = G_CALLBACK (_gui_window_actions_update);

  self->session = g_object_ref (session);
  gui_studio_set_session (self->studio, session);
  gui_gallery_set_session (self->gallery, session);
  gui_models_set_session (self->models, session);
  gui_welcome_set_session (self->welcome, session);
  add_settings (self);

  watch (self, self->studio, "changed", update);
  watch (self, self->gallery, "changed", update);
  watch (self, gui_session_get_models (session), "items-changed", update);
  watch (self, self->views, "notify::visible-child", G_CALLBACK (view_changed_cb));
  watch (self, self->pages, "notify::visible-child", G_CALLBACK (view_changed_cb));
  watch (self, session, "message", G_CALLBACK (_gui_window_toast));
  watch (self, gui_session_get_generator (session), "notify::model", G_CALLBACK (generator_cb));
  model_changed_cb (self);
  view_changed_cb (self);
}

GuiWindow *
gui_window_new (GtkApplication *application,
                GuiSession     *session)
{
  GuiWindow *self = g_object_new (GUI_TYPE_WINDOW, "application", application, NULL);

  set_session (self, session);
  return self;
}

static void
gui_window_dispose (GObject *object)
{
  GuiWindow *self = GUI_WINDOW (object);

  g_clear_weak_pointer (&self->toast);
  g_clear_object (&self->undo_toast);
  g_clear_pointer (&self->removed, g_ptr_array_unref);
  g_clear_object (&self->session);
  G_OBJECT_CLASS (gui_window_parent_class)->dispose (object);
}

static void
gui_window_class_init (GuiWindowClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = gui_window_dispose;

  g_type_ensure (GUI_TYPE_STUDIO);
  g_type_ensure (GUI_TYPE_GALLERY);
  g_type_ensure (GUI_TYPE_MODELS);
  g_type_ensure (GUI_TYPE_WELCOME);
  gtk_widget_class_set_template_from_resource (widget_class, "/io/github/zimage/Zimage/gui-window.ui");
  gtk_widget_class_bind_template_child (widget_class, GuiWindow, toasts);
  gtk_widget_class_bind_template_child (widget_class, GuiWindow, pages);
  gtk_widget_class_bind_template_child (widget_class, GuiWindow, views);
  gtk_widget_class_bind_template_child (widget_class, GuiWindow, title);
  gtk_widget_class_bind_template_child (widget_class, GuiWindow, new_button);
  gtk_widget_class_bind_template_child (widget_class, GuiWindow, options_button);
  gtk_widget_class_bind_template_child (widget_class, GuiWindow, studio);
  gtk_widget_class_bind_template_child (widget_class, GuiWindow, gallery);
  gtk_widget_class_bind_template_child (widget_class, GuiWindow, models);
  gtk_widget_class_bind_template_child (widget_class, GuiWindow, welcome);
  _gui_window_class_install_actions (widget_class);
}

static void
gui_window_init (GuiWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  gui_mnemonics_hide (GTK_WIDGET (self));
  add_drop_target (self);
}
