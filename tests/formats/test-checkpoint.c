/* test-checkpoint.c: generated checkpoints and diffusers folders, whole and broken
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats-util.h"
#include "formats/zim-safetensors-private.h"
#include "zim-error.h"

#include <glib/gstdio.h>

#define TRANSFORMER "transformer/diffusion_pytorch_model.safetensors"
#define TRANSFORMER_INDEX TRANSFORMER ".index.json"

/* Compared as bytes: no padding may be left to chance. */
static void
init_config (ZimConfig *config)
{
  memset (config, 0, sizeof *config);
  tiny_config_init (config);
}

static ZimCheckpoint *
write_tiny (Folder    *folder,
            ZimConfig *config)
{
  ZimCheckpoint *checkpoint;
  g_autoptr(GError) error = NULL;

  init_config (config);
  checkpoint = tiny_checkpoint_new (config, ZIM_DTYPE_BF16);
  zim_checkpoint_write_folder (checkpoint, folder->path, &error);
  g_assert_no_error (error);
  return checkpoint;
}

static void
count_one (ZimComponent   component,
           const char    *name,
           guint          n_dims,
           const gint64  *dims,
           gpointer       user_data)
{
  guint *counts = user_data;

  counts[component]++;
}

/* The walk over the published sizes finds as many tensors as the published files have. */
static void
test_walk (void)
{
  ZimConfig config;
  guint counts[ZIM_N_COMPONENTS] = { 0, };

  zim_config_init_published (&config, TRUE);
  foreach_tensor (&config, count_one, counts);
  g_assert_cmpuint (counts[ZIM_COMPONENT_TRANSFORMER], ==, 521);
  g_assert_cmpuint (counts[ZIM_COMPONENT_TEXT_ENCODER], ==, 398);
  g_assert_cmpuint (counts[ZIM_COMPONENT_AUTOENCODER], ==, 244);
}

static void
note_name (const char   *name,
           guint         n_dims,
           const gint64 *dims,
           ZimDType      dtype,
           void         *data,
           gpointer      user_data)
{
  g_ptr_array_add (user_data, g_strdup_printf ("%s %u %" G_GINT64_FORMAT " %s", name, n_dims,
                                               dims[0], zim_dtype_name (dtype)));
  memset (data, 1, 4);
}

