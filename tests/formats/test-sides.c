/* test-sides.c: scales and formats that lie beside weights
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include "model-file.h"
#include "zim-error.h"

#define TRANSFORMER "transformer/diffusion_pytorch_model.safetensors"

/* E4M3 codes and their values */
static const guint8 codes[] = { 0x38, 0x40, 0xb8, 0x30, 0x00, 0x3c, 0x44, 0xc0, 0x38, 0x38, 0x40, 0x40 };
static const float values[] = { 1, 2, -1, 0.5f, 0, 1.5f, 3, -2, 1, 1, 2, 2 };

static void
write_model (Folder *folder)
{
  ZimConfig config;
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  g_autoptr(GError) error = NULL;

  memset (&config, 0, sizeof config);
  tiny_config_init (&config);
  checkpoint = tiny_checkpoint_new (&config, ZIM_DTYPE_BF16);
  zim_checkpoint_write_folder (checkpoint, folder->path, &error);
  g_assert_no_error (error);
}

/* The tiny model with this file as its transformer. */
static ZimCheckpoint *
open_with (Folder     *folder,
           ModelFile  *file,
           GError    **error)
{
  g_autofree char *path = folder_file (folder, TRANSFORMER);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    write_model (folder);
  model_file_write (file, folder, TRANSFORMER);
  return zim_checkpoint_open_folder (folder->path, NULL, error);
}

static void
add_matrix (ModelFile  *file,
            const char *name,
            const char *type,
            gint64      rows,
            gint64      cols)
{
  const gint64 dims[] = { rows, cols };

  model_file_add_bytes (file, "", name, type, 2, dims, codes, (gsize) (rows * cols));
}

static void
add_floats (ModelFile   *file,
            const char  *name,
            guint        n_dims,
            gint64       d0,
            const float *floats,
            guint        n)
{
  const gint64 dims[] = { d0, 1 };

  model_file_add_bytes (file, "", name, "F32", n_dims, dims, floats, n * sizeof *floats);
}

static void
add_text (ModelFile  *file,
          const char *name,
          const char *text)
{
  const gint64 dims[] = { (gint64) strlen (text) };

  model_file_add_bytes (file, "", name, "U8", 1, dims, text, strlen (text));
}

static void
assert_values (ZimCheckpoint *checkpoint,
               const char    *name,
               const float   *expected,
               const float   *scales,
               gint64         rows,
               gint64         cols)
{
  const gint64 dims[] = { rows, cols };
  g_autoptr(GError) error = NULL;
  const ZimWeight *weight = zim_checkpoint_require (checkpoint, ZIM_COMPONENT_TRANSFORMER, name, 2, dims, &error);
  float found[G_N_ELEMENTS (values)];

  g_assert_no_error (error);
  zim_weight_decode (weight, 0, (gsize) (rows * cols), found);
  for (gint64 i = 0; i < rows * cols; i++)
    g_assert_cmpfloat (found[i], ==, expected[i] * scales[i / cols]);
}

static guint
count (ZimCheckpoint *checkpoint)
{
  g_autoptr(GPtrArray) list = zim_checkpoint_list (checkpoint, ZIM_COMPONENT_TRANSFORMER);

  return list->len;
}

/* Every form that a scale comes in. */
static void
test_scales (Folder        *folder,
             gconstpointer  unused)
{
  static const struct {
    const char *name;
    guint       n_dims;
    gint64      n;
  } cases[] = {
    { "x.weight_scale", 0, 1 }, { "x.weight_scale", 1, 1 }, { "x.weight_scale", 2, 1 },
    { "x.weight_scale", 1, 3 }, { "x.weight_scale", 2, 3 },
    { "x.scale_weight", 0, 1 }, { "x.scale_weight", 1, 3 },
  };
  static const float scales[] = { 0.25f, 3, -1.5f };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(ModelFile) file = model_file_new ();
      g_autoptr(ZimCheckpoint) opened = NULL;
      g_autoptr(GError) error = NULL;
      float expected[3];

      add_matrix (file, "x.weight", "F8_E4M3", 3, 4);
      add_floats (file, cases[i].name, cases[i].n_dims, cases[i].n, scales, (guint) cases[i].n);
      add_floats (file, "x.input_scale", 0, 0, scales, 1);
      add_floats (file, "x.scale_input", 0, 0, scales, 1);
      add_matrix (file, "scaled_fp8", "F8_E4M3", 1, 2);
      add_matrix (file, "y.weight", "F8_E4M3", 3, 4);
      for (guint row = 0; row < 3; row++)
        expected[row] = scales[cases[i].n == 1 ? 0 : row];
      opened = open_with (folder, file, &error);
      g_assert_no_error (error);
      assert_values (opened, "x.weight", values, expected, 3, 4);
      assert_values (opened, "y.weight", values, (const float[]) { 1, 1, 1 }, 3, 4);
      g_assert_cmpuint (count (opened), ==, 2);
    }
}

