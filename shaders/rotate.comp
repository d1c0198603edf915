/* rotate.comp: y = H ⊗ … ⊗ H · x for each group of columns of a row
 *
 * H = ½ · ⎛ 1  1  1 −1⎞, which is symmetric and its own inverse, so that (H q) · x = q · (H x): what is multiplied by
 *         ⎜ 1  1 −1  1⎟  rotated weights is rotated as they are.
 *         ⎜ 1 −1  1  1⎟
 *         ⎝−1  1  1  1⎠
 *
 * A group of invocations rotates 256 columns of one row, four columns each.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "rotate.interface.glsl"
#include "common.glsl"

#ifdef ZIM_INTERFACE
buffer f32 x;
buffer f32 y;
push uint rows;
push uint cols;
push uint x_stride;
push uint y_stride;
push uint rotation;      /* columns that are rotated together: a power of four, 256 at most */
#endif

const uint SPAN = 256;

shared float values[SPAN];

void
rotate_four (uint step)
{
  uint at = gl_LocalInvocationID.x / step * step * 4 + gl_LocalInvocationID.x % step;
  float a = values[at];
  float b = values[at + step];
  float c = values[at + 2 * step];
  float d = values[at + 3 * step];

  values[at] = (a + b + c - d) / 2;
  values[at + step] = (a + b - c + d) / 2;
  values[at + 2 * step] = (a - b + c + d) / 2;
  values[at + 3 * step] = (b - a + c + d) / 2;
}

void
main ()
{
  uint spans = (cols + SPAN - 1) / SPAN;
  uint row = group_index () / spans;
  uint first = group_index () % spans * SPAN;

  if (row >= rows)
    return;
  for (uint i = gl_LocalInvocationID.x; i < SPAN; i += GROUP_SIZE)
    values[i] = first + i < cols ? x.v[row * x_stride + first + i] : 0;
  barrier ();
  for (uint step = 1; step < rotation; step *= 4)
    {
      rotate_four (step);
      barrier ();
    }
  for (uint i = gl_LocalInvocationID.x; i < SPAN; i += GROUP_SIZE)
    if (first + i < cols)
      y.v[row * y_stride + first + i] = values[i];
}
