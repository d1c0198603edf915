/* test-tokenizer.c: token ids against those of the reference tokenizer, and files that are no tokenizers
 *
 * make-tokenizer.py beside the fixtures says what each of them holds.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <gio/gio.h>
#include <string.h>

#include "formats/zim-json-private.h"
#include "text/zim-tokenizer-private.h"
#include "zim-error.h"

static char *
load_fixture (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", name, NULL);
  g_autoptr(GError) error = NULL;
  char *content = NULL;

  g_file_get_contents (path, &content, NULL, &error);
  g_assert_no_error (error);
  return content;
}

static ZimTokenizer *
parse_tokenizer (const char  *content,
                 GError     **error)
{
  g_autoptr(GBytes) bytes = g_bytes_new (content, strlen (content));

  return zim_tokenizer_new (bytes, "tokenizer.json", error);
}

static ZimTokenizer *
load_tokenizer (const char *name)
{
  g_autofree char *content = load_fixture (name);
  g_autoptr(GError) error = NULL;
  ZimTokenizer *tokenizer = parse_tokenizer (content, &error);

  g_assert_no_error (error);
  return tokenizer;
}

/* Of the ids as little-endian 32-bit integers. */
static char *
ids_md5 (GArray *ids)
{
  g_autofree gint32 *data = g_memdup2 (ids->data, ids->len * sizeof (gint32));

  for (guint i = 0; i < ids->len; i++)
    data[i] = GINT32_TO_LE (data[i]);
  return g_compute_checksum_for_data (G_CHECKSUM_MD5, (const guchar *) data, ids->len * sizeof (gint32));
}

static char *
print_ids (GArray *ids)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < ids->len; i++)
    g_string_append_printf (out, "%d ", g_array_index (ids, gint32, i));
  return g_string_free (out, FALSE);
}

static char *
get_text (JsonObject *line)
{
  const char *text = json_object_get_string_member_with_default (line, "text", NULL);
  GString *repeated;

  if (text == NULL)
    return zim_chat_template_render (json_object_get_string_member (line, "prompt"));
  repeated = g_string_new (NULL);
  for (int i = 0; i < json_object_get_int_member_with_default (line, "repeat", 1); i++)
    g_string_append (repeated, text);
  return g_string_free (repeated, FALSE);
}

/* The ids, or their number and checksum, as the line has them. */
static char *
print_ids_as (GArray     *ids,
              JsonObject *line)
{
  g_autofree char *md5 = NULL;

  if (json_object_has_member (line, "ids"))
    return print_ids (ids);
  md5 = ids_md5 (ids);
  return g_strdup_printf ("%u %s", ids->len, md5);
}

static char *
print_expected (JsonObject *line)
{
  GString *out;
  JsonArray *ids;

  if (!json_object_has_member (line, "ids"))
    return g_strdup_printf ("%u %s", (guint) json_object_get_int_member (line, "n_ids"),
                            json_object_get_string_member (line, "md5"));
  out = g_string_new (NULL);
  ids = json_object_get_array_member (line, "ids");
  for (guint i = 0; i < json_array_get_length (ids); i++)
    g_string_append_printf (out, "%d ", (int) json_array_get_int_element (ids, i));
  return g_string_free (out, FALSE);
}

static void
check_line (ZimTokenizer *tokenizer,
            const char   *json)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(JsonNode) node = zim_json_parse (json, strlen (json), "corpus", &error);
  g_autofree char *text = NULL;
  g_autofree char *found = NULL;
  g_autofree char *expected = NULL;
  g_autoptr(GArray) ids = NULL;

  g_assert_no_error (error);
  text = get_text (json_node_get_object (node));
  ids = zim_tokenizer_encode (tokenizer, text, -1);
  found = print_ids_as (ids, json_node_get_object (node));
  expected = print_expected (json_node_get_object (node));
  if (!g_str_equal (found, expected))
    g_test_message ("%.300s", json);
  g_assert_cmpstr (found, ==, expected);
}