/* A scale, a row's scale and a format of a fused weight are those of its parts. */
static void
test_fused (Folder        *folder,
            gconstpointer  unused)
{
  static const float scales[] = { 2, 4, 8 };

  for (guint n = 1; n <= 3; n += 2)
    {
      g_autoptr(ModelFile) file = model_file_new ();
      g_autoptr(ZimCheckpoint) opened = NULL;
      g_autoptr(GError) error = NULL;

      add_matrix (file, "layers.0.attention.qkv.weight", "F8_E4M3", 3, 4);
      add_floats (file, "layers.0.attention.qkv.weight_scale", n == 1 ? 0 : 2, n, scales, n);
      add_text (file, "layers.0.attention.qkv.comfy_quant", "{\"format\":\"float8_e4m3fn\"}");
      opened = open_with (folder, file, &error);
      g_assert_no_error (error);
      assert_values (opened, "layers.0.attention.to_q.weight", values, &scales[0], 1, 4);
      assert_values (opened, "layers.0.attention.to_k.weight", values + 4, &scales[n == 1 ? 0 : 1], 1, 4);
      assert_values (opened, "layers.0.attention.to_v.weight", values + 8, &scales[n == 1 ? 0 : 2], 1, 4);
      g_assert_cmpuint (count (opened), ==, 3);
    }
}

/* Rotated by H, [1, 0, 0, 0] is ½ · [1, 1, 1, −1]. The JSON is beside the weight or in the metadata. */
static void
test_rotated (Folder        *folder,
              gconstpointer  unused)
{
  static const char *const metadata[] = {
    NULL,
    "{\\\"layers\\\":{\\\"x\\\":{\\\"format\\\":\\\"int8_tensorwise\\\",\\\"convrot\\\":true,"
    "\\\"convrot_groupsize\\\":4}}}",
    "{\\\"format_version\\\":\\\"1.0\\\",\\\"layers\\\":{\\\"gone\\\":{\\\"format\\\":\\\"nvfp4\\\"},"
    "\\\"x\\\":{\\\"format\\\":\\\"int8_tensorwise\\\",\\\"convrot\\\":true,\\\"convrot_groupsize\\\":4}}}",
  };
  static const gint8 stored[] = { 1, 0, 0, 0, 0, 0, 0, 2 };
  static const float expected[] = { 0.5f, 0.5f, 0.5f, -0.5f, -1, 1, 1, 1 };
  static const gint64 dims[] = { 1, 8 };
  const float scale = 3;

  for (guint i = 0; i < G_N_ELEMENTS (metadata); i++)
    {
      g_autoptr(ModelFile) file = model_file_new ();
      g_autoptr(ZimCheckpoint) opened = NULL;
      g_autoptr(GError) error = NULL;

      model_file_add_bytes (file, "", "x.weight", "I8", 2, dims, stored, sizeof stored);
      add_floats (file, "x.weight_scale", 0, 0, &scale, 1);
      if (metadata[i] != NULL)
        file->metadata = g_strdup_printf ("{\"_quantization_metadata\":\"%s\"}", metadata[i]);
      else
        add_text (file, "x.comfy_quant",
                  "{\"format\": \"int8_tensorwise\", \"convrot\": true, \"convrot_groupsize\": 4, \"per_row\": true}");
      opened = open_with (folder, file, &error);
      g_assert_no_error (error);
      assert_values (opened, "x.weight", expected, &scale, 1, 8);
    }
}

