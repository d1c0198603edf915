/* app-client.c: a server on the network, as its clients see it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-client.h"

#include <glib/gi18n.h>
#include <libsoup/soup.h>
#include <string.h>
#include <zimage.h>

#include "app-json.h"
#include "app-params.h"

#define HOST "127.0.0.1"

struct _AppClient
{
  SoupSession *session;
  char        *url; /* without a slash at its end */
};

/* --- Addresses ------------------------------------------------------------------------------------- */

/* “[::1]:5”, “::1”, “host:5”: the host and what follows its colon, which may be NULL. */
static void
split_port (const char  *text,
            char       **host,
            const char **port)
{
  const char *end = *text == '[' ? strchr (text, ']') : NULL;
  const char *colon = strrchr (end != NULL ? end : text, ':');

  /* More than one colon without brackets is an address of IPv6. */
  if (colon != NULL && end == NULL && strchr (text, ':') != colon)
    colon = NULL;
  *port = colon != NULL ? colon + 1 : NULL;
  if (end != NULL)
    *host = g_strndup (text + 1, (gsize) (end - text - 1));
  else
    *host = colon != NULL ? g_strndup (text, (gsize) (colon - text)) : g_strdup (text);
}

gboolean
app_host_parse (const char  *text,
                gboolean    *is_https,
                char       **host,
                guint16     *port,
                GError     **error)
{
  g_autofree char *rest = NULL;
  g_autofree char *name = NULL;
  const char *port_text;
  guint64 number = APP_CLIENT_PORT;
  gboolean is_http = g_str_has_prefix (text, "http://");

  *is_https = g_str_has_prefix (text, "https://");
  rest = g_strdup (text + (is_http ? 7 : *is_https ? 8 : 0));
  if (g_str_has_suffix (rest, "/"))
    rest[strlen (rest) - 1] = '\0';
  split_port (rest, &name, &port_text);
  if (strpbrk (name, "/@?# ") != NULL ||
      (port_text != NULL && !g_ascii_string_to_unsigned (port_text, 10, 0, G_MAXUINT16, &number, NULL)))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   _("“%s” is no server, expected an address like “127.0.0.1:11434”"), text);
      return FALSE;
    }

  *host = *name != '\0' ? g_steal_pointer (&name) : g_strdup (HOST);
  *port = (guint16) number;
  return TRUE;
}

AppClient *
app_client_new (const char  *host,
                GError     **error)
{
  g_autofree char *name = NULL;
  AppClient *self;
  gboolean is_https;
  guint16 port;

  if (!app_host_parse (host, &is_https, &name, &port, error))
    return NULL;

  self = g_new0 (AppClient, 1);
  self->session = soup_session_new ();
  /* A picture takes as long as it takes. */
  soup_session_set_timeout (self->session, 0);
  self->url = g_strdup_printf (strchr (name, ':') != NULL ? "%s://[%s]:%u" : "%s://%s:%u",
                               is_https ? "https" : "http", name, port);
  return self;
}

void
app_client_free (AppClient *self)
{
  g_object_unref (self->session);
  g_free (self->url);
  g_free (self);
}

const char *
app_client_get_url (AppClient *self)
{
  return self->url;
}

/* --- Requests -------------------------------------------------------------------------------------- */

static SoupMessage *
make_message (AppClient  *self,
              const char *method,
              const char *path,
              GVariant   *body)
{
  g_autofree char *uri = g_strconcat (self->url, path, NULL);
  const char *key = g_getenv ("ZIMAGE_API_KEY");
  SoupMessage *message = soup_message_new (method, uri);

  if (key != NULL && *key != '\0')
    {
      g_autofree char *value = g_strconcat ("Bearer ", key, NULL);

      soup_message_headers_replace (soup_message_get_request_headers (message), "Authorization", value);
    }
  if (body != NULL)
    {
      char *json = app_variant_to_json_line (body);
      g_autoptr(GBytes) bytes = g_bytes_new_take (json, strlen (json));

      soup_message_set_request_body_from_bytes (message, "application/json", bytes);
    }
  return message;
}

