/* zim-tokenizer-file.c: a tokenizer.json of what a GGUF file has of a tokenizer
 *
 * llama.cpp's files have the tokens, their kinds and the merges, and name the rest: the kind of tokenizer and how text
 * is split into words. As a tokenizer.json it goes where others go: to the tokenizer, into the store, into a folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-tokenizer-file-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

#define TOKENS "tokenizer.ggml.tokens"
#define KINDS "tokenizer.ggml.token_type"
#define MERGES "tokenizer.ggml.merges"

/* The kinds of tokens. Others are fillers of the vocabulary that no text has. */
enum {
  KIND_NORMAL = 1,
  KIND_CONTROL = 3,
  KIND_USER = 4,
};

/* All but the vocabulary, the merges and the added tokens. */
static const char head[] =
  "{\"normalizer\":{\"type\":\"NFC\"},"
  "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"behavior\":\"Isolated\","
  "\"invert\":false,\"pattern\":{\"Regex\":";
static const char middle[] =
  "}},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":false,\"use_regex\":false}]},"
  "\"post_processor\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":false,\"use_regex\":false},"
  "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":false,\"use_regex\":false},"
  "\"model\":{\"type\":\"BPE\",\"vocab\":{";

gboolean
zim_tokenizer_file_is_in (ZimGguf *file)
{
  ZimGgufArray tokens;

  return zim_gguf_get_strings (file, TOKENS, &tokens);
}

static gboolean
check_value (ZimGguf     *file,
             const char  *key,
             const char  *expected,
             GError     **error)
{
  g_autofree char *found = zim_gguf_get_string (file, key);

  if (g_strcmp0 (found, expected) == 0)
    return TRUE;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
               _("%s: Value “%s” is “%s”, only “%s” is supported. Name a tokenizer.json with %s"),
               zim_gguf_get_path (file), key, found != NULL ? found : "", expected, "--tokenizer");
  return FALSE;
}

static gboolean
fail_element (ZimGguf     *file,
              const char  *key,
              guint64      i,
              GError     **error)
{
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: Element %llu of value “%s” is not a text"),
               zim_gguf_get_path (file), (unsigned long long) i, key);
  return FALSE;
}

/* JSON has the text as it is, but for these. FALSE if it is no text. */
static gboolean
append_string (GString    *json,
               const char *text,
               gsize       length)
{
  if (!g_utf8_validate_len (text, length, NULL))
    return FALSE;
  g_string_append_c (json, '"');
  for (gsize i = 0; i < length; i++)
    if (text[i] == '"' || text[i] == '\\')
      g_string_append_printf (json, "\\%c", text[i]);
    else if ((guint8) text[i] < ' ')
      g_string_append_printf (json, "\\u%04x", text[i]);
    else
      g_string_append_c (json, text[i]);
  g_string_append_c (json, '"');
  return TRUE;
}

static void
append_comma (GString *json,
              gsize    start)
{
  if (json->len > start)
    g_string_append_c (json, ',');
}

/* Tokens of text into json, those that are cut out of the text before into added. */
static gboolean
append_tokens (ZimGguf  *file,
               GString  *json,
               GString  *added,
               GError  **error)
{
  ZimGgufArray tokens, kinds;
  gsize start = json->len;

  if (!zim_gguf_get_strings (file, TOKENS, &tokens) || !zim_gguf_get_ints (file, KINDS, &kinds) ||
      tokens.n != kinds.n)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                   _("%s: The arrays “%s” and “%s” are not there with the same length"),
                   zim_gguf_get_path (file), TOKENS, KINDS);
      return FALSE;
    }
  for (guint64 i = 0; tokens.n > 0; i++)
    {
      gsize length;
      const char *text = zim_gguf_next_string (&tokens, &length);
      gint32 kind = zim_gguf_next_int (&kinds);
      GString *list = kind == KIND_NORMAL ? json : added;

      if (kind != KIND_NORMAL && kind != KIND_CONTROL && kind != KIND_USER)
        continue;
      append_comma (list, kind == KIND_NORMAL ? start : 0);
      if (kind != KIND_NORMAL)
        g_string_append_printf (list, "{\"id\":%" G_GUINT64_FORMAT ",\"single_word\":false,\"lstrip\":false,"
                                "\"rstrip\":false,\"normalized\":false,\"special\":%s,\"content\":", i,
                                kind == KIND_CONTROL ? "true" : "false");
      if (!append_string (list, text, length))
        return fail_element (file, TOKENS, i, error);
      if (kind == KIND_NORMAL)
        g_string_append_printf (list, ":%" G_GUINT64_FORMAT, i);
      else
        g_string_append_c (list, '}');
    }
  return TRUE;
}

static gboolean
append_merges (ZimGguf  *file,
               GString  *json,
               GError  **error)
{
  ZimGgufArray merges;
  gsize start = json->len;

  if (!zim_gguf_get_strings (file, MERGES, &merges))
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: The array “%s” is missing"),
                   zim_gguf_get_path (file), MERGES);
      return FALSE;
    }
  for (guint64 i = 0; merges.n > 0; i++)
    {
      gsize length;
      const char *text = zim_gguf_next_string (&merges, &length);

      append_comma (json, start);
      if (!append_string (json, text, length))
        return fail_element (file, MERGES, i, error);
    }
  return TRUE;
}

GBytes *
zim_tokenizer_file_make (ZimGguf  *file,
                         GError  **error)
{
  g_autoptr(GString) json = g_string_new (head);
  g_autoptr(GString) added = g_string_new (NULL);

  if (!check_value (file, "tokenizer.ggml.model", "gpt2", error) ||
      !check_value (file, "tokenizer.ggml.pre", "qwen2", error))
    return NULL;
  append_string (json, ZIM_TOKENIZER_PATTERN, strlen (ZIM_TOKENIZER_PATTERN));
  g_string_append (json, middle);
  if (!append_tokens (file, json, added, error))
    return NULL;
  g_string_append (json, "},\"merges\":[");
  if (!append_merges (file, json, error))
    return NULL;
  g_string_append_printf (json, "]},\"added_tokens\":[%s]}", added->str);
  return g_string_free_to_bytes (g_steal_pointer (&json));
}
