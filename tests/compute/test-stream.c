/* test-stream.c: weights that come to a Vulkan device while it computes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-backend-private.h"
#include "op-setup.h"
#include "test-vulkan.h"

#define N_LAYERS 12
#define WIDTH 96

typedef struct {
  ZimVkBackend  *backend;    /* NULL on a machine without Vulkan's loader */
  Setup         *setup;
  ZimExecutable *executable;
  GPtrArray     *executables;
  ZimNeeds       needs;
  GBytes        *expected;   /* without a placement */
} Fixture;

/* y = x + w₁ · n + w₂ · n + b,  n = norm (x): matrices side by side, of numbers and of codes, and vectors */
static ZimTensor *
add_layer (Setup     *setup,
           ZimTensor *x)
{
  ZimProgram *program = setup->program;
  const gint64 dims[] = { WIDTH, WIDTH };
  const ZimWeight *weights[] = { setup_weight (setup, ZIM_DTYPE_BF16, 0, 0.1, 2, dims),
                                 setup_weight (setup, ZIM_DTYPE_Q8_0, 0, 0.1, 2, dims) };
  const ZimWeight *biases[] = { setup_vector (setup, ZIM_DTYPE_F32, 1, WIDTH), NULL };
  ZimTensor *y = zim_program_rms_norm (program, x, setup_vector (setup, ZIM_DTYPE_F32, 1, WIDTH), 0, 1e-5f, NULL, NULL,
                                       0);

  y = zim_program_linear (program, y, weights, biases, 2, 1);
  y = zim_program_add (program, zim_program_cols (program, y, 0, WIDTH), zim_program_cols (program, y, WIDTH, WIDTH));
  return zim_program_add (program, x, y);
}

static GBytes *
run_once (Fixture *fixture)
{
  g_autoptr(GError) error = NULL;

  setup_run (fixture->setup, fixture->executable, NULL, &error);
  g_assert_no_error (error);
  return g_bytes_new (setup_result (fixture->setup, 0),
                      zim_tensor_size (g_ptr_array_index (fixture->setup->outputs, 0)));
}

static void
assert_run (Fixture *fixture)
{
  g_autoptr(GBytes) bytes = run_once (fixture);

  g_assert_true (g_bytes_equal (bytes, fixture->expected));
}

static void
set_up (Fixture       *fixture,
        gconstpointer  disabled)
{
  ZimTensor *x;

  fixture->setup = setup_new ();
  if (disabled != NULL)
    g_setenv ("ZIM_DISABLE", disabled, TRUE);
  if (test_vulkan_find () < 0)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return;
    }
  fixture->backend = ZIM_VK_BACKEND (test_vulkan_open ());
  fixture->backend->device->rate = 1e12;
  zim_backend_set_budget (ZIM_BACKEND (fixture->backend), G_MAXUINT64);
  setup_begin (fixture->setup, ZIM_BACKEND (fixture->backend));
  x = setup_input (fixture->setup, 40, WIDTH, 1);
  for (guint i = 0; i < N_LAYERS; i++)
    x = add_layer (fixture->setup, x);
  setup_output (fixture->setup, x);
  fixture->executable = setup_compile (fixture->setup, ZIM_PRECISION_F32);
  fixture->executables = g_ptr_array_new ();
  g_ptr_array_add (fixture->executables, fixture->executable);
  fixture->expected = run_once (fixture);
  zim_backend_measure (ZIM_BACKEND (fixture->backend), fixture->executables, &fixture->needs);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  disabled)
{
  g_clear_pointer (&fixture->executables, g_ptr_array_unref);
  g_clear_pointer (&fixture->expected, g_bytes_unref);
  g_clear_object (&fixture->executable);
  setup_free (fixture->setup);
  if (fixture->backend != NULL)
    g_assert_finalize_object (fixture->backend);
  g_unsetenv ("ZIM_DISABLE");
}

/* A budget with room for so much of the weights beside the window */
static guint64
place (Fixture *fixture,
       gsize    resident,
       gsize    window)
{
  ZimBackend *backend = ZIM_BACKEND (fixture->backend);
  const ZimNeeds *needs = &fixture->needs;
  const ZimPlacement placement = { resident, window };
  guint64 budget = needs->arena + needs->own + needs->states + needs->staging + resident + window;
  g_autoptr(GError) error = NULL;

  zim_backend_place (backend, 0, fixture->executables, &placement);
  zim_backend_set_budget (backend, budget);
  zim_backend_enter (backend, 0, needs, &error);
  g_assert_no_error (error);
  return budget;
}

