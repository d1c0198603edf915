/* main.c: “zimage-service”, the generator on the session bus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>

#include "app-bus-error.h"
#include "app-fault.h"
#include "app-fields.h"
#include "app-options.h"
#include "service-generator.h"

#define BUS "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define NAME_TIMEOUT 10000 /* milliseconds */
#define DO_NOT_QUEUE 4u    /* RequestName: be told that somebody else has it */
#define PRIMARY_OWNER 1u
#define LAST_GRACE 5       /* seconds that a job has to end when the program is stopped */

typedef struct
{
  char    **models;
  char     *device;
  char     *precision;
  char     *memory;
  char     *keep_alive;
  char     *idle_time;
  int       max_waiting;
  int       max_per_caller;
  double    max_work;
  char     *result_time;
  gboolean  version;
} Options;

typedef struct
{
  GMainLoop        *loop;
  GDBusConnection  *connection;
  AppModels        *models;
  AppQueue         *queue;
  ServiceGenerator *generator;
  gint64            idle_time; /* microseconds; negative: for ever */
  guint             idle_id;
  gboolean          is_stopping;
} Service;

static void
options_clear (Options *options)
{
  g_strfreev (options->models);
  g_free (options->device);
  g_free (options->precision);
  g_free (options->memory);
  g_free (options->keep_alive);
  g_free (options->idle_time);
  g_free (options->result_time);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
service_clear (Service *self)
{
  g_clear_handle_id (&self->idle_id, g_source_remove);
  g_clear_object (&self->generator);
  g_clear_object (&self->queue);
  g_clear_object (&self->models);
  if (self->connection != NULL)
    g_dbus_connection_flush_sync (self->connection, NULL, NULL);
  g_clear_object (&self->connection);
  g_clear_pointer (&self->loop, g_main_loop_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Service, service_clear)

/* --- Options --------------------------------------------------------------------------------------- */

static void
add_entries (GOptionContext *context,
             Options        *options)
{
  const GOptionEntry entries[] = {
    { "device", 0, 0, G_OPTION_ARG_STRING, &options->device,
      N_("What computes; see “zimage devices” (default: the environment’s ZIM_DEVICE, or auto)"), N_("DEVICE") },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &options->precision,
      N_("Operands of the matrix products"), "auto|f32|bf16|f16" },
    { "memory", 0, 0, G_OPTION_ARG_STRING, &options->memory,
      N_("Most memory for weights and jobs, as 6GiB (default: ZIM_MEMORY_BUDGET, or what the device has)"),
      N_("SIZE") },
    { "keep-alive", 0, 0, G_OPTION_ARG_STRING, &options->keep_alive,
      N_("How long a model stays loaded after use (default: 5m; -1 is for ever)"), N_("TIME") },
    { "idle-time", 0, 0, G_OPTION_ARG_STRING, &options->idle_time,
      N_("How long to stay when nobody needs anything (default: 10m; -1 is for ever)"), N_("TIME") },
    { "max-queue", 0, 0, G_OPTION_ARG_INT, &options->max_waiting,
      N_("How many jobs may wait (default: 64)"), N_("NUMBER") },
    { "max-per-caller", 0, 0, G_OPTION_ARG_INT, &options->max_per_caller,
      N_("How many jobs one program may have (default: 16)"), N_("NUMBER") },
    { "max-work", 0, 0, G_OPTION_ARG_DOUBLE, &options->max_work,
      N_("Millions of pixels × steps × pictures that a job may be (default: 2000)"), N_("NUMBER") },
    { "result-time", 0, 0, G_OPTION_ARG_STRING, &options->result_time,
      N_("How long pictures are kept to be fetched (default: 10m)"), N_("TIME") },
    { "version", 0, 0, G_OPTION_ARG_NONE, &options->version,
      N_("Print the version"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->models, NULL, N_("[MODEL…]") },
    G_OPTION_ENTRY_NULL
  };

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
}

static int
usage_error (const char *message)
{
  g_printerr ("zimage-service: %s\n", message);
  return 2;
}

static int
report (const GError *error)
{
  g_printerr ("zimage-service: %s\n", error->message);
  return EXIT_FAILURE;
}

static gboolean
read_limits (const Options  *options,
             AppLimits      *limits,
             GError        **error)
{
  if (!app_option_check_range ("max-queue", options->max_waiting, 1, 100000, error) ||
      !app_option_check_range ("max-per-caller", options->max_per_caller, 1, 100000, error) ||
      !app_option_check_range ("max-work", options->max_work, 1e-6, 1e12, error) ||
      !app_option_read_time ("result-time", options->result_time, 10 * G_TIME_SPAN_MINUTE, &limits->result_time, error))
    return FALSE;

  limits->max_waiting = (guint) options->max_waiting;
  limits->max_per_client = (guint) options->max_per_caller;
  limits->max_work = options->max_work;
  /* As many as there can be jobs: the pictures themselves have a limit of their own. */
  limits->max_results = limits->max_waiting;
  return TRUE;
}

/* --- Coming and going ------------------------------------------------------------------------------ */

static gboolean idle_cb (gpointer data);

static void
activity_cb (Service *self)
{
  gint64 wait = self->idle_time / G_TIME_SPAN_MILLISECOND;

  g_clear_handle_id (&self->idle_id, g_source_remove);
  if (self->idle_time >= 0 && !self->is_stopping && service_generator_is_idle (self->generator))
    self->idle_id = g_timeout_add ((guint) MIN (wait, G_MAXINT), idle_cb, self);
  if (self->is_stopping && app_queue_is_idle (self->queue))
    g_main_loop_quit (self->loop);
}

static void
call_bus (Service             *self,
          const char          *method,
          GVariant            *arguments,
          GAsyncReadyCallback  callback)
{
  g_dbus_connection_call (self->connection, BUS, BUS_PATH, BUS, method, arguments, G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE, NAME_TIMEOUT, NULL, callback, self);
}

/* Calls that came before the name was given up have come by now. */
static void
released_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  Service *self = data;
  g_autoptr(GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  if (service_generator_is_idle (self->generator))
    g_main_loop_quit (self->loop);
  else
    /* If another was started in the meantime, it keeps the name, and this one ends with what it has to do. */
    call_bus (self, "RequestName", g_variant_new ("(su)", APP_BUS_NAME, DO_NOT_QUEUE), NULL);
}

static gboolean
idle_cb (gpointer data)
{
  Service *self = data;

  self->idle_id = 0;
  call_bus (self, "ReleaseName", g_variant_new ("(s)", APP_BUS_NAME), released_cb);
  return G_SOURCE_REMOVE;
}

static gboolean
give_up_cb (gpointer data)
{
  Service *self = data;

  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
stop_cb (gpointer data)
{
  Service *self = data;

  if (!self->is_stopping)
    g_timeout_add_seconds (LAST_GRACE, give_up_cb, self);
  self->is_stopping = TRUE;
  app_queue_close (self->queue);
  app_queue_cancel_all (self->queue);
  activity_cb (self);
  return G_SOURCE_CONTINUE;
}

static gboolean
own_name (Service  *self,
          GError  **error)
{
  guint32 answer;
  g_autoptr(GVariant) reply =
    g_dbus_connection_call_sync (self->connection, BUS, BUS_PATH, BUS, "RequestName",
                                 g_variant_new ("(su)", APP_BUS_NAME, DO_NOT_QUEUE), G_VARIANT_TYPE ("(u)"),
                                 G_DBUS_CALL_FLAGS_NONE, NAME_TIMEOUT, NULL, error);

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(u)", &answer);
  if (answer == PRIMARY_OWNER)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, _("%s is on the session bus already"), APP_BUS_NAME);
  return FALSE;
}

/* --- Starting -------------------------------------------------------------------------------------- */

static gboolean
set_up_models (Service        *self,
               const Options  *options,
               GError        **error)
{
  g_autoptr(ZimDevice) device = app_find_device (options->device, error);
  ZimPrecision precision = ZIM_PRECISION_AUTO;
  guint64 memory;
  gint64 keep_alive;

  if (device == NULL ||
      (options->precision != NULL && !app_parse_precision (options->precision, &precision, error)) ||
      !app_find_memory_budget ("--memory", options->memory, &memory, error) ||
      !app_option_read_time ("keep-alive", options->keep_alive, 5 * G_TIME_SPAN_MINUTE, &keep_alive, error))
    return FALSE;

  self->models = app_models_new (device, precision, memory, keep_alive);
  for (guint i = 0; options->models != NULL && options->models[i] != NULL; i++)
    if (!app_models_add (self->models, options->models[i], error))
      return FALSE;
  return TRUE;
}

/* All of it is there before somebody can call by the name. */
static gboolean
set_up (Service        *self,
        const Options  *options,
        GError        **error)
{
  AppLimits limits;

  if (!read_limits (options, &limits, error) ||
      !app_option_read_time ("idle-time", options->idle_time, 10 * G_TIME_SPAN_MINUTE, &self->idle_time, error) ||
      !set_up_models (self, options, error))
    return FALSE;

  self->queue = app_queue_new (self->models, &limits);
  self->connection = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, error);
  if (self->connection == NULL)
    {
      g_prefix_error (error, "%s: ", _("There is no session bus"));
      return FALSE;
    }
  self->generator = service_generator_new (self->connection, self->models, self->queue, error);
  if (self->generator == NULL)
    return FALSE;

  g_signal_connect_swapped (self->generator, "activity", G_CALLBACK (activity_cb), self);
  g_unix_signal_add (SIGINT, stop_cb, self);
  g_unix_signal_add (SIGTERM, stop_cb, self);
  return own_name (self, error);
}

static int
run (const Options *options)
{
  g_auto(Service) self = { NULL };
  g_autoptr(GError) error = NULL;

  self.loop = g_main_loop_new (NULL, FALSE);
  if (!set_up (&self, options, &error))
    return error->domain == G_OPTION_ERROR ? usage_error (error->message) : report (error);

  activity_cb (&self);
  g_main_loop_run (self.loop);
  return EXIT_SUCCESS;
}

int
main (int    argc,
      char **argv)
{
  g_auto(Options) options = { .max_waiting = 64, .max_per_caller = 16, .max_work = 2000 };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  g_autoptr(GError) error = NULL;

  setlocale (LC_ALL, "");
  textdomain (GETTEXT_PACKAGE);

  add_entries (context, &options);
  g_option_context_set_summary (context,
    _("Makes pictures for the programs of a session, as io.github.zimage.Generator on its bus, with the models of the\n"
      "store and those that are named. The bus starts it when it is needed."));
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return usage_error (error->message);
  if (options.version)
    {
      g_print ("zimage-service %s\n", ZIM_VERSION_STRING);
      return EXIT_SUCCESS;
    }
  app_fault_watch ();
  return run (&options);
}
