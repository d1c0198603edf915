/* gui-options.h: with which model and parameters the next picture is made
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "gui-session.h"

G_BEGIN_DECLS

#define GUI_TYPE_OPTIONS (gui_options_get_type ())

G_DECLARE_FINAL_TYPE (GuiOptions, gui_options, GUI, OPTIONS, AdwBin)

void       gui_options_set_session   (GuiOptions  *self,
                                      GuiSession  *session);
/* What is set, with the prompt; without a size if that is the model’s. Unless the seed is kept, a new one is drawn and
 * shown. (transfer full) */
ZimParams *gui_options_create_params (GuiOptions  *self,
                                      const char  *prompt);
/* Sets what a picture was made with, and keeps its seed. */
void       gui_options_reuse         (GuiOptions  *self,
                                      ZimParams   *params,
                                      const char  *model);
void       gui_options_draw_seed     (GuiOptions  *self);

G_END_DECLS