static guint
count_streamed (Fixture *fixture)
{
  g_autoptr(GHashTable) seen = g_hash_table_new (NULL, NULL);
  g_autoptr(GPtrArray) packings = g_ptr_array_new ();
  guint n = 0;

  zim_vk_executable_list_packings (fixture->executable, packings, seen);
  for (guint i = 0; i < packings->len; i++)
    n += ((ZimVkPacking *) g_ptr_array_index (packings, i))->streams ? 1 : 0;
  return n;
}

/* From none of the weights at home, each operation's coming alone, to all but a layer's; in few segments and in many;
 * and nothing beyond the budget. */
static void
test_budgets (Fixture       *fixture,
              gconstpointer  disabled)
{
  const ZimNeeds *needs = &fixture->needs;
  const gsize all = needs->weights, layer = all / N_LAYERS;
  const gsize placements[][2] = {
    { 0, needs->window }, { 0, 4 * layer }, { all / 2, needs->window }, { all / 2, all / 4 },
    { all - layer, needs->window }, { all, 0 }, { 0, needs->window },
  };

  if (fixture->backend == NULL)
    return;
  for (double rate = 1e12; rate >= 1e6; rate /= 1e6)
    for (guint i = 0; i < G_N_ELEMENTS (placements); i++)
      {
        guint64 budget = place (fixture, placements[i][0], placements[i][1]), before;
        guint n_streamed = count_streamed (fixture);

        fixture->backend->device->rate = rate;
        assert_run (fixture);
        before = fixture->backend->device->compute.submitted;
        assert_run (fixture);
        g_test_message ("%" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " bytes stay, a window of %" G_GSIZE_FORMAT
                        " for %u: %u submissions", placements[i][0], all, placements[i][1], n_streamed,
                        (guint) (fixture->backend->device->compute.submitted - before));
        g_assert_cmpuint (zim_backend_get_peak (ZIM_BACKEND (fixture->backend)), <=, budget);
        g_assert_cmpint (n_streamed > 0, ==, placements[i][0] < all);
        g_assert_cmpint (n_streamed == 3 * N_LAYERS, ==, placements[i][0] == 0);
      }
}

static gpointer
cancel_after (gpointer cancellable)
{
  g_usleep ((gulong) g_test_rand_int_range (0, 20000));
  g_cancellable_cancel (cancellable);
  return NULL;
}

/* Wherever it is cancelled, nothing of it disturbs the next run. */
static void
test_cancel (Fixture       *fixture,
             gconstpointer  disabled)
{
  guint n_cancelled = 0;

  if (fixture->backend == NULL)
    return;
  fixture->backend->device->rate = 1e6;
  place (fixture, 0, fixture->needs.window);
  for (guint i = 0; i < 30; i++)
    {
      g_autoptr(GCancellable) cancellable = g_cancellable_new ();
      g_autoptr(GError) error = NULL;
      GThread *thread = g_thread_new ("cancel", cancel_after, cancellable);

      if (!setup_run (fixture->setup, fixture->executable, cancellable, &error))
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
          n_cancelled++;
        }
      assert_run (fixture);
      g_thread_join (thread);
    }
  g_test_message ("%u cancelled", n_cancelled);
  g_assert_cmpuint (n_cancelled, >, 0);
}

/* What a copy of the weights was made from is read again each time. */
static void
test_upload (Fixture       *fixture,
             gconstpointer  disabled)
{
  g_autoptr(GBytes) bytes = NULL;
  const ZimWeight *weight;
  guint8 byte;

  if (fixture->backend == NULL)
    return;
  weight = ((ZimOp *) g_ptr_array_index (zim_program_get_ops (fixture->setup->program), 1))->linear.weights[0];
  place (fixture, 0, fixture->needs.window);
  assert_run (fixture);
  byte = weight->data[1];
  ((guint8 *) weight->data)[1] ^= 0x80;
  bytes = run_once (fixture);
  g_assert_false (g_bytes_equal (bytes, fixture->expected));
  ((guint8 *) weight->data)[1] = byte;
  assert_run (fixture);
}

#define ADD(name, disabled, func) g_test_add ("/stream/" name, Fixture, disabled, set_up, func, tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("mapped/budgets", NULL, test_budgets);
  ADD ("mapped/cancel", NULL, test_cancel);
  ADD ("mapped/upload", NULL, test_upload);
  ADD ("staged/budgets", "mapping", test_budgets);
  ADD ("staged/cancel", "mapping", test_cancel);
  ADD ("staged/upload", "mapping", test_upload);
  return g_test_run ();
}
