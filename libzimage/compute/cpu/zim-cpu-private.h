/* zim-cpu-private.h: the CPU backend
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/cpu/zim-cpu-kernels-private.h"
#include "compute/cpu/zim-cpu-team-private.h"
#include "compute/zim-backend-private.h"

G_BEGIN_DECLS

#define ZIM_TYPE_CPU_BACKEND (zim_cpu_backend_get_type ())
G_DECLARE_FINAL_TYPE (ZimCpuBackend, zim_cpu_backend, ZIM, CPU_BACKEND, ZimBackend)

/* kernels: NULL for the best that the CPU has or ZIM_CPU names; n_threads: 0 for zim_cpu_n_threads () */
ZimBackend   *zim_cpu_backend_new   (const ZimCpuKernels  *kernels,
                                     guint                 n_threads,
                                     GError              **error);

/* The precision that “auto” stands for on this CPU. */
ZimPrecision  zim_cpu_auto_precision (const ZimCpuKernels *kernels);

/* One operation while it runs. */
typedef struct {
  const ZimOp         *op;
  const ZimCpuKernels *kernels;
  ZimCpuTeam          *team;
  ZimOperand           operand;
  guint8              *scratch;
  const float         *vectors[2]; /* norm weight and bias, or the biases of a product, as f32; (nullable) */
  void               **bases;      /* memory of every tensor's base by id */
  GCancellable        *cancellable;
} ZimCpuCall;

/* What scratch is planned from; the same in planning and in running. */
typedef struct {
  const ZimCpuKernels *kernels;
  guint                n_threads;
  ZimOperand           operand;
} ZimCpuSetup;

/* One kind of operation: FALSE if it was cancelled. scratch is NULL for those that need none. */
typedef struct {
  gboolean (*run)     (ZimCpuCall        *call);
  gsize    (*scratch) (const ZimOp       *op,
                       const ZimCpuSetup *setup);
} ZimCpuOpClass;

extern const ZimCpuOpClass zim_cpu_linear_class;
extern const ZimCpuOpClass zim_cpu_attention_class;
extern const ZimCpuOpClass zim_cpu_conv2d_class;
extern const ZimCpuOpClass zim_cpu_group_sums_class;
extern const ZimCpuOpClass zim_cpu_group_factors_class;
extern const ZimCpuOpClass zim_cpu_row_classes[ZIM_N_OPS]; /* the rest, all row by row */

static inline gpointer
zim_cpu_data (const ZimCpuCall *call,
              const ZimTensor  *tensor)
{
  return (guint8 *) call->bases[tensor->base->id] + tensor->offset * zim_dtype_size (tensor->dtype);
}

static inline const float *
zim_cpu_row (const ZimCpuCall *call,
             const ZimTensor  *tensor,
             gint64            row)
{
  return (const float *) zim_cpu_data (call, tensor) + row * tensor->stride;
}

static inline gsize
zim_align (gsize n)
{
  return (n + 63) & ~(gsize) 63;
}

/* Row pointers of a panel: rows start … of x, the last ones repeated where x ends (their results are not used). */
static inline void
zim_cpu_panel_rows (const float  *x,
                    gsize         stride,
                    gint64        start,
                    gint64        n_rows,
                    guint         panel,
                    const float **rows)
{
  for (guint i = 0; i < panel; i++)
    rows[i] = x + MIN (start + i, n_rows - 1) * stride;
}

G_END_DECLS
