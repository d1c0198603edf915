/* cli-transfer.c: a transfer's progress as a line that is redrawn
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-transfer.h"

#include <glib/gi18n.h>
#include <unistd.h>

#include "app-format.h"
#include "cli-terminal.h"
#include "cli-text.h"

#define TICK 200 /* milliseconds */
#define BAR_MAX 30
#define BAR_MIN 5
#define CLEAR_LINE "\r\033[K"

struct _CliTransfer
{
  ZimTransfer *transfer;
  char        *title;
  guint        tick_id; /* 0 if nothing is drawn */
};

/* “1.2 GiB of 11.5 GiB  312.0 MiB/s  34 s left” */
static char *
describe (ZimTransfer *transfer)
{
  guint64 total = zim_transfer_get_total (transfer);
  double seconds = zim_transfer_get_remaining (transfer);
  g_autofree char *done = app_format_memory (zim_transfer_get_completed (transfer));
  g_autofree char *all = app_format_memory (total);
  g_autofree char *rate = app_format_memory ((guint64) zim_transfer_get_rate (transfer));
  g_autofree char *duration = NULL;

  if (total == 0)
    return g_strdup ("");
  if (seconds < 0)
    return g_strdup_printf (_("%s of %s"), done, all);

  duration = app_format_remaining (seconds);
  return g_strdup_printf (_("%s of %s  %s/s  %s left"), done, all, rate, duration);
}

static char *
make_line (CliTransfer *self,
           int          columns)
{
  guint64 total = zim_transfer_get_total (self->transfer);
  double fraction = total > 0 ? (double) zim_transfer_get_completed (self->transfer) / (double) total : 0;
  g_autofree char *text = describe (self->transfer);
  int width = MIN (columns - cli_text_width (self->title) - cli_text_width (text) - 12, BAR_MAX);
  g_autofree char *bar = width >= BAR_MIN ? cli_text_bar (width, MIN (fraction, 1)) : g_strdup ("");
  g_autofree char *line = g_strdup_printf ("%s %s %3d %%  %s", self->title, bar, (int) (MIN (fraction, 1) * 100), text);

  return cli_text_fit (line, MIN (columns - 1, cli_text_width (line)));
}

static gboolean
tick_cb (gpointer data)
{
  CliTransfer *self = data;
  CliTerminalSize size;
  g_autofree char *line = NULL;

  cli_terminal_get_size (STDERR_FILENO, &size);
  line = make_line (self, size.columns);
  g_printerr ("\r%s\033[K", line);
  return G_SOURCE_CONTINUE;
}

CliTransfer *
cli_transfer_new (const char *title)
{
  CliTransfer *self = g_new0 (CliTransfer, 1);

  self->transfer = zim_transfer_new ();
  self->title = g_strdup (title);
  if (cli_terminal_is_smart (STDERR_FILENO))
    self->tick_id = g_timeout_add (TICK, tick_cb, self);
  return self;
}

ZimTransfer *
cli_transfer_get (CliTransfer *self)
{
  return self->transfer;
}

void
cli_transfer_free (CliTransfer *self)
{
  if (self->tick_id != 0)
    {
      g_source_remove (self->tick_id);
      g_printerr (CLEAR_LINE);
    }
  g_object_unref (self->transfer);
  g_free (self->title);
  g_free (self);
}
