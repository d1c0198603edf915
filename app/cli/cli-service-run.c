/* cli-service-run.c: “zimage run --service”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-service-run.h"

#include <glib/gi18n.h>

#include "app-bus-error.h"
#include "app-bus-run.h"
#include "cli.h"
#include "cli-generate.h"
#include "cli-progress.h"
#include "cli-wait.h"

static void
progress_cb (CliProgress *progress,
             ZimStage     stage,
             int          step,
             int          total,
             double       fraction,
             double       remaining,
             AppBusRun   *run)
{
  cli_progress_update (progress, stage, step, total, fraction, remaining);
}

static ZimImage *
load_picture (gpointer   list,
              guint      index,
              GError   **error)
{
  return app_bus_run_load_picture (list, index, error);
}

/* The descriptors of the pictures of a job. (nullable) (transfer full) */
static GUnixFDList *
make_pictures (AppBusRun    *run,
               const char   *model,
               ZimParams    *params,
               gboolean      quiet,
               CliWait      *wait,
               GError      **error)
{
  g_autoptr(CliProgress) progress = quiet ? NULL : cli_progress_new (NULL);
  g_autoptr(GAsyncResult) result = NULL;
  GUnixFDList *list;

  if (progress != NULL)
    g_signal_connect_swapped (run, "progress", G_CALLBACK (progress_cb), progress);
  app_bus_run_async (run, model, params, 0, cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  list = app_bus_run_finish (run, result, error);
  if (list != NULL && progress != NULL)
    cli_progress_update (progress, ZIM_STAGE_DONE, 0, 0, 1, 0);
  g_signal_handlers_disconnect_by_func (run, progress_cb, progress);
  return list;
}

int
cli_service_run (const char      *model,
                 ZimParams       *params,
                 const CliOutput *output)
{
  gint64 start = g_get_monotonic_time ();
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(GError) error = NULL;
  g_autoptr(AppBusRun) run = app_bus_run_new ();
  g_autoptr(GUnixFDList) list = make_pictures (run, model, params, output->quiet, wait, &error);

  if (app_bus_run_get_warning (run) != NULL)
    cli_warn (app_bus_run_get_warning (run));
  if (list != NULL)
    {
      const CliOrigin origin = { app_bus_run_get_model (run), "service", APP_BUS_NAME };

      return cli_generate_save_all (load_picture, list, (guint) g_unix_fd_list_get_length (list), &origin,
                                    (double) (g_get_monotonic_time () - start) / G_TIME_SPAN_SECOND, output);
    }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_printerr (_("zimage: Cancelled\n"));
  return cli_wait_get_exit_code (wait, cli_report (error));
}
