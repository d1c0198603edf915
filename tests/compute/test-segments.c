/* test-segments.c: how much is done between two looks at the cancellable, for the shapes of the published model
 *
 * Nothing is computed here: kernels that only count are cancelled at some product, and what they count from there to
 * the end of the run is what is done before a thread looks again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <sys/mman.h>
#include <time.h>

#include "op-spy.h"

#define MAX_SECONDS 0.1

typedef struct {
  const char *name;
  void      (*build) (ZimProgram *program);
} Shape;

/* All inputs and weights are the same zeros, which take no memory, and all outputs too, as nobody writes. */
#define ZEROS_SIZE ((gsize) 4 << 30)
static const guint8 *zeros;

static ZimTensor *
add_input (ZimProgram *program,
           gint64      rows,
           gint64      cols)
{
  g_assert_cmpuint ((gsize) rows * cols * sizeof (float), <=, ZEROS_SIZE);
  return zim_program_input (program, "x", ZIM_DTYPE_F32, rows, cols);
}

static void
build_linear (ZimProgram *program,
              gint64      rows,
              gint64      k,
              gint64      n,
              ZimWeight  *weight)
{
  *weight = (ZimWeight) { "weight", ZIM_DTYPE_BF16, 2, { n, k }, zeros, n * k * 2 };
  zim_program_output (program, zim_program_linear (program, add_input (program, rows, k),
                                                   (const ZimWeight *[]) { weight }, NULL, 1, 1), "y");
}

static void
build_up (ZimProgram *program)
{
  static ZimWeight weight;

  build_linear (program, 4160, 3840, 10240, &weight);
}

static void
build_down (ZimProgram *program)
{
  static ZimWeight weight;

  build_linear (program, 4160, 10240, 3840, &weight);
}

static void
build_one_row (ZimProgram *program)
{
  static ZimWeight weight;

  build_linear (program, 1, 3840, 15360, &weight);
}

static void
build_attention (ZimProgram *program,
                 gint64      rows,
                 guint       n_heads,
                 guint       head_dim,
                 gboolean    causal)
{
  ZimTensor *q = add_input (program, rows, n_heads * head_dim), *k = add_input (program, rows, head_dim);
  ZimTensor *v = add_input (program, rows, head_dim);

  zim_program_output (program, zim_program_attention (program, q, k, v, n_heads, 1, head_dim, causal, NULL, 0), "y");
}

static void
build_joint_attention (ZimProgram *program)
{
  build_attention (program, 4160, 30, 128, FALSE);
}

static void
build_long_causal_attention (ZimProgram *program)
{
  build_attention (program, 4096, 4, 128, TRUE);
}

/* Of the autoencoder: one head over all positions of the latents of 1024² pixels */
static void
build_wide_attention (ZimProgram *program)
{
  build_attention (program, 16384, 1, 512, FALSE);
}

static void
build_conv (ZimProgram *program,
            gint64      in,
            gint64      out,
            gint64      side,
            ZimWeight  *weight)
{
  ZimTensor *x = add_input (program, side * side, in);

  *weight = (ZimWeight) { "weight", ZIM_DTYPE_BF16, 4, { out, in, 3, 3 }, zeros, out * in * 9 * 2 };
  zim_program_output (program, zim_program_conv2d (program, x, weight, NULL, side, side, 1, 1, FALSE), "y");
}

static void
build_wide_conv (ZimProgram *program)
{
  static ZimWeight weight;

  build_conv (program, 512, 512, 1024, &weight);
}

static void
build_last_conv (ZimProgram *program)
{
  static ZimWeight weight;

  build_conv (program, 128, 3, 1024, &weight);
}

static const Shape shapes[] = {
  { "linear-3840-to-10240", build_up },
  { "linear-10240-to-3840", build_down },
  { "linear-of-one-row", build_one_row },
  { "attention-4160x128", build_joint_attention },
  { "attention-4096x128-causal", build_long_causal_attention },
  { "attention-16384x512", build_wide_attention },
  { "conv-512-to-512", build_wide_conv },
  { "conv-128-to-3", build_last_conv },
};

typedef struct {
  const ZimCpuKernels *kernels;
  const Shape         *shape;
  ZimPrecision         precision;
} Segment;

/* Operations a second of one thread's processor time: other processes do not count. */
static double
measure_peak (const ZimCpuKernels *kernels,
              ZimOperand           operand)
{
  double best = 0;

  for (guint i = 0; i < 5; i++)
    {
      struct timespec start, end;
      double flops;

      clock_gettime (CLOCK_THREAD_CPUTIME_ID, &start);
      flops = kernels->spin (operand, 200000);
      clock_gettime (CLOCK_THREAD_CPUTIME_ID, &end);
      best = MAX (best, flops / ((end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec) / 1e9));
    }
  return best;
}

