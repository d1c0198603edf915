/* zim-vk-codes-private.h: quantized weights as they lie on the device
 *
 * Fifteen stored types become rows of one kind: codes of two to eight bits, and what they are multiplied by. No value
 * is rounded, and hardly anything grows: a row is filled up to 16 bytes, and the scales of Q3_K, Q4_K and Q5_K from six
 * bits to eight, together less than a twentieth of the model's rows.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-weight-private.h"

G_BEGIN_DECLS

/* How rows of a matrix lie on the device: as numbers, or as codes. */
typedef struct {
  ZimDType dtype;    /* of the numbers; of codes as they are stored */
  guint32  codes;    /* widths and kinds as shaders/codes.glsl has them; 0: numbers */
  guint    rotation; /* columns of x that are rotated together before they are multiplied; 0: none are */
  gsize    row_size; /* bytes from one row to the next */
} ZimVkFormat;

/* The format of a matrix whose padded rows have stride columns. FALSE if its type has no codes, or if rows begin within
 * a block or a group of it. */
gboolean zim_vk_codes_choose (const ZimWeight   *weight,
                              gint64             cols,
                              gint64             stride,
                              ZimVkFormat       *format);

/* A stored row of cols values, in that format */
void     zim_vk_codes_pack   (const ZimWeight   *weight,
                              const ZimVkFormat *format,
                              gint64             row,
                              gint64             cols,
                              gint64             stride,
                              guint8            *out);

G_END_DECLS
