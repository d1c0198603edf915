/* zim-unicode.c: character classes and NFC as the reference tokenizer has them
 *
 * Token ids depend on which version of Unicode decides what a letter is, and GLib's differs from
 * one distribution to the next. The classes therefore come from tables that were asked of the
 * reference.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "text/zim-unicode-private.h"

#include <stdlib.h>

typedef struct {
  gunichar first;
  gunichar last;
} ZimRange;

#include "text/zim-unicode-tables.h"

static int
compare_with_range (const void *key,
                    const void *element)
{
  const gunichar *c = key;
  const ZimRange *range = element;

  if (*c < range->first)
    return -1;
  return *c > range->last;
}

#define IN_TABLE(c, table) \
  (bsearch (&(c), table, G_N_ELEMENTS (table), sizeof (ZimRange), compare_with_range) != NULL)

static ZimCharClass
classify_ascii (gunichar c)
{
  if (g_ascii_isalpha (c))
    return ZIM_CHAR_LETTER;
  if (g_ascii_isdigit (c))
    return ZIM_CHAR_NUMBER;
  if (c == '\n' || c == '\r')
    return ZIM_CHAR_NEWLINE;
  if (c == ' ' || c == '\t' || c == '\v' || c == '\f')
    return ZIM_CHAR_SPACE;
  return ZIM_CHAR_OTHER;
}

ZimCharClass
zim_unicode_classify (gunichar c)
{
  if (c < 0x80)
    return classify_ascii (c);
  if (IN_TABLE (c, zim_letters))
    return ZIM_CHAR_LETTER;
  if (IN_TABLE (c, zim_numbers))
    return ZIM_CHAR_NUMBER;
  if (IN_TABLE (c, zim_spaces))
    return ZIM_CHAR_SPACE;
  return ZIM_CHAR_OTHER;
}

/* The reference's NFC is that of Unicode 9 and leaves every newer character alone, while GLib's data
 * is of Unicode 14 or later. So NFC is done on runs of the characters that take part in it there, and
 * for these GLib is right in every version: the normalization of an assigned character never changes.
 *
 * The steps are done here and not by g_utf8_normalize (), which takes quadratic time to put a long
 * run of marks in order: a prompt of 100 kB would hold up its caller for a second. */

typedef struct {
  gunichar c;
  int      combining; /* canonical combining class, 0 = starter */
} Char;

static void
append_decomposed (GArray   *chars,
                   gunichar  c)
{
  gunichar parts[G_UNICHAR_MAX_DECOMPOSITION_LENGTH];
  gsize n = g_unichar_fully_decompose (c, FALSE, parts, G_N_ELEMENTS (parts));

  for (gsize i = 0; i < n; i++)
    {
      Char part = { parts[i], g_unichar_combining_class (parts[i]) };

      g_array_append_val (chars, part);
    }
}

static int
compare_combining (gconstpointer a,
                   gconstpointer b,
                   gpointer      user_data)
{
  return ((const Char *) a)->combining - ((const Char *) b)->combining;
}

/* Marks of one base go by class; those of one class keep their order, as the sort is stable. */
static void
order_marks (GArray *chars)
{
  Char *data = (Char *) chars->data;
  guint end;

  for (guint start = 0; start < chars->len; start = end)
    {
      end = start + 1;
      if (data[start].combining == 0)
        continue;
      while (end < chars->len && data[end].combining != 0)
        end++;
      if (end - start > 1)
        g_qsort_with_data (data + start, (int) (end - start), sizeof (Char), compare_combining, NULL);
    }
}

/* A character joins the last starter unless one kept between them has the same or a higher class. */
static void
compose (GArray *chars)
{
  Char *data = (Char *) chars->data;
  Char *starter = NULL;
  guint kept = 0;

  for (guint i = 0; i < chars->len; i++)
    {
      Char next = data[i];
      gunichar joined;

      if (starter != NULL &&
          (starter == &data[kept - 1] || data[kept - 1].combining < next.combining) &&
          g_unichar_compose (starter->c, next.c, &joined))
        {
          starter->c = joined;
          continue;
        }
      data[kept] = next;
      if (next.combining == 0)
        starter = &data[kept];
      kept++;
    }
  g_array_set_size (chars, kept);
}

static void
append_run (GString    *out,
            GArray     *chars,
            const char *text,
            const char *end)
{
  g_array_set_size (chars, 0);
  for (const char *p = text; p < end; p = g_utf8_next_char (p))
    append_decomposed (chars, g_utf8_get_char (p));
  order_marks (chars);
  compose (chars);
  for (guint i = 0; i < chars->len; i++)
    g_string_append_unichar (out, g_array_index (chars, Char, i).c);
}

/* Moves past the characters that are, or are not, in the table; tells whether one was beyond ASCII. */
static const char *
skip_normalizing (const char *p,
                  const char *end,
                  gboolean    wanted,
                  gboolean   *beyond_ascii)
{
  for (*beyond_ascii = FALSE; p < end; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (IN_TABLE (c, zim_normalizing) != wanted)
        break;
      *beyond_ascii |= c >= 0x80;
    }
  return p;
}

void
zim_unicode_append_nfc (GString    *out,
                        const char *text,
                        gsize       length)
{
  g_autoptr(GArray) chars = g_array_new (FALSE, FALSE, sizeof (Char));
  const char *end = text + length;
  gboolean beyond_ascii;

  while (text < end)
    {
      const char *run = skip_normalizing (text, end, FALSE, &beyond_ascii);

      g_string_append_len (out, text, run - text);
      text = skip_normalizing (run, end, TRUE, &beyond_ascii);
      if (beyond_ascii)
        append_run (out, chars, run, text);
      else
        g_string_append_len (out, run, text - run);
    }
}
