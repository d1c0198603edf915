/* gui-mnemonics.h: keeps underscores out of what is read out
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* The buttons in a widget are called by their labels as they are shown. */
void gui_mnemonics_hide (GtkWidget *root);

G_END_DECLS
