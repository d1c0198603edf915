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

/* One of the pictures that another process made */
typedef ZimImage *(*CliLoadFunc) (gpointer   data,
                                  guint      index,
                                  GError   **error);

/* Who made them: its kind is “server” or “service” */
typedef struct {
  const char *model;
  const char *kind;
  const char *name;
} CliOrigin;

/* Saves all of them, as far as they can be loaded and saved, and prints them as JSON if that is wanted. Returns the
 * exit code. */
int cli_generate_save_all (CliLoadFunc      load,
                           gpointer         data,
                           guint            n,
                           const CliOrigin *origin,
                           double           seconds,
                           const CliOutput *output);

/* Runs a job, shows its progress, saves and shows its pictures. Returns the exit code. */
int cli_generate       (ZimPipeline     *pipeline,
                        ZimParams       *params,
                        const CliOutput *output);

G_END_DECLS
