/* zim-cpu-rows.c: the operations that go over rows once: norms, rope, element-wise ones, copies
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/cpu/zim-cpu-private.h"

#define TASK_ELEMENTS 65536 /* about what a task handles */

/* Does rows start … end − 1 of an operation. */
typedef void (*RowFunc) (ZimCpuCall *call,
                         gint64      start,
                         gint64      end);

typedef struct {
  ZimCpuCall *call;
  RowFunc     func;
  gint64      rows_per_task;
} Rows;

static void
rows_task (gpointer data,
           guint    task,
           guint    thread)
{
  Rows *self = data;
  gint64 start = (gint64) task * self->rows_per_task;

  self->func (self->call, start, MIN (start + self->rows_per_task, self->call->op->out->rows));
}

static gboolean
run_rows (ZimCpuCall *call,
          RowFunc     func)
{
  const ZimTensor *out = call->op->out;
  Rows rows = { call, func, MAX (1, TASK_ELEMENTS / out->cols) };

  return zim_cpu_team_run (call->team, (guint) ((out->rows + rows.rows_per_task - 1) / rows.rows_per_task), rows_task,
                           &rows, call->cancellable);
}

#define SOURCE(i) zim_cpu_row (call, call->op->sources[i], row)
#define OUT ((float *) zim_cpu_row (call, call->op->out, row))

/* The row of the modulation tensor that applies to a row of x, or NULL. */
static const float *
scale_of_row (ZimCpuCall *call,
              gint64      row)
{
  const ZimOp *op = call->op;
  guint i = 0;

  if (op->n_sources < 2)
    return NULL;
  while (row >= op->ranges[i].start + op->ranges[i].length)
    i++;
  return zim_cpu_row (call, op->sources[1], op->ranges[i].sample);
}

static void
rms_norm_rows (ZimCpuCall *call,
               gint64      start,
               gint64      end)
{
  const ZimOp *op = call->op;

  for (gint64 row = start; row < end; row++)
    call->kernels->rms_norm (SOURCE (0), OUT, op->out->cols, op->norm.group, call->vectors[0], scale_of_row (call, row),
                             op->norm.eps);
}

static void
layer_norm_rows (ZimCpuCall *call,
                 gint64      start,
                 gint64      end)
{
  for (gint64 row = start; row < end; row++)
    call->kernels->layer_norm (SOURCE (0), OUT, call->op->out->cols, scale_of_row (call, row), call->op->norm.eps);
}

static void
rope_rows (ZimCpuCall *call,
           gint64      start,
           gint64      end)
{
  const ZimOp *op = call->op;

  for (gint64 row = start; row < end; row++)
    call->kernels->rope (SOURCE (0), OUT, op->out->cols, op->rope.head_dim, op->rope.interleaved, SOURCE (1),
                         SOURCE (2));
}

static void
swiglu_rows (ZimCpuCall *call,
             gint64      start,
             gint64      end)
{
  for (gint64 row = start; row < end; row++)
    call->kernels->swiglu (SOURCE (0), SOURCE (1), OUT, call->op->out->cols);
}

static void
silu_rows (ZimCpuCall *call,
           gint64      start,
           gint64      end)
{
  for (gint64 row = start; row < end; row++)
    call->kernels->silu (SOURCE (0), OUT, call->op->out->cols);
}

static void
tanh_rows (ZimCpuCall *call,
           gint64      start,
           gint64      end)
{
  for (gint64 row = start; row < end; row++)
    {
      const float *x = SOURCE (0);
      float *y = OUT;

      for (gint64 i = 0; i < call->op->out->cols; i++)
        y[i] = tanhf (x[i]);
    }
}

static void
add_rows (ZimCpuCall *call,
          gint64      start,
          gint64      end)
{
  for (gint64 row = start; row < end; row++)
    call->kernels->add (SOURCE (0), SOURCE (1), OUT, call->op->out->cols);
}

static void
affine_rows (ZimCpuCall *call,
             gint64      start,
             gint64      end)
{
  for (gint64 row = start; row < end; row++)
    call->kernels->affine (SOURCE (0), OUT, call->op->out->cols, call->op->affine.mul, call->op->affine.add);
}

static void
copy_rows (ZimCpuCall *call,
           gint64      start,
           gint64      end)
{
  for (gint64 row = start; row < end; row++)
    memcpy (OUT, SOURCE (0), call->op->out->cols * sizeof (float));
}

