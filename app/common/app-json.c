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

/* Text that is there already, and where in the other text it belongs. */
typedef struct
{
  gsize   offset;
  GBytes *bytes;
} Insert;

typedef struct
{
  GString *text;
  GArray  *inserts; /* of Insert; NULL if all is to be one text */
} Json;

static void append_value (Json     *json,
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
append_string (Json       *json,
               const char *text)
{
  g_string_append_c (json->text, '"');
  for (const char *p = text; *p != '\0'; p++)
    {
      gsize run = plain_run (p);

      /* A picture in base64 is megabytes of one run. */
      g_string_append_len (json->text, p, (gssize) run);
      p += run;
      if (*p == '\0')
        break;
      if (*p == '"' || *p == '\\')
        g_string_append_printf (json->text, "\\%c", *p);
      else if (*p == '\n')
        g_string_append (json->text, "\\n");
      else
        g_string_append_printf (json->text, "\\u%04x", *p);
    }
  g_string_append_c (json->text, '"');
}

/* The shortest form that reads back as the same number. */
/* Text as bytes, such as a picture in base64: it needs no escapes, and is not copied if it need not be. */
static void
append_bytes (Json     *json,
              GVariant *value)
{
  g_autoptr(GBytes) bytes = g_variant_get_data_as_bytes (value);

  g_string_append_c (json->text, '"');
  if (json->inserts == NULL)
    g_string_append_len (json->text, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes));
  else
    {
      const Insert insert = { json->text->len, g_steal_pointer (&bytes) };

      g_array_append_val (json->inserts, insert);
    }
  g_string_append_c (json->text, '"');
}

static void
append_double (Json   *json,
               double  number)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (number))
    {
      g_string_append (json->text, "null");
      return;
    }

  g_ascii_formatd (buffer, sizeof buffer, "%.15g", number);
  if (g_ascii_strtod (buffer, NULL) != number)
    g_ascii_dtostr (buffer, sizeof buffer, number);
  g_string_append (json->text, buffer);
  /* What is a real number stays one for the reader. */
  if (strpbrk (buffer, ".e") == NULL)
    g_string_append (json->text, ".0");
}

static void
append_newline (Json  *json,
                guint  depth)
{
  if (depth != ONE_LINE)
    g_string_append_printf (json->text, "\n%*s", (int) (2 * depth), "");
}

static void
append_container (Json     *json,
                  GVariant *container,
                  guint     depth)
{
  gboolean is_object = g_variant_type_is_subtype_of (g_variant_get_type (container), G_VARIANT_TYPE ("a{s*}"));
  gsize n = g_variant_n_children (container);
  guint inner = depth == ONE_LINE ? ONE_LINE : depth + 1;

  g_string_append_c (json->text, is_object ? '{' : '[');
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr(GVariant) child = g_variant_get_child_value (container, i);

      g_string_append (json->text, i > 0 ? "," : "");
      append_newline (json, inner);
      if (is_object)
        {
          g_autoptr(GVariant) key = g_variant_get_child_value (child, 0);
          g_autoptr(GVariant) value = g_variant_get_child_value (child, 1);

          append_string (json, g_variant_get_string (key, NULL));
          g_string_append (json->text, depth == ONE_LINE ? ":" : ": ");
          append_value (json, value, inner);
        }
      else
        append_value (json, child, inner);
    }
  if (n > 0)
    append_newline (json, depth);
  g_string_append_c (json->text, is_object ? '}' : ']');
}

static void
append_value (Json     *json,
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
        g_string_append (json->text, "null");
      break;
    case G_VARIANT_CLASS_ARRAY:
    case G_VARIANT_CLASS_TUPLE:
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
        append_bytes (json, value);
      else
        append_container (json, value, depth);
      break;
    case G_VARIANT_CLASS_BOOLEAN:
    default:
      /* The text form of truth values and whole numbers is JSON's. */
      text = g_variant_print (value, FALSE);
      g_string_append (json->text, text);
    }
}

static char *
to_json (GVariant *variant,
         guint     depth)
{
  g_autoptr(GVariant) sunk = g_variant_ref_sink (variant);
  Json json = { g_string_new (NULL), NULL };

  append_value (&json, sunk, depth);
  return g_string_free (json.text, FALSE);
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

GPtrArray *
app_variant_to_json_parts (GVariant *variant)
{
  g_autoptr(GVariant) sunk = g_variant_ref_sink (variant);
  g_autoptr(GArray) inserts = g_array_new (FALSE, FALSE, sizeof (Insert));
  Json json = { g_string_new (NULL), inserts };
  GPtrArray *parts = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr(GBytes) text = NULL;
  gsize start = 0;

  append_value (&json, sunk, ONE_LINE);
  text = g_string_free_to_bytes (json.text);
  for (guint i = 0; i < inserts->len; i++)
    {
      const Insert *insert = &g_array_index (inserts, Insert, i);

      g_ptr_array_add (parts, g_bytes_new_from_bytes (text, start, insert->offset - start));
      g_ptr_array_add (parts, insert->bytes);
      start = insert->offset;
    }
  g_ptr_array_add (parts, g_bytes_new_from_bytes (text, start, g_bytes_get_size (text) - start));
  return parts;
}