/* Where the JSON does not say how many columns were rotated it is 256. */
static void
test_rotated_columns (Folder        *folder,
                      gconstpointer  unused)
{
  static const gint64 dims[] = { 2, 512 };
  g_autofree gint8 *stored = g_new0 (gint8, 1024);
  g_autoptr(ModelFile) file = model_file_new ();
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autoptr(GError) error = NULL;
  const float scale = 1;

  model_file_add_bytes (file, "", "x.weight", "I8", 2, dims, stored, 1024);
  add_floats (file, "x.weight_scale", 0, 0, &scale, 1);
  add_text (file, "x.comfy_quant", "{\"format\":\"int8_tensorwise\",\"convrot\":true}");
  opened = open_with (folder, file, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (zim_checkpoint_lookup (opened, ZIM_COMPONENT_TRANSFORMER, "x.weight")->rotation, ==, 256);
}

/* The scale is in another shard than its weight. */
static void
test_shards (Folder        *folder,
             gconstpointer  unused)
{
  static const char index[] = "{\"weight_map\":{\"x.weight\":\"a.safetensors\",\"x.weight_scale\":\"b.safetensors\"}}";
  g_autoptr(ModelFile) weights = model_file_new ();
  g_autoptr(ModelFile) scales = model_file_new ();
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autoptr(GError) error = NULL;
  const float scale = 0.125f;

  write_model (folder);
  add_matrix (weights, "x.weight", "F8_E4M3", 1, 4);
  add_floats (scales, "x.weight_scale", 0, 0, &scale, 1);
  model_file_write (weights, folder, "transformer/a.safetensors");
  model_file_write (scales, folder, "transformer/b.safetensors");
  folder_write (folder, TRANSFORMER ".index.json", index, -1);
  opened = zim_checkpoint_open_folder (folder->path, NULL, &error);
  g_assert_no_error (error);
  assert_values (opened, "x.weight", values, &scale, 1, 4);
}

/* Layers that a tool has left in 16 bits have a scale of 1. */
static void
test_unscaled (Folder        *folder,
               gconstpointer  unused)
{
  static const gint64 dims[] = { 2, 2 };
  static const guint16 bf16[] = { 0x3f80, 0x4000, 0x4040, 0x4080 };
  static const float expected[] = { 1, 2, 3, 4 }, ones[] = { 1, 1 };
  g_autoptr(ModelFile) file = model_file_new ();
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autoptr(GError) error = NULL;

  model_file_add_bytes (file, "", "x.weight", "BF16", 2, dims, bf16, sizeof bf16);
  add_floats (file, "x.scale_weight", 1, 2, ones, 2);
  opened = open_with (folder, file, &error);
  g_assert_no_error (error);
  assert_values (opened, "x.weight", expected, ones, 2, 2);
}

/* One weight, what lies beside it, and the error of that. */
static const struct {
  const char *type;
  gint64      cols;
  guint       n_scales; /* 0: none */
  const char *quant;    /* (nullable) beside the weight */
  const char *metadata; /* (nullable) */
  int         code;
  const char *message;
} faults[] = {
  { "F8_E4M3", 4, 1, "{\"format\":\"nvfp4\"}", NULL, ZIM_ERROR_UNSUPPORTED,
    "diffusion_pytorch_model.safetensors: Tensor “x.weight” is in the format “nvfp4”, supported are “float8_e4m3fn”" },
  { "U8", 4, 1, "{\"format\":\"mxfp8\"}", NULL, ZIM_ERROR_UNSUPPORTED, "“x.weight” is in the format “mxfp8”" },
  { "U8", 4, 1, "{\"format\":\"int8_tensorwise\"}", NULL, ZIM_ERROR_BAD_FILE,
    "“x.weight” is of type U8, but its format is “int8_tensorwise”" },
  { "F8_E5M2", 4, 1, "{\"format\":\"float8_e4m3fn\"}", NULL, ZIM_ERROR_BAD_FILE, "is of type F8_E5M2, but its format" },
  { "F8_E4M3", 4, 1, NULL, "{\\\"layers\\\":{\\\"x\\\":{\\\"format\\\":\\\"nvfp4\\\"}}}", ZIM_ERROR_UNSUPPORTED,
    "“nvfp4”" },
  { "F8_E4M3", 4, 1, NULL, "{\\\"layers\\\":{\\\"x\\\":3}}", ZIM_ERROR_BAD_FILE, "Expected an object" },
  { "F8_E4M3", 4, 1, NULL, "{\\\"layers\\\":[]}", ZIM_ERROR_BAD_FILE, "“layers”" },
  { "F8_E4M3", 4, 1, NULL, "[]", ZIM_ERROR_BAD_FILE, "Expected an object" },
  { "F8_E4M3", 4, 1, NULL, "{", ZIM_ERROR_BAD_FILE, "diffusion_pytorch_model.safetensors: " },
  { "F8_E4M3", 4, 1, "{\"format\":8}", NULL, ZIM_ERROR_BAD_FILE, "“format”" },
  { "F8_E4M3", 4, 1, "{}", NULL, ZIM_ERROR_BAD_FILE, "“format”" },
  { "F8_E4M3", 4, 1, "{\"format\"", NULL, ZIM_ERROR_BAD_FILE, "diffusion_pytorch_model.safetensors: " },
  { "F8_E4M3", 4, 1, "{\"format\":\"float8_e4m3fn\",\"convrot\":true,\"convrot_groupsize\":4}", NULL,
    ZIM_ERROR_UNSUPPORTED, "only supported for type I8" },
  { "I8", 4, 1, "{\"format\":\"int8_tensorwise\",\"convrot\":1}", NULL, ZIM_ERROR_BAD_FILE, "“convrot”" },
  { "I8", 12, 1, "{\"format\":\"int8_tensorwise\",\"convrot\":true,\"convrot_groupsize\":12}", NULL,
    ZIM_ERROR_UNSUPPORTED,
    "Columns of tensor “x.weight” were rotated in groups of 12, supported are 4, 16, 64 and 256" },
  { "I8", 4, 1, "{\"format\":\"int8_tensorwise\",\"convrot\":true,\"convrot_groupsize\":1024}", NULL,
    ZIM_ERROR_UNSUPPORTED, "in groups of 1024" },
  { "I8", 4, 1, "{\"format\":\"int8_tensorwise\",\"convrot\":true,\"convrot_groupsize\":0}", NULL,
    ZIM_ERROR_UNSUPPORTED, "in groups of 0" },
  { "I8", 4, 1, "{\"format\":\"int8_tensorwise\",\"convrot\":true,\"convrot_groupsize\":-4}", NULL,
    ZIM_ERROR_UNSUPPORTED, "in groups of -4" },
  { "I8", 6, 1, "{\"format\":\"int8_tensorwise\",\"convrot\":true,\"convrot_groupsize\":4}", NULL,
    ZIM_ERROR_BAD_SHAPE, "has shape [1, 6], whose columns are no whole groups of 4" },
  { "F8_E4M3", 4, 2, NULL, NULL, ZIM_ERROR_BAD_SHAPE,
    "Tensor “x.weight_scale” has shape [2], expected one value, or one for each of 1 rows" },
};

static void
test_faults (Folder        *folder,
             gconstpointer  unused)
{
  static const float scales[] = { 1, 2 };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autoptr(ModelFile) file = model_file_new ();
      g_autoptr(GError) error = NULL;

      add_matrix (file, "x.weight", faults[i].type, 1, faults[i].cols);
      add_floats (file, "x.weight_scale", 1, faults[i].n_scales, scales, faults[i].n_scales);
      if (faults[i].quant != NULL)
        add_text (file, "x.comfy_quant", faults[i].quant);
      if (faults[i].metadata != NULL)
        file->metadata = g_strdup_printf ("{\"_quantization_metadata\":\"%s\"}", faults[i].metadata);
      g_assert_null (open_with (folder, file, &error));
      assert_and_clear_error (&error, faults[i].code, faults[i].message);
    }
}

