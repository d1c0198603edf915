/* test-gguf.c: GGUF files, what they can lie about, and the tokenizer in them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#include "formats/zim-gguf-private.h"
#include "formats/zim-safetensors-private.h"
#include "formats/zim-tokenizer-file-private.h"
#include "model-file.h"
#include "text/zim-tokenizer-private.h"
#include "zim-error.h"

static GBytes *
read_bytes (const char *path)
{
  g_autoptr(GError) error = NULL;
  char *data;
  gsize size;

  g_file_get_contents (path, &data, &size, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (data, size);
}

static ZimGguf *
open_gguf (const char *path)
{
  g_autoptr(GBytes) bytes = read_bytes (path);
  g_autoptr(GError) error = NULL;
  ZimGguf *file = zim_gguf_new_from_bytes (bytes, path, &error);

  g_assert_no_error (error);
  return file;
}

static ZimGguf *
open_fixture (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "reference", "fixtures", "types.gguf", NULL);

  return open_gguf (path);
}

static const ZimWeight *
find (ZimGguf    *file,
      const char *name)
{
  const ZimWeight *weight = zim_tensor_set_lookup (zim_gguf_get_set (file), name);

  g_assert_nonnull (weight);
  return weight;
}

/* The gguf package's blocks are what they are in the fixture of blocks, and decode to the same bits. */
static void
test_blocks (void)
{
  static const ZimDType types[] = {
    ZIM_DTYPE_Q8_0, ZIM_DTYPE_Q4_0, ZIM_DTYPE_Q4_1, ZIM_DTYPE_Q5_0, ZIM_DTYPE_Q5_1,
    ZIM_DTYPE_Q2_K, ZIM_DTYPE_Q3_K, ZIM_DTYPE_Q4_K, ZIM_DTYPE_Q5_K, ZIM_DTYPE_Q6_K,
  };
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "reference", "fixtures", "blocks.safetensors", NULL);
  g_autoptr(ZimGguf) file = open_fixture ();
  g_autoptr(ZimSafetensors) blocks = zim_safetensors_open (path, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autofree char *name = g_strconcat (zim_dtype_name (types[i]), "/values", NULL);
      const ZimWeight *weight = find (file, zim_dtype_name (types[i]));
      const ZimWeight *expected = zim_safetensors_lookup (blocks, name);
      g_autofree float *values = g_new (float, expected->dims[0]);

      g_assert_cmpint (weight->dtype, ==, types[i]);
      g_assert_cmpuint (weight->n_dims, ==, 2);
      g_assert_cmpint (weight->dims[0], ==, 2);
      g_assert_cmpint (weight->dims[1], ==, expected->dims[0] / 2);
      zim_weight_decode (weight, 0, (gsize) expected->dims[0], values);
      for (gint64 j = 0; j < expected->dims[0]; j++)
        if (memcmp (&values[j], expected->data + 4 * j, 4) != 0)
          g_assert_true (isnan (values[j]));
    }
}

static void
test_plain (void)
{
  static const char *const names[] = { "F32", "F16", "BF16" };
  static const gint64 shapes[][4] = { { 2, 3, 1, 5 }, { 2, 1, 3, 0 } };
  g_autoptr(ZimGguf) file = open_fixture ();
  const ZimWeight *row = find (file, "row");
  const ZimTensorSet *set = zim_gguf_get_set (file);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const ZimWeight *weight = find (file, names[i]);
      float values[30];

      g_assert_cmpstr (zim_dtype_name (weight->dtype), ==, names[i]);
      g_assert_cmpmem (weight->dims, weight->n_dims * sizeof (gint64), shapes[0], sizeof shapes[0]);
      zim_weight_decode (weight, 0, 30, values);
      for (guint j = 0; j < 30; j++)
        g_assert_cmpfloat (values[j], ==, j);
    }
  g_assert_cmpmem (row->dims, row->n_dims * sizeof (gint64), shapes[1], 3 * sizeof (gint64));
  g_assert_false (zim_tensor_set_lookup (set, "I16") != NULL);
  g_assert_cmpstr (g_hash_table_lookup (set->foreign, "I16"), ==, "I16");
}

