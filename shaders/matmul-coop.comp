/* matmul-coop.comp: y = x · Wᵀ + b with the device's cooperative matrices
 *
 * What matmul.comp makes, from products of matrices that a subgroup holds together. Blocks of k are rounded to 16 bits
 * and laid in shared memory, rows of x and of W alike; the next block is on its way in registers while one is summed.
 * Sums are f32. They leave by way of shared memory, where rows and columns that do not count are left out.
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
constant ALIGNED;        /* four values of x can be read at once: k, stride and address allow it */
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

const uint BLOCK_K = 32;
const uint OCTETS = BLOCK_K / 8; /* eight operands are what is moved at once */
const uint PITCH = OCTETS + 1;   /* octets of eight rows fall into different banks */
const uint SUBS_ACROSS = TILE_COLS / SUB_COLS;
const uint SUBS = TILE_ROWS / SUB_ROWS * SUBS_ACROSS;
const uint A_EACH = (TILE_ROWS * OCTETS + GROUP_SIZE - 1) / GROUP_SIZE; /* octets that an invocation moves */
const uint B_EACH = (TILE_COLS * OCTETS + GROUP_SIZE - 1) / GROUP_SIZE;
const uint ACROSS = SUB_COLS / MATRIX_COLS;
const uint DOWN = SUB_ROWS / MATRIX_ROWS;
const uint PATCH = MATRIX_ROWS * MATRIX_COLS;

shared uvec4 tile_a[TILE_ROWS * PITCH];
shared uvec4 tile_b[TILE_COLS * PITCH];
shared float patches[SUBS * PATCH];

vec4 next_a[2 * A_EACH];
uvec4 next_b[2 * B_EACH]; /* as they are stored */

coopmat<float, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLS, gl_MatrixUseAccumulator> sums[DOWN * ACROSS];

vec4
load_x (uint row,
        uint k)
{
  uint at = row * x_stride + k;
  vec4 values = vec4 (0);

  if (ALIGNED != 0)
    {
      if (k < k_size)
        values = F32X4 (x).v[at / 4];
    }
  else
    [[unroll]] for (uint i = 0; i < 4; i++)
      if (k + i < k_size)
        values[i] = x.v[at + i];
  return values;
}

/* Rows behind the last one are not stored: any other will do. */
void
fetch (uint first_row,
       uint first_col,
       uint k)
{
  [[unroll]] for (uint i = 0; i < A_EACH; i++)
    {
      uint octet = i * GROUP_SIZE + gl_LocalInvocationID.x;
      uint row = min (first_row + octet / OCTETS, rows - 1);

      next_a[2 * i] = load_x (row, k + octet % OCTETS * 8);
      next_a[2 * i + 1] = load_x (row, k + octet % OCTETS * 8 + 4);
    }
  [[unroll]] for (uint i = 0; i < B_EACH; i++)
    {
      uint octet = i * GROUP_SIZE + gl_LocalInvocationID.x;
      uint row = min (first_col + octet / OCTETS, cols - 1);
      uint at = row * w_stride + k + octet % OCTETS * 8;

      if (CODES != 0)
        next_b[2 * i] = load_codes (row, k + octet % OCTETS * 8);
      else if (DTYPE == DTYPE_F32)
        {
          next_b[2 * i] = w.v[at / 4];
          next_b[2 * i + 1] = w.v[at / 4 + 1];
        }
      else
        next_b[2 * i] = w.v[at / 8];
    }
}

uvec4
round_weights (uvec4 low,
               uvec4 high)
{
  if (CODES != 0)
    return pack (decode_codes (low, 0), decode_codes (low, 1));
  if (DTYPE == OPERAND_DTYPE)
    return low;
  if (DTYPE == DTYPE_F32)
    return pack (uintBitsToFloat (low), uintBitsToFloat (high));
  return uvec4 (pack (decode_pair (DTYPE, low.x)), pack (decode_pair (DTYPE, low.y)),
                pack (decode_pair (DTYPE, low.z)), pack (decode_pair (DTYPE, low.w)));
}

