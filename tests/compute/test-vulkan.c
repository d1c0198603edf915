/* test-vulkan.c: what the Vulkan backend does beside computing: segments, memory, caches, errors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gstdio.h>

#include "compute/vulkan/zim-vk-backend-private.h"
#include "op-setup.h"
#include "test-vulkan.h"
#include "zim-error.h"

/* A backend of its own; NULL, and the test skipped, on a machine without the loader. */
static ZimVkBackend *
open_backend (void)
{
  ZimBackend *backend = test_vulkan_open ();

  if (backend == NULL)
    g_test_skip ("this machine has no Vulkan loader");
  return backend != NULL ? ZIM_VK_BACKEND (backend) : NULL;
}

/* A linear layer, attention and group norm: several dispatches of every kind */
static void
build_program (Setup *setup)
{
  ZimTensor *x = setup_input (setup, 200, 64, 1), *y;
  const ZimWeight *weight = setup_weight (setup, ZIM_DTYPE_BF16, 0, 1, 2, (const gint64[]) { 192, 64 });

  y = zim_program_linear (setup->program, x, &weight, NULL, 1, 1);
  y = zim_program_attention (setup->program, zim_program_cols (setup->program, y, 0, 64),
                             zim_program_cols (setup->program, y, 64, 64),
                             zim_program_cols (setup->program, y, 128, 64), 4, 4, 16, FALSE, NULL, 0);
  setup_output (setup, zim_program_group_norm (setup->program, y, NULL, NULL, 4, 1e-6f, TRUE));
}

static GBytes *
run_once (Setup         *setup,
          ZimExecutable *executable)
{
  g_autoptr(GError) error = NULL;

  setup_run (setup, executable, NULL, &error);
  g_assert_no_error (error);
  return g_bytes_new (setup_result (setup, 0), zim_tensor_size (g_ptr_array_index (setup->outputs, 0)));
}

/* However small the segments are, the result is the same to the bit; and a run can be replayed. */
static void
test_segments (void)
{
  g_autoptr(ZimVkBackend) backend = open_backend ();
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(GBytes) expected = NULL;

  if (backend == NULL)
    return;
  setup_begin (setup, ZIM_BACKEND (backend));
  build_program (setup);
  for (double rate = 1e12; rate >= 1e5; rate /= 1e3)
    {
      g_autoptr(ZimExecutable) executable = setup_compile (setup, ZIM_PRECISION_F32);
      g_autoptr(GBytes) bytes = NULL, again = NULL;
      guint64 before, n;

      backend->device->rate = rate;
      bytes = run_once (setup, executable);
      before = backend->device->compute.submitted;
      again = run_once (setup, executable);
      n = backend->device->compute.submitted - before;
      g_test_message ("%g FLOP/s: %u segments", rate, (guint) n);
      g_assert_true (rate > 1e8 ? n == 1 : n > 10);
      if (expected == NULL)
        expected = g_bytes_ref (bytes);
      g_assert_true (g_bytes_equal (bytes, expected));
      g_assert_true (g_bytes_equal (again, expected));
    }
}

static gpointer
cancel_soon (gpointer data)
{
  g_usleep (20000);
  g_cancellable_cancel (data);
  return NULL;
}

/* A run of many segments ends between two of them, and the next one is as if nothing had been. */
static void
test_cancel (void)
{
  g_autoptr(ZimVkBackend) backend = open_backend ();
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GBytes) expected = NULL, after = NULL;
  g_autoptr(GError) error = NULL;
  guint64 before, all, done;
  GThread *thread;

  if (backend == NULL)
    return;
  setup_begin (setup, ZIM_BACKEND (backend));
  build_program (setup);
  backend->device->rate = 1e4;
  executable = setup_compile (setup, ZIM_PRECISION_F32);
  expected = run_once (setup, executable);
  before = backend->device->compute.submitted;
  thread = g_thread_new ("cancel", cancel_soon, cancellable);
  while (setup_run (setup, executable, cancellable, &error))
    before = backend->device->compute.submitted;
  g_thread_join (thread);
  done = backend->device->compute.submitted - before;
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  before = backend->device->compute.submitted;
  after = run_once (setup, executable);
  all = backend->device->compute.submitted - before;
  g_test_message ("%u of %u segments", (guint) done, (guint) all);
  g_assert_cmpuint (done, <, all);
  g_assert_true (g_bytes_equal (after, expected));
}

