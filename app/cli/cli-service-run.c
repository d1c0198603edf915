/* cli-service-run.c: “zimage run --service”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* The job is this process's: it ends when the process leaves the bus, however it does that. */

#include "config.h"

#include "cli-service-run.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "app-bus-error.h"
#include "app-bus.h"
#include "app-fields.h"
#include "app-params.h"
#include "cli.h"
#include "cli-generate.h"
#include "cli-progress.h"
#include "cli-wait.h"

#define CANCEL_TIMEOUT 1000 /* milliseconds */

/* --- Calls ----------------------------------------------------------------------------------------- */

/* What a call ended with, in words for who typed the command. Takes the error. */
static void
propagate (GError **error,
           GError  *reason)
{
  if (g_error_matches (reason, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
      g_error_matches (reason, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_FAILED,
                 _("There is no generator on the session bus: nothing is installed that is called %s"), APP_BUS_NAME);
  else if (g_error_matches (reason, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY))
    g_set_error_literal (error, ZIM_ERROR, ZIM_ERROR_FAILED, _("The generator went away"));
  else
    {
      reason = app_bus_error_convert (reason);
      g_dbus_error_strip_remote_error (reason);
      g_propagate_error (error, reason);
      return;
    }

  g_error_free (reason);
}

static GDBusConnection *
connect_to_bus (GError **error)
{
  GDBusConnection *connection = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, error);

  if (connection == NULL)
    g_prefix_error (error, "%s: ", _("There is no session bus"));
  else
    g_dbus_connection_set_exit_on_close (connection, FALSE);
  return connection;
}

static GVariant *
make_request (const char *model,
              ZimParams  *params)
{
  g_autoptr(GVariant) fields = g_variant_ref_sink (app_params_to_variant (params));
  GVariantDict request;

  g_variant_dict_init (&request, fields);
  g_variant_dict_insert (&request, "model", "s", model);
  g_variant_dict_insert (&request, "preview_interval", "i", 0);
  return g_variant_dict_end (&request);
}

/* The path of a new job. (nullable) (transfer full) */
static char *
generate (GDBusConnection  *connection,
          GVariant         *request,
          CliWait          *wait,
          GError          **error)
{
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GVariant) answer = NULL;
  GError *reason = NULL;
  char *path = NULL;

  g_dbus_connection_call (connection, APP_BUS_NAME, APP_BUS_PATH, APP_BUS_NAME, "Generate",
                          g_variant_new ("(@a{sv})", request), G_VARIANT_TYPE ("(o)"), G_DBUS_CALL_FLAGS_NONE, -1,
                          cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  answer = g_dbus_connection_call_finish (connection, result, &reason);
  if (answer != NULL)
    g_variant_get (answer, "(o)", &path);
  else
    propagate (error, reason);
  return path;
}

/* (nullable) (transfer full) */
static AppBusGeneratorJob *
open_job (GDBusConnection  *connection,
          const char       *path,
          CliWait          *wait,
          GError          **error)
{
  g_autoptr(GAsyncResult) result = NULL;
  AppBusGeneratorJob *job;
  GError *reason = NULL;

  app_bus_generator_job_proxy_new (connection, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, APP_BUS_NAME, path,
                                   cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  job = app_bus_generator_job_proxy_new_finish (result, &reason);
  if (job != NULL)
    g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (job), G_MAXINT);
  else
    propagate (error, reason);
  return job;
}

/* --- Waiting --------------------------------------------------------------------------------------- */

static void
show_progress (CliProgress *progress,
               const char  *nick,
               guint        step,
               guint        total,
               double       fraction,
               double       remaining)
{
  g_autoptr(GEnumClass) stages = g_type_class_ref (ZIM_TYPE_STAGE);
  const GEnumValue *stage = g_enum_get_value_by_nick (stages, nick);

  if (stage != NULL)
    cli_progress_update (progress, (ZimStage) stage->value, (int) step, (int) total, fraction, remaining);
}

static void
progress_cb (CliProgress        *progress,
             const char         *stage,
             guint               step,
             guint               total,
             double              fraction,
             double              remaining,
             AppBusGeneratorJob *job)
{
  show_progress (progress, stage, step, total, fraction, remaining);
}

/* The descriptors of the pictures of a job that is done. (nullable) (transfer full) */
static GUnixFDList *
wait_for_pictures (AppBusGeneratorJob  *job,
                   CliProgress         *progress,
                   CliWait             *wait,
                   GError             **error)
{
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GVariant) handles = NULL;
  GUnixFDList *list = NULL;
  GError *reason = NULL;

  if (progress != NULL)
    g_signal_connect_swapped (job, "progress", G_CALLBACK (progress_cb), progress);
  app_bus_generator_job_call_wait (job, NULL, cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  if (app_bus_generator_job_call_wait_finish (job, &handles, &list, result, &reason) && progress != NULL)
    show_progress (progress, "done", 0, 0, 1, 0);
  g_signal_handlers_disconnect_by_func (job, progress_cb, progress);
  if (reason == NULL)
    return list;

  if (g_cancellable_is_cancelled (cli_wait_get_cancellable (wait)))
    {
      g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (job), CANCEL_TIMEOUT);
      app_bus_generator_job_call_cancel_sync (job, NULL, NULL);
    }
  propagate (error, reason);
  return NULL;
}

/* --- Pictures -------------------------------------------------------------------------------------- */

static ZimImage *
load_picture (gpointer   list,
              guint      index,
              GError   **error)
{
  int fd = g_unix_fd_list_get (list, (int) index, error);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  ZimImage *image;

  if (fd < 0)
    return NULL;
  image = zim_image_load (path, error);
  close (fd);
  return image;
}

/* --- The command ----------------------------------------------------------------------------------- */

/* A job and the descriptors of its pictures. */
static GUnixFDList *
make_pictures (GVariant            *request,
               CliProgress         *progress,
               CliWait             *wait,
               AppBusGeneratorJob **job,
               GError             **error)
{
  g_autoptr(GVariant) owned = g_variant_ref_sink (request);
  g_autoptr(GDBusConnection) connection = connect_to_bus (error);
  g_autofree char *path = connection != NULL ? generate (connection, owned, wait, error) : NULL;

  if (path != NULL)
    *job = open_job (connection, path, wait, error);
  return *job != NULL ? wait_for_pictures (*job, progress, wait, error) : NULL;
}

static void
warn (AppBusGeneratorJob *job)
{
  const char *warning = app_bus_generator_job_get_warning (job);

  if (warning != NULL && *warning != '\0')
    cli_warn (warning);
}

int
cli_service_run (const char      *model,
                 ZimParams       *params,
                 const CliOutput *output)
{
  gint64 start = g_get_monotonic_time ();
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(GError) error = NULL;
  g_autoptr(CliProgress) progress = output->quiet ? NULL : cli_progress_new (NULL);
  g_autoptr(AppBusGeneratorJob) job = NULL;
  g_autoptr(GUnixFDList) list = make_pictures (make_request (model, params), progress, wait, &job, &error);

  g_clear_pointer (&progress, cli_progress_free);
  if (job != NULL)
    warn (job);
  if (list != NULL)
    {
      const CliOrigin origin = { app_bus_generator_job_get_model (job), "service", APP_BUS_NAME };

      return cli_generate_save_all (load_picture, list, (guint) g_unix_fd_list_get_length (list), &origin,
                                    (double) (g_get_monotonic_time () - start) / G_TIME_SPAN_SECOND, output);
    }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_printerr (_("zimage: Cancelled\n"));
  return cli_wait_get_exit_code (wait, cli_report (error));
}
