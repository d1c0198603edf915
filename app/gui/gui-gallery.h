/* gui-gallery.h: the page of the pictures that were made
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "gui-canvas.h"
#include "gui-session.h"

G_BEGIN_DECLS

#define GUI_TYPE_GALLERY (gui_gallery_get_type ())

G_DECLARE_FINAL_TYPE (GuiGallery, gui_gallery, GUI, GALLERY, AdwBin)

void       gui_gallery_set_session  (GuiGallery  *self,
                                     GuiSession  *session);
/* Those that are selected, or the one that is open. (transfer container) */
GPtrArray *gui_gallery_get_pictures (GuiGallery  *self);
/* One alone, or two to compare. */
void       gui_gallery_open         (GuiGallery  *self,
                                     GuiPicture  *picture,
                                     GuiPicture  *other);
/* The one so many further on in the history is opened. */
void       gui_gallery_move         (GuiGallery  *self,
                                     int          by);
gboolean   gui_gallery_is_open      (GuiGallery  *self);
void       gui_gallery_focus        (GuiGallery  *self);
void       gui_gallery_close        (GuiGallery  *self);
GuiCanvas *gui_gallery_get_canvas   (GuiGallery  *self); /* (nullable) if none is open */

G_END_DECLS