static void
embed_rows (ZimCpuCall *call,
            gint64      start,
            gint64      end)
{
  const ZimWeight *weight = call->op->row.weight;

  for (gint64 row = start; row < end; row++)
    {
      gint32 id = *(const gint32 *) SOURCE (0);

      /* An id beyond the table is the tokenizer's and the model's disagreement, refused when the prompt is encoded. */
      g_assert (id >= 0 && id < weight->dims[0]);
      zim_weight_decode (weight, id * weight->dims[1], weight->dims[1], OUT);
    }
}

static void
repeat_rows (ZimCpuCall *call,
             gint64      start,
             gint64      end)
{
  for (gint64 row = start; row < end; row++)
    zim_weight_decode (call->op->row.weight, 0, call->op->out->cols, OUT);
}

/* Each row of the result is cols elements of the permuted order from row · cols on: an odometer over the
 * result's dimensions walks through the source. */
static void
permute_rows (ZimCpuCall *call,
              gint64      start,
              gint64      end)
{
  const ZimPermuteParams *permute = &call->op->permute;
  const float *x = zim_cpu_data (call, call->op->sources[0]);
  gint64 strides[ZIM_MAX_DIMS] = { 0 }, dims[ZIM_MAX_DIMS] = { 0 }, index[ZIM_MAX_DIMS] = { 0 };
  gint64 position = start * call->op->out->cols, offset = 0;
  int last = (int) permute->n_dims - 1;

  for (guint i = 0; i < permute->n_dims; i++)
    {
      dims[i] = permute->dims[permute->order[i]];
      strides[i] = 1;
      for (guint j = permute->order[i] + 1; j < permute->n_dims; j++)
        strides[i] *= permute->dims[j];
    }
  for (int i = last; i >= 0; i--)
    {
      index[i] = position % dims[i];
      position /= dims[i];
      offset += index[i] * strides[i];
    }
  for (gint64 row = start; row < end; row++)
    {
      float *y = OUT;

      for (gint64 col = 0; col < call->op->out->cols; col++)
        {
          y[col] = x[offset];
          for (int i = last; i >= 0; i--)
            {
              offset += strides[i];
              if (++index[i] < dims[i])
                break;
              offset -= dims[i] * strides[i];
              index[i] = 0;
            }
        }
    }
}

static void
group_norm_rows (ZimCpuCall *call,
                 gint64      start,
                 gint64      end)
{
  const ZimOp *op = call->op;

  for (gint64 row = start; row < end; row++)
    call->kernels->col_affine (SOURCE (0), OUT, op->out->cols, zim_cpu_row (call, op->sources[1], 0),
                               zim_cpu_row (call, op->sources[1], 1), zim_cpu_row (call, op->sources[1], 2),
                               op->norm.silu);
}