static void
assert_next (ZimGgufArray *array,
             const char   *expected)
{
  gsize length;
  const char *text = zim_gguf_next_string (array, &length);

  g_assert_cmpmem (text, length, expected, strlen (expected));
}

static void
test_values (void)
{
  g_autoptr(ZimGguf) file = open_fixture ();
  g_autofree char *string = zim_gguf_get_string (file, "value.string");
  ZimGgufArray array;

  g_assert_cmpstr (string, ==, "naïve");
  g_assert_null (zim_gguf_get_string (file, "value.int32"));
  g_assert_null (zim_gguf_get_string (file, "none"));
  g_assert_true (zim_gguf_get_strings (file, "value.texts", &array));
  g_assert_cmpuint (array.n, ==, 2);
  assert_next (&array, "");
  assert_next (&array, "two");
  g_assert_cmpuint (array.n, ==, 0);
  g_assert_true (zim_gguf_get_ints (file, "comfy.gguf.orig_shape.row", &array));
  g_assert_cmpint (zim_gguf_next_int (&array), ==, 2);
  g_assert_false (zim_gguf_get_ints (file, "value.numbers", &array));
  g_assert_false (zim_gguf_get_ints (file, "value.int32", &array));
  g_assert_true (zim_gguf_get_strings (file, "tokenizer.ggml.tokens", &array));
  assert_next (&array, "a");
  g_assert_true (zim_tokenizer_file_is_in (file));
}

/* Lies */

/* Two values that nobody asks for beside the alignment, a Q8_0 [2, 32] and an F32 [4]. */
enum {
  VERSION = 4, N_TENSORS = 8, N_VALUES = 16,
  ALIGNMENT_TYPE = 49, ALIGNMENT = 53,
  ARRAY_KEY_LENGTH = 57, ARRAY_KEY = 65, ARRAY_TYPE = 66, ARRAY_ELEMENT = 70, ARRAY_LENGTH = 74,
  STRING_KEY_LENGTH = 90, STRING_KEY = 98, STRING_TYPE = 99, STRING_LENGTH = 103,
  A_NAME_LENGTH = 112, A_NAME = 120, A_N_DIMS = 121, A_COLS = 125, A_ROWS = 133, A_TYPE = 141, A_OFFSET = 145,
  B_NAME_LENGTH = 153, B_NAME = 161, B_N_DIMS = 162, B_COLS = 166, B_TYPE = 174, B_OFFSET = 178,
  DATA = 192, SIZE = DATA + 96 + 16,
};

static const guint8 good[DATA] =
  "GGUF\3\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0"
  "\21\0\0\0\0\0\0\0general.alignment\4\0\0\0\40\0\0\0"
  "\1\0\0\0\0\0\0\0k\11\0\0\0\4\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0"
  "\1\0\0\0\0\0\0\0s\10\0\0\0\1\0\0\0\0\0\0\0x"
  "\1\0\0\0\0\0\0\0a\2\0\0\0\40\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\10\0\0\0\0\0\0\0\0\0\0\0"
  "\1\0\0\0\0\0\0\0b\1\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\140\0\0\0\0\0\0\0";

static ZimGguf *
open_changed (guint         at,
              guint         n,
              guint64       value,
              gsize         size,
              GError      **error)
{
  g_autofree guint8 *file = g_malloc0 (SIZE);
  g_autofree guint8 *exact = NULL;
  g_autoptr(GBytes) bytes = NULL;

  memcpy (file, good, sizeof good);
  memcpy (file + at, &value, n);
  /* Nothing that can be read lies behind it. */
  exact = g_memdup2 (file, size);
  bytes = g_bytes_new (exact, size);
  return zim_gguf_new_from_bytes (bytes, "x.gguf", error);
}

