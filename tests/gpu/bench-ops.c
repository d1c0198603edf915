/* bench-ops.c: how fast a device makes products, attention and convolutions of the model's sizes
 *
 * Usage: bench-ops DEVICE PRECISION [DIVISOR]
 *
 * A line of JSON for each. The time of one operation is that by which a program with several takes longer than one
 * with a single one: nothing is copied to the device meanwhile, and what a run costs anyway drops out. DIVISOR makes
 * rows and columns smaller, to try the program itself on a slow device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <locale.h>

#include "compute/zim-backend-private.h"
#include "zim-device-private.h"
#include "zimage.h"

#define MORE 8   /* operations beyond the first */
#define RUNS 5   /* the best counts */
#define LONG 2.0 /* seconds of a run, after which no other follows */

typedef enum { LINEAR, ATTENTION, CONV } Kind;

static const char *const kinds[] = { "linear", "attention", "conv" };

/* Rows × k → cols; k heads of cols columns; or rows² pixels, k → cols channels */
typedef struct {
  const char *name;
  Kind        kind;
  guint       rows;
  guint       k;
  guint       cols;
} Bench;

/* A picture of 1024 × 1024 with a prompt of 32 tokens */
static const Bench benches[] = {
  { "transformer qkv", LINEAR, 4128, 3840, 11520 },
  { "transformer out", LINEAR, 4128, 3840, 3840 },
  { "transformer w1 w3", LINEAR, 4128, 3840, 20480 },
  { "transformer w2", LINEAR, 4128, 10240, 3840 },
  { "text qkv", LINEAR, 64, 2560, 6144 },
  { "text gate up", LINEAR, 64, 2560, 19456 },
  { "text down", LINEAR, 64, 9728, 2560 },
  { "transformer", ATTENTION, 4128, 30, 128 },
  { "autoencoder", ATTENTION, 16384, 1, 512 },
  { "512 channels, 256x256", CONV, 256, 512, 512 },
  { "256 channels, 512x512", CONV, 512, 256, 256 },
  { "128 channels, 1024x1024", CONV, 1024, 128, 128 },
};

typedef struct {
  ZimBackend  *backend;
  ZimPrecision precision;
  guint16     *numbers;   /* random, bf16: of all weights */
  guint        divisor;
} Setting;

#define MAX_NUMBERS ((gsize) 20480 * 10240)

static void
fill_numbers (guint16 *numbers)
{
  guint64 state = 88172645463325252u;

  for (gsize i = 0; i < MAX_NUMBERS; i++)
    {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      numbers[i] = (guint16) (0x3c00 | (state & 0x80ff)); /* ± 2⁻⁷ … 2⁻⁵ */
    }
}

static ZimWeight
make_weight (const Setting *setting,
             const char    *name,
             guint          n_dims,
             const gint64  *dims)
{
  ZimWeight weight = { name, ZIM_DTYPE_BF16, n_dims };
  gsize n = 1;

  for (guint i = 0; i < n_dims; i++)
    {
      weight.dims[i] = dims[i];
      n *= (gsize) dims[i];
    }
  g_assert (n <= MAX_NUMBERS);
  weight.data = (const guint8 *) setting->numbers;
  weight.size = n * sizeof (guint16);
  return weight;
}

/* Of rows or columns */
static guint
divide (const Setting *setting,
        guint          n)
{
  return MAX (32, n / setting->divisor / 32 * 32);
}

static ZimTensor *
add_op (const Bench     *bench,
        ZimProgram      *program,
        ZimTensor       *x,
        const ZimWeight *weight,
        guint            side)
{
  guint width = (guint) x->cols / 3, head_dim = bench->cols;

  switch (bench->kind)
    {
    case LINEAR:
      return zim_program_linear (program, x, &weight, NULL, 1, 1);
    case ATTENTION:
      return zim_program_attention (program, zim_program_cols (program, x, 0, width),
                                    zim_program_cols (program, x, width, width),
                                    zim_program_cols (program, x, 2 * width, width),
                                    width / head_dim, width / head_dim, head_dim, FALSE, NULL, 0);
    case CONV:
    default:
      return zim_program_conv2d (program, x, weight, NULL, side, side, 1, 1, FALSE);
    }
}

