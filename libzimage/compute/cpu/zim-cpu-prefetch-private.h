/* zim-cpu-prefetch-private.h: reads weights from disk while the operations before them are computed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-program-private.h"

G_BEGIN_DECLS

/* Of one program; zero at first. */
typedef struct {
  gboolean idle;   /* the last run read nothing from disk */
  guint    next;   /* the first operation whose weights were not asked for */
  gsize    ahead;  /* bytes that were asked for and are not needed yet */
  glong    blocks; /* that the process had read when the run began */
} ZimCpuPrefetch;

void zim_cpu_prefetch_begin   (ZimCpuPrefetch *self);
/* Before operation i is computed. */
void zim_cpu_prefetch_advance (ZimCpuPrefetch *self,
                               GPtrArray      *ops,
                               guint           i);
void zim_cpu_prefetch_end     (ZimCpuPrefetch *self);

G_END_DECLS