static const struct {
  guint       at;
  guint       n; /* bytes */
  guint64     value;
  int         code;
  const char *message; /* NULL: no fault */
} changes[] = {
  { 0, 0, 0, 0, NULL },
  { VERSION, 4, 2, 0, NULL },
  { B_TYPE, 4, 20, 0, NULL }, /* IQ4_NL: only named */
  { B_OFFSET, 8, 96 + 32, ZIM_ERROR_BAD_FILE, "x.gguf: Tensor “b”: Its data ends behind the end of the file" },
  { 0, 1, 'g', ZIM_ERROR_BAD_FILE, "Not a GGUF file" },
  { VERSION, 4, 1, ZIM_ERROR_UNSUPPORTED, "GGUF of version 1, supported are 2 and 3" },
  { VERSION, 4, 4, ZIM_ERROR_UNSUPPORTED, "GGUF of version 4" },
  { VERSION, 4, 0x03000000, ZIM_ERROR_UNSUPPORTED, "big-endian" },
  { N_TENSORS, 8, 3, ZIM_ERROR_BAD_FILE, "x.gguf: " },
  { N_TENSORS, 8, G_MAXUINT64, ZIM_ERROR_BAD_FILE, "x.gguf: " },
  { N_VALUES, 8, 4, ZIM_ERROR_BAD_FILE, "x.gguf: " },
  { N_VALUES, 8, 2, ZIM_ERROR_BAD_FILE, "x.gguf: " },
  { N_VALUES, 8, G_MAXUINT64, ZIM_ERROR_BAD_FILE, "x.gguf: " },
  { ALIGNMENT_TYPE, 4, 5, ZIM_ERROR_BAD_FILE, "Value “general.alignment”: It is not of type u32" },
  { ALIGNMENT, 4, 0, ZIM_ERROR_BAD_FILE, "Value “general.alignment”: It is not a power of 2" },
  { ALIGNMENT, 4, 24, ZIM_ERROR_BAD_FILE, "Value “general.alignment”: It is not a power of 2" },
  { ALIGNMENT, 4, 64, ZIM_ERROR_BAD_FILE, "Tensor “b”: Its data is not aligned" },
  { ALIGNMENT, 4, 0x80000000, ZIM_ERROR_BAD_FILE, "Its data ends behind the end" },
  { ARRAY_KEY_LENGTH, 8, 0, ZIM_ERROR_BAD_FILE, "A value’s key at 57 is empty or not a text" },
  { ARRAY_KEY_LENGTH, 8, 300, ZIM_ERROR_BAD_FILE, "A value’s key of 300 bytes at 65 in a file of 304" },
  { ARRAY_KEY_LENGTH, 8, G_MAXUINT64, ZIM_ERROR_BAD_FILE, "of 18446744073709551615 bytes at 65" },
  { ARRAY_KEY, 1, 0xff, ZIM_ERROR_BAD_FILE, "A value’s key at 57 is empty or not a text" },
  { ARRAY_KEY, 1, 0, ZIM_ERROR_BAD_FILE, "A value’s key at 57 is empty or not a text" },
  { ARRAY_KEY, 1, 's', ZIM_ERROR_BAD_FILE, "Value “s”: It is there twice" },
  { ARRAY_TYPE, 4, 13, ZIM_ERROR_BAD_FILE, "Value “k”: An unknown type" },
  { ARRAY_ELEMENT, 4, 9, ZIM_ERROR_BAD_FILE, "Value “k”: An array of arrays" },
  { ARRAY_ELEMENT, 4, 13, ZIM_ERROR_BAD_FILE, "Value “k”: An array of an unknown type" },
  { ARRAY_ELEMENT, 4, 8, ZIM_ERROR_BAD_FILE, "A string of 8589934593 bytes" },
  { ARRAY_LENGTH, 8, 60, ZIM_ERROR_BAD_FILE, "An array of 240 bytes at 82 in a file of 304" },
  { ARRAY_LENGTH, 8, G_MAXUINT64 / 4 + 2, ZIM_ERROR_BAD_FILE, "Value “k”: An array of more elements than a file" },
  { STRING_KEY, 1, 'k', ZIM_ERROR_BAD_FILE, "Value “k”: It is there twice" },
  { STRING_TYPE, 4, 255, ZIM_ERROR_BAD_FILE, "Value “s”: An unknown type" },
  { STRING_LENGTH, 8, 1000, ZIM_ERROR_BAD_FILE, "A string of 1000 bytes at 111" },
  { A_NAME_LENGTH, 8, 0, ZIM_ERROR_BAD_FILE, "A tensor’s name at 112 is empty or not a text" },
  { A_NAME, 1, 0xc0, ZIM_ERROR_BAD_FILE, "A tensor’s name at 112 is empty or not a text" },
  { A_NAME, 1, 'b', ZIM_ERROR_BAD_FILE, "Tensor “b”: It is there twice" },
  { A_N_DIMS, 4, 5, ZIM_ERROR_BAD_FILE, "Tensor “a”: More than four dimensions" },
  { A_N_DIMS, 4, 0, ZIM_ERROR_BAD_FILE, "Tensor “a”: " },
  { A_COLS, 8, 0, ZIM_ERROR_BAD_FILE, "Tensor “a”: A dimension is 0 or beyond all numbers" },
  { A_COLS, 8, G_MAXUINT64, ZIM_ERROR_BAD_FILE, "Tensor “a”: A dimension is 0 or beyond all numbers" },
  { A_COLS, 8, 31, ZIM_ERROR_BAD_FILE, "Its shape is [2, 31], but type Q8_0 has blocks of 32 columns" },
  { A_ROWS, 8, 3, ZIM_ERROR_BAD_FILE, "Tensor “b”: Its data overlaps another tensor’s" },
  { A_ROWS, 8, G_MAXINT64, ZIM_ERROR_BAD_FILE, "Tensor “a”: Its shape is [9223372036854775807, 32], more than" },
  { A_ROWS, 8, G_MAXINT64 / 32, ZIM_ERROR_BAD_FILE, "more than a file can have" },
  { A_ROWS, 8, 100, ZIM_ERROR_BAD_FILE, "Tensor “a”: Its data ends behind the end of the file" },
  { A_TYPE, 4, 4, ZIM_ERROR_BAD_FILE, "Tensor “a”: Unknown type 4" },
  { A_TYPE, 4, 41, ZIM_ERROR_BAD_FILE, "Tensor “a”: Unknown type 41" },
  { A_TYPE, 4, G_MAXUINT32, ZIM_ERROR_BAD_FILE, "Tensor “a”: Unknown type 4294967295" },
  { A_TYPE, 4, 12, ZIM_ERROR_BAD_FILE, "Its shape is [2, 32], but type Q4_K has blocks of 256 columns" },
  { A_OFFSET, 8, 1, ZIM_ERROR_BAD_FILE, "Tensor “a”: Its data is not aligned" },
  { A_OFFSET, 8, 96, ZIM_ERROR_BAD_FILE, "Tensor “a”: Its data ends behind the end of the file" },
  { A_OFFSET, 8, -G_GUINT64_CONSTANT (32), ZIM_ERROR_BAD_FILE, "Tensor “a”: Its data ends behind the end of the file" },
  { B_OFFSET, 8, 64, ZIM_ERROR_BAD_FILE, "Tensor “b”: Its data overlaps another tensor’s" },
  { B_OFFSET, 8, 0, ZIM_ERROR_BAD_FILE, "Its data overlaps another tensor’s" },
  { B_COLS, 8, 5, ZIM_ERROR_BAD_FILE, "Tensor “b”: Its data ends behind the end of the file" },
};

