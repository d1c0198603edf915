/* test-faults.c: a Vulkan device that fails anywhere is told of, and computes again
 *
 * Each function that can fail is made to, at its first call, its second and so on until a run needs no further one. The
 * validation layer tells what was not given back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-backend-private.h"
#include "op-setup.h"
#include "test-faults.h"
#include "test-vulkan.h"
#include "zim-device.h"
#include "zim-error.h"

#define WIDTH 64

typedef struct {
  const char *function;
  VkResult    result;
  ZimError    error;
} Fault;

static const Fault faults[] = {
  { "CreateDevice", VK_ERROR_INITIALIZATION_FAILED, ZIM_ERROR_DEVICE },
  { "CreateCommandPool", VK_ERROR_OUT_OF_DEVICE_MEMORY, ZIM_ERROR_OUT_OF_MEMORY },
  { "CreateSemaphore", VK_ERROR_OUT_OF_HOST_MEMORY, ZIM_ERROR_OUT_OF_MEMORY },
  { "CreatePipelineLayout", VK_ERROR_OUT_OF_HOST_MEMORY, ZIM_ERROR_OUT_OF_MEMORY },
  { "CreatePipelineCache", VK_ERROR_OUT_OF_DEVICE_MEMORY, ZIM_ERROR_OUT_OF_MEMORY },
  { "CreateShaderModule", VK_ERROR_OUT_OF_HOST_MEMORY, ZIM_ERROR_OUT_OF_MEMORY },
  { "CreateComputePipelines", VK_ERROR_OUT_OF_DEVICE_MEMORY, ZIM_ERROR_OUT_OF_MEMORY },
  { "AllocateMemory", VK_ERROR_OUT_OF_DEVICE_MEMORY, ZIM_ERROR_OUT_OF_MEMORY },
  { "MapMemory", VK_ERROR_MEMORY_MAP_FAILED, ZIM_ERROR_OUT_OF_MEMORY },
  { "AllocateCommandBuffers", VK_ERROR_OUT_OF_DEVICE_MEMORY, ZIM_ERROR_OUT_OF_MEMORY },
  { "EndCommandBuffer", VK_ERROR_OUT_OF_DEVICE_MEMORY, ZIM_ERROR_OUT_OF_MEMORY },
  { "QueueSubmit", VK_ERROR_DEVICE_LOST, ZIM_ERROR_DEVICE },
  { "WaitSemaphores", VK_ERROR_DEVICE_LOST, ZIM_ERROR_DEVICE },
};

/* y = silu (w₁ · x + b), then w₂ · y: weights that are streamed, through staging memory */
typedef struct {
  Setup         *setup;
  ZimVkBackend  *backend;
  ZimExecutable *executable;
} Fixture;

static void
build (Fixture *fixture)
{
  Setup *setup = fixture->setup;
  const gint64 dims[] = { WIDTH, WIDTH };
  const ZimWeight *first, *second, *bias;
  ZimTensor *y;

  setup_begin (setup, ZIM_BACKEND (fixture->backend));
  first = setup_weight (setup, ZIM_DTYPE_BF16, 0, 1, 2, dims);
  second = setup_weight (setup, ZIM_DTYPE_F16, 0, 1, 2, dims);
  bias = setup_vector (setup, ZIM_DTYPE_F32, 1, WIDTH);
  y = zim_program_linear (setup->program, setup_input (setup, 5, WIDTH, 1), &first, &bias, 1, 1);
  y = zim_program_linear (setup->program, zim_program_silu (setup->program, y), &second, NULL, 1, 1);
  setup_output (setup, y);
}

static void
stream_weights (Fixture *fixture)
{
  ZimBackend *backend = ZIM_BACKEND (fixture->backend);
  g_autoptr(GPtrArray) executables = g_ptr_array_new ();
  ZimNeeds needs = { .arena = zim_executable_get_arena_size (fixture->executable) };
  ZimPlacement placement;

  g_ptr_array_add (executables, fixture->executable);
  zim_backend_measure (backend, executables, &needs);
  placement = (ZimPlacement) { 0, needs.window };
  zim_backend_place (backend, 0, executables, &placement);
}

/* From where it stands: with a new backend, or with one that has failed before */
static GBytes *
run (Fixture  *fixture,
     GError  **error)
{
  if (fixture->backend == NULL)
    {
      fixture->backend = ZIM_VK_BACKEND (zim_vk_backend_new ((guint) test_vulkan_find (), error));
      if (fixture->backend == NULL)
        return NULL;
      fixture->backend->device->rate = 1e12;
      zim_backend_set_budget (ZIM_BACKEND (fixture->backend), G_MAXUINT64); /* blocks of just their size */
    }
  if (fixture->executable == NULL)
    {
      build (fixture);
      fixture->executable = setup_compile (fixture->setup, ZIM_PRECISION_F32);
      stream_weights (fixture);
    }
  if (!setup_run (fixture->setup, fixture->executable, NULL, error))
    return NULL;
  return g_bytes_new (setup_result (fixture->setup, 0), 5 * WIDTH * sizeof (float));
}

