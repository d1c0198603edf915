/* app-format.h: quantities for people
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* “0.42 s”, “12.3 s”, “2 min 5 s”, “1 h 3 min” (transfer full) */
char *app_format_duration  (double   seconds);
/* What is left of something, in whole seconds, as tenths would flicker: “8 s”, “2 min 5 s” (transfer full) */
char *app_format_remaining (double   seconds);
/* “1.5 GiB” (transfer full) */
char *app_format_memory    (guint64  bytes);
/* A decimal number in every locale’s JSON-like form, with that many places (transfer full) */
char *app_format_number    (double   value,
                            guint    places);

G_END_DECLS
