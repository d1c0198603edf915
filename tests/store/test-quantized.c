/* test-quantized.c: models whose weights are quantized, by this library and by Ollama
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "formats/zim-quantize-private.h"
#include "quantize-file.h"
#include "store/zim-blobs-private.h"
#include "store/zim-create-private.h"
#include "store/zim-open-private.h"
#include "store/zim-tags-private.h"
#include "store/zim-upkeep-private.h"
#include "test-vulkan.h"
#include "zim-device.h"
#include "zim-error.h"
#include "zim-image.h"
#include "zim-model-private.h"
#include "zim-params.h"
#include "zim-pipeline.h"

#define TENSOR "layers.0.attention.to_q.weight"

typedef struct
{
  Folder         folder;
  char          *root;
  ZimConfig      config;
  ZimCheckpoint *source;
} Fixture;

static void
fixture_init (Fixture       *fixture,
              gconstpointer  data)
{
  g_autofree char *tokenizer = g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", "bytes.json", NULL);
  g_autofree char *contents = NULL;
  g_autofree char *path = NULL;
  g_autoptr(ZimCheckpoint) generated = NULL;
  GError *error = NULL;

  folder_init (&fixture->folder, NULL);
  fixture->root = folder_file (&fixture->folder, "store");
  path = folder_file (&fixture->folder, "source");
  tiny_config_init (&fixture->config);
  generated = tiny_checkpoint_new (&fixture->config, ZIM_DTYPE_BF16);
  zim_checkpoint_write_folder (generated, path, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (tokenizer, &contents, NULL, NULL));
  folder_write (&fixture->folder, "source/tokenizer/tokenizer.json", contents, -1);
  fixture->source = zim_checkpoint_open_folder (path, NULL, &error);
  g_assert_no_error (error);
}

static void
fixture_clear (Fixture       *fixture,
               gconstpointer  data)
{
  zim_checkpoint_unref (fixture->source);
  zim_config_clear (&fixture->config);
  g_free (fixture->root);
  folder_clear (&fixture->folder, NULL);
}

static gboolean
try_create (Fixture            *fixture,
            const char         *text,
            ZimCheckpoint      *source,
            const char         *type,
            const char *const  *keep,
            GCancellable       *cancellable,
            GError            **error)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (text, NULL);
  g_autoptr(ZimQuantizePlan) plan = zim_quantize_plan_new (type, keep, error);
  const ZimReport report = { NULL };

  return plan != NULL && zim_create (fixture->root, name, source, plan, &report, cancellable, error);
}

static ZimCheckpoint *
create (Fixture           *fixture,
        const char        *text,
        ZimCheckpoint     *source,
        const char        *type,
        const char *const *keep)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (text, NULL);
  ZimCheckpoint *opened;
  GError *error = NULL;

  try_create (fixture, text, source, type, keep, NULL, &error);
  g_assert_no_error (error);
  opened = zim_open_checkpoint (fixture->root, name, NULL, &error);
  g_assert_no_error (error);
  return opened;
}

static void
assert_same_values (const ZimWeight *a,
                    const ZimWeight *b)
{
  gsize n = (gsize) zim_weight_n_elements (a);
  g_autofree float *x = g_new (float, n);
  g_autofree float *y = g_new (float, n);

  g_assert_cmpint (zim_weight_n_elements (b), ==, (gint64) n);
  zim_weight_decode (a, 0, n, x);
  zim_weight_decode (b, 0, n, y);
  g_assert_cmpmem (x, n * sizeof *x, y, n * sizeof *y);
}

/* Which are quantized is said here a second time, in other words. */
static gboolean
is_quantized (ZimComponent     component,
              const ZimWeight *weight,
              gint64           unit)
{
  return component != ZIM_COMPONENT_AUTOENCODER && weight->n_dims == 2 && weight->dims[1] % MAX (4, unit) == 0 &&
         g_str_has_suffix (weight->name, ".weight") &&
         g_strrstr (weight->name, "embed") == NULL && g_strrstr (weight->name, "norm") == NULL;
}

