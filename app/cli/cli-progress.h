/* cli-progress.h: a job's progress as a line that is redrawn
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

typedef struct _CliProgress CliProgress;

/* Shows a job on standard error, if that is a terminal. */
CliProgress *cli_progress_new  (ZimJob      *job);
void         cli_progress_free (CliProgress *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliProgress, cli_progress_free)

G_END_DECLS
