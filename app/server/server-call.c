/* server-call.c: one request and its answer
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "server-call.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <zimage.h>

#include "app-json.h"
#include "app-params.h"
#include "server-error.h"
#include "server-guard.h"

#define BEHIND 4     /* parts that the client has not taken */
#define HEARTBEAT 15 /* seconds between signs of life in a stream of events: proxies end what is silent */

struct _ServerCall
{
  GObject            parent_instance;

  AppServer         *server;
  SoupServerMessage *message;    /* NULL once it is finished */
  ServerDialect      dialect;
  char             **arguments;
  char              *client;
  char              *job_id;
  char              *fault;      /* what went wrong here, or NULL */
  const char        *field;
  gboolean           is_waiting;
  gboolean           is_answered; /* what is missing is only to be written */
  gboolean           is_streaming;
  ServerStream       stream;
  guint              n_unwritten; /* parts of a stream */
  guint              watch_id;
  guint              heartbeat_id;
};

G_DEFINE_FINAL_TYPE (ServerCall, server_call, G_TYPE_OBJECT)

enum {
  GONE,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
stop_watching (ServerCall *self)
{
  g_clear_handle_id (&self->watch_id, g_source_remove);
  g_clear_handle_id (&self->heartbeat_id, g_source_remove);
}

static void
server_call_finalize (GObject *object)
{
  ServerCall *self = SERVER_CALL (object);

  stop_watching (self);
  g_clear_object (&self->message);
  g_strfreev (self->arguments);
  g_free (self->client);
  g_free (self->job_id);
  g_free (self->fault);
  G_OBJECT_CLASS (server_call_parent_class)->finalize (object);
}

static void
server_call_class_init (ServerCallClass *class)
{
  G_OBJECT_CLASS (class)->finalize = server_call_finalize;
  signals[GONE] = g_signal_new ("gone", SERVER_TYPE_CALL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
server_call_init (ServerCall *self)
{
}

static void
leave (ServerCall *self)
{
  gboolean was_waiting = self->is_waiting && !self->is_answered;

  stop_watching (self);
  self->is_answered = TRUE;
  if (was_waiting)
    g_signal_emit (self, signals[GONE], 0);
}

static void
finished_cb (SoupServerMessage *message,
             ServerCall        *self)
{
  g_autoptr(ServerCall) kept = g_object_ref (self);

  g_signal_handlers_disconnect_by_data (message, self);
  leave (self);
  g_clear_object (&self->message);
  /* The message's reference. */
  g_object_unref (self);
}

/* libsoup writes a part in three: its size, itself, and its end. Each would be a packet of its own. */
static void
hold_back (ServerCall *self,
           gboolean    is_held)
{
  GSocket *socket = soup_server_message_get_socket (self->message);

  if (socket != NULL && g_socket_get_family (socket) != G_SOCKET_FAMILY_UNIX)
    g_socket_set_option (socket, IPPROTO_TCP, TCP_CORK, is_held, NULL);
}

static void
wrote_chunk_cb (SoupServerMessage *message,
                ServerCall        *self)
{
  if (self->n_unwritten > 0 && --self->n_unwritten == 0)
    hold_back (self, FALSE);
}

ServerCall *
server_call_new (AppServer         *server,
                 SoupServerMessage *message,
                 ServerDialect      dialect)
{
  ServerCall *self = g_object_new (SERVER_TYPE_CALL, NULL);

  self->server = server;
  self->message = g_object_ref (message);
  self->dialect = dialect;
  self->client = server_guard_get_client (message);
  g_signal_connect (message, "finished", G_CALLBACK (finished_cb), g_object_ref (self));
  g_signal_connect (message, "wrote-chunk", G_CALLBACK (wrote_chunk_cb), self);
  return self;
}

void
server_call_identify (ServerCall *self)
{
  g_free (self->client);
  self->client = server_guard_get_client (self->message);
}

AppServer *
server_call_get_server (ServerCall *self)
{
  return self->server;
}

SoupServerMessage *
server_call_get_message (ServerCall *self)
{
  return self->message;
}

const char *
server_call_get_client (ServerCall *self)
{
  return self->client;
}

char *
server_call_get_base (ServerCall *self)
{
  return server_guard_get_base (self->message);
}

const char *
server_call_get_argument (ServerCall *self,
                          guint       index)
{
  return self->arguments[index];
}

void
server_call_take_arguments (ServerCall  *self,
                            char       **arguments)
{
  self->arguments = arguments;
}

void
server_call_set_job_id (ServerCall *self,
                        const char *id)
{
  g_free (self->job_id);
  self->job_id = g_strdup (id);
}

const char *
server_call_get_job_id (ServerCall *self)
{
  return self->job_id;
}

const char *
server_call_get_fault (ServerCall *self)
{
  return self->fault;
}

void
server_call_set_field (ServerCall *self,
                       const char *field)
{
  self->field = field;
}

gboolean
server_call_is_answered (ServerCall *self)
{
  return self->is_answered;
}

static gboolean
hung_up_cb (int          fd,
            GIOCondition condition,
            gpointer     data)
{
  g_autoptr(ServerCall) self = g_object_ref (data);

  self->watch_id = 0;
  leave (self);
  /* Nobody reads it, but it ends the request. */
  if (self->message != NULL)
    {
      if (!self->is_streaming)
        soup_server_message_set_status (self->message, SERVER_STATUS_CANCELLED, "Client Closed Request");
      else
        soup_message_body_complete (soup_server_message_get_response_body (self->message));
      soup_server_message_unpause (self->message);
    }
  return G_SOURCE_REMOVE;
}

void
server_call_wait (ServerCall *self)
{
  GSocket *socket = soup_server_message_get_socket (self->message);

  if (self->is_waiting || self->is_answered)
    return;
  self->is_waiting = TRUE;
  soup_server_message_pause (self->message);
  /* libsoup looks at a paused connection only when it writes. */
  if (socket != NULL)
    self->watch_id = g_unix_fd_add (g_socket_get_fd (socket), (GIOCondition) POLLRDHUP | G_IO_HUP | G_IO_ERR,
                                    hung_up_cb, self);
}

/* --- Whole answers --------------------------------------------------------------------------------- */

/* Whether there is still somebody to answer, who is then answered. */
static gboolean
answer (ServerCall *self)
{
  if (self->is_answered)
    return FALSE;
  self->is_answered = TRUE;
  stop_watching (self);
  return TRUE;
}

static void
reply (ServerCall *self,
       guint       status,
       const char *type,
       GPtrArray  *parts)
{
  SoupMessageBody *body = soup_server_message_get_response_body (self->message);
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (self->message);

  soup_server_message_set_status (self->message, status,
                                  status == SERVER_STATUS_CANCELLED ? "Client Closed Request" : NULL);
  if (type != NULL)
    soup_message_headers_replace (headers, "Content-Type", type);
  for (guint i = 0; parts != NULL && i < parts->len; i++)
    soup_message_body_append_bytes (body, parts->pdata[i]);
  if (self->is_waiting)
    soup_server_message_unpause (self->message);
}

void
server_call_reply_bytes (ServerCall *self,
                         guint       status,
                         const char *type,
                         GBytes     *bytes)
{
  g_autoptr(GPtrArray) parts = g_ptr_array_new ();

  g_ptr_array_add (parts, bytes);
  if (answer (self))
    reply (self, status, type, parts);
}

void
server_call_reply_empty (ServerCall *self,
                         guint       status)
{
  if (answer (self))
    reply (self, status, NULL, NULL);
}

void
server_call_reply_json (ServerCall *self,
                        guint       status,
                        GVariant   *value)
{
  g_autoptr(GPtrArray) parts = app_variant_to_json_parts (value);

  if (answer (self))
    reply (self, status, "application/json; charset=utf-8", parts);
}

/* --- Errors ---------------------------------------------------------------------------------------- */

static GVariant *
maybe_string (const char *text)
{
  return g_variant_new_maybe (G_VARIANT_TYPE_STRING, text != NULL ? g_variant_new_string (text) : NULL);
}

static GVariant *
make_openai_error (ServerCall   *self,
                   const GError *error,
                   const char   *message)
{
  GVariantBuilder inner;
  GVariantBuilder dict;

  g_variant_builder_init (&inner, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&inner, "message", "s", message);
  app_dict_add (&inner, "type", "s", server_error_get_type (server_error_get_status (error)));
  app_dict_add_value (&inner, "param", maybe_string (self->field));
  app_dict_add_value (&inner, "code", maybe_string (server_error_get_code (error)));
  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add_value (&dict, "error", g_variant_builder_end (&inner));
  return g_variant_builder_end (&dict);
}

static GVariant *
make_error (ServerCall   *self,
            const GError *error)
{
  g_autofree char *message = g_utf8_make_valid (error->message, -1);
  GVariantBuilder dict;

  if (self->dialect == SERVER_DIALECT_OPENAI)
    return make_openai_error (self, error, message);

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "error", "s", message);
  return g_variant_builder_end (&dict);
}

static void
add_retry (ServerCall *self,
           guint       status)
{
  guint retry = server_error_get_retry (status);
  g_autofree char *seconds = g_strdup_printf ("%u", retry);

  if (retry > 0)
    soup_message_headers_replace (soup_server_message_get_response_headers (self->message), "Retry-After", seconds);
}

void
server_call_fail (ServerCall   *self,
                  const GError *error)
{
  guint status = server_error_get_status (error);

  if (self->is_answered)
    return;
  /* What the client has done wrong is the client's, and may be what it is not to be told of in a log. */
  if (status >= 500 && self->fault == NULL)
    self->fault = g_strdup (error->message);
  if (self->is_streaming)
    {
      server_call_send (self, self->stream == SERVER_STREAM_EVENTS ? "error" : NULL, make_error (self, error));
      server_call_end_stream (self);
      return;
    }

  add_retry (self, status);
  server_call_reply_json (self, status, make_error (self, error));
}

static gboolean
read_text (GVariant    *body,
           const char  *field,
           char       **text,
           GError     **error)
{
  if (field != NULL && !app_dict_read_text (body, field, text, error))
    return FALSE;
  if (*text != NULL && **text == '\0')
    g_clear_pointer (text, g_free);
  return TRUE;
}

gboolean
server_call_need_text (ServerCall  *self,
                       GVariant    *body,
                       const char  *field,
                       const char  *old_field,
                       char       **text)
{
  g_autofree char *old_text = NULL;
  g_autoptr(GError) error = NULL;

  if (read_text (body, field, text, &error) && read_text (body, old_field, &old_text, &error))
    {
      if (*text == NULL)
        *text = g_steal_pointer (&old_text);
      if (*text != NULL)
        return TRUE;
      error = g_error_new (ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Field “%s” is missing"), field);
    }

  server_call_fail (self, error);
  return FALSE;
}

/* --- Streams --------------------------------------------------------------------------------------- */

static void
send_part (ServerCall *self,
           GBytes     *part)
{
  if (self->n_unwritten == 0)
    hold_back (self, TRUE);
  self->n_unwritten++;
  soup_message_body_append_bytes (soup_server_message_get_response_body (self->message), part);
  /* Paused by us, it goes on a round of the main loop earlier than when libsoup waits. */
  soup_server_message_pause (self->message);
  soup_server_message_unpause (self->message);
}

static gboolean
heartbeat_cb (gpointer data)
{
  static const char sign[] = ": still here\n\n";
  g_autoptr(GBytes) part = g_bytes_new_static (sign, strlen (sign));
  ServerCall *self = data;

  if (self->n_unwritten == 0)
    send_part (self, part);
  return G_SOURCE_CONTINUE;
}

void
server_call_begin_stream (ServerCall   *self,
                          ServerStream  kind)
{
  SoupMessageHeaders *headers;
  gboolean is_old;

  if (self->is_answered)
    return;
  headers = soup_server_message_get_response_headers (self->message);
  is_old = soup_server_message_get_http_version (self->message) == SOUP_HTTP_1_0;
  self->is_streaming = TRUE;
  self->stream = kind;
  soup_server_message_set_status (self->message, 200, NULL);
  soup_message_headers_set_encoding (headers, is_old ? SOUP_ENCODING_EOF : SOUP_ENCODING_CHUNKED);
  soup_message_headers_replace (headers, "Content-Type",
                                kind == SERVER_STREAM_EVENTS ? "text/event-stream" : "application/x-ndjson");
  /* Proxies should pass on each part as it comes. */
  soup_message_headers_replace (headers, "Cache-Control", "no-cache");
  soup_message_headers_replace (headers, "X-Accel-Buffering", "no");
  soup_message_body_set_accumulate (soup_server_message_get_response_body (self->message), FALSE);
  server_call_wait (self);
  if (kind == SERVER_STREAM_EVENTS)
    self->heartbeat_id = g_timeout_add_seconds (HEARTBEAT, heartbeat_cb, self);
  soup_server_message_unpause (self->message);
}

gboolean
server_call_is_streaming (ServerCall *self)
{
  return self->is_streaming;
}

gboolean
server_call_is_behind (ServerCall *self)
{
  return self->n_unwritten >= BEHIND;
}

/* Puts text around a part. */
static void
enclose (GPtrArray  *parts,
         guint       index,
         const char *before,
         const char *after)
{
  GBytes *part = parts->pdata[index];
  GString *text = g_string_new (before);

  g_string_append_len (text, g_bytes_get_data (part, NULL), (gssize) g_bytes_get_size (part));
  g_string_append (text, after);
  g_bytes_unref (part);
  parts->pdata[index] = g_string_free_to_bytes (text);
}

void
server_call_send (ServerCall *self,
                  const char *event,
                  GVariant   *value)
{
  g_autoptr(GPtrArray) parts = app_variant_to_json_parts (value);
  g_autofree char *head = event != NULL ? g_strdup_printf ("event: %s\ndata: ", event) : g_strdup ("data: ");
  gboolean is_event = self->stream == SERVER_STREAM_EVENTS;

  if (self->is_answered)
    return;
  enclose (parts, 0, is_event ? head : "", "");
  enclose (parts, parts->len - 1, "", is_event ? "\n\n" : "\n");
  for (guint i = 0; i < parts->len; i++)
    send_part (self, parts->pdata[i]);
}

void
server_call_send_json (ServerCall *self,
                       const char *event,
                       char       *json)
{
  g_autofree char *taken = json;
  char *text = self->stream == SERVER_STREAM_EVENTS ? g_strconcat ("event: ", event, "\ndata: ", json, "\n\n", NULL)
                                                    : g_strconcat (json, "\n", NULL);
  g_autoptr(GBytes) part = g_bytes_new_take (text, strlen (text));

  if (!self->is_answered)
    send_part (self, part);
}

void
server_call_end_stream (ServerCall *self)
{
  if (!answer (self))
    return;
  soup_message_body_complete (soup_server_message_get_response_body (self->message));
  soup_server_message_unpause (self->message);
}