static double
get_peak (const Segment *segment)
{
  static GHashTable *peaks; /* of double, by kernels and precision */
  gpointer key = (guint8 *) segment->kernels + segment->precision;
  ZimOperand operand = ZIM_OPERAND_F32;
  double *peak;

  if (peaks == NULL)
    peaks = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  peak = g_hash_table_lookup (peaks, key);
  if (peak == NULL)
    {
      if (segment->precision == ZIM_PRECISION_BF16 && segment->kernels->has_bf16_dot)
        operand = ZIM_OPERAND_BF16;
      peak = g_new (double, 1);
      *peak = measure_peak (segment->kernels, operand);
      g_hash_table_insert (peaks, key, peak);
    }
  return *peak;
}

static void
cancel_cb (gpointer data,
           gpointer user_data)
{
  g_cancellable_cancel (user_data);
}

/* Runs until the count comes to `at`, then cancels: what is counted by the end */
static guint64
run_until (const Segment *segment,
           guint          n_threads,
           guint64        at)
{
  g_autoptr(ZimBackend) backend = zim_cpu_backend_new (spy_kernels (segment->kernels), n_threads, NULL);
  g_autoptr(ZimProgram) program = zim_program_new ("shape");
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  g_autoptr(GArray) bindings = g_array_new (FALSE, FALSE, sizeof (ZimBinding));
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GError) error = NULL;
  GPtrArray *tensors;

  segment->shape->build (program);
  tensors = zim_program_get_tensors (program);
  for (guint i = 0; i < tensors->len; i++)
    {
      ZimBinding binding = { g_ptr_array_index (tensors, i), (gpointer) zeros };

      g_array_append_val (bindings, binding);
    }
  executable = zim_backend_compile (backend, program, segment->precision, &error);
  g_assert_no_error (error);
  spy_start (TRUE, at, cancel_cb, cancellable);
  zim_executable_run (executable, (const ZimBinding *) bindings->data, bindings->len, cancellable, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  return spy_get_flops ();
}

static double
planned_flops (const Segment *segment)
{
  g_autoptr(ZimProgram) program = zim_program_new ("shape");

  segment->shape->build (program);
  return zim_program_get_flops (program);
}

static void
test_segment (gconstpointer data)
{
  const Segment *segment = data;
  double peak = get_peak (segment), all = planned_flops (segment), most = 0;

  if (segment->precision == ZIM_PRECISION_F32 && !spy_has_blas ())
    {
      g_test_skip ("OpenBLAS is linked in and its products cannot be counted");
      return;
    }
  /* From the first product on it is a whole segment; elsewhere what is left of one. */
  for (guint i = 0; i < 4; i++)
    {
      guint64 at = (guint64) (all * i / 5);

      most = MAX (most, (double) run_until (segment, 1, at) - at);
    }
  g_test_message ("%.3g GFLOP of %.4g at a peak of %.4g GFLOP/s: %.3g s", most / 1e9, all / 1e9, peak / 1e9,
                  most / peak);
  g_assert_cmpfloat (most, >, 0);
  g_assert_cmpfloat (most / peak, <=, MAX_SECONDS);
  /* Each of several threads finishes what it has begun. */
  g_assert_cmpfloat (run_until (segment, 2, 0), <=, 2 * most);
}

/* What was counted are all operations, or the check above would say nothing: as many as planned but for whole
 * panels. */
static void
test_counts (void)
{
  const ZimCpuKernels *kernels = zim_cpu_kernels_list ()[0];
  const Shape *counted[] = { &shapes[0], &shapes[3], &shapes[7] };

  for (guint i = 0; i < G_N_ELEMENTS (counted); i++)
    {
      Segment segment = { kernels, counted[i], ZIM_PRECISION_BF16 };
      double all = planned_flops (&segment);
      double done = run_until (&segment, 1, (guint64) (all * 0.999));

      g_assert_cmpfloat (done / all, >=, 0.99);
      g_assert_cmpfloat (done / all, <=, 1.1);
    }
}

static void
add_tests (GPtrArray           *segments,
           const ZimCpuKernels *kernels)
{
  static const char *const precisions[] = { "auto", "f32", "bf16", "f16" };

  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (ZimPrecision precision = ZIM_PRECISION_F32; precision <= ZIM_PRECISION_BF16; precision++)
      {
        Segment *segment = g_new (Segment, 1);
        g_autofree char *path = g_strdup_printf ("/segments/%s/cpu-%s/%s", shapes[i].name, kernels->name,
                                                 precisions[precision]);

        *segment = (Segment) { kernels, &shapes[i], precision };
        g_ptr_array_add (segments, segment);
        g_test_add_data_func (path, segment, test_segment);
      }
}

int
main (int    argc,
      char **argv)
{
  g_autoptr(GPtrArray) segments = g_ptr_array_new_with_free_func (g_free);
  const ZimCpuKernels *const *list = zim_cpu_kernels_list ();

  zeros = mmap (NULL, ZEROS_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  g_assert_true (zeros != MAP_FAILED);
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; list[i] != NULL; i++)
    add_tests (segments, list[i]);
  g_test_add_func ("/segments/counts", test_counts);
  return g_test_run ();
}