/* Memory */

static void
test_weights (void)
{
  g_autoptr(ZimVkBackend) backend = open_backend ();
  g_autoptr(Setup) setup = setup_new ();
  gint64 dims[] = { 64, 64 };
  const ZimWeight *weight;
  float *values;

  if (backend == NULL)
    return;
  setup_begin (setup, ZIM_BACKEND (backend));
  weight = setup_weight (setup, ZIM_DTYPE_F32, 0, 1, 2, dims);
  values = (float *) weight->data;
  for (guint i = 0; i < 64 * 64; i++)
    values[i] = zim_bf16_to_f32 (zim_f32_to_bf16 (values[i]));
  setup_output (setup, zim_program_linear (setup->program, setup_input (setup, 5, 64, 1), &weight, NULL, 1, 1));
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr(ZimExecutable) executable = setup_compile (setup, ZIM_PRECISION_F32);
      g_autoptr(GBytes) bytes = run_once (setup, executable);

      /* Once, and in half the space as every value is exact in bf16. */
      g_assert_cmpuint (zim_vk_weights_get_size (backend->weights), ==, 64 * 64 * 2);
    }
  zim_backend_trim (ZIM_BACKEND (backend));
  g_assert_cmpuint (zim_vk_weights_get_size (backend->weights), ==, 0);
}

static gsize
stored_size (const ZimWeight *weight)
{
  gsize n_scales = weight->group != 0 ? (gsize) zim_weight_n_elements (weight) / weight->group : 0;

  return weight->size + n_scales * 4; /* an f32, or two of 16 bits */
}

/* Weights of few bits take hardly more memory than in a file, and what is computed with them is the same each time. */
static void
check_codes (ZimVkBackend *backend,
             ZimDType      dtype)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(GBytes) expected = NULL;
  const ZimWeight *weight;
  gsize size;

  setup_begin (setup, ZIM_BACKEND (backend));
  weight = setup_weight (setup, dtype, 1, 1, 2, (const gint64[]) { 96, 2560 });
  setup_output (setup, zim_program_linear (setup->program, setup_input (setup, 3, 2560, 1), &weight, NULL, 1, 1));
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr(ZimExecutable) executable = setup_compile (setup, ZIM_PRECISION_F32);
      g_autoptr(GBytes) bytes = run_once (setup, executable), again = run_once (setup, executable);

      if (expected == NULL)
        expected = g_bytes_ref (bytes);
      g_assert_true (g_bytes_equal (bytes, expected));
      g_assert_true (g_bytes_equal (again, expected));
    }
  size = zim_vk_weights_get_size (backend->weights);
  g_test_message ("%s: %" G_GSIZE_FORMAT " bytes, %" G_GSIZE_FORMAT " stored", zim_dtype_name (dtype), size,
                  stored_size (weight));
  g_assert_cmpuint (size, >, 0);
  g_assert_cmpuint (size, <=, stored_size (weight) * 105 / 100);
  zim_backend_trim (ZIM_BACKEND (backend));
}

static void
test_codes (void)
{
  g_autoptr(ZimVkBackend) backend = open_backend ();

  for (ZimDType dtype = ZIM_DTYPE_F8_E4M3; backend != NULL && dtype < ZIM_N_DTYPES; dtype++)
    check_codes (backend, dtype);
}

#define CODE_ROWS 9
#define CODE_COLS 512

