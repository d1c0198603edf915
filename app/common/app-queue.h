/* app-queue.h: the one queue of all jobs, and the results that wait to be fetched
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "app-job.h"
#include "app-models.h"

G_BEGIN_DECLS

/* Why a job was not taken, or did not run. */
typedef enum {
  APP_QUEUE_ERROR_CLOSED,    /* no more jobs are taken */
  APP_QUEUE_ERROR_FULL,
  APP_QUEUE_ERROR_TOO_MANY,  /* the client has as many as one may have */
  APP_QUEUE_ERROR_TOO_LARGE, /* the job */
} AppQueueError;

#define APP_QUEUE_ERROR (app_queue_error_quark ())

typedef struct
{
  guint  max_waiting;
  guint  max_per_client; /* jobs of one client that wait or run */
  double max_work;       /* millions of pixels, times steps, times pictures */
  guint  max_results;
  gint64 result_time;    /* microseconds */
} AppLimits;

#define APP_TYPE_QUEUE (app_queue_get_type ())

/* ::idle is emitted when the last job is over, ::over with each job that is, ::refused when there was no room for one,
 * and ::forgotten with each job whose results are no longer kept. */
G_DECLARE_FINAL_TYPE (AppQueue, app_queue, APP, QUEUE, GObject)

GQuark    app_queue_error_quark   (void);
AppQueue *app_queue_new           (AppModels        *models,
                                   const AppLimits  *limits);

/* Whether there is room for one more of a client. */
gboolean  app_queue_check         (AppQueue         *self,
                                   const char       *client,
                                   GError          **error);
/* Puts a job where its client's turn is. */
gboolean  app_queue_add           (AppQueue         *self,
                                   AppJob           *job,
                                   GError          **error);
/* One that waits, runs or has results. (nullable) (transfer none) */
AppJob   *app_queue_find          (AppQueue         *self,
                                   const char       *id);
/* Ends a job, or forgets the results of one that is over. */
void      app_queue_cancel        (AppQueue         *self,
                                   AppJob           *job);
/* Takes no more jobs. */
void      app_queue_close         (AppQueue         *self);
void      app_queue_cancel_all    (AppQueue         *self);
gboolean  app_queue_is_idle       (AppQueue         *self);
guint     app_queue_get_n_waiting (AppQueue         *self);
guint     app_queue_get_n_running (AppQueue         *self);
/* Seconds that the results of a job are still kept. */
double    app_queue_get_kept      (AppQueue         *self,
                                   AppJob           *job);

G_END_DECLS
