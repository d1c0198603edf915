/* gui-canvas.h: shows a picture, large or small
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define GUI_TYPE_CANVAS (gui_canvas_get_type ())

G_DECLARE_FINAL_TYPE (GuiCanvas, gui_canvas, GUI, CANVAS, GtkWidget)

/* The description is what a screen reader says of it. */
void       gui_canvas_set_picture   (GuiCanvas     *self,
                                     GdkPaintable  *picture,
                                     const char    *description);
/* A second picture, to compare with: it is seen right of the split, 0 to 1. */
void       gui_canvas_set_other     (GuiCanvas     *self,
                                     GdkPaintable  *other);
void       gui_canvas_set_split     (GuiCanvas     *self,
                                     double         split);
GdkPaintable *gui_canvas_get_picture (GuiCanvas    *self); /* (nullable) */
/* What is dragged out of it while all of the picture is seen; NULL for nothing. */
void       gui_canvas_set_content   (GuiCanvas     *self,
                                     GdkContentProvider *content);
/* Something else is about to be shown. */
void       gui_canvas_set_busy      (GuiCanvas     *self,
                                     gboolean       busy);

/* Device pixels for a pixel of the picture; 0 makes it fit. */
void       gui_canvas_set_zoom      (GuiCanvas     *self,
                                     double         zoom);
double     gui_canvas_get_zoom      (GuiCanvas     *self); /* as it is seen, never 0 */
gboolean   gui_canvas_is_fitting    (GuiCanvas     *self);
/* A step nearer (positive) or farther. */
void       gui_canvas_zoom_by       (GuiCanvas     *self,
                                     int            steps);

G_END_DECLS
