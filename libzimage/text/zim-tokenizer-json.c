/* zim-tokenizer-json.c: reads tokenizer.json
 *
 * The file of the tokenizers library describes a pipeline of steps in many variants. Read is the one
 * that the Qwen2 family has; each field that would make other ids is checked and refused by name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-json-private.h"
#include "formats/zim-tokenizer-file-private.h"
#include "text/zim-vocabulary-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
  ZimJsonReader  reader;
  const char    *source;
  char          *scope; /* the source and the part being read, for messages */
  ZimVocabulary *vocabulary;
  gboolean       nfc;
} Loader;

static void
enter (Loader     *loader,
       const char *part)
{
  g_free (loader->scope);
  loader->scope = g_strconcat (loader->source, ": ", part, NULL);
  loader->reader.source = loader->scope;
}

static void
enter_element (Loader     *loader,
               const char *part,
               guint       i)
{
  g_autofree char *name = g_strdup_printf ("%s[%u]", part, i);

  enter (loader, name);
}

static void
refuse (Loader     *loader,
        const char *field,
        const char *found,
        const char *expected)
{
  g_autofree char *shown = zim_vocabulary_show (found);

  zim_json_reader_fail (&loader->reader, ZIM_ERROR_UNSUPPORTED,
                        _("Field “%s” is “%s”, only “%s” is supported"), field, shown, expected);
}

static void
expect_type (Loader     *loader,
             JsonObject *object,
             const char *expected)
{
  const char *type = zim_json_need_string (&loader->reader, object, "type");

  if (type != NULL && strcmp (type, expected) != 0)
    refuse (loader, "type", type, expected);
}

static void
expect_boolean (Loader     *loader,
                JsonObject *object,
                const char *field,
                gboolean    fallback,
                gboolean    expected)
{
  if (zim_json_read_boolean (&loader->reader, object, field, fallback) != expected)
    refuse (loader, field, expected ? "false" : "true", expected ? "true" : "false");
}

static void
expect_no_string (Loader     *loader,
                  JsonObject *object,
                  const char *field)
{
  const char *found = zim_json_read_string (&loader->reader, object, field, "");

  if (*found != '\0')
    refuse (loader, field, found, "null");
}

static JsonObject *
get_element (Loader    *loader,
             JsonArray *array,
             guint      i)
{
  JsonNode *node = json_array_get_element (array, i);

  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node);
  zim_json_reader_fail (&loader->reader, ZIM_ERROR_BAD_FILE, _("Expected an object, found %s"),
                        json_node_type_name (node));
  return NULL;
}

/* The vocabulary's errors do not know the file. */
static void
prefix_error (Loader *loader)
{
  g_prefix_error (&loader->reader.error, "%s: ", loader->reader.source);
}

static void
read_tokens (Loader     *loader,
             JsonObject *vocab)
{
  ZimJsonReader *reader = &loader->reader;
  JsonObjectIter iter;
  const char *text;

  enter (loader, "model.vocab");
  json_object_iter_init_ordered (&iter, vocab);
  while (json_object_iter_next_ordered (&iter, &text, NULL))
    {
      gint64 id = zim_json_need_int (reader, vocab, text, G_MININT64, G_MAXINT64);

      if (reader->error != NULL)
        return;
      if (!zim_vocabulary_add_token (loader->vocabulary, text, id, &reader->error))
        {
          prefix_error (loader);
          return;
        }
    }
  if (!zim_vocabulary_is_complete (loader->vocabulary, &reader->error))
    prefix_error (loader);
}

