/* app-options.c: values of options that several programs have
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-options.h"

#include <glib/gi18n.h>

#include "app-duration.h"

gboolean
app_option_read_time (const char  *option,
                      const char  *text,
                      gint64       fallback,
                      gint64      *duration,
                      GError     **error)
{
  *duration = fallback;
  if (text == NULL || app_parse_duration (text, duration))
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               _("Value of “%s” is “%s”, expected seconds, or a time like “5m”"), option, text);
  return FALSE;
}

gboolean
app_option_check_range (const char  *option,
                        double       value,
                        double       min,
                        double       max,
                        GError     **error)
{
  if (value >= min && value <= max)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("Value of “%s” is %g, expected %g to %g"),
               option, value, min, max);
  return FALSE;
}
