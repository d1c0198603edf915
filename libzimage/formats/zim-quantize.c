/* zim-quantize.c: values to the quantized types
 *
 * Where a block has one scale, or a scale and an offset, those are chosen whose squared error is least: candidates near
 * the one that just reaches the largest value give a first rounding each, for which least squares gives the best scale.
 * Layouts and decoding: compute/zim-blocks.c.
 *
 * Lanes are written out, so that sums do not depend on how a compiler orders them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-quantize-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <math.h>

#define LANES 4
#define E4M3_MAX 448.0f
#define AFFINE_GROUP 64 /* Ollama's */
#define CANDIDATES 16
#define CANDIDATE_STEP 0.1f

typedef float v4 __attribute__ ((vector_size (4 * LANES)));
typedef guint32 u4 __attribute__ ((vector_size (4 * LANES)));

/* Vectors */

static inline v4
load (const float *x)
{
  v4 v;

  memcpy (&v, x, sizeof v);
  return v;
}

static inline v4
splat (float f)
{
  return (v4) { f, f, f, f };
}

static inline v4
choose (u4 mask,
        v4 a,
        v4 b)
{
  return (v4) ((mask & (u4) a) | (~mask & (u4) b));
}

static inline v4
smaller (v4 a,
         v4 b)
{
  return choose ((u4) (a < b), a, b);
}

static inline v4
larger (v4 a,
        v4 b)
{
  return choose ((u4) (a > b), a, b);
}

static inline float
sum (v4 v)
{
  return (v[0] + v[1]) + (v[2] + v[3]);
}

/* To an integer, ties to even, for |x| < 2²². */
static inline v4
nearest (v4 x)
{
  const v4 magic = splat (12582912.0f);

  return (x + magic) - magic;
}

static inline v4
nearest_within (v4    x,
                float low,
                float high)
{
  return smaller (larger (nearest (x), splat (low)), splat (high));
}

static void
find_range (const float *x,
            gsize        n,
            float       *lowest,
            float       *highest)
{
  v4 low = load (x), high = low;

  for (gsize i = LANES; i < n; i += LANES)
    {
      low = smaller (load (x + i), low);
      high = larger (load (x + i), high);
    }
  *lowest = MIN (MIN (low[0], low[1]), MIN (low[2], low[3]));
  *highest = MAX (MAX (high[0], high[1]), MAX (high[2], high[3]));
}

static gboolean
is_finite (const float *x,
           gsize        n)
{
  guint32 bad = 0;

  for (gsize i = 0; i < n; i++)
    {
      guint32 bits;

      memcpy (&bits, &x[i], sizeof bits);
      bad |= (bits & 0x7f800000) == 0x7f800000;
    }
  return bad == 0;
}

/* FP8 */

/* To the nearest E4M3 code, ties to even; |x| ≤ 448. */
static inline u4
to_e4m3 (v4 x)
{
  u4 bits = (u4) x, magnitude = bits & 0x7fffffff;
  /* Below 2⁻⁶ codes are multiples of 2⁻⁹, which are the last bit of floats from 2¹⁴ on. */
  u4 small = (u4) ((v4) magnitude + splat (0x1p14f)) - 0x46800000;
  u4 normal = ((magnitude + 0x7ffff + ((magnitude >> 20) & 1)) >> 20) - ((127 - 7) << 3);
  u4 is_small = (u4) (magnitude < 0x3c800000);

  return ((bits >> 24) & 0x80) | (is_small & small) | (~is_small & normal);
}

/* n values; the scale is returned. */
static float
make_fp8 (const float *x,
          gsize        n,
          guint8      *out)
{
  float lowest, highest, most, scale, inverse;

  find_range (x, n, &lowest, &highest);
  most = MAX (-lowest, highest);
  scale = most > 0 ? most / E4M3_MAX : 1;
  inverse = 1 / scale;
  if (!isfinite (inverse)) /* all values are next to nothing */
    scale = inverse = 1;
  for (gsize i = 0; i < n; i += LANES)
    {
      v4 y = load (x + i) * inverse;
      u4 codes = to_e4m3 (smaller (larger (y, splat (-E4M3_MAX)), splat (E4M3_MAX)));

      for (guint lane = 0; lane < LANES; lane++)
        out[i + lane] = (guint8) codes[lane];
    }
  return scale;
}