static void
test_generated (void)
{
  static const gint64 dims[] = { 2, 1 };
  static const gint64 transposed[] = { 1, 2 };
  static const gint64 negative[] = { -1 };
  static const gint64 huge[] = { G_MAXINT64, 4 };
  static const gint64 large[] = { G_MAXINT64 / 4 };
  g_autoptr(GPtrArray) calls = g_ptr_array_new_with_free_func (g_free);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  const ZimWeight *weight;
  ZimConfig config;

  init_config (&config);
  checkpoint = zim_checkpoint_new_generated (&config, NULL, ZIM_DTYPE_BF16, note_name, calls);
  g_assert_null (zim_checkpoint_get_tokenizer (checkpoint));
  g_assert_null (zim_checkpoint_lookup (checkpoint, ZIM_COMPONENT_TEXT_ENCODER, "a"));

  weight = zim_checkpoint_require (checkpoint, ZIM_COMPONENT_TEXT_ENCODER, "model.a", 2, dims,
                                   &error);
  g_assert_no_error (error);
  g_assert_cmpstr (weight->name, ==, "a");
  g_assert_cmpmem (weight->data, weight->size, "\1\1\1\1", 4);
  g_assert_true (weight == zim_checkpoint_require (checkpoint, ZIM_COMPONENT_TEXT_ENCODER, "a", 2,
                                                   dims, &error));
  g_assert_true (weight == zim_checkpoint_lookup (checkpoint, ZIM_COMPONENT_TEXT_ENCODER, "model.a"));
  g_assert_null (zim_checkpoint_require (checkpoint, ZIM_COMPONENT_TEXT_ENCODER, "a", 2, transposed,
                                         &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_SHAPE,
                          "Tensor “a” has shape [2, 1], expected [1, 2]");
  g_assert_null (zim_checkpoint_require (checkpoint, ZIM_COMPONENT_AUTOENCODER, "b", 1, negative,
                                         &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_SHAPE, "“b” cannot be generated");
  g_assert_null (zim_checkpoint_require (checkpoint, ZIM_COMPONENT_AUTOENCODER, "b", 2, huge,
                                         &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_SHAPE, "“b” cannot be generated");
  g_assert_null (zim_checkpoint_require (checkpoint, ZIM_COMPONENT_AUTOENCODER, "b", 1, large,
                                         &error));
  assert_and_clear_error (&error, ZIM_ERROR_OUT_OF_MEMORY, "“b” cannot be generated");
  g_assert_cmpuint (calls->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (calls, 0), ==, "text_encoder/a 2 2 BF16");
}

static gsize
count_pages (void)
{
  g_autofree char *statm = NULL;

  g_file_get_contents ("/proc/self/statm", &statm, NULL, NULL);
  return statm != NULL ? (gsize) g_ascii_strtoull (statm, NULL, 10) : 0;
}

/* What was generated goes with the checkpoint: 256 times 4 MiB would show above what the allocator reserves. */
static void
test_generated_freed (void)
{
  static const gint64 dims[] = { 2 << 20 };
  gsize before = count_pages ();
  ZimConfig config;

  init_config (&config);
  for (guint i = 0; i < 256; i++)
    {
      g_autoptr(GPtrArray) calls = g_ptr_array_new_with_free_func (g_free);
      g_autoptr(ZimCheckpoint) checkpoint =
        zim_checkpoint_new_generated (&config, NULL, ZIM_DTYPE_BF16, note_name, calls);

      g_assert_nonnull (zim_checkpoint_require (checkpoint, ZIM_COMPONENT_TRANSFORMER, "a", 1, dims, NULL));
    }
  g_assert_cmpuint (count_pages (), <, before + (256 << 20) / 4096);
}

static void
count_calls (const char   *name,
             guint         n_dims,
             const gint64 *dims,
             ZimDType      dtype,
             void         *data,
             gpointer      user_data)
{
  guint *n = user_data;

  (*n)++; /* under the checkpoint's lock */
  memset (data, 1, 2);
}

static void
require_one (ZimComponent   component,
             const char    *name,
             guint          n_dims,
             const gint64  *dims,
             gpointer       user_data)
{
  const ZimWeight *weight = zim_checkpoint_require (user_data, component, name, n_dims, dims, NULL);

  g_assert_nonnull (weight);
  g_assert_true (weight == zim_checkpoint_lookup (user_data, component, name));
  g_assert_cmpmem (weight->data, 2, "\1\1", 2);
}

static gpointer
require_all (gpointer data)
{
  ZimConfig config;

  init_config (&config);
  foreach_tensor (&config, require_one, data);
  return NULL;
}

/* Threads that ask for the same tensors get the same ones, each made once. */
static void
test_threads (void)
{
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  GThread *threads[4];
  ZimConfig config;
  guint counts[ZIM_N_COMPONENTS] = { 0, };
  guint n = 0;

  init_config (&config);
  foreach_tensor (&config, count_one, counts);
  checkpoint = zim_checkpoint_new_generated (&config, NULL, ZIM_DTYPE_F16, count_calls, &n);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("require", require_all, checkpoint);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (n, ==, counts[0] + counts[1] + counts[2]);
}

static void
test_round_trip (Folder        *folder,
                 gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) generated = write_tiny (folder, &config);
  g_autoptr(ZimCheckpoint) opened = zim_checkpoint_open_folder (folder->path, NULL, &error);
  g_autoptr(GPtrArray) list = NULL;
  g_autoptr(GPtrArray) expected = NULL;

  g_assert_no_error (error);
  assert_same_tensors (&config, generated, opened);
  g_assert_cmpstr (zim_checkpoint_get_path (opened), ==, folder->path);
  g_assert_cmpmem (&zim_checkpoint_get_config (opened)->transformer, sizeof config.transformer,
                   &config.transformer, sizeof config.transformer);
  g_assert_true (g_bytes_equal (zim_checkpoint_get_tokenizer (opened),
                                zim_checkpoint_get_tokenizer (generated)));

  list = zim_checkpoint_list (opened, ZIM_COMPONENT_TEXT_ENCODER);
  expected = zim_checkpoint_list (generated, ZIM_COMPONENT_TEXT_ENCODER);
  g_assert_cmpuint (list->len, ==, expected->len);
  for (guint i = 0; i < list->len; i++)
    g_assert_cmpstr (((ZimWeight *) g_ptr_array_index (list, i))->name, ==,
                     ((ZimWeight *) g_ptr_array_index (expected, i))->name);
}

static void
test_require (Folder        *folder,
              gconstpointer  unused)
{
  static const gint64 dims[] = { 1, 256 };
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) generated G_GNUC_UNUSED = write_tiny (folder, &config);
  g_autoptr(ZimCheckpoint) opened = zim_checkpoint_open_folder (folder->path, NULL, &error);

  g_assert_no_error (error);
  /* [1, n] and [n] are the same, whichever is stored. */
  g_assert_nonnull (zim_checkpoint_require (opened, ZIM_COMPONENT_TRANSFORMER, "x_pad_token", 1,
                                            dims + 1, NULL));
  g_assert_nonnull (zim_checkpoint_require (opened, ZIM_COMPONENT_TRANSFORMER,
                                            "layers.0.ffn_norm1.weight", 2, dims, NULL));
  g_assert_null (zim_checkpoint_require (opened, ZIM_COMPONENT_TRANSFORMER, "x_pad_token", 1, dims,
                                         &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_SHAPE,
                          TRANSFORMER ": Tensor “x_pad_token” has shape [1, 256], expected [1]");
  g_assert_null (zim_checkpoint_require (opened, ZIM_COMPONENT_TRANSFORMER, "layers.9.x", 1, dims,
                                         &error));
  assert_and_clear_error (&error, ZIM_ERROR_MISSING_TENSOR,
                          "/transformer: Tensor “layers.9.x” is missing");
  g_assert_nonnull (zim_checkpoint_lookup (opened, ZIM_COMPONENT_TEXT_ENCODER,
                                           "model.embed_tokens.weight"));
  g_assert_nonnull (zim_checkpoint_lookup (opened, ZIM_COMPONENT_TEXT_ENCODER,
                                           "embed_tokens.weight"));
  g_assert_null (zim_checkpoint_lookup (opened, ZIM_COMPONENT_AUTOENCODER, "embed_tokens.weight"));
}

/* Types that are in a file are no fault until a network asks for them. */
static void
test_unsupported_type (Folder        *folder,
                       gconstpointer  unused)
{
  static const char header[] =
    "{\"i8\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[0,2]},"
    "\"i32\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[2,6]},"
    "\"extra\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[6,14]}}";
  static const gint64 dims[] = { 2 };
  guint64 length = strlen (header);
  g_autoptr(GByteArray) file = g_byte_array_new ();
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) generated G_GNUC_UNUSED = write_tiny (folder, &config);
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autoptr(GPtrArray) list = NULL;

  g_byte_array_append (file, (const guint8 *) &length, 8);
  g_byte_array_append (file, (const guint8 *) header, (guint) length);
  g_byte_array_append (file, (const guint8 *) "0123456789abcd", 14);
  folder_write (folder, "vae/diffusion_pytorch_model.safetensors", file->data, file->len);
  opened = zim_checkpoint_open_folder (folder->path, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (zim_checkpoint_lookup (opened, ZIM_COMPONENT_AUTOENCODER, "i8"));
  g_assert_null (zim_checkpoint_lookup (opened, ZIM_COMPONENT_AUTOENCODER, "extra"));
  g_assert_null (zim_checkpoint_require (opened, ZIM_COMPONENT_AUTOENCODER, "i8", 1, dims, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "Tensor “i8” is of type I8, and its scale is missing");
  g_assert_null (zim_checkpoint_require (opened, ZIM_COMPONENT_AUTOENCODER, "i32", 1, dims, &error));
  assert_and_clear_error (&error, ZIM_ERROR_UNSUPPORTED, "Tensor “i32” is of type I32");
  list = zim_checkpoint_list (opened, ZIM_COMPONENT_AUTOENCODER);
  g_assert_cmpuint (list->len, ==, 2);
}

/* Writes the transformer as two shards and an index of them, every other tensor in each. */
static void
write_shards (Folder        *folder,
              ZimCheckpoint *checkpoint)
{
  g_autoptr(GPtrArray) list = zim_checkpoint_list (checkpoint, ZIM_COMPONENT_TRANSFORMER);
  g_autoptr(GString) index = g_string_new ("{\"metadata\":{\"total_size\":1},\"weight_map\":{");
  g_autofree char *single = folder_file (folder, TRANSFORMER);

  for (guint shard = 0; shard < 2; shard++)
    {
      g_autoptr(GArray) weights = g_array_new (FALSE, FALSE, sizeof (ZimWeight));
      g_autofree char *name = g_strdup_printf ("diffusion_pytorch_model-0000%u-of-00002.safetensors",
                                               shard + 1);
      g_autofree char *path = g_build_filename (folder->path, "transformer", name, NULL);

      for (guint i = shard; i < list->len; i += 2)
        {
          const ZimWeight *weight = g_ptr_array_index (list, i);

          g_array_append_vals (weights, weight, 1);
          g_string_append_printf (index, "%s\"%s\":\"%s\"", shard + i > 0 ? "," : "", weight->name,
                                  name);
        }
      g_assert_true (zim_safetensors_write (path, (const ZimWeight *) (void *) weights->data,
                                            weights->len, NULL));
    }
  g_string_append (index, "}}");
  folder_write (folder, TRANSFORMER_INDEX, index->str, -1);
  g_unlink (single);
}

static void
test_shards (Folder        *folder,
             gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) generated = write_tiny (folder, &config);
  g_autoptr(ZimCheckpoint) opened = NULL;

  write_shards (folder, generated);
  opened = zim_checkpoint_open_folder (folder->path, NULL, &error);
  g_assert_no_error (error);
  assert_same_tensors (&config, generated, opened);
}

static void
assert_not_opened (Folder     *folder,
                   int         code,
                   const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) opened = zim_checkpoint_open_folder (folder->path, NULL, &error);

  g_assert_null (opened);
  assert_and_clear_error (&error, code, message);
}

#define FIRST "diffusion_pytorch_model-00001-of-00002.safetensors"
#define SECOND "diffusion_pytorch_model-00002-of-00002.safetensors"

static void
test_bad_index (Folder        *folder,
                gconstpointer  unused)
{
  static const struct {
    const char *from;
    const char *to;
    int         code;
    const char *message;
  } cases[] = {
    { "{\"metadata\"", "[{\"metadata\"", ZIM_ERROR_BAD_FILE, "Not valid JSON" },
    { "weight_map", "weights", ZIM_ERROR_BAD_FILE, "Field “weight_map” is missing" },
    { "{\"all_final_layer", "[],\"x\":{\"all_final_layer",
      ZIM_ERROR_BAD_FILE, "Field “weight_map” is not an object" },
    { "\"" FIRST "\"", "1", ZIM_ERROR_BAD_FILE, "is not mapped to a file beside the index" },
    { "\"" FIRST "\"", "null", ZIM_ERROR_BAD_FILE, "is not mapped to a file beside the index" },
    { "\"" FIRST "\"", "\"\"", ZIM_ERROR_BAD_FILE, "is not mapped to a file beside the index" },
    { "\"" FIRST "\"", "\"..\"", ZIM_ERROR_BAD_FILE, "is not mapped to a file beside the index" },
    { "\"" FIRST "\"", "\"../transformer/" FIRST "\"",
      ZIM_ERROR_BAD_FILE, "is not mapped to a file beside the index" },
    { "\"" FIRST "\"", "\"/etc/passwd\"",
      ZIM_ERROR_BAD_FILE, "is not mapped to a file beside the index" },
    { "\"" FIRST "\"", "\"a\\\\b\"", ZIM_ERROR_BAD_FILE, "is not mapped to a file beside the index" },
    { "\"" FIRST "\"", "\"gone.safetensors\"", ZIM_ERROR_NOT_FOUND, "gone.safetensors" },
    { "\"" FIRST "\"", "\"" SECOND "\"",
      ZIM_ERROR_BAD_FILE, "is mapped to “" SECOND "”, which does not have it" },
    { "\"weight_map\":{", "\"weight_map\":{\"new\":\"" FIRST "\",",
      ZIM_ERROR_BAD_FILE, "Tensor “new” is mapped to “" FIRST "”" },
    { "\"weight_map\":{", "\"weight_map\":{\"x_pad_token\":\"" FIRST "\",",
      ZIM_ERROR_BAD_FILE, "Member “x_pad_token” comes twice" },
  };
  ZimConfig config;
  g_autoptr(ZimCheckpoint) generated = write_tiny (folder, &config);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      write_shards (folder, generated);
      folder_replace (folder, TRANSFORMER_INDEX, cases[i].from, cases[i].to);
      assert_not_opened (folder, cases[i].code, cases[i].message);
    }
}