/* Every tensor of the model is what zim_quantize () makes of the source's, or as it was. */
static guint
assert_quantized (Fixture       *fixture,
                  ZimCheckpoint *opened,
                  ZimDType       dtype,
                  gint64         unit)
{
  guint n_quantized = 0;

  for (guint component = 0; component < ZIM_N_COMPONENTS; component++)
    {
      g_autoptr(GPtrArray) list = zim_checkpoint_list (fixture->source, component);

      for (guint i = 0; i < list->len; i++)
        {
          const ZimWeight *weight = g_ptr_array_index (list, i);
          const ZimWeight *stored = zim_checkpoint_lookup (opened, component, weight->name);
          ZimWeight expected = *weight;
          gboolean quantized = is_quantized (component, weight, unit);

          g_assert_nonnull (stored);
          if (quantized)
            g_assert_true (zim_quantize (weight, dtype, &expected, NULL, NULL));
          g_assert_cmpint (stored->dtype, ==, expected.dtype);
          assert_same_values (&expected, stored);
          if (quantized)
            zim_quantize_clear (&expected);
          n_quantized += quantized;
        }
    }
  return n_quantized;
}

static void
assert_sound (Fixture *fixture)
{
  const ZimReport report = { NULL };
  g_autoptr(GPtrArray) faults = zim_check (fixture->root, FALSE, &report, NULL, NULL);

  g_assert_cmpuint (faults->len, ==, 0);
}

/* What is stored once more is the same to the byte. */
static void
test_type (Fixture       *fixture,
           gconstpointer  type)
{
  g_autoptr(ZimCheckpoint) opened = create (fixture, "a", fixture->source, type, NULL);
  g_autoptr(ZimCheckpoint) again = NULL;
  guint n_blobs = folder_count (&fixture->folder, "store/blobs");
  gint64 unit;
  ZimDType dtype;

  g_assert_true (zim_quantize_from_name (type, &dtype, NULL));
  unit = dtype == ZIM_DTYPE_INT4 || dtype == ZIM_DTYPE_INT8 ? 64 : (gint64) zim_dtype_block_elements (dtype);
  g_assert_cmpuint (assert_quantized (fixture, opened, dtype, unit), >, 20);
  again = create (fixture, "b", opened, NULL, NULL);
  assert_quantized (fixture, again, dtype, unit);
  /* Both have one manifest, and the index says the same of them. */
  g_assert_cmpuint (folder_count (&fixture->folder, "store/blobs"), ==, n_blobs);
  assert_sound (fixture);
}

static ZimDType
get_dtype (ZimCheckpoint *checkpoint,
           ZimComponent   component,
           const char    *name)
{
  return zim_checkpoint_lookup (checkpoint, component, name)->dtype;
}

static void
test_rules (Fixture       *fixture,
            gconstpointer  data)
{
  static const char *const rules[] = {
    "layers\\.0\\.attention\\.to_[qk]=int8", "layers\\.0\\.=BF16", "^text_encoder/=q8_0", "^vae/.*|norm=q8_0", NULL,
  };
  g_autoptr(ZimCheckpoint) opened = create (fixture, "a", fixture->source, "fp8", rules);

  g_assert_cmpint (get_dtype (opened, ZIM_COMPONENT_TRANSFORMER, TENSOR), ==, ZIM_DTYPE_INT8);
  g_assert_cmpint (get_dtype (opened, ZIM_COMPONENT_TRANSFORMER, "layers.0.attention.to_v.weight"), ==,
                   ZIM_DTYPE_BF16);
  g_assert_cmpint (get_dtype (opened, ZIM_COMPONENT_TRANSFORMER, "layers.1.attention.to_q.weight"), ==,
                   ZIM_DTYPE_F8_E4M3);
  g_assert_cmpint (get_dtype (opened, ZIM_COMPONENT_TEXT_ENCODER, "embed_tokens.weight"), ==, ZIM_DTYPE_Q8_0);
  g_assert_cmpint (get_dtype (opened, ZIM_COMPONENT_TRANSFORMER, "layers.1.attention_norm1.weight"), ==,
                   ZIM_DTYPE_BF16);
  g_assert_cmpint (get_dtype (opened, ZIM_COMPONENT_AUTOENCODER, "decoder.mid_block.attentions.0.to_q.weight"), ==,
                   ZIM_DTYPE_BF16);
}

