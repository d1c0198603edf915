/* test-server.c: parts of the server
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <json-glib/json-glib.h>

#include "app-duration.h"
#include "app-json.h"
#include "server-connections.h"
#include "server-request.h"
#include "server-routes.h"

/* --- Routes ---------------------------------------------------------------------------------------- */

static JsonObject *
load_paths (JsonParser *parser)
{
  g_autoptr(GBytes) bytes = g_resources_lookup_data ("/io/github/zimage/server/openapi.json",
                                                     G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_autoptr(GError) error = NULL;

  json_parser_load_from_data (parser, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes), &error);
  g_assert_no_error (error);
  return json_object_get_object_member (json_node_get_object (json_parser_get_root (parser)), "paths");
}

/* What is described is served, and what is served is described. */
static void
test_openapi (void)
{
  g_autoptr(JsonParser) parser = json_parser_new ();
  JsonObject *paths = load_paths (parser);
  guint n_described = 0;
  guint n_routes;
  const ServerRoute *routes = server_routes (&n_routes);
  g_autoptr(GList) names = json_object_get_members (paths);

  for (GList *l = names; l != NULL; l = l->next)
    n_described += json_object_get_size (json_object_get_object_member (paths, l->data));
  g_assert_cmpuint (n_described, ==, n_routes);

  for (guint i = 0; i < n_routes; i++)
    {
      g_autofree char *method = g_ascii_strdown (routes[i].method, -1);
      JsonObject *operation;

      g_test_message ("%s %s", routes[i].method, routes[i].path);
      g_assert_true (json_object_has_member (paths, routes[i].path));
      operation = json_object_get_object_member (json_object_get_object_member (paths, routes[i].path), method);
      g_assert_nonnull (operation);
      /* Those without a key say so. */
      g_assert_true (json_object_has_member (operation, "security") == routes[i].is_public);
    }
}

static const struct { const char *method, *path, *route, *argument, *allowed; } route_cases[] = {
  { "GET", "/", "/" },
  { "HEAD", "/", "/" },
  { "GET", "/api/jobs/abc", "/api/jobs/{id}", "abc" },
  { "GET", "/api/jobs/abc/image/3", "/api/jobs/{id}/image/{n}", "abc" },
  { "DELETE", "/api/jobs/abc", "/api/jobs/{id}", "abc" },
  { "PUT", "/api/jobs/abc", NULL, NULL, "GET, DELETE" },
  { "GET", "/api/jobs/abc/image", NULL },
  { "GET", "/api/jobs/abc/image/3/4", NULL },
  { "GET", "/v1/models/hf.co/a/b:latest", "/v1/models/{model}", "hf.co/a/b:latest" },
  { "GET", "/v1/models/a", "/v1/models/{model}", "a" },
  { "GET", "/v1/models/", NULL },
  { "GET", "/v1", NULL },
  { "get", "/", NULL, NULL, "GET" },
  { "GET", "/api/jobs/", NULL },
  { "GET", "/api/jobs//image/1", NULL },
  { "GET", "", NULL },
  { "GET", "//", NULL },
  { "GET", "/healthz/", NULL },
  { "GET", "healthz", NULL },
};

static void
test_routes (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (route_cases); i++)
    {
      g_auto(GStrv) arguments = NULL;
      g_autofree char *allowed = NULL;
      const ServerRoute *route = server_routes_find (route_cases[i].method, route_cases[i].path, &arguments, &allowed);

      g_assert_cmpstr (route != NULL ? route->path : NULL, ==, route_cases[i].route);
      g_assert_cmpstr (arguments != NULL ? arguments[0] : NULL, ==, route_cases[i].argument);
      g_assert_cmpstr (allowed, ==, route_cases[i].allowed);
    }
}

/* --- Times ----------------------------------------------------------------------------------------- */

static const struct { const char *text; gint64 duration; } duration_cases[] = {
  { "0", 0 },
  { "90", 90 * G_TIME_SPAN_SECOND },
  { "1.5", 1500 * G_TIME_SPAN_MILLISECOND },
  { "300s", 300 * G_TIME_SPAN_SECOND },
  { "5m", 5 * G_TIME_SPAN_MINUTE },
  { "1h30m", 90 * G_TIME_SPAN_MINUTE },
  { "1h0m5s", G_TIME_SPAN_HOUR + 5 * G_TIME_SPAN_SECOND },
  { "100ms", 100 * G_TIME_SPAN_MILLISECOND },
  { "0s", 0 },
  { "-1", -1 },
  { "-5m", -1 },
};

