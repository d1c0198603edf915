/* gui-task.h: one prompt in the queue of the application
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>
#include <zimage.h>

G_BEGIN_DECLS

#define GUI_TYPE_TASK (gui_task_get_type ())

G_DECLARE_FINAL_TYPE (GuiTask, gui_task, GUI, TASK, GObject)

GuiTask      *gui_task_new          (ZimParams    *params,
                                     const char   *model,
                                     const char   *device,
                                     gboolean      wants_preview);

ZimParams    *gui_task_get_params   (GuiTask      *self);
const char   *gui_task_get_model    (GuiTask      *self);
const char   *gui_task_get_device   (GuiTask      *self);
ZimJobState   gui_task_get_state    (GuiTask      *self);
gboolean      gui_task_is_over      (GuiTask      *self);
double        gui_task_get_fraction (GuiTask      *self);
int           gui_task_get_step     (GuiTask      *self);
GdkTexture   *gui_task_get_preview  (GuiTask      *self); /* (nullable) */
GListModel   *gui_task_get_images   (GuiTask      *self); /* of ZimImage */
const GError *gui_task_get_error    (GuiTask      *self); /* (nullable) */
const char   *gui_task_get_warning  (GuiTask      *self); /* (nullable) */
GCancellable *gui_task_get_cancellable (GuiTask   *self);
/* “Painting: step 3 of 8, 12 s left” (transfer full) */
char         *gui_task_describe     (GuiTask      *self);
void          gui_task_cancel       (GuiTask      *self);

/* The shape of the pictures, if their parameters have no size: that is the model’s then. */
void          gui_task_set_shape    (GuiTask      *self,
                                     guint         shape);

/* For generators: the task has its model and so all parameters, is running, is so far, has a preview, a picture, and
 * ends, with a warning or none, or with an error, which it takes. */
gboolean      gui_task_wants_preview (GuiTask     *self);
void          gui_task_resolve      (GuiTask      *self,
                                     ZimModel     *model);
void          gui_task_begin        (GuiTask      *self);
void          gui_task_set_progress (GuiTask      *self,
                                     ZimStage      stage,
                                     int           step,
                                     int           total,
                                     double        fraction,
                                     double        remaining);
void          gui_task_set_preview  (GuiTask      *self,
                                     GdkPixbuf    *preview);
void          gui_task_add_image    (GuiTask      *self,
                                     ZimImage     *image);
void          gui_task_finish       (GuiTask      *self,
                                     const char   *warning);
void          gui_task_fail         (GuiTask      *self,
                                     GError       *error);

G_END_DECLS
