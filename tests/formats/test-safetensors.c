/* test-safetensors.c: safetensors files, true and lying ones
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats-util.h"
#include "formats/zim-json-private.h"
#include "formats/zim-safetensors-private.h"
#include "zim-error.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* A file: header length (the header's own if negative), header, payload bytes 0, 1, 2, … */
static GBytes *
make_file (gint64      length,
           const char *header,
           gsize       payload)
{
  GByteArray *file = g_byte_array_new ();
  guint64 n = length >= 0 ? (guint64) length : strlen (header);

  g_byte_array_append (file, (const guint8 *) &n, sizeof n);
  g_byte_array_append (file, (const guint8 *) header, (guint) strlen (header));
  for (gsize i = 0; i < payload; i++)
    {
      guint8 byte = (guint8) i;

      g_byte_array_append (file, &byte, 1);
    }
  return g_byte_array_free_to_bytes (file);
}

static void
assert_refused (GBytes     *file,
                int         code,
                const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimSafetensors) tensors = zim_safetensors_new_from_bytes (file, "x.safetensors", &error);

  g_assert_null (tensors);
  g_assert_nonnull (error);
  g_assert_true (g_str_has_prefix (error->message, "x.safetensors: "));
  assert_and_clear_error (&error, code, message);
}

#define TENSOR(dtype, shape, begin, end) \
  "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void
test_reads (void)
{
  static const char header[] =
    "{\"__metadata__\":{\"format\":\"pt\"},\"b\":" TENSOR ("F16", "[2,3]", 4, 16)
    ",\"a\":" TENSOR ("F32", "[]", 0, 4) ",\"empty\":" TENSOR ("BF16", "[0,7]", 4, 4)
    ",\"last\":" TENSOR ("I32", "[1]", 16, 20) "}   ";
  g_autoptr(GBytes) file = make_file (-1, header, 20);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimSafetensors) tensors = zim_safetensors_new_from_bytes (file, "x", &error);
  const ZimWeight *weight;

  g_assert_no_error (error);
  g_assert_cmpuint (zim_safetensors_get_n (tensors), ==, 4);
  g_assert_cmpstr (zim_safetensors_get_path (tensors), ==, "x");
  g_assert_cmpstr (zim_safetensors_get_metadata (tensors, "format"), ==, "pt");
  g_assert_null (zim_safetensors_get_metadata (tensors, "other"));
  g_assert_null (zim_safetensors_lookup (tensors, "none"));
  g_assert_null (zim_safetensors_lookup (tensors, "__metadata__"));

  weight = zim_safetensors_lookup (tensors, "a");
  g_assert_cmpuint (weight->n_dims, ==, 0);
  g_assert_cmpint (zim_weight_n_elements (weight), ==, 1);
  g_assert_true (weight == zim_safetensors_get (tensors, 0));
  weight = zim_safetensors_lookup (tensors, "b");
  g_assert_cmpstr (weight->name, ==, "b");
  g_assert_cmpint (weight->dtype, ==, ZIM_DTYPE_F16);
  g_assert_cmpint (weight->dims[1], ==, 3);
  g_assert_cmpmem (weight->data, weight->size, "\4\5\6\7\10\11\12\13\14\15\16\17", 12);
  weight = zim_safetensors_lookup (tensors, "empty");
  g_assert_cmpuint (weight->size, ==, 0);
  g_assert_cmpint (zim_weight_n_elements (weight), ==, 0);
}

/* Types that no network here computes with are checked and named, and nothing more. */
static void
test_foreign (void)
{
  static const char header[] =
    "{\"a\":" TENSOR ("U8", "[3]", 0, 3) ",\"b\":" TENSOR ("I64", "[1]", 3, 11)
    ",\"c\":" TENSOR ("F4", "[6]", 11, 14) ",\"d\":" TENSOR ("BOOL", "[2]", 14, 16)
    ",\"e\":" TENSOR ("BF16", "[1]", 16, 18) "}";
  g_autoptr(GBytes) file = make_file (-1, header, 18);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimSafetensors) tensors = zim_safetensors_new_from_bytes (file, "x", &error);
  GHashTable *foreign;

  g_assert_no_error (error);
  foreign = zim_safetensors_get_foreign (tensors);
  g_assert_cmpuint (zim_safetensors_get_n (tensors), ==, 1);
  g_assert_null (zim_safetensors_lookup (tensors, "a"));
  g_assert_cmpuint (g_hash_table_size (foreign), ==, 4);
  g_assert_cmpstr (g_hash_table_lookup (foreign, "a"), ==, "U8");
  g_assert_cmpstr (g_hash_table_lookup (foreign, "c"), ==, "F4");
}