static void
test_bad_shards (Folder        *folder,
                 gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(ZimCheckpoint) generated = write_tiny (folder, &config);
  g_autofree char *second = folder_file (folder, "transformer/" SECOND);
  const ZimWeight *twice = zim_checkpoint_lookup (generated, ZIM_COMPONENT_TRANSFORMER,
                                                  "all_final_layer.2-1.adaLN_modulation.1.bias");

  write_shards (folder, generated);
  g_unlink (second);
  assert_not_opened (folder, ZIM_ERROR_NOT_FOUND, SECOND);

  folder_write (folder, "transformer/" SECOND, "{}", 2);
  assert_not_opened (folder, ZIM_ERROR_BAD_FILE, SECOND ": Not a safetensors file");

  /* A tensor of the first shard in the second too. */
  g_assert_true (zim_safetensors_write (second, twice, 1, NULL));
  folder_write (folder, TRANSFORMER_INDEX,
                "{\"weight_map\":{\"all_final_layer.2-1.linear.bias\":\"" FIRST "\","
                "\"all_final_layer.2-1.adaLN_modulation.1.bias\":\"" SECOND "\"}}", -1);
  assert_not_opened (folder, ZIM_ERROR_BAD_FILE, "is there twice");
}

static void
test_missing_files (Folder        *folder,
                    gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(ZimCheckpoint) generated G_GNUC_UNUSED = write_tiny (folder, &config);
  g_autofree char *weights = folder_file (folder, "vae/diffusion_pytorch_model.safetensors");
  g_autofree char *tokenizer = folder_file (folder, "tokenizer/tokenizer.json");

  g_unlink (tokenizer);
  assert_not_opened (folder, ZIM_ERROR_NOT_FOUND, "tokenizer/tokenizer.json");
  g_unlink (weights);
  assert_not_opened (folder, ZIM_ERROR_NOT_FOUND, "/vae” has no weights");
}

