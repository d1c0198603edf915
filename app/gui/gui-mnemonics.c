/* gui-mnemonics.c: keeps underscores out of what is read out
 *
 * HACK: GTK 4.8 calls a button with a mnemonic both by the text with the underscore and by its label: “_Generate
 * Generate”. The label is enough.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-mnemonics.h"

void
gui_mnemonics_hide (GtkWidget *root)
{
  if (GTK_IS_BUTTON (root) && gtk_button_get_use_underline (GTK_BUTTON (root)))
    gtk_accessible_reset_property (GTK_ACCESSIBLE (root), GTK_ACCESSIBLE_PROPERTY_LABEL);
  for (GtkWidget *child = gtk_widget_get_first_child (root); child != NULL; child = gtk_widget_get_next_sibling (child))
    gui_mnemonics_hide (child);
}
