/* cli-progress.c: a job's progress as a line that is redrawn
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-progress.h"

#include <glib/gi18n.h>
#include <math.h>
#include <unistd.h>

#include "app-format.h"
#include "cli-terminal.h"
#include "cli-text.h"

#define DRAW_INTERVAL (50 * G_TIME_SPAN_MILLISECOND) /* more often, nobody sees */
#define TICK 500 /* milliseconds: the remaining time goes on when nothing else does */
#define BAR_MAX 30
#define BAR_MIN 5
#define CLEAR_LINE "\r\033[K"

struct _CliProgress
{
  ZimJob   *job;       /* or NULL */
  gulong    notify_id;
  guint     tick_id;
  gint64    drawn_at;  /* monotonic, microseconds */
  gint64    noted_at;  /* when the job last said anything */
  ZimStage  stage;
  double    fraction;
  double    remaining; /* seconds, or −1 */
  int       step;      /* of the last denoising step that was seen */
  int       total;
};

static char *
describe_stage (CliProgress *self)
{
  switch (self->stage)
    {
    case ZIM_STAGE_WAIT:
      return g_strdup (_("Waiting"));
    case ZIM_STAGE_LOAD:
      return g_strdup (_("Loading the model"));
    case ZIM_STAGE_ENCODE:
      return g_strdup (_("Reading the prompt"));
    case ZIM_STAGE_DENOISE:
      return g_strdup_printf (_("Generating: step %d/%d"), self->step, self->total);
    case ZIM_STAGE_DECODE:
    case ZIM_STAGE_DONE:
    default:
      return g_strdup (_("Developing the picture"));
    }
}

static char *
describe_remaining (CliProgress *self)
{
  double seconds = self->remaining;
  double since = (double) (g_get_monotonic_time () - self->noted_at) / G_TIME_SPAN_SECOND;
  g_autofree char *duration = NULL;

  if (!isfinite (seconds) || seconds < 0.0 || self->stage < ZIM_STAGE_DENOISE)
    return g_strdup ("");

  /* The estimate is as old as the last step, and steps can be long. */
  seconds = MAX (seconds - since, 0.0);
  duration = app_format_remaining (seconds);
  return g_strdup_printf (_("%s left"), duration);
}

static char *
make_line (CliProgress *self,
           int          columns)
{
  double fraction = CLAMP (self->fraction, 0.0, 1.0);
  g_autofree char *stage = describe_stage (self);
  g_autofree char *label = cli_text_fit (stage, MAX (24, cli_text_width (stage)));
  g_autofree char *remaining = describe_remaining (self);
  g_autofree char *end = g_strdup_printf (" %3d %%  %s", (int) (fraction * 100.0), remaining);
  int width = MIN (columns - cli_text_width (label) - 1 - 22, BAR_MAX);
  g_autofree char *bar = width >= BAR_MIN ? cli_text_bar (width, fraction) : g_strdup ("");
  g_autofree char *line = g_strconcat (label, " ", bar, end, NULL);

  return cli_text_fit (line, MIN (columns - 1, cli_text_width (line)));
}

static void
draw (CliProgress *self)
{
  CliTerminalSize size;
  g_autofree char *line = NULL;

  cli_terminal_get_size (STDERR_FILENO, &size);
  line = make_line (self, size.columns);
  self->drawn_at = g_get_monotonic_time ();
  g_printerr ("\r%s\033[K", line);
}

static gboolean
tick_cb (gpointer data)
{
  draw (data);
  return G_SOURCE_CONTINUE;
}

void
cli_progress_update (CliProgress *self,
                     ZimStage     stage,
                     int          step,
                     int          total,
                     double       fraction,
                     double       remaining)
{
  self->noted_at = g_get_monotonic_time ();
  self->stage = stage;
  self->fraction = fraction;
  self->remaining = remaining;
  if (stage == ZIM_STAGE_DENOISE)
    {
      self->step = step;
      self->total = total;
    }

  if (self->tick_id != 0 && self->noted_at - self->drawn_at >= DRAW_INTERVAL)
    draw (self);
}

static void
notify_cb (CliProgress *self,
           GParamSpec  *pspec,
           ZimJob      *job)
{
  cli_progress_update (self, zim_job_get_stage (job), zim_job_get_step (job), zim_job_get_total (job),
                       zim_job_get_fraction (job), zim_job_get_remaining (job));
}

CliProgress *
cli_progress_new (ZimJob *job)
{
  CliProgress *self = g_new0 (CliProgress, 1);

  self->remaining = -1;
  g_set_object (&self->job, job);
  if (!cli_terminal_is_smart (STDERR_FILENO))
    return self;

  if (job != NULL)
    self->notify_id = g_signal_connect_swapped (job, "notify", G_CALLBACK (notify_cb), self);
  self->tick_id = g_timeout_add (TICK, tick_cb, self);
  draw (self);
  return self;
}

/* What stays on the terminal is one line that says how many steps were made. */
void
cli_progress_free (CliProgress *self)
{
  if (self->tick_id != 0)
    {
      g_source_remove (self->tick_id);
      g_printerr (CLEAR_LINE);
      if (self->fraction >= 1.0 && self->total > 0)
        g_printerr (_("Generating: step %d/%d\n"), self->total, self->total);
    }
  if (self->notify_id != 0)
    g_signal_handler_disconnect (self->job, self->notify_id);
  g_clear_object (&self->job);
  g_free (self);
}
