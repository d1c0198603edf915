/* test-reference.c: every fixture at every precision on every tier of the CPU and on Vulkan
 *
 * Tolerances: at f32 1e-5 for what lies within a block, 1e-4 for what has gone through a whole network; at bf16 5e-3
 * and 2e-2 with a cosine of at least 0.9995; at f16 2e-3 and 1e-2 with 0.9998.
 *
 * Which case catches which mistake: tests/reference/MUTATIONS-C.md, each made once in this code, and MUTATIONS.md, each
 * made in the reference.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gstdio.h>
#include <math.h>

#include "compute/cpu/zim-cpu-private.h"
#include "diffusion/zim-autoencoder-private.h"
#include "diffusion/zim-denoiser-private.h"
#include "diffusion/zim-text-encoder-private.h"
#include "test-reference.h"
#include "test-vulkan.h"
#include "text/zim-tokenizer-private.h"
#include "zim-enum-types.h"
#include "zim-device.h"
#include "zim-image.h"
#include "zim-job.h"
#include "zim-model-private.h"
#include "zim-params.h"
#include "zim-pipeline.h"

typedef struct {
  double within;  /* a block */
  double through; /* a network */
  double cosine;
} Tolerance;

static const Tolerance tolerances[] = {
  [ZIM_PRECISION_F32] = { 1e-5, 1e-4, 0.99999 },
  [ZIM_PRECISION_BF16] = { 5e-3, 2e-2, 0.9995 },
  [ZIM_PRECISION_F16] = { 2e-3, 1e-2, 0.9998 },
};

typedef struct {
  const ZimCpuKernels *kernels;    /* NULL: Vulkan */
  ZimPrecision         precision;
  TestCase            *test;
  ZimCheckpoint       *checkpoint;
  const char          *folder;     /* of a pipeline's weights */
  guint                n_compared;
} Check;

/* The products inside a block: their errors add up until the residual is added. */
static gboolean
is_inner_product (const char *name)
{
  static const char *const suffixes[] = { ".attn", ".to_out", ".w1", ".w3", ".w2" };

  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    if (g_str_has_suffix (name, suffixes[i]))
      return TRUE;
  return FALSE;
}

/* Names that have only seen one block, or none. In a whole pipeline everything has gone through more. At f32 what is
 * inside a block is held to the block's tolerance as well. */
static gboolean
is_within_block (Check      *check,
                 const char *name)
{
  if (g_str_equal (check->test->kind, "pipeline") ||
      (check->precision != ZIM_PRECISION_F32 && is_inner_product (name)))
    return FALSE;
  return g_str_has_prefix (name, "image.") || g_str_has_prefix (name, "caption.embed") ||
         g_str_has_prefix (name, "rope.") ||
         g_str_has_prefix (name, "noise_refiner.0.") || g_str_has_prefix (name, "context_refiner.0.") ||
         g_str_has_prefix (name, "text.embed") || g_str_has_prefix (name, "text.layer.0") ||
         g_str_has_prefix (name, "decode.z") || g_str_has_prefix (name, "decode.conv_in");
}

static double
tolerance_for (Check      *check,
               const char *name)
{
  const Tolerance *tolerance = &tolerances[check->precision];

  /* The reference's exp () differs from the C library's by one unit in the last place; times 1000 that is 3e-5. */
  if (g_strcmp0 (name, "time.embed") == 0)
    return 2e-5;
  return is_within_block (check, name) ? tolerance->within : tolerance->through;
}

static void
check_tensor (const char  *name,
              gint64       rows,
              gint64       cols,
              const float *values,
              gpointer     user_data)
{
  Check *check = user_data;
  TestDistance distance;

  if (!test_case_compare (check->test, name, values, (gsize) (rows * cols), &distance))
    return;
  check->n_compared++;
  if (distance.relative <= tolerance_for (check, name) && distance.norm <= tolerance_for (check, name) &&
      distance.cosine >= tolerances[check->precision].cosine)
    return;
  /* All of them as they come; the first, from where the others may follow, is what the test says at its end. */
  g_test_message ("%s: relative %.3g, norm %.3g (%.3g allowed), cosine %.6f", name, distance.relative, distance.norm,
                  tolerance_for (check, name), distance.cosine);
  if (!g_test_failed ())
    g_test_fail_printf ("%s: relative %.3g, norm %.3g (%.3g allowed), cosine %.6f", name, distance.relative,
                        distance.norm, tolerance_for (check, name), distance.cosine);
}

