/* zim-cpu-linear.c: y = x · Wᵀ + b
 *
 * f32 operands whose weights are f32 where they lie go to OpenBLAS, tile by tile, so that the work can be cancelled and
 * is divided the same way for any number of threads. All others: x is packed into panels once, then tiles of y are made
 * from weights that are read where they lie in the mapped file; only weights stored in another type than the operand's
 * are decoded, a strip at a time. (Decoding whole tiles for OpenBLAS, which packs them once more, took 1.2 times as
 * long with bf16 weights.)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <cblas.h>

#include "compute/cpu/zim-cpu-private.h"

#define BLOCK_K 512      /* of one pass over a strip of weights */
#define STRIP_GAP 16     /* elements between the rows of a decoded strip: no two begin in the same set of the cache */
#define TILE_COLS 96     /* columns of y of one task: whole strips in every tier */
#define TILE_BYTES (512 * 1024) /* of x in one pass of one task: they stay in the second-level cache */
#define TILE_TASKS 4     /* for each thread at least: all wait for the last one */
#define LINE 64          /* bytes that are read at once */
#define BLAS_COLS 128
#define BLAS_ROWS 256

/* The part of a linear's weights that holds a column of y. */
typedef struct {
  const ZimWeight *weight;
  gint64           first; /* column of y */
} Part;

typedef struct {
  ZimCpuCall  *call;
  const float *x;
  gsize        x_stride;
  gint64       rows;
  gsize        k;
  float       *y;
  gsize        y_stride;
  const Part  *part;   /* the one at work */
  const float *bias;
  guint8      *panels; /* x, packed */
  guint        n_panels;
  guint        tile_panels;
  guint        n_row_tiles;
  guint8      *threads; /* scratch of each thread */
  gsize        per_thread;
} Linear;

static gsize
panel_size (const ZimCpuKernels *kernels,
            ZimOperand           operand,
            gsize                k)
{
  return zim_align (zim_operand_padded (operand, k) * kernels->panel * zim_operand_size (operand));
}

static guint
count_panels (const ZimCpuKernels *kernels,
              gint64               rows)
{
  return (guint) ((rows + kernels->panel - 1) / kernels->panel);
}

/* Panels of x of one task at most */
static guint
max_panels (const ZimCpuKernels *kernels,
            ZimOperand           operand)
{
  return TILE_BYTES / (BLOCK_K * kernels->panel * zim_operand_size (operand));
}

static gsize
tile_size (const ZimCpuKernels *kernels,
           ZimOperand           operand)
{
  return zim_align (TILE_COLS * max_panels (kernels, operand) * kernels->panel * sizeof (float));
}

static gsize
strip_size (const ZimCpuKernels *kernels)
{
  return zim_align (kernels->strip * (BLOCK_K + STRIP_GAP) * sizeof (float));
}

/* Whether OpenBLAS can read the weights where they lie. */
static gboolean
suits_blas (const ZimOp *op,
            ZimOperand   operand)
{
  for (guint i = 0; i < op->linear.n_weights; i++)
    {
      const ZimWeight *weight = op->linear.weights[i];

      if (weight->dtype != ZIM_DTYPE_F32 || (gsize) weight->data % sizeof (float) != 0)
        return FALSE;
    }
  return operand == ZIM_OPERAND_F32;
}

static gsize
linear_scratch (const ZimOp       *op,
                const ZimCpuSetup *setup)
{
  gsize k = op->sources[0]->cols;

  if (suits_blas (op, setup->operand))
    return 0;
  return count_panels (setup->kernels, op->out->rows) * panel_size (setup->kernels, setup->operand, k) +
         setup->n_threads * (tile_size (setup->kernels, setup->operand) + strip_size (setup->kernels));
}

/* OpenBLAS */

static void
blas_task (gpointer data,
           guint    task,
           guint    thread)
{
  Linear *self = data;
  gint64 first = (gint64) task * BLAS_COLS;
  gint64 n = MIN (BLAS_COLS, self->part->weight->dims[0] - first);
  const float *w = (const float *) self->part->weight->data + first * self->k;

  for (gint64 row = 0; row < self->rows; row += BLAS_ROWS)
    {
      gint64 m = MIN (BLAS_ROWS, self->rows - row);
      float *y = self->y + row * self->y_stride + self->part->first + first;

      if (g_cancellable_is_cancelled (self->call->cancellable))
        return;
      cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, m, n, self->k, 1.0f, self->x + row * self->x_stride,
                   self->x_stride, w, self->k, 0.0f, y, self->y_stride);
      if (self->bias != NULL)
        for (gint64 r = 0; r < m; r++)
          self->call->kernels->add (y + r * self->y_stride, self->bias + first, y + r * self->y_stride, n);
    }
}

