/* test-app-common.c: what the front ends share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "app-fields.h"
#include "app-file-names.h"
#include "app-format.h"
#include "app-json.h"
#include "app-params.h"

/* --- Fields ------------------------------------------------------------------------------------- */

typedef struct
{
  const char *name;
  const char *text;
  const char *described; /* NULL: refused */
  const char *expected;  /* in the error */
} FieldCase;

static const FieldCase field_cases[] = {
  { "prompt", "a cat", "a cat" },
  { "negative", "fog, rain", "fog, rain" },
  { "neg", "", "none" },
  { "size", "1024x768", "1024x768" },
  { "size", "0x0", "the model’s own" },
  { "size", "1024", NULL, "width and height, like “1024x768”" },
  { "size", "1024x", NULL, "width and height, like “1024x768”" },
  { "size", "x768", NULL, "width and height, like “1024x768”" },
  { "size", "1024x768x3", NULL, "width and height, like “1024x768”" },
  { "size", "1024 x 768", NULL, "width and height, like “1024x768”" },
  { "size", "99999999999x16", NULL, "width and height, like “1024x768”" },
  { "size", "-16x16", NULL, "width and height, like “1024x768”" },
  { "width", "512", "512" },
  { "w", "0", "the model’s own" },
  { "h", "-16", "-16" },
  { "steps", "9", "9" },
  { "steps", "9 ", NULL, "a whole number" },
  { "steps", " 9", NULL, "a whole number" },
  { "steps", "+9", "9" },
  { "steps", "0x9", NULL, "a whole number" },
  { "steps", "9.0", NULL, "a whole number" },
  { "steps", "", NULL, "a whole number" },
  { "steps", "2147483648", NULL, "a whole number from -2147483648 to 2147483647" },
  { "seed", "9007199254740991", "9007199254740991" },
  { "seed", "-1", "random" },
  { "seed", "9223372036854775808", NULL, "a whole number from -9223372036854775808 to 9223372036854775807" },
  { "n", "4", "4" },
  { "guidance", "3.5", "3.5" },
  { "g", "0", "0" },
  { "guidance", "-1", "the model’s own" },
  { "guidance", "3,5", NULL, "a number" },
  { "guidance", "3.5x", NULL, "a number" },
  { "guidance", "", NULL, "a number" },
  { "guidance", " 1", NULL, "a number" },
  { "cfg", "4.1", "4.1" },
  { "cfg", "0.5", "1" },
  { "cfg", "-1", "the model’s own" },
  { "cfg-normalization", "1e-1", "0.1" },
  { "cfg-truncation", "0.25", "0.25" },
  { "max-tokens", "77", "77" },
  { "rng", "cuda", "cuda" },
  { "rng", "CUDA", NULL, "one of: cpu, cuda" },
  { "rng", "", NULL, "one of: cpu, cuda" },
};

static void
test_field_set (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (field_cases); i++)
    {
      const FieldCase *c = &field_cases[i];
      const AppField *field = app_field_find (c->name);
      g_autoptr(ZimParams) params = zim_params_new (NULL);
      g_autoptr(GError) error = NULL;
      g_autofree char *described = NULL;
      g_autofree char *message = NULL;

      g_test_message ("%s “%s”", c->name, c->text);
      g_assert_nonnull (field);
      if (c->described != NULL)
        {
          app_field_set (field, params, c->text, &error);
          g_assert_no_error (error);
          described = app_field_describe (field, params);
          g_assert_cmpstr (described, ==, c->described);
          continue;
        }

      g_assert_false (app_field_set (field, params, c->text, &error));
      g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
      message = g_strdup_printf ("Value of “%s” is “%s”, expected %s", field->name, c->text, c->expected);
      g_assert_cmpstr (error->message, ==, message);
    }
}