static void
check_corpus (const char *tokenizer_name,
              const char *corpus_name,
              guint       min_lines)
{
  g_autoptr(ZimTokenizer) tokenizer = load_tokenizer (tokenizer_name);
  g_autofree char *content = load_fixture (corpus_name);
  g_auto(GStrv) lines = g_strsplit (content, "\n", -1);
  guint n = 0;

  for (; lines[n] != NULL && *lines[n] != '\0'; n++)
    check_line (tokenizer, lines[n]);
  g_assert_cmpuint (n, >=, min_lines);
}

static void
test_corpus (void)
{
  check_corpus ("tokenizer.json", "corpus.jsonl", 700);
}

static void
test_word_ends (void)
{
  check_corpus ("bytes.json", "bytes-corpus.jsonl", 350);
}

/* As code_point_text () in make-tokenizer.py. */
static void
append_code_point_text (GString  *text,
                        gunichar  c)
{
  static const char *const around[] = { "a", "~.", "~~", "\n'", "b\n" };

  for (guint i = 0; i < G_N_ELEMENTS (around); i++)
    {
      if (i > 0)
        g_string_append_unichar (text, c);
      g_string_append (text, around[i]);
    }
}

static void
check_block (ZimTokenizer *tokenizer,
             gunichar      block,
             const char   *expected)
{
  g_autoptr(GString) text = g_string_new (NULL);
  g_autoptr(GArray) ids = NULL;
  g_autofree char *md5 = NULL;

  for (gunichar c = MAX (block, 1); c < block + 256; c++)
    append_code_point_text (text, c);
  ids = zim_tokenizer_encode (tokenizer, text->str, (gssize) text->len);
  md5 = ids_md5 (ids);
  if (!g_str_has_prefix (md5, expected))
    g_test_message ("other ids for some of U+%04X to U+%04X", block, block + 255);
  g_assert_true (g_str_has_prefix (md5, expected));
}

static void
test_every_code_point (void)
{
  g_autoptr(ZimTokenizer) tokenizer = load_tokenizer ("bytes.json");
  g_autofree char *content = load_fixture ("code-points.txt");
  g_auto(GStrv) lines = g_strsplit (content, "\n", -1);
  guint n = 0;

  for (; lines[n] != NULL && *lines[n] != '\0'; n++)
    {
      char *checksum;
      gunichar block = (gunichar) g_ascii_strtoull (lines[n], &checksum, 16);

      g_assert_cmpuint (strlen (checksum), ==, 1 + 8);
      check_block (tokenizer, block, checksum + 1);
    }
  g_assert_cmpuint (n, ==, (0x110000 - 0x800) / 256);
}

static void
test_template (void)
{
  g_autofree char *text = zim_chat_template_render ("a cat\n");
  g_autofree char *empty = zim_chat_template_render ("");

  g_assert_cmpstr (text, ==, "<|im_start|>user\na cat\n<|im_end|>\n<|im_start|>assistant\n");
  g_assert_cmpstr (empty, ==, "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n");
}

/* Eight ids: <|im_start|> user ⏎ <|im_end|> ⏎ <|im_start|> assistant ⏎ */
static void
test_empty_prompt (void)
{
  g_autoptr(ZimTokenizer) tokenizer = load_tokenizer ("tokenizer.json");
  g_autofree char *text = zim_chat_template_render ("");
  g_autoptr(GArray) ids = zim_tokenizer_encode (tokenizer, text, -1);
  g_autoptr(GArray) words = zim_tokenizer_encode (tokenizer, "user\nassistant", -1);
  const gint32 *word = (const gint32 *) words->data;
  const gint32 expected[] = { 7001, word[0], word[1], 7002, word[1], 7001, word[2], word[1] };

  g_assert_cmpuint (words->len, ==, 3);
  g_assert_cmpmem (ids->data, ids->len * sizeof (gint32), expected, sizeof (expected));
  g_assert_cmpuint (zim_tokenizer_get_n_ids (tokenizer), ==, 7026);
}

