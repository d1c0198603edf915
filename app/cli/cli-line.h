/* cli-line.h: lines typed with editing, completion and history
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Names that may be typed after the words before them, NULL-terminated, or NULL. Not copied. */
typedef const char *const *(*CliLineComplete) (const char *before);

/* Before the first line and after the last. Without a file no history is kept. */
void  cli_line_begin (CliLineComplete  complete,
                      const char      *history_file);
void  cli_line_end   (void);

/* The next line, NULL at the end of the input. Ctrl+C starts the line anew. (transfer full) */
char *cli_line_read  (const char      *prompt,
                      const char      *hint); /* printed for Ctrl+C on an empty line */

G_END_DECLS
