/* test-tune.c: the tiles that products and attention are made in, and how the best are found and kept
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/vulkan/zim-vk-pipeline-private.h"
#include "compute/vulkan/zim-vk-tune-private.h"
#include "op-setup.h"
#include "test-vulkan.h"
#include "zim-error.h"

/* NULL, and the test skipped, on a machine without the loader. Tests of this file have the same kernels: those that
 * compute share a backend, on which each is compiled once. */
static ZimVkBackend *shared;

static ZimVkBackend *
open_backend (void)
{
  ZimBackend *backend = test_vulkan_open ();

  if (backend == NULL)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return NULL;
    }
  ZIM_VK_BACKEND (backend)->device->rate = 1e8; /* small products are enough */
  return ZIM_VK_BACKEND (backend);
}

static ZimVkBackend *
get_backend (void)
{
  if (shared == NULL)
    shared = open_backend ();
  return shared;
}

/* Results with that tile, or with the default: of a product and a convolution, whose sizes are no multiples of it */
static GBytes *
compute (ZimVkBackend    *backend,
         Setup           *setup,
         ZimPrecision     precision,
         const ZimVkTile *tile)
{
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GByteArray) results = g_byte_array_new ();
  g_autoptr(GError) error = NULL;
  const ZimWeight *weight, *kernel;

  setup_begin (setup, ZIM_BACKEND (backend));
  setup->random = 1;
  weight = setup_weight (setup, ZIM_DTYPE_BF16, 0, 1, 2, (const gint64[]) { 150, 96 });
  kernel = setup_weight (setup, ZIM_DTYPE_BF16, 0, 1, 4, (const gint64[]) { 70, 32, 3, 3 });
  setup_output (setup, zim_program_linear (setup->program, setup_input (setup, 70, 96, 1), &weight, NULL, 1, 1));
  setup_output (setup, zim_program_conv2d (setup->program, setup_input (setup, 13 * 11, 32, 1), kernel, NULL, 13, 11, 1,
                                           1, FALSE));
  zim_vk_tuning_force (backend->device->tuning, ZIM_VK_MATMUL, tile);
  zim_vk_tuning_force (backend->device->tuning, ZIM_VK_CONV, tile);
  executable = setup_compile (setup, precision);
  setup_run (setup, executable, NULL, &error);
  g_assert_no_error (error);
  zim_vk_tuning_force (backend->device->tuning, ZIM_VK_MATMUL, NULL);
  zim_vk_tuning_force (backend->device->tuning, ZIM_VK_CONV, NULL);
  g_byte_array_append (results, (const guint8 *) setup_result (setup, 0), 70 * 150 * sizeof (float));
  g_byte_array_append (results, (const guint8 *) setup_result (setup, 1), 13 * 11 * 70 * sizeof (float));
  return g_byte_array_free_to_bytes (g_steal_pointer (&results));
}

/* The same of attention within ranges that begin and end within tiles */
static GBytes *
compute_attention (ZimVkBackend    *backend,
                   Setup           *setup,
                   ZimPrecision     precision,
                   guint            head_dim,
                   const ZimVkTile *tile)
{
  const ZimRange ranges[] = { { .start = 0, .length = 150 }, { .start = 150, .length = 5 } };
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GError) error = NULL;

  setup_begin (setup, ZIM_BACKEND (backend));
  setup->random = 1;
  setup_output (setup, zim_program_attention (setup->program, setup_input (setup, 155, 2 * head_dim, 1),
                                              setup_input (setup, 155, head_dim, 1),
                                              setup_input (setup, 155, head_dim, 1), 2, 1, head_dim, FALSE, ranges,
                                              G_N_ELEMENTS (ranges)));
  zim_vk_tuning_force (backend->device->tuning, ZIM_VK_ATTENTION, tile);
  executable = setup_compile (setup, precision);
  setup_run (setup, executable, NULL, &error);
  g_assert_no_error (error);
  zim_vk_tuning_force (backend->device->tuning, ZIM_VK_ATTENTION, NULL);
  return g_bytes_new (setup_result (setup, 0), 155 * 2 * head_dim * sizeof (float));
}

/* All sums are of some hundred products of about 1. */
static void
assert_near (GBytes *a,
             GBytes *b)
{
  const float *x = g_bytes_get_data (a, NULL), *y = g_bytes_get_data (b, NULL);

  for (gsize i = 0; i < g_bytes_get_size (a) / sizeof (float); i++)
    g_assert_cmpfloat (fabsf (x[i] - y[i]), <, 1e-4);
}

