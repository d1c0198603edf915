/* gui-viewer.c: one picture with what it was made of, or two to compare
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-viewer.h"

#include <glib/gi18n.h>

struct _GuiViewer
{
  AdwBin        parent_instance;

  GuiCanvas    *canvas;
  GtkRange     *split;
  GtkLabel     *prompt_label;
  GtkLabel     *details_label;

  GuiPicture   *picture;
  GuiPicture   *other;
  GCancellable *cancellable;
};

G_DEFINE_FINAL_TYPE (GuiViewer, gui_viewer, ADW_TYPE_BIN)

/* “1024 × 1024 · seed 7 · 8 steps · z-image-turbo” */
static char *
describe (ZimImage   *image,
          GdkTexture *texture)
{
  g_autoptr(GString) text = g_string_new (NULL);
  ZimParams *params = image != NULL ? zim_image_get_params (image) : NULL;
  int steps = params != NULL ? zim_params_get_steps (params) : 0;

  g_string_append_printf (text, _("%d × %d"), gdk_texture_get_width (texture), gdk_texture_get_height (texture));
  if (image != NULL && zim_image_get_seed (image) >= 0)
    {
      g_string_append (text, " · ");
      g_string_append_printf (text, _("seed %lld"), (long long) zim_image_get_seed (image));
    }
  if (steps > 0)
    {
      g_string_append (text, " · ");
      g_string_append_printf (text, ngettext ("%d step", "%d steps", (gulong) steps), steps);
    }
  if (image != NULL && zim_image_get_model_name (image) != NULL)
    g_string_append_printf (text, " · %s", zim_image_get_model_name (image));
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
show_details (GuiViewer  *self,
              ZimImage   *image,
              GdkTexture *texture)
{
  const char *prompt = image != NULL ? zim_params_get_prompt (zim_image_get_params (image)) : NULL;
  g_autofree char *details = describe (image, texture);
  g_autofree char *name = g_path_get_basename (gui_picture_get_path (self->picture));
  g_autofree char *shown = g_filename_display_name (name);

  gtk_label_set_text (self->prompt_label, prompt != NULL ? prompt : shown);
  gtk_label_set_text (self->details_label, details);
}

static void
loaded_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  GuiViewer *self = user_data; /* gone if it was cancelled */
  g_autoptr(ZimImage) image = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(GdkTexture) texture = gui_picture_load_finish (GUI_PICTURE (source), result, &image, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (texture == NULL)
    gtk_label_set_text (self->prompt_label, error->message);
  else if (GUI_PICTURE (source) == self->other)
    gui_canvas_set_other (self->canvas, GDK_PAINTABLE (texture));
  else
    {
      g_autoptr(GdkContentProvider) content = gui_picture_get_content (self->picture, texture);

      show_details (self, image, texture);
      gui_canvas_set_picture (self->canvas, GDK_PAINTABLE (texture), gtk_label_get_text (self->prompt_label));
      gui_canvas_set_content (self->canvas, content);
    }
}

void
gui_viewer_show (GuiViewer  *self,
                 GuiPicture *picture,
                 GuiPicture *other)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  self->cancellable = g_cancellable_new ();
  g_set_object (&self->picture, picture);
  g_set_object (&self->other, other);

  gui_canvas_set_other (self->canvas, NULL);
  gui_canvas_set_zoom (self->canvas, 0);
  gtk_label_set_text (self->details_label, "");
  gtk_range_set_value (self->split, 0.5);
  gtk_widget_set_visible (GTK_WIDGET (self->split), other != NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->prompt_label), other == NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->details_label), other == NULL);
  gui_picture_load_async (picture, self->cancellable, loaded_cb, self);
  if (other != NULL)
    gui_picture_load_async (other, self->cancellable, loaded_cb, self);
}

GuiPicture *
gui_viewer_get_picture (GuiViewer *self)
{
  return self->picture;
}

gboolean
gui_viewer_is_comparing (GuiViewer *self)
{
  return self->other != NULL;
}

GuiCanvas *
gui_viewer_get_canvas (GuiViewer *self)
{
  return self->canvas;
}

static void
split_cb (GtkRange  *split,
          GuiViewer *self)
{
  gui_canvas_set_split (self->canvas, gtk_range_get_value (split));
}

static void
gui_viewer_dispose (GObject *object)
{
  GuiViewer *self = GUI_VIEWER (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->picture);
  g_clear_object (&self->other);
  G_OBJECT_CLASS (gui_viewer_parent_class)->dispose (object);
}

static void
gui_viewer_class_init (GuiViewerClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = gui_viewer_dispose;

  g_type_ensure (GUI_TYPE_CANVAS);
  gtk_widget_class_set_template_from_resource (widget_class, "/io/github/zimage/Zimage/gui-viewer.ui");
  gtk_widget_class_bind_template_child (widget_class, GuiViewer, canvas);
  gtk_widget_class_bind_template_child (widget_class, GuiViewer, split);
  gtk_widget_class_bind_template_child (widget_class, GuiViewer, prompt_label);
  gtk_widget_class_bind_template_child (widget_class, GuiViewer, details_label);
}

static void
gui_viewer_init (GuiViewer *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect (self->split, "value-changed", G_CALLBACK (split_cb), self);
}
