/* zim-scheduler.c: the flow-matching Euler scheduler
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "diffusion/zim-scheduler-private.h"

/* The shift of dynamic shifting grows with the number of image tokens: a line through the two configured points. */
static double
dynamic_shift (const ZimSchedulerConfig *config,
               guint                     n_image_tokens)
{
  double slope = (config->max_shift - config->base_shift) /
                 ((double) config->max_image_seq_len - config->base_image_seq_len);

  return n_image_tokens * slope + config->base_shift - slope * config->base_image_seq_len;
}

/* u in (0, 1] → σ. Static: σ = s·u / (1 + (s − 1)·u). */
static double
shift_sigma (const ZimSchedulerConfig *config,
             guint                     n_image_tokens,
             double                    u)
{
  double mu;

  if (!config->use_dynamic_shifting)
    return config->shift * u / (1 + (config->shift - 1) * u);
  mu = dynamic_shift (config, n_image_tokens);
  if (!config->time_shift_linear)
    mu = exp (mu);
  return mu / (mu + (1 / u - 1));
}

float *
zim_scheduler_sigmas (const ZimSchedulerConfig *config,
                      guint                     n_steps,
                      guint                     n_image_tokens)
{
  float *sigmas = g_new (float, n_steps + 1);

  for (guint i = 0; i < n_steps; i++)
    sigmas[i] = (float) shift_sigma (config, n_image_tokens, 1 - (double) i / n_steps);
  sigmas[n_steps] = 0;
  return sigmas;
}

float
zim_scheduler_time (const ZimSchedulerConfig *config,
                    float                     sigma)
{
  float timestep = sigma * config->num_train_timesteps;

  return (config->num_train_timesteps - timestep) / config->num_train_timesteps;
}

void
zim_scheduler_step (float       *latents,
                    const float *velocity,
                    gsize        n,
                    float        sigma,
                    float        next_sigma)
{
  float dt = next_sigma - sigma;

  for (gsize i = 0; i < n; i++)
    latents[i] += dt * velocity[i];
}

static double
norm (const float *x,
      gsize        n)
{
  double sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += (double) x[i] * x[i];
  return sqrt (sum);
}

void
zim_scheduler_guide (float       *pos,
                     const float *neg,
                     gsize        n,
                     double       guidance,
                     double       normalization)
{
  double limit = normalization * norm (pos, n), length;
  float g = (float) guidance;

  for (gsize i = 0; i < n; i++)
    pos[i] = pos[i] + g * (pos[i] - neg[i]);
  if (normalization <= 0)
    return;
  length = norm (pos, n);
  if (length > limit)
    for (gsize i = 0; i < n; i++)
      pos[i] = (float) (pos[i] * (limit / length));
}