static void
test_lies (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autoptr(GError) error = NULL;
      g_autoptr(ZimGguf) file = open_changed (changes[i].at, changes[i].n, changes[i].value, SIZE, &error);

      g_assert_true ((file == NULL) == (error != NULL));
      if (changes[i].message == NULL)
        g_assert_no_error (error);
      else
        assert_and_clear_error (&error, changes[i].code, changes[i].message);
    }
}

/* A file that was cut anywhere. */
static void
test_truncated (void)
{
  for (gsize size = 0; size < SIZE; size++)
    {
      g_autoptr(GError) error = NULL;

      g_assert_null (open_changed (0, 0, 0, size, &error));
      assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "x.gguf: ");
    }
}

/* Shapes that a tensor cannot have had. */
static void
test_wrong_shapes (Folder        *folder,
                   gconstpointer  unused)
{
  static const struct {
    gint32      dims[6];
    guint       n;
    const char *message; /* NULL: no fault */
  } cases[] = {
    { { 4, 64 }, 2, NULL },
    { { 4, 65 }, 2, "Value “comfy.gguf.orig_shape.w”: It is no shape" },
    { { -4, -64 }, 2, "Value “comfy.gguf.orig_shape.w”: It is no shape" },
    { { 0, 64 }, 2, "Value “comfy.gguf.orig_shape.w”: It is no shape" },
    { { 0 }, 0, "Value “comfy.gguf.orig_shape.w”: It is no shape" },
    { { 256, 1, 1, 1, 1, 1 }, 6, "Value “comfy.gguf.orig_shape.w”: It is no shape" },
    { { G_MAXINT32, G_MAXINT32, G_MAXINT32 }, 3, "Value “comfy.gguf.orig_shape.w”: It is no shape" },
    { { 16, 16 }, 2, "Tensor “w”: Its shape is [16, 16], but type Q8_0 has blocks of 32 columns" },
  };
  static const guint8 data[8 * 34];
  const ZimWeight weight = { .dtype = ZIM_DTYPE_Q8_0, .n_dims = 1, .dims = { 256 }, .data = data, .size = sizeof data };
  g_autofree char *path = folder_file (folder, "w.gguf");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(ModelFile) file = model_file_new ();
      g_autoptr(GBytes) bytes = NULL;
      g_autoptr(GError) error = NULL;
      g_autoptr(ZimGguf) opened = NULL;

      model_file_add (file, "", "w", &weight);
      model_file_set_ints (file, "comfy.gguf.orig_shape.w", cases[i].dims, cases[i].n);
      model_file_write_gguf (file, folder, "w.gguf");
      bytes = read_bytes (path);
      opened = zim_gguf_new_from_bytes (bytes, path, &error);
      if (cases[i].message == NULL)
        g_assert_no_error (error);
      else
        assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, cases[i].message);
    }
}