static ZimBackend *vulkan; /* of all cases: what it has compiled serves the next one */

static ZimBackend *
new_backend (Check *check)
{
  GError *error = NULL;
  ZimBackend *backend;

  if (check->kernels == NULL)
    return g_object_ref (vulkan);
  backend = zim_cpu_backend_new (check->kernels, 2, &error);
  g_assert_no_error (error);
  return backend;
}

/* Networks */

static void
check_rope (Check             *check,
            ZimTransformer    *transformer,
            const ZimSequence *sequence)
{
  const ZimTransformerConfig *config = zim_transformer_get_config (transformer);
  guint rows = zim_sequence_rows (sequence), half = config->dim / config->n_heads / 2;
  g_autofree float *cos_table = g_new (float, rows * half);
  g_autofree float *sin_table = g_new (float, rows * half);

  zim_transformer_rope_tables (transformer, sequence, cos_table, sin_table);
  check_tensor ("rope.cos", rows, half, cos_table, check);
  check_tensor ("rope.sin", rows, half, sin_table, check);
}

static void
run_transformer (Check *check)
{
  g_autoptr(ZimBackend) backend = new_backend (check);
  g_autoptr(ZimTransformer) transformer = NULL;
  g_autoptr(ZimDenoiser) denoiser = NULL;
  gint64 latent_dims[3], feature_dims[3];
  g_autofree float *latents = test_case_input (check->test, "latents", latent_dims);
  g_autofree float *features = test_case_input (check->test, "features", feature_dims);
  g_autofree float *velocity = g_new (float, latent_dims[0] * latent_dims[1] * latent_dims[2]);
  float t = (float) json_object_get_double_member (check->test->json, "t");
  ZimModulation modulation = { 0 };
  ZimSequence sequence;
  GError *error = NULL;

  transformer = zim_transformer_new (check->checkpoint, &error);
  g_assert_no_error (error);
  zim_transformer_get_sequence (transformer, latent_dims[1], latent_dims[2], feature_dims[0], &sequence);
  check_rope (check, transformer, &sequence);
  denoiser = zim_denoiser_new (transformer, backend, check->precision, latent_dims[1], latent_dims[2], feature_dims[0],
                               TRUE, &error);
  g_assert_no_error (error);
  zim_modulation_init (&modulation, transformer, backend, check->precision, &t, 1, check_tensor, check, NULL, &error);
  g_assert_no_error (error);
  zim_denoiser_set_caption (denoiser, features, check_tensor, check, NULL, &error);
  g_assert_no_error (error);
  zim_denoiser_run (denoiser, &modulation, 0, latents, velocity, check_tensor, check, NULL, &error);
  g_assert_no_error (error);
  zim_modulation_clear (&modulation);
}

/* Overflow: f16 ends at 65504, which a network whose inputs are fifty times as large as they should be passes by
 * far. */

