/* app-json.c: results for programs
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* json-glib's generator prints 12.3 as 12.300000000000001 and knows no end of a number that is none; what people read
 * in a terminal or paste into a report should not look so. */

#include "config.h"

#include "app-json.h"

#include <math.h>
#include <string.h>

/* The depth that says that everything is on one line. */
#define ONE_LINE G_MAXUINT

static void append_value (GString  *json,
                          GVariant *value,
                          guint     depth);

/* How many characters need no escape. */
static gsize
plain_run (const char *text)
{
  const char *p = text;

  while ((guchar) *p >= 0x20 && *p != '"' && *p != '\\' && *p != 0x7f)
    p++;
  return (gsize) (p - text);
}

static void
append_string (GString    *json,
               const char *text)
{
  g_string_append_c (json, '"');
  for (const char *p = text; *p != '\0'; p++)
    {
      gsize run = plain_run (p);

      /* A picture in base64 is megabytes of one run. */
      g_string_append_len (json, p, (gssize) run);
      p += run;
      if (*p == '\0')
        break;
      if (*p == '"' || *p == '\\')
        g_string_append_printf (json, "\\%c", *p);
      else if (*p == '\n')
        g_string_append (json, "\\n");
      else
        g_string_append_printf (json, "\\u%04x", *p);
    }
  g_string_append_c (json, '"');
}

/* The shortest form that reads back as the same number. */
static void
append_double (GString *json,
               double   number)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (number))
    {
      g_string_append (json, "null");
      return;
    }

  g_ascii_formatd (buffer, sizeof buffer, "%.15g", number);
  if (g_ascii_strtod (buffer, NULL) != number)
    g_ascii_dtostr (buffer, sizeof buffer, number);
  g_string_append (json, buffer);
  /* What is a real number stays one for the reader. */
  if (strpbrk (buffer, ".e") == NULL)
    g_string_append (json, ".0");
}

static void
append_newline (GString *json,
                guint    depth)
{
  if (depth != ONE_LINE)
    g_string_append_printf (json, "\n%*s", (int) (2 * depth), "");
}

static void
append_container (GString  *json,
                  GVariant *container,
                  guint     depth)
{
  gboolean is_object = g_variant_type_is_subtype_of (g_variant_get_type (container), G_VARIANT_TYPE ("a{s*}"));
  gsize n = g_variant_n_children (container);
  guint inner = depth == ONE_LINE ? ONE_LINE : depth + 1;

  g_string_append_c (json, is_object ? '{' : '[');
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr(GVariant) child = g_variant_get_child_value (container, i);

      g_string_append (json, i > 0 ? "," : "");
      append_newline (json, inner);
      if (is_object)
        {
          g_autoptr(GVariant) key = g_variant_get_child_value (child, 0);
          g_autoptr(GVariant) value = g_variant_get_child_value (child, 1);

          append_string (json, g_variant_get_string (key, NULL));
          g_string_append (json, depth == ONE_LINE ? ":" : ": ");
          append_value (json, value, inner);
        }
      else
        append_value (json, child, inner);
    }
  if (n > 0)
    append_newline (json, depth);
  g_string_append_c (json, is_object ? '}' : ']');
}

static void
append_value (GString  *json,
              GVariant *value,
              guint     depth)
{
  g_autoptr(GVariant) inner = NULL;
  g_autofree char *text = NULL;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_VARIANT:
      inner = g_variant_get_variant (value);
      append_value (json, inner, depth);
      break;
    case G_VARIANT_CLASS_STRING:
      append_string (json, g_variant_get_string (value, NULL));
      break;
    case G_VARIANT_CLASS_DOUBLE:
      append_double (json, g_variant_get_double (value));
      break;
    case G_VARIANT_CLASS_MAYBE:
      inner = g_variant_get_maybe (value);
      if (inner != NULL)
        append_value (json, inner, depth);
      else
        g_string_append (json, "null");
      break;
    case G_VARIANT_CLASS_ARRAY:
    case G_VARIANT_CLASS_TUPLE:
      append_container (json, value, depth);
      break;
    case G_VARIANT_CLASS_BOOLEAN:
    default:
      /* The text form of truth values and whole numbers is JSON's. */
      text = g_variant_print (value, FALSE);
      g_string_append (json, text);
    }
}

static char *
to_json (GVariant *variant,
         guint     depth)
{
  g_autoptr(GVariant) sunk = g_variant_ref_sink (variant);
  GString *json = g_string_new (NULL);

  append_value (json, sunk, depth);
  return g_string_free (json, FALSE);
}

char *
app_variant_to_json (GVariant *variant)
{
  return to_json (variant, 0);
}

char *
app_variant_to_json_line (GVariant *variant)
{
  return to_json (variant, ONE_LINE);
}
