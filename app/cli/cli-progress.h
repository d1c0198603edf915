/* cli-progress.h: a job's progress as a line that is redrawn
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

typedef struct _CliProgress CliProgress;

/* Shows a job on standard error, if that is a terminal. Without a job (NULL) it shows what it is told. */
CliProgress *cli_progress_new    (ZimJob      *job);
void         cli_progress_free   (CliProgress *self);
void         cli_progress_update (CliProgress *self,
                                  ZimStage     stage,
                                  int          step,
                                  int          total,
                                  double       fraction,
                                  double       remaining); /* seconds, or −1 */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliProgress, cli_progress_free)

G_END_DECLS
