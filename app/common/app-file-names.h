/* app-file-names.h: names for pictures that nobody named
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The start of a prompt as a part of a file name: letters and digits of every script in lower case, joined by “-”,
 * at most 50 bytes; “image” if there are none. (transfer full) */
char *app_slug         (const char  *prompt);

/* Creates an empty file “SLUG-YYYYMMDD-HHMMSS.EXTENSION” in a folder, with “-2”, “-3” … if there is one already,
 * and returns its path. The caller fills or removes it. (transfer full) */
char *app_reserve_file (const char  *folder,
                        const char  *prompt,
                        const char  *extension,
                        GError     **error);

G_END_DECLS
