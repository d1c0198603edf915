/* zim-cpu-kernels.c: the inner loops, compiled once for each tier of instructions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/cpu/zim-cpu-decode-private.h"

/* Packing */

static void
pack_f32 (ZimOperand          operand,
          const float *const *rows,
          gsize               k,
          float               scale,
          float              *panel)
{
  gsize i = 0;

  for (; i + V <= k; i += V)
    for (int half = 0; half < 2; half++)
      {
        vf t[V];

        UNROLL
        for (int r = 0; r < V; r++)
          t[r] = round_operand (operand, load (rows[half * V + r] + i) * scale);
        transpose (t);
        UNROLL
        for (int r = 0; r < V; r++)
          store (panel + (i + r) * PANEL + half * V, t[r]);
      }
  for (; i < k; i++)
    for (int r = 0; r < PANEL; r++)
      panel[i * PANEL + r] = round_operand_1 (operand, rows[r][i] * scale);
}

#ifdef __AVX512BF16__

static void
pack_bf16 (const float *const *rows,
           gsize               k,
           float               scale,
           guint16            *panel)
{
  vf factor = splat (scale);
  gsize i = 0;

  for (; i + 2 * V <= k; i += 2 * V)
    for (int half = 0; half < 2; half++)
      {
        vf t[V];

        UNROLL
        for (int r = 0; r < V; r++)
          {
            const float *row = rows[half * V + r] + i;

            t[r] = (vf) _mm512_cvtne2ps_pbh (load (row + V) * factor, load (row) * factor);
          }
        transpose (t);
        UNROLL
        for (int r = 0; r < V; r++)
          store ((float *) (panel + (i + 2 * r) * PANEL) + half * V, t[r]);
      }
  for (; i < k; i += 2)
    for (int r = 0; r < PANEL; r++)
      {
        panel[i * PANEL + 2 * r] = zim_f32_to_bf16 (rows[r][i] * scale);
        panel[i * PANEL + 2 * r + 1] = i + 1 < k ? zim_f32_to_bf16 (rows[r][i + 1] * scale) : 0;
      }
}

#endif

static void
pack (ZimOperand          operand,
      const float *const *rows,
      gsize               k,
      float               scale,
      void               *panel)
{
  switch (operand)
    {
    case ZIM_OPERAND_F32:
      pack_f32 (ZIM_OPERAND_F32, rows, k, scale, panel);
      break;
    case ZIM_OPERAND_BF16_IN_F32:
      pack_f32 (ZIM_OPERAND_BF16_IN_F32, rows, k, scale, panel);
      break;
    case ZIM_OPERAND_F16_IN_F32:
      pack_f32 (ZIM_OPERAND_F16_IN_F32, rows, k, scale, panel);
      break;
    case ZIM_OPERAND_BF16:
#ifdef __AVX512BF16__
      pack_bf16 (rows, k, scale, panel);
#endif
      break;
    }
}

/* Products */

INLINE void
multiply_f32_rows (const float *w,
                   gsize        w_stride,
                   const float *panel,
                   gsize        k,
                   float       *c,
                   gboolean     accumulate,
                   const int    n)
{
  vf sums[STRIP][2];

  UNROLL
  for (int r = 0; r < n; r++)
    {
      sums[r][0] = accumulate ? load (c + r * PANEL) : splat (0);
      sums[r][1] = accumulate ? load (c + r * PANEL + V) : splat (0);
    }
  for (gsize i = 0; i < k; i++)
    {
      vf x0 = load (panel + i * PANEL), x1 = load (panel + i * PANEL + V);

      UNROLL
      for (int r = 0; r < n; r++)
        {
          vf f = splat (w[r * w_stride + i]);

          sums[r][0] += f * x0;
          sums[r][1] += f * x1;
        }
    }
  UNROLL
  for (int r = 0; r < n; r++)
    {
      store (c + r * PANEL, sums[r][0]);
      store (c + r * PANEL + V, sums[r][1]);
    }
}

