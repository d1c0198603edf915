/* gui-studio.h: the page on which pictures are made
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "gui-canvas.h"
#include "gui-options.h"

G_BEGIN_DECLS

#define GUI_TYPE_STUDIO (gui_studio_get_type ())

G_DECLARE_FINAL_TYPE (GuiStudio, gui_studio, GUI, STUDIO, AdwBin)

void        gui_studio_set_session  (GuiStudio    *self,
                                     GuiSession   *session);
char       *gui_studio_get_prompt   (GuiStudio    *self); /* stripped (transfer full) */
void        gui_studio_set_prompt   (GuiStudio    *self,
                                     const char   *prompt);
void        gui_studio_focus_prompt (GuiStudio    *self);
/* Whether “generate” has what it needs. */
gboolean    gui_studio_can_generate (GuiStudio    *self);
void        gui_studio_generate     (GuiStudio    *self);
/* The prompt and parameters of a picture. */
void        gui_studio_reuse        (GuiStudio    *self,
                                     ZimImage     *image);
/* An empty page for a new prompt. */
void        gui_studio_clear        (GuiStudio    *self);
/* Shows a picture no more, or any if it is NULL. */
void        gui_studio_forget       (GuiStudio    *self,
                                     GuiPicture   *picture);
GuiOptions *gui_studio_get_options  (GuiStudio    *self);
/* The picture that is seen, unless it is only a preview. (nullable) */
GuiPicture *gui_studio_get_picture  (GuiStudio    *self);
GuiCanvas  *gui_studio_get_canvas   (GuiStudio    *self); /* (nullable) if no picture is seen */

G_END_DECLS
