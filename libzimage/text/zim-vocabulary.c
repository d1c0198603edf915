/* zim-vocabulary.c: what a tokenizer is made of, whatever file it came from
 *
 * Tokens are strings of bytes, and files write each byte as one printable character: most of
 * Latin-1 stands for itself, the 68 bytes that do not print are U+0100 to U+0143 in order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "text/zim-vocabulary-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define N_BYTES 256
#define MAX_ID 4194303 /* sixteen times the largest vocabulary known */
#define MAX_SHOWN 200 /* characters */

struct _ZimVocabulary {
  GHashTable *ids;    /* text -> id + 1 */
  GArray     *used;   /* of guint8: whether an id is taken, by id */
  gboolean    has_byte[N_BYTES];
  ZimBpe     *bpe;
  GString    *joined; /* scratch */
  GArray     *added;  /* of ZimAddedToken */
};

static void
added_token_clear (gpointer data)
{
  ZimAddedToken *token = data;

  g_free (token->text);
}

ZimVocabulary *
zim_vocabulary_new (void)
{
  ZimVocabulary *self = g_new0 (ZimVocabulary, 1);

  self->ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->used = g_array_new (FALSE, TRUE, sizeof (guint8));
  self->bpe = zim_bpe_new ();
  self->joined = g_string_new (NULL);
  self->added = g_array_new (FALSE, FALSE, sizeof (ZimAddedToken));
  g_array_set_clear_func (self->added, added_token_clear);
  return self;
}

void
zim_vocabulary_free (ZimVocabulary *self)
{
  g_hash_table_unref (self->ids);
  g_array_unref (self->used);
  g_clear_pointer (&self->bpe, zim_bpe_free);
  g_string_free (self->joined, TRUE);
  g_clear_pointer (&self->added, g_array_unref);
  g_free (self);
}

char *
zim_vocabulary_show (const char *text)
{
  g_autofree char *start = NULL;

  if (g_utf8_strlen (text, -1) <= MAX_SHOWN)
    return g_strdup (text);
  start = g_utf8_substring (text, 0, MAX_SHOWN);
  return g_strconcat (start, "…", NULL);
}

/* The byte that a character of a token stands for, or −1. */
static int
byte_of_char (gunichar c)
{
  if ((c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255))
    return (int) c;
  if (c < 256 || c > 256 + 67)
    return -1;

  c -= 256;
  if (c <= 32)
    return (int) c;
  return c < 67 ? (int) c - 33 + 127 : 173;
}

static gboolean
check_characters (const char  *text,
                  GError     **error)
{
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (byte_of_char (g_utf8_get_char (p)) < 0)
      {
        g_autofree char *shown = zim_vocabulary_show (text);

        g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                     _("Token “%s” has the character U+%04X, which stands for no byte"),
                     shown, g_utf8_get_char (p));
        return FALSE;
      }
  return TRUE;
}

static gboolean
is_used (ZimVocabulary *self,
         gint64         id)
{
  return id < self->used->len && g_array_index (self->used, guint8, id);
}

static void
use_id (ZimVocabulary *self,
        gint64         id)
{
  if (id >= self->used->len)
    g_array_set_size (self->used, (guint) id + 1);
  g_array_index (self->used, guint8, id) = TRUE;
}

/* The id must be a new one in range. */
static gboolean
claim_id (ZimVocabulary  *self,
          const char     *text,
          gint64          id,
          GError        **error)
{
  g_autofree char *shown = NULL;

  if (id >= 0 && id <= MAX_ID && !is_used (self, id))
    {
      use_id (self, id);
      return TRUE;
    }

  shown = zim_vocabulary_show (text);
  if (id < 0 || id > MAX_ID)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                 _("Token “%s” has the id %lld, expected 0 to %d"), shown, (long long) id, MAX_ID);
  else
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                 _("Token “%s” has the id %lld, which another token has too"), shown, (long long) id);
  return FALSE;
}

static gboolean
check_not_empty (const char  *text,
                 gint64       id,
                 GError     **error)
{
  if (*text != '\0')
    return TRUE;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
               _("The token with the id %lld is empty"), (long long) id);
  return FALSE;
}

