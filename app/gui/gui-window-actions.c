/* gui-window-actions.c: the verbs of the window
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-window-private.h"

#define ORIGINAL_SIZE 1.0

/* The place of each verb: a function of the window, and what of the state it needs. */

static void
generate (GuiWindow *self)
{
  gui_studio_generate (self->studio);
}

static void
cancel (GuiWindow *self)
{
  GuiTask *task = gui_queue_get_current (gui_session_get_queue (self->session));

  if (task != NULL)
    gui_task_cancel (task);
}

static void
cancel_all (GuiWindow *self)
{
  gui_queue_cancel_all (gui_session_get_queue (self->session));
}

static void
random_seed (GuiWindow *self)
{
  gui_options_draw_seed (gui_studio_get_options (self->studio));
}

static void
open_picture (GuiWindow *self)
{
  g_autoptr(GPtrArray) pictures = _gui_window_get_pictures (self);

  gui_window_show_view (self, "history");
  gui_gallery_open (self->gallery, g_ptr_array_index (pictures, 0), NULL);
}

static void
compare (GuiWindow *self)
{
  g_autoptr(GPtrArray) pictures = _gui_window_get_pictures (self);

  gui_gallery_open (self->gallery, g_ptr_array_index (pictures, 0), g_ptr_array_index (pictures, 1));
}

static void
back (GuiWindow *self)
{
  gui_gallery_close (self->gallery);
}

static void
previous (GuiWindow *self)
{
  gui_gallery_move (self->gallery, -1);
}

static void
next (GuiWindow *self)
{
  gui_gallery_move (self->gallery, 1);
}

static void
zoom_in (GuiWindow *self)
{
  gui_canvas_zoom_by (_gui_window_get_canvas (self), 1);
}

static void
zoom_out (GuiWindow *self)
{
  gui_canvas_zoom_by (_gui_window_get_canvas (self), -1);
}

static void
zoom_fit (GuiWindow *self)
{
  gui_canvas_set_zoom (_gui_window_get_canvas (self), 0);
}

static void
zoom_original (GuiWindow *self)
{
  gui_canvas_set_zoom (_gui_window_get_canvas (self), ORIGINAL_SIZE);
}

static void
create_from_folder (GuiWindow *self)
{
  gui_window_show_view (self, "models");
  gui_models_choose (self->models, TRUE);
}

static void
create_from_files (GuiWindow *self)
{
  gui_window_show_view (self, "models");
  gui_models_choose (self->models, FALSE);
}

typedef enum {
  NEEDS_NOTHING = 0,
  NEEDS_PROMPT = 1 << 0,      /* and a model */
  NEEDS_TASK = 1 << 1,
  NEEDS_PICTURES = 1 << 2,    /* one or more */
  NEEDS_PICTURE = 1 << 3,     /* one */
  NEEDS_TWO = 1 << 4,
  NEEDS_CANVAS = 1 << 5,
  NEEDS_VIEWER = 1 << 6,
  NEEDS_REMOVED = 1 << 7,
} Needs;

typedef struct
{
  const char *name;
  void      (*run) (GuiWindow *self);
  Needs       needs;
  const char *accel;
} Verb;

static const Verb verbs[] = {
  { "win.generate", generate, NEEDS_PROMPT, "<Control>Return" },
  { "win.cancel", cancel, NEEDS_TASK, "<Control>period" },
  { "win.cancel-all", cancel_all, NEEDS_TASK, "<Control><Shift>period" },
  { "win.random-seed", random_seed, NEEDS_NOTHING, "<Control>r" },
  { "win.import", _gui_window_choose_import, NEEDS_NOTHING, "<Control>o" },
  { "win.open", open_picture, NEEDS_PICTURE },
  { "win.reuse", _gui_window_reuse, NEEDS_PICTURE, "<Control>e" },
  { "win.compare", compare, NEEDS_TWO, "<Control>d" },
  { "win.copy", _gui_window_copy, NEEDS_PICTURE, "<Control><Shift>c" },
  { "win.save-as", _gui_window_save_as, NEEDS_PICTURE, "<Control><Shift>s" },
  { "win.wallpaper", _gui_window_set_wallpaper, NEEDS_PICTURE },
  { "win.trash", _gui_window_trash, NEEDS_PICTURES },
  { "win.undo", _gui_window_undo, NEEDS_REMOVED, "<Control><Shift>z" },
  { "win.back", back, NEEDS_VIEWER },
  { "win.previous", previous, NEEDS_VIEWER },
  { "win.next", next, NEEDS_VIEWER },
  { "win.zoom-in", zoom_in, NEEDS_CANVAS, "<Control>plus" },
  { "win.zoom-out", zoom_out, NEEDS_CANVAS, "<Control>minus" },
  { "win.zoom-fit", zoom_fit, NEEDS_CANVAS, "<Control>0" },
  { "win.zoom-original", zoom_original, NEEDS_CANVAS, "<Control>1" },
  { "win.create-from-folder", create_from_folder },
  { "win.create-from-files", create_from_files },
};