/* Scales */

/* The scale for which whole numbers from low (which is negative, and reaches further than high) to high are nearest to
 * n values, n a multiple of LANES. */
static float
fit_scale (const float *x,
           gsize        n,
           float        low,
           float        high)
{
  float lowest, highest, extreme, best = 0, scale = 0;

  find_range (x, n, &lowest, &highest);
  extreme = -lowest > highest ? lowest : highest;
  if (extreme == 0)
    return 0;
  for (int candidate = -CANDIDATES / 2; candidate <= CANDIDATES / 2; candidate++)
    {
      float inverse = (low + candidate * CANDIDATE_STEP) / extreme, xq, qq;
      v4 sum_xq = splat (0), sum_qq = splat (0);

      for (gsize i = 0; i < n; i += LANES)
        {
          v4 q = nearest_within (load (x + i) * inverse, low, high);

          sum_xq += load (x + i) * q;
          sum_qq += q * q;
        }
      xq = sum (sum_xq);
      qq = sum (sum_qq);
      /* Σ (x − s q)² with s = Σxq / Σq² is Σx² − (Σxq)² / Σq². */
      if (qq > 0 && xq * xq > best * qq)
        {
          best = xq * xq / qq;
          scale = xq / qq;
        }
    }
  return scale;
}

typedef struct {
  float scale;
  float drop; /* ≥ 0 */
  float error;
} Line;

/* x ≈ scale · q − drop for one rounding; the best scale and drop for it. */
static Line
fit_rounding (const float *x,
              gsize        n,
              float        inverse,
              float        lowest,
              float        top)
{
  v4 sum_x = splat (0), sum_q = splat (0), sum_xq = splat (0), sum_qq = splat (0), sum_error = splat (0);
  float s_x, s_q, s_xq, s_qq, determinant;
  Line line = { 0 };

  for (gsize i = 0; i < n; i += LANES)
    {
      v4 value = load (x + i), q = nearest_within ((value - lowest) * inverse, 0, top);

      sum_x += value;
      sum_q += q;
      sum_xq += value * q;
      sum_qq += q * q;
    }
  s_x = sum (sum_x);
  s_q = sum (sum_q);
  s_xq = sum (sum_xq);
  s_qq = sum (sum_qq);
  determinant = n * s_qq - s_q * s_q;
  if (determinant > 0)
    {
      line.scale = (n * s_xq - s_x * s_q) / determinant;
      line.drop = (s_q * s_xq - s_qq * s_x) / determinant;
    }
  if (line.drop < 0 || determinant <= 0)
    {
      line.drop = 0;
      line.scale = s_qq > 0 ? s_xq / s_qq : 0;
    }
  for (gsize i = 0; i < n; i += LANES)
    {
      v4 value = load (x + i), q = nearest_within ((value - lowest) * inverse, 0, top);
      v4 error = value - (q * line.scale - line.drop);

      sum_error += error * error;
    }
  line.error = sum (sum_error);
  return line;
}

/* The best scale and drop for whole numbers from 0 to top. */
static Line
fit_line (const float *x,
          gsize        n,
          float        top)
{
  float lowest, highest;
  Line best = { .error = INFINITY };

  find_range (x, n, &lowest, &highest);
  lowest = MIN (lowest, 0);
  if (highest <= lowest)
    return (Line) { .drop = -lowest };
  for (guint candidate = 0; candidate < CANDIDATES; candidate++)
    {
      Line line = fit_rounding (x, n, (top - 1 + candidate * CANDIDATE_STEP) / (highest - lowest), lowest, top);

      if (line.error < best.error && line.scale >= 0)
        best = line;
    }
  return best;
}

