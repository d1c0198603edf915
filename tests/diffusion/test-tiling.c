/* test-tiling.c: the decoder in bands of rows gives the same numbers as the whole one, in less memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/cpu/zim-cpu-private.h"
#include "diffusion/zim-autoencoder-private.h"
#include "test-reference.h"
#include "test-vulkan.h"

typedef struct {
  const char *fixture; /* of which the weights are */
  guint       height;  /* of the latents */
  guint       width;
} Picture;

/* Rows of few and of many pixels; numbers of rows that bands do not divide; all channels alike and not. The first one
 * on Vulkan, too. */
static const Picture pictures[] = {
  { "decode-small", 5, 8 },
  { "decode-even", 8, 4 },
  { "decode-two", 3, 16 },
};

typedef struct {
  const Picture *picture;
  ZimPrecision   precision;
  gboolean       is_vulkan;
} Run;

static ZimBackend *vulkan; /* (nullable) */

static ZimBackend *
new_backend (const Run *run)
{
  return run->is_vulkan ? g_object_ref (vulkan) : zim_cpu_backend_new (NULL, 2, NULL);
}

static float *
new_latents (const Picture  *picture,
             ZimAutoencoder *autoencoder)
{
  gsize n = (gsize) zim_autoencoder_get_channels (autoencoder) * picture->height * picture->width;
  float *latents = g_new (float, n);
  guint32 state = 1;

  for (gsize i = 0; i < n; i++)
    {
      state = state * 1664525 + 1013904223;
      latents[i] = (float) (state >> 8) / (1 << 22) - 2;
    }
  return latents;
}

static gsize
arena_size (const Run      *run,
            ZimAutoencoder *autoencoder,
            ZimBackend     *backend,
            ZimTiling       tiling)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimExecutable) executable = zim_autoencoder_compile (autoencoder, backend, run->precision,
                                                                 run->picture->height, run->picture->width, tiling,
                                                                 FALSE, &error);

  g_assert_no_error (error);
  return zim_executable_get_arena_size (executable);
}

static void
test_same (gconstpointer data)
{
  const Run *run = data;
  g_autoptr(TestCase) test = test_case_load (run->picture->fixture);
  ZimCheckpoint *checkpoint = test_case_checkpoint (test, ZIM_DTYPE_BF16);
  g_autoptr(ZimBackend) backend = new_backend (run);
  g_autoptr(GError) error = NULL;
  ZimAutoencoder *autoencoder = zim_autoencoder_new (checkpoint, &error);
  g_autofree float *latents = new_latents (run->picture, autoencoder);
  g_autofree float *whole = NULL;
  guint scale = zim_autoencoder_get_scale (autoencoder);
  gsize size = (gsize) scale * run->picture->height * scale * run->picture->width * 3 * sizeof (float);

  g_assert_no_error (error);
  for (ZimTiling tiling = ZIM_TILING_NONE; tiling < ZIM_N_TILINGS; tiling++)
    {
      g_autofree float *image = NULL;

      g_test_message ("tiling %d: %" G_GSIZE_FORMAT " bytes", tiling, arena_size (run, autoencoder, backend, tiling));
      image = zim_autoencoder_decode (autoencoder, backend, run->precision, latents, run->picture->height,
                                      run->picture->width, tiling, NULL, NULL, NULL, &error);
      g_assert_no_error (error);
      if (whole == NULL)
        whole = g_steal_pointer (&image);
      else
        g_assert_cmpmem (image, size, whole, size);
    }
  zim_autoencoder_free (autoencoder);
  zim_checkpoint_unref (checkpoint);
}

static void
add_runs (const char *device,
          guint       n_pictures,
          gboolean    is_vulkan)
{
  static const char *const precisions[] = { "auto", "f32", "bf16", "f16" };

  for (guint i = 0; i < n_pictures; i++)
    for (ZimPrecision precision = ZIM_PRECISION_F32; precision <= ZIM_PRECISION_F16; precision++)
      {
        g_autofree char *path = g_strdup_printf ("/tiling/%s/%s/%s", pictures[i].fixture, device,
                                                 precisions[precision]);
        Run *run = g_new (Run, 1);

        *run = (Run) { &pictures[i], precision, is_vulkan };
        g_test_add_data_func_full (path, run, test_same, g_free);
      }
}

/* A decoder of the model's own shape, of weights that nobody reads: nothing is computed. */
static void
test_memory (void)
{
  g_autoptr(TestCase) test = test_case_load ("decode-even");
  g_autoptr(ZimBackend) backend = zim_cpu_backend_new (NULL, 2, NULL);
  static const guint channels[] = { 128, 256, 512, 512 };
  const gsize map = (gsize) 1024 * 1024 * 128 * sizeof (float);
  const Run run = { &(Picture) { NULL, 128, 128 }, ZIM_PRECISION_F32, FALSE };
  gsize sizes[ZIM_N_TILINGS];
  ZimAutoencoder *autoencoder;
  ZimCheckpoint *checkpoint;
  GError *error = NULL;

  test->config.autoencoder.n_blocks = G_N_ELEMENTS (channels);
  test->config.autoencoder.layers_per_block = 2;
  test->config.autoencoder.norm_num_groups = 32;
  for (guint i = 0; i < G_N_ELEMENTS (channels); i++)
    test->config.autoencoder.block_out_channels[i] = channels[i];
  checkpoint = test_case_checkpoint (test, ZIM_DTYPE_BF16);
  autoencoder = zim_autoencoder_new (checkpoint, &error);
  g_assert_no_error (error);
  for (ZimTiling tiling = ZIM_TILING_NONE; tiling < ZIM_N_TILINGS; tiling++)
    {
      gint64 start = g_get_monotonic_time ();

      sizes[tiling] = arena_size (&run, autoencoder, backend, tiling);
      g_test_message ("tiling %d: %.2f of the largest map of 128 channels, compiled in %.1f ms", tiling,
                      (double) sizes[tiling] / map, (g_get_monotonic_time () - start) / 1e3);
    }
  g_assert_cmpuint (sizes[ZIM_TILING_NONE], >=, 5 * map);
  g_assert_cmpuint (sizes[ZIM_TILING_BANDS], <, 7 * map / 2);
  g_assert_cmpuint (sizes[ZIM_TILING_TWICE], <, 2 * map);
  zim_autoencoder_free (autoencoder);
  zim_checkpoint_unref (checkpoint);
}

int
main (int   argc,
      char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tiling/memory", test_memory);
  add_runs ("cpu", G_N_ELEMENTS (pictures), FALSE);
  vulkan = test_vulkan_open ();
  if (vulkan != NULL)
    add_runs ("vulkan", 1, TRUE);
  result = g_test_run ();
  g_clear_object (&vulkan);
  return result;
}
