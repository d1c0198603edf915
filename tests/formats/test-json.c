/* test-json.c: what zim_json_parse () takes, what it refuses, and typed reading
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats-util.h"
#include "formats/zim-json-private.h"
#include "zim-error.h"

#include <math.h>

/* From a copy without a NUL behind it, so that a sanitizer sees reads beyond the end. */
static JsonNode *
parse (const char  *text,
       gssize       length,
       GError     **error)
{
  gsize size = length >= 0 ? (gsize) length : strlen (text);
  g_autofree char *copy = g_memdup2 (text, size);

  return zim_json_parse (copy, size, "x.json", error);
}

static void
test_accepts (void)
{
  static const struct {
    const char *text;
    const char *compact;
  } cases[] = {
    { "{}", "{}" },
    { " [ ] ", "[]" },
    { "[[],{},[{}]]", "[[],{},[{}]]" },
    { "\t{ \"a\" : 1 ,\r\n\"b\":[true,false,null] }", "{\"a\":1,\"b\":[true,false,null]}" },
    { "-0", "0" },
    { "-9223372036854775808", "-9223372036854775808" },
    { "9223372036854775807", "9223372036854775807" },
    { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
    { "\"\\u00e9\\ud83d\\ude00\"", "\"é😀\"" },
    { "\"\"", "\"\"" },
    { "{\"a\":1,\"A\":2,\"\":3}", "{\"a\":1,\"A\":2,\"\":3}" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GError) error = NULL;
      g_autoptr(JsonNode) node = parse (cases[i].text, -1, &error);
      g_autofree char *compact = NULL;

      g_assert_no_error (error);
      compact = json_to_string (node, FALSE);
      g_assert_cmpstr (compact, ==, cases[i].compact);
    }
}

static void
test_refuses (void)
{
  static const struct {
    const char *text;
    const char *message;
  } cases[] = {
    { "", "byte 0: Expected a value" },
    { "  ", "byte 2: Expected a value" },
    { "\xef\xbb\xbf{}", "byte 0: Expected a value" },
    { "nul", "Expected a value" },
    { "nullx", "byte 4: More after the value" },
    { "{} {}", "byte 3: More after the value" },
    { "'a'", "Expected a value" },
    { "// c\n1", "Expected a value" },
    { "NaN", "Expected a value" },
    { "+1", "Expected a value" },
    { ".5", "Expected a value" },
    { "01", "byte 1: More after the value" },
    { "-", "Expected a digit" },
    { "1.", "Expected a digit" },
    { "1e+", "Expected a digit" },
    { "1e999", "A number out of range" },
    { "[1,]", "byte 3: Expected a value" },
    { "[,1]", "Expected a value" },
    { "[1 2]", "Expected “,” or “]”" },
    { "[1}", "Expected “,” or “]”" },
    { "[", "Expected a value" },
    { "{", "Expected a member’s name" },
    { "{\"a\":1,}", "Expected a member’s name" },
    { "{a:1}", "Expected a member’s name" },
    { "{\"a\" 1}", "Expected “:”" },
    { "{\"a\":1 \"b\":2}", "Expected “,” or “}”" },
    { "{\"a\":1]", "Expected “,” or “}”" },
    { "{\"a\":{\"b\":[", "Expected a value" },
    { "{\"a\":1,\"a\":1}", "byte 7: Member “a” comes twice" },
    { "{\"a\":1,\"\\u0061\":1}", "Member “a” comes twice" },
    { "{\"é\":1,\"\\u00E9\":1}", "Member “é” comes twice" },
    { "\"abc", "A string that does not end" },
    { "\"abc\\\"", "A string that does not end" },
    { "\"\\x\"", "Unknown escape" },
    { "\"\\", "Unknown escape" },
    { "\"\\u12\"", "Expected four hexadecimal digits" },
    { "\"\\u0000\"", "A NUL in a string" },
    { "{\"\\u0000\":1}", "A NUL in a string" },
    { "\"\\ud800\"", "A surrogate without its pair" },
    { "\"\\ud800x\"", "A surrogate without its pair" },
    { "\"\\ud800\\u0041\"", "A surrogate without its pair" },
    { "\"\\udc00\\ud800\"", "A surrogate without its pair" },
    { "\"\n\"", "A control character in a string" },
    { "\"\xff\"", "byte 1: Not UTF-8" },
    { "\"\xc0\xaf\"", "Not UTF-8" },
    { "\"\xed\xa0\x80\"", "Not UTF-8" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GError) error = NULL;
      g_autoptr(JsonNode) node = parse (cases[i].text, -1, &error);

      g_assert_null (node);
      g_assert_true (g_str_has_prefix (error->message, "x.json: "));
      assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, cases[i].message);
    }
}

