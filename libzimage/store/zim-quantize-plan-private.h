/* zim-quantize-plan-private.h: which tensors of a model are quantized, and to what
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-checkpoint-private.h"

G_BEGIN_DECLS

typedef struct _ZimQuantizePlan ZimQuantizePlan; /* any thread */

/* type, if not NULL, is for the tensors that Ollama quantizes too: matrices of the transformer and the text encoder,
 * but neither embeddings nor norms. keep is a (nullable) list of “REGEX=TYPE”: the first whose expression is found in a
 * tensor's name, “transformer/layers.0.attention.to_q.weight”, says what that one becomes; “bf16” leaves it as it is.
 * ZIM_ERROR_UNSUPPORTED for types, ZIM_ERROR_INVALID_PARAMS for rules that are none. */
ZimQuantizePlan *zim_quantize_plan_new    (const char         *type,
                                           const char *const  *keep,
                                           GError            **error);
void             zim_quantize_plan_free   (ZimQuantizePlan    *self);

/* Whether a tensor is quantized, and to what. Only those of 16 or 32 bits are, whose rows are whole blocks. */
gboolean         zim_quantize_plan_choose (ZimQuantizePlan    *self,
                                           ZimComponent        component,
                                           const char         *name,
                                           const ZimWeight    *weight,
                                           ZimDType           *dtype);

/* After all tensors: ZIM_ERROR_UNSUPPORTED if none was chosen, ZIM_ERROR_INVALID_PARAMS if a rule was for none. */
gboolean         zim_quantize_plan_finish (ZimQuantizePlan    *self,
                                           GError            **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimQuantizePlan, zim_quantize_plan_free)

G_END_DECLS
