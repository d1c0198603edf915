/* gui-window-pictures.c: what the window does with pictures
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-window-private.h"

#include <glib/gi18n.h>

#include "gui-wallpaper.h"

/* The one that an action is about, which is enabled only if there is one. (transfer full) */
static GuiPicture *
get_picture (GuiWindow *self)
{
  g_autoptr(GPtrArray) pictures = _gui_window_get_pictures (self);

  return g_object_ref (g_ptr_array_index (pictures, 0));
}

/* Parameters */

static void
reuse (GuiWindow *self,
       ZimImage  *image)
{
  gui_studio_reuse (self->studio, image);
  gui_window_show_view (self, "studio");
  gui_studio_focus_prompt (self->studio);
}

static void
import_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr(GuiWindow) self = user_data;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimImage) image = zim_image_load_finish (result, &error);

  if (image == NULL)
    {
      _gui_window_toast (self, error->message);
      return;
    }
  reuse (self, image);
  _gui_window_toast (self, _("The prompt and the parameters are those of the picture"));
}

void
gui_window_import (GuiWindow  *self,
                   const char *path)
{
  zim_image_load_async (path, NULL, import_cb, g_object_ref (self));
}

void
_gui_window_reuse (GuiWindow *self)
{
  g_autoptr(GuiPicture) picture = get_picture (self);

  gui_window_import (self, gui_picture_get_path (picture));
}

static void
import_chosen_cb (GtkNativeDialog *dialog,
                  int              response,
                  GuiWindow       *self)
{
  g_autoptr(GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));

  if (response == GTK_RESPONSE_ACCEPT && file != NULL && g_file_peek_path (file) != NULL)
    gui_window_import (self, g_file_peek_path (file));
  g_object_unref (dialog);
}

void
_gui_window_choose_import (GuiWindow *self)
{
  GtkFileChooserNative *dialog = gtk_file_chooser_native_new (_("Picture With Parameters"), GTK_WINDOW (self),
                                                              GTK_FILE_CHOOSER_ACTION_OPEN, NULL, NULL);
  g_autoptr(GtkFileFilter) filter = gtk_file_filter_new ();

  gtk_file_filter_add_pixbuf_formats (filter);
  gtk_file_filter_set_name (filter, _("Pictures"));
  gtk_file_chooser_add_filter (GTK_FILE_CHOOSER (dialog), filter);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (import_chosen_cb), self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

/* Copying */

static void
copy_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr(GuiWindow) self = user_data;
  g_autoptr(ZimImage) image = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(GdkTexture) texture = gui_picture_load_finish (GUI_PICTURE (source), result, &image, &error);
  g_autoptr(GdkContentProvider) content = NULL;

  if (texture == NULL)
    {
      _gui_window_toast (self, error->message);
      return;
    }
  content = gui_picture_get_content (GUI_PICTURE (source), texture);
  gdk_clipboard_set_content (gtk_widget_get_clipboard (GTK_WIDGET (self)), content);
  _gui_window_toast (self, _("Copied"));
}

void
_gui_window_copy (GuiWindow *self)
{
  g_autoptr(GuiPicture) picture = get_picture (self);

  gui_picture_load_async (picture, NULL, copy_cb, g_object_ref (self));
}

/* Saving */

static void
saved_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr(GuiWindow) self = user_data;
  g_autoptr(GError) error = NULL;
  gboolean is_saved = ZIM_IS_IMAGE (source) ? zim_image_save_finish (ZIM_IMAGE (source), result, &error)
                                            : g_file_copy_finish (G_FILE (source), result, &error);

  _gui_window_toast (self, is_saved ? _("Saved") : error->message);
}

typedef struct
{
  GuiWindow *window;
  GFile     *target;
} SaveAs;

/* In the format of the name, with the parameters; a picture that has none is copied as it is. */
static void
save_loaded_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      user_data)
{
  SaveAs *save = user_data;
  g_autoptr(ZimImage) image = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(GdkTexture) texture = gui_picture_load_finish (GUI_PICTURE (source), result, &image, &error);
  g_autoptr(GFile) file = gui_picture_get_file (GUI_PICTURE (source));

  if (texture == NULL)
    _gui_window_toast (save->window, error->message);
  else if (image != NULL && g_file_peek_path (save->target) != NULL)
    zim_image_save_async (image, g_file_peek_path (save->target), NULL, saved_cb, g_object_ref (save->window));
  else
    g_file_copy_async (file, save->target, G_FILE_COPY_OVERWRITE, G_PRIORITY_DEFAULT, NULL, NULL, NULL, saved_cb,
                       g_object_ref (save->window));
  g_object_unref (save->window);
  g_object_unref (save->target);
  g_free (save);
}

