/* cli-service-run.h: “zimage run --service”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

#include "cli-output.h"

G_BEGIN_DECLS

/* Has a job run by the generator of the session bus, shows its progress, saves and shows its pictures. Returns the exit
 * code. */
int cli_service_run (const char      *model,
                     ZimParams       *params,
                     const CliOutput *output);

G_END_DECLS
