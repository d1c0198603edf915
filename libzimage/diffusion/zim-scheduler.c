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

/* The numbers from 1 down to 1/n, i = 0 … n − 1, as PyTorch's linspace rounds them on a CPU with FMA: from both ends to
 * the middle. */
static float
unshifted_sigma (guint n,
                 guint i)
{
  float last = 1.0f / (float) n;
  float step = n > 1 ? (last - 1) / (float) (n - 1) : 0;

  return i < n / 2 || n == 1 ? fmaf (step, (float) i, 1) : fmaf (-step, (float) (n - 1 - i), last);
}

/* u in (0, 1] → σ. Static: σ = s·u / (1 + (s − 1)·u). In f32 as in the reference: whether a step is guided can depend
 * on the last bit. */
static float
shift_sigma (const ZimSchedulerConfig *config,
             guint                     n_image_tokens,
             float                     u)
{
  float shift = (float) config->shift, mu;

  if (!config->use_dynamic_shifting)
    return shift * u / (1 + (float) (config->shift - 1) * u);
  mu = (float) (config->time_shift_linear ? dynamic_shift (config, n_image_tokens)
                                          : exp (dynamic_shift (config, n_image_tokens)));
  return mu / (mu + (1 / u - 1));
}

float *
zim_scheduler_sigmas (const ZimSchedulerConfig *config,
                      guint                     n_steps,
                      guint                     n_image_tokens)
{
  float *sigmas = g_new (float, n_steps + 1);

  for (guint i = 0; i < n_steps; i++)
    sigmas[i] = shift_sigma (config, n_image_tokens, unshifted_sigma (n_steps, i));
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

gboolean
zim_scheduler_is_guided (const ZimSchedulerConfig *config,
                         float                     sigma,
                         double                    truncation)
{
  return zim_scheduler_time (config, sigma) <= truncation;
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
