/* zim-cpu-prefetch.c: reads weights from disk while the operations before them are computed
 *
 * Page faults alone read what the device's read-ahead window holds, usually 128 KiB, and the thread that faults waits.
 * Here whole weights are asked for, some operations ahead. A later run does so only if the one before it had to read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compute/cpu/zim-cpu-prefetch-private.h"

#define AHEAD (256 * 1024 * 1024) /* bytes that are asked for before they are needed */
#define REQUEST (128 * 1024)      /* the kernel cuts a request to the device's window: the smallest in use */

/* Starts to read pages and does not wait. A failure does not matter: page faults read them too. */
static void
request (const guint8 *data,
         gsize         size)
{
  gsize page = (gsize) sysconf (_SC_PAGESIZE);
  gsize begin = (gsize) data & ~(page - 1), end = (gsize) data + size;

  for (; begin < end; begin += REQUEST)
    madvise ((void *) begin, MIN (REQUEST, end - begin), MADV_WILLNEED);
}

static void
request_weight (const ZimWeight *weight)
{
  request (weight->data, weight->size);
  if (weight->scales != NULL)
    request (weight->scales, zim_weight_scales_size (weight));
  if (weight->biases != NULL)
    request (weight->biases, zim_weight_scales_size (weight));
}

/* Bytes of the matrices of an operation; asks for them too. */
static gsize
op_weights (const ZimOp *op,
            gboolean     ask)
{
  const ZimWeight *const *weights = op->kind == ZIM_OP_LINEAR ? op->linear.weights : &op->conv.weight;
  guint n = op->kind == ZIM_OP_LINEAR ? op->linear.n_weights : op->kind == ZIM_OP_CONV2D;
  gsize size = 0;

  for (guint i = 0; i < n; i++)
    {
      if (ask)
        request_weight (weights[i]);
      size += weights[i]->size;
    }
  return size;
}

static glong
blocks_read (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return usage.ru_inblock;
}

void
zim_cpu_prefetch_begin (ZimCpuPrefetch *self)
{
  self->next = 0;
  self->ahead = 0;
  self->blocks = blocks_read ();
}

void
zim_cpu_prefetch_advance (ZimCpuPrefetch *self,
                          GPtrArray      *ops,
                          guint           i)
{
  if (self->idle)
    return;
  for (; self->next < ops->len && (self->next <= i || self->ahead < AHEAD); self->next++)
    self->ahead += op_weights (g_ptr_array_index (ops, self->next), TRUE);
  self->ahead -= op_weights (g_ptr_array_index (ops, i), FALSE);
}

void
zim_cpu_prefetch_end (ZimCpuPrefetch *self)
{
  self->idle = blocks_read () == self->blocks;
}