/* Seconds of a run with that many operations, of which the first row is looked at; flops: of all of them */
static double
time_run (const Setting *setting,
          const Bench   *bench,
          guint          n,
          double        *flops)
{
  g_autoptr(ZimProgram) program = zim_program_new ("bench");
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree ZimBinding *bindings = g_new0 (ZimBinding, n);
  g_autofree float *results = NULL;
  guint side = bench->kind == CONV ? divide (setting, bench->rows) : 0;
  gint64 rows = bench->kind == CONV ? (gint64) side * side : divide (setting, bench->rows);
  gint64 k = bench->kind != ATTENTION ? divide (setting, bench->k) : MAX (1, bench->k / setting->divisor);
  gint64 cols = bench->kind != ATTENTION ? divide (setting, bench->cols) : bench->cols;
  gint64 width = bench->kind == ATTENTION ? 3 * k * cols : k;
  gint64 out_cols = bench->kind == ATTENTION ? k * cols : cols;
  ZimWeight row = make_weight (setting, "row", 1, &width);
  ZimWeight weight = make_weight (setting, "weight", bench->kind == CONV ? 4 : 2, (const gint64[]) { cols, k, 3, 3 });
  double best = 0, seconds[RUNS];
  guint n_runs = 0;
  gint64 start;
  ZimTensor *x = zim_program_repeat_row (program, &row, rows);

  /* From a norm, as nearly all of the model's: products get it as they do there. */
  if (bench->kind != ATTENTION)
    x = zim_program_rms_norm (program, x, NULL, 0, 1e-5f, NULL, NULL, 0);
  results = g_new0 (float, n * out_cols);
  for (guint i = 0; i < n; i++)
    {
      ZimTensor *y = zim_program_rows (program, add_op (bench, program, x, &weight, side), 0, 1);
      g_autofree char *name = g_strdup_printf ("y%u", i);

      zim_program_output (program, y, name);
      bindings[i] = (ZimBinding) { y, results + i * out_cols };
    }
  *flops = zim_program_get_flops (program);
  executable = zim_backend_compile (setting->backend, program, setting->precision, &error);
  g_assert_no_error (error);
  zim_executable_run (executable, bindings, n, NULL, &error); /* uploads, compiles */
  g_assert_no_error (error);
  do
    {
      start = g_get_monotonic_time ();
      zim_executable_run (executable, bindings, n, NULL, &error);
      g_assert_no_error (error);
      seconds[n_runs] = (g_get_monotonic_time () - start) / 1e6;
      best = n_runs == 0 ? seconds[0] : MIN (best, seconds[n_runs]);
    }
  while (++n_runs < RUNS && best < LONG);
  return best;
}

static void
run_bench (const Setting *setting,
           const Bench   *bench)
{
  double one_flops, all_flops;
  double one = time_run (setting, bench, 1, &one_flops), all = time_run (setting, bench, 1 + MORE, &all_flops);
  double seconds = MAX (all - one, 1e-9) / MORE, flops = (all_flops - one_flops) / MORE;

  g_print ("{\"op\": \"%s\", \"name\": \"%s\", \"gflop\": %.3f, \"ms\": %.4f, \"tflops\": %.3f}\n", kinds[bench->kind],
           bench->name, flops / 1e9, seconds * 1e3, flops / seconds / 1e12);
  zim_backend_trim (setting->backend);
}

int
main (int    argc,
      char **argv)
{
  g_autoptr(GEnumClass) class = g_type_class_ref (ZIM_TYPE_PRECISION);
  GEnumValue *value = argc > 2 ? g_enum_get_value_by_nick (class, argv[2]) : NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimDevice) device = NULL;
  g_autoptr(ZimBackend) backend = NULL;
  g_autofree guint16 *numbers = NULL;
  Setting setting = { NULL };

  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C"); /* of JSON */
  if (value == NULL)
    {
      g_printerr ("Usage: bench-ops DEVICE PRECISION [DIVISOR]\n");
      return 2;
    }
  device = zim_device_find (argv[1], &error);
  backend = device != NULL ? _zim_device_create_backend (device, &error) : NULL;
  if (backend == NULL)
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }
  numbers = g_new (guint16, MAX_NUMBERS);
  fill_numbers (numbers);
  setting = (Setting) {
    backend, value->value != ZIM_PRECISION_AUTO ? (ZimPrecision) value->value : zim_device_get_precision (device),
    numbers, argc > 3 ? (guint) MAX (1, atoi (argv[3])) : 1,
  };
  for (guint i = 0; i < G_N_ELEMENTS (benches); i++)
    run_bench (&setting, &benches[i]);
  return 0;
}
