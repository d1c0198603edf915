/* zim-tokenizer.c: text to token ids, as the Qwen2 family does it
 *
 *   1. added tokens are cut out of the raw text: the leftmost, of those the longest;
 *   2. the text between them is put into normalization form C,
 *   3. and split into words by a pattern: letters with what stands before them, single digits,
 *      punctuation, white space;
 *   4. each word's bytes are merged into tokens.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "text/zim-tokenizer-private.h"
#include "text/zim-unicode-private.h"
#include "text/zim-vocabulary-private.h"

#include <string.h>

#define LATIN_SMALL_LETTER_LONG_S 0x017f

struct _ZimTokenizer {
  gatomicrefcount  ref_count;
  ZimBpe          *bpe;
  GArray          *added;         /* of ZimAddedToken, by first byte, the longest first */
  guint            starts[256 + 1]; /* where in added those with a first byte start */
  guint            n_ids;
  gboolean         nfc;
};

static int
compare_added (gconstpointer a,
               gconstpointer b)
{
  const ZimAddedToken *left = a;
  const ZimAddedToken *right = b;

  if (left->text[0] != right->text[0])
    return (guint8) left->text[0] - (guint8) right->text[0];
  return (left->length < right->length) - (left->length > right->length);
}

static void
index_added (ZimTokenizer *self)
{
  guint n = 0;

  g_array_sort (self->added, compare_added);
  for (guint byte = 0; byte < G_N_ELEMENTS (self->starts); byte++)
    {
      while (n < self->added->len &&
             (guint8) g_array_index (self->added, ZimAddedToken, n).text[0] < byte)
        n++;
      self->starts[byte] = n;
    }
}

