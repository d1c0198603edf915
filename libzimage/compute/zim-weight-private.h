/* zim-weight-private.h: one named tensor of a checkpoint, where it lies in the mapped file
 *
 * A ZimWeight owns nothing: whoever opened the file (a ZimCheckpoint) keeps it mapped for as long as
 * weights of it are in use. Data is row-major, contiguous, little-endian and of any alignment.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-dtype-private.h"

G_BEGIN_DECLS

#define ZIM_MAX_DIMS 5

typedef struct {
  const char   *name;   /* as error messages should call it */
  ZimDType      dtype;
  guint         n_dims; /* 0 for a scalar */
  gint64        dims[ZIM_MAX_DIMS];
  const guint8 *data;
  gsize         size;   /* bytes */
} ZimWeight;

/* “[3840, 2560]” */
char  *zim_shape_to_string  (guint            n_dims,
                             const gint64    *dims);

static inline gint64
zim_weight_n_elements (const ZimWeight *weight)
{
  gint64 n = 1;

  for (guint i = 0; i < weight->n_dims; i++)
    n *= weight->dims[i];
  return n;
}

G_END_DECLS