static const char *
get_string_element (JsonArray *array,
                    guint      i)
{
  JsonNode *node = json_array_get_element (array, i);

  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

/* Cuts "left right" in two and returns the right half, or NULL if there is not one space. */
static char *
cut_at_space (char *both)
{
  char *space = strchr (both, ' ');

  if (space == NULL || strchr (space + 1, ' ') != NULL)
    return NULL;
  *space = '\0';
  return space + 1;
}

/* A merge is "left right", in newer files ["left", "right"]. */
static gboolean
read_merge (Loader   *loader,
            JsonNode *node)
{
  g_autofree char *both = NULL;
  const char *left = NULL;
  const char *right = NULL;

  if (JSON_NODE_HOLDS_ARRAY (node) && json_array_get_length (json_node_get_array (node)) == 2)
    {
      left = get_string_element (json_node_get_array (node), 0);
      right = get_string_element (json_node_get_array (node), 1);
    }
  else if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
    {
      left = both = json_node_dup_string (node);
      right = cut_at_space (both);
    }
  if (left != NULL && right != NULL)
    return zim_vocabulary_add_merge (loader->vocabulary, left, right, &loader->reader.error);
  g_set_error (&loader->reader.error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
               _("Expected “left right” or a pair of strings"));
  return FALSE;
}

static void
read_merges (Loader    *loader,
             JsonArray *merges)
{
  guint n = json_array_get_length (merges);

  for (guint i = 0; i < n; i++)
    {
      JsonNode *merge = json_array_get_element (merges, i);

      if (!read_merge (loader, merge))
        {
          enter_element (loader, "model.merges", i);
          prefix_error (loader);
          return;
        }
    }
}

static void
read_model (Loader     *loader,
            JsonObject *root)
{
  ZimJsonReader *reader = &loader->reader;
  JsonObject *model = zim_json_need_object (reader, root, "model");
  JsonObject *vocab;
  JsonArray *merges;
  double dropout;

  if (model == NULL)
    return;
  enter (loader, "model");
  expect_type (loader, model, "BPE");
  expect_no_string (loader, model, "unk_token");
  expect_no_string (loader, model, "continuing_subword_prefix");
  expect_no_string (loader, model, "end_of_word_suffix");
  expect_boolean (loader, model, "byte_fallback", FALSE, FALSE);
  expect_boolean (loader, model, "ignore_merges", FALSE, FALSE);
  dropout = zim_json_read_double (reader, model, "dropout", 0.0, 1.0, 0.0);
  if (dropout > 0.0)
    zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                          _("Field “dropout” is %g, only 0 is supported"), dropout);
  vocab = zim_json_need_object (reader, model, "vocab");
  merges = zim_json_need_array (reader, model, "merges");
  if (reader->error == NULL)
    read_tokens (loader, vocab);
  if (reader->error == NULL)
    read_merges (loader, merges);
}

static void
read_normalizer (Loader     *loader,
                 JsonObject *root)
{
  JsonObject *normalizer = zim_json_read_object (&loader->reader, root, "normalizer");

  if (normalizer == NULL)
    return;
  enter (loader, "normalizer");
  expect_type (loader, normalizer, "NFC");
  loader->nfc = TRUE;
}

static void
read_split (Loader     *loader,
            JsonObject *split)
{
  ZimJsonReader *reader = &loader->reader;
  JsonObject *pattern;
  const char *behavior;
  const char *regex;

  expect_type (loader, split, "Split");
  expect_boolean (loader, split, "invert", FALSE, FALSE);
  behavior = zim_json_need_string (reader, split, "behavior");
  if (behavior != NULL && strcmp (behavior, "Isolated") != 0)
    refuse (loader, "behavior", behavior, "Isolated");
  pattern = zim_json_need_object (reader, split, "pattern");
  regex = zim_json_need_string (reader, pattern, "Regex");
  /* zim-tokenizer.c does it by hand. */
  if (regex != NULL && strcmp (regex, ZIM_TOKENIZER_PATTERN) != 0)
    refuse (loader, "Regex", regex, ZIM_TOKENIZER_PATTERN);
}

static void
read_byte_level (Loader     *loader,
                 JsonObject *byte_level)
{
  expect_type (loader, byte_level, "ByteLevel");
  expect_boolean (loader, byte_level, "add_prefix_space", TRUE, FALSE);
  expect_boolean (loader, byte_level, "use_regex", TRUE, FALSE);
}

static void
read_pre_tokenizer (Loader     *loader,
                    JsonObject *root)
{
  ZimJsonReader *reader = &loader->reader;
  JsonObject *sequence = zim_json_need_object (reader, root, "pre_tokenizer");
  JsonArray *steps;
  JsonObject *split;
  JsonObject *byte_level;

  enter (loader, "pre_tokenizer");
  expect_type (loader, sequence, "Sequence");
  steps = zim_json_need_array (reader, sequence, "pretokenizers");
  if (steps == NULL)
    return;
  if (json_array_get_length (steps) != 2)
    {
      zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                            _("Field “pretokenizers” has %u elements, expected 2"),
                            json_array_get_length (steps));
      return;
    }
  split = get_element (loader, steps, 0);
  byte_level = get_element (loader, steps, 1);
  enter (loader, "pre_tokenizer.pretokenizers[0]");
  read_split (loader, split);
  enter (loader, "pre_tokenizer.pretokenizers[1]");
  read_byte_level (loader, byte_level);
}

