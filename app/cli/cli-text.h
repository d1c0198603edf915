/* cli-text.h: text in columns
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The columns of a terminal that a text takes. */
int   cli_text_width  (const char *text);
/* The text with spaces up to a width, or cut at it. (transfer full) */
char *cli_text_fit    (const char *text,
                       int         width);

/* A bar that is filled up to a fraction, 0 to 1. (transfer full) */
char *cli_text_bar    (int         width,
                       double      fraction);

/* Rows of cells, printed with the columns as wide as their widest cell. A cell that starts with a tab is aligned to
 * the right. */
typedef GPtrArray CliTable;

CliTable *cli_table_new   (void);
void      cli_table_add   (CliTable   *table,
                           const char *first,
                           ...) G_GNUC_NULL_TERMINATED;
void      cli_table_print (CliTable   *table);

G_END_DECLS
