/* server-routes.h: which paths are served
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "server-handlers.h"

G_BEGIN_DECLS

typedef struct
{
  const char    *method;
  const char    *path;        /* “{…}” stands for one part, which is an argument */
  ServerHandler  handler;
  ServerDialect  dialect;
  gboolean       is_public;   /* no key is needed */
} ServerRoute;

const ServerRoute *server_routes       (guint        *n_routes);

/* The route of a request. Otherwise NULL; allowed is then what the path has methods for, “GET, DELETE”, or NULL.
 * HEAD is like GET. */
const ServerRoute *server_routes_find  (const char   *method,
                                        const char   *path,
                                        char       ***arguments, /* (out) (transfer full) */
                                        char        **allowed);  /* (out) (transfer full) */
ServerDialect      server_routes_guess (const char   *path);

G_END_DECLS