static void
test_nul (void)
{
  g_autoptr(GError) error = NULL;

  g_assert_null (parse ("{}\0", 3, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "byte 2: Not UTF-8");
  g_assert_null (zim_json_parse (NULL, 0, "x.json", &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "byte 0");
}

/* Every cut of a document is an error, never a crash. */
static void
test_cuts (void)
{
  static const char text[] = "{\"a\":[1,-2.5e3,\"x\\u00e9\\n\",{\"b\":null,\"c\":true}],\"d\":{}}";

  for (gsize n = 0; n < strlen (text); n++)
    {
      g_autoptr(GError) error = NULL;

      g_assert_null (parse (text, (gssize) n, &error));
      g_assert_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE);
    }
}

static char *
nest (guint depth)
{
  g_autoptr(GString) text = g_string_new (NULL);

  for (guint i = 0; i < depth; i++)
    g_string_append (text, i % 2 == 0 ? "[" : "{\"a\":");
  for (guint i = depth; i-- > 0;)
    g_string_append (text,
                     i % 2 == 0 ? (i == depth - 1 ? "1]" : "]") : (i == depth - 1 ? "1}" : "}"));
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
test_depth (void)
{
  g_autofree char *deepest = nest (ZIM_JSON_MAX_DEPTH);
  g_autofree char *too_deep = nest (ZIM_JSON_MAX_DEPTH + 1);
  g_autofree char *brackets = g_strnfill (200000, '[');
  g_autoptr(GError) error = NULL;
  g_autoptr(JsonNode) node G_GNUC_UNUSED = parse (deepest, -1, &error);

  g_assert_no_error (error);
  g_assert_null (parse (too_deep, -1, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "Nested too deeply");
  g_assert_null (parse (brackets, -1, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "byte 64: Nested too deeply");
}

static void
test_limits (void)
{
  g_autofree char *blank = g_strnfill (ZIM_JSON_MAX_SIZE + 1, ' ');
  g_autoptr(GString) many = g_string_new ("[");
  g_autoptr(GError) error = NULL;

  g_assert_null (zim_json_parse (blank, ZIM_JSON_MAX_SIZE + 1, "x.json", &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "Too large");

  if (!g_test_slow ())
    return;
  for (guint i = 0; i < ZIM_JSON_MAX_VALUES; i++)
    g_string_append (many, "0,");
  g_string_append (many, "0]");
  g_assert_null (parse (many->str, -1, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "Too many values");
}

/* A tokenizer's vocabulary has this many members. */
static void
test_large_object (void)
{
  g_autoptr(GString) text = g_string_new ("{");
  g_autoptr(GError) error = NULL;
  g_autoptr(JsonNode) node = NULL;
  JsonObject *object;

  for (guint i = 0; i < 151643; i++)
    g_string_append_printf (text, "%s\"Ġtoken%u\":%u", i > 0 ? "," : "", i, i);
  g_string_append_c (text, '}');
  node = parse (text->str, -1, &error);
  g_assert_no_error (error);
  object = json_node_get_object (node);
  g_assert_cmpuint (json_object_get_size (object), ==, 151643);
  g_assert_cmpint (json_object_get_int_member (object, "Ġtoken151642"), ==, 151642);
}

static void
test_numbers (void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(JsonNode) node = parse ("[1, 1.0, 1e2, 9223372036854775808, -1e-400, 0.1]", -1, &error);
  JsonArray *array;

  g_assert_no_error (error);
  array = json_node_get_array (node);
  g_assert_true (json_node_get_value_type (json_array_get_element (array, 0)) == G_TYPE_INT64);
  for (guint i = 1; i < json_array_get_length (array); i++)
    g_assert_true (json_node_get_value_type (json_array_get_element (array, i)) == G_TYPE_DOUBLE);
  g_assert_cmpfloat (json_array_get_double_element (array, 2), ==, 100);
  g_assert_cmpfloat (json_array_get_double_element (array, 3), ==, 9223372036854775808.0);
  g_assert_cmpfloat (json_array_get_double_element (array, 5), ==, 0.1);
}

static void
test_reader (void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(JsonNode) node =
    parse ("{\"i\":7,\"d\":0.5,\"b\":true,\"s\":\"x\",\"n\":null,\"a\":[1,2],\"o\":{}}", -1, &error);
  ZimJsonReader reader = { .source = "x.json", .code = ZIM_ERROR_BAD_CONFIG };
  JsonObject *root = zim_json_read_root (&reader, node);
  gint64 ints[3] = { 0, };

  g_assert_cmpint (zim_json_need_int (&reader, root, "i", 0, 7), ==, 7);
  g_assert_cmpint (zim_json_read_int (&reader, root, "none", 0, 1, 42), ==, 42);
  g_assert_cmpint (zim_json_read_int (&reader, root, "n", 0, 1, 42), ==, 42);
  g_assert_cmpfloat (zim_json_need_double (&reader, root, "d", 0, 1), ==, 0.5);
  g_assert_cmpfloat (zim_json_read_double (&reader, root, "i", 0, 9, 0), ==, 7);
  g_assert_true (zim_json_read_boolean (&reader, root, "b", FALSE));
  g_assert_cmpstr (zim_json_need_string (&reader, root, "s"), ==, "x");
  g_assert_cmpstr (zim_json_read_string (&reader, root, "n", "y"), ==, "y");
  g_assert_cmpuint (json_array_get_length (zim_json_need_array (&reader, root, "a")), ==, 2);
  g_assert_null (zim_json_read_array (&reader, root, "none"));
  g_assert_nonnull (zim_json_need_object (&reader, root, "o"));
  g_assert_cmpuint (zim_json_read_ints (&reader, root, "a", 1, 2, ints, 3), ==, 2);
  g_assert_cmpint (ints[1], ==, 2);
  g_assert_false (zim_json_has (root, "n"));
  g_assert_true (zim_json_reader_finish (&reader, &error));
  g_assert_no_error (error);
}

static void
assert_reader_error (ZimJsonReader *reader,
                     const char    *message)
{
  g_autoptr(GError) error = NULL;

  g_assert_false (zim_json_reader_finish (reader, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_CONFIG, message);
}

static void
test_reader_errors (void)
{
  g_autoptr(JsonNode) node = parse ("{\"i\":7,\"d\":0.5,\"s\":\"x\",\"n\":null,\"a\":[1,2,\"3\"]}",
                                    -1, NULL);
  g_autoptr(JsonNode) array = parse ("[]", -1, NULL);
  ZimJsonReader reader = { .source = "x.json", .code = ZIM_ERROR_BAD_CONFIG };
  JsonObject *root = json_node_get_object (node);
  gint64 ints[3];

  zim_json_read_root (&reader, array);
  assert_reader_error (&reader, "x.json: Expected an object");
  zim_json_need_int (&reader, root, "none", 0, 1);
  assert_reader_error (&reader, "x.json: Field “none” is missing");
  zim_json_need_int (&reader, root, "n", 0, 1);
  assert_reader_error (&reader, "Field “n” is missing");
  zim_json_read_int (&reader, root, "i", 0, 6, 0);
  assert_reader_error (&reader, "Field “i” is 7, expected 0 to 6");
  zim_json_read_int (&reader, root, "d", 0, 6, 0);
  assert_reader_error (&reader, "Field “d” is not an integer");
  zim_json_read_double (&reader, root, "d", 1, 2, 0);
  assert_reader_error (&reader, "Field “d” is 0.5, expected 1 to 2");
  zim_json_read_double (&reader, root, "s", 1, 2, 0);
  assert_reader_error (&reader, "Field “s” is not a number");
  zim_json_read_boolean (&reader, root, "i", FALSE);
  assert_reader_error (&reader, "Field “i” is not true or false");
  zim_json_read_string (&reader, root, "a", NULL);
  assert_reader_error (&reader, "Field “a” is not a string");
  zim_json_need_array (&reader, root, "i");
  assert_reader_error (&reader, "Field “i” is not an array");
  zim_json_need_object (&reader, root, "a");
  assert_reader_error (&reader, "Field “a” is not an object");
  zim_json_read_ints (&reader, root, "a", 0, 9, ints, 2);
  assert_reader_error (&reader, "has 3 elements, expected at most 2");
  zim_json_read_ints (&reader, root, "a", 0, 9, ints, 3);
  assert_reader_error (&reader, "Field “a” is not an integer");

  /* The first error stays; later calls give their fallbacks. */
  zim_json_need_int (&reader, root, "none", 0, 1);
  g_assert_cmpint (zim_json_read_int (&reader, root, "i", 0, 9, 3), ==, 3);
  g_assert_null (zim_json_need_string (&reader, root, "s"));
  assert_reader_error (&reader, "“none”");
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/accepts", test_accepts);
  g_test_add_func ("/json/refuses", test_refuses);
  g_test_add_func ("/json/nul", test_nul);
  g_test_add_func ("/json/cuts", test_cuts);
  g_test_add_func ("/json/depth", test_depth);
  g_test_add_func ("/json/limits", test_limits);
  g_test_add_func ("/json/large-object", test_large_object);
  g_test_add_func ("/json/numbers", test_numbers);
  g_test_add_func ("/json/reader", test_reader);
  g_test_add_func ("/json/reader-errors", test_reader_errors);
  return g_test_run ();
}
