/* server-metrics.h: what the server counts, in Prometheus' text format
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "app-job.h"

G_BEGIN_DECLS

typedef struct _ServerMetrics ServerMetrics;

/* What is not counted but looked up when somebody asks. */
typedef struct
{
  guint   n_waiting;
  guint   n_running;
  guint   n_connections;
  guint   n_models;
  guint64 model_bytes;
} ServerGauges;

ServerMetrics *server_metrics_new         (void);
void           server_metrics_free        (ServerMetrics      *self);

void           server_metrics_add_request (ServerMetrics      *self,
                                           const char         *route,
                                           guint               status,
                                           double              seconds);
/* One that is over. */
void           server_metrics_add_job     (ServerMetrics      *self,
                                           AppJob             *job);
void           server_metrics_add_refusal (ServerMetrics      *self);
/* Call it from the thread that serves, whose time is told. (transfer full) */
char          *server_metrics_to_text     (ServerMetrics      *self,
                                           const ServerGauges *gauges);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ServerMetrics, server_metrics_free)

G_END_DECLS