/* A template for one text that is the text alone. */
static void
read_template (Loader     *loader,
               JsonObject *template)
{
  JsonArray *single = zim_json_need_array (&loader->reader, template, "single");
  JsonObject *piece = NULL;

  if (single != NULL && json_array_get_length (single) == 1)
    piece = get_element (loader, single, 0);
  if (!zim_json_has (piece, "Sequence"))
    zim_json_reader_fail (&loader->reader, ZIM_ERROR_UNSUPPORTED,
                          _("The template in “single” is not the text alone"));
}

/* Qwen's own files have ByteLevel, which leaves the ids as they are; those that newer versions of
 * transformers save have an empty template. */
static void
read_post_processor (Loader     *loader,
                     JsonObject *root)
{
  JsonObject *processor = zim_json_read_object (&loader->reader, root, "post_processor");
  const char *type;

  if (processor == NULL)
    return;
  enter (loader, "post_processor");
  type = zim_json_need_string (&loader->reader, processor, "type");
  if (g_strcmp0 (type, "TemplateProcessing") == 0)
    read_template (loader, processor);
  else if (type != NULL)
    expect_type (loader, processor, "ByteLevel");
}

static void
read_added_token (Loader     *loader,
                  JsonObject *token)
{
  ZimJsonReader *reader = &loader->reader;
  const char *text = zim_json_need_string (reader, token, "content");
  gint64 id = zim_json_need_int (reader, token, "id", 0, G_MAXINT64);

  expect_boolean (loader, token, "single_word", FALSE, FALSE);
  expect_boolean (loader, token, "lstrip", FALSE, FALSE);
  expect_boolean (loader, token, "rstrip", FALSE, FALSE);
  expect_boolean (loader, token, "normalized", FALSE, FALSE);
  if (reader->error == NULL &&
      !zim_vocabulary_add_added_token (loader->vocabulary, text, id, &reader->error))
    prefix_error (loader);
}

static void
read_added_tokens (Loader     *loader,
                   JsonObject *root)
{
  JsonArray *tokens = zim_json_read_array (&loader->reader, root, "added_tokens");
  guint n = tokens != NULL ? json_array_get_length (tokens) : 0;

  for (guint i = 0; i < n && loader->reader.error == NULL; i++)
    {
      enter_element (loader, "added_tokens", i);
      read_added_token (loader, get_element (loader, tokens, i));
    }
}

static void
read_root (Loader     *loader,
           JsonObject *root)
{
  void (*const parts[]) (Loader *, JsonObject *) = {
    read_normalizer, read_pre_tokenizer, read_post_processor, read_model, read_added_tokens,
  };

  for (guint i = 0; i < G_N_ELEMENTS (parts) && loader->reader.error == NULL; i++)
    {
      loader->reader.source = loader->source;
      parts[i] (loader, root);
    }
}

/* The fields truncation and padding are not looked at: how many ids are used is for the caller to say. */
ZimTokenizer *
zim_tokenizer_new (GBytes      *json,
                   const char  *source,
                   GError     **error)
{
  g_autoptr(ZimVocabulary) vocabulary = zim_vocabulary_new ();
  g_autoptr(JsonNode) node = NULL;
  Loader loader = { .reader = { .source = source, .code = ZIM_ERROR_BAD_FILE },
                    .source = source, .vocabulary = vocabulary };
  gconstpointer data;
  gsize length;
  gboolean ok;

  g_return_val_if_fail (json != NULL, NULL);
  g_return_val_if_fail (source != NULL, NULL);

  data = g_bytes_get_data (json, &length);
  node = zim_json_parse (data, length, source, error);
  if (node == NULL)
    return NULL;
  read_root (&loader, zim_json_read_root (&loader.reader, node));
  ok = zim_json_reader_finish (&loader.reader, error);
  g_free (loader.scope);
  return ok ? zim_tokenizer_new_for_vocabulary (g_steal_pointer (&vocabulary), loader.nfc) : NULL;
}