/* Every field can be set back to what it was in new parameters. */
static void
test_field_reset (void)
{
  g_autoptr(ZimParams) fresh = zim_params_new (NULL);
  g_autoptr(ZimParams) params = zim_params_new (NULL);
  guint n_fields;
  const AppField *fields = app_fields (&n_fields);

  for (guint i = 0; i < G_N_ELEMENTS (field_cases); i++)
    app_field_set (app_field_find (field_cases[i].name), params, field_cases[i].text, NULL);

  for (guint i = 0; i < n_fields; i++)
    {
      g_autofree char *expected = app_field_describe (&fields[i], fresh);
      g_autofree char *found = NULL;

      app_field_reset (&fields[i], params);
      found = app_field_describe (&fields[i], params);
      g_assert_cmpstr (found, ==, expected);
    }

  g_assert_null (app_field_find ("nonsense"));
  g_assert_null (app_field_find (""));
}

static void
test_params_to_variant (void)
{
  g_autoptr(ZimParams) params = zim_params_new ("a \"cat\"");
  g_autofree char *few = app_variant_to_json (app_params_to_variant (params));
  g_autofree char *all = NULL;

  /* What is left to the model is left out. */
  g_assert_cmpstr (few, ==,
                   "{\n  \"prompt\": \"a \\\"cat\\\"\",\n  \"negative_prompt\": \"\",\n  \"n\": 1,\n"
                   "  \"cfg_normalization\": 0.0,\n  \"cfg_truncation\": 1.0,\n  \"max_tokens\": 512,\n"
                   "  \"rng\": \"cpu\"\n}");

  zim_params_set_size (params, 64, 32);
  zim_params_set_steps (params, 8);
  zim_params_set_seed (params, ZIM_SEED_MAX);
  zim_params_set_guidance (params, 3.1);
  all = app_variant_to_json (app_params_to_variant (params));
  g_assert_nonnull (strstr (all, "\"width\": 64,\n  \"height\": 32,\n  \"steps\": 8,\n"
                                 "  \"seed\": 9007199254740991,\n  \"n\": 1,\n  \"guidance_scale\": 3.1,\n"));
}

static void
test_precision (void)
{
  ZimPrecision precision;
  g_autoptr(GError) error = NULL;

  g_assert_true (app_parse_precision ("bf16", &precision, NULL));
  g_assert_cmpint (precision, ==, ZIM_PRECISION_BF16);
  g_assert_false (app_parse_precision ("f8", &precision, &error));
  g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
  g_assert_cmpstr (error->message, ==, "Value of “precision” is “f8”, expected one of: auto, f32, bf16, f16");
}

static void
test_memory (void)
{
  static const struct { const char *text; guint64 bytes; } cases[] = {
    { "1500000000", 1500000000 }, { "1", 1 }, { "512M", 512 << 20 }, { "6GiB", (guint64) 6 << 30 },
    { "1.5 g", (guint64) 3 << 29 }, { "2KB", 2000 }, { "8 B", 8 }, { "1T", (guint64) 1 << 40 },
    { "", 0 }, { "0", 0 }, { "-1G", 0 }, { "G", 0 }, { "1 GiB more", 0 }, { "1e300", 0 }, { "nan", 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GError) error = NULL;
      guint64 bytes = 0;

      g_assert_cmpint (app_parse_memory (cases[i].text, &bytes, &error), ==, cases[i].bytes > 0);
      g_assert_cmpuint (bytes, ==, cases[i].bytes);
      if (cases[i].bytes == 0)
        g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
    }
}

/* --- File names --------------------------------------------------------------------------------- */