/* Models */

static ZimCheckpoint *
open_model (Folder      *folder,
            const char  *text_encoder,
            const char  *tokenizer,
            GError     **error)
{
  g_autofree char *transformer = folder_file (folder, "z-turbo.gguf");
  g_autofree char *text_path = folder_file (folder, text_encoder);
  g_autofree char *vae = folder_file (folder, "vae.gguf");
  g_autofree char *tokenizer_path = tokenizer != NULL ? folder_file (folder, tokenizer) : NULL;
  ZimCheckpointParts parts = { transformer, text_path, vae, tokenizer_path, -1 };

  return zim_checkpoint_open_parts (&parts, NULL, error);
}

static void
write_model (Folder        *folder,
             ZimCheckpoint *checkpoint,
             const char    *prefix,
             gboolean       diffusers)
{
  g_autoptr(ModelFile) transformer = model_file_new ();
  g_autoptr(ModelFile) text_encoder = model_file_new ();
  g_autoptr(ModelFile) vae = model_file_new ();

  if (diffusers)
    model_file_add_component (transformer, prefix, checkpoint, ZIM_COMPONENT_TRANSFORMER);
  else
    model_file_add_transformer (transformer, prefix, checkpoint);
  model_file_add_llama (text_encoder, checkpoint);
  model_file_add_autoencoder (vae, "", checkpoint);
  model_file_write_gguf (transformer, folder, "z-turbo.gguf");
  model_file_write_gguf (text_encoder, folder, "text.gguf");
  model_file_write_gguf (vae, folder, "vae.gguf");
}

/* Every tensor under every program's names is the same to the byte. */
static void
test_model (Folder        *folder,
            gconstpointer  unused)
{
  static const ZimDType types[] = { ZIM_DTYPE_BF16, ZIM_DTYPE_F16, ZIM_DTYPE_F32 };
  static const char *const prefixes[] = { "", "model.diffusion_model.", "diffusion_model." };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      ZimConfig config;
      g_autoptr(ZimCheckpoint) expected = NULL;
      g_autoptr(ZimCheckpoint) opened = NULL;
      g_autoptr(GError) error = NULL;

      tiny_config_init (&config);
      expected = tiny_checkpoint_new (&config, types[i]);
      write_model (folder, expected, prefixes[i], i == 0);
      folder_write (folder, "tokenizer.json", "[1]", 3);
      opened = open_model (folder, "text.gguf", NULL, &error);
      g_assert_no_error (error);
      assert_same_tensors (&config, expected, opened);
      g_assert_cmpuint (g_bytes_get_size (zim_checkpoint_get_tokenizer (opened)), ==, 3);
    }
}

