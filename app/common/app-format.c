/* app-format.c: quantities for people
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-format.h"

#include <glib/gi18n.h>
#include <math.h>

char *
app_format_number (double value,
                   guint  places)
{
  char format[8];
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_snprintf (format, sizeof format, "%%.%uf", MIN (places, 9));
  return g_strdup (g_ascii_formatd (buffer, sizeof buffer, format, value));
}

char *
app_format_duration (double seconds)
{
  gint64 whole;
  g_autofree char *number = NULL;

  if (!isfinite (seconds) || seconds < 0.0)
    return g_strdup (_("unknown"));
  if (seconds < 0.0995)
    {
      number = app_format_number (seconds * 1000, seconds < 0.00995 ? 1 : 0);
      return g_strdup_printf (_("%s ms"), number);
    }
  if (seconds < 59.95)
    {
      number = app_format_number (seconds, seconds < 9.995 ? 2 : 1);
      return g_strdup_printf (_("%s s"), number);
    }

  whole = (gint64) round (MIN (seconds, 1e9));
  if (whole < 3600)
    return g_strdup_printf (_("%d min %d s"), (int) (whole / 60), (int) (whole % 60));
  return g_strdup_printf (_("%d h %d min"), (int) (whole / 3600), (int) (whole % 3600 / 60));
}

char *
app_format_remaining (double seconds)
{
  double whole = ceil (seconds);

  return whole >= 0.0 && whole < 60.0 ? g_strdup_printf (_("%d s"), (int) whole) : app_format_duration (whole);
}

char *
app_format_memory (guint64 bytes)
{
  return g_format_size_full (bytes, G_FORMAT_SIZE_IEC_UNITS);
}
