/* op-spy.h: kernels that count the operations of products, and can leave them out
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/cpu/zim-cpu-private.h"

G_BEGIN_DECLS

/* Counts from 0 on. From the product on that brings the count beyond `at`, reached is called before each of them.
 * skip: nothing is computed nor written, so that the shapes can be as large as they like. */
const ZimCpuKernels *spy_kernels    (const ZimCpuKernels *real);
void                 spy_start      (gboolean             skip,
                                     guint64              at,
                                     GFunc                reached,
                                     gpointer             user_data);
guint64              spy_get_flops  (void);

/* Whether products of f32, which are OpenBLAS', are counted too. */
gboolean             spy_has_blas   (void);

G_END_DECLS
