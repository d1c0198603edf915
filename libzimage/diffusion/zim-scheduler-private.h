/* zim-scheduler-private.h: the flow-matching Euler scheduler
 *
 * Reference: FlowMatchEulerDiscreteScheduler and ZImagePipeline of diffusers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-config-private.h"

G_BEGIN_DECLS

/* The n_steps + 1 noise levels σ from 1 down to 0. n_image_tokens matters to dynamic shifting only. */
float *zim_scheduler_sigmas (const ZimSchedulerConfig *config,
                             guint                     n_steps,
                             guint                     n_image_tokens);

/* What the model calls time: 1 − σ, from 0 (noise) to 1 (clean), rounded as the reference does. */
float  zim_scheduler_time   (const ZimSchedulerConfig *config,
                             float                     sigma);

/* Guidance is off at steps whose time is beyond the truncation. */
gboolean zim_scheduler_is_guided
                            (const ZimSchedulerConfig *config,
                             float                     sigma,
                             double                    truncation);

/* latents += (σ' − σ) · velocity, n values */
void   zim_scheduler_step   (float                    *latents,
                             const float              *velocity,
                             gsize                     n,
                             float                     sigma,
                             float                     next_sigma);

/* Classifier-free guidance: pos ← pos + g (pos − neg), n values. With normalization k > 0 the result is scaled
 * down to at most k times the norm of pos. */
void   zim_scheduler_guide  (float                    *pos,
                             const float              *neg,
                             gsize                     n,
                             double                    guidance,
                             double                    normalization);

G_END_DECLS