static void
test_empty (void)
{
  g_autoptr(GBytes) file = make_file (-1, "{}", 0);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimSafetensors) tensors = zim_safetensors_new_from_bytes (file, "x", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (zim_safetensors_get_n (tensors), ==, 0);
}

static void
test_bad_length (void)
{
  static const struct {
    gint64      length;
    const char *message;
  } cases[] = {
    { 0, "the header is not an object" },
    { 1, "Not valid JSON" },
    { 3, "a header of 3 bytes in a file of 10" },
    { ZIM_JSON_MAX_SIZE + 1, "a header of 100000001 bytes" },
    { G_MAXINT64, "a header of 9223372036854775807 bytes" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GBytes) file = make_file (cases[i].length, "{}", 0);

      assert_refused (file, ZIM_ERROR_BAD_FILE, cases[i].message);
    }
  for (gsize n = 0; n < 8; n++)
    {
      g_autoptr(GBytes) file = g_bytes_new_static ("\377\377\377\377\377\377\377\377", n);

      assert_refused (file, ZIM_ERROR_BAD_FILE, "it has only");
    }
}

static void
test_huge_length (void)
{
  g_autoptr(GBytes) file = g_bytes_new_static ("\377\377\377\377\377\377\377\377{}", 10);

  assert_refused (file, ZIM_ERROR_BAD_FILE, "a header of 18446744073709551615 bytes");
}

