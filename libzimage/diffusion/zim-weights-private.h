/* zim-weights-private.h: collecting a network's weights from a checkpoint
 *
 * A ZimWeights remembers the first error, so that a network can ask for all its weights in a row and look once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-checkpoint-private.h"

G_BEGIN_DECLS

typedef struct {
  ZimCheckpoint *checkpoint;
  ZimComponent   component;
  GError        *error; /* the first one */
} ZimWeights;

/* [n], [rows, cols], [out, in, k, k]. NULL once there is an error. */
const ZimWeight *zim_weights_vector (ZimWeights  *self,
                                     gint64       n,
                                     const char  *format,
                                     ...) G_GNUC_PRINTF (3, 4);
const ZimWeight *zim_weights_matrix (ZimWeights  *self,
                                     gint64       rows,
                                     gint64       cols,
                                     const char  *format,
                                     ...) G_GNUC_PRINTF (4, 5);
const ZimWeight *zim_weights_kernel (ZimWeights  *self,
                                     gint64       out,
                                     gint64       in,
                                     gint64       k,
                                     const char  *format,
                                     ...) G_GNUC_PRINTF (5, 6);

G_END_DECLS
