/* zim-weight-private.h: one named tensor of a checkpoint, where it lies in the mapped file
 *
 * A ZimWeight owns nothing: whoever opened the file (a ZimCheckpoint) keeps it mapped for as long as
 * weights of it are in use. Data, scales and biases are row-major, contiguous, little-endian and of any alignment.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-dtype-private.h"

G_BEGIN_DECLS

#define ZIM_MAX_DIMS 5
/* Values that are decoded together at most: a block of GGUF's, columns that were rotated together. */
#define ZIM_MAX_UNIT 256

typedef struct {
  const char   *name;     /* as error messages should call it */
  ZimDType      dtype;
  guint         n_dims;   /* 0 for a scalar */
  gint64        dims[ZIM_MAX_DIMS];
  const guint8 *data;
  gsize         size;     /* bytes */

  /* What the types F8_E4M3, F8_E5M2, I8, INT4 and INT8 may have besides: */
  const guint8 *scales;   /* bf16 of INT4 and INT8, f32 of the others, where (nullable) is a scale of 1 */
  const guint8 *biases;   /* bf16 of INT4 and INT8 */
  gsize         group;    /* values that follow one another and share a scale: a part of a row, rows, the tensor */
  guint         rotation; /* of I8: columns that were rotated together, a power of 4; 0: none were */
} ZimWeight;

/* “[3840, 2560]” */
char  *zim_shape_to_string  (guint            n_dims,
                             const gint64    *dims);

/* n values from that one on, counted through all rows. Any may be asked for; whole blocks that begin where a block
 * begins are decoded in place. */
void   zim_weight_decode    (const ZimWeight *weight,
                             gsize            first,
                             gsize            n,
                             float           *dst);

static inline gint64
zim_weight_n_elements (const ZimWeight *weight)
{
  gint64 n = 1;

  for (guint i = 0; i < weight->n_dims; i++)
    n *= weight->dims[i];
  return n;
}

/* Bytes of the scales, and of the biases where there are any */
static inline gsize
zim_weight_scales_size (const ZimWeight *weight)
{
  gsize n = (gsize) zim_weight_n_elements (weight);

  return (n + weight->group - 1) / weight->group * (weight->biases != NULL ? 2 : 4);
}

G_END_DECLS
