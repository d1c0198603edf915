/* gui-generator.h: what paints: the library, in this process, or the generator on the session bus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "gui-task.h"

G_BEGIN_DECLS

#define GUI_TYPE_GENERATOR (gui_generator_get_type ())

G_DECLARE_FINAL_TYPE (GuiGenerator, gui_generator, GUI, GENERATOR, GObject)

/* The property “remote” says which of them it is. */
GuiGenerator *gui_generator_new       (void);

/* Opens a model to know its defaults, and to begin sooner: the property “model” is it then. If it is open already, and
 * not another under that name, nothing happens. NULL: none. */
void          gui_generator_prepare   (GuiGenerator *self,
                                       const char   *model,
                                       const char   *device);
ZimModel     *gui_generator_get_model (GuiGenerator *self); /* (nullable) */
/* Why the model could not be prepared (nullable) */
const GError *gui_generator_get_error (GuiGenerator *self);

/* Begins a task, which tells the rest. */
void          gui_generator_run       (GuiGenerator *self,
                                       GuiTask      *task);

G_END_DECLS
