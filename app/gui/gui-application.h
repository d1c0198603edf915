/* gui-application.h: the application
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "gui-session.h"

G_BEGIN_DECLS

#define GUI_TYPE_APPLICATION (gui_application_get_type ())

G_DECLARE_FINAL_TYPE (GuiApplication, gui_application, GUI, APPLICATION, AdwApplication)

GuiApplication *gui_application_new         (void);
GuiSession     *gui_application_get_session (GuiApplication *self);

G_END_DECLS
