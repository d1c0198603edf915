/* app-bus-run.h: a job of the generator on the session bus, as its callers see it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gunixfdlist.h>
#include <zimage.h>

G_BEGIN_DECLS

#define APP_TYPE_BUS_RUN (app_bus_run_get_type ())

G_DECLARE_FINAL_TYPE (AppBusRun, app_bus_run, APP, BUS_RUN, GObject)

/* ::progress (ZimStage, step, total, fraction, remaining seconds or −1) and ::preview (GdkPixbuf) are emitted in the
 * thread-default context of who runs it. */
AppBusRun   *app_bus_run_new          (void);

/* Runs a job, once; with a preview each so many steps, or with none (0). The job is this process's: it ends when the
 * process leaves the bus, however it does that, and when the cancellable is cancelled. */
void         app_bus_run_async        (AppBusRun            *self,
                                       const char           *model,
                                       ZimParams            *params,
                                       int                   preview_interval,
                                       GCancellable         *cancellable,
                                       GAsyncReadyCallback   callback,
                                       gpointer              user_data);
/* The descriptors of the pictures. The error is the generator's, or says why it could not be asked. */
GUnixFDList *app_bus_run_finish       (AppBusRun            *self,
                                       GAsyncResult         *result,
                                       GError              **error);

/* The model's full name, and what should be known about the pictures. (nullable) */
const char  *app_bus_run_get_model    (AppBusRun            *self);
const char  *app_bus_run_get_warning  (AppBusRun            *self);

/* One of the pictures. */
ZimImage    *app_bus_run_load_picture (GUnixFDList          *list,
                                       guint                 index,
                                       GError              **error);

G_END_DECLS
