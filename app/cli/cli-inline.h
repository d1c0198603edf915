/* cli-inline.h: pictures in the terminal
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gdk-pixbuf/gdk-pixbuf.h>

G_BEGIN_DECLS

/* Shows a picture on standard output, scaled down to the window, if that is a terminal that can. ZIMAGE_INLINE
 * chooses how: kitty, iterm, sixel or none. */
void cli_inline_show (GdkPixbuf *pixbuf);

G_END_DECLS
