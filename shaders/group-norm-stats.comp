/* group-norm-stats.comp: sums of blocks of rows for group norm, channel by channel
 *
 * Of x less a row like its own, so that nothing is cancelled however far from 0 x lies, and with the errors of the sums
 * beside them. A group takes `block` rows of WIDTH channels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "group-norm-stats.interface.glsl"
#include "common.glsl"
#include "pair.glsl"

#ifdef ZIM_INTERFACE
constant WIDTH;
buffer f32 x;
buffer f32 shift;
buffer f32x4 sums;       /* [block][channel]: Σ d and its error, Σ d² and its error */
push uint rows;
push uint cols;
push uint stride;
push uint block;
#endif

const uint LANES = GROUP_SIZE / WIDTH;

shared vec4 partial[GROUP_SIZE];

vec4
add_stats (vec4 a,
           vec4 b)
{
  return vec4 (pair_add (a.xy, b.xy), pair_add (a.zw, b.zw));
}

void
main ()
{
  uint me = gl_LocalInvocationID.x;
  uint channel = gl_WorkGroupID.x * WIDTH + me % WIDTH;
  uint first = gl_WorkGroupID.y * block;
  uint end = min (first + block, rows);
  float pivot = channel < cols ? shift.v[channel] : 0.0;
  vec4 mine = vec4 (0);

  if (channel < cols)
    for (uint row = first + me / WIDTH; row < end; row += LANES)
      {
        vec2 d = two_sum (x.v[row * stride + channel], -pivot);
        vec2 sum = two_sum (mine.x, d.x);
        vec2 squares = two_sum (mine.z, d.x * d.x);

        mine = vec4 (sum.x, mine.y + (sum.y + d.y), squares.x, mine.w + squares.y);
      }
  partial[me] = mine;
  barrier ();
  for (uint n = LANES / 2; n > 0; n /= 2)
    {
      if (me < n * WIDTH)
        partial[me] = add_stats (partial[me], partial[me + n * WIDTH]);
      barrier ();
    }
  if (me < WIDTH && channel < cols)
    sums.v[gl_WorkGroupID.y * cols + channel] = partial[me];
}
