/* main.c: zimage-gtk
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>
#include <locale.h>

#include "gui-application.h"

int
main (int    argc,
      char **argv)
{
  g_autoptr(GuiApplication) application = NULL;

  setlocale (LC_ALL, "");
  textdomain (GETTEXT_PACKAGE);
  application = gui_application_new ();
  return g_application_run (G_APPLICATION (application), argc, argv);
}
