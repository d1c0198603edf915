/* cli-wait.h: waiting in a main loop that Ctrl+C can end
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* While it exists, the first SIGINT or SIGTERM cancels, and the second ends the process. */
typedef struct _CliWait CliWait;

CliWait      *cli_wait_new             (void);
void          cli_wait_free            (CliWait      *self);
GCancellable *cli_wait_get_cancellable (CliWait      *self);
void          cli_wait_run             (CliWait      *self); /* until cli_wait_quit () */
void          cli_wait_quit            (CliWait      *self);
/* The exit code of a run: 128 + the signal that cancelled it, or else the code. */
int           cli_wait_get_exit_code   (CliWait      *self,
                                        int           code);

/* Waits for an asynchronous call: the callback to give it, with the CliWait as its data. Afterwards (transfer full)
 * the result. */
void          cli_wait_ready_cb        (GObject      *source,
                                        GAsyncResult *result,
                                        gpointer      self);
GAsyncResult *cli_wait_for_result      (CliWait      *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliWait, cli_wait_free)

G_END_DECLS
