/* matmul.comp: y = x · Wᵀ + b
 *
 * x is multiplied by `scale`, rounded to operands, and the sums by `unscale`. The third dimension of the grid divides
 * k: each part leaves its sums `y_split` elements behind those of the part before, and reduce.comp adds them up.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "matmul.interface.glsl"
#include "common.glsl"
#include "codes.glsl"
#include "operands.glsl"
#include "weights.glsl"

#ifdef ZIM_INTERFACE
constant TILE_ROWS;
constant TILE_COLS;
constant ROWS_EACH;
constant COLS_EACH;
constant DTYPE;
constant CODES;          /* what w's codes are like, see codes.glsl; 0: it has numbers of the type */
constant OPERAND;
constant LAYOUT;         /* how x is read; operands are scaled already */
constant HAS_BIAS;
buffer f32 x;
buffer u32x4 w;          /* [cols][w_stride] numbers or [cols][w_pitch] words, what lies behind k is 0 */
buffer f32 bias;
buffer f32 y;
push uint rows;
push uint cols;
push uint k_size;
push uint k_split;       /* of one part, a multiple of 32 */
push uint x_stride;
push uint w_stride;
push uint w_pitch;
push uint y_stride;
push uint y_split;
push float scale;
push float unscale;
#endif

vec4
load_a (uint row,
        uint k)
{
  uint at = min (row, rows - 1) * x_stride + k;
  vec4 values = vec4 (0);

  if (LAYOUT == LAYOUT_OPERANDS)
    return k < k_size ? load_operands (U32X2 (x), OPERAND, at) : values;
  if (LAYOUT == LAYOUT_QUADS)
    {
      if (k < k_size)
        values = F32X4 (x).v[at / 4];
    }
  else
    [[unroll]] for (uint i = 0; i < 4; i++)
      if (k + i < k_size)
        values[i] = x.v[at + i];
  return round_operand (OPERAND, values * scale);
}

vec4
load_b (uint col,
        uint k)
{
  uint row = min (col, cols - 1);

  if (CODES != 0)
    return round_operand (OPERAND, decode_codes (load_codes (row, k & ~7u), k / 4 % 2));
  return load_weights (w, DTYPE, OPERAND, row * w_stride + k);
}

#include "product.glsl"

void
main ()
{
  uint first_row = gl_WorkGroupID.y * TILE_ROWS;
  uint first_col = gl_WorkGroupID.x * TILE_COLS;
  uint k = gl_WorkGroupID.z * k_split;

  multiply (first_row, first_col, k, min (k + k_split, w_stride));
  [[dont_unroll]] for (uint i = 0; i < ROWS_EACH; i++)
    {
      uint row = first_row + tile_row (i);

      [[unroll]] for (uint j = 0; j < COLS_EACH; j++)
        {
          uint col = first_col + tile_col (j);
          float value = sums[j] * unscale;

          if (row < rows && col < cols)
            y.v[gl_WorkGroupID.z * y_split + row * y_stride + col] = HAS_BIAS != 0 ? value + bias.v[col] : value;
        }
      next_row ();
    }
}
