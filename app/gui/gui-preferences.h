/* gui-preferences.h: the window of the preferences
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "gui-session.h"

G_BEGIN_DECLS

#define GUI_TYPE_PREFERENCES (gui_preferences_get_type ())

G_DECLARE_FINAL_TYPE (GuiPreferences, gui_preferences, GUI, PREFERENCES, AdwPreferencesWindow)

GtkWidget *gui_preferences_new (GuiSession *session);

G_END_DECLS
