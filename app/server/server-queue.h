/* server-queue.h: the one queue of all jobs, and the results that wait to be fetched
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "server-job.h"
#include "server-metrics.h"
#include "server-models.h"

G_BEGIN_DECLS

typedef struct
{
  guint  max_waiting;
  guint  max_per_client; /* jobs of one client that wait or run */
  double max_work;       /* millions of pixels, times steps, times pictures */
  guint  max_results;
  gint64 result_time;    /* microseconds */
} ServerLimits;

#define SERVER_TYPE_QUEUE (server_queue_get_type ())

/* ::idle is emitted when the last job is over. */
G_DECLARE_FINAL_TYPE (ServerQueue, server_queue, SERVER, QUEUE, GObject)

ServerQueue *server_queue_new           (ServerModels        *models,
                                         ServerMetrics       *metrics, /* outlives the queue */
                                         const ServerLimits  *limits);

/* Whether there is room for one more of a client. */
gboolean     server_queue_check         (ServerQueue         *self,
                                         const char          *client,
                                         GError             **error);
/* Puts a job at the end. */
gboolean     server_queue_add           (ServerQueue         *self,
                                         ServerJob           *job,
                                         GError             **error);
/* One that waits, runs or has results. (nullable) (transfer none) */
ServerJob   *server_queue_find          (ServerQueue         *self,
                                         const char          *id);
/* Ends a job, or forgets the results of one that is over. */
void         server_queue_cancel        (ServerQueue         *self,
                                         ServerJob           *job);
/* Takes no more jobs. */
void         server_queue_close         (ServerQueue         *self);
void         server_queue_cancel_all    (ServerQueue         *self);
gboolean     server_queue_is_idle       (ServerQueue         *self);
guint        server_queue_get_n_waiting (ServerQueue         *self);
guint        server_queue_get_n_running (ServerQueue         *self);
/* Seconds that the results of a job are still kept. */
double       server_queue_get_kept      (ServerQueue         *self,
                                         ServerJob           *job);

G_END_DECLS