/* Blocks */

static void
put_f16 (guint8 *out,
         float   f)
{
  guint16 half = GUINT16_TO_LE (zim_f32_to_f16 (f));

  memcpy (out, &half, sizeof half);
}

/* As it is read again. */
static float
as_f16 (float f)
{
  return zim_f16_to_f32 (zim_f32_to_f16 (f));
}

/* (x + add) / scale to whole numbers from low to high; 0 for no scale. */
static void
divide (const float *x,
        gsize        n,
        float        add,
        float        scale,
        float        low,
        float        high,
        int         *q)
{
  float inverse = scale != 0 ? 1 / scale : 0;

  for (gsize i = 0; i < n; i += LANES)
    {
      v4 rounded = nearest_within ((load (x + i) + add) * inverse, low, high);

      for (guint lane = 0; lane < LANES; lane++)
        q[i + lane] = (int) rounded[lane];
    }
}

static void
make_q8_0 (const float *x,
           guint8      *out)
{
  float lowest, highest;
  int q[32];

  find_range (x, 32, &lowest, &highest);
  put_f16 (out, MAX (-lowest, highest) / 127);
  divide (x, 32, 0, as_f16 (MAX (-lowest, highest) / 127), -127, 127, q);
  for (guint i = 0; i < 32; i++)
    out[2 + i] = (guint8) (gint8) q[i];
}

static void
make_q4_0 (const float *x,
           guint8      *out)
{
  float scale = fit_scale (x, 32, -8, 7);
  int q[32];

  put_f16 (out, scale);
  divide (x, 32, 0, as_f16 (scale), -8, 7, q);
  for (guint i = 0; i < 16; i++)
    out[2 + i] = (guint8) ((q[i] + 8) | (q[i + 16] + 8) << 4);
}

/* Eight scales and eight drops of 6 bits in 12 bytes. */
static void
pack_scales (const int *scales,
             const int *drops,
             guint8    *out)
{
  for (guint s = 0; s < 4; s++)
    {
      out[s] = (guint8) (scales[s] | scales[s + 4] >> 4 << 6);
      out[s + 4] = (guint8) (drops[s] | drops[s + 4] >> 4 << 6);
      out[s + 8] = (guint8) ((scales[s + 4] & 15) | (drops[s + 4] & 15) << 4);
    }
}

static void
make_q4_k (const float *x,
           guint8      *out)
{
  float scales[8], drops[8], d = 0, d_drop = 0;
  int whole_scales[8], whole_drops[8], q[2][32];

  for (guint s = 0; s < 8; s++)
    {
      Line line = fit_line (x + 32 * s, 32, 15);

      scales[s] = line.scale;
      drops[s] = line.drop;
      d = MAX (d, line.scale / 63);
      d_drop = MAX (d_drop, line.drop / 63);
    }
  put_f16 (out, d);
  put_f16 (out + 2, d_drop);
  d = as_f16 (d);
  d_drop = as_f16 (d_drop);
  divide (scales, 8, 0, d, 0, 63, whole_scales);
  divide (drops, 8, 0, d_drop, 0, 63, whole_drops);
  pack_scales (whole_scales, whole_drops, out + 4);
  for (guint s = 0; s < 8; s++)
    {
      divide (x + 32 * s, 32, d_drop * whole_drops[s], d * whole_scales[s], 0, 15, q[s % 2]);
      if (s % 2 == 1)
        for (guint i = 0; i < 32; i++)
          out[16 + 16 * (s - 1) + i] = (guint8) (q[0][i] | q[1][i] << 4);
    }
}

