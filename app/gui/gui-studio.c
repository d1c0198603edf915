/* gui-studio.c: the page on which pictures are made
 *
 * Emits “changed” when what it answers may have changed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-studio.h"

#include <glib/gi18n.h>
#include <string.h>

struct _GuiStudio
{
  AdwBin          parent_instance;

  AdwFlap        *flap;
  GtkStack       *stack;
  GuiCanvas      *canvas;
  AdwStatusPage  *error_page;
  GtkWidget      *picture_button;
  GtkRevealer    *progress_revealer;
  GtkLabel       *progress_label;
  GtkProgressBar *progress_bar;
  GtkMenuButton  *queue_button;
  GtkListBox     *queue_list;
  GtkTextView    *prompt_view;
  GtkWidget      *hint;
  GuiOptions     *options;

  GuiSession     *session;
  GuiTask        *task;    /* (nullable) the one that runs */
  GuiPicture     *picture; /* (nullable) */
};

G_DEFINE_FINAL_TYPE (GuiStudio, gui_studio, ADW_TYPE_BIN)

static guint changed_signal;

static void
emit_changed (GuiStudio *self)
{
  g_signal_emit (self, changed_signal, 0);
}

/* The picture */

static void
show_page (GuiStudio  *self,
           const char *name)
{
  gtk_stack_set_visible_child_name (self->stack, name);
  emit_changed (self);
}

static void
show_picture (GuiStudio    *self,
              GdkTexture   *texture,
              const char   *prompt,
              GuiPicture   *picture)
{
  g_autoptr(GdkContentProvider) content = picture != NULL ? gui_picture_get_content (picture, texture) : NULL;

  gui_canvas_set_picture (self->canvas, GDK_PAINTABLE (texture), prompt != NULL ? prompt : "");
  gui_canvas_set_content (self->canvas, content);
  gui_canvas_set_busy (self->canvas, picture == NULL);
  gtk_widget_set_visible (self->picture_button, picture != NULL);
  g_set_object (&self->picture, picture);
  show_page (self, "canvas");
}

static void
saved_cb (GuiStudio  *self,
          GuiPicture *picture,
          ZimImage   *image)
{
  g_autoptr(GdkTexture) texture = gdk_texture_new_for_pixbuf (zim_image_get_pixbuf (image));

  show_picture (self, texture, zim_params_get_prompt (zim_image_get_params (image)), picture);
}

static void
preview_cb (GuiStudio *self)
{
  show_picture (self, gui_task_get_preview (self->task),
                zim_params_get_prompt (gui_task_get_params (self->task)), NULL);
}

/* Progress */

static void
show_progress (GuiStudio *self)
{
  g_autofree char *text = self->task != NULL ? gui_task_describe (self->task) : NULL;

  gtk_revealer_set_reveal_child (self->progress_revealer, self->task != NULL);
  if (self->task == NULL)
    return;
  gtk_progress_bar_set_fraction (self->progress_bar, gui_task_get_fraction (self->task));
  gtk_label_set_text (self->progress_label, text);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->progress_bar), GTK_ACCESSIBLE_PROPERTY_VALUE_TEXT, text, -1);
}

static void
queue_changed_cb (GuiStudio *self)
{
  GuiQueue *queue = gui_session_get_queue (self->session);
  GuiTask *task = gui_queue_get_current (queue);
  guint n = gui_queue_get_length (queue);
  g_autofree char *waiting = g_strdup_printf ("%u", n > 0 ? n - 1 : 0);

  gtk_menu_button_set_label (self->queue_button, waiting);
  gtk_widget_set_visible (GTK_WIDGET (self->queue_button), n > 1);
  if (task != self->task)
    {
      if (self->task != NULL)
        g_signal_handlers_disconnect_by_data (self->task, self);
      g_set_object (&self->task, task);
      if (task != NULL)
        {
          g_signal_connect_object (task, "notify::fraction", G_CALLBACK (show_progress), self, G_CONNECT_SWAPPED);
          g_signal_connect_object (task, "notify::state", G_CALLBACK (show_progress), self, G_CONNECT_SWAPPED);
          g_signal_connect_object (task, "notify::preview", G_CALLBACK (preview_cb), self, G_CONNECT_SWAPPED);
        }
    }
  show_progress (self);
  emit_changed (self);
}

/* The page of the error may not be seen, or not for long. */
static void
show_error (GuiStudio    *self,
            const GError *error)
{
  g_autofree char *text = g_markup_escape_text (error->message, -1);

  adw_status_page_set_description (self->error_page, text);
  show_page (self, "error");
  if (!gtk_widget_get_mapped (GTK_WIDGET (self)) || gui_queue_get_length (gui_session_get_queue (self->session)) > 0)
    gui_session_tell (self->session, error->message);
}

/* What is left is not a picture: the preview of a task that came to nothing goes. */
static void
task_done_cb (GuiStudio *self,
              GuiTask   *task)
{
  const GError *error = gui_task_get_error (task);

  if (gui_task_get_warning (task) != NULL)
    gui_session_tell (self->session, gui_task_get_warning (task));
  if (error == NULL)
    return;
  gui_canvas_set_busy (self->canvas, FALSE);
  if (gui_task_get_state (task) == ZIM_JOB_STATE_FAILED)
    show_error (self, error);
  else if (self->picture == NULL)
    show_page (self, "empty");
}

/* Prompts that wait */

static void
remove_clicked_cb (GtkButton *button,
                   GuiTask   *task)
{
  gui_task_cancel (task);
}

