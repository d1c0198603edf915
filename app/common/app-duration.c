/* app-duration.c: times as people and Ollama's clients write them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-duration.h"

#include <string.h>

#define DURATION_MAX 1e15 /* microseconds: 31 years */

static const struct { const char *name; double length; } units[] = {
  { "ms", 1e3 },
  { "s", 1e6 },
  { "m", 60e6 },
  { "h", 3600e6 },
};

/* The unit that a text begins with, or 0. Moves behind it. */
static double
take_unit (const char **text)
{
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    {
      gsize length = strlen (units[i].name);

      if (strncmp (*text, units[i].name, length) == 0 && !g_ascii_isalpha ((*text)[length]))
        {
          *text += length;
          return units[i].length;
        }
    }

  return 0;
}

/* Digits and at most one point: no signs, exponents or spaces. */
static gboolean
take_number (const char **text,
             double      *number)
{
  gsize length = strspn (*text, "0123456789.");
  g_autofree char *digits = g_strndup (*text, length);
  char *end;

  *number = g_ascii_strtod (digits, &end);
  *text += length;
  return length > 0 && *end == '\0' && !g_str_equal (digits, ".");
}

gboolean
app_parse_duration (const char *text,
                    gint64     *duration)
{
  gboolean is_negative = *text == '-';
  gboolean is_first = TRUE;
  double sum = 0;
  double number, unit;

  text += is_negative;
  do
    {
      if (!take_number (&text, &number))
        return FALSE;
      unit = take_unit (&text);
      /* Seconds need no unit if they are all there is. */
      if (unit == 0 && (*text != '\0' || !is_first))
        return FALSE;
      is_first = FALSE;
      sum += number * (unit > 0 ? unit : 1e6);
    }
  while (*text != '\0');
  if (!(sum <= DURATION_MAX))
    return FALSE;

  *duration = is_negative && sum > 0 ? -1 : (gint64) sum;
  return TRUE;
}
