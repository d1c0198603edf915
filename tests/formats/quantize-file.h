/* quantize-file.h: quantized weights for the tests, as the tools that make such files store them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "model-file.h"

G_BEGIN_DECLS

/* What lies beside the weights. */
typedef enum {
  SIDES_NONE,
  SIDES_OLD,      /* scale_weight, one value, and scaled_fp8 */
  SIDES_NEW,      /* weight_scale, one value, and comfy_quant */
  SIDES_ROWS,     /* weight_scale, one for each row, and comfy_quant */
  SIDES_ROTATED,  /* the same, in the file's metadata, and groups of 64 columns were rotated */
} Sides;

typedef struct {
  const char *name;
  ZimDType    dtype;
  Sides       sides;
} Scheme;

/* Whether weights of this type go into GGUF. */
gboolean  scheme_is_gguf (const Scheme *scheme);

/* Quantizes every matrix of the file that whole blocks fit into. Blocks that the library does not make are random. */
void      quantize_file  (ModelFile    *file,
                          const char   *prefix, /* of the names in it */
                          const Scheme *scheme);

G_END_DECLS
