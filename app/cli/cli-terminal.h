/* cli-terminal.h: what is known about the terminal
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  int columns;
  int rows;
  int cell_width;  /* pixels */
  int cell_height; /* pixels */
} CliTerminalSize;

/* Whether a file descriptor is a terminal that understands escape sequences. */
gboolean cli_terminal_is_smart  (int              fd);
/* The size, or a common one where the terminal does not say. */
void     cli_terminal_get_size  (int              fd,
                                 CliTerminalSize *size);
/* Whether the terminal says that it draws sixel pictures. Asks it, and waits up to half a second. */
gboolean cli_terminal_has_sixel (void);

G_END_DECLS