/* Panels */

static void
pack_task (gpointer data,
           guint    task,
           guint    thread)
{
  Linear *self = data;
  const ZimCpuKernels *kernels = self->call->kernels;
  const float *rows[ZIM_CPU_MAX_PANEL];

  zim_cpu_panel_rows (self->x, self->x_stride, (gint64) task * kernels->panel, self->rows, kernels->panel, rows);
  kernels->pack (self->call->operand, rows, self->k, self->call->op->linear.operand_scale,
                 self->panels + task * panel_size (kernels, self->call->operand, self->k));
}

/* n rows of the part's weights from row on, k values from column i on, as operands; *stride between them. */
static const void *
strip_operands (Linear *self,
                gint64  row,
                guint   n,
                gsize   i,
                gsize   k,
                void   *decoded,
                gsize  *stride)
{
  const ZimWeight *weight = self->part->weight;
  ZimOperand operand = self->call->operand;
  gsize first = row * self->k + i;

  if (operand == ZIM_OPERAND_BF16 && weight->dtype == ZIM_DTYPE_BF16 && k % 2 == 0)
    {
      *stride = self->k;
      return weight->data + 2 * first;
    }
  *stride = zim_operand_padded (operand, k) + STRIP_GAP;
  for (guint r = 0; r < n; r++)
    self->call->kernels->decode (operand, weight, first + r * self->k, k,
                                 (guint8 *) decoded + r * *stride * zim_operand_size (operand));
  return decoded;
}

/* Asks for n rows of the part's weights from row on, k values from column i on: decoding reads faster than the memory
 * gives what nobody asked for. */
static void
fetch_strip (Linear *self,
             gint64  row,
             guint   n,
             gsize   i,
             gsize   k)
{
  const ZimWeight *weight = self->part->weight;

  for (guint r = 0; r < n; r++)
    {
      gsize first = (row + r) * self->k + i;
      const guint8 *at = weight->data + zim_dtype_offset (weight->dtype, first);
      const guint8 *end = weight->data + zim_dtype_offset (weight->dtype, first + k);

      for (; at < end; at += LINE)
        __builtin_prefetch (at, 0, 2);
    }
}

/* The strip after that of `rows` rows at `done`: in the tile's n columns, or in the next k. */
static void
fetch_next (Linear *self,
            gint64  first,
            guint   n,
            guint   done,
            guint   rows,
            gsize   i,
            gsize   k)
{
  guint strip = self->call->kernels->strip;

  if (done + rows < n)
    fetch_strip (self, first + done + rows, MIN (strip, n - done - rows), i, k);
  else if (i + k < self->k)
    fetch_strip (self, first, MIN (strip, n), i + k, MIN (BLOCK_K, self->k - i - k));
}

static void
tile_block (Linear *self,
            gint64  first,
            guint   n,
            guint   panel,
            guint   n_panels,
            gsize   i,
            gsize   k,
            float  *c,
            void   *decoded)
{
  const ZimCpuKernels *kernels = self->call->kernels;
  ZimOperand operand = self->call->operand;
  gsize size = panel_size (kernels, operand, self->k);
  gsize skip = i * kernels->panel * zim_operand_size (operand);

  for (guint done = 0; done < n; done += kernels->strip)
    {
      guint rows = MIN (kernels->strip, n - done);
      gsize stride;
      const void *w = strip_operands (self, first + done, rows, i, k, decoded, &stride);

      fetch_next (self, first, n, done, rows, i, k);
      for (guint p = 0; p < n_panels; p++)
        kernels->multiply (operand, w, stride, rows, self->panels + (panel + p) * size + skip,
                           zim_operand_padded (operand, k), c + ((gsize) p * TILE_COLS + done) * kernels->panel, i > 0);
    }
}

