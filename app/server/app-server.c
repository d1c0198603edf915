/* app-server.c: the library over the network
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-server.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <string.h>

#include "app-fault.h"
#include "app-format.h"
#include "app-json.h"
#include "server-error.h"
#include "server-listen.h"
#include "server-log.h"
#include "server-private.h"
#include "server-routes.h"

#define LAST_GRACE (5 * G_TIME_SPAN_SECOND) /* for answers to be written when nothing goes on any more */

/* What is noted on a message, from its headers to its end. */
#define CALL "zimage-call"
#define ROUTE "zimage-route"
#define STARTED "zimage-started"

/* --- Requests -------------------------------------------------------------------------------------- */

/* The object that a request has in its body; empty if there is no body. (nullable) (transfer full) */
static GVariant *
parse_body (SoupServerMessage  *message,
            GError            **error)
{
  g_autoptr(GBytes) bytes = soup_message_body_flatten (soup_server_message_get_request_body (message));
  g_autoptr(GVariant) value = NULL;
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  if (size == 0)
    return g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  value = app_json_parse (data, size, error);
  if (value == NULL)
    return NULL;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    return g_steal_pointer (&value);

  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("The request is not a JSON object"));
  return NULL;
}

static void
fail_route (ServerCall *call,
            const char *method,
            const char *path,
            const char *allowed)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (server_call_get_message (call));
  g_autoptr(GError) error = NULL;

  if (allowed == NULL)
    error = g_error_new (SERVER_ERROR, 404, _("There is no “%.200s” here; /openapi.json lists what there is"), path);
  else
    {
      soup_message_headers_replace (headers, "Allow", allowed);
      error = g_error_new (SERVER_ERROR, 405, _("“%.20s” is no method of “%.200s”, expected %s"),
                           method, path, allowed);
    }
  server_call_fail (call, error);
}

static gboolean
is_preflight (SoupServerMessage *message)
{
  return g_str_equal (soup_server_message_get_method (message), "OPTIONS") &&
         soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Origin") != NULL;
}

/* Whoever has a key is told apart by it from others at the same address. */
static gboolean
check_key (AppServer         *self,
           ServerCall        *call,
           const ServerRoute *route,
           GError           **error)
{
  if (route->is_public)
    return TRUE;
  if (!server_guard_check_key (self->guard, server_call_get_message (call), error))
    return FALSE;

  server_call_identify (call);
  return TRUE;
}

static void
check_request (AppServer         *self,
               ServerCall        *call,
               SoupServerMessage *message,
               const char        *path)
{
  const char *method = soup_server_message_get_method (message);
  g_autofree char *allowed = NULL;
  g_autoptr(GError) error = NULL;
  char **arguments = NULL;
  const ServerRoute *route = server_routes_find (method, path, &arguments, &allowed);

  if (route != NULL)
    {
      server_call_take_arguments (call, arguments);
      g_object_set_data (G_OBJECT (message), ROUTE, (gpointer) route);
    }
  if (!server_guard_check_origin (self->guard, message, &error))
    server_call_fail (call, error);
  else if (is_preflight (message))
    server_call_reply_empty (call, 204);
  else if (route == NULL)
    fail_route (call, method, path, allowed);
  else if (!check_key (self, call, route, &error) || !server_guard_check_body (message, &error))
    server_call_fail (call, error);
}

static void
finished_cb (SoupServerMessage *message,
             AppServer         *self)
{
  ServerCall *call = g_object_get_data (G_OBJECT (message), CALL);
  const ServerRoute *route = g_object_get_data (G_OBJECT (message), ROUTE);
  const gint64 *started = g_object_get_data (G_OBJECT (message), STARTED);
  guint status = soup_server_message_get_status (message);
  double seconds = (double) (g_get_monotonic_time () - *started) / G_TIME_SPAN_SECOND;
  g_autofree char *status_text = g_strdup_printf ("%u", status);
  g_autofree char *milliseconds = app_format_number (seconds * 1000, 1);

  server_log ("request", "method", soup_server_message_get_method (message),
              "path", g_uri_get_path (soup_server_message_get_uri (message)),
              "status", status_text, "ms", milliseconds, "client", server_call_get_client (call),
              "job", server_call_get_job_id (call), "error", server_call_get_fault (call), NULL);
  server_metrics_add_request (self->metrics, route != NULL ? route->path : "other", status, seconds);
  self->n_calls--;
  if (self->is_stopping && self->n_calls == 0)
    g_main_loop_quit (self->loop);
}

