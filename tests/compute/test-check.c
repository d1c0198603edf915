/* test-check.c: what differs between two backends is found
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/cpu/zim-cpu-private.h"
#include "compute/zim-check-private.h"
#include "op-devices.h"
#include "op-setup.h"
#include "op-spy.h"
#include "test-vulkan.h"
#include "zim-error.h"

static void
build_program (Setup *setup)
{
  ZimTensor *state = setup_state (setup, 40, 64), *x = setup_input (setup, 40, 64, 1), *y;
  const ZimWeight *weight = setup_weight (setup, ZIM_DTYPE_BF16, 0, 1, 2, (const gint64[]) { 128, 64 });

  y = zim_program_rms_norm (setup->program, x, NULL, 16, 1e-5f, NULL, NULL, 0);
  y = zim_program_linear (setup->program, y, &weight, NULL, 1, 1);
  y = zim_program_swiglu (setup->program, zim_program_cols (setup->program, y, 0, 64),
                          zim_program_cols (setup->program, y, 64, 64));
  zim_program_copy_to (setup->program, zim_program_rows (setup->program, y, 0, 20),
                       zim_program_rows (setup->program, state, 5, 20));
  setup_output (setup, zim_program_add (setup->program, state, x));
}

/* Runs the program on a backend, which it frees. */
static gboolean
run_on (Setup         *setup,
        ZimBackend    *backend,
        ZimPrecision   precision,
        GError       **error)
{
  g_autoptr(ZimExecutable) executable = NULL;

  setup_begin (setup, backend);
  build_program (setup);
  executable = setup_compile (setup, precision);
  return setup_run (setup, executable, NULL, error);
}

static void
check_agreement (ZimBackend   *checked,
                 ZimPrecision  precision)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimBackend) cpu = zim_cpu_backend_new (NULL, 2, NULL);
  g_autoptr(ZimBackend) backend = zim_check_backend_new (checked, zim_cpu_backend_new (NULL, 2, NULL));
  g_autoptr(GError) error = NULL;
  g_autofree float *expected = NULL;
  gsize n = 40 * 64;

  g_assert_true (run_on (setup, cpu, ZIM_PRECISION_F32, &error));
  expected = g_memdup2 (setup_result (setup, 0), n * sizeof *expected);
  g_assert_true (run_on (setup, backend, precision, &error));
  for (gsize i = 0; i < n && precision == ZIM_PRECISION_F32; i++)
    g_assert_cmpfloat_with_epsilon (setup_result (setup, 0)[i], expected[i], 1e-4 * (1 + fabs (expected[i])));
  zim_backend_trim (backend);
  setup_begin (setup, NULL);
}

static void
test_cpu (void)
{
  for (ZimPrecision precision = ZIM_PRECISION_F32; precision <= ZIM_PRECISION_F16; precision++)
    check_agreement (zim_cpu_backend_new (NULL, 1, NULL), precision);
}

static void
test_vulkan (void)
{
  if (test_vulkan_find () < 0)
    g_test_skip ("this machine has no Vulkan loader");
  else
    check_agreement (test_vulkan_open (), ZIM_PRECISION_F32);
}

/* Kernels that compute nothing are found at the first product, which the message names. */
static void
test_difference (void)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimBackend) reference = zim_cpu_backend_new (zim_cpu_kernels_list ()[0], 1, NULL);
  g_autoptr(ZimBackend) backend = NULL;
  g_autoptr(GError) error = NULL;

  backend = zim_check_backend_new (zim_cpu_backend_new (spy_kernels (zim_cpu_kernels_list ()[0]), 1, NULL),
                                   g_object_ref (reference));
  spy_start (TRUE, G_MAXUINT64, NULL, NULL);
  g_assert_false (run_on (setup, backend, ZIM_PRECISION_BF16, &error));
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "operation 1, linear to [40, 128]"));
  setup_begin (setup, NULL);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/check/cpu", test_cpu);
  g_test_add_func ("/check/vulkan", test_vulkan);
  g_test_add_func ("/check/difference", test_difference);
  return g_test_run ();
}
