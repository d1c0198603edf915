/* cli-interactive.h: prompts typed one after another
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

#include "cli-output.h"

G_BEGIN_DECLS

/* Asks for prompts until the user leaves. The parameters are what they start from, and are changed by “/set”. */
int cli_interactive (ZimPipeline     *pipeline,
                     ZimParams       *params,
                     const CliOutput *output);

G_END_DECLS