static void
test_slug (void)
{
  static const struct { const char *prompt, *slug; } cases[] = {
    { "a sunset over mountains", "a-sunset-over-mountains" },
    { "  A Cat, sitting (on a mat)!  ", "a-cat-sitting-on-a-mat" },
    { "", "image" },
    { "///...", "image" },
    { "../../etc/passwd", "etc-passwd" },
    { "夕日 の 山", "夕日-の-山" },
    { "Über ÉCLAIR ΣΑΣ", "über-éclair-σας" },
    { "नमस्ते दुनिया", "नमस्ते-दुनिया" },
    { "e\xcc\x81" "a", "éa" },
    { "🌄 sunset 🌄", "sunset" },
    { "bad \xff byte", "bad-byte" },
    { "0123456789012345678901234567890123456789012345678901234", "01234567890123456789012345678901234567890123456789" },
    { "012345678901234567890123456789012345678901234567 夕日", "012345678901234567890123456789012345678901234567" },
    { "夕夕夕夕夕夕夕夕夕夕夕夕夕夕夕夕夕夕", "夕夕夕夕夕夕夕夕夕夕夕夕夕夕夕夕" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *slug = app_slug (cases[i].prompt);

      g_assert_cmpstr (slug, ==, cases[i].slug);
      g_assert_cmpuint (strlen (slug), <=, 50);
    }
}

static void
test_reserve (void)
{
  g_autofree char *folder = g_dir_make_tmp ("zimage-test-XXXXXX", NULL);
  g_autoptr(GHashTable) paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GError) error = NULL;
  GHashTableIter iter;
  const char *path;

  for (int i = 0; i < 20; i++)
    {
      char *reserved = app_reserve_file (folder, "A cat", "png", &error);

      g_assert_no_error (error);
      g_assert_true (g_regex_match_simple ("/a-cat-[0-9]{8}-[0-9]{6}(-[0-9]+)?\\.png$", reserved, 0, 0));
      g_assert_true (g_file_test (reserved, G_FILE_TEST_EXISTS));
      g_assert_true (g_hash_table_add (paths, reserved));
    }

  g_hash_table_iter_init (&iter, paths);
  while (g_hash_table_iter_next (&iter, (gpointer *) &path, NULL))
    g_remove (path);
  g_rmdir (folder);

  g_assert_null (app_reserve_file (folder, "A cat", "png", &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

/* --- Formats ------------------------------------------------------------------------------------ */

static void
test_duration (void)
{
  static const struct { double seconds; const char *text; } cases[] = {
    { 0.0, "0.0 ms" }, { 0.0047, "4.7 ms" }, { 0.0414, "41 ms" }, { 0.416, "0.42 s" }, { 9.99, "9.99 s" },
    { 9.996, "10.0 s" }, { 12.34, "12.3 s" },
    { 59.94, "59.9 s" }, { 59.96, "1 min 0 s" }, { 125.2, "2 min 5 s" }, { 3599.6, "1 h 0 min" },
    { 3780.0, "1 h 3 min" }, { NAN, "unknown" }, { -1.0, "unknown" }, { 1e300, "277777 h 46 min" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = app_format_duration (cases[i].seconds);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

static void
test_remaining (void)
{
  static const struct { double seconds; const char *text; } cases[] = {
    { 0.0, "0 s" }, { 0.3, "1 s" }, { 7.67, "8 s" }, { 59.0, "59 s" }, { 59.1, "1 min 0 s" }, { 125.2, "2 min 6 s" },
    { NAN, "unknown" }, { -1.0, "unknown" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = app_format_remaining (cases[i].seconds);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

static void
test_json (void)
{
  GVariantDict dict;
  g_autofree char *json = NULL;
  g_autoptr(JsonNode) root = NULL;
  JsonObject *object;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "text", "s", "“quotes” \" \\ / \n \t \x01 夕日");
  g_variant_dict_insert (&dict, "large", "t", (guint64) 17179869184);
  g_variant_dict_insert (&dict, "negative", "i", -5);
  g_variant_dict_insert (&dict, "true", "b", TRUE);
  g_variant_dict_insert (&dict, "tenth", "d", 0.1);
  g_variant_dict_insert (&dict, "whole", "d", 3.0);
  g_variant_dict_insert (&dict, "third", "d", 1.0 / 3.0);
  g_variant_dict_insert (&dict, "huge", "d", 1e300);
  g_variant_dict_insert (&dict, "none", "d", NAN);
  g_variant_dict_insert_value (&dict, "empty", g_variant_new_array (G_VARIANT_TYPE_VARDICT, NULL, 0));
  g_variant_dict_insert_value (&dict, "list", g_variant_new_parsed ("['a', 'b']"));
  g_variant_dict_insert_value (&dict, "nested", g_variant_new_parsed ("{'x': <1>}"));
  json = app_variant_to_json (g_variant_dict_end (&dict));

  g_assert_nonnull (strstr (json, "\"tenth\": 0.1"));
  g_assert_nonnull (strstr (json, "\"whole\": 3.0"));
  g_assert_nonnull (strstr (json, "\"empty\": []"));

  root = json_from_string (json, NULL);
  g_assert_nonnull (root);
  object = json_node_get_object (root);
  g_assert_cmpstr (json_object_get_string_member (object, "text"), ==, "“quotes” \" \\ / \n \t \x01 夕日");
  g_assert_cmpint (json_object_get_int_member (object, "large"), ==, 17179869184);
  g_assert_cmpint (json_object_get_int_member (object, "negative"), ==, -5);
  g_assert_true (json_object_get_boolean_member (object, "true"));
  g_assert_cmpfloat (json_object_get_double_member (object, "third"), ==, 1.0 / 3.0);
  g_assert_cmpfloat (json_object_get_double_member (object, "huge"), ==, 1e300);
  g_assert_true (json_object_get_null_member (object, "none"));
  g_assert_cmpstr (json_array_get_string_element (json_object_get_array_member (object, "list"), 1), ==, "b");
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (object, "nested"), "x"), ==, 1);
}

static const struct { const char *json, *line; } json_cases[] = {
  { "{}", "{}" },
  { " [ ] ", "[]" },
  { "{\"a\": 1, \"b\": [true, false, null], \"c\": {\"d\": -0.5}}",
    "{\"a\":1,\"b\":[true,false,null],\"c\":{\"d\":-0.5}}" },
  { "-999999999999999999", "-999999999999999999" },
  { "1000000000000000000", NULL },
  { "9223372036854775808", NULL },
  { "9223372036854775808.0", "9.2233720368547758e+18" },
  { "-0", "0" },
  { "-0.0", "-0.0" },
  { "1e3", "1000.0" },
  { "\"\\u5915\\u65e5 \\ud83d\\ude00 \\\"\\\\\\/\\b\\f\\n\\r\\t\"",
   "\"夕日 😀 \\\"\\\\/\\u0008\\u000c\\n\\u000d\\u0009\"" },
  { "", NULL },
  { "{\"a\": 1, \"a\": 2}", NULL },
  { "[{\"a\": {\"b\": 1}, \"\\u0061\": {\"b\": 1}}]", NULL },
  { "{\"a\": {\"a\": 1}, \"b\": {\"a\": 1}}", "{\"a\":{\"a\":1},\"b\":{\"a\":1}}" },
  { "{\":\": \":\"}", "{\":\":\":\"}" },
  { "{\"a\":: 1}", NULL },
  { "[1: 2]", NULL },
  { "[1 2]", NULL },
  { "[,]", NULL },
  { "{,}", NULL },
  { "{1: 2}", NULL },
  { "{\"a\"}", NULL },
  { "{\"a\":}", NULL },
  { "[}", NULL },
  { "{]", NULL },
  { "[[]", NULL },
  { "]", NULL },
  { ":", NULL },
  { "{\"a\" 1}", NULL },
  { "{a: 1}", NULL },
  { "[1,]", NULL },
  { "[1] 2", NULL },
  { "[] []", NULL },
  { "01", NULL },
  { "[010]", NULL },
  { "[0x10]", NULL },
  { "[- 1]", NULL },
  { "[--1]", NULL },
  { "var a = 1;", NULL },
  { "1.", NULL },
  { ".5", NULL },
  { "+1", NULL },
  { "1e", NULL },
  { "1e999", NULL },
  { "nul", NULL },
  { "nulls", NULL },
  { "[true1]", NULL },
  { "truefalse", NULL },
  { "'a'", NULL },
  { "\"a", NULL },
  { "\"\n\"", NULL },
  { "\"\\x\"", NULL },
  { "\"\\u12\"", NULL },
  { "\"\\u0000\"", NULL },
  { "\"\\ud800\"", NULL },
  { "\"\\udc00\"", NULL },
  { "\"\\ud800\\u0041\"", NULL },
  { "\"\xff\"", NULL },
  { "/* a */ 1", NULL },
};

static void
test_parse_json (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (json_cases); i++)
    {
      g_autoptr(GError) error = NULL;
      g_autoptr(GVariant) value = app_json_parse (json_cases[i].json, strlen (json_cases[i].json), &error);
      g_autofree char *line = value != NULL ? app_variant_to_json_line (value) : NULL;

      g_assert_cmpstr (line, ==, json_cases[i].line);
      if (line == NULL)
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    }
}

static void
test_parse_deep_json (void)
{
  for (gsize n = 1; n <= 1 << 20; n *= 2)
    {
      g_autofree char *open = g_strnfill (n, '[');
      g_autofree char *close = g_strnfill (n, ']');
      g_autofree char *json = g_strconcat (open, close, NULL);
      g_autoptr(GVariant) value = app_json_parse (json, 2 * n, NULL);

      g_assert_true ((value != NULL) == (n <= APP_JSON_MAX_DEPTH));
    }
}

static const struct { const char *json, *bad_field, *line; } params_cases[] = {
  { "{}", NULL, "{\"prompt\":\"\",\"negative_prompt\":\"\",\"n\":1" },
  { "{\"prompt\": \"夕日\", \"width\": 512, \"steps\": 8.0, \"seed\": 7, \"guidance_scale\": 4, \"rng\": \"cuda\"}", NULL,
    "{\"prompt\":\"夕日\",\"negative_prompt\":\"\",\"width\":512,\"steps\":8,\"seed\":7,\"n\":1,\"guidance_scale\":4.0" },
  { "{\"prompt\": null, \"unknown\": [1]}", NULL, "{\"prompt\":\"\"" },
  { "{\"prompt\": 5}", "prompt" },
  { "{\"width\": \"512\"}", "width" },
  { "{\"width\": 512.5}", "width" },
  { "{\"width\": 4294967296}", "width" },
  { "{\"seed\": 1e300}", "seed" },
  { "{\"seed\": true}", "seed" },
  { "{\"n\": {}}", "n" },
  { "{\"guidance_scale\": \"4\"}", "guidance_scale" },
  { "{\"rng\": \"mt\"}", "rng" },
};

static void
test_params_from_variant (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (params_cases); i++)
    {
      g_autoptr(GVariant) dict = app_json_parse (params_cases[i].json, strlen (params_cases[i].json), NULL);
      g_autoptr(ZimParams) params = zim_params_new (NULL);
      g_autoptr(GError) error = NULL;
      g_autofree char *line = NULL;
      const char *bad_field = NULL;

      if (!app_params_from_variant (params, dict, &bad_field, &error))
        g_assert_nonnull (strstr (error->message, params_cases[i].bad_field));
      g_assert_cmpstr (bad_field, ==, params_cases[i].bad_field);
      line = app_variant_to_json_line (app_params_to_variant (params));
      if (error == NULL)
        g_assert_true (g_str_has_prefix (line, params_cases[i].line));
    }
}

int
main (int    argc,
      char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/app/fields/set", test_field_set);
  g_test_add_func ("/app/fields/reset", test_field_reset);
  g_test_add_func ("/app/fields/variant", test_params_to_variant);
  g_test_add_func ("/app/fields/precision", test_precision);
  g_test_add_func ("/app/fields/memory", test_memory);
  g_test_add_func ("/app/file-names/slug", test_slug);
  g_test_add_func ("/app/file-names/reserve", test_reserve);
  g_test_add_func ("/app/format/duration", test_duration);
  g_test_add_func ("/app/format/remaining", test_remaining);
  g_test_add_func ("/app/json", test_json);
  g_test_add_func ("/app/json/parse", test_parse_json);
  g_test_add_func ("/app/json/parse/deep", test_parse_deep_json);
  g_test_add_func ("/app/params/from-variant", test_params_from_variant);

  return g_test_run ();
}