static void
make_q6_k (const float *x,
           guint8      *out)
{
  guint8 *low = out, *high = out + 128, *bytes = out + 192;
  float scales[16], most = 0, d;
  int whole[16], q[256];

  for (guint s = 0; s < 16; s++)
    {
      scales[s] = fit_scale (x + 16 * s, 16, -32, 31);
      most = MAX (most, fabsf (scales[s]));
    }
  d = as_f16 (most / 127);
  put_f16 (out + 208, most / 127);
  divide (scales, 16, 0, d, -127, 127, whole);
  for (guint s = 0; s < 16; s++)
    {
      bytes[s] = (guint8) (gint8) whole[s];
      divide (x + 16 * s, 16, 0, d * whole[s], -32, 31, q + 16 * s);
    }
  for (guint half = 0; half < 2; half++)
    for (guint i = 0; i < 32; i++)
      {
        const int *v = q + 128 * half + i;
        int a = v[0] + 32, b = v[32] + 32, c = v[64] + 32, e = v[96] + 32;

        low[64 * half + i] = (guint8) ((a & 15) | (c & 15) << 4);
        low[64 * half + 32 + i] = (guint8) ((b & 15) | (e & 15) << 4);
        high[32 * half + i] = (guint8) (a >> 4 | b >> 4 << 2 | c >> 4 << 4 | e >> 4 << 6);
      }
}

static void
make_blocks (ZimDType     dtype,
             const float *x,
             gsize        n,
             guint8      *out)
{
  gsize block = zim_dtype_block_elements (dtype), size = zim_dtype_row_size (dtype, block);

  for (gsize i = 0; i < n; i += block, out += size)
    switch (dtype)
      {
      case ZIM_DTYPE_Q8_0:
        make_q8_0 (x + i, out);
        break;
      case ZIM_DTYPE_Q4_0:
        make_q4_0 (x + i, out);
        break;
      case ZIM_DTYPE_Q4_K:
        make_q4_k (x + i, out);
        break;
      case ZIM_DTYPE_Q6_K:
        make_q6_k (x + i, out);
        break;
      default:
        g_assert_not_reached ();
      }
}

/* Affine */

/* The end of the range that is further from 0 is met exactly, and 0 too. */
static void
fit_affine (const float *x,
            gsize        n,
            float        top,
            float       *scale,
            float       *bias)
{
  float lowest, highest, edge, steps;

  find_range (x, n, &lowest, &highest);
  *scale = MAX ((highest - lowest) / top, 1e-7f);
  if (-lowest <= highest)
    *scale = -*scale;
  edge = -lowest > highest ? lowest : highest;
  steps = nearest (splat (edge / *scale))[0];
  *bias = 0;
  if (steps != 0)
    {
      *scale = edge / steps;
      *bias = edge;
    }
}

static void
make_affine (guint        bits,
             const float *x,
             gsize        n,
             guint8      *out,
             guint16     *scales,
             guint16     *biases)
{
  float top = (float) ((1u << bits) - 1);
  int q[AFFINE_GROUP];

  for (gsize i = 0; i < n; i += AFFINE_GROUP)
    {
      float scale, bias;

      fit_affine (x + i, AFFINE_GROUP, top, &scale, &bias);
      scales[i / AFFINE_GROUP] = zim_f32_to_bf16 (scale);
      biases[i / AFFINE_GROUP] = zim_f32_to_bf16 (bias);
      divide (x + i, AFFINE_GROUP, -zim_bf16_to_f32 (biases[i / AFFINE_GROUP]),
              zim_bf16_to_f32 (scales[i / AFFINE_GROUP]), 0, top, q);
      for (gsize j = 0; j < AFFINE_GROUP; j += 8 / bits)
        *out++ = bits == 8 ? (guint8) q[j] : (guint8) (q[j] | q[j + 1] << 4);
    }
}

/* Weights */

static const struct {
  const char *name;
  ZimDType    dtype;
} quantizations[] = {
  { "fp8", ZIM_DTYPE_F8_E4M3 },
  { "q8_0", ZIM_DTYPE_Q8_0 },
  { "q4_0", ZIM_DTYPE_Q4_0 },
  { "q4_k", ZIM_DTYPE_Q4_K },
  { "q6_k", ZIM_DTYPE_Q6_K },
  { "int8", ZIM_DTYPE_INT8 },
  { "int4", ZIM_DTYPE_INT4 },
};