static GtkWidget *
create_queue_row (gpointer item,
                  gpointer user_data)
{
  GuiTask *task = item;
  const char *prompt = zim_params_get_prompt (gui_task_get_params (task));
  GtkWidget *row = adw_action_row_new ();
  GtkWidget *button = gtk_button_new_from_icon_name ("edit-delete-symbolic");
  g_autofree char *text = g_markup_escape_text (prompt, -1);
  g_autofree char *label = g_strdup_printf (_("Remove “%s”"), prompt);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), text);
  adw_action_row_set_title_lines (ADW_ACTION_ROW (row), 1);
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_tooltip_text (button, _("Remove"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, label, -1);
  g_signal_connect_object (button, "clicked", G_CALLBACK (remove_clicked_cb), task, 0);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), button);
  return row;
}

/* The prompt */

char *
gui_studio_get_prompt (GuiStudio *self)
{
  GtkTextIter start, end;

  gtk_text_buffer_get_bounds (gtk_text_view_get_buffer (self->prompt_view), &start, &end);
  return g_strstrip (gtk_text_iter_get_text (&start, &end));
}

void
gui_studio_set_prompt (GuiStudio  *self,
                       const char *prompt)
{
  gtk_text_buffer_set_text (gtk_text_view_get_buffer (self->prompt_view), prompt != NULL ? prompt : "", -1);
}

void
gui_studio_focus_prompt (GuiStudio *self)
{
  gtk_widget_grab_focus (GTK_WIDGET (self->prompt_view));
}

static void
prompt_changed_cb (GtkTextBuffer *buffer,
                   GuiStudio     *self)
{
  gtk_widget_set_visible (self->hint, gtk_text_buffer_get_char_count (buffer) == 0);
  emit_changed (self);
}

gboolean
gui_studio_can_generate (GuiStudio *self)
{
  g_autofree char *prompt = gui_studio_get_prompt (self);

  return *prompt != '\0' && g_list_model_get_n_items (gui_session_get_models (self->session)) > 0;
}

void
gui_studio_generate (GuiStudio *self)
{
  g_autofree char *prompt = gui_studio_get_prompt (self);
  g_autofree char *model = gui_session_choose_model (self->session);
  g_autoptr(ZimParams) params = NULL;

  if (*prompt == '\0' || model == NULL)
    return;
  params = gui_options_create_params (self->options, prompt);
  gui_session_add_task (self->session, params, model);
}

void
gui_studio_reuse (GuiStudio *self,
                  ZimImage  *image)
{
  gui_studio_set_prompt (self, zim_params_get_prompt (zim_image_get_params (image)));
  gui_options_reuse (self->options, zim_image_get_params (image), zim_image_get_model_name (image));
}

void
gui_studio_forget (GuiStudio  *self,
                   GuiPicture *picture)
{
  if (self->picture == NULL || (picture != NULL && picture != self->picture))
    return;
  g_clear_object (&self->picture);
  show_page (self, "empty");
}

void
gui_studio_clear (GuiStudio *self)
{
  gui_studio_set_prompt (self, "");
  gui_studio_forget (self, NULL);
  gui_studio_focus_prompt (self);
}

GuiOptions *
gui_studio_get_options (GuiStudio *self)
{
  return self->options;
}

GuiPicture *
gui_studio_get_picture (GuiStudio *self)
{
  return self->picture;
}

GuiCanvas *
gui_studio_get_canvas (GuiStudio *self)
{
  return g_strcmp0 (gtk_stack_get_visible_child_name (self->stack), "canvas") == 0 ? self->canvas : NULL;
}

void
gui_studio_set_session (GuiStudio  *self,
                        GuiSession *session)
{
  GSettings *settings = gui_session_get_settings (session);
  GtkTextBuffer *buffer = gtk_text_view_get_buffer (self->prompt_view);

  self->session = g_object_ref (session);
  gui_options_set_session (self->options, session);
  g_settings_bind (settings, "prompt", buffer, "text", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "show-options", self->flap, "reveal-flap", G_SETTINGS_BIND_DEFAULT);
  g_signal_connect_object (session, "picture-saved", G_CALLBACK (saved_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (gui_session_get_queue (session), "items-changed", G_CALLBACK (queue_changed_cb), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (gui_session_get_queue (session), "task-done", G_CALLBACK (task_done_cb), self,
                           G_CONNECT_SWAPPED);
  gtk_list_box_bind_model (self->queue_list, G_LIST_MODEL (gui_session_get_queue (session)), create_queue_row, NULL,
                           NULL);
  prompt_changed_cb (buffer, self);
  queue_changed_cb (self);
}

static void
gui_studio_dispose (GObject *object)
{
  GuiStudio *self = GUI_STUDIO (object);

  g_clear_object (&self->session);
  g_clear_object (&self->task);
  g_clear_object (&self->picture);
  G_OBJECT_CLASS (gui_studio_parent_class)->dispose (object);
}

static void
gui_studio_class_init (GuiStudioClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = gui_studio_dispose;

  changed_signal = g_signal_new ("changed", GUI_TYPE_STUDIO, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);

  g_type_ensure (GUI_TYPE_CANVAS);
  g_type_ensure (GUI_TYPE_OPTIONS);
  gtk_widget_class_set_template_from_resource (widget_class, "/io/github/zimage/Zimage/gui-studio.ui");
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, flap);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, stack);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, canvas);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, error_page);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, picture_button);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, progress_revealer);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, progress_label);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, progress_bar);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, queue_button);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, queue_list);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, prompt_view);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, hint);
  gtk_widget_class_bind_template_child (widget_class, GuiStudio, options);
}

static void
gui_studio_init (GuiStudio *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect (gtk_text_view_get_buffer (self->prompt_view), "changed", G_CALLBACK (prompt_changed_cb), self);
}
