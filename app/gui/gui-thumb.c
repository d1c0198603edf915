/* gui-thumb.c: a small picture of the history
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-thumb.h"

#define SIZE 148 /* pixels on a side; thumbnails have twice as many for fine screens */

struct _GuiThumb
{
  AdwBin        parent_instance;

  GtkPicture   *view;
  GuiPicture   *picture;
  char         *name;
  GCancellable *cancellable;
};

G_DEFINE_FINAL_TYPE (GuiThumb, gui_thumb, ADW_TYPE_BIN)

static void
loaded_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GdkTexture) texture = gui_picture_thumbnail_finish (GUI_PICTURE (source), result, &error);
  GuiThumb *self = user_data; /* gone if it was cancelled */

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  gtk_picture_set_paintable (self->view, GDK_PAINTABLE (texture));
  if (texture == NULL)
    gtk_widget_add_css_class (GTK_WIDGET (self), "broken");
}

void
gui_thumb_set_picture (GuiThumb   *self,
                       GuiPicture *picture)
{
  g_autofree char *name = picture != NULL ? g_path_get_basename (gui_picture_get_path (picture)) : NULL;

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_set_object (&self->picture, picture);
  gtk_picture_set_paintable (self->view, NULL);
  gtk_widget_remove_css_class (GTK_WIDGET (self), "broken");
  g_free (self->name);
  self->name = name != NULL ? g_filename_display_name (name) : NULL;
  gtk_widget_set_tooltip_text (GTK_WIDGET (self), self->name);
  if (picture == NULL)
    return;
  self->cancellable = g_cancellable_new ();
  gui_picture_thumbnail_async (picture, 2 * SIZE, self->cancellable, loaded_cb, self);
}

const char *
gui_thumb_get_name (GuiThumb *self)
{
  return self->name;
}

static GdkContentProvider *
prepare_cb (GtkDragSource *source,
            double         x,
            double         y,
            GuiThumb      *self)
{
  if (self->picture == NULL)
    return NULL;
  gtk_drag_source_set_icon (source, gtk_picture_get_paintable (self->view), 0, 0);
  return gui_picture_get_content (self->picture, NULL);
}

static void
gui_thumb_dispose (GObject *object)
{
  GuiThumb *self = GUI_THUMB (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->picture);
  g_clear_pointer (&self->name, g_free);
  G_OBJECT_CLASS (gui_thumb_parent_class)->dispose (object);
}

static void
gui_thumb_class_init (GuiThumbClass *class)
{
  G_OBJECT_CLASS (class)->dispose = gui_thumb_dispose;
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (class), "thumb");
}

static void
gui_thumb_init (GuiThumb *self)
{
  GtkDragSource *drag = gtk_drag_source_new ();

  /* What there is to read is the cell's. */
  self->view = g_object_new (GTK_TYPE_PICTURE, "accessible-role", GTK_ACCESSIBLE_ROLE_PRESENTATION, NULL);
  gtk_picture_set_content_fit (self->view, GTK_CONTENT_FIT_COVER);
  gtk_widget_set_size_request (GTK_WIDGET (self->view), SIZE, SIZE);
  gtk_widget_set_overflow (GTK_WIDGET (self), GTK_OVERFLOW_HIDDEN);
  adw_bin_set_child (ADW_BIN (self), GTK_WIDGET (self->view));
  g_signal_connect (drag, "prepare", G_CALLBACK (prepare_cb), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (drag));
}

GtkWidget *
gui_thumb_new (void)
{
  return g_object_new (GUI_TYPE_THUMB, NULL);
}