/* Scales of a wrong type, for a wrong type, and none where one is needed. */
static void
test_wrong_scales (Folder        *folder,
                   gconstpointer  unused)
{
  static const gint64 dims[] = { 1, 4 };
  static const float scale = 2;

  g_autoptr(ModelFile) halves = model_file_new ();
  g_autoptr(ModelFile) plain = model_file_new ();
  g_autoptr(ModelFile) bare = model_file_new ();
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autoptr(GError) error = NULL;

  add_matrix (halves, "x.weight", "F8_E4M3", 1, 4);
  model_file_add_bytes (halves, "", "x.weight_scale", "F16", 0, NULL, codes, 2);
  g_assert_null (open_with (folder, halves, &error));
  assert_and_clear_error (&error, ZIM_ERROR_UNSUPPORTED, "Tensor “x.weight_scale” is of type F16, expected F32");

  model_file_add_bytes (plain, "", "x.weight", "BF16", 2, dims, codes, 8);
  add_floats (plain, "x.weight_scale", 0, 0, &scale, 1);
  g_assert_null (open_with (folder, plain, &error));
  assert_and_clear_error (&error, ZIM_ERROR_UNSUPPORTED, "Tensor “x.weight” of type BF16 has a scale");

  add_matrix (bare, "x.weight", "I8", 1, 4);
  opened = open_with (folder, bare, &error);
  g_assert_no_error (error);
  g_assert_null (zim_checkpoint_require (opened, ZIM_COMPONENT_TRANSFORMER, "x.weight", 2, dims, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "Tensor “x.weight” is of type I8, and its scale is missing");
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/sides/scales", Folder, NULL, folder_init, test_scales, folder_clear);
  g_test_add ("/sides/fused", Folder, NULL, folder_init, test_fused, folder_clear);
  g_test_add ("/sides/rotated", Folder, NULL, folder_init, test_rotated, folder_clear);
  g_test_add ("/sides/rotated-columns", Folder, NULL, folder_init, test_rotated_columns, folder_clear);
  g_test_add ("/sides/shards", Folder, NULL, folder_init, test_shards, folder_clear);
  g_test_add ("/sides/unscaled", Folder, NULL, folder_init, test_unscaled, folder_clear);
  g_test_add ("/sides/faults", Folder, NULL, folder_init, test_faults, folder_clear);
  g_test_add ("/sides/wrong-scales", Folder, NULL, folder_init, test_wrong_scales, folder_clear);
  return g_test_run ();
}
