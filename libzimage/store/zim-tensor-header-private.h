/* zim-tensor-header-private.h: what a blob begins with
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-checkpoint-private.h"

G_BEGIN_DECLS

/* The header of a safetensors file whose data is the weight's, as dtype (its own, or BF16 for F32): JSON, padded with
 * spaces to a multiple of 8. name is that of INT4 and INT8. (transfer full) */
GString *zim_tensor_header      (const ZimWeight *weight,
                                 ZimDType         dtype,
                                 const char      *name);

/* Of one tensor called “data”. */
GString *zim_tensor_header_data (const char      *dtype,
                                 guint            n_dims,
                                 const gint64    *dims,
                                 guint64          size);

/* Bytes of the scales of INT4 and INT8, and of the biases. */
static inline guint64
zim_affine_size (const ZimWeight *weight)
{
  return (guint64) zim_weight_n_elements (weight) / weight->group * sizeof (guint16);
}

G_END_DECLS
