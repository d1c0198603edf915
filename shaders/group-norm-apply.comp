/* group-norm-apply.comp: y = (x − shift) · mul + add by channel, then SiLU if asked for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "group-norm-apply.interface.glsl"
#include "common.glsl"
#include "math.glsl"
#include "operands.glsl"

#ifdef ZIM_INTERFACE
constant HAS_SILU;
constant NARROW;         /* what y is stored as: operands of this type, or 0 for f32; cols is even then */
buffer f32 x;
buffer f32 y;
buffer f32 factors;      /* [3][channel]: shift, mul, add */
push uint rows;
push uint cols;
push uint x_stride;
push uint y_stride;
#endif

const uint PER_INVOCATION = 4;

float
compute (uint row,
         uint col)
{
  float value = (x.v[row * x_stride + col] - factors.v[col]) * factors.v[cols + col] + factors.v[2 * cols + col];

  return HAS_SILU != 0 ? silu (value) : value;
}

void
main ()
{
  uint first = group_index () * GROUP_SIZE * PER_INVOCATION;

  if (NARROW == 0)
    for (uint i = 0; i < PER_INVOCATION; i++)
      {
        uint element = first + i * GROUP_SIZE + gl_LocalInvocationID.x;

        if (element < rows * cols)
          y.v[element / cols * y_stride + element % cols] = compute (element / cols, element % cols);
      }
  else
    for (uint i = 0; i < PER_INVOCATION / 2; i++)
      {
        uint element = first + 2 * (i * GROUP_SIZE + gl_LocalInvocationID.x);
        uint row = element / cols;
        uint col = element % cols;

        if (element < rows * cols)
          U32 (y).v[(row * y_stride + col) / 2] =
            pack_operands (NARROW, vec2 (compute (row, col), compute (row, col + 1)));
      }
}
