/* cli-inline.h: pictures in the terminal
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gdk-pixbuf/gdk-pixbuf.h>

G_BEGIN_DECLS

/* Finds out how the terminal shows pictures, before anything is typed that its answer could be mixed with. The
 * environment's ZIMAGE_INLINE decides it: kitty, iterm, sixel or none. */
void cli_inline_prepare (void);

/* Shows a picture on standard output, scaled down to the window, if that is a terminal that can. Nothing happens if
 * nothing was prepared. */
void cli_inline_show    (GdkPixbuf *pixbuf);

G_END_DECLS