static void
test_length (void)
{
  g_autoptr(ZimTokenizer) tokenizer = load_tokenizer ("bytes.json");
  g_autoptr(GArray) none = zim_tokenizer_encode (tokenizer, "abc", 0);
  g_autoptr(GArray) some = zim_tokenizer_encode (tokenizer, "xyz", 2);
  g_autoptr(GArray) cut = zim_tokenizer_encode (tokenizer, "<|x|>", 4);

  g_assert_cmpuint (none->len, ==, 0);
  g_assert_cmpuint (some->len, ==, 2);
  g_assert_cmpuint (cut->len, ==, 2); /* "<|x", "|": the text ends before the longer token does */
}

static gpointer
encode_in_thread (gpointer data)
{
  ZimTokenizer *tokenizer = data;
  char *found = NULL;

  for (guint i = 0; i < 200; i++)
    {
      g_autoptr(GArray) ids = zim_tokenizer_encode (tokenizer, "It's a sunset over mountains, cafe\u0301 <|im_end|>",
                                                    -1);

      g_free (found);
      found = print_ids (ids);
    }
  zim_tokenizer_unref (tokenizer);
  return found;
}

static void
test_threads (void)
{
  g_autoptr(ZimTokenizer) tokenizer = load_tokenizer ("tokenizer.json");
  g_autofree char *expected = encode_in_thread (zim_tokenizer_ref (tokenizer));
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("encode", encode_in_thread, zim_tokenizer_ref (tokenizer));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      g_autofree char *found = g_thread_join (threads[i]);

      g_assert_cmpstr (found, ==, expected);
    }
}

/* Changes of bytes.json: the first find becomes replace, or if that is NULL the file ends there. With
 * message NULL the file is still good. */
typedef struct {
  const char *name;
  const char *find;
  const char *replace;
  int         code;
  const char *message;
} Change;

#define POST_PROCESSOR \
  "\"post_processor\":{\n\"type\":\"ByteLevel\",\n\"add_prefix_space\":false,\n" \
  "\"trim_offsets\":false,\n\"use_regex\":false\n}"
#define TEMPLATE(single) \
  "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[" single "]}"
#define FIRST_MERGE "[\n\"s\",\n\"S\"\n]"

