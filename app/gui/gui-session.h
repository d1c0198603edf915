/* gui-session.h: what the windows share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "gui-history.h"
#include "gui-queue.h"

G_BEGIN_DECLS

#define GUI_APPLICATION_ID "io.github.zimage.Zimage"
#define GUI_DEMO_MODEL "demo" /* installed with the programs; it may be absent */

#define GUI_TYPE_SESSION (gui_session_get_type ())

G_DECLARE_FINAL_TYPE (GuiSession, gui_session, GUI, SESSION, GObject)

/* Emits “message” with what the user should know, and “picture-saved” with a GuiPicture and its ZimImage. */
GuiSession   *gui_session_new           (void);
GSettings    *gui_session_get_settings  (GuiSession  *self);
ZimStore     *gui_session_get_store     (GuiSession  *self);
GListModel   *gui_session_get_models    (GuiSession  *self); /* of GtkStringObject: names */
GListModel   *gui_session_get_devices   (GuiSession  *self); /* of ZimDevice; empty at first */
GuiGenerator *gui_session_get_generator (GuiSession  *self);
GuiQueue     *gui_session_get_queue     (GuiSession  *self);
GuiHistory   *gui_session_get_history   (GuiSession  *self);

gboolean      gui_session_has_demo      (GuiSession  *self);
/* The chosen model; if none is, the first there is, which is chosen then. NULL if there is none. (transfer full) */
char         *gui_session_choose_model  (GuiSession  *self);
void          gui_session_add_task      (GuiSession  *self,
                                         ZimParams   *params,
                                         const char  *model);
void          gui_session_tell          (GuiSession  *self,
                                         const char  *message);

G_END_DECLS
