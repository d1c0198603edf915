/* zim-cpu-decode-private.h: stored weights and other values → operands of products
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/cpu/zim-cpu-vector-private.h"

G_BEGIN_DECLS

/* ZimCpuKernels.decode and .round of the tier that is being compiled. A bf16 operand below 2⁻¹²⁶ may be 0: the dot
 * product takes it for that. */
void FOR_TIER (zim_cpu_decode) (ZimOperand       operand,
                                const ZimWeight *weight,
                                gsize            first,
                                gsize            k,
                                void            *dst);
void FOR_TIER (zim_cpu_round)  (ZimOperand       operand,
                                const float     *src,
                                gsize            k,
                                void            *dst);

G_END_DECLS
