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
#include "operands.glsl"

#ifdef ZIM_INTERFACE
enum ELEMENT_COPY ELEMENT_ADD ELEMENT_AFFINE ELEMENT_SILU ELEMENT_SWIGLU ELEMENT_TANH;
constant KIND;
constant NARROW;         /* what y is stored as: operands of this type, after they are multiplied by mul; 0: f32 */
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

float
compute (uint row,
         uint col)
{
  float x = a.v[row * a_stride + col];

  switch (KIND)
    {
    case ELEMENT_ADD:
      return x + b.v[row * b_stride + col];
    case ELEMENT_AFFINE:
      return x * mul + add;
    case ELEMENT_SILU:
      return silu (x);
    case ELEMENT_SWIGLU:
      return silu (x) * b.v[row * b_stride + col];
    case ELEMENT_TANH:
      return exact_tanh (x);
    default:
      return x;
    }
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
            pack_operands (NARROW, vec2 (compute (row, col), compute (row, col + 1)) * mul);
      }
}