/* A type that is not known here is an error that names it, once the tensor is asked for. */
static void
test_foreign (Folder        *folder,
              gconstpointer  unused)
{
  static const gint64 dims[] = { 256, 256 };
  ZimConfig config;
  g_autoptr(ModelFile) file = model_file_new ();
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autoptr(GError) error = NULL;

  tiny_config_init (&config);
  checkpoint = tiny_checkpoint_new (&config, ZIM_DTYPE_BF16);
  write_model (folder, checkpoint, "", FALSE);
  folder_write (folder, "tokenizer.json", "{}", 2);
  model_file_add_transformer (file, "", checkpoint);
  for (guint i = 0; i < file->weights->len; i++)
    if (strcmp (g_array_index (file->weights, ZimWeight, i).name, "layers.1.attention.qkv.weight") == 0)
      file->types->pdata[i] = (char *) "IQ4_NL";
  model_file_write_gguf (file, folder, "z-turbo.gguf");
  opened = open_model (folder, "text.gguf", NULL, &error);
  g_assert_no_error (error);
  g_assert_null (zim_checkpoint_require (opened, ZIM_COMPONENT_TRANSFORMER, "layers.1.attention.to_k.weight", 2, dims,
                                         &error));
  assert_and_clear_error (&error, ZIM_ERROR_UNSUPPORTED,
                          "z-turbo.gguf: Tensor “layers.1.attention.to_k.weight” is of type IQ4_NL");
}

/* Tokenizers */

static char *
tokenizer_path (void)
{
  return g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", "tokenizer.json", NULL);
}

/* What a GGUF file has of a tokenizer.json, with fillers behind it. */
static void
set_tokenizer (ModelFile  *file,
               JsonObject *root)
{
  JsonObject *model = json_object_get_object_member (root, "model");
  JsonObject *vocab = json_object_get_object_member (model, "vocab");
  JsonArray *merges = json_object_get_array_member (model, "merges");
  JsonArray *added = json_object_get_array_member (root, "added_tokens");
  g_autoptr(GPtrArray) tokens = g_ptr_array_new ();
  g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func (g_free);
  g_autoptr(GArray) kinds = g_array_new (FALSE, TRUE, sizeof (gint32));
  guint n = json_object_get_size (vocab) + json_array_get_length (added) + 10;
  JsonObjectIter iter;
  const char *text;
  JsonNode *node;

  g_ptr_array_set_size (tokens, (int) n);
  g_array_set_size (kinds, n);
  for (guint i = 0; i < n; i++)
    {
      tokens->pdata[i] = (char *) "[PAD]";
      g_array_index (kinds, gint32, i) = 5;
    }
  json_object_iter_init (&iter, vocab);
  while (json_object_iter_next (&iter, &text, &node))
    {
      tokens->pdata[json_node_get_int (node)] = (char *) text;
      g_array_index (kinds, gint32, json_node_get_int (node)) = 1;
    }
  for (guint i = 0; i < json_array_get_length (added); i++)
    {
      JsonObject *token = json_array_get_object_element (added, i);
      gint64 id = json_object_get_int_member (token, "id");

      tokens->pdata[id] = (char *) json_object_get_string_member (token, "content");
      g_array_index (kinds, gint32, id) = json_object_get_boolean_member (token, "special") ? 3 : 4;
    }
  for (guint i = 0; i < json_array_get_length (merges); i++)
    {
      JsonNode *merge = json_array_get_element (merges, i);
      JsonArray *pair = JSON_NODE_HOLDS_ARRAY (merge) ? json_node_get_array (merge) : NULL;

      g_ptr_array_add (pairs, pair == NULL ? g_strdup (json_node_get_string (merge))
                                           : g_strdup_printf ("%s %s", json_array_get_string_element (pair, 0),
                                                              json_array_get_string_element (pair, 1)));
    }
  model_file_set_strings (file, "tokenizer.ggml.tokens", tokens);
  model_file_set_ints (file, "tokenizer.ggml.token_type", (const gint32 *) (gpointer) kinds->data, n);
  model_file_set_strings (file, "tokenizer.ggml.merges", pairs);
}

