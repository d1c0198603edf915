/* test-server.c: parts of the server
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <json-glib/json-glib.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "app-duration.h"
#include "app-json.h"
#include "server-call.h"
#include "server-connections.h"
#include "server-private.h"
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

/* --- Answers --------------------------------------------------------------------------------------- */

#define PICTURE_SIZE 1024        /* pixels */
#define CPU_MAX 0.005            /* seconds of the thread that answers, for a request */
#define ANSWERS 5

static double
get_cpu_seconds (void)
{
  struct timespec time;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &time);
  return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static GVariant *
make_text (GBytes *bytes)
{
  GVariantBuilder dict = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&dict, "{sv}", "created", g_variant_new_int64 (1));
  g_variant_builder_add (&dict, "{sv}", "b64_json", g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE));
  g_variant_builder_add (&dict, "{sv}", "seed", g_variant_new_int64 (2));
  return g_variant_builder_end (&dict);
}

static void
assert_part (GPtrArray  *parts,
             guint       index,
             const char *text)
{
  gsize size;
  const char *data = g_bytes_get_data (parts->pdata[index], &size);

  g_assert_cmpmem (data, size, text, strlen (text));
}

/* A picture's text is in an answer as it is: it is neither read nor copied. */
static void
test_parts (void)
{
  g_autoptr(GBytes) bytes = g_bytes_new_static ("QUJD", 4);
  g_autoptr(GVariant) dict = g_variant_ref_sink (make_text (bytes));
  g_autoptr(GPtrArray) parts = app_variant_to_json_parts (dict);
  g_autofree char *whole = app_variant_to_json_line (dict);

  g_assert_cmpuint (parts->len, ==, 3);
  assert_part (parts, 0, "{\"created\":1,\"b64_json\":\"");
  g_assert_true (g_bytes_get_data (parts->pdata[1], NULL) == g_bytes_get_data (bytes, NULL));
  assert_part (parts, 2, "\",\"seed\":2}");
  g_assert_cmpstr (whole, ==, "{\"created\":1,\"b64_json\":\"QUJD\",\"seed\":2}");
}

/* Base64 of a PNG that cannot be compressed. */
static GBytes *
make_large_text (void)
{
  g_autoptr(GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, PICTURE_SIZE, PICTURE_SIZE);
  guchar *pixels = gdk_pixbuf_get_pixels (pixbuf);
  g_autoptr(GRand) random = g_rand_new_with_seed (1);
  g_autofree char *data = NULL;
  gsize size;
  char *text;

  for (gsize i = 0; i < gdk_pixbuf_get_byte_length (pixbuf); i++)
    pixels[i] = (guchar) g_rand_int (random);
  g_assert_true (gdk_pixbuf_save_to_buffer (pixbuf, &data, &size, "png", NULL, "compression", "1", NULL));
  g_assert_cmpuint (size, >, 3 * PICTURE_SIZE * PICTURE_SIZE);
  text = g_base64_encode ((const guchar *) data, size);
  return g_bytes_new_take (text, strlen (text));
}

static void
answer_cb (SoupServer        *soup,
           SoupServerMessage *message,
           const char        *path,
           GHashTable        *query,
           gpointer           data)
{
  AppServer server = { 0 };
  g_autoptr(ServerCall) call = server_call_new (&server, message, SERVER_DIALECT_OPENAI);

  if (g_str_equal (path, "/whole"))
    {
      server_call_reply_json (call, 200, make_text (data));
      return;
    }
  server_call_begin_stream (call, SERVER_STREAM_EVENTS);
  server_call_send (call, "done", make_text (data));
  server_call_end_stream (call);
}

typedef struct
{
  guint16     port;
  const char *path;
  gsize       n_bytes; /* that were read */
  gint        is_over;
} Download;

static gpointer
download_in_thread (gpointer data)
{
  Download *download = data;
  g_autofree char *request = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                                              download->path);
  g_autoptr(GSocketClient) client = g_socket_client_new ();
  g_autoptr(GSocketConnection) connection = g_socket_client_connect_to_host (client, "127.0.0.1", download->port, NULL,
                                                                             NULL);
  g_autofree char *buffer = g_malloc (1 << 16);
  gssize n;

  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), request, strlen (request), NULL,
                             NULL, NULL);
  while ((n = g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)), buffer, 1 << 16, NULL,
                                   NULL)) > 0)
    download->n_bytes += (gsize) n;
  g_atomic_int_set (&download->is_over, 1);
  g_main_context_wakeup (NULL);
  return NULL;
}

/* The main thread's time for a request whose answer is a picture of 1024 × 1024. */
static double
measure_answer (guint16     port,
                const char *path,
                gsize       size)
{
  Download download = { port, path, 0, 0 };
  GThread *thread = g_thread_new ("client", download_in_thread, &download);
  double start = get_cpu_seconds ();

  while (!g_atomic_int_get (&download.is_over))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  g_assert_cmpuint (download.n_bytes, >, size);
  return get_cpu_seconds () - start;
}