gboolean
zim_quantize_from_name (const char  *name,
                        ZimDType    *dtype,
                        GError     **error)
{
  g_autoptr(GString) names = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (quantizations); i++)
    {
      if (g_ascii_strcasecmp (name, quantizations[i].name) == 0)
        {
          *dtype = quantizations[i].dtype;
          return TRUE;
        }
      g_string_append_printf (names, "%s%s", i > 0 ? ", " : "", quantizations[i].name);
    }
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
               _("“%s” is no type to quantize to, expected one of %s"), name, names->str);
  return FALSE;
}

gboolean
zim_quantize_fits (const ZimWeight *weight,
                   ZimDType         dtype)
{
  gint64 unit = zim_dtype_is_affine (dtype) ? AFFINE_GROUP : MAX ((gint64) zim_dtype_block_elements (dtype), LANES);

  return weight->n_dims == 2 && weight->dims[1] > 0 && weight->dims[1] % unit == 0;
}

static void
make_row (ZimWeight   *result,
          gsize        row,
          gsize        cols,
          const float *x)
{
  guint8 *out = (guint8 *) result->data + zim_dtype_row_size (result->dtype, row * cols);
  gsize groups = cols / AFFINE_GROUP;

  if (result->dtype == ZIM_DTYPE_F8_E4M3)
    {
      float scale = make_fp8 (x, cols, out);

      memcpy ((guint8 *) result->scales + row * sizeof scale, &scale, sizeof scale);
    }
  else if (zim_dtype_is_affine (result->dtype))
    make_affine (result->dtype == ZIM_DTYPE_INT4 ? 4 : 8, x, cols, out,
                 (guint16 *) (void *) result->scales + row * groups,
                 (guint16 *) (void *) result->biases + row * groups);
  else
    make_blocks (result->dtype, x, cols, out);
}

static void
allocate (ZimWeight *result)
{
  gsize rows = (gsize) result->dims[0], n = (gsize) zim_weight_n_elements (result);

  result->size = zim_dtype_row_size (result->dtype, n);
  result->data = g_malloc (result->size);
  if (result->dtype == ZIM_DTYPE_F8_E4M3)
    {
      result->group = (gsize) result->dims[1];
      result->scales = g_malloc (rows * sizeof (float));
    }
  else if (zim_dtype_is_affine (result->dtype))
    {
      result->group = AFFINE_GROUP;
      result->scales = g_malloc (n / AFFINE_GROUP * sizeof (guint16));
      result->biases = g_malloc (n / AFFINE_GROUP * sizeof (guint16));
    }
}

gboolean
zim_quantize (const ZimWeight  *weight,
              ZimDType          dtype,
              ZimWeight        *result,
              GCancellable     *cancellable,
              GError          **error)
{
  gsize rows = (gsize) weight->dims[0], cols = (gsize) weight->dims[1];
  g_autofree float *x = g_new (float, cols);

  g_return_val_if_fail (zim_quantize_fits (weight, dtype), FALSE);

  *result = (ZimWeight) { .name = weight->name, .dtype = dtype, .n_dims = 2,
                          .dims = { weight->dims[0], weight->dims[1] } };
  allocate (result);
  for (gsize row = 0; row < rows; row++)
    {
      zim_weight_decode (weight, row * cols, cols, x);
      if (!is_finite (x, cols))
        g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                     _("Tensor “%s” has a value in row %zu that is not a finite number"),
                     weight->name, row);
      if (!is_finite (x, cols) || g_cancellable_set_error_if_cancelled (cancellable, error))
        {
          zim_quantize_clear (result);
          return FALSE;
        }
      make_row (result, row, cols, x);
    }
  return TRUE;
}

void
zim_quantize_clear (ZimWeight *result)
{
  g_clear_pointer ((gpointer *) &result->data, g_free);
  g_clear_pointer ((gpointer *) &result->scales, g_free);
  g_clear_pointer ((gpointer *) &result->biases, g_free);
}
