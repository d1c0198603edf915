/* zim-cpu-kernels-private.h: the inner loops, one table of them for each tier of instructions
 *
 * Products are made in one way everywhere. Rows of x are packed into *panels*: for each k, the values of
 * `panel` rows side by side. A product multiplies rows of w, read element by element and broadcast, with a
 * panel, and gives the transposed result c[n][panel]. Nothing is shuffled in the loop, w needs no packing at all,
 * and the same loop serves linear layers, both products of attention and convolution.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-weight-private.h"

G_BEGIN_DECLS

/* What the operands of a product are rounded to and how they are stored. Sums are f32 in all of them. */
typedef enum {
  ZIM_OPERAND_F32,         /* f32, not rounded */
  ZIM_OPERAND_BF16_IN_F32, /* rounded to bf16, stored as f32 */
  ZIM_OPERAND_F16_IN_F32,  /* rounded to f16, stored as f32 */
  ZIM_OPERAND_BF16,        /* bf16, pairs of consecutive k side by side: for dot-product instructions */
} ZimOperand;

static inline gsize
zim_operand_size (ZimOperand operand)
{
  return operand == ZIM_OPERAND_BF16 ? 2 : 4;
}

/* k rounded up to whole pairs; what lies beyond k is zero. */
static inline gsize
zim_operand_padded (ZimOperand operand,
                    gsize      k)
{
  return operand == ZIM_OPERAND_BF16 ? (k + 1) & ~(gsize) 1 : k;
}

#define ZIM_CPU_MAX_PANEL 32

typedef struct {
  const char *name;
  guint       panel;         /* rows of x in a panel */
  guint       strip;         /* rows of w that a product takes at best at once */
  gboolean    has_bf16_dot;  /* ZIM_OPERAND_BF16 works */

  /* k values from each of `panel` rows, times scale → one panel. Every row pointer is valid. */
  void (*pack)     (ZimOperand           operand,
                    const float *const  *rows,
                    gsize                k,
                    float                scale,
                    void                *panel);
  /* k stored values from that one on, counted through all rows → operands. */
  void (*decode)   (ZimOperand           operand,
                    const ZimWeight     *weight,
                    gsize                first,
                    gsize                k,
                    void                *dst);
  /* k values → operands. */
  void (*round)    (ZimOperand           operand,
                    const float         *src,
                    gsize                k,
                    void                *dst);
  /* c[n][panel] (+)= w[n][k] · panel[k][panel]; w_stride in elements; k padded as the operand asks. */
  void (*multiply) (ZimOperand           operand,
                    const void          *w,
                    gsize                w_stride,
                    guint                n,
                    const void          *panel,
                    gsize                k,
                    float               *c,
                    gboolean             accumulate);
  /* y[m][n] = c[n][m] · scale + bias[n] (NULL: none) for n_rows rows of the panel. */
  void (*unpack)   (const float         *c,
                    guint                n,
                    guint                n_rows,
                    float                scale,
                    const float         *bias,
                    float               *y,
                    gsize                y_stride);

  /* One block of keys of a running softmax over s[n_keys][panel], whose values are first multiplied by scale: updates
   * the running maximum and sum, gives the factor by which earlier sums shrink, and leaves the numerators in p as a
   * panel, padded. */
  void (*softmax)  (ZimOperand           operand,
                    float               *s,
                    guint                n_keys,
                    float                scale,
                    float               *max,
                    float               *sum,
                    float               *shrink,
                    void                *p);
  /* c[n][panel] *= factor[panel] */
  void (*rescale)  (float               *c,
                    guint                n,
                    const float         *factor);

  /* y = x / sqrt (mean (x²) + eps) ⊙ weight ⊙ scale for each group of columns; weight and scale may be NULL. */
  void (*rms_norm)   (const float *x, float *y, gsize cols, gsize group, const float *weight, const float *scale,
                      float eps);
  void (*layer_norm) (const float *x, float *y, gsize cols, const float *scale, float eps);
  /* sums[c], squares[c] += Σ x[r][c], Σ (x[r][c] − shift[c])² over n rows */
  void (*col_stats)  (const float *x, gsize stride, gsize n, gsize cols, const float *shift, double *sums,
                      double *squares);
  /* y = (x − shift) · mul + add by column, then SiLU if asked for */
  void (*col_affine) (const float *x, float *y, gsize cols, const float *shift, const float *mul, const float *add,
                      gboolean silu);
  void (*rope)       (const float *x, float *y, gsize cols, guint head_dim, gboolean interleaved, const float *cos,
                      const float *sin);
  void (*swiglu)     (const float *gate, const float *up, float *y, gsize n);
  void (*silu)       (const float *x, float *y, gsize n);
  void (*add)        (const float *a, const float *b, float *y, gsize n);
  void (*affine)     (const float *x, float *y, gsize n, float mul, float add);

  /* Runs the widest multiply-add of that operand from registers alone; returns the operations done. */
  double (*spin)     (ZimOperand operand, guint64 iterations);
} ZimCpuKernels;

/* The best tier that the CPU has, or the one that ZIM_CPU names; NULL with an error if the CPU lacks that. */
const ZimCpuKernels *zim_cpu_kernels_get    (GError **error);
/* Every tier that this CPU can run, for the tests; NULL-terminated. */
const ZimCpuKernels *const *zim_cpu_kernels_list (void);

extern const ZimCpuKernels zim_cpu_kernels_portable;
extern const ZimCpuKernels zim_cpu_kernels_avx2;
extern const ZimCpuKernels zim_cpu_kernels_avx512;

G_END_DECLS
