/* test-decode.c: every tier makes of stored weights the operands that rounding their values gives, to the last bit
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/cpu/zim-cpu-kernels-private.h"

#define ROWS 3
#define COLS 768
#define N (ROWS * COLS)
#define PARTS 150
#define GUARD 7 /* bytes in front of data, and operands around a part */

typedef enum {
  SCALES_NONE,
  SCALES_USUAL,
  SCALES_EXTREME, /* the largest, infinite, subnormal, zero */
} Scales;

typedef struct {
  ZimDType dtype;
  gsize    group;
  guint    rotation;
  Scales   scales;
} Case;

static const Case cases[] = {
  { ZIM_DTYPE_F32 },
  { ZIM_DTYPE_F16 },
  { ZIM_DTYPE_BF16 },
  { ZIM_DTYPE_F8_E4M3 },
  { ZIM_DTYPE_F8_E4M3, COLS, 0, SCALES_USUAL },
  { ZIM_DTYPE_F8_E4M3, N, 0, SCALES_USUAL },
  { ZIM_DTYPE_F8_E4M3, 48, 0, SCALES_USUAL },
  { ZIM_DTYPE_F8_E4M3, COLS, 0, SCALES_EXTREME },
  { ZIM_DTYPE_F8_E5M2 },
  { ZIM_DTYPE_F8_E5M2, COLS, 0, SCALES_USUAL },
  { ZIM_DTYPE_F8_E5M2, COLS, 0, SCALES_EXTREME },
  { ZIM_DTYPE_I8 },
  { ZIM_DTYPE_I8, COLS, 0, SCALES_USUAL },
  { ZIM_DTYPE_I8, N, 0, SCALES_USUAL },
  { ZIM_DTYPE_I8, COLS, 4, SCALES_USUAL },
  { ZIM_DTYPE_I8, COLS, 16, SCALES_USUAL },
  { ZIM_DTYPE_I8, COLS, 64, SCALES_USUAL },
  { ZIM_DTYPE_I8, COLS, 256, SCALES_USUAL },
  { ZIM_DTYPE_I8, 0, 256, SCALES_NONE },
  { ZIM_DTYPE_Q8_0 },
  { ZIM_DTYPE_Q4_0 },
  { ZIM_DTYPE_Q4_1 },
  { ZIM_DTYPE_Q5_0 },
  { ZIM_DTYPE_Q5_1 },
  { ZIM_DTYPE_Q2_K },
  { ZIM_DTYPE_Q3_K },
  { ZIM_DTYPE_Q4_K },
  { ZIM_DTYPE_Q5_K },
  { ZIM_DTYPE_Q6_K },
  { ZIM_DTYPE_INT4, 32, 0, SCALES_USUAL },
  { ZIM_DTYPE_INT4, 64, 0, SCALES_USUAL },
  { ZIM_DTYPE_INT4, 24, 0, SCALES_USUAL },
  { ZIM_DTYPE_INT8, 32, 0, SCALES_USUAL },
  { ZIM_DTYPE_INT8, 64, 0, SCALES_USUAL },
  { ZIM_DTYPE_INT8, 16, 0, SCALES_USUAL },
};

typedef struct {
  const Case          *test_case;
  const ZimCpuKernels *kernels;
} Run;

static void
fill_bytes (guint8 *bytes,
            gsize   n)
{
  for (gsize i = 0; i < n; i++)
    bytes[i] = (guint8) g_test_rand_int_range (0, 256);
}

static float
random_scale (Scales scales)
{
  static const float extremes[] = { 3e38f, INFINITY, -0x1p120f, 0x1p-140f, 0.0f, -0.0f, NAN };

  if (scales == SCALES_EXTREME)
    return extremes[g_test_rand_int_range (0, G_N_ELEMENTS (extremes))];
  return ldexpf ((float) g_test_rand_double_range (-1, 1), g_test_rand_int_range (-20, 20));
}

/* n scales, of bf16 or f32 */
static guint8 *
make_scales (Scales   scales,
             gboolean is_affine,
             gsize    n)
{
  guint8 *bytes = g_malloc (4 * n + 1);

  for (gsize i = 0; i < n; i++)
    {
      float scale = random_scale (scales);
      guint16 half = zim_f32_to_bf16 (scale);

      if (is_affine)
        memcpy (bytes + 1 + 2 * i, &half, 2);
      else
        memcpy (bytes + 1 + 4 * i, &scale, 4);
    }
  return bytes;
}

typedef struct {
  ZimWeight weight;
  guint8   *data;
  guint8   *scales; /* both begin one byte behind */
  guint8   *biases;
} Stored;

static void
stored_clear (Stored *stored)
{
  g_free (stored->data);
  g_free (stored->scales);
  g_free (stored->biases);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stored, stored_clear)

/* A row with F8_E4M3's NaN is decoded in another way than one without, and few random ones are without. */
static void
drop_nan (guint8 *codes,
          gsize   n)
{
  for (gsize i = 0; i < n; i++)
    if ((codes[i] & 0x7f) == 0x7f)
      codes[i]--;
}