static void
tile_store (Linear *self,
            gint64  first,
            guint   n,
            guint   panel,
            guint   n_panels,
            float  *c)
{
  const ZimCpuKernels *kernels = self->call->kernels;

  for (guint p = 0; p < n_panels; p++)
    {
      gint64 row = (gint64) (panel + p) * kernels->panel;

      kernels->unpack (c + (gsize) p * TILE_COLS * kernels->panel, n, (guint) MIN (kernels->panel, self->rows - row),
                       1.0f / self->call->op->linear.operand_scale, self->bias != NULL ? self->bias + first : NULL,
                       self->y + row * self->y_stride + self->part->first + first, self->y_stride);
    }
}

static void
tile_task (gpointer data,
           guint    task,
           guint    thread)
{
  Linear *self = data;
  guint panel = task % self->n_row_tiles * self->tile_panels;
  guint n_panels = MIN (self->tile_panels, self->n_panels - panel);
  gint64 first = (gint64) (task / self->n_row_tiles) * TILE_COLS;
  guint n = (guint) MIN (TILE_COLS, self->part->weight->dims[0] - first);
  float *c = (float *) (self->threads + thread * self->per_thread);
  void *decoded = (guint8 *) c + tile_size (self->call->kernels, self->call->operand);

  for (gsize i = 0; i < self->k; i += BLOCK_K)
    {
      if (g_cancellable_is_cancelled (self->call->cancellable))
        return;
      tile_block (self, first, n, panel, n_panels, i, MIN (BLOCK_K, self->k - i), c, decoded);
    }
  tile_store (self, first, n, panel, n_panels, c);
}

/* Both */

static guint
count (gint64 n,
       guint  of)
{
  return (guint) ((n + of - 1) / of);
}

/* Divides the panels of x evenly among as few tiles as can be, since each decodes the weights anew, but into enough
 * tasks for all threads. */
static void
divide_panels (Linear *self)
{
  ZimCpuCall *call = self->call;
  guint n_tasks = TILE_TASKS * zim_cpu_team_get_n_threads (call->team);
  guint n_tiles = MAX (count (self->n_panels, max_panels (call->kernels, call->operand)),
                       count (n_tasks, count (self->part->weight->dims[0], TILE_COLS)));

  self->tile_panels = count (self->n_panels, MIN (n_tiles, self->n_panels));
  self->n_row_tiles = count (self->n_panels, self->tile_panels);
}

static gboolean
run_part (Linear   *self,
          gboolean  blas)
{
  ZimCpuCall *call = self->call;
  gint64 cols = self->part->weight->dims[0];

  if (blas)
    return zim_cpu_team_run (call->team, count (cols, BLAS_COLS), blas_task, self, call->cancellable);
  divide_panels (self);
  return zim_cpu_team_run (call->team, count (cols, TILE_COLS) * self->n_row_tiles, tile_task, self,
                           call->cancellable);
}

static void
set_up_panels (Linear *self)
{
  ZimCpuCall *call = self->call;

  self->n_panels = count_panels (call->kernels, self->rows);
  self->panels = call->scratch;
  self->threads = call->scratch + self->n_panels * panel_size (call->kernels, call->operand, self->k);
  self->per_thread = tile_size (call->kernels, call->operand) + strip_size (call->kernels);
}

static gboolean
linear_run (ZimCpuCall *call)
{
  const ZimOp *op = call->op;
  gboolean blas = suits_blas (op, call->operand);
  Part part = { NULL };
  Linear self = {
    .call = call,
    .x = zim_cpu_data (call, op->sources[0]),
    .x_stride = op->sources[0]->stride,
    .rows = op->out->rows,
    .k = op->sources[0]->cols,
    .y = zim_cpu_data (call, op->out),
    .y_stride = op->out->stride,
    .part = &part,
  };

  if (!blas)
    {
      set_up_panels (&self);
      if (!zim_cpu_team_run (call->team, self.n_panels, pack_task, &self, call->cancellable))
        return FALSE;
    }
  for (guint i = 0; i < op->linear.n_weights; i++)
    {
      part.weight = op->linear.weights[i];
      self.bias = call->vectors[0] != NULL ? call->vectors[0] + part.first : NULL;
      if (!run_part (&self, blas))
        return FALSE;
      part.first += part.weight->dims[0];
    }
  return TRUE;
}

const ZimCpuOpClass zim_cpu_linear_class = { linear_run, linear_scratch };
