/* server-guard.h: who may ask for what
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

#define SERVER_BODY_MAX (1 << 20) /* bytes of a request: a prompt is text */

typedef struct _ServerGuard ServerGuard;

/* hosts are names beside the machine's own, origins are web sites whose pages may use the server. */
ServerGuard *server_guard_new          (const char *const  *hosts,
                                        const char *const  *origins);
void         server_guard_free         (ServerGuard        *self);
/* From now on a key is needed: one of those in the file, one to a line. */
gboolean     server_guard_read_keys    (ServerGuard        *self,
                                        const char         *path,
                                        GError            **error);
gboolean     server_guard_has_keys     (ServerGuard        *self);
/* Accepts another name of the machine. */
void         server_guard_add_host     (ServerGuard        *self,
                                        const char         *host);

/* Whether a request is for this server, and comes from no page of another site. Adds what browsers want to know. */
gboolean     server_guard_check_origin (ServerGuard        *self,
                                        SoupServerMessage  *message,
                                        GError            **error);
/* “http://localhost:11434” as the client knows it: what server_guard_check_origin () has checked, whatever other
 * headers say. (transfer full) */
char        *server_guard_get_base     (SoupServerMessage  *message);
gboolean     server_guard_check_key    (ServerGuard        *self,
                                        SoupServerMessage  *message,
                                        GError            **error);
/* Keeps no more of a body than it may have, from its headers on; whether it has more is an error. */
void         server_guard_limit_body   (SoupServerMessage  *message);
gboolean     server_guard_check_body   (SoupServerMessage  *message,
                                        GError            **error);
/* Whoever it is: the key, shortened beyond recognition, or the address. (transfer full) */
char        *server_guard_get_client   (SoupServerMessage  *message);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ServerGuard, server_guard_free)

G_END_DECLS
