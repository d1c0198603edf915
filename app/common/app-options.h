/* app-options.h: values of options that several programs have
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* In microseconds, as app_parse_duration() reads it; the fallback if there is no text. The error is
 * G_OPTION_ERROR_BAD_VALUE, here and below. */
gboolean app_option_read_time   (const char  *option,
                                 const char  *text, /* (nullable) */
                                 gint64       fallback,
                                 gint64      *duration,
                                 GError     **error);
gboolean app_option_check_range (const char  *option,
                                 double       value,
                                 double       min,
                                 double       max,
                                 GError     **error);

G_END_DECLS