static void
test_refuses (Fixture       *fixture,
              gconstpointer  data)
{
  static const struct {
    const char *type;
    const char *rule;
    int         code;
    const char *message;
  } cases[] = {
    { "q5_9", NULL, ZIM_ERROR_UNSUPPORTED, "“q5_9” is no type" },
    { NULL, "to_q=q5_9", ZIM_ERROR_UNSUPPORTED, "“q5_9” is no type" },
    { NULL, "to_q", ZIM_ERROR_INVALID_PARAMS, "“to_q” is no rule" },
    { NULL, "=fp8", ZIM_ERROR_INVALID_PARAMS, "“=fp8” is no rule" },
    { NULL, "(=fp8", ZIM_ERROR_INVALID_PARAMS, "“(” is no regular expression" },
    { "fp8", "to_x=int8", ZIM_ERROR_INVALID_PARAMS, "No tensor of the model is for the rule “to_x=int8”" },
  };

  g_autofree char *blobs = g_build_filename (fixture->root, "blobs", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const char *const rules[] = { cases[i].rule, NULL };
      GError *error = NULL;

      g_assert_false (try_create (fixture, "a", fixture->source, cases[i].type, rules, NULL, &error));
      assert_and_clear_error (&error, cases[i].code, cases[i].message);
    }
  g_assert_false (g_file_test (blobs, G_FILE_TEST_EXISTS));
}

