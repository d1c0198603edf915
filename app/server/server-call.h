/* server-call.h: one request and its answer
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef struct _AppServer AppServer;

/* Whose errors the client expects. */
typedef enum {
  SERVER_DIALECT_OLLAMA, /* {"error": "…"} */
  SERVER_DIALECT_OPENAI, /* {"error": {"message": "…", "type": "…", "param": …, "code": …}} */
} ServerDialect;

typedef enum {
  SERVER_STREAM_LINES,   /* JSON, one value to a line */
  SERVER_STREAM_EVENTS,  /* server-sent events */
} ServerStream;

#define SERVER_TYPE_CALL (server_call_get_type ())

/* It lives as long as the request does, and as others hold it. ::gone is emitted if the client does not wait for the
 * end of the answer. */
G_DECLARE_FINAL_TYPE (ServerCall, server_call, SERVER, CALL, GObject)

ServerCall        *server_call_new          (AppServer          *server,
                                             SoupServerMessage  *message,
                                             ServerDialect       dialect);
AppServer         *server_call_get_server   (ServerCall         *self);
SoupServerMessage *server_call_get_message  (ServerCall         *self);
/* Whoever it is: the address, or the key once it was checked and server_call_identify () was called. */
const char        *server_call_get_client   (ServerCall         *self);
void               server_call_identify     (ServerCall         *self);
/* “http://localhost:11434” as the client knows it. (transfer full) */
char              *server_call_get_base     (ServerCall         *self);

/* A part of the path that stood for something: “{id}”. */
const char        *server_call_get_argument (ServerCall         *self,
                                             guint               index);
void               server_call_take_arguments
                                            (ServerCall         *self,
                                             char              **arguments);
/* For the log. */
void               server_call_set_job_id   (ServerCall         *self,
                                             const char         *id);
const char        *server_call_get_job_id   (ServerCall         *self);
/* What went wrong here, if it was not the client. (nullable) */
const char        *server_call_get_fault    (ServerCall         *self);
/* Of the next error: the field that is wrong. A literal. */
void               server_call_set_field    (ServerCall         *self,
                                             const char         *field);

gboolean           server_call_is_answered  (ServerCall         *self);
/* The answer comes later. Meanwhile, the client is watched. */
void               server_call_wait         (ServerCall         *self);

/* Answers. Each does nothing if the client is gone. Variants are sunk. */
void               server_call_reply_json   (ServerCall         *self,
                                             guint               status,
                                             GVariant           *value);
void               server_call_reply_bytes  (ServerCall         *self,
                                             guint               status,
                                             const char         *type,
                                             GBytes             *bytes);
void               server_call_reply_empty  (ServerCall         *self,
                                             guint               status);
/* An error; in the middle of a stream its last event. */
void               server_call_fail         (ServerCall         *self,
                                             const GError       *error);
/* Reads a string that has to be there and not empty, under either of two names. Otherwise answers and is FALSE. */
gboolean           server_call_need_text    (ServerCall         *self,
                                             GVariant           *body,
                                             const char         *field,
                                             const char         *old_field, /* (nullable) */
                                             char              **text);

void               server_call_begin_stream (ServerCall         *self,
                                             ServerStream        kind);
gboolean           server_call_is_streaming (ServerCall         *self);
/* Whether the client reads too slowly to be sent what is not needed. */
gboolean           server_call_is_behind    (ServerCall         *self);
void               server_call_send         (ServerCall         *self,
                                             const char         *event, /* (nullable) */
                                             GVariant           *value);
/* The same of what is JSON already; takes it. */
void               server_call_send_json    (ServerCall         *self,
                                             const char         *event, /* (nullable) */
                                             char               *json);
void               server_call_end_stream   (ServerCall         *self);

G_END_DECLS
