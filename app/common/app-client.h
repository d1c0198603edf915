/* app-client.h: a server on the network, as its clients see it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define APP_CLIENT_PORT 11434 /* Ollama's */

/* “host”, “host:port”, “:port”, “[::1]:port” or a URL of http or https. What is left out is 127.0.0.1 and the usual
 * port. The error is G_OPTION_ERROR_BAD_VALUE. */
gboolean      app_host_parse         (const char           *text,
                                      gboolean             *is_https,
                                      char                **host,
                                      guint16              *port,
                                      GError              **error);

typedef struct _AppClient AppClient;

/* Takes what app_host_parse () does. A key is taken from the environment: ZIMAGE_API_KEY. */
AppClient    *app_client_new         (const char           *host,
                                      GError              **error);
void          app_client_free        (AppClient            *self);
const char   *app_client_get_url     (AppClient            *self);

/* Asks, with an object (a{sv}, sunk) or nothing (NULL), and gives what is answered. What the server refuses is an error
 * of ZIM_ERROR with the server's words. */
void          app_client_send_async  (AppClient            *self,
                                      const char           *method,
                                      const char           *path,
                                      GVariant             *body,
                                      GCancellable         *cancellable,
                                      GAsyncReadyCallback   callback,
                                      gpointer              user_data);
GInputStream *app_client_send_finish (AppClient            *self,
                                      GAsyncResult         *result,
                                      GError              **error);
/* The same at once, with the JSON that is answered; empty answers are empty objects. (transfer full) */
GVariant     *app_client_ask         (AppClient            *self,
                                      const char           *method,
                                      const char           *path,
                                      GVariant             *body,
                                      GError              **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppClient, app_client_free)

G_END_DECLS
