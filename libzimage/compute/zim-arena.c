/* zim-arena.c: where the temporaries of a program lie
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/zim-arena-private.h"

static gint
compare_by_size (gconstpointer a,
                 gconstpointer b)
{
  const ZimLifetime *x = *(ZimLifetime *const *) a, *y = *(ZimLifetime *const *) b;

  if (x->size != y->size)
    return x->size > y->size ? -1 : 1;
  return x->first < y->first ? -1 : x->first > y->first;
}

/* The lowest place from offset on that is not in two chunks. */
static gsize
skip_border (gsize offset,
             gsize size,
             gsize chunk)
{
  if (chunk == 0 || size == 0 || size > chunk || offset / chunk == (offset + size - 1) / chunk)
    return offset;
  return (offset / chunk + 1) * chunk;
}

/* The lowest gap among the placed lifetimes that overlap this one in time. */
static gsize
find_offset (const ZimLifetime *lifetime,
             GPtrArray         *placed,
             gsize              chunk)
{
  gsize offset = 0;

  for (guint i = 0; i < placed->len; i++)
    {
      const ZimLifetime *other = g_ptr_array_index (placed, i);

      if (other->first > lifetime->last || other->last < lifetime->first)
        continue;
      if (other->offset >= offset + lifetime->size)
        break;
      offset = skip_border (MAX (offset, other->offset + other->size), lifetime->size, chunk);
    }
  return offset;
}

/* Keeps them in the order of their offsets. */
static void
insert (GPtrArray   *placed,
        ZimLifetime *lifetime)
{
  guint first = 0, last = placed->len;

  while (first < last)
    {
      guint middle = (first + last) / 2;
      const ZimLifetime *other = g_ptr_array_index (placed, middle);

      if (other->offset <= lifetime->offset)
        first = middle + 1;
      else
        last = middle;
    }
  g_ptr_array_insert (placed, (int) first, lifetime);
}

/* Greedy by size: the largest first, each at the lowest place that is free for as long as it lives. */
gsize
zim_lifetimes_place (ZimLifetime *lifetimes,
                     guint        n,
                     gsize        chunk)
{
  g_autoptr(GPtrArray) queue = g_ptr_array_sized_new (n);
  g_autoptr(GPtrArray) placed = g_ptr_array_sized_new (n);
  gsize total = 0;

  for (guint i = 0; i < n; i++)
    {
      lifetimes[i].size = (lifetimes[i].size + ZIM_ARENA_ALIGNMENT - 1) / ZIM_ARENA_ALIGNMENT * ZIM_ARENA_ALIGNMENT;
      if (lifetimes[i].size > 0)
        g_ptr_array_add (queue, &lifetimes[i]);
    }
  g_ptr_array_sort (queue, compare_by_size);
  for (guint i = 0; i < queue->len; i++)
    {
      ZimLifetime *lifetime = g_ptr_array_index (queue, i);

      lifetime->offset = find_offset (lifetime, placed, chunk);
      total = MAX (total, lifetime->offset + lifetime->size);
      insert (placed, lifetime);
    }
  return total;
}

typedef struct {
  guint first;
  guint last;
  gboolean used;
} Use;

static void
use_tensor (Use             *uses,
            const ZimTensor *tensor,
            guint            at)
{
  Use *use = &uses[tensor->base->id];

  if (!use->used)
    use->first = at;
  use->used = TRUE;
  use->last = at;
}

static gboolean
lies_in_arena (const ZimTensor *tensor)
{
  return tensor->base == tensor && (tensor->place == ZIM_PLACE_TEMPORARY || tensor->place == ZIM_PLACE_OUTPUT);
}

static Use *
find_uses (ZimProgram *program)
{
  GPtrArray *ops = zim_program_get_ops (program);
  GPtrArray *tensors = zim_program_get_tensors (program);
  Use *uses = g_new0 (Use, tensors->len);

  for (guint i = 0; i < ops->len; i++)
    {
      const ZimOp *op = g_ptr_array_index (ops, i);

      for (guint j = 0; j < op->n_sources; j++)
        if (op->sources[j] != NULL)
          use_tensor (uses, op->sources[j], i);
      use_tensor (uses, op->out, i);
    }
  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (tensor->place == ZIM_PLACE_OUTPUT && ops->len > 0)
        uses[tensor->base->id].last = ops->len - 1;
    }
  return uses;
}

