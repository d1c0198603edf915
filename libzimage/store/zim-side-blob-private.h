/* zim-side-blob-private.h: the small tensors that say how the values of a large one are meant
 *
 * As ComfyUI has them: X.weight_scale beside the X.weight of FP8 and I8, and X.comfy_quant if I8 was rotated.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-checkpoint-private.h"
#include "store/zim-sha256-private.h"

G_BEGIN_DECLS

#define ZIM_MAX_SIDES 2

typedef struct {
  const char *suffix; /* of the layer's name, instead of “.weight” */
  const char *dtype;
  guint       n_dims;
  gint64      dims[1];

  /* Once it is stored: */
  guint64     size;   /* of the blob */
  char        hex[ZIM_SHA256_HEX + 1];
} ZimSideBlob;

/* Sets sides to those that go with a weight of this type, shape, group and rotation, and returns how many. */
guint    zim_side_blobs_list (const ZimWeight  *weight,
                              gboolean          has_scales,
                              ZimSideBlob      *sides);

/* Stores one of them. */
gboolean zim_side_blob_put   (ZimSideBlob      *self,
                              const ZimWeight  *weight,
                              const char       *root,
                              GError          **error);

G_END_DECLS
