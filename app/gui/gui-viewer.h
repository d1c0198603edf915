/* gui-viewer.h: one picture with what it was made of, or two to compare
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "gui-canvas.h"
#include "gui-picture.h"

G_BEGIN_DECLS

#define GUI_TYPE_VIEWER (gui_viewer_get_type ())

G_DECLARE_FINAL_TYPE (GuiViewer, gui_viewer, GUI, VIEWER, AdwBin)

/* other is NULL if there is nothing to compare with. */
void        gui_viewer_show        (GuiViewer   *self,
                                    GuiPicture  *picture,
                                    GuiPicture  *other);
GuiPicture *gui_viewer_get_picture (GuiViewer   *self); /* (nullable) */
gboolean    gui_viewer_is_comparing (GuiViewer  *self);
GuiCanvas  *gui_viewer_get_canvas  (GuiViewer   *self);

G_END_DECLS