static ZimTokenizer *
make_tokenizer (GBytes *json)
{
  g_autoptr(GError) error = NULL;
  ZimTokenizer *tokenizer = zim_tokenizer_new (json, "tokenizer", &error);

  g_assert_no_error (error);
  return tokenizer;
}

/* Prompts become the ids that they become with the tokenizer.json that the values are from. */
static void
test_tokenizer (Folder        *folder,
                gconstpointer  unused)
{
  static const char *const prompts[] = {
    "a sunset over mountains", "", "  Two\n\n cats, 17 \"dogs\"\\ & naïve e\xcc\x81 日本語 🙂\t\x01",
    "<|im_start|>user\n<think>\n<|im_end|><|endoftext|>", "it's WE'LL don’t ſ'ſ",
  };
  g_autofree char *source = tokenizer_path ();
  g_autofree char *path = folder_file (folder, "text.gguf");
  g_autoptr(GBytes) json = read_bytes (source);
  g_autoptr(JsonParser) parser = json_parser_new ();
  g_autoptr(ModelFile) file = model_file_new ();
  g_autoptr(ZimGguf) gguf = NULL;
  g_autoptr(GBytes) made = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimTokenizer) expected = make_tokenizer (json);
  g_autoptr(ZimTokenizer) embedded = NULL;

  json_parser_load_from_file (parser, source, &error);
  g_assert_no_error (error);
  model_file_set_string (file, "tokenizer.ggml.model", "gpt2");
  model_file_set_string (file, "tokenizer.ggml.pre", "qwen2");
  set_tokenizer (file, json_node_get_object (json_parser_get_root (parser)));
  model_file_write_gguf (file, folder, "text.gguf");
  gguf = open_gguf (path);
  g_assert_true (zim_tokenizer_file_is_in (gguf));
  made = zim_tokenizer_file_make (gguf, &error);
  g_assert_no_error (error);
  embedded = make_tokenizer (made);
  g_assert_cmpuint (zim_tokenizer_get_n_ids (embedded), ==, zim_tokenizer_get_n_ids (expected));
  for (guint i = 0; i < G_N_ELEMENTS (prompts); i++)
    {
      g_autofree char *text = zim_chat_template_render (prompts[i]);
      g_autoptr(GArray) a = zim_tokenizer_encode (expected, text, -1);
      g_autoptr(GArray) b = zim_tokenizer_encode (embedded, text, -1);

      g_assert_cmpmem (a->data, a->len * sizeof (gint32), b->data, b->len * sizeof (gint32));
    }
}

/* A named tokenizer comes before the one in the file, and that before one that lies beside it. */
static void
test_which_tokenizer (Folder        *folder,
                      gconstpointer  unused)
{
  static const gint32 kinds[] = { 1, 3 };
  ZimConfig config;
  g_autoptr(ModelFile) file = model_file_new ();
  g_autoptr(GPtrArray) tokens = g_ptr_array_new ();
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autoptr(ZimCheckpoint) named = NULL;
  g_autoptr(GError) error = NULL;
  const char *json;
  gsize size;

  tiny_config_init (&config);
  checkpoint = tiny_checkpoint_new (&config, ZIM_DTYPE_BF16);
  write_model (folder, checkpoint, "", FALSE);
  model_file_add_llama (file, checkpoint);
  g_ptr_array_add (tokens, (char *) "a\"b");
  g_ptr_array_add (tokens, (char *) "<c>");
  model_file_set_string (file, "tokenizer.ggml.model", "gpt2");
  model_file_set_string (file, "tokenizer.ggml.pre", "qwen2");
  model_file_set_strings (file, "tokenizer.ggml.tokens", tokens);
  model_file_set_ints (file, "tokenizer.ggml.token_type", kinds, 2);
  g_ptr_array_set_size (tokens, 0);
  model_file_set_strings (file, "tokenizer.ggml.merges", tokens);
  model_file_write_gguf (file, folder, "text.gguf");
  folder_write (folder, "tokenizer.json", "beside", 6);
  folder_write (folder, "named.json", "named", 5);

  opened = open_model (folder, "text.gguf", NULL, &error);
  g_assert_no_error (error);
  json = g_bytes_get_data (zim_checkpoint_get_tokenizer (opened), &size);
  g_assert_nonnull (g_strstr_len (json, (gssize) size, "\"vocab\":{\"a\\\"b\":0},\"merges\":[]"));
  g_assert_nonnull (g_strstr_len (json, (gssize) size, "\"special\":true,\"content\":\"<c>\""));
  named = open_model (folder, "text.gguf", "named.json", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (zim_checkpoint_get_tokenizer (named)), ==, 5);
}