ZimTokenizer *
zim_tokenizer_new_for_vocabulary (ZimVocabulary *vocabulary,
                                  gboolean       nfc)
{
  ZimTokenizer *self = g_new0 (ZimTokenizer, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->bpe = zim_vocabulary_steal_bpe (vocabulary);
  self->added = zim_vocabulary_steal_added (vocabulary);
  self->n_ids = zim_vocabulary_get_n_ids (vocabulary);
  self->nfc = nfc;
  index_added (self);
  zim_vocabulary_free (vocabulary);
  return self;
}

ZimTokenizer *
zim_tokenizer_ref (ZimTokenizer *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
zim_tokenizer_unref (ZimTokenizer *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  zim_bpe_free (self->bpe);
  g_array_unref (self->added);
  g_free (self);
}

guint
zim_tokenizer_get_n_ids (ZimTokenizer *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->n_ids;
}

/* The pattern's alternatives, each a function from where a word starts to where it ends, or to its
 * start if it does not match there. */

static ZimCharClass
class_at (const char *p,
          const char *end)
{
  g_assert (p < end);

  return zim_unicode_classify (g_utf8_get_char (p));
}

static const char *
skip_class (const char   *p,
            const char   *end,
            ZimCharClass  class)
{
  while (p < end && class_at (p, end) == class)
    p = g_utf8_next_char (p);
  return p;
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)
 *
 * Without regard to case, the long s is an s as well. */
static const char *
match_contraction (const char *p,
                   const char *end)
{
  static const char *const endings[] = { "s", "t", "re", "ve", "m", "ll", "d" };
  const char *after = p + 1;

  if (*p != '\'' || after == end)
    return p;
  if (g_utf8_get_char (after) == LATIN_SMALL_LETTER_LONG_S)
    return g_utf8_next_char (after);
  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    {
      gsize length = strlen (endings[i]);

      if ((gsize) (end - after) >= length && g_ascii_strncasecmp (after, endings[i], length) == 0)
        return after + length;
    }
  return p;
}

/* [^\r\n\p{L}\p{N}]?\p{L}+ */
static const char *
match_letters (const char *p,
               const char *end)
{
  ZimCharClass class = class_at (p, end);
  const char *letters = p;
  const char *after;

  if (class == ZIM_CHAR_OTHER || class == ZIM_CHAR_SPACE)
    letters = g_utf8_next_char (p);
  after = skip_class (letters, end, ZIM_CHAR_LETTER);
  return after > letters ? after : p;
}

/* \p{N} */
static const char *
match_digit (const char *p,
             const char *end)
{
  return class_at (p, end) == ZIM_CHAR_NUMBER ? g_utf8_next_char (p) : p;
}

/* ` ?[^\s\p{L}\p{N}]+[\r\n]*` */
static const char *
match_others (const char *p,
              const char *end)
{
  const char *others = *p == ' ' ? p + 1 : p;
  const char *after = skip_class (others, end, ZIM_CHAR_OTHER);

  return after > others ? skip_class (after, end, ZIM_CHAR_NEWLINE) : p;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+
 *
 * White space up to its last line end; without one, all of it at the end of the text, and else all
 * but the last character, which goes with the word that follows, unless it is the only one. */
static const char *
match_space (const char *p,
             const char *end)
{
  const char *after_newline = p;
  const char *last = p;
  const char *after = p;

  while (after < end)
    {
      ZimCharClass class = class_at (after, end);

      if (class != ZIM_CHAR_SPACE && class != ZIM_CHAR_NEWLINE)
        break;
      last = after;
      after = g_utf8_next_char (after);
      if (class == ZIM_CHAR_NEWLINE)
        after_newline = after;
    }
  if (after_newline > p)
    return after_newline;
  return after == end || last == p ? after : last;
}

static const char *
match_word (const char *p,
            const char *end)
{
  const char *(*const alternatives[]) (const char *, const char *) = {
    match_contraction, match_letters, match_digit, match_others, match_space,
  };

  for (guint i = 0; i < G_N_ELEMENTS (alternatives); i++)
    {
      const char *after = alternatives[i] (p, end);

      if (after > p)
        return after;
    }
  g_assert_not_reached ();
}

static gboolean
is_ascii (const char *text,
          gsize       length)
{
  for (gsize i = 0; i < length; i++)
    if (text[i] & 0x80)
      return FALSE;
  return TRUE;
}

/* Text without added tokens. */
static void
encode_segment (ZimTokenizer  *self,
                const char    *text,
                gsize          length,
                ZimBpeScratch *scratch,
                GArray        *ids)
{
  g_autoptr(GString) normalized = NULL;
  const char *end;

  if (self->nfc && !is_ascii (text, length))
    {
      normalized = g_string_sized_new (length);
      zim_unicode_append_nfc (normalized, text, length);
      text = normalized->str;
      length = normalized->len;
    }

  end = text + length;
  while (text < end)
    {
      const char *after = match_word (text, end);

      zim_bpe_encode (self->bpe, text, (gsize) (after - text), scratch, ids);
      text = after;
    }
}

/* The longest added token that starts at p, or NULL. */
static const ZimAddedToken *
find_added (ZimTokenizer *self,
            const char   *p,
            const char   *end)
{
  guint8 first = (guint8) *p;

  for (guint i = self->starts[first]; i < self->starts[first + 1]; i++)
    {
      const ZimAddedToken *token = &g_array_index (self->added, ZimAddedToken, i);

      if (token->length <= (gsize) (end - p) && memcmp (p, token->text, token->length) == 0)
        return token;
    }
  return NULL;
}

GArray *
zim_tokenizer_encode (ZimTokenizer *self,
                      const char   *text,
                      gssize        length)
{
  g_autoptr(GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_auto(ZimBpeScratch) scratch = { NULL, };
  const char *segment = text;
  const char *end;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (text != NULL, NULL);
  g_return_val_if_fail (g_utf8_validate (text, length, NULL), NULL);

  end = text + (length >= 0 ? (gsize) length : strlen (text));
  for (const char *p = text; p < end;)
    {
      const ZimAddedToken *token = find_added (self, p, end);

      if (token == NULL)
        {
          p++;
          continue;
        }
      encode_segment (self, segment, (gsize) (p - segment), &scratch, ids);
      g_array_append_val (ids, token->id);
      p += token->length;
      segment = p;
    }
  encode_segment (self, segment, (gsize) (end - segment), &scratch, ids);
  return g_steal_pointer (&ids);
}
