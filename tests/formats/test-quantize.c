/* test-quantize.c: what zim_quantize () makes of values
 *
 * Decoding is known to be right (tests/compute/test-weight.c): what is quantized is decoded here and compared.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-quantize-private.h"
#include "zim-error.h"

#include <math.h>

#define ROWS 8
#define COLS 1024
#define N (ROWS * COLS)

typedef struct {
  const char *name;
  double      error; /* root of the mean square, of that of a normal distribution's values, at most */
} Type;

/* A Q4_0 whose scale just reaches the largest value gives 0.0865. */
static const Type types[] = {
  { "fp8", 0.0265 },  { "q8_0", 0.0055 }, { "q4_0", 0.0830 }, { "q4_k", 0.0735 },
  { "q6_k", 0.0180 }, { "int8", 0.0057 }, { "int4", 0.0930 },
};

static ZimWeight
make_weight (const float *values)
{
  return (ZimWeight) { .name = "x.weight", .dtype = ZIM_DTYPE_F32, .n_dims = 2, .dims = { ROWS, COLS },
                       .data = (const guint8 *) values, .size = N * sizeof (float) };
}

static void
round_trip (const Type  *type,
            const float *values,
            float       *decoded)
{
  ZimWeight weight = make_weight (values), result;
  g_autoptr(GError) error = NULL;
  ZimDType dtype;

  g_assert_true (zim_quantize_from_name (type->name, &dtype, NULL));
  g_assert_true (zim_quantize (&weight, dtype, &result, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (result.size, ==, zim_dtype_row_size (dtype, N));
  g_assert_cmpint (result.dims[0], ==, ROWS);
  g_assert_cmpint (result.dims[1], ==, COLS);
  zim_weight_decode (&result, 0, N, decoded);
  zim_quantize_clear (&result);
}

/* Of a normal distribution, by Box and Muller. */
static float
draw_normal (GRand *rand)
{
  return (float) (sqrt (-2 * log (1 - g_rand_double (rand))) * cos (2 * G_PI * g_rand_double (rand)));
}

static double
get_error (const float *values,
           const float *decoded)
{
  double error = 0, norm = 0;

  for (guint i = 0; i < N; i++)
    {
      error += pow ((double) values[i] - decoded[i], 2);
      norm += pow (values[i], 2);
    }
  return sqrt (error / norm);
}

/* From values near the smallest of F16 on to large ones, and rows of quite different sizes beside each other. */
static void
test_error (gconstpointer data)
{
  const Type *type = data;
  g_autofree float *values = g_new (float, N);
  g_autofree float *decoded = g_new (float, N);

  for (int power = -10; power <= 10; power += 5)
    {
      g_autoptr(GRand) rand = g_rand_new_with_seed (1);
      double error;

      for (guint i = 0; i < N; i++)
        values[i] = ldexpf (draw_normal (rand), power);
      round_trip (type, values, decoded);
      error = get_error (values, decoded);
      g_test_message ("2^%d: %.4f", power, error);
      g_assert_cmpfloat (error, <, type->error);
    }
}

/* Values of which the type's codes are multiples, all codes among them: they come back as they were. K-quants choose
 * one scale for several blocks, and do not meet it always. */
static float
get_exact (const char *name,
           guint       i)
{
  static const int e4m3[] = { 448, 416, 384, 352, 320, 288, 256, 240, 30, 28, 13, 1, 0, -1, -22, -448 };

  if (strcmp (name, "fp8") == 0)
    return i % 37 == 5 ? 0x1p-9f : e4m3[i % 16];
  if (strcmp (name, "q8_0") == 0)
    return i % 32 == 0 ? -127 : (int) (i % 254) - 126;
  if (strcmp (name, "int8") == 0)
    return i % 64 == 0 ? -128 : i % 64 == 1 ? 127 : (int) (i * 7 % 255) - 128;
  if (strcmp (name, "q6_k") == 0)
    return i % 16 == 0 ? -32 : (int) (i * 5 % 64) - 32;
  if (strcmp (name, "q4_k") == 0)
    return (int) (i % 32 * 5 % 16) - 4;
  return i % 32 == 0 ? -8 : i % 32 == 1 ? 7 : (int) (i * 5 % 16) - 8;
}

static void
test_exact (gconstpointer data)
{
  const Type *type = data;
  g_autofree float *values = g_new (float, N);
  g_autofree float *decoded = g_new (float, N);

  for (guint i = 0; i < N; i++)
    values[i] = get_exact (type->name, i);
  round_trip (type, values, decoded);
  g_assert_cmpfloat (get_error (values, decoded), <, strcmp (type->name, "q6_k") == 0 ? 0.004 :
                     strcmp (type->name, "q4_k") == 0 ? 0.002 : 1e-9);
}

static void
assert_finite (const float *decoded)
{
  for (guint i = 0; i < N; i++)
    g_assert_true (isfinite (decoded[i]));
}

/* What has no scale, or none that F16 or F32 can hold. */
static void
test_extremes (gconstpointer data)
{
  const Type *type = data;
  static const float all[] = { 0, 1, -1, 1e-45f, -1e-40f, 1e-30f, 6e4f, -6e4f };
  g_autofree float *values = g_new (float, N);
  g_autofree float *decoded = g_new (float, N);

  for (guint a = 0; a < G_N_ELEMENTS (all); a++)
    {
      for (guint i = 0; i < N; i++)
        values[i] = all[a];
      round_trip (type, values, decoded);
      assert_finite (decoded);
      for (guint i = 0; i < N; i++)
        g_assert_cmpfloat_with_epsilon (decoded[i], values[i], fabs (values[i]) * 0.07 + 1e-7);
      /* One that is far from all others. */
      for (guint i = 0; i < N; i++)
        values[i] = i % 300 == 7 ? all[a] : 1e-3f;
      round_trip (type, values, decoded);
      assert_finite (decoded);
      g_assert_cmpfloat_with_epsilon (decoded[7], values[7], fabs (values[7]) * 0.07 + 1e-3);
    }
}

static void
test_refuses (gconstpointer data)
{
  const Type *type = data;
  static const float bad[] = { NAN, INFINITY, -INFINITY };
  g_autofree float *values = g_new0 (float, N);
  ZimDType dtype;

  g_assert_true (zim_quantize_from_name (type->name, &dtype, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      ZimWeight weight = make_weight (values), result;
      g_autoptr(GError) error = NULL;

      values[3 * COLS + 77] = bad[i];
      g_assert_false (zim_quantize (&weight, dtype, &result, NULL, &error));
      g_assert_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE);
      g_assert_nonnull (strstr (error->message, "x.weight"));
      g_assert_nonnull (strstr (error->message, "row 3"));
    }
}

static void
test_cancel (void)
{
  g_autofree float *values = g_new0 (float, N);
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  g_autoptr(GError) error = NULL;
  ZimWeight weight = make_weight (values), result;

  g_cancellable_cancel (cancellable);
  g_assert_false (zim_quantize (&weight, ZIM_DTYPE_Q8_0, &result, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_fits (void)
{
  static const struct {
    ZimDType dtype;
    guint    n_dims;
    gint64   cols;
    gboolean fits;
  } cases[] = {
    { ZIM_DTYPE_Q8_0, 2, 96, TRUE },      { ZIM_DTYPE_Q8_0, 2, 100, FALSE },   { ZIM_DTYPE_Q4_K, 2, 768, TRUE },
    { ZIM_DTYPE_Q4_K, 2, 384, FALSE },    { ZIM_DTYPE_INT4, 2, 192, TRUE },    { ZIM_DTYPE_INT4, 2, 96, FALSE },
    { ZIM_DTYPE_F8_E4M3, 2, 100, TRUE },  { ZIM_DTYPE_F8_E4M3, 2, 98, FALSE }, { ZIM_DTYPE_F8_E4M3, 1, 96, FALSE },
    { ZIM_DTYPE_F8_E4M3, 2, 0, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const ZimWeight weight = { .n_dims = cases[i].n_dims, .dims = { 4, cases[i].cols } };

      g_assert_cmpint (zim_quantize_fits (&weight, cases[i].dtype), ==, cases[i].fits);
    }
}

static void
test_names (void)
{
  g_autoptr(GError) error = NULL;
  ZimDType dtype;

  g_assert_true (zim_quantize_from_name ("Q4_K", &dtype, NULL));
  g_assert_cmpint (dtype, ==, ZIM_DTYPE_Q4_K);
  g_assert_false (zim_quantize_from_name ("q9", &dtype, &error));
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "q9"));
  g_assert_nonnull (strstr (error->message, "fp8, q8_0, q4_0, q4_k, q6_k, int8, int4"));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autofree char *error = g_strdup_printf ("/quantize/error/%s", types[i].name);
      g_autofree char *exact = g_strdup_printf ("/quantize/exact/%s", types[i].name);
      g_autofree char *extremes = g_strdup_printf ("/quantize/extremes/%s", types[i].name);
      g_autofree char *refuses = g_strdup_printf ("/quantize/refuses/%s", types[i].name);

      g_test_add_data_func (error, &types[i], test_error);
      g_test_add_data_func (exact, &types[i], test_exact);
      g_test_add_data_func (extremes, &types[i], test_extremes);
      g_test_add_data_func (refuses, &types[i], test_refuses);
    }
  g_test_add_func ("/quantize/cancel", test_cancel);
  g_test_add_func ("/quantize/fits", test_fits);
  g_test_add_func ("/quantize/names", test_names);
  return g_test_run ();
}