static void
test_bad_header (void)
{
  static const struct {
    const char *header;
    gsize       payload;
    int         code;
    const char *message;
  } cases[] = {
    /* The JSON itself. */
    { "[]", 0, ZIM_ERROR_BAD_FILE, "the header is not an object" },
    { " {}", 0, ZIM_ERROR_BAD_FILE, "the header is not an object" },
    { "{", 0, ZIM_ERROR_BAD_FILE, "Not valid JSON at byte 1" },
    { "{}x", 0, ZIM_ERROR_BAD_FILE, "More after the value" },
    { "{\"a\":" TENSOR ("F16", "[1]", 0, 2) ",\"a\":" TENSOR ("F16", "[1]", 2, 4) "}", 4,
      ZIM_ERROR_BAD_FILE, "Member “a” comes twice" },
    { "{\"a\":{\"dtype\":\"F16\",\"dtype\":\"F32\"}}", 0,
      ZIM_ERROR_BAD_FILE, "Member “dtype” comes twice" },
    /* Metadata. */
    { "{\"__metadata__\":[]}", 0, ZIM_ERROR_BAD_FILE, "“__metadata__” does not map" },
    { "{\"__metadata__\":{\"a\":1}}", 0, ZIM_ERROR_BAD_FILE, "“__metadata__” does not map" },
    { "{\"__metadata__\":{\"a\":{}}}", 0, ZIM_ERROR_BAD_FILE, "“__metadata__” does not map" },
    { "{\"__metadata__\":{\"a\":null}}", 0, ZIM_ERROR_BAD_FILE, "“__metadata__” does not map" },
    /* Descriptions. */
    { "{\"a\":1}", 0, ZIM_ERROR_BAD_FILE, "Tensor “a”: Its description is not an object" },
    { "{\"a\":{}}", 0, ZIM_ERROR_BAD_FILE, "Tensor “a”: Expected a string “dtype”" },
    { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,2]}}", 2,
      ZIM_ERROR_BAD_FILE, "Expected a string “dtype”" },
    { "{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,2]}}", 2,
      ZIM_ERROR_BAD_FILE, "Expected a string “dtype”" },
    { "{\"a\":{\"dtype\":\"F16\",\"shape\":1,\"data_offsets\":[0,2]}}", 2,
      ZIM_ERROR_BAD_FILE, "the arrays “shape”" },
    { "{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":0}}", 2,
      ZIM_ERROR_BAD_FILE, "the arrays “shape”" },
    { "{\"a\":" TENSOR ("F17", "[1]", 0, 2) "}", 2, ZIM_ERROR_BAD_FILE, "Unknown data type “F17”" },
    { "{\"a\":" TENSOR ("f16", "[1]", 0, 2) "}", 2, ZIM_ERROR_BAD_FILE, "Unknown data type “f16”" },
    /* Shapes. */
    { "{\"a\":" TENSOR ("F16", "[-1]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "A dimension is not a whole number" },
    { "{\"a\":" TENSOR ("F16", "[1.0]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "A dimension is not a whole number" },
    { "{\"a\":" TENSOR ("F16", "[\"1\"]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "A dimension is not a whole number" },
    { "{\"a\":" TENSOR ("F16", "[null]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "A dimension is not a whole number" },
    { "{\"a\":" TENSOR ("F16", "[[1]]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "A dimension is not a whole number" },
    { "{\"a\":" TENSOR ("F16", "[18446744073709551617]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "A dimension is not a whole number" },
    { "{\"a\":" TENSOR ("F16", "[1,1,1,1,1,1]", 0, 2) "}", 2,
      ZIM_ERROR_UNSUPPORTED, "More than five dimensions" },
    { "{\"a\":" TENSOR ("F16", "[2]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "2 bytes do not fit the shape [2] of type F16" },
    { "{\"a\":" TENSOR ("F32", "[]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "2 bytes do not fit the shape [] of type F32" },
    { "{\"a\":" TENSOR ("F32", "[0,5]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "2 bytes do not fit the shape [0, 5]" },
    { "{\"a\":" TENSOR ("I64", "[1]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "2 bytes do not fit the shape [1] of type I64" },
    { "{\"a\":" TENSOR ("F4", "[3]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "2 bytes do not fit the shape [3] of type F4" },
    /* Products that wrap around to the bytes that are there. */
    { "{\"a\":" TENSOR ("F16", "[4294967296,4294967296]", 0, 0) "}", 0,
      ZIM_ERROR_BAD_FILE, "0 bytes do not fit" },
    { "{\"a\":" TENSOR ("F32", "[4611686018427387905]", 0, 4) "}", 4,
      ZIM_ERROR_BAD_FILE, "4 bytes do not fit" },
    { "{\"a\":" TENSOR ("F16", "[4294967296,4294967296,0]", 0, 0) "}", 0,
      ZIM_ERROR_BAD_FILE, "0 bytes do not fit" },
    { "{\"a\":" TENSOR ("F16", "[0,4294967296,4294967296]", 0, 0) "}", 0,
      ZIM_ERROR_BAD_FILE, "0 bytes do not fit" },
    { "{\"a\":" TENSOR ("U8", "[9223372036854775807,2]", 0, 0) "}", 0,
      ZIM_ERROR_BAD_FILE, "0 bytes do not fit" },
    /* Offsets. */
    { "{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0]}}", 2,
      ZIM_ERROR_BAD_FILE, "Bad data_offsets" },
    { "{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2,4]}}", 2,
      ZIM_ERROR_BAD_FILE, "Bad data_offsets" },
    { "{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,\"2\"]}}", 2,
      ZIM_ERROR_BAD_FILE, "Bad data_offsets" },
    { "{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2.0]}}", 2,
      ZIM_ERROR_BAD_FILE, "Bad data_offsets" },
    { "{\"a\":" TENSOR ("F16", "[1]", -2, 0) "}", 2, ZIM_ERROR_BAD_FILE, "Bad data_offsets" },
    { "{\"a\":" TENSOR ("F16", "[1]", 2, 0) "}", 2, ZIM_ERROR_BAD_FILE, "Bad data_offsets" },
    { "{\"a\":" TENSOR ("F16", "[1]", 18446744073709551614, 18446744073709551616) "}", 2,
      ZIM_ERROR_BAD_FILE, "Bad data_offsets" },
    { "{\"a\":" TENSOR ("F16", "[1]", 1, 3) "}", 2,
      ZIM_ERROR_BAD_FILE, "Its data ends behind the end of the file" },
    { "{\"a\":" TENSOR ("F16", "[1]", 9223372036854775805, 9223372036854775807) "}", 2,
      ZIM_ERROR_BAD_FILE, "Its data ends behind the end of the file" },
    /* Layout. */
    { "{}", 1, ZIM_ERROR_BAD_FILE, "1 bytes behind the last tensor belong to none" },
    { "{\"a\":" TENSOR ("F16", "[1]", 0, 2) "}", 4,
      ZIM_ERROR_BAD_FILE, "2 bytes behind the last tensor" },
    { "{\"a\":" TENSOR ("F16", "[1]", 2, 4) "}", 4,
      ZIM_ERROR_BAD_FILE, "Tensor “a”: There is a gap" },
    { "{\"a\":" TENSOR ("F16", "[1]", 0, 2) ",\"b\":" TENSOR ("F16", "[1]", 4, 6) "}", 6,
      ZIM_ERROR_BAD_FILE, "Tensor “b”: There is a gap" },
    { "{\"a\":" TENSOR ("F16", "[2]", 0, 4) ",\"b\":" TENSOR ("F16", "[2]", 2, 6) "}", 6,
      ZIM_ERROR_BAD_FILE, "Tensor “b”: Its data overlaps" },
    { "{\"a\":" TENSOR ("F16", "[1]", 0, 2) ",\"b\":" TENSOR ("F16", "[1]", 0, 2) "}", 2,
      ZIM_ERROR_BAD_FILE, "Its data overlaps" },
    { "{\"a\":" TENSOR ("F16", "[2]", 0, 4) ",\"b\":" TENSOR ("F16", "[0]", 2, 2) "}", 4,
      ZIM_ERROR_BAD_FILE, "Tensor “b”: Its data overlaps" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GBytes) file = make_file (-1, cases[i].header, cases[i].payload);

      assert_refused (file, cases[i].code, cases[i].message);
    }
}

/* Every cut of a file is refused. */
/* The start of a file of which a server says that it has more: no more is read than there is. */
static void
test_header (void)
{
  static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
  const gsize length = strlen (header);

  for (gsize said = 0; said < length + 100; said++)
    for (gsize n = 0; n <= length; n += length / 4)
      {
        guint64 length_le = GUINT64_TO_LE ((guint64) said);
        g_autoptr(GByteArray) array = g_byte_array_new ();
        g_autoptr(GBytes) start = NULL;
        g_autoptr(ZimSafetensors) file = NULL;
        g_autoptr(GError) error = NULL;

        g_byte_array_append (array, (const guint8 *) &length_le, sizeof length_le);
        g_byte_array_append (array, (const guint8 *) header, (guint) n);
        start = g_byte_array_free_to_bytes (g_steal_pointer (&array));
        file = zim_safetensors_new_from_header (start, 8 + length + 8, "a file", &error);
        g_assert_true ((file != NULL) == (said == length && n == length));
        if (file == NULL)
          g_assert_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE);
        else
          g_assert_cmpuint (zim_safetensors_get_n (file), ==, 1);
      }
}

static void
test_truncated (void)
{
  g_autoptr(GBytes) file = make_file (-1, "{\"a\":" TENSOR ("F16", "[2]", 0, 4) "}", 4);

  for (gsize n = 0; n < g_bytes_get_size (file); n++)
    {
      g_autofree guint8 *copy = g_memdup2 (g_bytes_get_data (file, NULL), n);
      g_autoptr(GBytes) cut = g_bytes_new_static (copy, n);

      assert_refused (cut, ZIM_ERROR_BAD_FILE, "x.safetensors");
    }
}

static void
test_long_name (void)
{
  g_autofree char *name = g_strnfill (100000, 'n');
  g_autofree char *header = g_strdup_printf ("{\"%s\":1}", name);
  g_autoptr(GBytes) file = make_file (-1, header, 0);
  g_autoptr(GError) error = NULL;

  g_assert_null (zim_safetensors_new_from_bytes (file, "x", &error));
  g_assert_cmpuint (strlen (error->message), <, 400);
}

static void
test_open_errors (Folder        *folder,
                  gconstpointer  unused)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *missing = folder_file (folder, "missing.safetensors");
  g_autofree char *fifo = folder_file (folder, "fifo");
  g_autofree char *empty = folder_file (folder, "empty");

  g_assert_null (zim_safetensors_open (missing, &error));
  assert_and_clear_error (&error, ZIM_ERROR_NOT_FOUND, "missing.safetensors");
  g_assert_null (zim_safetensors_open (folder->path, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "Not a regular file");
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  g_assert_null (zim_safetensors_open (fifo, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "Not a regular file");
  folder_write (folder, "empty", "", 0);
  g_assert_null (zim_safetensors_open (empty, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "it has only 0 bytes");
}

/* Odd sizes first, so that what follows is not aligned. */
static const guint8 bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static const ZimWeight weights[] = {
  { .name = "odd", .dtype = ZIM_DTYPE_BF16, .n_dims = 1, .dims = { 3 }, .data = bytes, .size = 6 },
  { .name = "sca\"lar\n", .dtype = ZIM_DTYPE_F32, .n_dims = 0, .data = bytes, .size = 4 },
  { .name = "none", .dtype = ZIM_DTYPE_F16, .n_dims = 3, .dims = { 2, 0, 5 }, .data = bytes, .size = 0 },
  { .name = "five", .dtype = ZIM_DTYPE_I32, .n_dims = 5, .dims = { 1, 2, 1, 2, 1 }, .data = bytes, .size = 16 },
};

static void
test_round_trip (Folder        *folder,
                 gconstpointer  unused)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = folder_file (folder, "x.safetensors");
  g_autoptr(ZimSafetensors) tensors = NULL;
  g_autofree char *contents = NULL;
  guint64 length;

  g_assert_true (zim_safetensors_write (path, weights, G_N_ELEMENTS (weights), &error));
  g_assert_no_error (error);
  tensors = zim_safetensors_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (zim_safetensors_get_n (tensors), ==, G_N_ELEMENTS (weights));
  for (guint i = 0; i < G_N_ELEMENTS (weights); i++)
    {
      const ZimWeight *found = zim_safetensors_lookup (tensors, weights[i].name);

      g_assert_cmpint (found->dtype, ==, weights[i].dtype);
      g_assert_cmpmem (found->dims, found->n_dims * sizeof (gint64), weights[i].dims,
                       weights[i].n_dims * sizeof (gint64));
      g_assert_cmpmem (found->data, found->size, weights[i].data, weights[i].size);
    }
  g_file_get_contents (path, &contents, NULL, &error);
  memcpy (&length, contents, sizeof length);
  g_assert_cmpuint (length % 8, ==, 0);
  g_assert_cmpuint (folder_count (folder, "."), ==, 1);
}

/* An odd place in memory: what is not aligned is read all the same. */
static void
test_unaligned (void)
{
  static const char header[] = "{\"odd\":" TENSOR ("U8", "[1]", 0, 1) ",\"x\":" TENSOR ("F32", "[2]",
                                                                                        1, 9) "}";
  g_autoptr(GBytes) file = make_file (-1, header, 9);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimSafetensors) tensors = zim_safetensors_new_from_bytes (file, "x", &error);
  const ZimWeight *weight;
  float values[2];

  g_assert_no_error (error);
  weight = zim_safetensors_lookup (tensors, "x");
  zim_dtype_to_f32 (weight->dtype, weight->data, values, 2);
  g_assert_cmpmem (values, sizeof values, "\1\2\3\4\5\6\7\10", 8);
}

static void
test_write_errors (Folder        *folder,
                   gconstpointer  unused)
{
  const ZimWeight twice[] = { weights[0], weights[0] };
  ZimWeight wrong = weights[0];
  g_autoptr(GError) error = NULL;
  g_autofree char *path = folder_file (folder, "x.safetensors");
  g_autofree char *nowhere = folder_file (folder, "none/x.safetensors");
  g_autofree char *taken = folder_file (folder, "taken");
  g_autofree char *child = folder_file (folder, "taken/child");

  wrong.size = 5;
  g_assert_false (zim_safetensors_write (path, twice, 2, &error));
  assert_and_clear_error (&error, ZIM_ERROR_FAILED, "Tensor “odd” comes twice");
  g_assert_false (zim_safetensors_write (path, &wrong, 1, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_SHAPE, "5 bytes, its shape asks for 6");
  g_assert_false (zim_safetensors_write (nowhere, weights, 1, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_clear_error (&error);
  g_assert_cmpuint (folder_count (folder, "."), ==, 0);

  /* A folder of that name: only the last step fails. */
  g_assert_cmpint (g_mkdir_with_parents (child, 0777), ==, 0);
  g_assert_false (zim_safetensors_write (taken, weights, 1, &error));
  g_assert_nonnull (error);
  g_assert_true (error->domain == G_FILE_ERROR);
  g_assert_cmpuint (folder_count (folder, "."), ==, 1);
}

/* As on a full disk: nothing new is left and what was there is whole. */
static void
test_disk_full (Folder        *folder,
                gconstpointer  unused)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = folder_file (folder, "x.safetensors");
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  struct rlimit old;
  struct rlimit small;
  gsize n_before;
  gsize n_after;

  g_assert_true (zim_safetensors_write (path, weights, 1, &error));
  g_file_get_contents (path, &before, &n_before, &error);
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  small = old;
  small.rlim_cur = 64;
  setrlimit (RLIMIT_FSIZE, &small);
  g_assert_false (zim_safetensors_write (path, weights, G_N_ELEMENTS (weights), &error));
  setrlimit (RLIMIT_FSIZE, &old);

  g_assert_nonnull (error);
  g_assert_true (error->domain == G_FILE_ERROR);
  g_assert_cmpuint (folder_count (folder, "."), ==, 1);
  g_file_get_contents (path, &after, &n_after, NULL);
  g_assert_cmpmem (before, n_before, after, n_after);
}

static guint
count_open_files (void)
{
  g_autoptr(GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static guint
count_maps (const char *path)
{
  g_autofree char *maps = NULL;
  guint n = 0;

  g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL);
  for (const char *p = maps; p != NULL && (p = strstr (p, path)) != NULL; p++)
    n++;
  return n;
}

static void
test_leaks (Folder        *folder,
            gconstpointer  unused)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *good = folder_file (folder, "good.safetensors");
  g_autofree char *bad = folder_file (folder, "bad.safetensors");
  guint n = count_open_files ();

  g_assert_true (zim_safetensors_write (good, weights, G_N_ELEMENTS (weights), &error));
  folder_write (folder, "bad.safetensors", "\2\0\0\0\0\0\0\0{}x", 11);
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr(ZimSafetensors) tensors = zim_safetensors_open (good, &error);
      ZimSafetensors *again = zim_safetensors_ref (tensors);

      g_assert_no_error (error);
      zim_safetensors_unref (again);
      g_assert_cmpuint (count_open_files (), ==, n);
      g_assert_cmpuint (count_maps (good), ==, 1);
      g_assert_null (zim_safetensors_open (bad, NULL));
    }
  g_assert_cmpuint (count_maps (folder->path), ==, 0);
  g_assert_cmpuint (count_open_files (), ==, n);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/safetensors/reads", test_reads);
  g_test_add_func ("/safetensors/foreign", test_foreign);
  g_test_add_func ("/safetensors/empty", test_empty);
  g_test_add_func ("/safetensors/bad-length", test_bad_length);
  g_test_add_func ("/safetensors/huge-length", test_huge_length);
  g_test_add_func ("/safetensors/bad-header", test_bad_header);
  g_test_add_func ("/safetensors/truncated", test_truncated);
  g_test_add_func ("/safetensors/header", test_header);
  g_test_add_func ("/safetensors/long-name", test_long_name);
  g_test_add_func ("/safetensors/unaligned", test_unaligned);
  g_test_add ("/safetensors/open-errors", Folder, NULL, folder_init, test_open_errors, folder_clear);
  g_test_add ("/safetensors/round-trip", Folder, NULL, folder_init, test_round_trip, folder_clear);
  g_test_add ("/safetensors/write-errors", Folder, NULL, folder_init, test_write_errors,
              folder_clear);
  g_test_add ("/safetensors/disk-full", Folder, NULL, folder_init, test_disk_full, folder_clear);
  g_test_add ("/safetensors/leaks", Folder, NULL, folder_init, test_leaks, folder_clear);
  return g_test_run ();
}
