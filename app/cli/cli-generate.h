/* cli-generate.h: one job, from its parameters to saved pictures
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

#include "cli-output.h"

G_BEGIN_DECLS

/* Whether a job could be run so: the parameters are right and the pictures have a place. Returns the exit code, and
 * says what is wrong. */
int cli_generate_check (ZimParams       *params,
                        const CliOutput *output);

/* Saves one of n pictures, shows it and tells of it. What --json prints of it is added to saved (aa{sv}). Returns the
 * exit code. */
int cli_generate_save  (ZimImage        *image,
                        guint            index,
                        guint            n,
                        double           seconds,
                        const CliOutput *output,
                        GVariantBuilder *saved);

/* Runs a job, shows its progress, saves and shows its pictures. Returns the exit code. */
int cli_generate       (ZimPipeline     *pipeline,
                        ZimParams       *params,
                        const CliOutput *output);

G_END_DECLS