/* x is the identity, which makes of a product the weights themselves. */
static void
check_values (ZimVkBackend    *backend,
              Setup           *setup,
              const ZimWeight *weight)
{
  g_autofree float *expected = g_new (float, CODE_ROWS * CODE_COLS);
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GBytes) bytes = NULL;
  ZimTensor *x = setup_input (setup, CODE_COLS, CODE_COLS, 1);
  const float *values;

  for (guint i = 0; i < CODE_COLS * CODE_COLS; i++)
    setup_values (setup, x)[i] = i % (CODE_COLS + 1) == 0 ? 1 : 0;
  setup_output (setup, zim_program_linear (setup->program, x, &weight, NULL, 1, 1));
  executable = setup_compile (setup, ZIM_PRECISION_F32);
  bytes = run_once (setup, executable);
  values = g_bytes_get_data (bytes, NULL);
  zim_weight_decode (weight, 0, CODE_ROWS * CODE_COLS, expected);
  for (guint i = 0; i < CODE_ROWS * CODE_COLS; i++)
    g_assert_cmpfloat (values[i % CODE_COLS * CODE_ROWS + i / CODE_COLS], ==, expected[i]);
  g_assert_cmpuint (zim_vk_weights_get_size (backend->weights), <=, CODE_ROWS * CODE_COLS * 5 / 4);
  g_clear_object (&executable);
  zim_backend_trim (ZIM_BACKEND (backend));
}

/* All codes but those of no finite number, with scales for groups of that many values; 0: with none */
static void
check_groups (ZimVkBackend *backend,
              ZimDType      dtype,
              gsize         group)
{
  g_autoptr(Setup) setup = setup_new ();
  gboolean is_affine = zim_dtype_is_affine (dtype);
  guint8 data[CODE_ROWS * CODE_COLS];
  guint16 pairs[2][CODE_ROWS * CODE_COLS / 32];
  float scales[CODE_ROWS * CODE_COLS / 32];
  ZimWeight weight = {
    .name = "codes", .dtype = dtype, .n_dims = 2, .dims = { CODE_ROWS, CODE_COLS }, .data = data, .group = group,
    .size = zim_dtype_row_size (dtype, CODE_ROWS * CODE_COLS),
  };

  for (guint i = 0; i < sizeof data; i++)
    {
      data[i] = (guint8) (i * 7 + i / 256);
      if ((dtype == ZIM_DTYPE_F8_E4M3 && data[i] % 128 == 127) || (dtype == ZIM_DTYPE_F8_E5M2 && data[i] % 128 >= 124))
        data[i] = 1;
    }
  for (guint i = 0; i < G_N_ELEMENTS (scales); i++)
    {
      scales[i] = 1 + (float) i / 1000;
      pairs[0][i] = zim_f32_to_bf16 (scales[i]);
      pairs[1][i] = zim_f32_to_bf16 (-3 * scales[i]);
    }
  if (group > 0)
    weight.scales = is_affine ? (const guint8 *) pairs[0] : (const guint8 *) scales;
  weight.biases = is_affine ? (const guint8 *) pairs[1] : NULL;
  setup_begin (setup, ZIM_BACKEND (backend));
  check_values (backend, setup, &weight);
}

/* What the device decodes is what zim_weight_decode () does, to the bit. */
static void
test_values (void)
{
  static const gsize groups[] = { 32, 128, CODE_COLS, 3 * CODE_COLS, CODE_ROWS * CODE_COLS, 0 };
  static const ZimDType dtypes[] = {
    ZIM_DTYPE_F8_E4M3, ZIM_DTYPE_F8_E5M2, ZIM_DTYPE_I8, ZIM_DTYPE_INT4, ZIM_DTYPE_INT8,
  };
  g_autoptr(ZimVkBackend) backend = open_backend ();

  if (backend == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    for (guint j = 0; j < G_N_ELEMENTS (groups) - (dtypes[i] >= ZIM_DTYPE_INT4 ? 1 : 0); j++)
      check_groups (backend, dtypes[i], groups[j]);
  for (ZimDType dtype = ZIM_DTYPE_Q8_0; dtype <= ZIM_DTYPE_Q6_K; dtype++)
    {
      g_autoptr(Setup) setup = setup_new ();

      setup_begin (setup, ZIM_BACKEND (backend));
      check_values (backend, setup,
                    setup_weight (setup, dtype, 1, 1, 2, (const gint64[]) { CODE_ROWS, CODE_COLS }));
    }
}

/* Neither more than the device has nor more than it allocates at once; what is there works on. */
static void
test_out_of_memory (void)
{
  g_autoptr(ZimVkBackend) backend = open_backend ();
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GBytes) before = NULL, after = NULL;
  g_autoptr(GError) error = NULL;

  if (backend == NULL)
    return;
  setup_begin (setup, ZIM_BACKEND (backend));
  build_program (setup);
  executable = setup_compile (setup, ZIM_PRECISION_F32);
  before = run_once (setup, executable);
  g_assert_false (zim_backend_reserve (ZIM_BACKEND (backend), G_MAXSIZE / 1024, &error));
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY);
  g_test_message ("%s", error->message);
  after = run_once (setup, executable);
  g_assert_true (g_bytes_equal (before, after));
}