static const Change changes[] = {
  { "no-normalizer", "{\n\"type\":\"NFC\"\n}", "null", 0, NULL },
  { "no-post-processor", POST_PROCESSOR, "\"post_processor\":null", 0, NULL },
  { "empty-template", POST_PROCESSOR,
    TEMPLATE ("{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"), 0, NULL },
  { "empty-affixes", "\"continuing_subword_prefix\":null", "\"continuing_subword_prefix\":\"\"", 0,
    NULL },
  { "merge-as-string", FIRST_MERGE, "\"s S\"", 0, NULL },
  { "added-token-in-vocabulary", "\"id\":1218,\n\"content\":\"|>\"",
    "\"id\":66,\n\"content\":\"B\"", 0, NULL },

  { "truncated", "\"merges\":[", NULL, ZIM_ERROR_BAD_FILE, "tokenizer.json: Not valid JSON" },
  { "member-twice", "\"ā\":1", "\"Ā\":1", ZIM_ERROR_BAD_FILE, "“Ā” comes twice" },
  { "no-model", "\"model\":", "\"modell\":", ZIM_ERROR_BAD_FILE, "“model” is missing" },
  { "model-null", "\"model\":{", "\"model\":null,\"x\":{", ZIM_ERROR_BAD_FILE,
    "“model” is missing" },
  { "model-array", "\"model\":{", "\"model\":[],\"x\":{", ZIM_ERROR_BAD_FILE,
    "“model” is not an object" },
  { "no-model-type", "\"type\":\"BPE\",", "", ZIM_ERROR_BAD_FILE,
    "model: Field “type” is missing" },
  { "model-type", "\"BPE\"", "\"Unigram\"", ZIM_ERROR_UNSUPPORTED,
    "model: Field “type” is “Unigram”, only “BPE”" },
  { "model-type-number", "\"BPE\"", "1", ZIM_ERROR_BAD_FILE,
    "model: Field “type” is not a string" },
  { "dropout", "\"dropout\":null", "\"dropout\":0.1", ZIM_ERROR_UNSUPPORTED,
    "“dropout” is 0.1, only 0" },
  { "dropout-string", "\"dropout\":null", "\"dropout\":\"a\"", ZIM_ERROR_BAD_FILE,
    "“dropout” is not a number" },
  { "unknown-token", "\"unk_token\":null", "\"unk_token\":\"a\"", ZIM_ERROR_UNSUPPORTED,
    "“unk_token” is “a”" },
  { "unknown-token-type", "\"unk_token\":null", "\"unk_token\":3", ZIM_ERROR_BAD_FILE,
    "“unk_token” is not a string" },
  { "word-prefix", "\"continuing_subword_prefix\":null", "\"continuing_subword_prefix\":\"##\"",
    ZIM_ERROR_UNSUPPORTED, "“##”" },
  { "word-suffix", "\"end_of_word_suffix\":null", "\"end_of_word_suffix\":\"</w>\"",
    ZIM_ERROR_UNSUPPORTED, "“</w>”" },
  { "byte-fallback", "\"byte_fallback\":false", "\"byte_fallback\":true", ZIM_ERROR_UNSUPPORTED,
    "“byte_fallback” is “true”, only “false”" },
  { "byte-fallback-type", "\"byte_fallback\":false", "\"byte_fallback\":0", ZIM_ERROR_BAD_FILE,
    "true or false" },
  { "ignore-merges", "\"ignore_merges\":false", "\"ignore_merges\":true", ZIM_ERROR_UNSUPPORTED,
    "“ignore_merges”" },

  { "normalizer", "\"NFC\"", "\"NFKC\"", ZIM_ERROR_UNSUPPORTED,
    "normalizer: Field “type” is “NFKC”, only “NFC”" },
  { "normalizer-type", "\"normalizer\":{\n\"type\":\"NFC\"\n}", "\"normalizer\":\"NFC\"",
    ZIM_ERROR_BAD_FILE, "“normalizer” is not an object" },
  { "no-pre-tokenizer", "\"pre_tokenizer\":", "\"x\":", ZIM_ERROR_BAD_FILE,
    "“pre_tokenizer” is missing" },
  { "pre-tokenizer", "\"Sequence\"", "\"Whitespace\"", ZIM_ERROR_UNSUPPORTED,
    "pre_tokenizer: Field “type” is “Whitespace”" },
  { "no-pre-tokenizers", "\"pretokenizers\":", "\"x\":", ZIM_ERROR_BAD_FILE,
    "“pretokenizers” is missing" },
  { "pre-tokenizers-type", "\"pretokenizers\":[", "\"pretokenizers\":3,\"x\":[", ZIM_ERROR_BAD_FILE,
    "is not an array" },
  { "pre-tokenizers-one", "\"pretokenizers\":[", "\"pretokenizers\":[{}],\"x\":[",
    ZIM_ERROR_UNSUPPORTED, "has 1 elements" },
  { "pre-tokenizers-null", "\"pretokenizers\":[", "\"pretokenizers\":[null,null],\"x\":[",
    ZIM_ERROR_BAD_FILE, "Expected an object" },
  { "split-type", "\"Split\"", "\"Digits\"", ZIM_ERROR_UNSUPPORTED,
    "pretokenizers[0]: Field “type” is “Digits”" },
  { "split-behavior", "\"Isolated\"", "\"Removed\"", ZIM_ERROR_UNSUPPORTED, "“Removed”" },
  { "split-invert", "\"invert\":false", "\"invert\":true", ZIM_ERROR_UNSUPPORTED, "“invert”" },
  { "no-pattern", "\"pattern\":", "\"x\":", ZIM_ERROR_BAD_FILE, "“pattern” is missing" },
  { "pattern-string", "\"Regex\":", "\"String\":", ZIM_ERROR_BAD_FILE, "“Regex” is missing" },
  { "pattern", "|\\\\p{N}|", "|\\\\p{N}{1,3}|", ZIM_ERROR_UNSUPPORTED, "|\\p{N}{1,3}|" },
  { "byte-level-type", "\"ByteLevel\"", "\"Metaspace\"", ZIM_ERROR_UNSUPPORTED,
    "pretokenizers[1]: Field “type”" },
  { "prefix-space", "\"add_prefix_space\":false", "\"add_prefix_space\":true",
    ZIM_ERROR_UNSUPPORTED, "“add_prefix_space”" },
  { "no-use-regex", "\"use_regex\":false", "\"x\":false", ZIM_ERROR_UNSUPPORTED,
    "“use_regex” is “true”" },
  { "post-processor", POST_PROCESSOR, "\"post_processor\":{\"type\":\"BertProcessing\"}",
    ZIM_ERROR_UNSUPPORTED, "post_processor: Field “type” is “BertProcessing”" },
  { "template", POST_PROCESSOR, TEMPLATE ("{\"SpecialToken\":{\"id\":\"a\"}}"),
    ZIM_ERROR_UNSUPPORTED, "is not the text alone" },
  { "template-end", POST_PROCESSOR, TEMPLATE ("{\"Sequence\":{}},{\"SpecialToken\":{}}"),
    ZIM_ERROR_UNSUPPORTED, "is not the text alone" },
  { "template-null", POST_PROCESSOR, TEMPLATE ("null"), ZIM_ERROR_BAD_FILE, "Expected an object" },
  { "template-empty", POST_PROCESSOR, TEMPLATE (""), ZIM_ERROR_UNSUPPORTED, "is not the text alone" },

  { "no-vocab", "\"vocab\":", "\"x\":", ZIM_ERROR_BAD_FILE, "model: Field “vocab” is missing" },
  { "vocab-type", "\"vocab\":{", "\"vocab\":[],\"x\":{", ZIM_ERROR_BAD_FILE,
    "“vocab” is not an object" },
  { "vocab-empty", "\"vocab\":{", "\"vocab\":{},\"x\":{", ZIM_ERROR_BAD_FILE,
    "no token for the byte 0x00" },
  { "byte-missing", "\"ā\":1,", "", ZIM_ERROR_BAD_FILE, "no token for the byte 0x01" },
  { "token-empty", "\"Ā\":0,", "\"Ā\":0,\"\":9999,", ZIM_ERROR_BAD_FILE, "9999 is empty" },
  { "token-with-space", "\"Ā\":0,", "\"Ā\":0,\"a b\":9999,", ZIM_ERROR_BAD_FILE,
    "“a b” has the character U+0020" },
  { "token-not-of-bytes", "\"Ā\":0,", "\"Ā\":0,\"a中\":9999,", ZIM_ERROR_BAD_FILE,
    "“a中” has the character U+4E2D" },
  { "token-past-alphabet", "\"Ā\":0,", "\"Ā\":0,\"ń\":9999,", ZIM_ERROR_BAD_FILE, "U+0144" },
  { "token-soft-hyphen", "\"Ā\":0,", "\"Ā\":0,\"\u00ad\":9999,", ZIM_ERROR_BAD_FILE, "U+00AD" },
  { "id-twice", "\"ā\":1,", "\"ā\":0,", ZIM_ERROR_BAD_FILE,
    "“ā” has the id 0, which another token has too" },
  { "id-negative", "\"ā\":1,", "\"ā\":-1,", ZIM_ERROR_BAD_FILE,
    "“ā” has the id -1, expected 0 to" },
  { "id-huge", "\"ā\":1,", "\"ā\":4194304,", ZIM_ERROR_BAD_FILE,
    "“ā” has the id 4194304, expected 0 to" },
  { "id-string", "\"ā\":1,", "\"ā\":\"1\",", ZIM_ERROR_BAD_FILE, "“ā” is not an integer" },
  { "id-fraction", "\"ā\":1,", "\"ā\":1.5,", ZIM_ERROR_BAD_FILE, "“ā” is not an integer" },
  { "id-null", "\"ā\":1,", "\"ā\":null,", ZIM_ERROR_BAD_FILE, "“ā” is missing" },

  { "no-merges", "\"merges\":", "\"x\":", ZIM_ERROR_BAD_FILE, "model: Field “merges” is missing" },
  { "merges-type", "\"merges\":[", "\"merges\":{},\"x\":[", ZIM_ERROR_BAD_FILE,
    "“merges” is not an array" },
  { "merge-left", FIRST_MERGE, "\"中 a\"", ZIM_ERROR_BAD_FILE,
    "model.merges[0]: Merge “中 a” needs “中”, which is not in the vocabulary" },
  { "merge-right", FIRST_MERGE, "[\"a\",\"zz\"]", ZIM_ERROR_BAD_FILE,
    "Merge “a zz” needs “zz”" },
  { "merge-result", FIRST_MERGE, "[\"z\",\"q\"]", ZIM_ERROR_BAD_FILE,
    "Merge “z q” needs “zq”" },
  { "merge-twice", "\"merges\":[", "\"merges\":[\"s S\",", ZIM_ERROR_BAD_FILE,
    "model.merges[1]: Merge “s S” comes twice" },
  { "merge-of-one", FIRST_MERGE, "\"sS\"", ZIM_ERROR_BAD_FILE,
    "model.merges[0]: Expected “left right”" },
  { "merge-of-three", FIRST_MERGE, "\"s S s\"", ZIM_ERROR_BAD_FILE,
    "model.merges[0]: Expected “left right”" },
  { "merge-empty", FIRST_MERGE, "\" \"", ZIM_ERROR_BAD_FILE, "needs “”" },
  { "merge-short", FIRST_MERGE, "[\"a\"]", ZIM_ERROR_BAD_FILE,
    "model.merges[0]: Expected “left right”" },
  { "merge-numbers", FIRST_MERGE, "[1,2]", ZIM_ERROR_BAD_FILE,
    "model.merges[0]: Expected “left right”" },
  { "merge-number", FIRST_MERGE, "7", ZIM_ERROR_BAD_FILE,
    "model.merges[0]: Expected “left right”" },
  { "merge-null", FIRST_MERGE, "null", ZIM_ERROR_BAD_FILE,
    "model.merges[0]: Expected “left right”" },

  { "added-type", "\"added_tokens\":[", "\"added_tokens\":{},\"x\":[", ZIM_ERROR_BAD_FILE,
    "“added_tokens” is not an array" },
  { "added-element", "\"added_tokens\":[", "\"added_tokens\":[7,", ZIM_ERROR_BAD_FILE,
    "added_tokens[0]: Expected an object" },
  { "added-no-id", "\"id\":1216,", "", ZIM_ERROR_BAD_FILE,
    "added_tokens[1]: Field “id” is missing" },
  { "added-no-content", "\"content\":\"<|x|>\",", "", ZIM_ERROR_BAD_FILE,
    "added_tokens[1]: Field “content” is missing" },
  { "added-content-type", "\"content\":\"<|x|>\"", "\"content\":[]", ZIM_ERROR_BAD_FILE,
    "“content” is not a string" },
  { "added-empty", "\"content\":\"<|x|>\"", "\"content\":\"\"", ZIM_ERROR_BAD_FILE,
    "1216 is empty" },
  { "added-twice", "\"content\":\"<|x|>\"", "\"content\":\"<|x\"", ZIM_ERROR_BAD_FILE,
    "Added token “<|x” has two ids, 1215 and 1216" },
  { "added-id-twice", "\"id\":1216", "\"id\":1215", ZIM_ERROR_BAD_FILE,
    "“<|x|>” has the id 1215, which another token" },
  { "added-id-of-token", "\"id\":1216", "\"id\":7", ZIM_ERROR_BAD_FILE,
    "“<|x|>” has the id 7, which another token" },
  { "added-other-id", "\"content\":\"<|x|>\"", "\"content\":\"B\"", ZIM_ERROR_BAD_FILE,
    "Added token “B” has two ids, 66 and 1216" },
  { "added-huge-id", "\"id\":1216", "\"id\":9223372036854775807", ZIM_ERROR_BAD_FILE,
    "expected 0 to" },
  { "added-single-word", "\"single_word\":false", "\"single_word\":true", ZIM_ERROR_UNSUPPORTED,
    "“single_word”" },
  { "added-lstrip", "\"lstrip\":false", "\"lstrip\":true", ZIM_ERROR_UNSUPPORTED, "“lstrip”" },
  { "added-rstrip", "\"rstrip\":false", "\"rstrip\":true", ZIM_ERROR_UNSUPPORTED, "“rstrip”" },
  { "added-normalized", "\"normalized\":false", "\"normalized\":true", ZIM_ERROR_UNSUPPORTED,
    "added_tokens[0]: Field “normalized” is “true”, only “false”" },
};