static const char *const bad_durations[] = {
  "", "-", "m", "5x", "5 m", " 5", "+5", "1e3", "5m3", "1.2.3", ".", "5mm", "0x10", "inf", "nan", "--1",
  "99999999999999999999",
};

static void
test_durations (void)
{
  gint64 duration;

  for (guint i = 0; i < G_N_ELEMENTS (duration_cases); i++)
    {
      g_assert_true (app_parse_duration (duration_cases[i].text, &duration));
      g_assert_cmpint (duration, ==, duration_cases[i].duration);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad_durations); i++)
    {
      g_test_message ("“%s”", bad_durations[i]);
      g_assert_false (app_parse_duration (bad_durations[i], &duration));
    }
}

/* --- Requests -------------------------------------------------------------------------------------- */

static void
test_requests (void)
{
  static const char json[] = "{\"model\": \"m\", \"prompt\": \"夕日\", \"size\": \"96x64\", \"n\": 2, \"stream\": true, "
                             "\"partial_images\": 2, \"output_format\": \"webp\", \"output_compression\": 0, "
                             "\"keep_alive\": \"10s\", \"response_format\": \"url\"}";
  g_autoptr(GVariant) body = app_json_parse (json, strlen (json), NULL);
  const char *bad_field;
  g_autoptr(ServerRequest) request = server_request_read_openai (body, 0, &bad_field, NULL);

  g_assert_nonnull (request);
  g_assert_cmpstr (request->model, ==, "m");
  g_assert_cmpint (zim_params_get_width (request->params), ==, 96);
  g_assert_cmpint (zim_params_get_n_images (request->params), ==, 2);
  g_assert_cmpstr (request->format, ==, "webp");
  g_assert_cmpint (request->quality, ==, 1);
  g_assert_cmpint (request->keep_alive, ==, 10 * G_TIME_SPAN_SECOND);
  g_assert_true (request->wants_stream && request->wants_url);
  g_assert_cmpint (request->partial_images, ==, 2);
  g_assert_cmpint (request->preview_interval, ==, 1);
}

/* --- Connections ----------------------------------------------------------------------------------- */

#define LARGE (64 << 20) /* bytes: more than the system takes off our hands */

static void
large_cb (SoupServer        *soup,
          SoupServerMessage *message,
          const char        *path,
          GHashTable        *query,
          gpointer           data)
{
  soup_server_message_set_status (message, 200, NULL);
  soup_server_message_set_response (message, "text/plain", SOUP_MEMORY_TAKE, g_malloc0 (LARGE), LARGE);
}

static guint16
get_port (SoupServer *soup)
{
  GSList *uris = soup_server_get_uris (soup);
  guint16 port = (guint16) g_uri_get_port (uris->data);

  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  return port;
}

static gboolean
stop_waiting_cb (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

/* A client that asks and never reads loses its connection, and what was for it is freed. */
static void
test_takes_nothing (void)
{
  static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  g_autoptr(SoupServer) soup = soup_server_new (NULL, NULL);
  g_autoptr(ServerConnections) connections = server_connections_new (soup);
  g_autoptr(GSocketClient) client = g_socket_client_new ();
  g_autoptr(GSocketConnection) connection = NULL;
  g_autoptr(GError) error = NULL;
  gboolean is_late = FALSE;
  guint timeout_id = g_timeout_add_seconds (90, stop_waiting_cb, &is_late);

  soup_server_add_handler (soup, NULL, large_cb, NULL, NULL);
  soup_server_listen_local (soup, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  connection = g_socket_client_connect_to_host (client, "127.0.0.1", get_port (soup), NULL, &error);
  g_assert_no_error (error);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), request, strlen (request), NULL,
                             NULL, &error);
  g_assert_no_error (error);

  while (server_connections_get_n (connections) == 0 && !is_late)
    g_main_context_iteration (NULL, TRUE);
  while (server_connections_get_n (connections) > 0 && !is_late)
    g_main_context_iteration (NULL, TRUE);
  g_assert_false (is_late);
  g_source_remove (timeout_id);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/server/openapi", test_openapi);
  g_test_add_func ("/server/routes", test_routes);
  g_test_add_func ("/server/durations", test_durations);
  g_test_add_func ("/server/requests", test_requests);
  g_test_add_func ("/server/connections/takes-nothing", test_takes_nothing);
  return g_test_run ();
}
