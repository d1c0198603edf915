/* cli-serve.c: “zimage serve”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#include "app-client.h"
#include "app-fields.h"
#include "app-options.h"
#include "app-server.h"
#include "cli.h"

typedef struct
{
  char    **models;
  char     *host;      /* as it was said */
  char     *listen_on; /* without its port */
  int       port; /* −1: not said */
  char     *device;
  char     *precision;
  char     *memory;
  char     *keep_alive;
  char     *grace;
  char     *key_file;
  gboolean  insecure;
  char     *tls_certificate;
  char     *tls_key;
  char    **hosts;
  char    **origins;
  int       max_waiting;
  int       max_per_client;
  double    max_work;
  int       max_results;
  char     *result_time;
} Options;

static void
options_clear (Options *options)
{
  g_strfreev (options->models);
  g_free (options->host);
  g_free (options->listen_on);
  g_free (options->device);
  g_free (options->precision);
  g_free (options->memory);
  g_free (options->keep_alive);
  g_free (options->grace);
  g_free (options->key_file);
  g_free (options->tls_certificate);
  g_free (options->tls_key);
  g_strfreev (options->hosts);
  g_strfreev (options->origins);
  g_free (options->result_time);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
add_entries (GOptionContext *context,
             Options        *options)
{
  const GOptionEntry entries[] = {
    { "host", 0, 0, G_OPTION_ARG_STRING, &options->host,
      N_("Where to listen (default: the environment’s ZIMAGE_HOST, or 127.0.0.1)"), N_("ADDRESS") },
    { "port", 0, 0, G_OPTION_ARG_INT, &options->port,
      N_("On which port (default: 11434; 0 is any free one)"), N_("NUMBER") },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options->device,
      N_("What computes; see “zimage devices” (default: the environment’s ZIM_DEVICE, or auto)"), N_("DEVICE") },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &options->precision,
      N_("Operands of the matrix products"), "auto|f32|bf16|f16" },
    { "memory", 0, 0, G_OPTION_ARG_STRING, &options->memory,
      N_("Most memory for weights and jobs, as 6GiB (default: ZIM_MEMORY_BUDGET, or what the device has)"),
      N_("SIZE") },
    { "keep-alive", 0, 0, G_OPTION_ARG_STRING, &options->keep_alive,
      N_("How long a model stays loaded after use (default: 5m; -1 is for ever)"), N_("TIME") },
    { "api-key-file", 0, 0, G_OPTION_ARG_FILENAME, &options->key_file,
      N_("Keys that clients need one of, one to a line"), N_("FILE") },
    { "insecure", 0, 0, G_OPTION_ARG_NONE, &options->insecure,
      N_("Let everybody on the network use the server without a key"), NULL },
    { "tls-certificate", 0, 0, G_OPTION_ARG_FILENAME, &options->tls_certificate,
      N_("Serve https, with this certificate (PEM)"), N_("FILE") },
    { "tls-key", 0, 0, G_OPTION_ARG_FILENAME, &options->tls_key,
      N_("Its private key, if it is in a file of its own"), N_("FILE") },
    { "allow-host", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->hosts,
      N_("Another name of this server"), N_("NAME") },
    { "allow-origin", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->origins,
      N_("A web site whose pages may use the server, like https://example.org"), N_("ORIGIN") },
    { "max-queue", 0, 0, G_OPTION_ARG_INT, &options->max_waiting,
      N_("How many jobs may wait (default: 64)"), N_("NUMBER") },
    { "max-per-client", 0, 0, G_OPTION_ARG_INT, &options->max_per_client,
      N_("How many jobs one address or key may have (default: as many as may wait)"), N_("NUMBER") },
    { "max-work", 0, 0, G_OPTION_ARG_DOUBLE, &options->max_work,
      N_("Millions of pixels × steps × pictures that a job may be (default: 2000)"), N_("NUMBER") },
    { "max-results", 0, 0, G_OPTION_ARG_INT, &options->max_results,
      N_("How many jobs’ pictures are kept to be fetched (default: 100)"), N_("NUMBER") },
    { "result-time", 0, 0, G_OPTION_ARG_STRING, &options->result_time,
      N_("How long they are kept (default: 10m)"), N_("TIME") },
    { "grace", 0, 0, G_OPTION_ARG_STRING, &options->grace,
      N_("How long jobs may go on when the server is stopped (default: 10s)"), N_("TIME") },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->models, NULL, N_("[MODEL…]") },
    G_OPTION_ENTRY_NULL
  };

  g_option_context_add_main_entries (context, entries, NULL);
}