/* Element-wise operations read and write the same place at the same time. */
static gboolean
works_in_place (const ZimOp *op)
{
  switch (op->kind)
    {
    case ZIM_OP_RMS_NORM:
    case ZIM_OP_LAYER_NORM:
    case ZIM_OP_GROUP_NORM:
    case ZIM_OP_SWIGLU:
    case ZIM_OP_SILU:
    case ZIM_OP_TANH:
    case ZIM_OP_ADD:
    case ZIM_OP_AFFINE:
      return TRUE;
    default:
      return FALSE;
    }
}

/* Rows of the first source may still be read after rows of the result are written: a norm's scale can be one of
 * them. */
static gboolean
reads_twice (const ZimOp *op)
{
  for (guint i = 1; i < op->n_sources; i++)
    if (op->sources[i] != NULL && op->sources[i]->base == op->sources[0]->base)
      return TRUE;
  return FALSE;
}

/* Lets the result of an element-wise operation take over the memory of a first source that dies there: owner[id]
 * is the tensor whose memory tensor id uses. */
static guint *
share_in_place (ZimProgram  *program,
                Use         *uses,
                const gsize *sizes)
{
  GPtrArray *ops = zim_program_get_ops (program);
  GPtrArray *tensors = zim_program_get_tensors (program);
  guint *owner = g_new (guint, tensors->len);

  for (guint i = 0; i < tensors->len; i++)
    owner[i] = i;
  for (guint i = 0; i < ops->len; i++)
    {
      const ZimOp *op = g_ptr_array_index (ops, i);
      const ZimTensor *x = op->sources[0];

      if (!works_in_place (op) || reads_twice (op) || sizes[x->id] != sizes[op->out->id] || x->base != x ||
          x->place != ZIM_PLACE_TEMPORARY || !lies_in_arena (op->out) || uses[x->id].last != i ||
          uses[op->out->id].first != i)
        continue;
      owner[op->out->id] = owner[x->id];
      uses[owner[x->id]].last = uses[op->out->id].last;
    }
  return owner;
}

static gsize *
measure_tensors (GPtrArray      *tensors,
                 ZimElementFunc  element,
                 gpointer        user_data)
{
  gsize *sizes = g_new (gsize, tensors->len);

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);
      gsize each = element != NULL ? element (tensor, user_data) : zim_dtype_size (tensor->dtype);

      sizes[i] = (gsize) (tensor->rows * tensor->cols) * each;
    }
  return sizes;
}

ZimArenaPlan *
zim_arena_plan_new (ZimProgram     *program,
                    ZimElementFunc  element,
                    ZimScratchFunc  scratch,
                    gpointer        user_data,
                    gsize           chunk)
{
  GPtrArray *ops = zim_program_get_ops (program);
  GPtrArray *tensors = zim_program_get_tensors (program);
  g_autofree Use *uses = find_uses (program);
  g_autofree gsize *sizes = measure_tensors (tensors, element, user_data);
  g_autofree guint *owner = share_in_place (program, uses, sizes);
  g_autofree ZimLifetime *lifetimes = g_new0 (ZimLifetime, tensors->len + ops->len);
  ZimArenaPlan *plan = g_new0 (ZimArenaPlan, 1);

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (lies_in_arena (tensor) && owner[i] == i && uses[i].used)
        lifetimes[i] = (ZimLifetime) { .size = sizes[i], .first = uses[i].first, .last = uses[i].last };
    }
  for (guint i = 0; i < ops->len; i++)
    lifetimes[tensors->len + i] =
      (ZimLifetime) { .size = scratch (g_ptr_array_index (ops, i), user_data), .first = i, .last = i };

  plan->size = zim_lifetimes_place (lifetimes, tensors->len + ops->len, chunk);
  plan->tensors = g_new (gsize, tensors->len);
  plan->scratch = g_new (gsize, ops->len);
  for (guint i = 0; i < tensors->len; i++)
    plan->tensors[i] = lies_in_arena (g_ptr_array_index (tensors, i)) ? lifetimes[owner[i]].offset : G_MAXSIZE;
  for (guint i = 0; i < ops->len; i++)
    plan->scratch[i] = lifetimes[tensors->len + i].offset;
  return plan;
}

void
zim_arena_plan_free (ZimArenaPlan *plan)
{
  g_free (plan->tensors);
  g_free (plan->scratch);
  g_free (plan);
}
