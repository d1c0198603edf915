/* test-unicode.c: normalization and character classes against what the reference tokenizer does
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <stdlib.h>
#include <string.h>

#include "text/zim-unicode-private.h"

enum { BASES, MARKS, SECONDS, HANGUL, N_POOLS };

#define N_BATCHES 200
#define N_SEQUENCES 500 /* in a batch */
#define N_BASES 16 /* to a checksum */

static char **
load_lines (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", name, NULL);
  g_autofree char *content = NULL;
  g_autoptr(GError) error = NULL;

  g_file_get_contents (path, &content, NULL, &error);
  g_assert_no_error (error);
  return g_strsplit (content, "\n", -1);
}

static GArray *
parse_pool (const char *line)
{
  GArray *pool = g_array_new (FALSE, FALSE, sizeof (gunichar));
  char *end;

  for (const char *p = line; *p != '\0'; p = end)
    {
      gunichar c = (gunichar) strtoul (p, &end, 16);

      g_assert_true (end > p);
      g_array_append_val (pool, c);
    }
  return pool;
}

/* The generator of make-tokenizer.py. */
static guint32
lcg_next (guint32 *state,
          guint32  n)
{
  *state = *state * 1664525 + 1013904223;
  return (*state >> 8) % n;
}

static gunichar
draw (guint32  *state,
      GArray  **pools)
{
  static const guint pool_of_kind[] = { BASES, BASES, MARKS, MARKS, SECONDS, SECONDS, HANGUL };
  guint32 kind = lcg_next (state, 8);
  GArray *pool;

  if (kind == 7)
    {
      gunichar c = 1 + lcg_next (state, 0x10ffff);

      return c >= 0xd800 && c <= 0xdfff ? 'A' : c;
    }
  pool = pools[pool_of_kind[kind]];
  return g_array_index (pool, gunichar, lcg_next (state, pool->len));
}

static GString *
draw_batch (guint32  *state,
            GArray  **pools)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < N_SEQUENCES; i++)
    {
      guint n = 1 + lcg_next (state, 9);

      for (guint j = 0; j < n; j++)
        g_string_append_unichar (text, draw (state, pools));
      g_string_append_c (text, '\n');
    }
  return text;
}

static void
append_pairs_text (GString  *text,
                   gunichar  base,
                   GArray   *seconds)
{
  for (guint i = 0; i < seconds->len; i++)
    {
      gunichar second = g_array_index (seconds, gunichar, i);
      const gunichar chars[] = { base, second, '\n', base, 0x323, second, '\n', base, second, 0x323, '\n' };

      for (guint j = 0; j < G_N_ELEMENTS (chars); j++)
        g_string_append_unichar (text, chars[j]);
    }
}

static void
assert_nfc_checksum (GString    *text,
                     const char *expected)
{
  g_autoptr(GString) normalized = g_string_new (NULL);
  g_autofree char *md5 = NULL;

  zim_unicode_append_nfc (normalized, text->str, text->len);
  md5 = g_compute_checksum_for_data (G_CHECKSUM_MD5, (const guchar *) normalized->str, normalized->len);
  md5[8] = '\0';
  g_assert_cmpstr (md5, ==, expected);
}

/* nfc.txt: the pools, a line each, then the checksums. */
static void
test_nfc_checksums (void)
{
  g_auto(GStrv) lines = load_lines ("nfc.txt");
  GArray *pools[N_POOLS];
  guint32 state = 5;
  guint line = N_POOLS;

  g_assert_cmpuint (g_strv_length (lines), >, N_POOLS + N_BATCHES);
  for (guint i = 0; i < N_POOLS; i++)
    pools[i] = parse_pool (lines[i]);
  for (guint i = 0; i < N_BATCHES; i++)
    {
      g_autoptr(GString) text = draw_batch (&state, pools);

      assert_nfc_checksum (text, lines[line++]);
    }
  for (guint i = 0; i < pools[BASES]->len; i += N_BASES)
    {
      g_autoptr(GString) text = g_string_new (NULL);

      for (guint j = i; j < MIN (i + N_BASES, pools[BASES]->len); j++)
        append_pairs_text (text, g_array_index (pools[BASES], gunichar, j), pools[SECONDS]);
      assert_nfc_checksum (text, lines[line++]);
    }
  g_assert_cmpstr (lines[line], ==, "");
  for (guint i = 0; i < N_POOLS; i++)
    g_array_unref (pools[i]);
}

