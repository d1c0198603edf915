/* bench-weights.c: how much longer the products of a transformer layer take with weights of each type than with bf16
 *
 * Usage: bench-weights PRECISION ROWS [TYPE…]
 *
 * CPU time of all threads on the tier of ZIM_CPU: medians of runs that alternate with those of bf16.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <time.h>

#include "compute/cpu/zim-cpu-private.h"
#include "op-setup.h"
#include "zim-enum-types.h"

#define DIM 3840
#define HIDDEN 10240
#define PATTERN 16   /* rows of a weight that are random; the others repeat them */
#define RUNS 5
#define SHORT 0.1    /* seconds that a run takes at least, of one layer or more */

/* A layer's weights, each in memory of its own: the products of one find nothing of another in the cache. */
static const gint64 shapes[][2] = {
  { DIM, DIM }, { DIM, DIM }, { DIM, DIM }, { DIM, DIM }, { HIDDEN, DIM }, { HIDDEN, DIM }, { DIM, HIDDEN },
};

#define N_WEIGHTS G_N_ELEMENTS (shapes)

typedef struct {
  const ZimCpuKernels *kernels;
  ZimBackend          *backend;
  ZimPrecision         precision;
  gint64               rows;
} Bench;

typedef struct {
  Setup         *setup;
  ZimWeight      weights[N_WEIGHTS];
  ZimExecutable *executable;
  guint          n; /* layers to a run */
  double         flops;
} Layer;

static guint8 *
repeat (const guint8 *bytes,
        gsize         size,
        gsize         n)
{
  guint8 *result = g_malloc (size * n);

  for (gsize i = 0; i < n; i++)
    memcpy (result + i * size, bytes, size);
  return result;
}

static void
make_weight (Setup        *setup,
             ZimDType      dtype,
             const gint64 *shape,
             ZimWeight    *weight)
{
  const ZimWeight *pattern = setup_weight (setup, dtype, 0, 0.02, 2, (const gint64[]) { PATTERN, shape[1] });
  gsize n = shape[0] / PATTERN;

  *weight = *pattern;
  weight->dims[0] = shape[0];
  weight->size = pattern->size * n;
  weight->data = repeat (pattern->data, pattern->size, n);
  if (pattern->scales != NULL)
    {
      gsize size = PATTERN * shape[1] / pattern->group * (pattern->biases != NULL ? 2 : 4);

      weight->scales = repeat (pattern->scales, size, n);
      if (pattern->biases != NULL)
        weight->biases = repeat (pattern->biases, size, n);
    }
  /* Of the rotations that files have, the usual one. */
  if (weight->rotation != 0)
    weight->rotation = 256;
}

static double
cpu_seconds (void)
{
  struct timespec time;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double) time.tv_sec + time.tv_nsec / 1e9;
}

/* CPU seconds of one layer */
static double
layer_run (Layer *layer)
{
  g_autoptr(GError) error = NULL;
  double start = cpu_seconds ();

  for (guint i = 0; i < layer->n; i++)
    setup_run (layer->setup, layer->executable, NULL, &error);
  g_assert_no_error (error);
  return (cpu_seconds () - start) / layer->n;
}

static ZimOperand
get_operand (const Bench *bench)
{
  switch (bench->precision)
    {
    case ZIM_PRECISION_BF16:
      return bench->kernels->has_bf16_dot ? ZIM_OPERAND_BF16 : ZIM_OPERAND_BF16_IN_F32;
    case ZIM_PRECISION_F16:
      return ZIM_OPERAND_F16_IN_F32;
    default:
      return ZIM_OPERAND_F32;
    }
}

/* Nanoseconds in which one value becomes an operand, of weights in the cache. */
static double
time_decode (const Bench     *bench,
             const ZimWeight *weight)
{
  g_autofree float *operands = g_new (float, DIM);
  ZimOperand operand = get_operand (bench);
  double start = cpu_seconds (), seconds;
  guint n = 0;

  do
    for (guint i = 0; i < 1000; i++, n++)
      bench->kernels->decode (operand, weight, n % PATTERN * DIM, DIM, operands);
  while ((seconds = cpu_seconds () - start) < SHORT);
  return seconds * 1e9 / DIM / n;
}

