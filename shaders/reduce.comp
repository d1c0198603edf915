/* reduce.comp: adds up the parts of a product that was divided along k
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "reduce.interface.glsl"
#include "common.glsl"

#ifdef ZIM_INTERFACE
constant HAS_BIAS;
buffer f32 parts;        /* [splits][rows][cols] */
buffer f32 bias;
buffer f32 y;
push uint rows;
push uint cols;
push uint splits;
push uint y_stride;
push float factor;
#endif

void
main ()
{
  uint index = group_index () * GROUP_SIZE + gl_LocalInvocationID.x;
  uint row = index / cols;
  uint col = index % cols;
  float sum = 0;

  if (index >= rows * cols)
    return;
  for (uint i = 0; i < splits; i++)
    sum += parts.v[i * rows * cols + index];
  sum *= factor;
  y.v[row * y_stride + col] = HAS_BIAS != 0 ? sum + bias.v[col] : sum;
}