static char *
apply_change (const Change *change)
{
  g_autofree char *content = load_fixture ("bytes.json");
  char *at = strstr (content, change->find);

  g_assert_nonnull (at);
  *at = '\0';
  if (change->replace == NULL)
    return g_steal_pointer (&content);
  return g_strconcat (content, change->replace, at + strlen (change->find), NULL);
}

static void
test_change (gconstpointer data)
{
  const Change *change = data;
  g_autofree char *content = apply_change (change);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimTokenizer) tokenizer = parse_tokenizer (content, &error);

  if (change->message == NULL)
    {
      g_assert_no_error (error);
      g_assert_nonnull (tokenizer);
      return;
    }
  g_assert_null (tokenizer);
  g_assert_error (error, ZIM_ERROR, change->code);
  g_test_message ("%s", error->message);
  g_assert_true (g_str_has_prefix (error->message, "tokenizer.json: "));
  g_assert_nonnull (strstr (error->message, change->message));
}

/* A file cut off anywhere is an error, and never a leak or worse. */
static void
test_cut_off (void)
{
  g_autofree char *content = load_fixture ("bytes.json");
  gsize length = strlen (content) - 2; /* without the last brace and line end */

  for (gsize n = 0; n <= length; n += n < 3000 ? 7 : 997)
    {
      g_autoptr(GBytes) bytes = g_bytes_new (content, n);
      g_autoptr(GError) error = NULL;

      g_assert_null (zim_tokenizer_new (bytes, "tokenizer.json", &error));
      g_assert_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE);
    }
}