gboolean
zim_vocabulary_add_token (ZimVocabulary  *self,
                          const char     *text,
                          gint64          id,
                          GError        **error)
{
  if (!check_not_empty (text, id, error) ||
      !check_characters (text, error) ||
      !claim_id (self, text, id, error))
    return FALSE;

  if (!g_hash_table_insert (self->ids, g_strdup (text), GINT_TO_POINTER ((int) id + 1)))
    {
      g_autofree char *shown = zim_vocabulary_show (text);

      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("Token “%s” comes twice"), shown);
      return FALSE;
    }
  if (*g_utf8_next_char (text) == '\0')
    {
      int byte = byte_of_char (g_utf8_get_char (text));

      zim_bpe_set_byte (self->bpe, (guint8) byte, (gint32) id);
      self->has_byte[byte] = TRUE;
    }
  return TRUE;
}

/* The id of a token, or −1. */
static gint32
find_id (ZimVocabulary *self,
         const char    *text)
{
  return GPOINTER_TO_INT (g_hash_table_lookup (self->ids, text)) - 1;
}

static gboolean
merge_error (const char  *left,
             const char  *right,
             const char  *unknown,
             GError     **error)
{
  g_autofree char *shown_left = zim_vocabulary_show (left);
  g_autofree char *shown_right = zim_vocabulary_show (right);
  g_autofree char *shown_unknown = unknown != NULL ? zim_vocabulary_show (unknown) : NULL;

  if (unknown != NULL)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                 _("Merge “%s %s” needs “%s”, which is not in the vocabulary"),
                 shown_left, shown_right, shown_unknown);
  else
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("Merge “%s %s” comes twice"),
                 shown_left, shown_right);
  return FALSE;
}

gboolean
zim_vocabulary_add_merge (ZimVocabulary  *self,
                          const char     *left,
                          const char     *right,
                          GError        **error)
{
  gint32 left_id = find_id (self, left);
  gint32 right_id = find_id (self, right);
  gint32 joined_id;

  g_string_assign (self->joined, left);
  g_string_append (self->joined, right);
  joined_id = find_id (self, self->joined->str);
  if (left_id < 0 || right_id < 0 || joined_id < 0)
    return merge_error (left, right, left_id < 0 ? left : right_id < 0 ? right : self->joined->str, error);
  if (!zim_bpe_add_merge (self->bpe, left_id, right_id, joined_id))
    return merge_error (left, right, NULL, error);
  return TRUE;
}

/* An added token may be in the vocabulary as well, or be named twice, but not with another id. */
static gboolean
check_same_id (const char  *text,
               gint64       id,
               gint32       known_id,
               GError     **error)
{
  g_autofree char *shown = NULL;

  if (known_id == id)
    return TRUE;
  shown = zim_vocabulary_show (text);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
               _("Added token “%s” has two ids, %d and %lld"), shown, known_id, (long long) id);
  return FALSE;
}

gboolean
zim_vocabulary_add_added_token (ZimVocabulary  *self,
                                const char     *text,
                                gint64          id,
                                GError        **error)
{
  ZimAddedToken token;
  gint32 known_id = find_id (self, text);

  if (!check_not_empty (text, id, error))
    return FALSE;
  if (known_id >= 0 && !check_same_id (text, id, known_id, error))
    return FALSE;
  if (known_id < 0 && !claim_id (self, text, id, error))
    return FALSE;

  g_hash_table_insert (self->ids, g_strdup (text), GINT_TO_POINTER ((int) id + 1));
  token = (ZimAddedToken) { g_strdup (text), strlen (text), (gint32) id };
  g_array_append_val (self->added, token);
  return TRUE;
}

gboolean
zim_vocabulary_is_complete (ZimVocabulary  *self,
                            GError        **error)
{
  for (guint i = 0; i < N_BYTES; i++)
    if (!self->has_byte[i])
      {
        g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                     _("The vocabulary has no token for the byte 0x%02X"), i);
        return FALSE;
      }
  return TRUE;
}

guint
zim_vocabulary_get_n_ids (ZimVocabulary *self)
{
  return self->used->len;
}

ZimBpe *
zim_vocabulary_steal_bpe (ZimVocabulary *self)
{
  return g_steal_pointer (&self->bpe);
}

GArray *
zim_vocabulary_steal_added (ZimVocabulary *self)
{
  return g_steal_pointer (&self->added);
}