static gboolean
read_numbers (const Options     *options,
              AppServerOptions  *server,
              GError           **error)
{
  if (!app_find_memory_budget ("--memory", options->memory, &server->memory, error) ||
      !app_option_check_range ("max-queue", options->max_waiting, 1, 100000, error) ||
      !app_option_check_range ("max-per-client", options->max_per_client, 0, 100000, error) ||
      !app_option_check_range ("max-work", options->max_work, 1e-6, 1e12, error) ||
      !app_option_check_range ("max-results", options->max_results, 0, 100000, error) ||
      !app_option_check_range ("port", options->port, 0, G_MAXUINT16, error))
    return FALSE;

  server->port = (guint16) options->port;
  server->max_waiting = (guint) options->max_waiting;
  server->max_per_client = (guint) options->max_per_client;
  server->max_work = options->max_work;
  server->max_results = (guint) options->max_results;
  return TRUE;
}

/* “--host” and “--port” before ZIMAGE_HOST, which has both. */
static gboolean
read_host (Options  *options,
           GError  **error)
{
  const char *text = options->host != NULL ? options->host : g_getenv ("ZIMAGE_HOST");
  gboolean is_https;
  guint16 port;

  if (!app_host_parse (text != NULL ? text : "", &is_https, &options->listen_on, &port, error))
    return FALSE;
  if (options->port < 0)
    options->port = port;
  return TRUE;
}

static gboolean
read_options (const Options     *options,
              AppServerOptions  *server,
              GError           **error)
{
  server->host = options->listen_on;
  server->models = (const char *const *) options->models;
  server->key_file = options->key_file;
  server->insecure = options->insecure;
  server->tls_certificate = options->tls_certificate;
  server->tls_key = options->tls_key;
  server->hosts = (const char *const *) options->hosts;
  server->origins = (const char *const *) options->origins;

  return read_numbers (options, server, error) &&
         app_option_read_time ("keep-alive", options->keep_alive, 5 * G_TIME_SPAN_MINUTE, &server->keep_alive, error) &&
         app_option_read_time ("grace", options->grace, 10 * G_TIME_SPAN_SECOND, &server->grace, error) &&
         app_option_read_time ("result-time", options->result_time, 10 * G_TIME_SPAN_MINUTE, &server->result_time,
                               error) &&
         (options->precision == NULL || app_parse_precision (options->precision, &server->precision, error));
}

static int
serve (const Options    *options,
       AppServerOptions *server_options)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimDevice) device = app_find_device (options->device, &error);
  g_autoptr(AppServer) server = NULL;

  if (device == NULL)
    return cli_report (error);
  server_options->device = device;
  server = app_server_new (server_options, &error);
  if (server == NULL)
    return cli_report (error);

  app_server_run (server);
  return CLI_EXIT_OK;
}

int
cli_serve (int    argc,
           char **argv)
{
  g_auto(Options) options = { .port = -1, .max_waiting = 64, .max_work = 2000, .max_results = 100 };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  AppServerOptions server_options = { .precision = ZIM_PRECISION_AUTO };
  g_autoptr(GError) error = NULL;

  add_entries (context, &options);
  g_option_context_set_summary (context,
    _("Serves the models of the store, and those that are named, over HTTP: a page to look at, OpenAI’s images API,\n"
      "Ollama’s API, and jobs with progress and previews. /openapi.json describes it."));
  if (!cli_parse (context, "serve", &argc, &argv))
    return CLI_EXIT_USAGE;
  if (!read_host (&options, &error) || !read_options (&options, &server_options, &error))
    return cli_usage_error ("serve", error->message);

  return serve (&options, &server_options);
}