/* Text encoders are saved with the prefix “model.” and without. */
static void
test_text_encoder_names (Folder        *folder,
                         gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) generated = write_tiny (folder, &config);
  g_autoptr(GPtrArray) list = zim_checkpoint_list (generated, ZIM_COMPONENT_TEXT_ENCODER);
  g_autoptr(GArray) weights = g_array_new (FALSE, FALSE, sizeof (ZimWeight));
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autofree char *path = folder_file (folder, "text_encoder/model.safetensors");

  for (guint i = 0; i < list->len; i++)
    g_array_append_vals (weights, g_ptr_array_index (list, i), 1);
  g_assert_true (zim_safetensors_write (path, (const ZimWeight *) (void *) weights->data,
                                        weights->len, NULL));
  opened = zim_checkpoint_open_folder (folder->path, NULL, &error);
  g_assert_no_error (error);
  assert_same_tensors (&config, generated, opened);
}

static void
test_cancelled (Folder        *folder,
                gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) generated G_GNUC_UNUSED = write_tiny (folder, &config);
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();

  g_cancellable_cancel (cancellable);
  g_assert_null (zim_checkpoint_open_folder (folder->path, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_write_errors (Folder        *folder,
                   gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) generated = write_tiny (folder, &config);
  g_autofree char *path = folder_file (folder, "model_index.json/sub");

  g_assert_false (zim_checkpoint_write_folder (generated, path, &error));
  g_assert_nonnull (error);
  g_assert_true (error->domain == G_FILE_ERROR);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/checkpoint/walk", test_walk);
  g_test_add_func ("/checkpoint/generated", test_generated);
  g_test_add_func ("/checkpoint/generated-freed", test_generated_freed);
  g_test_add_func ("/checkpoint/threads", test_threads);
  g_test_add ("/checkpoint/round-trip", Folder, NULL, folder_init, test_round_trip, folder_clear);
  g_test_add ("/checkpoint/require", Folder, NULL, folder_init, test_require, folder_clear);
  g_test_add ("/checkpoint/unsupported-type", Folder, NULL, folder_init, test_unsupported_type,
              folder_clear);
  g_test_add ("/checkpoint/shards", Folder, NULL, folder_init, test_shards, folder_clear);
  g_test_add ("/checkpoint/bad-index", Folder, NULL, folder_init, test_bad_index, folder_clear);
  g_test_add ("/checkpoint/bad-shards", Folder, NULL, folder_init, test_bad_shards, folder_clear);
  g_test_add ("/checkpoint/missing-files", Folder, NULL, folder_init, test_missing_files,
              folder_clear);
  g_test_add ("/checkpoint/text-encoder-names", Folder, NULL, folder_init, test_text_encoder_names,
              folder_clear);
  g_test_add ("/checkpoint/cancelled", Folder, NULL, folder_init, test_cancelled, folder_clear);
  g_test_add ("/checkpoint/write-errors", Folder, NULL, folder_init, test_write_errors, folder_clear);
  return g_test_run ();
}