static void
assert_nfc (const char *text,
            const char *expected)
{
  g_autoptr(GString) normalized = g_string_new ("before ");
  g_autofree char *whole = g_strconcat ("before ", expected, NULL);

  zim_unicode_append_nfc (normalized, text, strlen (text));
  g_assert_cmpstr (normalized->str, ==, whole);
}

static void
test_nfc_known (void)
{
  assert_nfc ("", "");
  assert_nfc ("plain <=> text", "plain <=> text");
  assert_nfc ("e\u0301", "\u00e9");
  assert_nfc ("a\u0307\u0323", "\u1ea1\u0307");           /* marks change places */
  assert_nfc ("a\u0301\u0300", "\u00e1\u0300");           /* of one class, they do not */
  assert_nfc ("a\u0328\u0308\u0304", "\u0105\u0308\u0304"); /* U+0304 is blocked by U+0308 */
  assert_nfc ("\u212b", "\u00c5");
  assert_nfc ("\u0958", "\u0915\u093c");                  /* excluded from composition */
  assert_nfc ("\u1112\u1161\u11ab", "\ud55c");
  assert_nfc ("\ud558\u11ab", "\ud55c");
  assert_nfc ("\u1100\u11a8", "\u1100\u11a8");
  assert_nfc ("<\u0338|", "\u226e|");
}

/* Characters that are newer than the NFC of the reference stay as they are, whatever GLib knows. */
static void
test_nfc_newer_characters (void)
{
  assert_nfc ("\U00011935\U00011930", "\U00011935\U00011930"); /* Unicode 13 composes U+11938 */
  assert_nfc ("a\u1df6\u0323", "a\u1df6\u0323");               /* Unicode 10: class 232 */
}

static void
test_nfc_long_runs (void)
{
  g_autoptr(GString) text = g_string_new ("q");
  g_autoptr(GString) normalized = g_string_new (NULL);

  for (guint i = 0; i < 100000; i++)
    g_string_append (text, "\u0307\u0323");
  zim_unicode_append_nfc (normalized, text->str, text->len);
  g_assert_cmpuint (normalized->len, ==, text->len);
  g_assert_true (g_str_has_prefix (normalized->str, "q\u0323\u0323"));
  g_assert_true (g_str_has_suffix (normalized->str, "\u0307\u0307"));
}

static void
test_classes (void)
{
  static const gunichar spaces[] = { '\t', '\v', '\f', ' ', 0x85, 0xa0, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029,
                                     0x202f, 0x205f, 0x3000 };
  static const gunichar others[] = { 0, 0x1c, '!', '_', 0x7f, 0xad, 0x301, 0x180e, 0x200b, 0x200d, 0x2060, 0xfeff,
                                     0xe000, 0x1f600, 0x10ffff };

  for (guint i = 0; i < G_N_ELEMENTS (spaces); i++)
    g_assert_cmpint (zim_unicode_classify (spaces[i]), ==, ZIM_CHAR_SPACE);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    g_assert_cmpint (zim_unicode_classify (others[i]), ==, ZIM_CHAR_OTHER);
  g_assert_cmpint (zim_unicode_classify ('\r'), ==, ZIM_CHAR_NEWLINE);
  g_assert_cmpint (zim_unicode_classify ('\n'), ==, ZIM_CHAR_NEWLINE);
  g_assert_cmpint (zim_unicode_classify (0x4e2d), ==, ZIM_CHAR_LETTER);
  g_assert_cmpint (zim_unicode_classify (0x1e030), ==, ZIM_CHAR_LETTER); /* Unicode 15 */
  g_assert_cmpint (zim_unicode_classify (0x00bd), ==, ZIM_CHAR_NUMBER);
  g_assert_cmpint (zim_unicode_classify (0x10d40), ==, ZIM_CHAR_NUMBER); /* Unicode 16 */
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/unicode/nfc/known", test_nfc_known);
  g_test_add_func ("/unicode/nfc/newer-characters", test_nfc_newer_characters);
  g_test_add_func ("/unicode/nfc/checksums", test_nfc_checksums);
  g_test_add_func ("/unicode/nfc/long-runs", test_nfc_long_runs);
  g_test_add_func ("/unicode/classes", test_classes);

  return g_test_run ();
}