/* Every tile gives the same results, give or take the last bits. */
static void
check_tiles (ZimPrecision precision)
{
  ZimVkBackend *backend = get_backend ();
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(GArray) tiles = NULL;
  g_autoptr(GBytes) expected = NULL;

  if (backend == NULL)
    return;
  tiles = zim_vk_list_tiles (&(ZimVkSetup) { backend->device, precision - ZIM_PRECISION_F32 });
  g_assert_cmpuint (tiles->len, >, 3);
  expected = compute (backend, setup, precision, NULL);
  for (guint i = 0; i < tiles->len; i++)
    {
      const ZimVkTile *tile = &g_array_index (tiles, ZimVkTile, i);
      g_autoptr(GBytes) results = compute (backend, setup, precision, tile);

      g_test_message ("%u × %u in %u × %u: the same %s", tile->rows, tile->cols, tile->down, tile->across,
                      g_bytes_equal (results, expected) ? "bits" : "numbers");
      assert_near (results, expected);
    }
}

static void
check_attention_tiles (ZimPrecision precision,
                       guint        head_dim)
{
  ZimVkBackend *backend = get_backend ();
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(GArray) tiles = NULL;
  g_autoptr(GBytes) expected = NULL;

  if (backend == NULL)
    return;
  tiles = zim_vk_list_attention_tiles (&(ZimVkSetup) { backend->device, precision - ZIM_PRECISION_F32 }, head_dim);
  g_assert_cmpuint (tiles->len, >, 3);
  expected = compute_attention (backend, setup, precision, head_dim, NULL);
  for (guint i = 0; i < tiles->len; i++)
    {
      const ZimVkTile *tile = &g_array_index (tiles, ZimVkTile, i);
      g_autoptr(GBytes) results = compute_attention (backend, setup, precision, head_dim, tile);

      g_test_message ("%u queries, %u keys in %u × %u: the same %s", tile->rows, tile->cols, tile->down, tile->across,
                      g_bytes_equal (results, expected) ? "bits" : "numbers");
      assert_near (results, expected);
    }
}

static void
test_tiles (void)
{
  check_tiles (ZIM_PRECISION_F32);
}

/* With heads that are no multiple of a block of columns, and wide ones */
static void
test_attention_tiles (void)
{
  check_attention_tiles (ZIM_PRECISION_F32, 40);
  check_attention_tiles (ZIM_PRECISION_F32, 264);
}

/* Where there are none, the portable ones have been tested. */
static void
test_tiles_of_matrices (void)
{
  ZimVkBackend *backend = get_backend ();

  if (backend != NULL && backend->device->has_coop)
    {
      check_tiles (ZIM_PRECISION_F16);
      check_attention_tiles (ZIM_PRECISION_F16, 40);
    }
  else if (backend != NULL)
    g_test_skip ("this device has no matrices");
}

/* What is found and kept */

static GVariant *
tune (ZimVkBackend *backend)
{
  g_autoptr(GError) error = NULL;
  GVariant *found = zim_backend_tune (ZIM_BACKEND (backend), ZIM_PRECISION_F32, NULL, &error);

  g_assert_no_error (error);
  return found;
}

static void
assert_found (GVariant   *found,
              const char *key)
{
  g_autoptr(GVariant) product = g_variant_lookup_value (found, key, G_VARIANT_TYPE_VARDICT);
  double rate = 0, default_rate = 0;
  const char *tile = NULL;

  g_assert_nonnull (product);
  g_assert_true (g_variant_lookup (product, "tile", "&s", &tile));
  g_assert_true (g_variant_lookup (product, "gflops", "d", &rate));
  g_assert_true (g_variant_lookup (product, "default_gflops", "d", &default_rate));
  g_test_message ("%s: %s, %.3f GFLOP/s, %.3f by default", key, tile, rate, default_rate);
  g_assert_cmpfloat (rate, >, 0);
  g_assert_cmpfloat (rate, >=, default_rate);
}

static char *
file_path (ZimVkBackend *backend)
{
  return g_strconcat (zim_vk_pipelines_get_path (backend->device->pipelines), ".tiles", NULL);
}