/* There is nothing left to be done. */
static void
test_twice (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr(ZimCheckpoint) opened = create (fixture, "a", fixture->source, "fp8", NULL);
  GError *error = NULL;

  g_assert_false (try_create (fixture, "b", opened, "fp8", NULL, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_UNSUPPORTED, "No tensor of the model can be quantized to fp8");
}

/* Cancels once some tensors are done. */
static void
cancel_cb (guint64     total,
           guint64     done,
           const char *item,
           gpointer    data)
{
  static int n;

  if (done > 0 && g_atomic_int_add (&n, 1) == 60)
    g_cancellable_cancel (data);
}

/* The blobs that were stored first are not stored again, scales among them. */
static void
test_resume (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("a", NULL);
  g_autoptr(ZimQuantizePlan) plan = zim_quantize_plan_new ("fp8", NULL, NULL);
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  const ZimReport report = { cancel_cb, cancellable };
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autofree char *journal = NULL;
  g_autoptr(GDir) partial = NULL;
  g_autofree char *path = g_build_filename (fixture->root, "partial", NULL);
  g_autofree char *lines = NULL;
  GError *error = NULL;

  g_assert_false (zim_create (fixture->root, name, fixture->source, plan, &report, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  partial = g_dir_open (path, 0, NULL);
  journal = g_build_filename (path, g_dir_read_name (partial), NULL);
  g_assert_true (g_file_get_contents (journal, &lines, NULL, NULL));
  g_assert_true (g_regex_match_simple ("\\tsha256:[0-9a-f]{64} \\d+ F8_E4M3 sha256:[0-9a-f]{64} \\d+\\n", lines, 0, 0));

  opened = create (fixture, "a", fixture->source, "fp8", NULL);
  assert_quantized (fixture, opened, ZIM_DTYPE_F8_E4M3, 4);
  assert_sound (fixture);
}

static void
test_not_finite (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autofree char *path = folder_file (&fixture->folder, "source");
  const ZimWeight *weight = zim_checkpoint_lookup (fixture->source, ZIM_COMPONENT_TRANSFORMER, TENSOR);
  const guint16 nan = 0x7fc0;
  const char *file;
  guint64 offset;
  g_autofree char *contents = NULL;
  gsize size;
  g_autoptr(ZimCheckpoint) damaged = NULL;
  GError *error = NULL;

  g_assert_true (zim_checkpoint_locate (fixture->source, ZIM_COMPONENT_TRANSFORMER, weight, &file, &offset));
  g_assert_true (g_file_get_contents (file, &contents, &size, NULL));
  memcpy (contents + offset + 2 * (5 * 256 + 3), &nan, sizeof nan);
  g_assert_true (g_file_set_contents (file, contents, (gssize) size, NULL));
  damaged = zim_checkpoint_open_folder (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_false (try_create (fixture, "a", damaged, "int8", NULL, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "row 5");
}

/* Other people's files */

static const Scheme schemes[] = {
  { "fp8-old", ZIM_DTYPE_F8_E4M3, SIDES_OLD },   { "fp8-new", ZIM_DTYPE_F8_E4M3, SIDES_NEW },
  { "fp8-rows", ZIM_DTYPE_F8_E4M3, SIDES_ROWS }, { "fp8-plain", ZIM_DTYPE_F8_E5M2, SIDES_NONE },
  { "int8-rows", ZIM_DTYPE_I8, SIDES_ROWS },     { "int8-rotated", ZIM_DTYPE_I8, SIDES_ROTATED },
  { "q8_0", ZIM_DTYPE_Q8_0, SIDES_NONE },        { "q5_1", ZIM_DTYPE_Q5_1, SIDES_NONE },
  { "q3_k", ZIM_DTYPE_Q3_K, SIDES_NONE },        { "q4_k", ZIM_DTYPE_Q4_K, SIDES_NONE },
};

/* The transformer under ComfyUI's names, the rest as it is. */
static ZimCheckpoint *
open_foreign (Fixture      *fixture,
              const Scheme *scheme)
{
  void (*const write) (ModelFile *, Folder *, const char *) = scheme_is_gguf (scheme) ? model_file_write_gguf
                                                                                      : model_file_write;
  g_autoptr(ModelFile) transformer = model_file_new ();
  g_autofree char *path = folder_file (&fixture->folder, "z");
  g_autofree char *text_encoder = folder_file (&fixture->folder, "source/text_encoder");
  g_autofree char *vae = folder_file (&fixture->folder, "source/vae");
  g_autofree char *tokenizer = folder_file (&fixture->folder, "source/tokenizer");
  const ZimCheckpointParts parts = { path, text_encoder, vae, tokenizer, 0 };
  ZimCheckpoint *opened;
  GError *error = NULL;

  model_file_add_transformer (transformer, "", fixture->source);
  quantize_file (transformer, "", scheme);
  write (transformer, &fixture->folder, "z");
  opened = zim_checkpoint_open_parts (&parts, NULL, &error);
  g_assert_no_error (error);
  return opened;
}

static guint
assert_same_model (ZimCheckpoint *expected,
                   ZimCheckpoint *stored,
                   ZimDType       dtype)
{
  guint n = 0;

  for (guint component = 0; component < ZIM_N_COMPONENTS; component++)
    {
      g_autoptr(GPtrArray) list = zim_checkpoint_list (expected, component);

      for (guint i = 0; i < list->len; i++)
        {
          const ZimWeight *weight = g_ptr_array_index (list, i);
          const ZimWeight *other = zim_checkpoint_lookup (stored, component, weight->name);

          g_assert_nonnull (other);
          assert_same_values (weight, other);
          n += other->dtype == dtype;
        }
    }
  return n;
}

/* They go into the store as they are, and from there once more. */
static void
test_foreign (Fixture       *fixture,
              gconstpointer  data)
{
  const Scheme *scheme = data;
  g_autoptr(ZimCheckpoint) source = open_foreign (fixture, scheme);
  g_autoptr(ZimCheckpoint) opened = create (fixture, "a", source, NULL, NULL);
  g_autoptr(ZimCheckpoint) again = NULL;
  guint n_blobs = folder_count (&fixture->folder, "store/blobs");

  g_assert_cmpuint (assert_same_model (source, opened, scheme->dtype), >, 10);
  again = create (fixture, "b", opened, NULL, NULL);
  assert_same_model (source, again, scheme->dtype);
  /* The manifest may list the same files in another order. */
  g_assert_cmpuint (folder_count (&fixture->folder, "store/blobs"), <=, n_blobs + 1);
  assert_sound (fixture);
}

/* Pictures */

static GBytes *
paint (ZimCheckpoint *checkpoint,
       const char    *device_name)
{
  GError *error = NULL;
  g_autoptr(ZimModel) model = _zim_model_new_for_checkpoint (checkpoint, "quantized", &error);
  g_autoptr(ZimDevice) device = NULL;
  g_autoptr(ZimPipeline) pipeline = NULL;
  g_autoptr(ZimParams) params = zim_params_new ("a sunset over mountains");
  g_autoptr(GPtrArray) images = NULL;

  g_assert_no_error (error);
  device = zim_device_find (device_name, &error);
  g_assert_no_error (error);
  pipeline = zim_pipeline_new (model, device, &error);
  g_assert_no_error (error);
  zim_pipeline_set_precision (pipeline, ZIM_PRECISION_F32);
  zim_params_set_size (params, 64, 48);
  zim_params_set_steps (params, 2);
  zim_params_set_seed (params, 7);
  images = zim_pipeline_generate (pipeline, params, NULL, &error);
  g_assert_no_error (error);
  return gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (g_ptr_array_index (images, 0)));
}

/* Weights that a graphics card decodes give the picture of those that the processor decodes. Parts of one product are
 * of several types. */
static void
test_vulkan (Fixture       *fixture,
             gconstpointer  type)
{
  static const char *const rules[] = { "to_v=q6_k", "layers\\.1\\..*to_k=int8", "layers\\.1\\..*w1=bf16", NULL };
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autofree char *name = g_strdup_printf ("vulkan:%d", test_vulkan_find ());
  g_autoptr(GBytes) expected = NULL, picture = NULL;
  const guint8 *a, *b;
  gsize n, n_others, n_different = 0;

  if (test_vulkan_find () < 0)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return;
    }
  opened = create (fixture, "a", fixture->source, type, rules);
  expected = paint (opened, "cpu");
  picture = paint (opened, name);
  a = g_bytes_get_data (expected, &n);
  b = g_bytes_get_data (picture, &n_others);
  g_assert_cmpuint (n, ==, n_others);
  for (gsize i = 0; i < n; i++)
    {
      g_assert_cmpint (ABS (a[i] - b[i]), <=, 1);
      n_different += a[i] != b[i];
    }
  g_test_message ("%" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " values differ by 1", n_different, n);
}

/* Ollama's files */

/* Blobs of the model a, of which one is replaced by others. */
typedef struct
{
  ZimTag     tag;
  GArray    *blobs; /* of ZimCheckpointBlob */
  GPtrArray *paths;
} Blobs;

static void
blobs_init (Blobs      *self,
            Fixture    *fixture,
            const char *left_out)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("a", NULL);

  self->tag = (ZimTag) { NULL };
  self->blobs = g_array_new (FALSE, TRUE, sizeof (ZimCheckpointBlob));
  self->paths = g_ptr_array_new_with_free_func (g_free);
  g_assert_true (zim_tags_read (fixture->root, name, &self->tag, NULL));
  for (guint i = 0; i < self->tag.manifest->layers->len; i++)
    {
      const ZimLayer *layer = g_ptr_array_index (self->tag.manifest->layers, i);
      ZimCheckpointBlob blob = { .name = layer->name, .size = layer->size,
                                 .is_tensor = strcmp (layer->media_type, ZIM_MEDIA_TYPE_TENSOR) == 0 };

      if (strcmp (layer->name, left_out) == 0)
        continue;
      blob.path = zim_blobs_get_path (fixture->root, layer->hex);
      g_ptr_array_add (self->paths, (char *) blob.path);
      g_array_append_val (self->blobs, blob);
    }
}

static void
blobs_clear (Blobs *self)
{
  zim_tag_clear (&self->tag);
  g_array_unref (self->blobs);
  g_ptr_array_unref (self->paths);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Blobs, blobs_clear)

static ZimCheckpointBlob *
blobs_add (Blobs      *self,
           Fixture    *fixture,
           ModelFile  *file,
           const char *file_name,
           const char *name)
{
  ZimCheckpointBlob blob = { .name = name, .is_tensor = TRUE };
  g_autofree char *contents = NULL;
  gsize size;

  model_file_write (file, &fixture->folder, file_name);
  blob.path = folder_file (&fixture->folder, file_name);
  g_assert_true (g_file_get_contents (blob.path, &contents, &size, NULL));
  blob.size = size;
  g_ptr_array_add (self->paths, (char *) blob.path);
  g_array_append_val (self->blobs, blob);
  return &g_array_index (self->blobs, ZimCheckpointBlob, self->blobs->len - 1);
}

static ZimCheckpoint *
blobs_open (Blobs   *self,
            GError **error)
{
  return zim_checkpoint_open_blobs ("x", (const ZimCheckpointBlob *) (void *) self->blobs->data, self->blobs->len,
                                    NULL, error);
}

/* A weight in groups, as MLX would make it: groups of 32 are made of the values that groups of 64 gave. */
typedef struct
{
  ZimWeight  weight;
  gint64     words[2];
  gint64     groups[2];
  guint16   *scales;
  guint16   *biases;
} Affine;

static void
affine_init (Affine  *self,
             Fixture *fixture,
             ZimDType dtype,
             gint64   group)
{
  const ZimWeight *source = zim_checkpoint_lookup (fixture->source, ZIM_COMPONENT_TRANSFORMER, TENSOR);
  gint64 repeats = 64 / group, n;

  g_assert_true (zim_quantize (source, dtype, &self->weight, NULL, NULL));
  n = zim_weight_n_elements (source) / group;
  self->words[0] = self->groups[0] = source->dims[0];
  self->words[1] = source->dims[1] * (dtype == ZIM_DTYPE_INT4 ? 4 : 8) / 32;
  self->groups[1] = source->dims[1] / group;
  self->scales = g_new (guint16, n);
  self->biases = g_new (guint16, n);
  for (gint64 i = 0; i < n; i++)
    {
      self->scales[i] = ((const guint16 *) (const void *) self->weight.scales)[i / repeats];
      self->biases[i] = ((const guint16 *) (const void *) self->weight.biases)[i / repeats];
    }
}

static void
affine_clear (Affine *self)
{
  zim_quantize_clear (&self->weight);
  g_free (self->scales);
  g_free (self->biases);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Affine, affine_clear)

static void
affine_add (const Affine *self,
            ModelFile    *file,
            const char   *name,
            char          what)
{
  gsize size = (gsize) (self->groups[0] * self->groups[1]) * sizeof (guint16);

  if (what == 'w')
    model_file_add_bytes (file, "", name, "U32", 2, self->words, self->weight.data, self->weight.size);
  else
    model_file_add_bytes (file, "", name, "BF16", 2, self->groups, what == 's' ? self->scales : self->biases, size);
}

static void
test_together (Fixture       *fixture,
               gconstpointer  data)
{
  static const ZimDType dtypes[] = { ZIM_DTYPE_INT4, ZIM_DTYPE_INT8 };
  g_autoptr(ZimCheckpoint) plain = create (fixture, "a", fixture->source, NULL, NULL);

  for (guint i = 0; i < 4; i++)
    {
      g_auto(Affine) affine = { { NULL } };
      g_auto(Blobs) blobs = { { NULL } };
      g_autoptr(ModelFile) file = model_file_new ();
      g_autoptr(ZimCheckpoint) opened = NULL;
      const char *name = "transformer/" TENSOR;
      g_autofree char *stem = g_strdup (i < 2 ? TENSOR : name);
      g_autofree char *scale = g_strconcat (stem, ".scale", NULL);
      g_autofree char *bias = g_strconcat (stem, ".bias", NULL);
      GError *error = NULL;

      affine_init (&affine, fixture, dtypes[i % 2], i < 2 ? 64 : 32);
      blobs_init (&blobs, fixture, name);
      affine_add (&affine, file, bias, 'b');
      affine_add (&affine, file, stem, 'w');
      affine_add (&affine, file, scale, 's');
      file->metadata = g_strdup_printf ("{\"quant_type\":\"int%d\",\"group_size\":\"%d\"}", i % 2 ? 8 : 4,
                                        i < 2 ? 64 : 32);
      blobs_add (&blobs, fixture, file, "packed", name);
      opened = blobs_open (&blobs, &error);
      g_assert_no_error (error);
      assert_same_values (&affine.weight, zim_checkpoint_lookup (opened, ZIM_COMPONENT_TRANSFORMER, TENSOR));
    }
}

static void
test_apart (Fixture       *fixture,
            gconstpointer  data)
{
  static const ZimDType dtypes[] = { ZIM_DTYPE_INT4, ZIM_DTYPE_INT8 };
  g_autoptr(ZimCheckpoint) plain = create (fixture, "a", fixture->source, NULL, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    {
      g_auto(Affine) affine = { { NULL } };
      g_auto(Blobs) blobs = { { NULL } };
      g_autoptr(ModelFile) words = model_file_new ();
      g_autoptr(ModelFile) scales = model_file_new ();
      g_autoptr(ModelFile) biases = model_file_new ();
      g_autoptr(ZimCheckpoint) opened = NULL;
      GError *error = NULL;

      affine_init (&affine, fixture, dtypes[i], 32);
      blobs_init (&blobs, fixture, "transformer/" TENSOR);
      affine_add (&affine, words, "data", 'w');
      affine_add (&affine, scales, "data", 's');
      affine_add (&affine, biases, "data", 'b');
      blobs_add (&blobs, fixture, words, "words", "transformer/" TENSOR);
      blobs_add (&blobs, fixture, scales, "scales", "transformer/" TENSOR "_scale");
      blobs_add (&blobs, fixture, biases, "biases", "transformer/" TENSOR "_qbias");
      opened = blobs_open (&blobs, &error);
      g_assert_no_error (error);
      assert_same_values (&affine.weight, zim_checkpoint_lookup (opened, ZIM_COMPONENT_TRANSFORMER, TENSOR));
      g_assert_null (zim_checkpoint_lookup (opened, ZIM_COMPONENT_TRANSFORMER, TENSOR "_qbias"));
    }
}

/* Files that say what is not so. */
typedef struct {
  const char *metadata;
  char        parts[4]; /* which tensors are there: words, scales, biases; W: words that are no matrix */
  const char *dtype;    /* of the list */
  gint64      cols;     /* of the list */
  int         code;
  const char *message;
} Lie;

static const Lie lies[] = {
  { "{\"quant_type\":\"nvfp4\",\"group_size\":\"16\"}", "wsb", NULL, 0,
    ZIM_ERROR_UNSUPPORTED, "“nvfp4”" },
  { "{\"quant_type\":\"int8\"}", "wsb", NULL, 0, ZIM_ERROR_BAD_FILE, "the group size “”" },
  { "{\"quant_type\":\"int8\",\"group_size\":\"0\"}", "wsb", NULL, 0,
    ZIM_ERROR_BAD_FILE, "the group size “0”" },
  { "{\"quant_type\":\"int8\",\"group_size\":\"-64\"}", "wsb", NULL, 0,
    ZIM_ERROR_BAD_FILE, "the group size “-64”" },
  { "{\"quant_type\":\"int8\",\"group_size\":\"48\"}", "wsb", NULL, 0,
    ZIM_ERROR_BAD_FILE, "no matrix of groups of 48" },
  { "{\"quant_type\":\"int8\",\"group_size\":\"32\"}", "wsb", NULL, 0,
    ZIM_ERROR_BAD_FILE, "has shape [256, 4], expected [256, 8]" },
  { "{\"quant_type\":\"int4\",\"group_size\":\"64\"}", "wsb", NULL, 0,
    ZIM_ERROR_BAD_FILE, "has shape [256, 4], expected [256, 8]" },
  { "{\"quant_type\":\"int8\",\"group_size\":\"64\"}", "ws", NULL, 0,
    ZIM_ERROR_BAD_FILE, "no tensor “" TENSOR ".bias”" },
  { "{\"quant_type\":\"int8\",\"group_size\":\"64\"}", "wb", NULL, 0,
    ZIM_ERROR_BAD_FILE, "no tensor “" TENSOR ".scale”" },
  { "{\"quant_type\":\"int8\",\"group_size\":\"64\"}", "sb", NULL, 0,
    ZIM_ERROR_BAD_FILE, "is not in it" },
  { "{\"quant_type\":\"int8\",\"group_size\":\"64\"}", "Wsb", NULL, 0,
    ZIM_ERROR_BAD_FILE, "no matrix of groups" },
  { "{\"quant_type\":\"int8\",\"group_size\":\"64\"}", "wsb", "INT4", 256,
    ZIM_ERROR_BAD_FILE, "is of type INT8, expected INT4" },
  { "{\"quant_type\":\"int8\",\"group_size\":\"64\"}", "wsb", "INT8", 128,
    ZIM_ERROR_BAD_FILE, "expected [256, 128]" },
  { "{}", "w", "Q8_0", 256, ZIM_ERROR_BAD_FILE, "of type U8" },
  { "{}", "8", "Q8_0", 256, ZIM_ERROR_BAD_FILE, "has shape [256, 256], expected [256, 272]" },
  { "{}", "8", "Q4_K", 250, ZIM_ERROR_BAD_FILE, "250 values, which are no whole blocks of Q4_K" },
  { "{}", "8", "F8_E4M3", 256, ZIM_ERROR_UNSUPPORTED, "U8" },
};

static void
add_lie (const Lie    *lie,
         const Affine *affine,
         ModelFile    *file)
{
  const gint64 one[] = { affine->words[0] * affine->words[1] }, bytes[] = { 256, 256 };

  file->metadata = g_strdup (lie->metadata);
  for (const char *part = lie->parts; *part != '\0'; part++)
    if (*part == 'W')
      model_file_add_bytes (file, "", TENSOR, "U32", 1, one, affine->weight.data, affine->weight.size);
    else if (*part == '8')
      model_file_add_bytes (file, "", "data", "U8", 2, bytes, affine->weight.data, affine->weight.size);
    else
      affine_add (affine, file, *part == 'w' ? TENSOR : *part == 's' ? TENSOR ".scale" : TENSOR ".bias", *part);
}

static void
test_lies (Fixture       *fixture,
           gconstpointer  data)
{
  g_autoptr(ZimCheckpoint) plain = create (fixture, "a", fixture->source, NULL, NULL);
  g_auto(Affine) affine = { { NULL } };

  affine_init (&affine, fixture, ZIM_DTYPE_INT8, 64);
  for (guint i = 0; i < G_N_ELEMENTS (lies); i++)
    {
      const gint64 dims[] = { 256, lies[i].cols }, expected[] = { 256, 256 };
      g_auto(Blobs) blobs = { { NULL } };
      g_autoptr(ModelFile) file = model_file_new ();
      g_autoptr(ZimCheckpoint) opened = NULL;
      ZimCheckpointBlob *blob;
      GError *error = NULL;

      g_test_message ("%s %s %s", lies[i].metadata, lies[i].parts, lies[i].message);
      blobs_init (&blobs, fixture, "transformer/" TENSOR);
      add_lie (&lies[i], &affine, file);
      blob = blobs_add (&blobs, fixture, file, "lie", "transformer/" TENSOR);
      blob->dtype = lies[i].dtype;
      blob->has_shape = lies[i].cols != 0;
      blob->n_dims = 2;
      blob->dims = dims;
      opened = blobs_open (&blobs, &error);
      if (opened != NULL)
        g_assert_null (zim_checkpoint_require (opened, ZIM_COMPONENT_TRANSFORMER, TENSOR, 2, expected, &error));
      assert_and_clear_error (&error, lies[i].code, lies[i].message);
    }
}

int
main (int    argc,
      char **argv)
{
  static const char *const types[] = { "fp8", "q8_0", "q4_0", "q4_k", "q6_k", "int8", "int4" };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autofree char *path = g_strconcat ("/quantized/type/", types[i], NULL);

      g_test_add (path, Fixture, types[i], fixture_init, test_type, fixture_clear);
    }
  for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
    {
      g_autofree char *path = g_strconcat ("/quantized/foreign/", schemes[i].name, NULL);

      g_test_add (path, Fixture, &schemes[i], fixture_init, test_foreign, fixture_clear);
    }
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autofree char *path = g_strconcat ("/quantized/vulkan/", types[i], NULL);

      g_test_add (path, Fixture, types[i], fixture_init, test_vulkan, fixture_clear);
    }
  g_test_add ("/quantized/rules", Fixture, NULL, fixture_init, test_rules, fixture_clear);
  g_test_add ("/quantized/refuses", Fixture, NULL, fixture_init, test_refuses, fixture_clear);
  g_test_add ("/quantized/twice", Fixture, NULL, fixture_init, test_twice, fixture_clear);
  g_test_add ("/quantized/resume", Fixture, NULL, fixture_init, test_resume, fixture_clear);
  g_test_add ("/quantized/not-finite", Fixture, NULL, fixture_init, test_not_finite, fixture_clear);
  g_test_add ("/quantized/ollama/together", Fixture, NULL, fixture_init, test_together, fixture_clear);
  g_test_add ("/quantized/ollama/apart", Fixture, NULL, fixture_init, test_apart, fixture_clear);
  g_test_add ("/quantized/lies", Fixture, NULL, fixture_init, test_lies, fixture_clear);
  return g_test_run ();
}
