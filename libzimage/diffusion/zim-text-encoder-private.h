/* zim-text-encoder-private.h: the Qwen3 encoder whose last but one hidden state describes the prompt
 *
 * Reference: Qwen3Model of transformers; ZImagePipeline takes hidden_states[-2], before the final norm.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-backend-private.h"
#include "formats/zim-checkpoint-private.h"

G_BEGIN_DECLS

typedef struct _ZimTextEncoder ZimTextEncoder;

/* Collects the weights; they must outlive the encoder (the checkpoint is kept). */
ZimTextEncoder *zim_text_encoder_new        (ZimCheckpoint    *checkpoint,
                                             GError          **error);
void            zim_text_encoder_free       (ZimTextEncoder   *self);

/* ids: [rows, 1] i32 → features: [rows, hidden]. Rows beyond the prompt's do not matter: attention is causal. */
typedef struct {
  ZimProgram *program;
  ZimTensor  *ids;
  ZimTensor  *cos;
  ZimTensor  *sin;
  ZimTensor  *features;
} ZimTextProgram;

void            zim_text_encoder_build      (ZimTextEncoder   *self,
                                             guint             rows,
                                             gboolean          keep_named,
                                             ZimTextProgram   *result);

/* features[n_ids][hidden], from the ids. */
float          *zim_text_encoder_run        (ZimTextEncoder   *self,
                                             ZimBackend       *backend,
                                             ZimPrecision      precision,
                                             const gint32     *ids,
                                             guint             n_ids,
                                             ZimDumpFunc       dump,
                                             gpointer          dump_data,
                                             GCancellable     *cancellable,
                                             GError          **error);

/* The program of a prompt of n_ids, for its sizes. */
ZimExecutable  *zim_text_encoder_compile    (ZimTextEncoder   *self,
                                             ZimBackend       *backend,
                                             ZimPrecision      precision,
                                             guint             n_ids,
                                             gboolean          keep_named,
                                             GError          **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimTextEncoder, zim_text_encoder_free)

G_END_DECLS
