/* zim-cpu-attention.c: softmax (q · kᵀ / sqrt (d)) · v, in blocks of keys
 *
 * For each head, keys are stored as operand rows and values as operand columns; then a group of query panels walks over
 * the keys with a running maximum and sum, so no rows × rows matrix exists. Both products have the form that the
 * kernels make: s[key][query] = k · qᵀ and o[d][query] = vᵀ · p.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/cpu/zim-cpu-private.h"

#define BLOCK_KEYS 256
#define GROUP_PANELS 2 /* panels of queries that share one walk over the keys */

typedef struct {
  ZimCpuCall     *call;
  const ZimRange *range;
  guint           head_dim;
  gsize           key_stride;   /* elements of a row of keys */
  gsize           value_stride; /* elements of a row of transposed values: the padded number of keys */
  guint8         *keys;         /* [kv head][key][key_stride] */
  guint8         *values;       /* [kv head][d][value_stride] */
  gsize           keys_size;    /* bytes of one head */
  gsize           values_size;
  guint8         *threads;
  gsize           per_thread;
  guint           n_groups;     /* of query panels */
} Attention;

/* What one thread needs for one panel of queries */
typedef struct {
  guint8 *q;      /* packed */
  float  *o;      /* [d][panel] */
  float  *max;    /* [panel] */
  float  *sum;
} Panel;

static gsize
head_stride (const ZimOp *op,
             ZimOperand   operand)
{
  return zim_operand_padded (operand, op->attention.head_dim);
}

static gsize
keys_size (const ZimOp *op,
           ZimOperand   operand,
           gint64       length)
{
  return zim_align (length * head_stride (op, operand) * zim_operand_size (operand));
}

/* Rows of transposed values are read in blocks of keys: rounded up so that every block is whole. */
static gsize
value_stride (gint64 length)
{
  return (length + BLOCK_KEYS - 1) / BLOCK_KEYS * BLOCK_KEYS;
}

static gsize
values_size (const ZimOp *op,
             ZimOperand   operand,
             gint64       length)
{
  return zim_align (op->attention.head_dim * value_stride (length) * zim_operand_size (operand));
}

static gsize
panel_scratch (const ZimCpuKernels *kernels,
               const ZimOp         *op)
{
  gsize column = kernels->panel * sizeof (float);

  return 2 * zim_align ((op->attention.head_dim + 1) * column) + 2 * zim_align (column);
}

static gsize
thread_scratch (const ZimCpuKernels *kernels,
                const ZimOp         *op)
{
  gsize block = zim_align (BLOCK_KEYS * kernels->panel * sizeof (float));

  return GROUP_PANELS * panel_scratch (kernels, op) + 2 * block;
}

static gint64
longest_range (const ZimOp *op)
{
  gint64 longest = 0;

  for (guint i = 0; i < op->n_ranges; i++)
    longest = MAX (longest, op->ranges[i].length);
  return longest;
}

static gsize
attention_scratch (const ZimOp       *op,
                   const ZimCpuSetup *setup)
{
  gint64 length = longest_range (op);

  return op->attention.n_kv_heads * (keys_size (op, setup->operand, length) +
                                     values_size (op, setup->operand, length)) +
         setup->n_threads * thread_scratch (setup->kernels, op);
}

/* Keys and values of one head and one block of keys */

static void
store_values (Attention   *self,
              const float *v,
              gsize        stride,
              gint64       first,
              gint64       n,
              guint8      *out)
{
  const ZimCpuKernels *kernels = self->call->kernels;
  ZimOperand operand = self->call->operand;
  float column[BLOCK_KEYS];

  for (guint d = 0; d < self->head_dim; d++)
    {
      for (gint64 i = 0; i < n; i++)
        column[i] = v[i * stride + d];
      for (gint64 i = n; i < BLOCK_KEYS; i++)
        column[i] = 0;
      kernels->round (operand, column, BLOCK_KEYS,
                      out + (d * self->value_stride + first) * zim_operand_size (operand));
    }
}

static void
prepare_task (gpointer data,
              guint    task,
              guint    thread)
{
  Attention *self = data;
  ZimCpuCall *call = self->call;
  const ZimTensor *k = call->op->sources[1], *v = call->op->sources[2];
  guint n_blocks = (guint) (self->value_stride / BLOCK_KEYS);
  guint head = task / n_blocks;
  gint64 first = (gint64) (task % n_blocks) * BLOCK_KEYS;
  gint64 n = MIN (BLOCK_KEYS, self->range->length - first);
  gsize size = zim_operand_size (call->operand);

  for (gint64 i = 0; i < n; i++)
    call->kernels->round (call->operand,
                          zim_cpu_row (call, k, self->range->start + first + i) + head * self->head_dim,
                          self->head_dim, self->keys + head * self->keys_size + (first + i) * self->key_stride * size);
  store_values (self, zim_cpu_row (call, v, self->range->start + first) + head * self->head_dim, v->stride, first, n,
                self->values + head * self->values_size);
}

/* Queries */

static void
mask_future (float  *s,
             guint   panel,
             gint64  first_key,
             guint   n_keys,
             gint64  first_query)
{
  for (guint key = 0; key < n_keys; key++)
    for (guint i = 0; i < panel && first_query + i < first_key + key; i++)
      s[key * panel + i] = -INFINITY;
}

