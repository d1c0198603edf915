/* server-listen.h: where the server listens
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* The sockets that systemd has passed, of which there may be none. NULL for an error. (element-type GSocket)
 * (transfer full) */
GPtrArray *server_listen_inherit     (GError     **error);
/* Sockets on all addresses of a host. (element-type GSocket) (transfer full) */
GPtrArray *server_listen_open        (const char  *host,
                                      guint16      port,
                                      GError     **error);
/* Whether others than this machine can reach one of them. */
gboolean   server_listen_is_exposed  (GPtrArray   *sockets);
/* “127.0.0.1:11434” (transfer full) */
char      *server_listen_describe    (GSocket     *socket);
/* Tells systemd, if it wants to know: “READY=1”. */
void       server_listen_notify      (const char  *state);

G_END_DECLS
