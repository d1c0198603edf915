/* gui-history.h: the pictures in the user's folder
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "gui-picture.h"

G_BEGIN_DECLS

#define GUI_TYPE_HISTORY (gui_history_get_type ())

G_DECLARE_FINAL_TYPE (GuiHistory, gui_history, GUI, HISTORY, GObject)

/* Emits “failed” with a message when a picture cannot be moved to the trash, and comes back. */
GuiHistory *gui_history_new         (void);
GListModel *gui_history_get_list    (GuiHistory           *self); /* of GuiPicture, the newest first */
const char *gui_history_get_folder  (GuiHistory           *self);
/* Reads a folder in a thread, and from then on hears of what changes in it. */
void        gui_history_set_folder  (GuiHistory           *self,
                                     const char           *folder);
gboolean    gui_history_is_loading  (GuiHistory           *self);
char       *gui_history_default_folder (void);

/* Saves a picture under a name of its own: its GuiPicture (transfer full) */
void        gui_history_save_async  (GuiHistory           *self,
                                     ZimImage             *image,
                                     GAsyncReadyCallback   callback,
                                     gpointer              user_data);
GuiPicture *gui_history_save_finish (GuiHistory           *self,
                                     GAsyncResult         *result,
                                     GError              **error);

/* Takes a picture away. Until it is discarded, or the history goes, the file stays and it can be restored. */
void        gui_history_remove      (GuiHistory           *self,
                                     GuiPicture           *picture);
void        gui_history_restore     (GuiHistory           *self,
                                     GuiPicture           *picture);
void        gui_history_discard     (GuiHistory           *self,
                                     GuiPicture           *picture);
/* Discards all that are removed, at once. */
void        gui_history_flush       (GuiHistory           *self);

G_END_DECLS
