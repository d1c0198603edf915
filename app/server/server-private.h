/* server-private.h: what the parts of the server share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <libsoup/soup.h>

#include "app-models.h"
#include "app-queue.h"
#include "app-server.h"
#include "server-call.h"
#include "server-connections.h"
#include "server-guard.h"
#include "server-metrics.h"

G_BEGIN_DECLS

struct _AppServer
{
  SoupServer        *soup;
  ServerGuard       *guard;
  ServerConnections *connections;
  ServerMetrics     *metrics;
  AppModels         *models;
  AppQueue          *queue;
  GPtrArray         *sockets;    /* of GSocket: those of our own that listen */
  gint64             grace;
  GMainLoop         *loop;
  GCancellable      *stopped;    /* cancelled when whatever still goes on has to end */
  guint              n_calls;    /* requests that are not answered to their end */
  guint              n_arrivals; /* models that are on their way into the store */
  gboolean           is_stopping;
  guint              grace_id;
};

G_END_DECLS
