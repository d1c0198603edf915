/* gui-picture.h: one picture of the history
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>
#include <zimage.h>

G_BEGIN_DECLS

#define GUI_TYPE_PICTURE (gui_picture_get_type ())

G_DECLARE_FINAL_TYPE (GuiPicture, gui_picture, GUI, PICTURE, GObject)

GuiPicture *gui_picture_new               (const char           *path,
                                           gint64                modified); /* microseconds since 1970 */
const char *gui_picture_get_path          (GuiPicture           *self);
gint64      gui_picture_get_modified      (GuiPicture           *self);
GFile      *gui_picture_get_file          (GuiPicture           *self); /* (transfer full) */
/* The newest comes first. */
int         gui_picture_compare           (const GuiPicture     *a,
                                           const GuiPicture     *b);

/* The picture at its size, and if it has them, how it was made: image is NULL otherwise (transfer full) */
void        gui_picture_load_async        (GuiPicture           *self,
                                           GCancellable         *cancellable,
                                           GAsyncReadyCallback   callback,
                                           gpointer              user_data);
GdkTexture *gui_picture_load_finish       (GuiPicture           *self,
                                           GAsyncResult         *result,
                                           ZimImage            **image,
                                           GError              **error);

/* At most so many pixels wide and high. Few at a time are read, and those that nobody waits for any more are not. */
void        gui_picture_thumbnail_async   (GuiPicture           *self,
                                           int                   size,
                                           GCancellable         *cancellable,
                                           GAsyncReadyCallback   callback,
                                           gpointer              user_data);
GdkTexture *gui_picture_thumbnail_finish  (GuiPicture           *self,
                                           GAsyncResult         *result,
                                           GError              **error);

/* For the clipboard and for dragging: the file, and if it is loaded, the picture (transfer full) */
GdkContentProvider *
            gui_picture_get_content       (GuiPicture           *self,
                                           GdkTexture           *texture);

G_END_DECLS
