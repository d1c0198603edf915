/* cli-interactive.h: prompts typed one after another
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

#include "cli-output.h"

G_BEGIN_DECLS

/* Who makes the pictures. */
typedef struct
{
  int  (*generate) (gpointer         data,
                    ZimParams       *params,
                    const CliOutput *output);
  void (*describe) (gpointer         data,
                    GPtrArray       *table); /* of cli_table_new (): adds what “/show” tells of it */
  gpointer data;
} CliMaker;

/* Asks for prompts until the user leaves. The parameters are what they start from, and are changed by “/set”. */
int cli_interactive (const CliMaker  *maker,
                     ZimParams       *params,
                     const CliOutput *output);

G_END_DECLS