/* Where the host cannot write to the device's memory, everything goes through the ring: more than fits into it. */
static void
test_staging (void)
{
  g_autoptr(ZimVkBackend) backend = NULL;
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GBytes) bytes = NULL;
  ZimTensor *x, *all;

  g_setenv ("ZIM_DISABLE", "mapping", TRUE);
  backend = open_backend ();
  if (backend != NULL)
    {
      setup_begin (setup, ZIM_BACKEND (backend));
      x = setup_input (setup, 10000, 1001, 1);
      all = zim_program_empty (setup->program, 10000, 1001);
      zim_program_copy_to (setup->program, x, all);
      setup_output (setup, all);
      setup_output (setup, zim_program_cols (setup->program, all, 13, 700));
      executable = setup_compile (setup, ZIM_PRECISION_F32);
      bytes = run_once (setup, executable);
      g_assert_cmpmem (setup_result (setup, 0), 10000 * 1001 * 4, setup_values (setup, x), 10000 * 1001 * 4);
      for (guint row = 0; row < 10000; row++)
        g_assert_cmpmem (setup_result (setup, 1) + row * 700, 700 * 4, setup_values (setup, x) + row * 1001 + 13,
                         700 * 4);
    }
  g_unsetenv ("ZIM_DISABLE");
}

/* The cache of pipelines */

static char *
find_cache (void)
{
  g_autofree char *folder = g_build_filename (g_get_user_cache_dir (), "zimage", "vulkan", NULL);
  g_autoptr(GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name = dir != NULL ? g_dir_read_name (dir) : NULL;

  return name != NULL ? g_build_filename (folder, name, NULL) : NULL;
}

static void
run_anything (void)
{
  g_autoptr(ZimVkBackend) backend = open_backend ();
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GBytes) bytes = NULL;

  setup_begin (setup, ZIM_BACKEND (backend));
  build_program (setup);
  executable = setup_compile (setup, ZIM_PRECISION_F32);
  bytes = run_once (setup, executable);
}

static void
test_damaged_cache (void)
{
  static const char *const damages[] = {
    "", "x", "not what a driver wrote, but long enough to hold a checksum and some",
  };
  g_autofree char *path = NULL;

  if (test_vulkan_find () < 0)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return;
    }
  run_anything ();
  path = find_cache ();
  g_assert_nonnull (path);
  for (guint i = 0; i < G_N_ELEMENTS (damages); i++)
    {
      g_autofree char *contents = NULL;
      gsize size;

      g_assert_true (g_file_set_contents (path, damages[i], -1, NULL));
      run_anything ();
      g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
      g_assert_cmpuint (size, >, 32);
      g_assert_cmpint (memcmp (contents, damages[i], strlen (damages[i])) != 0 || *damages[i] == '\0', ==, TRUE);
    }
}

