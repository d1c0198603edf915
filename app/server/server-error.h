/* server-error.h: what errors are called on the network
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The server's own errors. Their codes are HTTP's statuses. */
#define SERVER_ERROR (server_error_quark ())

#define SERVER_STATUS_CANCELLED 499 /* no standard, but what Ollama and nginx say */

GQuark      server_error_quark       (void);

/* The status of an error of the server or of the library. */
guint       server_error_get_status  (const GError *error);
/* OpenAI's “type” and “code”. */
const char *server_error_get_type    (guint         status);
const char *server_error_get_code    (const GError *error); /* (nullable) */
/* After how many seconds it is worth another try, or 0. */
guint       server_error_get_retry   (guint         status);

G_END_DECLS