/* What is wrong with a tokenizer in a file. */
static void
test_wrong_tokenizers (Folder        *folder,
                       gconstpointer  unused)
{
  static const struct {
    const char *model;
    const char *pre;
    const char *token;
    guint       n_kinds;
    gboolean    merges;
    int         code;
    const char *message;
  } cases[] = {
    { "llama", "qwen2", "a", 1, TRUE, ZIM_ERROR_UNSUPPORTED, "“tokenizer.ggml.model” is “llama”, only “gpt2”" },
    { "gpt2", "llama-bpe", "a", 1, TRUE, ZIM_ERROR_UNSUPPORTED, "Name a tokenizer.json with --tokenizer" },
    { "gpt2", "qwen2", "a", 0, TRUE, ZIM_ERROR_BAD_FILE, "are not there with the same length" },
    { "gpt2", "qwen2", "\xff", 1, TRUE, ZIM_ERROR_BAD_FILE,
      "Element 0 of value “tokenizer.ggml.tokens” is not a text" },
    { "gpt2", "qwen2", "a", 1, FALSE, ZIM_ERROR_BAD_FILE, "The array “tokenizer.ggml.merges” is missing" },
  };
  const gint32 kind = 1;
  g_autofree char *path = folder_file (folder, "text.gguf");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(ModelFile) file = model_file_new ();
      g_autoptr(GPtrArray) tokens = g_ptr_array_new ();
      g_autoptr(ZimGguf) gguf = NULL;
      g_autoptr(GError) error = NULL;

      g_ptr_array_add (tokens, (char *) cases[i].token);
      model_file_set_string (file, "tokenizer.ggml.model", cases[i].model);
      model_file_set_string (file, "tokenizer.ggml.pre", cases[i].pre);
      model_file_set_strings (file, "tokenizer.ggml.tokens", tokens);
      model_file_set_ints (file, "tokenizer.ggml.token_type", &kind, cases[i].n_kinds);
      if (cases[i].merges)
        model_file_set_strings (file, "tokenizer.ggml.merges", tokens);
      model_file_write_gguf (file, folder, "text.gguf");
      gguf = open_gguf (path);
      g_assert_null (zim_tokenizer_file_make (gguf, &error));
      assert_and_clear_error (&error, cases[i].code, cases[i].message);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gguf/blocks", test_blocks);
  g_test_add_func ("/gguf/plain", test_plain);
  g_test_add_func ("/gguf/values", test_values);
  g_test_add_func ("/gguf/lies", test_lies);
  g_test_add_func ("/gguf/truncated", test_truncated);
  g_test_add ("/gguf/wrong-shapes", Folder, NULL, folder_init, test_wrong_shapes, folder_clear);
  g_test_add ("/gguf/model", Folder, NULL, folder_init, test_model, folder_clear);
  g_test_add ("/gguf/foreign", Folder, NULL, folder_init, test_foreign, folder_clear);
  g_test_add ("/gguf/tokenizer", Folder, NULL, folder_init, test_tokenizer, folder_clear);
  g_test_add ("/gguf/which-tokenizer", Folder, NULL, folder_init, test_which_tokenizer, folder_clear);
  g_test_add ("/gguf/wrong-tokenizers", Folder, NULL, folder_init, test_wrong_tokenizers, folder_clear);
  return g_test_run ();
}