/* What ZIM_DEBUG asks for is printed; the validation layer stays on. */
static void
test_debug (void)
{
  if (test_vulkan_find () < 0)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return;
    }
  if (g_test_subprocess ())
    {
      g_setenv ("ZIM_DEBUG", "ops,memory,time,validation", TRUE);
      run_anything ();
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*zimage: ops: program *linear*");
  g_test_trap_assert_stderr ("*zimage: ops: segment 1: matmul on 2 * 4 * 1 groups of 128*");
  g_test_trap_assert_stderr ("*zimage: memory: a block of *");
  g_test_trap_assert_stderr ("*zimage: time: test * ms, linear *group_norm *attention *");
}

/* Results in 16 bits */

/* Every operation that can store operands, read by products: scaled ones, parts of one result, a convolution; and one
 * that an addition reads as well, which stays f32. */
static void
build_narrow (Setup *setup)
{
  ZimProgram *p = setup->program;
  ZimTensor *x = setup_input (setup, 35, 64, 1), *rms, *layer, *swiglu, *silu, *both, *image;
  const ZimWeight *weight = setup_weight (setup, ZIM_DTYPE_BF16, 0, 1, 2, (const gint64[]) { 48, 64 });
  const ZimWeight *square = setup_weight (setup, ZIM_DTYPE_BF16, 0, 1, 2, (const gint64[]) { 64, 64 });
  const ZimWeight *half = setup_weight (setup, ZIM_DTYPE_F16, 0, 1, 2, (const gint64[]) { 48, 32 });
  const ZimWeight *kernel = setup_weight (setup, ZIM_DTYPE_BF16, 0, 1, 4, (const gint64[]) { 16, 64, 3, 3 });

  rms = zim_program_rms_norm (p, x, setup_vector (setup, ZIM_DTYPE_F32, 1, 64), 0, 1e-5f, NULL, NULL, 0);
  setup_output (setup, zim_program_linear (p, rms, &weight, NULL, 1, 1));
  layer = zim_program_layer_norm (p, x, 1e-6f, NULL, NULL, 0);
  setup_output (setup, zim_program_linear (p, zim_program_cols (p, layer, 32, 32), &half, NULL, 1, 1));
  setup_output (setup, zim_program_linear (p, zim_program_rows (p, layer, 3, 9), &weight, NULL, 1, 1));
  swiglu = zim_program_swiglu (p, x, setup_input (setup, 35, 64, 1e3));
  setup_output (setup, zim_program_linear (p, swiglu, &weight, NULL, 1, 1.0f / 128));
  silu = zim_program_silu (p, x);
  setup_output (setup, zim_program_linear (p, silu, &weight, NULL, 1, 1));
  both = zim_program_silu (p, setup_input (setup, 35, 64, 1));
  setup_output (setup, zim_program_add (p, both, zim_program_linear (p, both, &square, NULL, 1, 1)));
  image = zim_program_group_norm (p, x, NULL, NULL, 4, 1e-6f, TRUE);
  setup_output (setup, zim_program_conv2d (p, image, kernel, NULL, 5, 7, 1, 1, FALSE));
}

/* Attention that copies keys and values: of columns of a wider tensor, with a head of each for two of queries, and
 * ranges of which one alone is long. */
static void
build_attention (Setup *setup)
{
  const ZimRange ranges[] = { { .start = 0, .length = 270 }, { .start = 270, .length = 11 } };
  ZimTensor *q = setup_input (setup, 281, 4 * 40, 1), *kv = setup_input (setup, 281, 2 * 80, 1);

  setup_output (setup, zim_program_attention (setup->program, q, zim_program_cols (setup->program, kv, 0, 80),
                                              zim_program_cols (setup->program, kv, 80, 80), 4, 2, 40, FALSE, ranges,
                                              G_N_ELEMENTS (ranges)));
}

