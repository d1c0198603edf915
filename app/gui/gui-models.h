/* gui-models.h: the page of the models
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "gui-session.h"

G_BEGIN_DECLS

#define GUI_TYPE_MODELS (gui_models_get_type ())

G_DECLARE_FINAL_TYPE (GuiModels, gui_models, GUI, MODELS, AdwBin)

void gui_models_set_session (GuiModels   *self,
                             GuiSession  *session);
/* Says what it takes, and if the user agrees gets the model from the network. */
void gui_models_pull        (GuiModels   *self,
                             const char  *name);
/* Puts files, or the one folder, into the store under a name. */
void gui_models_create      (GuiModels   *self,
                             const char  *name,
                             const char *const *paths);
/* Asks which files, or which folder, and for the name. */
void gui_models_choose      (GuiModels   *self,
                             gboolean     is_folder);
void gui_models_remove      (GuiModels   *self,
                             const char  *name);

G_END_DECLS
