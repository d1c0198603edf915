/* zim-texts.c: where the translations of the library's messages are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

/* When the library is loaded: there is no call that every program makes before its first error, and Python and
 * JavaScript make none at all.
 */
static void __attribute__ ((constructor))
bind_texts (void)
{
  bindtextdomain (GETTEXT_PACKAGE, LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
}