static void
multiply_f32 (const float *w,
              gsize        w_stride,
              guint        n,
              const float *panel,
              gsize        k,
              float       *c,
              gboolean     accumulate)
{
  for (; n >= STRIP; n -= STRIP, w += STRIP * w_stride, c += STRIP * PANEL)
    multiply_f32_rows (w, w_stride, panel, k, c, accumulate, STRIP);
  for (; n >= 4; n -= 4, w += 4 * w_stride, c += 4 * PANEL)
    multiply_f32_rows (w, w_stride, panel, k, c, accumulate, 4);
  for (; n >= 1; n--, w += w_stride, c += PANEL)
    multiply_f32_rows (w, w_stride, panel, k, c, accumulate, 1);
}

#ifdef __AVX512BF16__

INLINE void
multiply_bf16_rows (const guint16 *w,
                    gsize          w_stride,
                    const guint16 *panel,
                    gsize          k,
                    float         *c,
                    gboolean       accumulate,
                    const int      n)
{
  __m512 sums[STRIP][2];

  UNROLL
  for (int r = 0; r < n; r++)
    {
      sums[r][0] = accumulate ? _mm512_loadu_ps (c + r * PANEL) : _mm512_setzero_ps ();
      sums[r][1] = accumulate ? _mm512_loadu_ps (c + r * PANEL + V) : _mm512_setzero_ps ();
    }
  for (gsize i = 0; i < k; i += 2)
    {
      __m512bh x0 = (__m512bh) _mm512_loadu_si512 (panel + i * PANEL);
      __m512bh x1 = (__m512bh) _mm512_loadu_si512 (panel + i * PANEL + 2 * V);

      UNROLL
      for (int r = 0; r < n; r++)
        {
          gint32 pair;
          __m512bh f;

          memcpy (&pair, w + r * w_stride + i, sizeof pair);
          f = (__m512bh) _mm512_set1_epi32 (pair);
          sums[r][0] = _mm512_dpbf16_ps (sums[r][0], f, x0);
          sums[r][1] = _mm512_dpbf16_ps (sums[r][1], f, x1);
        }
    }
  UNROLL
  for (int r = 0; r < n; r++)
    {
      _mm512_storeu_ps (c + r * PANEL, sums[r][0]);
      _mm512_storeu_ps (c + r * PANEL + V, sums[r][1]);
    }
}

static void
multiply_bf16 (const guint16 *w,
               gsize          w_stride,
               guint          n,
               const guint16 *panel,
               gsize          k,
               float         *c,
               gboolean       accumulate)
{
  for (; n >= STRIP; n -= STRIP, w += STRIP * w_stride, c += STRIP * PANEL)
    multiply_bf16_rows (w, w_stride, panel, k, c, accumulate, STRIP);
  for (; n >= 4; n -= 4, w += 4 * w_stride, c += 4 * PANEL)
    multiply_bf16_rows (w, w_stride, panel, k, c, accumulate, 4);
  for (; n >= 1; n--, w += w_stride, c += PANEL)
    multiply_bf16_rows (w, w_stride, panel, k, c, accumulate, 1);
}

#endif

static void
multiply (ZimOperand  operand,
          const void *w,
          gsize       w_stride,
          guint       n,
          const void *panel,
          gsize       k,
          float      *c,
          gboolean    accumulate)
{
#ifdef __AVX512BF16__
  if (operand == ZIM_OPERAND_BF16)
    {
      multiply_bf16 (w, w_stride, n, panel, k, c, accumulate);
      return;
    }
#endif
  multiply_f32 (w, w_stride, n, panel, k, c, accumulate);
}

static void
unpack (const float *c,
        guint        n,
        guint        n_rows,
        float        scale,
        const float *bias,
        float       *y,
        gsize        y_stride)
{
  guint i = 0;

  for (; i + V <= n; i += V)
    for (guint half = 0; half < 2 && half * V < n_rows; half++)
      {
        guint rows = MIN (V, n_rows - half * V);
        vf t[V], add = bias != NULL ? load (bias + i) : splat (0);

        UNROLL
        for (int r = 0; r < V; r++)
          t[r] = load (c + (i + r) * PANEL + half * V) * scale;
        transpose (t);
        for (guint r = 0; r < rows; r++)
          store (y + (half * V + r) * y_stride + i, t[r] + add);
      }
  for (; i < n; i++)
    for (guint r = 0; r < n_rows; r++)
      y[r * y_stride + i] = c[i * PANEL + r] * scale + (bias != NULL ? bias[i] : 0);
}