static GBytes *
read_all (GInputStream  *stream,
          GError       **error)
{
  g_autoptr(GOutputStream) memory = g_memory_output_stream_new_resizable ();

  if (g_output_stream_splice (memory, stream, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, error) < 0)
    return NULL;
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

static int
get_code (guint status)
{
  if (status == 404)
    return ZIM_ERROR_NOT_FOUND;
  return status == 400 || status == 422 ? ZIM_ERROR_INVALID_PARAMS : ZIM_ERROR_FAILED;
}

/* The words of an error in either form. (nullable) (transfer full) */
static char *
find_words (GVariant *answer)
{
  g_autoptr(GVariant) error = app_dict_lookup (answer, "error");
  g_autofree char *words = NULL;

  if (error != NULL && g_variant_is_of_type (error, G_VARIANT_TYPE_VARDICT))
    app_dict_read_text (error, "message", &words, NULL);
  else
    app_dict_read_text (answer, "error", &words, NULL);
  return g_steal_pointer (&words);
}

static void
set_refusal (SoupMessage   *message,
             GInputStream  *stream,
             GError       **error)
{
  guint status = soup_message_get_status (message);
  g_autoptr(GBytes) bytes = read_all (stream, NULL);
  g_autoptr(GVariant) answer = NULL;
  g_autofree char *words = NULL;

  if (bytes != NULL)
    answer = app_json_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), NULL);
  if (answer != NULL && g_variant_is_of_type (answer, G_VARIANT_TYPE_VARDICT))
    words = find_words (answer);
  if (words != NULL)
    g_set_error_literal (error, ZIM_ERROR, get_code (status), words);
  else
    g_set_error (error, ZIM_ERROR, get_code (status), _("The server answered %u %s"),
                 status, soup_message_get_reason_phrase (message));
}

/* Whether there is an answer and no refusal. */
static gboolean
check_answer (AppClient     *self,
              SoupMessage   *message,
              GInputStream  *stream,
              GError       **error)
{
  if (stream == NULL)
    {
      if (error != NULL && !g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_prefix_error (error, _("Failed to reach the server %s: "), self->url);
      return FALSE;
    }
  if (SOUP_STATUS_IS_SUCCESSFUL (soup_message_get_status (message)))
    return TRUE;

  set_refusal (message, stream, error);
  return FALSE;
}

typedef struct
{
  AppClient   *client;
  SoupMessage *message;
} Send;

static void
send_free (Send *send)
{
  g_object_unref (send->message);
  g_free (send);
}

static void
sent_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      data)
{
  g_autoptr(GTask) task = data;
  Send *send = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr(GInputStream) stream = soup_session_send_finish (SOUP_SESSION (source), result, &error);

  if (check_answer (send->client, send->message, stream, &error))
    g_task_return_pointer (task, g_steal_pointer (&stream), g_object_unref);
  else
    g_task_return_error (task, error);
}

void
app_client_send_async (AppClient           *self,
                       const char          *method,
                       const char          *path,
                       GVariant            *body,
                       GCancellable        *cancellable,
                       GAsyncReadyCallback  callback,
                       gpointer             user_data)
{
  GTask *task = g_task_new (self->session, cancellable, callback, user_data);
  Send *send = g_new0 (Send, 1);

  send->client = self;
  send->message = make_message (self, method, path, body);
  g_task_set_task_data (task, send, (GDestroyNotify) send_free);
  soup_session_send_async (self->session, send->message, G_PRIORITY_DEFAULT, cancellable, sent_cb, task);
}

GInputStream *
app_client_send_finish (AppClient     *self,
                        GAsyncResult  *result,
                        GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

GVariant *
app_client_ask (AppClient   *self,
                const char  *method,
                const char  *path,
                GVariant    *body,
                GError     **error)
{
  g_autoptr(SoupMessage) message = make_message (self, method, path, body);
  g_autoptr(GInputStream) stream = soup_session_send (self->session, message, NULL, error);
  g_autoptr(GBytes) bytes = NULL;
  g_autoptr(GVariant) answer = NULL;

  if (!check_answer (self, message, stream, error))
    return NULL;
  bytes = read_all (stream, error);
  if (bytes == NULL)
    return NULL;
  if (g_bytes_get_size (bytes) == 0)
    return g_variant_ref_sink (g_variant_new ("a{sv}", NULL));

  answer = app_json_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error);
  if (answer == NULL || g_variant_is_of_type (answer, G_VARIANT_TYPE_VARDICT))
    return g_steal_pointer (&answer);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_FAILED, _("The server %s speaks another language"), self->url);
  return NULL;
}
