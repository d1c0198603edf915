/* gui-thumb.h: a small picture of the history
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "gui-picture.h"

G_BEGIN_DECLS

#define GUI_TYPE_THUMB (gui_thumb_get_type ())

G_DECLARE_FINAL_TYPE (GuiThumb, gui_thumb, GUI, THUMB, AdwBin)

GtkWidget  *gui_thumb_new         (void);
/* NULL shows nothing, and what is being read for it is no longer waited for. */
void        gui_thumb_set_picture (GuiThumb    *self,
                                   GuiPicture  *picture);
const char *gui_thumb_get_name    (GuiThumb    *self); /* what the picture is called (nullable) */

G_END_DECLS