static Layer *
layer_new (const Bench *bench,
           ZimDType     dtype)
{
  Layer *layer = g_new0 (Layer, 1);
  const ZimWeight *weights[N_WEIGHTS];
  ZimTensor *x, *hidden;
  ZimProgram *program;

  layer->setup = setup_new ();
  setup_begin (layer->setup, bench->backend);
  program = layer->setup->program;
  for (guint i = 0; i < N_WEIGHTS; i++)
    {
      make_weight (layer->setup, dtype, shapes[i], &layer->weights[i]);
      weights[i] = &layer->weights[i];
    }
  x = setup_input (layer->setup, bench->rows, DIM, 1);
  x = zim_program_cols (program, zim_program_linear (program, x, weights, NULL, 3, 1), 0, DIM);
  x = zim_program_linear (program, x, weights + 3, NULL, 1, 1);
  hidden = zim_program_cols (program, zim_program_linear (program, x, weights + 4, NULL, 2, 1), 0, HIDDEN);
  setup_output (layer->setup, zim_program_linear (program, hidden, weights + 6, NULL, 1, 1));
  layer->flops = zim_program_get_flops (program);
  layer->executable = setup_compile (layer->setup, bench->precision);
  layer->n = 1;
  layer->n = 1 + (guint) (SHORT / layer_run (layer));
  return layer;
}

static void
layer_free (Layer *layer)
{
  g_object_unref (layer->executable);
  for (guint i = 0; i < N_WEIGHTS; i++)
    {
      g_free ((gpointer) layer->weights[i].data);
      g_free ((gpointer) layer->weights[i].scales);
      g_free ((gpointer) layer->weights[i].biases);
    }
  setup_free (layer->setup);
  g_free (layer);
}

static int
compare_doubles (const void *a,
                 const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static double
median (double *values)
{
  qsort (values, RUNS, sizeof *values, compare_doubles);
  return values[RUNS / 2];
}

static void
compare (const Bench *bench,
         Layer       *bf16,
         ZimDType     dtype)
{
  Layer *layer = layer_new (bench, dtype);
  double base[RUNS], own[RUNS], ratios[RUNS];

  for (guint i = 0; i < RUNS; i++)
    {
      base[i] = layer_run (bf16);
      own[i] = layer_run (layer);
      ratios[i] = own[i] / base[i];
    }
  g_print ("%-8s %8.1f ms, %.1f ms bf16: %.3f times; %.0f GFLOP/s; decoded in %.3f ns a value\n",
           zim_dtype_name (dtype), median (own) * 1e3, median (base) * 1e3, median (ratios),
           layer->flops / median (own) / 1e9, time_decode (bench, layer->weights));
  layer_free (layer);
}

static void
compare_named (const Bench  *bench,
               Layer        *bf16,
               char        **names)
{
  for (; *names != NULL; names++)
    {
      g_autofree char *name = g_ascii_strup (*names, -1);
      ZimDType dtype;

      if (zim_dtype_from_name (name, &dtype))
        compare (bench, bf16, dtype);
      else
        g_printerr ("There is no type “%s”\n", *names);
    }
}

static void
compare_all (const Bench *bench,
             Layer       *bf16)
{
  for (ZimDType dtype = ZIM_DTYPE_F16; dtype < ZIM_N_DTYPES; dtype++)
    if (dtype != ZIM_DTYPE_I32)
      compare (bench, bf16, dtype);
}

int
main (int    argc,
      char **argv)
{
  g_autoptr(GEnumClass) class = g_type_class_ref (ZIM_TYPE_PRECISION);
  GEnumValue *precision = argc > 1 ? g_enum_get_value_by_nick (class, argv[1]) : NULL;
  gint64 rows = argc > 2 ? g_ascii_strtoll (argv[2], NULL, 10) : 0;
  g_autoptr(GError) error = NULL;
  const ZimCpuKernels *kernels = zim_cpu_kernels_get (&error);
  g_autoptr(ZimBackend) backend = kernels != NULL ? zim_cpu_backend_new (kernels, 0, &error) : NULL;
  Bench bench = { kernels, backend, ZIM_PRECISION_AUTO, rows };
  Layer *bf16;

  if (precision == NULL || rows <= 0 || backend == NULL)
    {
      g_printerr ("%s\n", error != NULL ? error->message : "Usage: bench-weights PRECISION ROWS [TYPE…]");
      return 2;
    }
  bench.precision = precision->value != ZIM_PRECISION_AUTO ? (ZimPrecision) precision->value
                                                           : zim_cpu_auto_precision (kernels);
  g_print ("%s, %d rows\n", kernels->name, (int) rows);
  bf16 = layer_new (&bench, ZIM_DTYPE_BF16);
  if (argc > 3)
    compare_named (&bench, bf16, argv + 3);
  else
    compare_all (&bench, bf16);
  layer_free (bf16);
  return 0;
}
