/* server-request.h: what a request asks to be made
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

typedef struct
{
  char       *model;          /* as it was asked for; NULL for any */
  ZimParams  *params;
  const char *format;         /* a literal: “png”, “jpeg” or “webp” */
  int         quality;        /* 0 for the usual one */
  gboolean    wants_url;
  gboolean    wants_stream;
  int         partial_images; /* −1 if they are not mentioned */
  int         preview_interval;
  gint64      keep_alive;     /* microseconds; negative: for ever */
} ServerRequest;

/* Each reads the members of an object (a{sv}), in the words of one API. keep_alive is what counts if nothing is said
 * about it. Errors name the field, which bad_field then is too if it is a single one. */
ServerRequest *server_request_read_openai (GVariant       *body,
                                           gint64          keep_alive,
                                           const char    **bad_field,
                                           GError        **error);
ServerRequest *server_request_read_ollama (GVariant       *body,
                                           gint64          keep_alive,
                                           const char    **bad_field,
                                           GError        **error);
ServerRequest *server_request_read_job    (GVariant       *body,
                                           gint64          keep_alive,
                                           const char    **bad_field,
                                           GError        **error);
void           server_request_free        (ServerRequest  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ServerRequest, server_request_free)

G_END_DECLS