static Needs
find_state (GuiWindow *self)
{
  g_autoptr(GPtrArray) pictures = _gui_window_get_pictures (self);
  GuiCanvas *canvas = _gui_window_get_canvas (self);
  gboolean is_history = g_strcmp0 (adw_view_stack_get_visible_child_name (self->views), "history") == 0;
  Needs state = NEEDS_NOTHING;

  if (gui_studio_can_generate (self->studio))
    state |= NEEDS_PROMPT;
  if (gui_queue_get_length (gui_session_get_queue (self->session)) > 0)
    state |= NEEDS_TASK;
  if (pictures->len > 0)
    state |= NEEDS_PICTURES;
  if (pictures->len == 1)
    state |= NEEDS_PICTURE;
  if (pictures->len == 2)
    state |= NEEDS_TWO;
  if (canvas != NULL)
    state |= NEEDS_CANVAS;
  if (is_history && gui_gallery_is_open (self->gallery))
    state |= NEEDS_VIEWER;
  if (self->removed != NULL)
    state |= NEEDS_REMOVED;
  return state;
}

void
_gui_window_actions_update (GuiWindow *self)
{
  Needs state = find_state (self);

  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    gtk_widget_action_set_enabled (GTK_WIDGET (self), verbs[i].name, (verbs[i].needs & ~state) == 0);
}

static void
activate_verb (GtkWidget  *widget,
               const char *name,
               GVariant   *parameter)
{
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (verbs[i].name, name))
      verbs[i].run (GUI_WINDOW (widget));
}

/* Verbs with an object */

static void
activate_view (GtkWidget  *widget,
               const char *name,
               GVariant   *parameter)
{
  gui_window_show_view (GUI_WINDOW (widget), g_variant_get_string (parameter, NULL));
}

static void
activate_pull (GtkWidget  *widget,
               const char *name,
               GVariant   *parameter)
{
  GuiWindow *self = GUI_WINDOW (widget);

  gui_window_show_view (self, "models");
  gui_models_pull (self->models, g_variant_get_string (parameter, NULL));
}

static void
activate_remove_model (GtkWidget  *widget,
                       const char *name,
                       GVariant   *parameter)
{
  gui_models_remove (GUI_WINDOW (widget)->models, g_variant_get_string (parameter, NULL));
}

void
gui_window_set_accels (GtkApplication *application)
{
  static const struct
  {
    const char *name;
    const char *accel;
  } others[] = {
    { "win.view::studio", "<Alt>1" },
    { "win.view::history", "<Alt>2" },
    { "win.view::models", "<Alt>3" },
    { "settings.show-options", "F9" },
    { "settings.seed-locked", "<Control>l" },
    { "window.close", "<Control>w" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (verbs[i].accel != NULL)
      gtk_application_set_accels_for_action (application, verbs[i].name, (const char *[]) { verbs[i].accel, NULL });
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    gtk_application_set_accels_for_action (application, others[i].name, (const char *[]) { others[i].accel, NULL });
}

void
_gui_window_class_install_actions (GtkWidgetClass *class)
{
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    gtk_widget_class_install_action (class, verbs[i].name, NULL, activate_verb);
  gtk_widget_class_install_action (class, "win.view", "s", activate_view);
  gtk_widget_class_install_action (class, "win.pull", "s", activate_pull);
  gtk_widget_class_install_action (class, "win.remove-model", "s", activate_remove_model);
}
