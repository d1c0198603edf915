/* zim-transformer-private.h: the Z-Image transformer as programs
 *
 * Reference: ZImageTransformer2DModel of diffusers. Sequence order is [image, caption]; image rows are padded with
 * x_pad_token and caption rows with cap_pad_token to multiples of 32, and the padding takes part in attention.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-backend-private.h"
#include "formats/zim-checkpoint-private.h"

G_BEGIN_DECLS

#define ZIM_TIME_EMBEDDING 256 /* width of the sinusoidal embedding, a constant of the reference */

typedef struct _ZimTransformer ZimTransformer;

/* The rows of one sample. */
typedef struct {
  guint latent_height, latent_width; /* of the latents: 1/8 of the picture's */
  guint n_image;                     /* image tokens */
  guint n_image_padded;
  guint n_caption;                   /* text features */
  guint n_caption_padded;
} ZimSequence;

ZimTransformer *zim_transformer_new             (ZimCheckpoint    *checkpoint,
                                                 GError          **error);
void            zim_transformer_free            (ZimTransformer   *self);
const ZimTransformerConfig *
                zim_transformer_get_config      (ZimTransformer   *self);

void            zim_transformer_get_sequence    (ZimTransformer   *self,
                                                 guint             latent_height,
                                                 guint             latent_width,
                                                 guint             n_caption,
                                                 ZimSequence      *sequence);
static inline guint
zim_sequence_rows (const ZimSequence *sequence)
{
  return sequence->n_image_padded + sequence->n_caption_padded;
}

/* cos and sin [rows, head_dim / 2] of every row of the sequence. */
void            zim_transformer_rope_tables     (ZimTransformer   *self,
                                                 const ZimSequence *sequence,
                                                 float            *cos_table,
                                                 float            *sin_table);

/* Sinusoidal embedding [ZIM_TIME_EMBEDDING] of time t (0 noise … 1 clean). */
void            zim_transformer_time_embedding  (ZimTransformer   *self,
                                                 float             t,
                                                 float            *out);

/* embedding: [steps, 256] → table: [steps, width], one row a step: for each modulated block 1 + scale and tanh (gate)
 * of attention and feed-forward, then the final layer's 1 + scale. */
typedef struct {
  ZimProgram *program;
  ZimTensor  *embedding;
  ZimTensor  *table;
} ZimModulationProgram;

guint           zim_transformer_modulation_width (ZimTransformer  *self);
void            zim_transformer_build_modulation (ZimTransformer  *self,
                                                 guint             n_steps,
                                                 gboolean          keep_named,
                                                 ZimModulationProgram *result);

/* States of one sequence: rope tables, the tokens that enter the joint layers, those that leave them. */
typedef struct {
  ZimState *cos;    /* [rows, head_dim / 2] */
  ZimState *sin;
  ZimState *tokens; /* [rows, dim], image rows first */
  ZimState *hidden; /* [rows, dim] */
} ZimTransformerStates;

/* features: [n_caption, cap_feat_dim] → caption rows of tokens. Once per prompt. */
typedef struct {
  ZimProgram *program;
  ZimTensor  *features;
} ZimCaptionProgram;

void            zim_transformer_build_caption   (ZimTransformer   *self,
                                                 const ZimSequence *sequence,
                                                 const ZimTransformerStates *states,
                                                 gboolean          keep_named,
                                                 ZimCaptionProgram *result);

/* latents: [channels, height · width], modulation: [1, width]: one row of the table → image rows of tokens. */
typedef struct {
  ZimProgram *program;
  ZimTensor  *latents;
  ZimTensor  *modulation;
} ZimEmbedProgram;

void            zim_transformer_build_embed     (ZimTransformer   *self,
                                                 const ZimSequence *sequence,
                                                 const ZimTransformerStates *states,
                                                 gboolean          keep_named,
                                                 ZimEmbedProgram  *result);

/* tokens → hidden through the joint layers. */
typedef struct {
  ZimProgram *program;
  ZimTensor  *modulation;
} ZimLayersProgram;

void            zim_transformer_build_layers    (ZimTransformer   *self,
                                                 const ZimSequence *sequence,
                                                 const ZimTransformerStates *states,
                                                 gboolean          keep_named,
                                                 ZimLayersProgram *result);

/* hidden → velocity: [channels, height · width], the negated output of the network. */
typedef struct {
  ZimProgram *program;
  ZimTensor  *modulation;
  ZimTensor  *velocity;
} ZimFinalProgram;

void            zim_transformer_build_final     (ZimTransformer   *self,
                                                 const ZimSequence *sequence,
                                                 const ZimTransformerStates *states,
                                                 gboolean          keep_named,
                                                 ZimFinalProgram  *result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimTransformer, zim_transformer_free)

G_END_DECLS