static void
close_backend (Fixture *fixture)
{
  g_clear_object (&fixture->executable);
  g_clear_object (&fixture->backend);
}

static void
check_error (const Fault  *fault,
             const GError *error)
{
  g_assert_error (error, ZIM_ERROR, (int) fault->error);
  if (fault->error == ZIM_ERROR_OUT_OF_MEMORY)
    g_assert_nonnull (strstr (error->message, "or choose “cpu”"));
}

/* A device that was lost stays so; everything else goes on as if nothing had been. */
static void
check_again (Fixture      *fixture,
             const Fault  *fault,
             GBytes       *expected)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = NULL;

  if (fault->result == VK_ERROR_DEVICE_LOST)
    {
      g_assert_null (run (fixture, &error));
      g_assert_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE);
      g_clear_error (&error);
      close_backend (fixture);
    }
  bytes = run (fixture, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (bytes, expected));
}

/* Returns whether there was an nth call. */
static gboolean
check_fault (Fixture     *fixture,
             const Fault *fault,
             guint        nth,
             GBytes      *expected)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = NULL;
  gboolean has_struck;

  faults_arm (fault->function, nth, fault->result);
  bytes = run (fixture, &error);
  has_struck = faults_disarm ();
  g_assert_cmpint (has_struck, ==, bytes == NULL);
  if (has_struck)
    check_error (fault, error);
  if (nth == 1)
    g_test_message ("%s: %s", fault->function, error->message);
  if (has_struck)
    check_again (fixture, fault, expected);
  else
    g_assert_true (g_bytes_equal (bytes, expected));
  close_backend (fixture);
  return has_struck;
}

static void
test_everywhere (void)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(GBytes) expected = NULL;
  g_autoptr(GError) error = NULL;
  Fixture fixture = { .setup = setup };

  if (test_vulkan_find () < 0)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return;
    }
  g_setenv ("ZIM_DISABLE", "mapping,cache", TRUE);
  expected = run (&fixture, &error);
  g_assert_no_error (error);
  close_backend (&fixture);
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      guint n = 1;

      while (check_fault (&fixture, &faults[i], n, expected))
        n++;
      g_test_message ("%s: %u calls", faults[i].function, n - 1);
      g_assert_cmpuint (n, >, 1);
    }
  g_unsetenv ("ZIM_DISABLE");
}

/* What was written to a state in vain is missed by whoever reads it, and not taken for zeros, until it is written. */
static void
test_state (void)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimBackend) backend = test_vulkan_open ();
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GError) error = NULL;
  ZimTensor *state;

  if (backend == NULL)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return;
    }
  setup_begin (setup, backend);
  faults_arm ("AllocateMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
  state = setup_state (setup, 5, WIDTH);
  g_assert_true (faults_disarm ());
  setup_output (setup, zim_program_affine (setup->program, state, 2, 0));
  executable = setup_compile (setup, ZIM_PRECISION_F32);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_false (setup_run (setup, executable, NULL, &error));
      g_assert_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY);
      g_clear_error (&error);
    }
  zim_state_write (state->state, setup_values (setup, state));
  setup_run (setup, executable, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 5 * WIDTH; i++)
    g_assert_cmpfloat (setup_result (setup, 0)[i], ==, 2 * setup_values (setup, state)[i]);
  g_clear_object (&executable);
  g_ptr_array_set_size (setup->states, 0);
}

/* In a process of its own, as the library is found once in each. */
static void
test_no_loader (void)
{
  g_autoptr(ZimDevice) best = NULL, chosen = NULL;
  g_autoptr(GError) error = NULL;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
      g_test_trap_assert_passed ();
      return;
    }
  faults_hide_loader (TRUE);
  g_assert_null (zim_vk_list (&error));
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE);
  g_assert_nonnull (strstr (error->message, "libvulkan1"));
  g_clear_error (&error);
  g_assert_null (zim_device_find ("vulkan", &error));
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE);
  g_assert_nonnull (strstr (error->message, "libvulkan1"));
  g_clear_error (&error);
  best = zim_device_find (NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (zim_device_get_id (best), ==, "cpu");
  /* Installed meanwhile */
  faults_hide_loader (FALSE);
  if (test_vulkan_find () >= 0)
    {
      chosen = zim_device_find ("vulkan:0", &error);
      g_assert_no_error (error);
      g_assert_cmpint (zim_device_get_kind (chosen), ==, ZIM_DEVICE_KIND_VULKAN);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/faults/everywhere", test_everywhere);
  g_test_add_func ("/faults/state", test_state);
  g_test_add_func ("/faults/no-loader", test_no_loader);
  return g_test_run ();
}
