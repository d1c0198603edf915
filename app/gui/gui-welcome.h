/* gui-welcome.h: what is seen as long as no model is chosen
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "gui-session.h"

G_BEGIN_DECLS

#define GUI_TYPE_WELCOME (gui_welcome_get_type ())

G_DECLARE_FINAL_TYPE (GuiWelcome, gui_welcome, GUI, WELCOME, AdwBin)

void gui_welcome_set_session (GuiWelcome  *self,
                              GuiSession  *session);

G_END_DECLS