#define ROW_CLASS(name)                 \
  static gboolean                       \
  name##_run (ZimCpuCall *call)         \
  {                                     \
    return run_rows (call, name##_rows); \
  }

ROW_CLASS (rms_norm)
ROW_CLASS (layer_norm)
ROW_CLASS (group_norm)
ROW_CLASS (rope)
ROW_CLASS (swiglu)
ROW_CLASS (silu)
ROW_CLASS (tanh)
ROW_CLASS (add)
ROW_CLASS (affine)
ROW_CLASS (copy)
ROW_CLASS (embed)
ROW_CLASS (repeat)
ROW_CLASS (permute)

const ZimCpuOpClass zim_cpu_row_classes[ZIM_N_OPS] = {
  [ZIM_OP_EMBED] = { embed_run },
  [ZIM_OP_RMS_NORM] = { rms_norm_run },
  [ZIM_OP_LAYER_NORM] = { layer_norm_run },
  [ZIM_OP_GROUP_NORM] = { group_norm_run },
  [ZIM_OP_ROPE] = { rope_run },
  [ZIM_OP_SWIGLU] = { swiglu_run },
  [ZIM_OP_SILU] = { silu_run },
  [ZIM_OP_TANH] = { tanh_run },
  [ZIM_OP_ADD] = { add_run },
  [ZIM_OP_AFFINE] = { affine_run },
  [ZIM_OP_REPEAT_ROW] = { repeat_run },
  [ZIM_OP_COPY] = { copy_run },
  [ZIM_OP_PERMUTE] = { permute_run },
};

/* Group norm: sums of blocks of rows, factors from all of them in their order, so that they do not depend on the
 * threads; then row by row. Sums are f64 inside a block and between blocks, and two floats in the tensor. */

static void
split (double sum,
       float *pair)
{
  pair[0] = (float) sum;
  pair[1] = isfinite (pair[0]) ? (float) (sum - pair[0]) : 0;
}

static void
sums_task (gpointer data,
           guint    task,
           guint    thread)
{
  ZimCpuCall *call = data;
  const ZimOp *op = call->op;
  const ZimTensor *x = op->sources[0];
  gsize n = (gsize) x->cols;
  double *sums = (double *) call->scratch + thread * 2 * n, *squares = sums + n;
  gint64 start = (gint64) task * op->norm.rows;
  float *out = (float *) zim_cpu_row (call, op->out, task);

  memset (sums, 0, 2 * n * sizeof *sums);
  call->kernels->col_stats (zim_cpu_row (call, x, start), x->stride, (gsize) MIN (op->norm.rows, x->rows - start), n,
                            zim_cpu_row (call, op->sources[1], 0), sums, squares);
  for (gsize c = 0; c < n; c++)
    {
      split (sums[c], out + 4 * c);
      split (squares[c], out + 4 * c + 2);
    }
}

static gsize
group_sums_scratch (const ZimOp       *op,
                    const ZimCpuSetup *setup)
{
  return setup->n_threads * 2 * (gsize) op->sources[0]->cols * sizeof (double);
}

static gboolean
group_sums_run (ZimCpuCall *call)
{
  return zim_cpu_team_run (call->team, (guint) call->op->out->rows, sums_task, call, call->cancellable);
}

const ZimCpuOpClass zim_cpu_group_sums_class = { group_sums_run, group_sums_scratch };

/* Mean and variance of a group from its channels' sums about the values shift[c]:
 * Σ (x − m)² = Σ over channels of [squares − 2 (m − shift) sums + n (m − shift)²]. */
static void
group_factors (ZimCpuCall   *call,
               gsize         first,
               gsize         n,
               const double *sums,
               const double *squares)
{
  const ZimOp *op = call->op;
  const float *shift = zim_cpu_row (call, op->sources[1], 0);
  float *shifts = (float *) zim_cpu_row (call, op->out, 0), *mul = (float *) zim_cpu_row (call, op->out, 1);
  float *add = (float *) zim_cpu_row (call, op->out, 2);
  double rows = op->norm.rows, mean = 0, variance = 0, factor;

  for (gsize c = first; c < first + n; c++)
    mean += sums[c] + rows * shift[c];
  mean /= rows * n;
  for (gsize c = first; c < first + n; c++)
    {
      double d = mean - shift[c];

      variance += squares[c] - 2 * d * sums[c] + rows * d * d;
    }
  variance = MAX (0, variance / (rows * n));
  factor = 1 / sqrt (variance + op->norm.eps);
  for (gsize c = first; c < first + n; c++)
    {
      double weight = call->vectors[0] != NULL ? call->vectors[0][c] : 1;
      double bias = call->vectors[1] != NULL ? call->vectors[1][c] : 0;

      shifts[c] = (float) mean;
      mul[c] = (float) (factor * weight);
      add[c] = (float) (bias - (mean - shifts[c]) * factor * weight);
    }
}

static gsize
group_factors_scratch (const ZimOp       *op,
                       const ZimCpuSetup *setup)
{
  return 2 * (gsize) op->out->cols * sizeof (double);
}

static gboolean
group_factors_run (ZimCpuCall *call)
{
  const ZimOp *op = call->op;
  gsize cols = (gsize) op->out->cols, channels = cols / op->norm.group;
  double *sums = (double *) call->scratch, *squares = sums + cols;

  memset (sums, 0, 2 * cols * sizeof *sums);
  for (gint64 block = 0; block < op->sources[0]->rows; block++)
    {
      const float *pairs = zim_cpu_row (call, op->sources[0], block);

      for (gsize c = 0; c < cols; c++)
        {
          sums[c] += (double) pairs[4 * c] + pairs[4 * c + 1];
          squares[c] += (double) pairs[4 * c + 2] + pairs[4 * c + 3];
        }
    }
  for (gsize first = 0; first < cols; first += channels)
    group_factors (call, first, channels, sums, squares);
  return !g_cancellable_is_cancelled (call->cancellable);
}

const ZimCpuOpClass zim_cpu_group_factors_class = { group_factors_run, group_factors_scratch };
