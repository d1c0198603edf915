/* cli-wait.c: waiting in a main loop that Ctrl+C can end
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-wait.h"

#include <glib-unix.h>
#include <signal.h>

#include "cli.h"

struct _CliWait
{
  GMainLoop    *loop;
  GCancellable *cancellable;
  GAsyncResult *result;
  guint         interrupt_id;
  guint         terminate_id;
  int           signal_number; /* 0 until one came */
};

static gboolean
on_signal (CliWait *self,
           int      signal_number)
{
  if (self->signal_number != 0)
    {
      signal (signal_number, SIG_DFL);
      raise (signal_number);
    }

  self->signal_number = signal_number;
  g_cancellable_cancel (self->cancellable);
  return G_SOURCE_CONTINUE;
}

static gboolean
interrupt_cb (gpointer data)
{
  return on_signal (data, SIGINT);
}

static gboolean
terminate_cb (gpointer data)
{
  return on_signal (data, SIGTERM);
}

CliWait *
cli_wait_new (void)
{
  CliWait *self = g_new0 (CliWait, 1);

  self->loop = g_main_loop_new (NULL, FALSE);
  self->cancellable = g_cancellable_new ();
  self->interrupt_id = g_unix_signal_add (SIGINT, interrupt_cb, self);
  self->terminate_id = g_unix_signal_add (SIGTERM, terminate_cb, self);

  return self;
}

void
cli_wait_free (CliWait *self)
{
  g_source_remove (self->interrupt_id);
  g_source_remove (self->terminate_id);
  g_main_loop_unref (self->loop);
  g_object_unref (self->cancellable);
  g_clear_object (&self->result);
  g_free (self);
}

GCancellable *
cli_wait_get_cancellable (CliWait *self)
{
  return self->cancellable;
}

void
cli_wait_run (CliWait *self)
{
  g_main_loop_run (self->loop);
}

void
cli_wait_quit (CliWait *self)
{
  g_main_loop_quit (self->loop);
}

int
cli_wait_get_exit_code (CliWait *self,
                        int      code)
{
  return self->signal_number != 0 ? CLI_EXIT_SIGNAL + self->signal_number : code;
}

void
cli_wait_ready_cb (GObject      *source,
                   GAsyncResult *result,
                   gpointer      data)
{
  CliWait *self = data;

  g_set_object (&self->result, result);
  cli_wait_quit (self);
}

GAsyncResult *
cli_wait_for_result (CliWait *self)
{
  while (self->result == NULL)
    cli_wait_run (self);

  return g_steal_pointer (&self->result);
}
