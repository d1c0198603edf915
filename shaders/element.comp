/* element.comp: operations on each element of one or two tensors, and copies
 *
 * y = KIND (a, b) for rows × cols elements; a stride of 0 repeats a row.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "element.interface.glsl"
#include "common.glsl"
#include "math.glsl"

#ifdef ZIM_INTERFACE
enum ELEMENT_COPY ELEMENT_ADD ELEMENT_AFFINE ELEMENT_SILU ELEMENT_SWIGLU ELEMENT_TANH;
constant KIND;
buffer f32 a;
buffer f32 b;
buffer f32 y;
push uint rows;
push uint cols;
push uint a_stride;
push uint b_stride;
push uint y_stride;
push float mul;
push float add;
#endif

const uint PER_INVOCATION = 4;

void
compute (uint row,
         uint col)
{
  float x = a.v[row * a_stride + col];
  uint at = row * y_stride + col;

  switch (KIND)
    {
    case ELEMENT_COPY:
      y.v[at] = x;
      break;
    case ELEMENT_ADD:
      y.v[at] = x + b.v[row * b_stride + col];
      break;
    case ELEMENT_AFFINE:
      y.v[at] = x * mul + add;
      break;
    case ELEMENT_SILU:
      y.v[at] = silu (x);
      break;
    case ELEMENT_SWIGLU:
      y.v[at] = silu (x) * b.v[row * b_stride + col];
      break;
    case ELEMENT_TANH:
      y.v[at] = exact_tanh (x);
      break;
    }
}

void
main ()
{
  uint first = group_index () * GROUP_SIZE * PER_INVOCATION + gl_LocalInvocationID.x;

  for (uint i = 0; i < PER_INVOCATION; i++)
    {
      uint element = first + i * GROUP_SIZE;

      if (element < rows * cols)
        compute (element / cols, element % cols);
    }
}