static float *
run_enlarged (Check      *check,
              ZimBackend *backend,
              gsize      *n)
{
  g_autoptr(ZimTransformer) transformer = zim_transformer_new (check->checkpoint, NULL);
  g_autoptr(ZimDenoiser) denoiser = NULL;
  gint64 latent_dims[3], feature_dims[3];
  g_autofree float *latents = test_case_input (check->test, "latents", latent_dims);
  g_autofree float *features = test_case_input (check->test, "features", feature_dims);
  float t = (float) json_object_get_double_member (check->test->json, "t"), *velocity;
  ZimModulation modulation = { 0 };
  GError *error = NULL;

  *n = (gsize) (latent_dims[0] * latent_dims[1] * latent_dims[2]);
  velocity = g_new (float, *n);
  for (gsize i = 0; i < *n; i++)
    latents[i] *= 50;
  for (gint64 i = 0; i < feature_dims[0] * feature_dims[1]; i++)
    features[i] *= 50;
  denoiser = zim_denoiser_new (transformer, backend, check->precision, latent_dims[1], latent_dims[2], feature_dims[0],
                               FALSE, &error);
  g_assert_no_error (error);
  zim_modulation_init (&modulation, transformer, backend, check->precision, &t, 1, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  zim_denoiser_set_caption (denoiser, features, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  zim_denoiser_run (denoiser, &modulation, 0, latents, velocity, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  zim_modulation_clear (&modulation);
  return velocity;
}

static void
check_enlarged (Check *check)
{
  Check reference = { zim_cpu_kernels_get (NULL), ZIM_PRECISION_F32, check->test, check->checkpoint };
  g_autoptr(ZimBackend) backend = new_backend (check);
  g_autoptr(ZimBackend) cpu = new_backend (&reference);
  gsize n;
  g_autofree float *expected = run_enlarged (&reference, cpu, &n);
  g_autofree float *actual = run_enlarged (check, backend, &n);
  double product = 0, a = 0, b = 0;

  for (gsize i = 0; i < n; i++)
    {
      g_assert_true (isfinite (actual[i]));
      product += (double) actual[i] * expected[i];
      a += (double) actual[i] * actual[i];
      b += (double) expected[i] * expected[i];
    }
  g_test_message ("cosine %.6f", product / sqrt (a * b));
  g_assert_cmpfloat (product / sqrt (a * b), >=, tolerances[check->precision].cosine);
}

static GArray *
tokenize (TestCase *test)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", "tokenizer.json", NULL);
  g_autofree char *text = zim_chat_template_render (json_object_get_string_member (test->json, "prompt"));
  g_autoptr(GMappedFile) file = g_mapped_file_new (path, FALSE, NULL);
  g_autoptr(GBytes) bytes = g_mapped_file_get_bytes (file);
  g_autoptr(ZimTokenizer) tokenizer = zim_tokenizer_new (bytes, path, NULL);
  GArray *ids = zim_tokenizer_encode (tokenizer, text, -1);

  g_array_set_size (ids, MIN (ids->len, (guint) json_object_get_int_member (test->json, "max_tokens")));
  return ids;
}

static void
check_ids (TestCase     *test,
           const gint32 *ids,
           guint         n)
{
  const ZimWeight *expected = zim_safetensors_lookup (test->expected, "text.ids");

  g_assert_nonnull (expected);
  g_assert_cmpmem (ids, n * sizeof *ids, expected->data, expected->size);
}

static void
run_text (Check *check)
{
  g_autoptr(ZimBackend) backend = new_backend (check);
  g_autoptr(GArray) ids = tokenize (check->test);
  g_autoptr(ZimTextEncoder) encoder = NULL;
  g_autofree float *features = NULL;
  GError *error = NULL;

  check_ids (check->test, (gint32 *) (gpointer) ids->data, ids->len);
  encoder = zim_text_encoder_new (check->checkpoint, &error);
  g_assert_no_error (error);
  features = zim_text_encoder_run (encoder, backend, check->precision, (gint32 *) (gpointer) ids->data, ids->len,
                                   check_tensor, check, NULL, &error);
  g_assert_no_error (error);
}

/* Tiled, too: what is looked at then is what the tiles were put together to. */
static void
run_decode (Check *check)
{
  g_autoptr(ZimBackend) backend = new_backend (check);
  g_autoptr(ZimAutoencoder) autoencoder = NULL;
  gint64 dims[3];
  g_autofree float *latents = test_case_input (check->test, "latents", dims);
  GError *error = NULL;

  autoencoder = zim_autoencoder_new (check->checkpoint, &error);
  g_assert_no_error (error);
  for (ZimTiling tiling = ZIM_TILING_NONE; tiling < ZIM_N_TILINGS; tiling++)
    {
      g_autofree float *image = NULL;

      check->n_compared = 0; /* of one tiling, the last */
      image = zim_autoencoder_decode (autoencoder, backend, check->precision, latents, dims[1], dims[2], tiling,
                                      check_tensor, check, NULL, &error);
      g_assert_no_error (error);
    }
}

/* Pipelines: through a folder of weights on disk and the public API */

static void
remove_folder (const char *path)
{
  g_autoptr(GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_folder (child);
    }
  g_remove (path);
}

/* In the build folder under one name: what an aborted run leaves behind is removed by the next. */
static char *
write_model (ZimCheckpoint *checkpoint)
{
  g_autofree char *path = g_test_build_filename (G_TEST_BUILT, "reference-model", NULL);
  GError *error = NULL;
  /* Its networks ask for their weights, which are made then. */
  g_autoptr(ZimModel) model = _zim_model_new_for_checkpoint (checkpoint, "reference", &error);

  g_assert_no_error (error);
  remove_folder (path);
  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  zim_checkpoint_write_folder (checkpoint, path, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&path);
}

static ZimParams *
case_params (TestCase *test)
{
  JsonObject *json = json_object_get_object_member (test->json, "params");
  ZimParams *params = zim_params_new (json_object_get_string_member (json, "prompt"));

  if (!json_object_get_null_member (json, "negative_prompt"))
    zim_params_set_negative_prompt (params, json_object_get_string_member (json, "negative_prompt"));
  zim_params_set_size (params, json_object_get_int_member (json, "width"), json_object_get_int_member (json, "height"));
  zim_params_set_steps (params, json_object_get_int_member (json, "steps"));
  zim_params_set_guidance (params, json_object_get_double_member (json, "guidance_scale"));
  zim_params_set_cfg_normalization (params, json_object_get_double_member (json, "cfg_normalization"));
  zim_params_set_cfg_truncation (params, json_object_get_double_member (json, "cfg_truncation"));
  zim_params_set_seed (params, json_object_get_int_member (json, "seed"));
  zim_params_set_n_images (params, json_object_get_int_member (json, "n"));
  zim_params_set_max_tokens (params, json_object_get_int_member (json, "max_tokens"));
  return params;
}

static void
check_dump (Check      *check,
            const char *path)
{
  GError *error = NULL;
  g_autoptr(ZimSafetensors) dump = zim_safetensors_open (path, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < zim_safetensors_get_n (dump); i++)
    {
      const ZimWeight *weight = zim_safetensors_get (dump, i);

      if (weight->dtype == ZIM_DTYPE_I32)
        {
          if (g_strcmp0 (weight->name, "text.ids") == 0)
            check_ids (check->test, (const gint32 *) (gconstpointer) weight->data, (guint) weight->dims[0]);
          continue;
        }
      check_tensor (weight->name, weight->dims[0], weight->dims[1], (const float *) (gconstpointer) weight->data,
                    check);
    }
}

/* f32: few values differ, and by no more than 1: where half of them do, the PSNR is 51 dB. 16-bit: PSNR. */
static void
check_picture (Check      *check,
               ZimImage   *image,
               const char *file)
{
  static const double smallest[] = {
    [ZIM_PRECISION_F32] = 70, [ZIM_PRECISION_BF16] = 35, [ZIM_PRECISION_F16] = 38,
  };
  g_autofree char *path = g_build_filename (check->test->path, file, NULL);
  GError *error = NULL;
  g_autoptr(GdkPixbuf) expected = gdk_pixbuf_new_from_file (path, &error);
  GdkPixbuf *actual = zim_image_get_pixbuf (image);
  int width = gdk_pixbuf_get_width (actual), height = gdk_pixbuf_get_height (actual), largest = 0;
  double squares = 0, psnr;

  g_assert_no_error (error);
  g_assert_cmpint (gdk_pixbuf_get_width (expected), ==, width);
  g_assert_cmpint (gdk_pixbuf_get_height (expected), ==, height);
  for (int y = 0; y < height; y++)
    for (int i = 0; i < 3 * width; i++)
      {
        int a = gdk_pixbuf_read_pixels (actual)[y * gdk_pixbuf_get_rowstride (actual) + i];
        int b = gdk_pixbuf_read_pixels (expected)[y * gdk_pixbuf_get_rowstride (expected) + i];

        largest = MAX (largest, ABS (a - b));
        squares += (a - b) * (a - b);
      }
  psnr = 10 * log10 (255.0 * 255.0 * 3 * width * height / MAX (squares, 1e-9));
  g_test_message ("%s: largest difference %d, PSNR %.1f dB", file, largest, psnr);
  if (psnr < smallest[check->precision] || (check->precision == ZIM_PRECISION_F32 && largest > 1))
    g_test_fail_printf ("%s: largest difference %d, PSNR %.1f dB (%g allowed)", file, largest, psnr,
                        smallest[check->precision]);
}

static ZimDevice *
find_device (Check *check)
{
  g_autofree char *name = check->kernels == NULL ? g_strdup_printf ("vulkan:%d", test_vulkan_find ()) : NULL;
  GError *error = NULL;
  ZimDevice *device;

  if (check->kernels != NULL)
    g_setenv ("ZIM_CPU", check->kernels->name, TRUE);
  device = zim_device_find (name != NULL ? name : "cpu", &error);
  g_assert_no_error (error);
  return device;
}

static void
run_pipeline (Check *check)
{
  g_autofree char *dump = g_build_filename (check->folder, "dump.safetensors", NULL);
  g_autoptr(ZimModel) model = NULL;
  g_autoptr(ZimDevice) device = NULL;
  g_autoptr(ZimPipeline) pipeline = NULL;
  g_autoptr(ZimParams) params = case_params (check->test);
  g_autoptr(GPtrArray) images = NULL;
  GError *error = NULL;

  model = zim_model_open (check->folder, NULL, &error);
  g_assert_no_error (error);
  device = find_device (check);
  pipeline = zim_pipeline_new (model, device, &error);
  g_assert_no_error (error);
  zim_pipeline_set_precision (pipeline, check->precision);
  zim_pipeline_set_dump_file (pipeline, dump);
  images = zim_pipeline_generate (pipeline, params, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (images->len, ==, zim_params_get_n_images (params));
  check_dump (check, dump);
  for (guint i = 0; i < images->len; i++)
    {
      g_autofree char *file = i == 0 ? g_strdup ("expected.png") : g_strdup_printf ("expected.%u.png", i);

      check_picture (check, g_ptr_array_index (images, i), file);
    }
}

/* Cases */

typedef struct {
  char                *name;
  const ZimCpuKernels *kernels;
  ZimPrecision         precision;
} Row;

/* The rows of a case follow one another: it and its weights are made for the first of them. */
static struct {
  TestCase      *test;
  ZimCheckpoint *checkpoint;
  char          *folder;
} current;

static void
leave_case (void)
{
  if (vulkan != NULL)
    zim_backend_trim (vulkan);
  if (current.folder != NULL)
    remove_folder (current.folder);
  g_clear_pointer (&current.folder, g_free);
  g_clear_pointer (&current.checkpoint, zim_checkpoint_unref);
  g_clear_pointer (&current.test, test_case_free);
}

static void
enter_case (const char *name)
{
  if (current.test != NULL && g_str_equal (current.test->name, name))
    return;
  leave_case ();
  current.test = test_case_load (name);
  current.checkpoint = test_case_checkpoint (current.test, ZIM_DTYPE_F32);
  if (g_str_equal (current.test->kind, "pipeline"))
    current.folder = write_model (current.checkpoint);
}

/* How many tensors a case has to compare: all but the integers, and but what is stored under two names. */
static guint
n_expected (TestCase *test)
{
  guint n = 0;

  for (guint i = 0; i < zim_safetensors_get_n (test->expected); i++)
    {
      const ZimWeight *weight = zim_safetensors_get (test->expected, i);

      if (weight->dtype != ZIM_DTYPE_I32 && !g_str_has_suffix (weight->name, "@norm") &&
          !g_str_has_prefix (weight->name, "caption.refined"))
        n++;
    }
  return n;
}

static void
run_row (gconstpointer data)
{
  const Row *row = data;
  Check check = { row->kernels, row->precision };
  TestCase *test;

  if (row->kernels == NULL && vulkan == NULL)
    vulkan = test_vulkan_open ();
  if (row->kernels == NULL && vulkan == NULL)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return;
    }
  enter_case (row->name);
  test = check.test = current.test;
  check.checkpoint = current.checkpoint;
  check.folder = current.folder;

  if (g_str_equal (test->kind, "transformer"))
    run_transformer (&check);
  else if (g_str_equal (test->kind, "text"))
    run_text (&check);
  else if (g_str_equal (test->kind, "decode"))
    run_decode (&check);
  else
    run_pipeline (&check);
  g_test_message ("%u tensors compared", check.n_compared);
  g_assert_cmpuint (check.n_compared, ==, n_expected (test));
}

static void
test_overflow (void)
{
  Check check = { NULL, ZIM_PRECISION_F16 };

  enter_case ("transformer-96");
  check.test = current.test;
  check.checkpoint = current.checkpoint;
  for (guint i = 0; i < 2; i++)
    {
      check.kernels = i == 0 ? zim_cpu_kernels_get (NULL) : NULL;
      if (check.kernels == NULL && vulkan == NULL)
        vulkan = test_vulkan_open ();
      if (check.kernels != NULL || vulkan != NULL)
        check_enlarged (&check);
    }
}

static void
row_free (gpointer data)
{
  Row *row = data;

  g_free (row->name);
  g_free (row);
}

/* Software Vulkan takes its time: portable kernels of 16 bits are the same shaders with other constants, so a network
 * of each kind and a picture are enough of them. Cooperative matrices have shaders of their own. */
static gboolean
is_wanted (const char          *name,
           const ZimCpuKernels *kernels,
           ZimPrecision         precision)
{
  static const char *const chosen[] = { "decode-t", "pipeline-turbo", "text-t", "transformer-96" };

  for (guint i = 0; i < G_N_ELEMENTS (chosen); i++)
    if (g_str_equal (name, chosen[i]))
      return TRUE;
  return kernels != NULL || precision == ZIM_PRECISION_F32 || test_vulkan_has_matrices ();
}

static void
add_row (const char          *name,
         const ZimCpuKernels *kernels,
         ZimPrecision         precision)
{
  g_autoptr(GEnumClass) class = g_type_class_ref (ZIM_TYPE_PRECISION);
  const char *nick = g_enum_get_value (class, precision)->value_nick;
  g_autofree char *path = g_strdup_printf ("/reference/%s/%s/%s", name,
                                           kernels != NULL ? kernels->name : "vulkan", nick);
  Row *row = g_new (Row, 1);

  *row = (Row) { g_strdup (name), kernels, precision };
  g_test_add_data_func_full (path, row, run_row, row_free);
}

int
main (int   argc,
      char *argv[])
{
  const ZimCpuKernels *const *tiers = zim_cpu_kernels_list ();
  g_auto(GStrv) names = NULL;
  int result;

  g_test_init (&argc, &argv, NULL);
  names = test_case_list ();
  for (guint i = 0; names[i] != NULL; i++)
    {
      /* The encoder comes with image to image. */
      if (g_str_has_prefix (names[i], "encode-"))
        continue;
      /* Behind the last tier stands NULL, which is Vulkan. */
      for (guint j = 0; j == 0 || tiers[j - 1] != NULL; j++)
        for (ZimPrecision precision = ZIM_PRECISION_F32; precision <= ZIM_PRECISION_F16; precision++)
          if (is_wanted (names[i], tiers[j], precision))
            add_row (names[i], tiers[j], precision);
    }
  g_test_add_func ("/reference/overflow", test_overflow);
  result = g_test_run ();
  leave_case ();
  g_clear_object (&vulkan);
  return result;
}