/* The tile of large products that a new device takes from a file of that content */
static ZimVkTile
read_tile (const char *path,
           const char *content)
{
  g_autoptr(ZimVkBackend) backend = NULL;
  ZimVkSetup setup = { NULL, ZIM_VK_OPERAND_F32 };
  const ZimVkTile *tile;

  g_assert_true (g_file_set_contents (path, content, -1, NULL));
  backend = open_backend ();
  setup.device = backend->device;
  tile = zim_vk_tuning_get_tile (&setup, ZIM_VK_MATMUL, ZIM_VK_LARGE);
  return tile != NULL ? *tile : (ZimVkTile) { 0 };
}

static void
assert_ignored (const char *path,
                const char *content)
{
  g_assert_cmpuint (read_tile (path, content).rows, ==, 0);
}

static void
check_files (const char *path)
{
  g_autofree char *found = NULL, *hash = NULL, *good = NULL, *unknown = NULL, *half = NULL;
  ZimVkTile tile;

  g_assert_true (g_file_get_contents (path, &found, NULL, NULL));
  g_assert_nonnull (strstr (found, "shaders="));
  hash = g_strndup (strstr (found, "shaders="), strlen ("shaders=") + 64);
  good = g_strdup_printf ("[Tiles]\n%s\nmatmul-f32-large=64x128/8x16\n", hash);
  unknown = g_strdup_printf ("[Tiles]\n%s\nmatmul-f32-large=63x128/8x16\n", hash);
  half = g_strndup (good, strlen (good) / 2);
  tile = read_tile (path, good);
  g_assert_cmpuint (tile.rows, ==, 64);
  g_assert_cmpuint (tile.cols, ==, 128);
  g_assert_cmpuint (tile.down, ==, 8);
  assert_ignored (path, "");
  assert_ignored (path, "\x7f\x80 nothing that anybody wrote");
  assert_ignored (path, half);
  assert_ignored (path, unknown);
  assert_ignored (path, "[Tiles]\nshaders=0123\nmatmul-f32-large=64x128/8x16\n");
}

/* Each kind of product is tuned; what is kept holds for a new device, and what is damaged is as good as nothing until
 * it is found again. */
static void
test_kept (void)
{
  ZimVkBackend *backend = get_backend ();
  g_autoptr(GVariant) found = NULL;
  g_autofree char *path = NULL;

  if (backend == NULL)
    return;
  path = file_path (backend);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_set_contents (path, "damaged", -1, NULL));
  found = tune (backend);
  g_assert_cmpuint (g_variant_n_children (found), ==, 9);
  assert_found (found, "matmul-few");
  assert_found (found, "matmul-medium");
  assert_found (found, "matmul-large");
  assert_found (found, "conv-few");
  assert_found (found, "conv-medium");
  assert_found (found, "conv-large");
  assert_found (found, "attention-few");
  assert_found (found, "attention-many");
  assert_found (found, "attention-wide");
  check_files (path);
}

/* Nothing of a search that is cancelled is kept, and nothing of it goes on. */
static void
test_cancelled (void)
{
  ZimVkBackend *backend = get_backend ();
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(GBytes) expected = NULL, after = NULL;
  g_autofree char *path = NULL, *content = NULL;
  g_autoptr(GError) error = NULL;

  if (backend == NULL)
    return;
  path = file_path (backend);
  expected = compute (backend, setup, ZIM_PRECISION_F32, NULL);
  g_assert_true (g_file_set_contents (path, "untouched", -1, NULL));
  g_cancellable_cancel (cancellable);
  g_assert_null (zim_backend_tune (ZIM_BACKEND (backend), ZIM_PRECISION_F32, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
  g_assert_cmpstr (content, ==, "untouched");
  after = compute (backend, setup, ZIM_PRECISION_F32, NULL);
  g_assert_true (g_bytes_equal (after, expected));
}

int
main (int    argc,
      char **argv)
{
  g_autofree char *folder = g_dir_make_tmp ("zimage-tune-XXXXXX", NULL);
  int status;

  /* No other test runs with tiles that were found here. */
  g_setenv ("XDG_CACHE_HOME", folder, TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tune/tiles", test_tiles);
  g_test_add_func ("/tune/attention-tiles", test_attention_tiles);
  g_test_add_func ("/tune/tiles-of-matrices", test_tiles_of_matrices);
  g_test_add_func ("/tune/kept", test_kept);
  g_test_add_func ("/tune/cancelled", test_cancelled);
  status = g_test_run ();
  g_clear_object (&shared);
  return status;
}
