/* cli-generate.c: one job, from its parameters to saved pictures
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-generate.h"

#include <glib/gi18n.h>
#include <math.h>
#include <unistd.h>

#include "app-fields.h"
#include "app-format.h"
#include "app-json.h"
#include "cli.h"
#include "cli-inline.h"
#include "cli-progress.h"
#include "cli-terminal.h"
#include "cli-wait.h"

int
cli_generate_check (ZimParams       *params,
                    const CliOutput *output)
{
  g_autoptr(GError) error = NULL;

  if (!zim_params_validate (params, &error))
    return cli_report (error);
  if (cli_output_check (output, zim_params_get_n_images (params), &error))
    return CLI_EXIT_OK;
  if (error->domain == G_OPTION_ERROR || g_error_matches (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED))
    return cli_usage_error ("run", error->message);
  return cli_report (error);
}

static gboolean
is_over (ZimJob *job)
{
  ZimJobState state = zim_job_get_state (job);

  return state != ZIM_JOB_STATE_QUEUED && state != ZIM_JOB_STATE_RUNNING;
}

static void
state_cb (ZimJob     *job,
          GParamSpec *pspec,
          CliWait    *wait)
{
  if (is_over (job))
    cli_wait_quit (wait);
}

static void
cancelled_cb (GCancellable *cancellable,
              ZimJob       *job)
{
  zim_job_cancel (job);
}

static void
wait_for_job (ZimJob  *job,
              CliWait *wait)
{
  GCancellable *cancellable = cli_wait_get_cancellable (wait);
  gulong state_id = g_signal_connect (job, "notify::state", G_CALLBACK (state_cb), wait);
  gulong cancelled_id = g_signal_connect (cancellable, "cancelled", G_CALLBACK (cancelled_cb), job);

  while (!is_over (job))
    cli_wait_run (wait);

  g_signal_handler_disconnect (cancellable, cancelled_id);
  g_signal_handler_disconnect (job, state_id);
}

/* One printed line per picture: “Image saved to: ./a-cat-….png (seed 1234, 8 steps, 1024x1024, 12.3 s)” */
static void
print_saved (const CliOutput *output,
             ZimImage        *image,
             const char      *path,
             double           seconds)
{
  ZimParams *params = zim_image_get_params (image);
  g_autofree char *shown = g_filename_display_name (path);
  g_autofree char *duration = app_format_duration (seconds);
  int steps = zim_params_get_steps (params);

  if (output->quiet)
    {
      g_print ("%s\n", shown);
      return;
    }

  g_print (ngettext ("Image saved to: %s (seed %lld, %d step, %dx%d, %s)\n",
                     "Image saved to: %s (seed %lld, %d steps, %dx%d, %s)\n",
                     (gulong) steps),
           shown, (long long) zim_image_get_seed (image), steps,
           gdk_pixbuf_get_width (zim_image_get_pixbuf (image)),
           gdk_pixbuf_get_height (zim_image_get_pixbuf (image)),
           duration);
}

static void
add_text (GVariantBuilder *builder,
          const char      *key,
          const char      *text)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_string (text));
}

static GVariant *
image_to_variant (ZimImage   *image,
                  const char *path)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr(GVariant) params = g_variant_ref_sink (app_params_to_variant (zim_image_get_params (image)));
  g_autofree char *shown = g_filename_display_name (path);

  add_text (&builder, "file", shown);
  for (gsize i = 0; i < g_variant_n_children (params); i++)
    {
      g_autoptr(GVariant) entry = g_variant_get_child_value (params, i);
      g_autoptr(GVariant) key = g_variant_get_child_value (entry, 0);

      /* One picture is one. */
      if (!g_str_equal (g_variant_get_string (key, NULL), "n"))
        g_variant_builder_add_value (&builder, entry);
    }

  return g_variant_builder_end (&builder);
}

static void
print_json (ZimPipeline *pipeline,
            ZimJob      *job,
            double       seconds,
            GVariant    *images)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  const char *warning = zim_job_get_warning (job);
  g_autofree char *json = NULL;

  add_text (&builder, "model", zim_model_get_name (zim_pipeline_get_model (pipeline)));
  add_text (&builder, "device", zim_device_get_id (zim_pipeline_get_device (pipeline)));
  add_text (&builder, "precision", cli_precision_name (pipeline));
  g_variant_builder_add (&builder, "{sv}", "seconds", g_variant_new_double (round (seconds * 1e3) / 1e3));
  if (warning != NULL)
    add_text (&builder, "warning", warning);
  if (zim_job_get_memory_plan (job) != NULL)
    g_variant_builder_add (&builder, "{sv}", "memory_plan", zim_job_get_memory_plan (job));
  g_variant_builder_add (&builder, "{sv}", "images", images);

  json = app_variant_to_json (g_variant_builder_end (&builder));
  g_print ("%s\n", json);
}

/* What --json prints of it is added to saved (aa{sv}). */
static int
save_image (ZimImage        *image,
            guint            index,
            guint            n,
            double           seconds,
            const CliOutput *output,
            GVariantBuilder *saved)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = cli_output_save (output, image, index, n, &error);

  if (path == NULL)
    return cli_report (error);

  g_variant_builder_add_value (saved, image_to_variant (image, path));
  if (output->json || cli_output_is_stdout (output))
    return CLI_EXIT_OK;
  cli_inline_show (zim_image_get_pixbuf (image));
  print_saved (output, image, path, seconds);
  return CLI_EXIT_OK;
}