/* Functions */

#define LN_MAX 88.72283f /* the largest x for which eˣ is finite */

/* eˣ by eˣ = 2ⁿ · eʳ, |r| ≤ ln 2 / 2, with eʳ as its Taylor sum to r⁷: relative error below 2⁻²³ · 1.2. Below the
 * smallest normal number it is 0, above the largest about that; NaN stays NaN. */
INLINE vf
vexp (vf x)
{
  const float magic = 12582912.0f; /* 1.5 · 2²³: adding it rounds to an integer */
  vf big = splat (LN_MAX), small = splat (-87.3365447f);
  vi tiny = x < small;
  vf n, r, p;
  vi exponent;

  x = pick (x > big, big, x);
  x = pick (tiny, small, x);
  n = (x * 1.44269504f + magic) - magic;
  r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  p = splat (1.0f / 5040);
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  exponent = __builtin_convertvector (pick (x == x, n, splat (0)), vi) << 23;
  p = (vf) ((vi) p + exponent);
  return pick (tiny, splat (0), p);
}

/* Where e⁻ˣ is beyond the largest number, it is infinite here, so that the result is 0 however large −x is. */
INLINE vf
vsilu (vf x)
{
  return x / (1.0f + pick (x < -LN_MAX, splat (INFINITY), vexp (-x)));
}

static void
silu (const float *x,
      float       *y,
      gsize        n)
{
  gsize i = 0;

  for (; i + V <= n; i += V)
    store (y + i, vsilu (load (x + i)));
  if (i < n)
    {
      vf rest = splat (0);

      memcpy (&rest, x + i, (n - i) * sizeof *x);
      rest = vsilu (rest);
      memcpy (y + i, &rest, (n - i) * sizeof *y);
    }
}

static void
swiglu (const float *gate,
        const float *up,
        float       *y,
        gsize        n)
{
  gsize i = 0;

  for (; i + V <= n; i += V)
    store (y + i, vsilu (load (gate + i)) * load (up + i));
  if (i < n)
    {
      vf g = splat (0), u = splat (0);

      memcpy (&g, gate + i, (n - i) * sizeof *gate);
      memcpy (&u, up + i, (n - i) * sizeof *up);
      g = vsilu (g) * u;
      memcpy (y + i, &g, (n - i) * sizeof *y);
    }
}

static void
add (const float *a,
     const float *b,
     float       *y,
     gsize        n)
{
  for (gsize i = 0; i < n; i++)
    y[i] = a[i] + b[i];
}

static void
affine (const float *x,
        float       *y,
        gsize        n,
        float        mul,
        float        plus)
{
  for (gsize i = 0; i < n; i++)
    y[i] = x[i] * mul + plus;
}

/* Norms */

