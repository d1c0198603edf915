/* gui-queue.h: the prompts that wait, and the one that is painted
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "gui-generator.h"

G_BEGIN_DECLS

#define GUI_TYPE_QUEUE (gui_queue_get_type ())

G_DECLARE_FINAL_TYPE (GuiQueue, gui_queue, GUI, QUEUE, GObject)

/* A list model of GuiTask: the first one runs. Emits “task-done” with every task that has ended. */
GuiQueue *gui_queue_new         (GuiGenerator *generator);
void      gui_queue_add         (GuiQueue     *self,
                                 GuiTask      *task);
GuiTask  *gui_queue_get_current (GuiQueue     *self); /* (nullable) */
guint     gui_queue_get_length  (GuiQueue     *self);
void      gui_queue_cancel_all  (GuiQueue     *self);

G_END_DECLS
