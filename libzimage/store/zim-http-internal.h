/* zim-http-internal.h: what the files of the HTTP client share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libsoup/soup.h>

#include "store/zim-http-private.h"

G_BEGIN_DECLS

typedef enum {
  ZIM_OUTCOME_OK,
  ZIM_OUTCOME_AGAIN, /* there is hope */
  ZIM_OUTCOME_FAILED,
} ZimOutcome;

/* One answer: its headers have come, its body has not. */
typedef struct {
  SoupMessage  *message;
  GInputStream *body;
} ZimAnswer;

void        zim_answer_clear     (ZimAnswer      *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ZimAnswer, zim_answer_clear)

/* What is wanted of a file. end 0: all that is behind begin, and everything if that is 0 too. */
typedef struct {
  const char *accept; /* (nullable) */
  guint64     begin;
  guint64     end;
} ZimWish;

/* The first answer that is no redirect. authorization, which may be NULL, goes to the host of home and to no other. */
ZimOutcome  zim_http_ask_uri     (ZimServer      *self,
                                  GUri           *home,
                                  const char     *authorization,
                                  const ZimWish  *wish,
                                  ZimAnswer      *answer,
                                  GCancellable   *cancellable,
                                  GError        **error);

/* The same for a path of the server, with a token, if need be of those that the server sends its clients for. */
ZimOutcome  zim_http_ask         (ZimServer      *self,
                                  const char     *path,
                                  const ZimWish  *wish,
                                  ZimAnswer      *answer,
                                  GCancellable   *cancellable,
                                  GError        **error);

/* A connection that fails or stalls may work the next time. */
ZimOutcome  zim_http_fail        (const char     *what,
                                  GError         *failure, /* taken */
                                  GError        **error);

gboolean    zim_http_is_same_host (GUri          *a,
                                   GUri          *b);

/* What a request to the server carries at present. (transfer full) (nullable) */
char       *zim_http_token_get   (ZimServer      *self);

/* Whether it is one that a token from elsewhere answers. */
gboolean    zim_http_token_can_renew (GUri       *home,
                                      const char *challenge);

/* Gets another token from where the challenge says, unless used is none that is carried any more: then another thread
 * has just done so. */
ZimOutcome  zim_http_token_renew (ZimServer      *self,
                                  GUri           *home,
                                  const char     *challenge,
                                  const char     *used, /* (nullable) */
                                  GCancellable   *cancellable,
                                  GError        **error);

G_END_DECLS
