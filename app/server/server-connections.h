/* server-connections.h: how many connections there are, and how long they may say nothing
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef struct _ServerConnections ServerConnections;

/* Closes connections of a server over which no request comes in time, and those that are too many. */
ServerConnections *server_connections_new   (SoupServer        *soup);
void               server_connections_free  (ServerConnections *self);
guint              server_connections_get_n (ServerConnections *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ServerConnections, server_connections_free)

G_END_DECLS