static float
sum_of_squares (const float *x,
                gsize        n,
                float        mean)
{
  vf sums[4] = { splat (0), splat (0), splat (0), splat (0) };
  float rest = 0;
  gsize i = 0;

  for (; i + 4 * V <= n; i += 4 * V)
    {
      UNROLL
      for (int j = 0; j < 4; j++)
        {
          vf d = load (x + i + j * V) - mean;

          sums[j] += d * d;
        }
    }
  for (; i < n; i++)
    rest += (x[i] - mean) * (x[i] - mean);
  return sum_lanes ((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
}

static float
sum (const float *x,
     gsize        n)
{
  vf sums[4] = { splat (0), splat (0), splat (0), splat (0) };
  float rest = 0;
  gsize i = 0;

  for (; i + 4 * V <= n; i += 4 * V)
    {
      UNROLL
      for (int j = 0; j < 4; j++)
        sums[j] += load (x + i + j * V);
    }
  for (; i < n; i++)
    rest += x[i];
  return sum_lanes ((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
}

/* y = (x − mean) · factor ⊙ a ⊙ b, either of which may be NULL */
static void
scale_row (const float *x,
           float       *y,
           gsize        n,
           float        mean,
           float        factor,
           const float *a,
           const float *b)
{
  if (a != NULL && b != NULL)
    for (gsize i = 0; i < n; i++)
      y[i] = (x[i] - mean) * factor * a[i] * b[i];
  else if (a != NULL || b != NULL)
    for (gsize i = 0; i < n; i++)
      y[i] = (x[i] - mean) * factor * (a != NULL ? a : b)[i];
  else
    for (gsize i = 0; i < n; i++)
      y[i] = (x[i] - mean) * factor;
}

static void
rms_norm (const float *x,
          float       *y,
          gsize        cols,
          gsize        group,
          const float *weight,
          const float *scale,
          float        eps)
{
  for (gsize start = 0; start < cols; start += group)
    {
      float mean = sum_of_squares (x + start, group, 0) / group;

      scale_row (x + start, y + start, group, 0, 1.0f / sqrtf (mean + eps), weight,
                 scale != NULL ? scale + start : NULL);
    }
}

static void
layer_norm (const float *x,
            float       *y,
            gsize        cols,
            const float *scale,
            float        eps)
{
  float mean = sum (x, cols) / cols;
  float variance = sum_of_squares (x, cols, mean) / cols;

  scale_row (x, y, cols, mean, 1.0f / sqrtf (variance + eps), scale, NULL);
}

static void
col_stats (const float *x,
           gsize        stride,
           gsize        n,
           gsize        cols,
           const float *shift,
           double      *sums,
           double      *squares)
{
  for (gsize r = 0; r < n; r++)
    for (gsize c = 0; c < cols; c++)
      {
        double d = (double) x[r * stride + c] - shift[c];

        sums[c] += d;
        squares[c] += d * d;
      }
}

static void
col_affine (const float *x,
            float       *y,
            gsize        cols,
            const float *shift,
            const float *mul,
            const float *plus,
            gboolean     apply_silu)
{
  for (gsize c = 0; c < cols; c++)
    y[c] = (x[c] - shift[c]) * mul[c] + plus[c];
  if (apply_silu)
    silu (y, y, cols);
}

static void
rope (const float *x,
      float       *y,
      gsize        cols,
      guint        head_dim,
      gboolean     interleaved,
      const float *cos,
      const float *sin)
{
  guint half = head_dim / 2;

  for (gsize start = 0; start < cols; start += head_dim)
    {
      const float *in = x + start;
      float *out = y + start;

      if (interleaved)
        for (guint m = 0; m < half; m++)
          {
            float a = in[2 * m], b = in[2 * m + 1];

            out[2 * m] = a * cos[m] - b * sin[m];
            out[2 * m + 1] = a * sin[m] + b * cos[m];
          }
      else
        for (guint m = 0; m < half; m++)
          {
            float a = in[m], b = in[m + half];

            out[m] = a * cos[m] - b * sin[m];
            out[m + half] = b * cos[m] + a * sin[m];
          }
    }
}

/* Softmax */

INLINE void
softmax_max (float       *s,
             guint        n_keys,
             float        scale,
             const float *old_max,
             float       *new_max)
{
  for (int half = 0; half < PANEL; half += V)
    {
      vf max = load (old_max + half);

      for (guint key = 0; key < n_keys; key++)
        {
          vf x = load (s + key * PANEL + half) * scale;

          store (s + key * PANEL + half, x);
          max = pick (x > max, x, max);
        }
      store (new_max + half, max);
    }
}

static void
softmax (ZimOperand  operand,
         float      *s,
         guint       n_keys,
         float       scale,
         float      *max,
         float      *sums,
         float      *shrink,
         void       *p)
{
  float new_max[PANEL];

  softmax_max (s, n_keys, scale, max, new_max);
  for (int half = 0; half < PANEL; half += V)
    {
      vf m = load (new_max + half), factor = vexp (load (max + half) - m), total = load (sums + half) * factor;

      for (guint key = 0; key < n_keys; key++)
        {
          vf e = vexp (load (s + key * PANEL + half) - m);

          total += e;
          if (operand == ZIM_OPERAND_BF16)
            store (s + key * PANEL + half, e);
          else
            store ((float *) p + key * PANEL + half, round_operand (operand, e));
        }
      store (shrink + half, factor);
      store (sums + half, total);
      store (max + half, m);
    }
#ifdef __AVX512BF16__
  if (operand == ZIM_OPERAND_BF16)
    for (guint key = 0; key < n_keys; key += 2)
      for (int half = 0; half < PANEL; half += V)
        {
          vi low = (vi) round_bf16 (load (s + key * PANEL + half));
          vi high = key + 1 < n_keys ? (vi) round_bf16 (load (s + (key + 1) * PANEL + half)) : (vi) splat (0);

          store ((float *) ((guint16 *) p + key * PANEL) + half, (vf) (((low >> 16) & 0xffff) | high));
        }
#endif
}

static void
rescale (float       *c,
         guint        n,
         const float *factor)
{
  vf f0 = load (factor), f1 = load (factor + V);

  for (guint i = 0; i < n; i++)
    {
      store (c + i * PANEL, load (c + i * PANEL) * f0);
      store (c + i * PANEL + V, load (c + i * PANEL + V) * f1);
    }
}

/* The peak */

#define N_CHAINS 16

static double
spin (ZimOperand operand,
      guint64    iterations)
{
  double flops = 2.0 * V * N_CHAINS * iterations;

#ifdef __AVX512BF16__
  if (operand == ZIM_OPERAND_BF16)
    {
      __m512 sums[N_CHAINS];
      __m512bh one = (__m512bh) _mm512_set1_epi16 (0x3f80);

      UNROLL
      for (int i = 0; i < N_CHAINS; i++)
        sums[i] = _mm512_set1_ps (i);
      for (guint64 j = 0; j < iterations; j++)
        {
          UNROLL
          for (int i = 0; i < N_CHAINS; i++)
            {
              sums[i] = _mm512_dpbf16_ps (sums[i], one, one);
              __asm__ volatile ("" : "+v" (sums[i]));
            }
        }
      return 2 * flops;
    }
#endif
  {
    /* On 16 registers there is room for 12 chains and the factor; the rest would spill. */
    enum { N = V == 16 ? N_CHAINS : 12 };
    vf sums[N], factor = splat (0.5f);

    UNROLL
    for (int i = 0; i < N; i++)
      sums[i] = splat (i);
    for (guint64 j = 0; j < iterations; j++)
      {
        UNROLL
        for (int i = 0; i < N; i++)
          {
            sums[i] = sums[i] * factor + factor;
#if defined (__x86_64__)
            __asm__ volatile ("" : "+v" (sums[i]));
#elif defined (__aarch64__)
            __asm__ volatile ("" : "+w" (sums[i]));
#endif
          }
      }
    return flops * N / N_CHAINS;
  }
}

#define STRING_(tier) #tier
#define STRING(tier) STRING_ (tier)

const ZimCpuKernels FOR_TIER (zim_cpu_kernels) = {
  .name = STRING (ZIM_CPU_TIER),
  .panel = PANEL,
  .strip = STRIP,
#ifdef __AVX512BF16__
  .has_bf16_dot = TRUE,
#endif
  .pack = pack,
  .decode = FOR_TIER (zim_cpu_decode),
  .round = FOR_TIER (zim_cpu_round),
  .multiply = multiply,
  .unpack = unpack,
  .softmax = softmax,
  .rescale = rescale,
  .rms_norm = rms_norm,
  .layer_norm = layer_norm,
  .col_stats = col_stats,
  .col_affine = col_affine,
  .rope = rope,
  .swiglu = swiglu,
  .silu = silu,
  .add = add,
  .affine = affine,
  .spin = spin,
};
