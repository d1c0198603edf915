/* zim-json.c: JSON that others wrote, read without trusting it
 *
 * A value is scanned by a loop over an explicit stack, never by recursion, and put into json-glib's
 * tree as it goes. Each container hangs in the tree from the moment it opens, so that dropping the
 * root frees everything whatever the scan ended with.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-json-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>

typedef struct {
  JsonObject *object; /* no-ref; one of the two is set */
  JsonArray  *array;  /* no-ref */
  char       *key;    /* of the member whose value comes next */
} Container;

typedef struct {
  const char *source;
  const char *start;
  const char *p;
  const char *end;
  GString    *scratch; /* the last string, unescaped */
  JsonNode   *root;
  Container   stack[ZIM_JSON_MAX_DEPTH];
  guint       depth;
  guint       n_values;
} Scanner;

static gboolean
scanner_fail (Scanner     *scanner,
              const char  *what,
              GError     **error)
{
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
               _("%s: Not valid JSON at byte %zu: %s"),
               scanner->source, (gsize) (scanner->p - scanner->start), what);
  return FALSE;
}

static void
skip_space (Scanner *scanner)
{
  while (scanner->p < scanner->end &&
         (*scanner->p == ' ' || *scanner->p == '\n' || *scanner->p == '\r' || *scanner->p == '\t'))
    scanner->p++;
}

static gboolean
next_is (Scanner *scanner,
         char     c)
{
  return scanner->p < scanner->end && *scanner->p == c;
}

/* Hangs a value into the open container, or makes it the root. */
static gboolean
attach (Scanner   *scanner,
        JsonNode  *node,
        GError   **error)
{
  Container *top;

  if (++scanner->n_values > ZIM_JSON_MAX_VALUES)
    {
      json_node_unref (node);
      return scanner_fail (scanner, _("Too many values"), error);
    }
  if (scanner->depth == 0)
    {
      scanner->root = node;
      return TRUE;
    }

  top = &scanner->stack[scanner->depth - 1];
  if (top->array != NULL)
    {
      json_array_add_element (top->array, node);
      return TRUE;
    }
  json_object_set_member (top->object, top->key, node);
  g_clear_pointer (&top->key, g_free);
  return TRUE;
}

static gboolean
scan_hex4 (Scanner   *scanner,
           gunichar  *unit,
           GError   **error)
{
  *unit = 0;
  for (guint i = 0; i < 4; i++, scanner->p++)
    {
      if (scanner->p >= scanner->end || !g_ascii_isxdigit (*scanner->p))
        return scanner_fail (scanner, _("Expected four hexadecimal digits"), error);
      *unit = *unit << 4 | (gunichar) g_ascii_xdigit_value (*scanner->p);
    }
  return TRUE;
}

