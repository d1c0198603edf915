/* rope.comp: rotates the pairs of every head by the angles of its row
 *
 * (a, b) → (a cos − b sin, a sin + b cos); the pairs are (2m, 2m + 1) if INTERLEAVED, else (m, m + half).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "rope.interface.glsl"
#include "common.glsl"

#ifdef ZIM_INTERFACE
constant INTERLEAVED;
buffer f32 x;
buffer f32 y;
buffer f32 cosines;
buffer f32 sines;
push uint rows;
push uint pairs;         /* of a row */
push uint half_dim;      /* pairs of a head */
push uint x_stride;
push uint y_stride;
push uint cosine_stride;
push uint sine_stride;
#endif

void
main ()
{
  uint index = group_index () * GROUP_SIZE + gl_LocalInvocationID.x;
  uint row = index / pairs;
  uint head = index % pairs / half_dim;
  uint m = index % pairs % half_dim;
  uint first = head * 2 * half_dim + (INTERLEAVED != 0 ? 2 * m : m);
  uint second = first + (INTERLEAVED != 0 ? 1 : half_dim);
  float a, b, c, s;

  if (index >= rows * pairs)
    return;
  a = x.v[row * x_stride + first];
  b = x.v[row * x_stride + second];
  c = cosines.v[row * cosine_stride + m];
  s = sines.v[row * sine_stride + m];
  y.v[row * y_stride + first] = a * c - b * s;
  y.v[row * y_stride + second] = a * s + b * c;
}