static void
test_other_roots (void)
{
  static const char *const roots[] = { "[]", "null", "\"a\"", "3", "{}" };

  for (guint i = 0; i < G_N_ELEMENTS (roots); i++)
    {
      g_autoptr(GError) error = NULL;

      g_assert_null (parse_tokenizer (roots[i], &error));
      g_assert_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE);
    }
}

/* A message shows the start of a token that is as long as the file. */
static void
test_long_token (void)
{
  g_autofree char *token = g_strnfill (100000, 'x');
  g_autofree char *replace = g_strconcat ("\"", token, " \":9999,\"Ā\":0", NULL);
  Change change = { "long", "\"Ā\":0", replace, ZIM_ERROR_BAD_FILE, "xxx…” has the character U+0020" };

  test_change (&change);
}

/* Without normalization a letter and its mark stay two characters. */
static void
test_without_nfc (void)
{
  const Change change = { "no-nfc", "{\n\"type\":\"NFC\"\n}", "null", };
  g_autofree char *content = apply_change (&change);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimTokenizer) tokenizer = parse_tokenizer (content, &error);
  g_autoptr(GArray) ids = NULL;

  g_assert_no_error (error);
  ids = zim_tokenizer_encode (tokenizer, "e\u0301", -1);
  g_assert_cmpuint (ids->len, ==, 3);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/tokenizer/corpus", test_corpus);
  g_test_add_func ("/tokenizer/word-ends", test_word_ends);
  g_test_add_func ("/tokenizer/every-code-point", test_every_code_point);
  g_test_add_func ("/tokenizer/length", test_length);
  g_test_add_func ("/tokenizer/threads", test_threads);
  g_test_add_func ("/tokenizer/without-nfc", test_without_nfc);
  g_test_add_func ("/tokenizer/chat-template", test_template);
  g_test_add_func ("/tokenizer/empty-prompt", test_empty_prompt);
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autofree char *path = g_strconcat ("/tokenizer/file/", changes[i].name, NULL);

      g_test_add_data_func (path, &changes[i], test_change);
    }
  g_test_add_func ("/tokenizer/file/cut-off", test_cut_off);
  g_test_add_func ("/tokenizer/file/other-roots", test_other_roots);
  g_test_add_func ("/tokenizer/file/long-token", test_long_token);

  return g_test_run ();
}