/* The digits after “\u”, and the second half of a surrogate pair. */
static gboolean
scan_unicode_escape (Scanner  *scanner,
                     GError  **error)
{
  gunichar c;
  gunichar low;

  if (!scan_hex4 (scanner, &c, error))
    return FALSE;
  if (c == 0)
    return scanner_fail (scanner, _("A NUL in a string"), error);
  if (c >= 0xd800 && c < 0xe000)
    {
      if (c >= 0xdc00 || scanner->end - scanner->p < 2 || memcmp (scanner->p, "\\u", 2) != 0)
        return scanner_fail (scanner, _("A surrogate without its pair"), error);
      scanner->p += 2;
      if (!scan_hex4 (scanner, &low, error))
        return FALSE;
      if (low < 0xdc00 || low >= 0xe000)
        return scanner_fail (scanner, _("A surrogate without its pair"), error);
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
  g_string_append_unichar (scanner->scratch, c);
  return TRUE;
}

static gboolean
scan_escape (Scanner  *scanner,
             GError  **error)
{
  static const char names[] = "\"\\/bfnrt";
  static const char values[] = "\"\\/\b\f\n\r\t";
  const char *found = NULL;

  scanner->p++;
  if (next_is (scanner, 'u'))
    {
      scanner->p++;
      return scan_unicode_escape (scanner, error);
    }
  if (scanner->p < scanner->end && *scanner->p != '\0')
    found = strchr (names, *scanner->p);
  if (found == NULL)
    return scanner_fail (scanner, _("Unknown escape"), error);
  g_string_append_c (scanner->scratch, values[found - names]);
  scanner->p++;
  return TRUE;
}

/* From the opening quote, into scratch. The bytes are known to be UTF-8 without NUL. */
static gboolean
scan_string (Scanner  *scanner,
             GError  **error)
{
  g_string_truncate (scanner->scratch, 0);
  scanner->p++;
  while (scanner->p < scanner->end && *scanner->p != '"')
    {
      const char *run = scanner->p;

      while (scanner->p < scanner->end && *scanner->p != '"' && *scanner->p != '\\')
        {
          if ((guchar) *scanner->p < 0x20)
            return scanner_fail (scanner, _("A control character in a string"), error);
          scanner->p++;
        }
      g_string_append_len (scanner->scratch, run, scanner->p - run);
      if (next_is (scanner, '\\') && !scan_escape (scanner, error))
        return FALSE;
    }
  if (scanner->p >= scanner->end)
    return scanner_fail (scanner, _("A string that does not end"), error);
  scanner->p++;
  return TRUE;
}

static gboolean
fail_twice (Scanner  *scanner,
            GError  **error)
{
  g_autofree char *name = zim_json_shorten (scanner->scratch->str);
  g_autofree char *what = g_strdup_printf (_("Member “%s” comes twice"), name);

  return scanner_fail (scanner, what, error);
}

static gboolean
scan_key (Scanner  *scanner,
          GError  **error)
{
  Container *top = &scanner->stack[scanner->depth - 1];
  const char *at;

  skip_space (scanner);
  if (!next_is (scanner, '"'))
    return scanner_fail (scanner, _("Expected a member’s name"), error);
  at = scanner->p;
  if (!scan_string (scanner, error))
    return FALSE;
  if (json_object_has_member (top->object, scanner->scratch->str))
    {
      scanner->p = at;
      return fail_twice (scanner, error);
    }
  top->key = g_strndup (scanner->scratch->str, scanner->scratch->len);

  skip_space (scanner);
  if (!next_is (scanner, ':'))
    return scanner_fail (scanner, _("Expected “:”"), error);
  scanner->p++;
  return TRUE;
}

static gboolean
scan_digits (Scanner  *scanner,
             GError  **error)
{
  const char *from = scanner->p;

  while (scanner->p < scanner->end && g_ascii_isdigit (*scanner->p))
    scanner->p++;
  return scanner->p > from || scanner_fail (scanner, _("Expected a digit"), error);
}

/* Moves past a number and tells whether it is written as an integer. */
static gboolean
scan_number_text (Scanner   *scanner,
                  gboolean  *is_integer,
                  GError   **error)
{
  *is_integer = TRUE;
  if (next_is (scanner, '-'))
    scanner->p++;
  if (next_is (scanner, '0'))
    scanner->p++;
  else if (!scan_digits (scanner, error))
    return FALSE;
  if (next_is (scanner, '.'))
    {
      *is_integer = FALSE;
      scanner->p++;
      if (!scan_digits (scanner, error))
        return FALSE;
    }
  if (next_is (scanner, 'e') || next_is (scanner, 'E'))
    {
      *is_integer = FALSE;
      scanner->p++;
      if (next_is (scanner, '+') || next_is (scanner, '-'))
        scanner->p++;
      if (!scan_digits (scanner, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
scan_number (Scanner  *scanner,
             GError  **error)
{
  const char *from = scanner->p;
  gboolean is_integer;
  gint64 integer;
  double number;

  if (!scan_number_text (scanner, &is_integer, error))
    return FALSE;
  g_string_truncate (scanner->scratch, 0);
  g_string_append_len (scanner->scratch, from, scanner->p - from);
  if (is_integer &&
      g_ascii_string_to_signed (scanner->scratch->str, 10, G_MININT64, G_MAXINT64, &integer, NULL))
    return attach (scanner, json_node_init_int (json_node_alloc (), integer), error);

  number = g_ascii_strtod (scanner->scratch->str, NULL);
  if (!isfinite (number))
    {
      scanner->p = from;
      return scanner_fail (scanner, _("A number out of range"), error);
    }
  return attach (scanner, json_node_init_double (json_node_alloc (), number), error);
}

static gboolean
scan_word (Scanner  *scanner,
           GError  **error)
{
  static const char *const words[] = { "null", "false", "true" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      gsize length = strlen (words[i]);

      if ((gsize) (scanner->end - scanner->p) < length || memcmp (scanner->p, words[i], length) != 0)
        continue;
      scanner->p += length;
      return attach (scanner,
                     i == 0 ? json_node_init_null (json_node_alloc ())
                            : json_node_init_boolean (json_node_alloc (), i == 2),
                     error);
    }
  return scanner_fail (scanner, _("Expected a value"), error);
}

static gboolean
open_container (Scanner  *scanner,
                GError  **error)
{
  Container container = { NULL, };
  JsonNode *node = json_node_alloc ();

  if (*scanner->p == '{')
    {
      container.object = json_object_new ();
      json_node_init (node, JSON_NODE_OBJECT);
      json_node_take_object (node, container.object);
    }
  else
    {
      container.array = json_array_new ();
      json_node_init (node, JSON_NODE_ARRAY);
      json_node_take_array (node, container.array);
    }
  if (!attach (scanner, node, error))
    return FALSE;
  if (scanner->depth == ZIM_JSON_MAX_DEPTH)
    return scanner_fail (scanner, _("Nested too deeply"), error);
  scanner->stack[scanner->depth++] = container;
  scanner->p++;
  return TRUE;
}

static gboolean
scan_scalar (Scanner  *scanner,
             GError  **error)
{
  if (next_is (scanner, '"'))
    return scan_string (scanner, error) &&
           attach (scanner, json_node_init_string (json_node_alloc (), scanner->scratch->str), error);
  if (next_is (scanner, '-') || (scanner->p < scanner->end && g_ascii_isdigit (*scanner->p)))
    return scan_number (scanner, error);
  return scan_word (scanner, error);
}

/* Closes the open container if its end comes next. */
static gboolean
close_container (Scanner *scanner)
{
  skip_space (scanner);
  if (!next_is (scanner, scanner->stack[scanner->depth - 1].array != NULL ? ']' : '}'))
    return FALSE;
  scanner->p++;
  scanner->depth--;
  return TRUE;
}

/* After a value: past all that ends with it, and to where the next one starts. */
static gboolean
finish_value (Scanner  *scanner,
              GError  **error)
{
  while (scanner->depth > 0 && close_container (scanner))
    ;
  if (scanner->depth == 0)
    return TRUE;
  if (!next_is (scanner, ','))
    return scanner_fail (scanner,
                         scanner->stack[scanner->depth - 1].array != NULL ? _("Expected “,” or “]”")
                                                                          : _("Expected “,” or “}”"),
                         error);
  scanner->p++;
  return scanner->stack[scanner->depth - 1].array != NULL || scan_key (scanner, error);
}

static gboolean
scan_next (Scanner  *scanner,
           GError  **error)
{
  skip_space (scanner);
  if (!next_is (scanner, '{') && !next_is (scanner, '['))
    return scan_scalar (scanner, error) && finish_value (scanner, error);
  if (!open_container (scanner, error))
    return FALSE;
  if (close_container (scanner))
    return finish_value (scanner, error);
  return scanner->stack[scanner->depth - 1].array != NULL || scan_key (scanner, error);
}

static gboolean
scan (Scanner  *scanner,
      GError  **error)
{
  if (scanner->end - scanner->start > ZIM_JSON_MAX_SIZE)
    return scanner_fail (scanner, _("Too large"), error);
  if (!g_utf8_validate_len (scanner->start, (gsize) (scanner->end - scanner->start), &scanner->p))
    return scanner_fail (scanner, _("Not UTF-8"), error);
  scanner->p = scanner->start;

  do
    {
      if (!scan_next (scanner, error))
        return FALSE;
    }
  while (scanner->depth > 0);

  skip_space (scanner);
  return scanner->p == scanner->end || scanner_fail (scanner, _("More after the value"), error);
}

char *
zim_json_shorten (const char *string)
{
  g_autofree char *start = NULL;

  if (g_utf8_strlen (string, -1) <= 200)
    return g_strdup (string);
  start = g_utf8_substring (string, 0, 199);
  return g_strconcat (start, "…", NULL);
}

JsonNode *
zim_json_parse (const char  *data,
                gsize        length,
                const char  *source,
                GError     **error)
{
  g_autoptr(GString) scratch = g_string_new (NULL);
  Scanner scanner = { .source = source, .start = data, .p = data, .scratch = scratch };
  gboolean ok;

  g_return_val_if_fail (data != NULL || length == 0, NULL);
  g_return_val_if_fail (source != NULL, NULL);

  if (data == NULL)
    scanner.start = scanner.p = "";
  scanner.end = scanner.start + length;
  ok = scan (&scanner, error);
  for (guint i = 0; i < scanner.depth; i++)
    g_free (scanner.stack[i].key);
  if (!ok)
    g_clear_pointer (&scanner.root, json_node_unref);
  return scanner.root;
}