void
store_tiles ()
{
  [[unroll]] for (uint i = 0; i < A_EACH; i++)
    {
      uint octet = i * GROUP_SIZE + gl_LocalInvocationID.x;

      if (octet < TILE_ROWS * OCTETS)
        tile_a[octet / OCTETS * PITCH + octet % OCTETS] = pack (next_a[2 * i] * scale, next_a[2 * i + 1] * scale);
    }
  [[unroll]] for (uint i = 0; i < B_EACH; i++)
    {
      uint octet = i * GROUP_SIZE + gl_LocalInvocationID.x;

      if (octet < TILE_COLS * OCTETS)
        tile_b[octet / OCTETS * PITCH + octet % OCTETS] = round_weights (next_b[2 * i], next_b[2 * i + 1]);
    }
}

void
add_block (uint sub_row,
           uint sub_col)
{
  [[unroll]] for (uint k = 0; k < BLOCK_K; k += MATRIX_K)
    {
      coopmat<OPERAND_TYPE, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_K, gl_MatrixUseA> a[DOWN];

      [[unroll]] for (uint i = 0; i < DOWN; i++)
        coopMatLoad (a[i], tile_a, (sub_row + i * MATRIX_ROWS) * PITCH + k / 8, PITCH,
                     gl_CooperativeMatrixLayoutRowMajor);
      [[unroll]] for (uint j = 0; j < ACROSS; j++)
        {
          coopmat<OPERAND_TYPE, gl_ScopeSubgroup, MATRIX_K, MATRIX_COLS, gl_MatrixUseB> b;

          coopMatLoad (b, tile_b, (sub_col + j * MATRIX_COLS) * PITCH + k / 8, PITCH,
                       gl_CooperativeMatrixLayoutColumnMajor);
          [[unroll]] for (uint i = 0; i < DOWN; i++)
            sums[i * ACROSS + j] = coopMatMulAdd (a[i], b, sums[i * ACROSS + j]);
        }
    }
}

/* One matrix of sums, from the subgroup's own patch of shared memory, to y. */
void
write_patch (uint first_row,
             uint first_col)
{
  [[unroll]] for (uint i = 0; i < PATCH; i += gl_SubgroupSize)
    {
      uint at = i + gl_SubgroupInvocationID;
      uint row = first_row + at / MATRIX_COLS;
      uint col = first_col + at % MATRIX_COLS;

      if (at < PATCH && row < rows && col < cols)
        {
          float value = patches[gl_SubgroupID * PATCH + at] * unscale;

          y.v[gl_WorkGroupID.z * y_split + row * y_stride + col] = HAS_BIAS != 0 ? value + bias.v[col] : value;
        }
    }
}

void
main ()
{
  uint first_row = gl_WorkGroupID.y * TILE_ROWS;
  uint first_col = gl_WorkGroupID.x * TILE_COLS;
  uint sub_row = gl_SubgroupID / SUBS_ACROSS * SUB_ROWS;
  uint sub_col = gl_SubgroupID % SUBS_ACROSS * SUB_COLS;
  uint k = gl_WorkGroupID.z * k_split;
  uint end = min (k + k_split, w_stride);

  [[unroll]] for (uint i = 0; i < DOWN * ACROSS; i++)
    sums[i] = coopmat<float, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLS, gl_MatrixUseAccumulator> (0.0);
  fetch (first_row, first_col, k);
  for (; k < end; k += BLOCK_K)
    {
      store_tiles ();
      barrier ();
      if (k + BLOCK_K < end)
        fetch (first_row, first_col, k + BLOCK_K);
      add_block (sub_row, sub_col);
      barrier ();
    }
  [[unroll]] for (uint i = 0; i < DOWN; i++)
    [[unroll]] for (uint j = 0; j < ACROSS; j++)
      {
        coopMatStore (sums[i * ACROSS + j], patches, gl_SubgroupID * PATCH, MATRIX_COLS,
                      gl_CooperativeMatrixLayoutRowMajor);
        subgroupBarrier ();
        write_patch (first_row + sub_row + i * MATRIX_ROWS, first_col + sub_col + j * MATRIX_COLS);
        subgroupBarrier ();
      }
}