static void
print_json_of_others (const CliOrigin *origin,
                      double           seconds,
                      GVariant        *images)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autofree char *json = NULL;

  add_text (&builder, "model", origin->model);
  add_text (&builder, origin->kind, origin->name);
  g_variant_builder_add (&builder, "{sv}", "seconds", g_variant_new_double (round (seconds * 1e3) / 1e3));
  g_variant_builder_add (&builder, "{sv}", "images", images);
  json = app_variant_to_json (g_variant_builder_end (&builder));
  g_print ("%s\n", json);
}

int
cli_generate_save_all (CliLoadFunc      load,
                       gpointer         data,
                       guint            n,
                       const CliOrigin *origin,
                       double           seconds,
                       const CliOutput *output)
{
  GVariantBuilder saved = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  int code = CLI_EXIT_OK;

  for (guint i = 0; i < n; i++)
    {
      g_autoptr(GError) error = NULL;
      g_autoptr(ZimImage) image = load (data, i, &error);
      int result = image != NULL ? save_image (image, i, n, seconds, output, &saved) : cli_report (error);

      /* One that fails does not keep the others. */
      code = result != CLI_EXIT_OK ? result : code;
    }

  if (output->json)
    print_json_of_others (origin, seconds, g_variant_builder_end (&saved));
  else
    g_variant_builder_clear (&saved);
  return code;
}

/* Saves everything that can be saved, even after one picture could not. */
static int
save_images (ZimPipeline     *pipeline,
             ZimJob          *job,
             double           seconds,
             const CliOutput *output)
{
  GListModel *images = zim_job_get_images (job);
  guint n = g_list_model_get_n_items (images);
  GVariantBuilder saved = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  int code = CLI_EXIT_OK;

  for (guint i = 0; i < n; i++)
    {
      g_autoptr(ZimImage) image = g_list_model_get_item (images, i);
      int result = save_image (image, i, n, seconds, output, &saved);

      code = result != CLI_EXIT_OK ? result : code;
    }

  if (output->json)
    print_json (pipeline, job, seconds, g_variant_builder_end (&saved));
  else
    g_variant_builder_clear (&saved);
  return code;
}

static const char *
describe_mode (const char *mode)
{
  if (g_str_equal (mode, "text-released"))
    return _("the text encoder goes once the prompt is read");
  if (g_str_equal (mode, "in-turn"))
    return _("one network at a time");
  if (g_str_equal (mode, "streamed"))
    return _("weights are streamed");
  return _("everything stays");
}

/* Before the run: “Memory: 5.9 GiB of 8.0 GiB, weights are streamed”. Mapped weights need no plan. */
static void
plan_cb (ZimJob     *job,
         GParamSpec *pspec,
         gpointer    user_data)
{
  GVariant *plan = zim_job_get_memory_plan (job);
  g_autofree char *planned = NULL;
  g_autofree char *budget = NULL;
  const char *mode = NULL;
  guint64 bytes = 0;

  if (!g_variant_lookup (plan, "mode", "&s", &mode) || g_str_equal (mode, "mapped"))
    return;

  g_variant_lookup (plan, "planned_bytes", "t", &bytes);
  planned = app_format_memory (bytes);
  g_variant_lookup (plan, "budget_bytes", "t", &bytes);
  budget = app_format_memory (bytes);
  if (cli_terminal_is_smart (STDERR_FILENO))
    g_printerr ("\r\033[K");
  g_printerr (_("Memory: %s of %s, %s\n"), planned, budget, describe_mode (mode));
}

static int
finish_job (ZimPipeline     *pipeline,
            ZimJob          *job,
            double           seconds,
            const CliOutput *output,
            CliWait         *wait)
{
  const char *warning = zim_job_get_warning (job);

  if (warning != NULL)
    cli_warn (warning);

  switch (zim_job_get_state (job))
    {
    case ZIM_JOB_STATE_DONE:
      return save_images (pipeline, job, seconds, output);
    case ZIM_JOB_STATE_CANCELLED:
      g_printerr (_("zimage: Cancelled\n"));
      return cli_wait_get_exit_code (wait, CLI_EXIT_FAILED);
    default:
      return cli_report (zim_job_get_error (job));
    }
}

int
cli_generate (ZimPipeline     *pipeline,
              ZimParams       *params,
              const CliOutput *output)
{
  g_autoptr(ZimParams) copy = zim_params_copy (params);
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(ZimJob) job = zim_pipeline_submit (pipeline, copy);
  g_autoptr(CliProgress) progress = output->quiet ? NULL : cli_progress_new (job);
  gint64 start = g_get_monotonic_time ();
  double seconds;

  if (!output->quiet && !output->json)
    g_signal_connect (job, "notify::memory-plan", G_CALLBACK (plan_cb), NULL);
  wait_for_job (job, wait);
  seconds = (double) (g_get_monotonic_time () - start) / G_TIME_SPAN_SECOND;
  g_clear_pointer (&progress, cli_progress_free);

  return finish_job (pipeline, job, seconds, output, wait);
}