/* Random bits, whatever they mean */
static void
store (const Case *test_case,
       guint       misalignment,
       Stored     *stored)
{
  gboolean is_affine = zim_dtype_is_affine (test_case->dtype);
  ZimWeight *weight = &stored->weight;

  *weight = (ZimWeight) {
    .name = "weight", .dtype = test_case->dtype, .n_dims = 2, .dims = { ROWS, COLS },
    .size = zim_dtype_row_size (test_case->dtype, N), .group = test_case->group, .rotation = test_case->rotation,
  };
  stored->data = g_malloc (misalignment + weight->size);
  fill_bytes (stored->data + misalignment, weight->size);
  if (weight->dtype == ZIM_DTYPE_F8_E4M3)
    drop_nan (stored->data + misalignment, N - COLS);
  weight->data = stored->data + misalignment;
  if (test_case->scales != SCALES_NONE)
    {
      stored->scales = make_scales (test_case->scales, is_affine, N / test_case->group);
      weight->scales = stored->scales + 1;
    }
  if (is_affine)
    {
      stored->biases = make_scales (test_case->scales, TRUE, N / test_case->group);
      weight->biases = stored->biases + 1;
    }
}

static gboolean
same_f32 (float a,
          float b)
{
  return memcmp (&a, &b, sizeof a) == 0 || (isnan (a) && isnan (b));
}

static void
assert_operand (ZimOperand  operand,
                const void *operands,
                gsize       i,
                float       value)
{
  float got, expected = value;

  if (operand == ZIM_OPERAND_BF16)
    {
      got = zim_bf16_to_f32 (((const guint16 *) operands)[i]);
      expected = zim_bf16_to_f32 (zim_f32_to_bf16 (value));
      if (got == 0 && fabsf (value) < 0x1p-126f)
        return;
    }
  else
    {
      got = ((const float *) operands)[i];
      if (operand == ZIM_OPERAND_BF16_IN_F32)
        expected = zim_bf16_to_f32 (zim_f32_to_bf16 (value));
      if (operand == ZIM_OPERAND_F16_IN_F32)
        expected = zim_f16_to_f32 (zim_f32_to_f16 (value));
    }
  if (!same_f32 (got, expected))
    g_error ("operand %d: value %" G_GSIZE_FORMAT " is %.9g, expected %.9g", operand, i, got, expected);
}

/* A part, and around it what was there before. */
static void
check_part (const ZimCpuKernels *kernels,
            ZimOperand           operand,
            const ZimWeight     *weight,
            const float         *values,
            gsize                first,
            gsize                k)
{
  gsize size = zim_operand_size (operand), padded = zim_operand_padded (operand, k);
  gsize n = padded + 2 * GUARD;
  g_autofree guint8 *operands = g_malloc (n * size), *around = g_malloc (GUARD * size);

  memset (operands, 0xa5, n * size);
  memset (around, 0xa5, GUARD * size);
  kernels->decode (operand, weight, first, k, operands + GUARD * size);
  for (gsize i = 0; i < k; i++)
    assert_operand (operand, operands + GUARD * size, i, values[first + i]);
  for (gsize i = k; i < padded; i++)
    assert_operand (operand, operands + GUARD * size, i, 0);
  g_assert_cmpmem (operands, GUARD * size, around, GUARD * size);
  g_assert_cmpmem (operands + (GUARD + padded) * size, GUARD * size, around, GUARD * size);
}

static void
test_decode (gconstpointer data)
{
  const Run *run = data;
  g_autofree float *values = g_new (float, N);

  for (guint misalignment = 0; misalignment < 4; misalignment++)
    {
      g_auto(Stored) stored = { { NULL } };

      store (run->test_case, misalignment, &stored);
      zim_weight_decode (&stored.weight, 0, N, values);
      for (ZimOperand operand = ZIM_OPERAND_F32; operand <= ZIM_OPERAND_BF16; operand++)
        {
          if (operand == ZIM_OPERAND_BF16 && !run->kernels->has_bf16_dot)
            continue;
          for (gsize row = 0; row < ROWS; row++)
            check_part (run->kernels, operand, &stored.weight, values, row * COLS, COLS);
          for (guint i = 0; i < PARTS; i++)
            {
              gsize first = g_test_rand_int_range (0, N + 1);

              check_part (run->kernels, operand, &stored.weight, values, first,
                          g_test_rand_int_range (0, N - first + 1));
            }
        }
    }
}

static void
add_case (const Case          *test_case,
          const ZimCpuKernels *kernels,
          guint                number)
{
  Run *run = g_new (Run, 1);
  g_autofree char *path = g_strdup_printf ("/decode/%s/%u-%s", kernels->name, number,
                                           zim_dtype_name (test_case->dtype));

  *run = (Run) { test_case, kernels };
  g_test_add_data_func_full (path, run, test_decode, g_free);
}

int
main (int    argc,
      char **argv)
{
  const ZimCpuKernels *const *list = zim_cpu_kernels_list ();

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; list[i] != NULL; i++)
    for (guint j = 0; j < G_N_ELEMENTS (cases); j++)
      add_case (&cases[j], list[i], j);
  return g_test_run ();
}
