/* zim-denoiser-private.h: the transformer at work on one prompt and one picture size
 *
 * Holds the compiled programs and the states between steps; what is constant is computed once: caption tokens per
 * prompt, rope tables per size, modulation (ZimModulation) per schedule. Used by one thread at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "diffusion/zim-transformer-private.h"

G_BEGIN_DECLS

typedef struct _ZimDenoiser ZimDenoiser;

/* One row of modulation values for each of n times. */
typedef struct {
  guint  n_steps;
  guint  width;
  float *table; /* [n_steps][width] */
} ZimModulation;

gboolean       zim_modulation_init       (ZimModulation      *modulation,
                                          ZimTransformer     *transformer,
                                          ZimBackend         *backend,
                                          ZimPrecision        precision,
                                          const float        *times,
                                          guint               n_steps,
                                          ZimDumpFunc         dump,
                                          gpointer            dump_data,
                                          GCancellable       *cancellable,
                                          GError            **error);
/* The program for n_steps, for its sizes. */
ZimExecutable *zim_modulation_compile    (ZimTransformer     *transformer,
                                          ZimBackend         *backend,
                                          ZimPrecision        precision,
                                          guint               n_steps,
                                          gboolean            keep_named,
                                          GError            **error);
void           zim_modulation_clear      (ZimModulation      *modulation);

/* n_caption: rows of features of the prompt. keep_named: named tensors can be dumped. */
ZimDenoiser   *zim_denoiser_new          (ZimTransformer     *transformer,
                                          ZimBackend         *backend,
                                          ZimPrecision        precision,
                                          guint               latent_height,
                                          guint               latent_width,
                                          guint               n_caption,
                                          gboolean            keep_named,
                                          GError            **error);
void           zim_denoiser_free         (ZimDenoiser        *self);

/* The caption's, the embedding's, the layers' and the last one's. */
#define ZIM_DENOISER_N_PROGRAMS 4
void           zim_denoiser_get_executables (ZimDenoiser     *self,
                                          ZimExecutable     **executables); /* (transfer none) */
double         zim_denoiser_get_step_flops (ZimDenoiser      *self);

/* features: [n_caption, cap_feat_dim]. Before the first step. */
gboolean       zim_denoiser_set_caption  (ZimDenoiser        *self,
                                          const float        *features,
                                          ZimDumpFunc         dump,
                                          gpointer            dump_data,
                                          GCancellable       *cancellable,
                                          GError            **error);

/* velocity = model (latents, time of that row of the modulation); both [channels, height · width] */
gboolean       zim_denoiser_run          (ZimDenoiser        *self,
                                          const ZimModulation *modulation,
                                          guint               step,
                                          const float        *latents,
                                          float              *velocity,
                                          ZimDumpFunc         dump,
                                          gpointer            dump_data,
                                          GCancellable       *cancellable,
                                          GError            **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimDenoiser, zim_denoiser_free)

G_END_DECLS
