/* gui-window.h: the window of the application
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "gui-session.h"

G_BEGIN_DECLS

#define GUI_TYPE_WINDOW (gui_window_get_type ())

G_DECLARE_FINAL_TYPE (GuiWindow, gui_window, GUI, WINDOW, AdwApplicationWindow)

GuiWindow *gui_window_new          (GtkApplication  *application,
                                    GuiSession      *session);
void       gui_window_set_accels   (GtkApplication  *application);
/* “studio”, “history” or “models” */
void       gui_window_show_view    (GuiWindow       *self,
                                    const char      *view);
/* An empty prompt, ready to be typed. */
void       gui_window_new_image    (GuiWindow       *self);
/* As if the prompt had been typed and the button pressed. */
void       gui_window_generate     (GuiWindow       *self,
                                    const char      *prompt);
void       gui_window_show_picture (GuiWindow       *self,
                                    const char      *path);
/* Takes over the parameters in a picture file. */
void       gui_window_import       (GuiWindow       *self,
                                    const char      *path);

G_END_DECLS
