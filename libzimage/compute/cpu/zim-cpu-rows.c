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

#define ROW_CLASS(name)                 \
  static gboolean                       \
  name##_run (ZimCpuCall *call)         \
  {                                     \
    return run_rows (call, name##_rows); \
  }

ROW_CLASS (rms_norm)
ROW_CLASS (layer_norm)
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

/* Group norm: statistics of row blocks first, combined in their order, so that they do not depend on the threads. */

#define STAT_ROWS 2048

typedef struct {
  ZimCpuCall *call;
  double     *sums;    /* [block][channel], of x less the first row: no cancellation however far from 0 x lies */
  double     *squares; /* [block][channel] */
  float      *shift;   /* [channel]: the mean, which is taken from x before anything else for the same reason */
  float      *mul;
  float      *add;
} GroupNorm;

static guint
n_stat_blocks (const ZimOp *op)
{
  return (guint) ((op->sources[0]->rows + STAT_ROWS - 1) / STAT_ROWS);
}

static gsize
group_norm_scratch (const ZimOp       *op,
                    const ZimCpuSetup *setup)
{
  return (gsize) op->out->cols * (n_stat_blocks (op) * 2 * sizeof (double) + 3 * sizeof (float));
}

static void
stats_task (gpointer data,
            guint    task,
            guint    thread)
{
  GroupNorm *self = data;
  const ZimTensor *x = self->call->op->sources[0];
  gint64 start = (gint64) task * STAT_ROWS;
  gsize n = x->cols;

  memset (self->sums + task * n, 0, n * sizeof (double));
  memset (self->squares + task * n, 0, n * sizeof (double));
  self->call->kernels->col_stats (zim_cpu_row (self->call, x, start), x->stride, MIN (STAT_ROWS, x->rows - start), n,
                                  zim_cpu_row (self->call, x, 0), self->sums + task * n, self->squares + task * n);
}

/* Mean and variance of a group from its channels' sums about the values shift[c] of the first row:
 * Σ (x − m)² = Σ over channels of [squares − 2 (m − shift) sums + n (m − shift)²]. */
static void
group_factors (GroupNorm   *self,
               gsize        first,
               gsize        n,
               const float *shift)
{
  const ZimOp *op = self->call->op;
  gsize cols = op->out->cols;
  double rows = op->out->rows, mean = 0, variance = 0, factor;

  for (gsize c = first; c < first + n; c++)
    mean += self->sums[c] + rows * shift[c];
  mean /= rows * n;
  for (gsize c = first; c < first + n; c++)
    {
      double d = mean - shift[c];

      variance += self->squares[c] - 2 * d * self->sums[c] + rows * d * d;
    }
  variance = MAX (0, variance / (rows * n));
  factor = 1 / sqrt (variance + op->norm.eps);
  for (gsize c = first; c < first + n && c < cols; c++)
    {
      double weight = self->call->vectors[0] != NULL ? self->call->vectors[0][c] : 1;
      double bias = self->call->vectors[1] != NULL ? self->call->vectors[1][c] : 0;

      self->shift[c] = (float) mean;
      self->mul[c] = (float) (factor * weight);
      self->add[c] = (float) (bias - (mean - self->shift[c]) * factor * weight);
    }
}

static void
combine_stats (GroupNorm *self)
{
  const ZimOp *op = self->call->op;
  gsize cols = op->out->cols, channels = cols / op->norm.group;

  for (guint block = 1; block < n_stat_blocks (op); block++)
    for (gsize c = 0; c < cols; c++)
      {
        self->sums[c] += self->sums[block * cols + c];
        self->squares[c] += self->squares[block * cols + c];
      }
  for (gsize first = 0; first < cols; first += channels)
    group_factors (self, first, channels, zim_cpu_row (self->call, op->sources[0], 0));
}

static void
group_norm_rows (ZimCpuCall *call,
                 gint64      start,
                 gint64      end)
{
  gsize cols = call->op->out->cols;
  const float *shift = (const float *) (call->scratch + cols * n_stat_blocks (call->op) * 2 * sizeof (double));

  for (gint64 row = start; row < end; row++)
    call->kernels->col_affine (SOURCE (0), OUT, cols, shift, shift + cols, shift + 2 * cols, call->op->norm.silu);
}

static gboolean
group_norm_run (ZimCpuCall *call)
{
  gsize cols = call->op->out->cols;
  guint n_blocks = n_stat_blocks (call->op);
  GroupNorm self = { call };

  self.sums = (double *) call->scratch;
  self.squares = self.sums + cols * n_blocks;
  self.shift = (float *) (self.squares + cols * n_blocks);
  self.mul = self.shift + cols;
  self.add = self.mul + cols;
  if (!zim_cpu_team_run (call->team, n_blocks, stats_task, &self, call->cancellable))
    return FALSE;
  combine_stats (&self);
  return run_rows (call, group_norm_rows);
}

const ZimCpuOpClass zim_cpu_group_norm_class = { group_norm_run, group_norm_scratch };