static void
panel_block (Attention *self,
             Panel     *panel,
             guint      kv_head,
             gint64     query,
             gint64     key,
             float     *s,
             void      *p)
{
  const ZimCpuKernels *kernels = self->call->kernels;
  ZimOperand operand = self->call->operand;
  gsize size = zim_operand_size (operand);
  guint n = (guint) MIN (BLOCK_KEYS, self->range->length - key);
  float shrink[ZIM_CPU_MAX_PANEL];

  kernels->multiply (operand, self->keys + kv_head * self->keys_size + key * self->key_stride * size, self->key_stride,
                     n, panel->q, self->key_stride, s, FALSE);
  if (self->call->op->attention.causal && key + n > query)
    mask_future (s, kernels->panel, key, n, query);
  kernels->softmax (operand, s, n, 1.0f / sqrtf (self->head_dim), panel->max, panel->sum, shrink, p);
  kernels->rescale (panel->o, self->head_dim, shrink);
  kernels->multiply (operand, self->values + kv_head * self->values_size + key * size, self->value_stride,
                     self->head_dim, p, zim_operand_padded (operand, n), panel->o, TRUE);
}

static void
panel_start (Attention *self,
             Panel     *panel,
             guint8    *memory,
             guint      head,
             gint64     query)
{
  ZimCpuCall *call = self->call;
  const ZimCpuKernels *kernels = call->kernels;
  gsize column = kernels->panel * sizeof (float);
  const ZimTensor *q = call->op->sources[0];
  const float *rows[ZIM_CPU_MAX_PANEL];

  panel->q = memory;
  panel->o = (float *) (memory + zim_align ((self->head_dim + 1) * column));
  panel->max = (float *) ((guint8 *) panel->o + zim_align ((self->head_dim + 1) * column));
  panel->sum = (float *) ((guint8 *) panel->max + zim_align (column));

  zim_cpu_panel_rows (zim_cpu_row (call, q, self->range->start) + head * self->head_dim, q->stride, query,
                      self->range->length, kernels->panel, rows);
  kernels->pack (call->operand, rows, self->head_dim, 1.0f, panel->q);
  memset (panel->o, 0, self->head_dim * column);
  memset (panel->sum, 0, column);
  for (guint i = 0; i < kernels->panel; i++)
    panel->max[i] = -INFINITY;
}

static void
panel_finish (Attention *self,
              Panel     *panel,
              guint      head,
              gint64     query)
{
  ZimCpuCall *call = self->call;
  const ZimCpuKernels *kernels = call->kernels;
  ZimTensor *out = call->op->out;
  float *y = (float *) zim_cpu_row (call, out, self->range->start + query) + head * self->head_dim;

  for (guint i = 0; i < kernels->panel; i++)
    panel->sum[i] = 1.0f / panel->sum[i];
  kernels->rescale (panel->o, self->head_dim, panel->sum);
  kernels->unpack (panel->o, self->head_dim, (guint) MIN (kernels->panel, self->range->length - query), 1.0f, NULL, y,
                   out->stride);
}

static void
query_task (gpointer data,
            guint    task,
            guint    thread)
{
  Attention *self = data;
  const ZimOp *op = self->call->op;
  const ZimCpuKernels *kernels = self->call->kernels;
  guint head = task / self->n_groups;
  guint kv_head = head / (op->attention.n_heads / op->attention.n_kv_heads);
  gint64 query = (gint64) (task % self->n_groups) * GROUP_PANELS * kernels->panel;
  gint64 end = MIN (query + GROUP_PANELS * kernels->panel, self->range->length);
  gint64 n_keys = op->attention.causal ? end : self->range->length;
  guint n_panels = (guint) ((end - query + kernels->panel - 1) / kernels->panel);
  guint8 *memory = self->threads + thread * self->per_thread;
  float *s = (float *) (memory + GROUP_PANELS * panel_scratch (kernels, op));
  void *p = (guint8 *) s + zim_align (BLOCK_KEYS * kernels->panel * sizeof (float));
  Panel panels[GROUP_PANELS];

  for (guint i = 0; i < n_panels; i++)
    panel_start (self, &panels[i], memory + i * panel_scratch (kernels, op), head, query + i * kernels->panel);
  for (gint64 key = 0; key < n_keys; key += BLOCK_KEYS)
    for (guint i = 0; i < n_panels; i++)
      if (!op->attention.causal || key < query + (gint64) (i + 1) * kernels->panel)
        panel_block (self, &panels[i], kv_head, query + i * kernels->panel, key, s, p);
  for (guint i = 0; i < n_panels; i++)
    panel_finish (self, &panels[i], head, query + i * kernels->panel);
}

static gboolean
run_range (ZimCpuCall     *call,
           const ZimRange *range)
{
  const ZimOp *op = call->op;
  guint n_blocks = (guint) (value_stride (range->length) / BLOCK_KEYS);
  guint group = GROUP_PANELS * call->kernels->panel;
  Attention self = {
    .call = call,
    .range = range,
    .head_dim = op->attention.head_dim,
    .key_stride = head_stride (op, call->operand),
    .value_stride = value_stride (range->length),
    .keys_size = keys_size (op, call->operand, range->length),
    .values_size = values_size (op, call->operand, range->length),
    .keys = call->scratch,
    .per_thread = thread_scratch (call->kernels, op),
    .n_groups = (guint) ((range->length + group - 1) / group),
  };

  self.values = self.keys + op->attention.n_kv_heads * self.keys_size;
  self.threads = self.values + op->attention.n_kv_heads * self.values_size;
  return zim_cpu_team_run (call->team, op->attention.n_kv_heads * n_blocks, prepare_task, &self, call->cancellable) &&
         zim_cpu_team_run (call->team, op->attention.n_heads * self.n_groups, query_task, &self, call->cancellable);
}

static gboolean
attention_run (ZimCpuCall *call)
{
  for (guint i = 0; i < call->op->n_ranges; i++)
    if (!run_range (call, &call->op->ranges[i]))
      return FALSE;
  return TRUE;
}

const ZimCpuOpClass zim_cpu_attention_class = { attention_run, attention_scratch };
