/* conv-coop.comp: convolution as a product whose rows of x are gathered, with the device's cooperative matrices
 *
 * What conv.comp makes. A tap's channels are padded to whole blocks of k, so that a block is of one tap.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "coop.glsl"
#include "conv-coop.interface.glsl"
#include "common.glsl"

#ifdef ZIM_INTERFACE
variant f16 bf16;
full_subgroups;
constant TILE_ROWS;
constant TILE_COLS;
constant SUB_ROWS;       /* of the tile, that a subgroup makes */
constant SUB_COLS;
constant MATRIX_ROWS;    /* of one of the device's matrices of sums */
constant MATRIX_COLS;
constant MATRIX_K;
constant DTYPE;
constant LAYOUT;         /* how x is read */
constant HAS_BIAS;
buffer f32 x;            /* [height · width][channels] */
buffer u32x4 w;          /* [cols][taps][padded], what lies behind the channels is 0 */
buffer f32 bias;
buffer f32 y;
push uint rows;
push uint cols;
push uint channels;
push uint padded;
push uint kernel;
push int stride;
push int pad;
push int zoom;
push int height;
push int width;
push uint out_width;
push int first;          /* row of pixels that x begins with */
push int out_first;      /* the same of y */
push uint x_stride;
push uint y_stride;
#endif

#include "product-coop.glsl"
#include "weights-coop.glsl"

ivec2 corners[A_EACH]; /* (x, y) of the first tap of each row's pixel, enlarged as the image is */

void
begin_a (uint i,
         uint row)
{
  uint pixel = min (row, rows - 1);

  corners[i] = ivec2 (pixel % out_width, uint (out_first) + pixel / out_width) * stride - pad;
}

uvec4
load_x (uint at,
        uint channel)
{
  uvec4 values = uvec4 (0);

  if (LAYOUT == LAYOUT_QUADS)
    {
      if (channel < channels)
        values = floatBitsToUint (F32X4 (x).v[at / 4]);
    }
  else
    [[unroll]] for (uint i = 0; i < 4; i++)
      if (channel + i < channels)
        values[i] = floatBitsToUint (x.v[at + i]);
  return values;
}

void
fetch_a (uint      i,
         uint      k,
         out uvec4 low,
         out uvec4 high)
{
  uint tap = k / padded;
  uint channel = k % padded;
  ivec2 place = corners[i] + ivec2 (tap % kernel, tap / kernel);
  uint at = uint ((place.y / zoom - first) * width + place.x / zoom) * x_stride + channel;

  low = uvec4 (0);
  high = uvec4 (0);
  if (any (lessThan (place, ivec2 (0))) || any (greaterThanEqual (place, ivec2 (width, height) * zoom)))
    return;
  if (LAYOUT == LAYOUT_OPERANDS)
    {
      if (channel < channels)
        low = U32X4 (x).v[at / 8];
      return;
    }
  low = load_x (at, channel);
  high = load_x (at + 4, channel + 4);
}

uvec4
round_a (uvec4 low,
         uvec4 high)
{
  if (LAYOUT == LAYOUT_OPERANDS)
    return low;
  return pack (uintBitsToFloat (low), uintBitsToFloat (high));
}

void
fetch_b (uint      row,
         uint      k,
         out uvec4 low,
         out uvec4 high)
{
  load_octet (w, DTYPE, min (row, cols - 1) * (kernel * kernel * padded) + k, low, high);
}

uvec4
round_b (uvec4 low,
         uvec4 high)
{
  return round_octet (DTYPE, low, high);
}

void
write_sum (uint  row,
           uint  col,
           float sum)
{
  if (row < rows && col < cols)
    y.v[row * y_stride + col] = HAS_BIAS != 0 ? sum + bias.v[col] : sum;
}

void
main ()
{
  uint first_row = ((gl_WorkGroupID.z << 15) + gl_WorkGroupID.y) * TILE_ROWS;

  multiply (first_row, gl_WorkGroupID.x * TILE_COLS, 0, kernel * kernel * padded);
}
