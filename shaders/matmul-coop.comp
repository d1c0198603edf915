/* matmul-coop.comp: y = x · Wᵀ + b with the device's cooperative matrices
 *
 * What matmul.comp makes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "coop.glsl"
#include "matmul-coop.interface.glsl"
#include "common.glsl"
#include "codes.glsl"

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
constant CODES;          /* what w's codes are like, see codes.glsl; 0: it has numbers of the type */
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

#include "product-coop.glsl"
#include "weights-coop.glsl"

uint starts[A_EACH]; /* of the rows of x */

/* Rows behind the last one are not stored: any other will do. */
void
begin_a (uint i,
         uint row)
{
  starts[i] = min (row, rows - 1) * x_stride;
}

uvec4
load_x (uint at,
        uint k)
{
  uvec4 values = uvec4 (0);

  if (LAYOUT == LAYOUT_QUADS)
    {
      if (k < k_size)
        values = floatBitsToUint (F32X4 (x).v[at / 4]);
    }
  else
    [[unroll]] for (uint i = 0; i < 4; i++)
      if (k + i < k_size)
        values[i] = floatBitsToUint (x.v[at + i]);
  return values;
}

void
fetch_a (uint      i,
         uint      k,
         out uvec4 low,
         out uvec4 high)
{
  if (LAYOUT == LAYOUT_OPERANDS)
    low = k < k_size ? U32X4 (x).v[(starts[i] + k) / 8] : uvec4 (0);
  else
    {
      low = load_x (starts[i] + k, k);
      high = load_x (starts[i] + k + 4, k + 4);
    }
}

uvec4
round_a (uvec4 low,
         uvec4 high)
{
  if (LAYOUT == LAYOUT_OPERANDS)
    return low;
  return pack (uintBitsToFloat (low) * scale, uintBitsToFloat (high) * scale);
}

void
fetch_b (uint      row,
         uint      k,
         out uvec4 low,
         out uvec4 high)
{
  uint my_row = min (row, cols - 1);

  if (CODES != 0)
    low = load_codes (my_row, k);
  else
    load_octet (w, DTYPE, my_row * w_stride + k, low, high);
}

uvec4
round_b (uvec4 low,
         uvec4 high)
{
  if (CODES != 0)
    return pack (decode_codes (low, 0), decode_codes (low, 1));
  return round_octet (DTYPE, low, high);
}

void
write_sum (uint  row,
           uint  col,
           float sum)
{
  float value = sum * unscale;

  if (row < rows && col < cols)
    y.v[gl_WorkGroupID.z * y_split + row * y_stride + col] = HAS_BIAS != 0 ? value + bias.v[col] : value;
}

void
main ()
{
  uint k = gl_WorkGroupID.z * k_split;

  multiply (gl_WorkGroupID.y * TILE_ROWS, gl_WorkGroupID.x * TILE_COLS, k, min (k + k_split, w_stride));
}