/* When the headers are there. */
static void
early_cb (SoupServer        *soup,
          SoupServerMessage *message,
          const char        *path,
          GHashTable        *query,
          gpointer           data)
{
  AppServer *self = data;
  SoupMessageHeaders *headers;
  ServerCall *call;
  gint64 *started = g_new (gint64, 1);

  *started = g_get_monotonic_time ();
  g_object_set_data_full (G_OBJECT (message), STARTED, started, g_free);
  self->n_calls++;
  server_guard_limit_body (message);
  call = server_call_new (self, message, server_routes_guess (path));
  g_object_set_data_full (G_OBJECT (message), CALL, call, g_object_unref);
  g_signal_connect (message, "finished", G_CALLBACK (finished_cb), self);
  headers = soup_server_message_get_response_headers (message);
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  if (self->is_stopping)
    soup_message_headers_replace (headers, "Connection", "close");
  check_request (self, call, message, path);
}

/* When all of it is there. */
static void
request_cb (SoupServer        *soup,
            SoupServerMessage *message,
            const char        *path,
            GHashTable        *query,
            gpointer           data)
{
  ServerCall *call = g_object_get_data (G_OBJECT (message), CALL);
  const ServerRoute *route = g_object_get_data (G_OBJECT (message), ROUTE);
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) body = NULL;

  /* What comes with a GET has no meaning. */
  if (g_str_equal (route->method, "GET"))
    body = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  else if (server_guard_check_body (message, &error))
    body = parse_body (message, &error);
  if (body != NULL)
    route->handler (call, body);
  else
    server_call_fail (call, error);
}

/* --- Stopping -------------------------------------------------------------------------------------- */

