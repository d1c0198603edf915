/* conv.comp: convolution as a product whose rows of x are gathered from the image
 *
 * Rows are output pixels, columns output channels, and k runs over [tap][channel], each tap's channels padded to blocks
 * of k. An enlarged input (zoom 2) is read where its nearest neighbour lies. No im2col matrix exists.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "conv.interface.glsl"
#include "common.glsl"
#include "operands.glsl"
#include "weights.glsl"

#ifdef ZIM_INTERFACE
constant TILE_ROWS;
constant TILE_COLS;
constant ROWS_EACH;
constant COLS_EACH;
constant DTYPE;
constant OPERAND;
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

vec4
load_a (uint row,
        uint k)
{
  uint pixel = min (row, rows - 1);
  uint tap = k / padded;
  uint channel = k % padded;
  int in_y = (out_first + int (pixel / out_width)) * stride + int (tap / kernel) - pad;
  int in_x = int (pixel % out_width) * stride + int (tap % kernel) - pad;
  uint at = uint ((in_y / zoom - first) * width + in_x / zoom) * x_stride + channel;
  vec4 values = vec4 (0);

  if (in_y < 0 || in_x < 0 || in_y >= height * zoom || in_x >= width * zoom)
    return values;
  if (LAYOUT == LAYOUT_OPERANDS)
    return channel < channels ? load_operands (U32X2 (x), OPERAND, at) : values;
  if (LAYOUT == LAYOUT_QUADS)
    {
      if (channel < channels)
        values = F32X4 (x).v[at / 4];
    }
  else
    [[unroll]] for (uint i = 0; i < 4; i++)
      if (channel + i < channels)
        values[i] = x.v[at + i];
  return round_operand (OPERAND, values);
}

vec4
load_b (uint col,
        uint k)
{
  return load_weights (w, DTYPE, OPERAND, min (col, cols - 1) * (kernel * kernel * padded) + k);
}

#include "product.glsl"

void
main ()
{
  uint first_row = ((gl_WorkGroupID.z << 15) + gl_WorkGroupID.y) * TILE_ROWS;
  uint first_col = gl_WorkGroupID.x * TILE_COLS;

  multiply (first_row, first_col, 0, kernel * kernel * padded);
  [[dont_unroll]] for (uint i = 0; i < ROWS_EACH; i++)
    {
      uint row = first_row + tile_row (i);

      [[unroll]] for (uint j = 0; j < COLS_EACH; j++)
        {
          uint col = first_col + tile_col (j);
          float value = sums[j];

          if (row < rows && col < cols)
            y.v[row * y_stride + col] = HAS_BIAS != 0 ? value + bias.v[col] : value;
        }
      next_row ();
    }
}