/* What is stored as operands gives the same bits as what is rounded when it is read. */
static void
check_narrow (ZimVkBackend *backend,
              void        (*build) (Setup *setup),
              ZimPrecision  precision)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(GPtrArray) expected = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  gsize sizes[2];

  setup_begin (setup, ZIM_BACKEND (backend));
  build (setup);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr(ZimExecutable) executable = NULL;
      g_autoptr(GBytes) first = NULL;

      g_setenv ("ZIM_DISABLE", i == 0 ? "narrow" : "", TRUE);
      executable = setup_compile (setup, precision);
      g_unsetenv ("ZIM_DISABLE");
      sizes[i] = zim_executable_get_arena_size (executable);
      first = run_once (setup, executable);
      for (guint j = 0; j < setup->outputs->len; j++)
        {
          gsize size = zim_tensor_size (g_ptr_array_index (setup->outputs, j));

          if (i == 0)
            g_ptr_array_add (expected, g_bytes_new (setup_result (setup, j), size));
          else
            g_assert_cmpmem (setup_result (setup, j), size, g_bytes_get_data (g_ptr_array_index (expected, j), NULL),
                             size);
        }
    }
  g_assert_cmpuint (sizes[0], !=, sizes[1]);
  g_test_message ("%" G_GSIZE_FORMAT " bytes of results, %" G_GSIZE_FORMAT " in f32", sizes[1], sizes[0]);
}

/* All but the result that an addition reads, too: five of six */
static void
test_narrow (void)
{
  g_autoptr(ZimVkBackend) backend = open_backend ();
  g_autoptr(Setup) setup = setup_new ();
  guint n = 0;

  if (backend == NULL)
    return;
  check_narrow (backend, build_narrow, ZIM_PRECISION_BF16);
  check_narrow (backend, build_narrow, ZIM_PRECISION_F16);
  check_narrow (backend, build_attention, ZIM_PRECISION_BF16);
  check_narrow (backend, build_attention, ZIM_PRECISION_F16);
  setup_begin (setup, ZIM_BACKEND (backend));
  build_narrow (setup);
  for (ZimVkOperand operand = ZIM_VK_OPERAND_F32; operand <= ZIM_VK_OPERAND_F16; operand++)
    {
      g_autofree float *factors = zim_vk_find_narrow (setup->program, &(ZimVkSetup) { backend->device, operand });

      n = 0;
      for (guint i = 0; i < zim_program_get_tensors (setup->program)->len; i++)
        n += factors[i] != 0;
      g_assert_cmpuint (n, ==, operand == ZIM_VK_OPERAND_F32 ? 0 : 5);
    }
}

/* Errors */

static void
test_lost (void)
{
  g_autoptr(ZimVkBackend) backend = open_backend ();
  g_autoptr(GError) error = NULL;

  if (backend == NULL)
    return;
  g_assert_false (zim_vk_check (backend->device, VK_ERROR_DEVICE_LOST, "vkQueueSubmit", &error));
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE);
  g_assert_nonnull (strstr (error->message, backend->device->physical->info.name));
  g_assert_true (backend->device->is_lost);
}

/* In a process of its own, as the instance is made once in each. */
static void
test_no_driver (void)
{
  g_autoptr(GError) error = NULL;

  if (g_test_subprocess ())
    {
      g_setenv ("VK_DRIVER_FILES", "/nonexistent", TRUE);
      g_setenv ("VK_ICD_FILENAMES", "/nonexistent", TRUE);
      g_assert_null (zim_vk_list (&error));
      g_assert_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE);
      g_assert_nonnull (strstr (error->message, "river"));
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vulkan/segments", test_segments);
  g_test_add_func ("/vulkan/cancel", test_cancel);
  g_test_add_func ("/vulkan/weights", test_weights);
  g_test_add_func ("/vulkan/codes/sizes", test_codes);
  g_test_add_func ("/vulkan/codes/values", test_values);
  g_test_add_func ("/vulkan/out-of-memory", test_out_of_memory);
  g_test_add_func ("/vulkan/staging", test_staging);
  g_test_add_func ("/vulkan/damaged-cache", test_damaged_cache);
  g_test_add_func ("/vulkan/debug", test_debug);
  g_test_add_func ("/vulkan/narrow", test_narrow);
  g_test_add_func ("/vulkan/lost", test_lost);
  g_test_add_func ("/vulkan/no-driver", test_no_driver);
  return g_test_run ();
}
