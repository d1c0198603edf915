/* op-spy.c: kernels that count the operations of products, and can leave them out
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <cblas.h>
#include <dlfcn.h>

#include "op-spy.h"

static struct {
  const ZimCpuKernels *real;
  gboolean             skip;
  guint64              flops; /* atomic */
  guint64              at;
  GFunc                reached;
  gpointer             user_data;
} spy;

void
spy_start (gboolean skip,
           guint64  at,
           GFunc    reached,
           gpointer user_data)
{
  spy.skip = skip;
  spy.at = at;
  spy.reached = reached;
  spy.user_data = user_data;
  __atomic_store_n (&spy.flops, 0, __ATOMIC_SEQ_CST);
}

guint64
spy_get_flops (void)
{
  return __atomic_load_n (&spy.flops, __ATOMIC_SEQ_CST);
}

static void
count (guint64 flops)
{
  guint64 before = __atomic_fetch_add (&spy.flops, flops, __ATOMIC_SEQ_CST);

  if (spy.reached != NULL && before + flops > spy.at)
    spy.reached (NULL, spy.user_data);
}

static void
spy_pack (ZimOperand          operand,
          const float *const *rows,
          gsize               k,
          float               scale,
          void               *panel)
{
  if (!spy.skip)
    spy.real->pack (operand, rows, k, scale, panel);
}

static void
spy_decode (ZimOperand       operand,
            const ZimWeight *weight,
            gsize            first,
            gsize            k,
            void            *dst)
{
  if (!spy.skip)
    spy.real->decode (operand, weight, first, k, dst);
}

static void
spy_round (ZimOperand   operand,
           const float *src,
           gsize        k,
           void        *dst)
{
  if (!spy.skip)
    spy.real->round (operand, src, k, dst);
}

static void
spy_multiply (ZimOperand  operand,
              const void *w,
              gsize       w_stride,
              guint       n,
              const void *panel,
              gsize       k,
              float      *c,
              gboolean    accumulate)
{
  count (2 * (guint64) n * spy.real->panel * k);
  if (!spy.skip)
    spy.real->multiply (operand, w, w_stride, n, panel, k, c, accumulate);
}

static void
spy_unpack (const float *c,
            guint        n,
            guint        n_rows,
            float        scale,
            const float *bias,
            float       *y,
            gsize        y_stride)
{
  if (!spy.skip)
    spy.real->unpack (c, n, n_rows, scale, bias, y, y_stride);
}

static void
spy_softmax (ZimOperand  operand,
             float      *s,
             guint       n_keys,
             float       scale,
             float      *max,
             float      *sum,
             float      *shrink,
             void       *p)
{
  if (!spy.skip)
    spy.real->softmax (operand, s, n_keys, scale, max, sum, shrink, p);
}

static void
spy_rescale (float       *c,
             guint        n,
             const float *factor)
{
  if (!spy.skip)
    spy.real->rescale (c, n, factor);
}

const ZimCpuKernels *
spy_kernels (const ZimCpuKernels *real)
{
  static ZimCpuKernels kernels;

  spy.real = real;
  kernels = *real;
  kernels.pack = spy_pack;
  kernels.decode = spy_decode;
  kernels.round = spy_round;
  kernels.multiply = spy_multiply;
  kernels.unpack = spy_unpack;
  kernels.softmax = spy_softmax;
  kernels.rescale = spy_rescale;
  return &kernels;
}

/* The program's own definition goes before the library's, which it finds behind itself. */

typedef void (*Sgemm) (CBLAS_ORDER,
                       CBLAS_TRANSPOSE,
                       CBLAS_TRANSPOSE,
                       blasint,
                       blasint,
                       blasint,
                       float,
                       const float *,
                       blasint,
                       const float *,
                       blasint,
                       float,
                       float *,
                       blasint);

static Sgemm
real_sgemm (void)
{
  static gsize sgemm;

  if (g_once_init_enter (&sgemm))
    g_once_init_leave (&sgemm, (gsize) dlsym (RTLD_NEXT, "cblas_sgemm"));
  return (Sgemm) sgemm;
}

void
cblas_sgemm (CBLAS_ORDER     order,
             CBLAS_TRANSPOSE transpose_a,
             CBLAS_TRANSPOSE transpose_b,
             blasint         m,
             blasint         n,
             blasint         k,
             float           alpha,
             const float    *a,
             blasint         a_stride,
             const float    *b,
             blasint         b_stride,
             float           beta,
             float          *c,
             blasint         c_stride)
{
  count (2 * (guint64) m * n * k);
  if (!spy.skip)
    real_sgemm () (order, transpose_a, transpose_b, m, n, k, alpha, a, a_stride, b, b_stride, beta, c, c_stride);
}

gboolean
spy_has_blas (void)
{
  return real_sgemm () != NULL;
}
