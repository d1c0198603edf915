/* permute.comp: gives a contiguous tensor's dimensions another order
 *
 * Element i of the result is found by taking i apart in the result's dimensions, the last one first; a result of fewer
 * than five has dimensions of 1 in front.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "permute.interface.glsl"
#include "common.glsl"

#ifdef ZIM_INTERFACE
buffer f32 x;
buffer f32 y;
push uint elements;
push uint dim_1;         /* of the result; the first one needs none */
push uint dim_2;
push uint dim_3;
push uint dim_4;
push uint stride_0;      /* of these dimensions in the source */
push uint stride_1;
push uint stride_2;
push uint stride_3;
push uint stride_4;
#endif

uint
take_apart (inout uint rest,
            uint       dim,
            uint       stride)
{
  uint index = rest % dim;

  rest /= dim;
  return index * stride;
}

void
main ()
{
  uint index = group_index () * GROUP_SIZE + gl_LocalInvocationID.x;
  uint rest = index;
  uint at;

  if (index >= elements)
    return;
  at = take_apart (rest, dim_4, stride_4);
  at += take_apart (rest, dim_3, stride_3);
  at += take_apart (rest, dim_2, stride_2);
  at += take_apart (rest, dim_1, stride_1);
  y.v[index] = x.v[at + rest * stride_0];
}