static void
test_large_answers (void)
{
  static const char *const paths[] = { "/whole", "/stream" };
  g_autoptr(SoupServer) soup = soup_server_new (NULL, NULL);
  g_autoptr(GBytes) text = make_large_text ();
  g_autoptr(GError) error = NULL;

  soup_server_add_handler (soup, NULL, answer_cb, text, NULL);
  soup_server_listen_local (soup, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      double seconds = G_MAXDOUBLE;

      /* Others on the machine make it longer, too, never shorter. */
      for (guint j = 0; j < ANSWERS; j++)
        seconds = MIN (seconds, measure_answer (get_port (soup), paths[i], g_bytes_get_size (text)));
      g_test_message ("%s: %.2f ms for %" G_GSIZE_FORMAT " bytes", paths[i], seconds * 1000, g_bytes_get_size (text));
      g_assert_cmpfloat (seconds, <, CPU_MAX);
    }
}

/* --- Packets --------------------------------------------------------------------------------------- */

#define EVENTS 3

static void
stream_cb (SoupServer        *soup,
           SoupServerMessage *message,
           const char        *path,
           GHashTable        *query,
           gpointer           data)
{
  static AppServer server;
  ServerCall **call = data;

  *call = server_call_new (&server, message, SERVER_DIALECT_OPENAI);
  server_call_begin_stream (*call, SERVER_STREAM_EVENTS);
}

static guint
get_n_packets (GSocket *socket)
{
  struct tcp_info info = { 0 };
  socklen_t size = sizeof info;

  g_assert_no_errno (getsockopt (g_socket_get_fd (socket), IPPROTO_TCP, TCP_INFO, &info, &size));
  return info.tcpi_data_segs_out;
}

static gboolean
is_held (GSocket *socket)
{
  int value = -1;

  g_assert_true (g_socket_get_option (socket, IPPROTO_TCP, TCP_CORK, &value, NULL));
  return value != 0;
}

/* An event is one packet, and does not wait for the next one. */
static void
test_packets (void)
{
  g_autoptr(SoupServer) soup = soup_server_new (NULL, NULL);
  g_autoptr(ServerCall) call = NULL;
  g_autoptr(GSocket) socket = NULL;
  g_autoptr(GError) error = NULL;
  Download download = { 0, "/", 0, 0 };
  GThread *thread;
  guint n = 0;

  soup_server_add_handler (soup, NULL, stream_cb, &call, NULL);
  soup_server_listen_local (soup, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  download.port = get_port (soup);
  thread = g_thread_new ("client", download_in_thread, &download);
  while (call == NULL)
    g_main_context_iteration (NULL, TRUE);
  socket = g_object_ref (soup_server_message_get_socket (server_call_get_message (call)));

  /* The headers are one, too. */
  for (guint i = 0; i <= EVENTS; i++)
    {
      while (get_n_packets (socket) == n)
        g_main_context_iteration (NULL, TRUE);
      n++;
      g_assert_cmpuint (get_n_packets (socket), ==, n);
      g_assert_false (is_held (socket));
      if (i < EVENTS)
        server_call_send_json (call, "progress", g_strdup ("{}"));
    }

  server_call_end_stream (call);
  while (!g_atomic_int_get (&download.is_over))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
}

/* --- Results --------------------------------------------------------------------------------------- */

#define MEBIBYTE ((gsize) 1 << 20)

/* A job that is over at once, with a picture of some size, which nobody ever looks into. */
static AppJob *
run_job (AppQueue *queue,
         gsize     size)
{
  static const char nothing[1];
  g_autoptr(ZimParams) params = zim_params_new ("a cat");
  AppJob *job = app_job_new ("somebody", "absent:latest", params);
  g_autoptr(GError) error = NULL;

  job->is_kept = TRUE;
  job->pictures = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_ptr_array_add (job->pictures, g_bytes_new_static (nothing, size));
  app_queue_add (queue, job, &error);
  g_assert_no_error (error);
  while (!app_job_is_over (job))
    g_main_context_iteration (NULL, TRUE);
  return job;
}

static void
count_cb (AppQueue *queue,
          AppJob   *job,
          guint    *count)
{
  *count += 1;
}

/* Results that wait to be fetched take a gibibyte at most: the oldest go. One that is larger is there all the same,
 * until the next one comes. */
static void
test_result_bytes (void)
{
  static const AppLimits limits = { 64, 64, 1e9, 64, G_TIME_SPAN_HOUR };
  static const gsize sizes[] = { 400 * MEBIBYTE, 400 * MEBIBYTE, 400 * MEBIBYTE, 100 * MEBIBYTE, 2048 * MEBIBYTE,
                                 MEBIBYTE };
  static const guint n_forgotten[] = { 0, 0, 1, 1, 4, 5 };
  g_autoptr(GListModel) devices = zim_device_list ();
  g_autoptr(ZimDevice) device = g_list_model_get_item (devices, 0);
  g_autoptr(AppModels) models = app_models_new (device, ZIM_PRECISION_AUTO, 0, 0);
  g_autoptr(AppQueue) queue = app_queue_new (models, &limits);
  g_autoptr(GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  guint n = 0;

  g_signal_connect (queue, "forgotten", G_CALLBACK (count_cb), &n);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_ptr_array_add (jobs, run_job (queue, sizes[i]));
      g_assert_cmpuint (n, ==, n_forgotten[i]);
      for (guint j = 0; j <= i; j++)
        {
          AppJob *job = jobs->pdata[j];

          g_assert_true (app_queue_find (queue, job->id) == (j < n ? NULL : job));
        }
    }
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
  g_test_add_func ("/server/answers/parts", test_parts);
  g_test_add_func ("/server/answers/large", test_large_answers);
  g_test_add_func ("/server/answers/packets", test_packets);
  g_test_add_func ("/server/results/bytes", test_result_bytes);
  return g_test_run ();
}
