/* group-norm-apply.comp: y = (x − shift) · mul + add by channel, then SiLU if asked for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "group-norm-apply.interface.glsl"
#include "common.glsl"
#include "math.glsl"

#ifdef ZIM_INTERFACE
constant HAS_SILU;
buffer f32 x;
buffer f32 y;
buffer f32 factors;      /* [3][channel]: shift, mul, add */
push uint rows;
push uint cols;
push uint x_stride;
push uint y_stride;
#endif

const uint PER_INVOCATION = 4;

void
main ()
{
  uint first = group_index () * GROUP_SIZE * PER_INVOCATION + gl_LocalInvocationID.x;

  for (uint i = 0; i < PER_INVOCATION; i++)
    {
      uint element = first + i * GROUP_SIZE;
      uint row = element / cols;
      uint col = element % cols;
      float value;

      if (element >= rows * cols)
        return;
      value = (x.v[row * x_stride + col] - factors.v[col]) * factors.v[cols + col] + factors.v[2 * cols + col];
      y.v[row * y_stride + col] = HAS_SILU != 0 ? silu (value) : value;
    }
}