static void
save_chosen_cb (GtkNativeDialog *dialog,
                int              response,
                GuiWindow       *self)
{
  g_autoptr(GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
  GuiPicture *picture = g_object_get_data (G_OBJECT (dialog), "picture");

  if (response == GTK_RESPONSE_ACCEPT && file != NULL)
    {
      SaveAs *save = g_new0 (SaveAs, 1);

      save->window = g_object_ref (self);
      save->target = g_object_ref (file);
      gui_picture_load_async (picture, NULL, save_loaded_cb, save);
    }
  g_object_unref (dialog);
}

void
_gui_window_save_as (GuiWindow *self)
{
  GtkFileChooserNative *dialog = gtk_file_chooser_native_new (_("Save As"), GTK_WINDOW (self),
                                                              GTK_FILE_CHOOSER_ACTION_SAVE, NULL, NULL);
  GuiPicture *picture = get_picture (self);
  g_autofree char *name = g_path_get_basename (gui_picture_get_path (picture));

  gtk_file_chooser_set_current_name (GTK_FILE_CHOOSER (dialog), name);
  g_object_set_data_full (G_OBJECT (dialog), "picture", picture, g_object_unref);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (save_chosen_cb), self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

/* Wallpaper */

static void
wallpaper_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr(GuiWindow) self = user_data;
  g_autoptr(GError) error = NULL;

  if (!gui_wallpaper_set_finish (result, &error))
    _gui_window_toast (self, error->message);
}

void
_gui_window_set_wallpaper (GuiWindow *self)
{
  g_autoptr(GuiPicture) picture = get_picture (self);

  gui_wallpaper_set_async (gui_picture_get_path (picture), wallpaper_cb, g_object_ref (self));
}

/* Trash */

static void
dismissed_cb (AdwToast  *toast,
              GuiWindow *self)
{
  GPtrArray *removed = g_object_get_data (G_OBJECT (toast), "removed");

  if (self->session == NULL)
    return; /* the window goes; the history sees to it */
  for (guint i = 0; i < removed->len; i++)
    gui_history_discard (gui_session_get_history (self->session), g_ptr_array_index (removed, i));
  if (self->removed != removed)
    return;
  g_clear_pointer (&self->removed, g_ptr_array_unref);
  g_clear_object (&self->undo_toast);
  _gui_window_actions_update (self);
}

/* What can be undone is what was removed last. */
static void
offer_undo (GuiWindow *self,
            GPtrArray *removed)
{
  g_autofree char *title = g_strdup_printf (
    ngettext ("%u picture moved to the trash", "%u pictures moved to the trash", removed->len), removed->len);
  AdwToast *toast = _gui_window_create_toast (title);

  if (self->undo_toast != NULL)
    {
      g_autoptr(AdwToast) old = g_object_ref (self->undo_toast);

      adw_toast_dismiss (old);
    }
  adw_toast_set_button_label (toast, _("_Undo"));
  adw_toast_set_action_name (toast, "win.undo");
  adw_toast_set_priority (toast, ADW_TOAST_PRIORITY_HIGH); /* not after whatever else there is to say */
  g_object_set_data_full (G_OBJECT (toast), "removed", g_ptr_array_ref (removed), (GDestroyNotify) g_ptr_array_unref);
  g_signal_connect_object (toast, "dismissed", G_CALLBACK (dismissed_cb), self, 0);
  self->undo_toast = g_object_ref (toast);
  self->removed = g_ptr_array_ref (removed);
  adw_toast_overlay_add_toast (self->toasts, toast);
}

void
_gui_window_trash (GuiWindow *self)
{
  g_autoptr(GPtrArray) pictures = _gui_window_get_pictures (self);

  for (guint i = 0; i < pictures->len; i++)
    {
      gui_history_remove (gui_session_get_history (self->session), g_ptr_array_index (pictures, i));
      gui_studio_forget (self->studio, g_ptr_array_index (pictures, i));
    }
  offer_undo (self, pictures);
  _gui_window_actions_update (self);
}

void
_gui_window_undo (GuiWindow *self)
{
  g_autoptr(GPtrArray) removed = g_steal_pointer (&self->removed);
  g_autoptr(AdwToast) toast = g_steal_pointer (&self->undo_toast);

  for (guint i = 0; i < removed->len; i++)
    gui_history_restore (gui_session_get_history (self->session), g_ptr_array_index (removed, i));
  adw_toast_dismiss (toast);
  _gui_window_actions_update (self);
}