static gboolean
give_up_cb (gpointer data)
{
  AppServer *self = data;

  self->grace_id = 0;
  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

/* Whatever goes on ends, and whoever waits is told so. */
static gboolean
cancel_all_cb (gpointer data)
{
  AppServer *self = data;

  g_clear_handle_id (&self->grace_id, g_source_remove);
  self->grace_id = g_timeout_add (LAST_GRACE / G_TIME_SPAN_MILLISECOND, give_up_cb, self);
  g_cancellable_cancel (self->stopped);
  app_queue_cancel_all (self->queue);
  if (self->n_calls == 0)
    g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

static void
idle_cb (AppQueue  *queue,
         AppServer *self)
{
  if (self->is_stopping)
    cancel_all_cb (self);
}

/* New connections are refused; those of systemd, which would lose its socket, are told that the server is stopping. */
static void
stop_listening (AppServer *self)
{
  for (guint i = 0; self->sockets != NULL && i < self->sockets->len; i++)
    g_socket_shutdown (self->sockets->pdata[i], TRUE, TRUE, NULL);
}

static gboolean
stop_cb (gpointer data)
{
  AppServer *self = data;

  if (self->is_stopping)
    {
      cancel_all_cb (self);
      return G_SOURCE_CONTINUE;
    }

  self->is_stopping = TRUE;
  server_log ("stop", "signal", "received", NULL);
  server_listen_notify ("STOPPING=1");
  stop_listening (self);
  app_queue_close (self->queue);
  if (app_queue_is_idle (self->queue))
    cancel_all_cb (self);
  else
    self->grace_id = g_timeout_add ((guint) (self->grace / G_TIME_SPAN_MILLISECOND), cancel_all_cb, self);
  return G_SOURCE_CONTINUE;
}

/* --- Starting -------------------------------------------------------------------------------------- */

static gboolean
set_up_guard (AppServer               *self,
              const AppServerOptions  *options,
              GError                 **error)
{
  self->guard = server_guard_new (options->hosts, options->origins);
  /* A name that it was told to listen on is its own. */
  server_guard_add_host (self->guard, options->host);
  server_guard_add_host (self->guard, g_get_host_name ());
  return options->key_file == NULL || server_guard_read_keys (self->guard, options->key_file, error);
}

static gboolean
set_up_models (AppServer               *self,
               const AppServerOptions  *options,
               GError                 **error)
{
  self->models = app_models_new (options->device, options->precision, options->memory, options->keep_alive);
  for (guint i = 0; options->models != NULL && options->models[i] != NULL; i++)
    if (!app_models_add (self->models, options->models[i], error))
      return FALSE;

  return TRUE;
}

static void
set_up_queue (AppServer              *self,
              const AppServerOptions *options)
{
  const AppLimits limits = {
    options->max_waiting, options->max_per_client > 0 ? options->max_per_client : G_MAXUINT, options->max_work,
    options->max_results, options->result_time
  };

  self->metrics = server_metrics_new ();
  self->queue = app_queue_new (self->models, &limits);
  g_signal_connect_swapped (self->queue, "over", G_CALLBACK (server_metrics_add_job), self->metrics);
  g_signal_connect_swapped (self->queue, "refused", G_CALLBACK (server_metrics_add_refusal), self->metrics);
}

static gboolean
set_up_tls (AppServer               *self,
            const AppServerOptions  *options,
            GError                 **error)
{
  g_autoptr(GTlsCertificate) certificate = NULL;

  if (options->tls_certificate == NULL)
    return TRUE;
  certificate = g_tls_certificate_new_from_files (options->tls_certificate,
                                                  options->tls_key != NULL ? options->tls_key
                                                                           : options->tls_certificate,
                                                  error);
  if (certificate == NULL)
    {
      g_prefix_error (error, "%s: ", options->tls_certificate);
      return FALSE;
    }

  soup_server_set_tls_certificate (self->soup, certificate);
  return TRUE;
}

static void
announce (AppServer *self,
          GSocket   *socket)
{
  g_autofree char *address = server_listen_describe (socket);
  const char *scheme = soup_server_is_https (self->soup) ? "https" : "http";
  g_autofree char *url = g_strconcat (scheme, "://", address, NULL);

  server_log ("listen", "url", url,
              "device", zim_device_get_name (app_models_get_device (self->models)), NULL);
}

static gboolean
check_exposure (AppServer               *self,
                const AppServerOptions  *options,
                GPtrArray               *sockets,
                GError                 **error)
{
  if (!server_listen_is_exposed (sockets) || server_guard_has_keys (self->guard) || options->insecure)
    return TRUE;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
               _("Everybody on the network could use the server on %s; --api-key-file asks them for a key, --insecure "
                 "lets them"), options->host);
  return FALSE;
}

static gboolean
listen_on (AppServer               *self,
           const AppServerOptions  *options,
           GError                 **error)
{
  g_autoptr(GPtrArray) inherited = server_listen_inherit (error);
  g_autoptr(GPtrArray) sockets = NULL;

  if (inherited == NULL)
    return FALSE;
  if (inherited->len > 0)
    sockets = g_ptr_array_ref (inherited);
  else
    {
      sockets = server_listen_open (options->host, options->port, error);
      if (sockets == NULL)
        return FALSE;
      self->sockets = g_ptr_array_ref (sockets);
    }
  if (!check_exposure (self, options, sockets, error))
    return FALSE;

  for (guint i = 0; i < sockets->len; i++)
    {
      SoupServerListenOptions flags = soup_server_is_https (self->soup) ? SOUP_SERVER_LISTEN_HTTPS : 0;

      if (!soup_server_listen_socket (self->soup, sockets->pdata[i], flags, error))
        return FALSE;
      announce (self, sockets->pdata[i]);
    }
  return TRUE;
}

AppServer *
app_server_new (const AppServerOptions  *options,
                GError                 **error)
{
  g_autoptr(AppServer) self = g_new0 (AppServer, 1);

  self->grace = options->grace;
  self->stopped = g_cancellable_new ();
  self->loop = g_main_loop_new (NULL, FALSE);
  self->soup = soup_server_new ("server-header", "zimage/" ZIM_VERSION_STRING, NULL);
  self->connections = server_connections_new (self->soup);
  app_fault_watch ();
  /* They stay ours: one that comes while the process ends is not to kill it. */
  g_unix_signal_add (SIGINT, stop_cb, self);
  g_unix_signal_add (SIGTERM, stop_cb, self);
  soup_server_add_early_handler (self->soup, NULL, early_cb, self, NULL);
  soup_server_add_handler (self->soup, NULL, request_cb, self, NULL);

  if (!set_up_guard (self, options, error) || !set_up_models (self, options, error))
    return NULL;
  set_up_queue (self, options);
  if (!set_up_tls (self, options, error) || !listen_on (self, options, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
app_server_free (AppServer *self)
{
  g_clear_handle_id (&self->grace_id, g_source_remove);
  g_clear_pointer (&self->connections, server_connections_free);
  soup_server_disconnect (self->soup);
  g_clear_object (&self->soup);
  g_clear_object (&self->queue);
  g_clear_object (&self->models);
  g_clear_pointer (&self->metrics, server_metrics_free);
  g_clear_pointer (&self->guard, server_guard_free);
  g_clear_pointer (&self->sockets, g_ptr_array_unref);
  g_object_unref (self->stopped);
  g_main_loop_unref (self->loop);
  g_free (self);
}

void
app_server_run (AppServer *self)
{
  g_signal_connect (self->queue, "idle", G_CALLBACK (idle_cb), self);
  server_listen_notify ("READY=1");
  g_main_loop_run (self->loop);
}
