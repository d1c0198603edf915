/* app-server.h: the library over the network
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

/* What the command line says about a server. */
typedef struct
{
  const char        *host;           /* an address or “localhost” */
  guint16            port;           /* 0 for any that is free */
  const char *const *models;         /* served beside those of the store: paths or names; or NULL */
  ZimDevice         *device;
  ZimPrecision       precision;
  guint64            memory;         /* bytes that weights and jobs may take; 0 for what the device has */
  gint64             keep_alive;     /* microseconds that weights stay; negative: for ever */
  gint64             grace;          /* microseconds that jobs may go on when it is stopped */
  const char        *key_file;       /* or NULL; so are the others */
  gboolean           insecure;       /* beyond this machine without a key */
  const char        *tls_certificate;
  const char        *tls_key;
  const char *const *hosts;
  const char *const *origins;
  guint              max_waiting;
  guint              max_per_client; /* 0 for as many as may wait */
  double             max_work;       /* millions of pixels, times steps, times pictures */
  guint              max_results;
  gint64             result_time;    /* microseconds */
} AppServerOptions;

typedef struct _AppServer AppServer;

/* Listens, on the sockets that systemd has passed if there are any. */
AppServer *app_server_new  (const AppServerOptions  *options,
                            GError                 **error);
void       app_server_free (AppServer               *self);
/* Serves until SIGINT or SIGTERM has ended it. */
void       app_server_run  (AppServer               *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppServer, app_server_free)

G_END_DECLS
