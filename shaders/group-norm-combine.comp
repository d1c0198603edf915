/* group-norm-combine.comp: from the sums of all blocks to what each channel is shifted, multiplied and raised by
 *
 * With δ[c] = shift[c] − shift[first], n values and r rows, the mean is shift[first] + q, q = (Σ sums + r Σ δ) / n, and
 * Σ (x − mean)² = Σ over channels of [squares − 2 d sums + r d²], d = q − δ[c]. All of it in pairs of floats: what is
 * left of the error is that of the three numbers that each channel gets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "group-norm-combine.interface.glsl"
#include "common.glsl"
#include "pair.glsl"

#ifdef ZIM_INTERFACE
constant HAS_WEIGHT;
constant HAS_BIAS;
buffer f32 shift;        /* of the sums */
buffer f32x4 sums;       /* [block][channel] */
buffer f32 weight;
buffer f32 bias;
buffer f32 factors;      /* [3][channel]: shift, mul, add */
push uint rows;
push uint cols;
push uint channels;      /* of a group */
push uint blocks;
push float eps;
#endif

shared vec2 partial[GROUP_SIZE];

/* The sum of what all invocations have, for each of them. */
vec2
group_sum (vec2 mine)
{
  uint me = gl_LocalInvocationID.x;
  vec2 sum;

  partial[me] = mine;
  barrier ();
  for (uint n = GROUP_SIZE / 2; n > 0; n /= 2)
    {
      if (me < n)
        partial[me] = pair_add (partial[me], partial[me + n]);
      barrier ();
    }
  sum = partial[0];
  barrier ();
  return sum;
}

vec2
distance_of (uint  channel,
             float pivot)
{
  return two_sum (shift.v[channel], -pivot);
}

void
main ()
{
  uint me = gl_LocalInvocationID.x;
  uint first = gl_WorkGroupID.x * channels;
  float pivot = shift.v[first];
  vec2 count = two_product (float (rows), float (channels));
  vec2 inverse = pair_inverse (count.x + count.y);
  vec2 sum = vec2 (0);
  vec2 squares = vec2 (0);
  vec2 mean, factor;

  for (uint i = me; i < blocks * channels; i += GROUP_SIZE)
    sum = pair_add (sum, sums.v[i / channels * cols + first + i % channels].xy);
  for (uint i = me; i < channels; i += GROUP_SIZE)
    sum = pair_add (sum, pair_multiply (distance_of (first + i, pivot), vec2 (rows, 0)));
  mean = pair_multiply (group_sum (sum), inverse);

  for (uint i = me; i < blocks * channels; i += GROUP_SIZE)
    {
      uint channel = first + i % channels;
      vec4 stats = sums.v[i / channels * cols + channel];
      vec2 d = pair_add (mean, -distance_of (channel, pivot));

      squares = pair_add (squares, pair_add (stats.zw, pair_multiply (-2.0 * d, stats.xy)));
    }
  for (uint i = me; i < channels; i += GROUP_SIZE)
    {
      vec2 d = pair_add (mean, -distance_of (first + i, pivot));

      squares = pair_add (squares, pair_multiply (pair_multiply (d, d), vec2 (rows, 0)));
    }
  squares = pair_multiply (group_sum (squares), inverse);
  if (squares.x < 0.0)
    squares = vec2 (0);
  factor = pair_inverse_sqrt (pair_add (squares, vec2 (eps, 0)));
  mean = pair_add (mean, vec2 (pivot, 0));

  for (uint i = me; i < channels; i += GROUP_SIZE)
    {
      uint channel = first + i;
      vec2 mul = HAS_WEIGHT != 0 ? pair_multiply (factor, vec2 (weight.v[channel], 0)) : factor;

      factors.v[channel] = mean.x;
      factors.v[cols + channel] = mul.x;
      factors.v[2 * cols + channel] = (HAS_BIAS != 0 ? bias.v[channel] : 0.0) - mean.y * mul.x;
    }
}
