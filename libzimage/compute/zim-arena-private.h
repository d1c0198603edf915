/* zim-arena-private.h: where the temporaries of a program lie
 *
 * Planned from lifetimes before anything runs, so the peak is known beforehand.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

#include "compute/zim-program-private.h"

G_BEGIN_DECLS

#define ZIM_ARENA_ALIGNMENT 256

/* Memory that is needed from operation first to operation last, both included. */
typedef struct {
  gsize size;
  guint first;
  guint last;
  gsize offset; /* filled in by the plan */
} ZimLifetime;

/* Bytes of scratch that the backend needs while it runs op. */
typedef gsize (*ZimScratchFunc) (const ZimOp *op,
                                 gpointer     user_data);

/* Bytes that an element of a tensor takes, which is the same for all parts of one. */
typedef gsize (*ZimElementFunc) (const ZimTensor *tensor,
                                 gpointer         user_data);

typedef struct {
  gsize  size;
  gsize *tensors; /* offset of each tensor's base by its id; G_MAXSIZE for those outside the arena */
  gsize *scratch; /* offset of each op's scratch */
} ZimArenaPlan;

/* Places the lifetimes so that those which overlap in time do not overlap in memory; returns the total size. chunk: the
 * memory is in pieces of that many bytes, a multiple of the alignment, and nothing lies in two of them unless it is
 * larger than one; 0: it is in one piece. */
gsize         zim_lifetimes_place   (ZimLifetime     *lifetimes,
                                     guint            n,
                                     gsize            chunk);

/* element: (nullable): elements take what their types do */
ZimArenaPlan *zim_arena_plan_new    (ZimProgram      *program,
                                     ZimElementFunc   element,
                                     ZimScratchFunc   scratch,
                                     gpointer         user_data,
                                     gsize            chunk);
void          zim_arena_plan_free   (ZimArenaPlan    *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimArenaPlan, zim_arena_plan_free)

G_END_DECLS
