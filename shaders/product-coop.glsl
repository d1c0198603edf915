/* product-coop.glsl: the tile of a product a · bᵀ that one group makes with the device's cooperative matrices
 *
 * Subgroups make parts of the tile. Blocks of k are rounded to 16 bits and laid in shared memory, rows of a and of b
 * alike; the next block is on its way in registers while one is summed. Sums are f32. They leave by way of shared
 * memory, where rows and columns that do not count are left out.
 *
 * The shader that includes this has the constants TILE_ROWS, TILE_COLS, SUB_ROWS and SUB_COLS, of which the last two
 * are what a subgroup makes, and MATRIX_ROWS, MATRIX_COLS and MATRIX_K. Behind this it has the functions that are
 * declared here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

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

/* The invocation's ith octet of a is of that row, which may lie behind the last one. */
void begin_a (uint i, uint row);

/* An octet from k on, as it is stored, in two parts; of b in that row */
void fetch_a (uint i, uint k, out uvec4 low, out uvec4 high);
void fetch_b (uint row, uint k, out uvec4 low, out uvec4 high);

/* The same as operands */
uvec4 round_a (uvec4 low, uvec4 high);
uvec4 round_b (uvec4 low, uvec4 high);

/* Where a sum goes */
void write_sum (uint row, uint col, float sum);

uvec4 next_a[2 * A_EACH];
uvec4 next_b[2 * B_EACH];

coopmat<float, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLS, gl_MatrixUseAccumulator> sums[DOWN * ACROSS];

void
fetch (uint first_col,
       uint k)
{
  uint my_k = k + gl_LocalInvocationID.x % OCTETS * 8;

  [[unroll]] for (uint i = 0; i < A_EACH; i++)
    fetch_a (i, my_k, next_a[2 * i], next_a[2 * i + 1]);
  [[unroll]] for (uint i = 0; i < B_EACH; i++)
    fetch_b (first_col + (i * GROUP_SIZE + gl_LocalInvocationID.x) / OCTETS, my_k, next_b[2 * i], next_b[2 * i + 1]);
}

void
store_tiles ()
{
  [[unroll]] for (uint i = 0; i < A_EACH; i++)
    {
      uint octet = i * GROUP_SIZE + gl_LocalInvocationID.x;

      if (octet < TILE_ROWS * OCTETS)
        tile_a[octet / OCTETS * PITCH + octet % OCTETS] = round_a (next_a[2 * i], next_a[2 * i + 1]);
    }
  [[unroll]] for (uint i = 0; i < B_EACH; i++)
    {
      uint octet = i * GROUP_SIZE + gl_LocalInvocationID.x;

      if (octet < TILE_COLS * OCTETS)
        tile_b[octet / OCTETS * PITCH + octet % OCTETS] = round_b (next_b[2 * i], next_b[2 * i + 1]);
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

/* One matrix of sums, by way of the subgroup's own patch of shared memory */
void
write_patch (uint first_row,
             uint first_col)
{
  [[unroll]] for (uint i = 0; i < PATCH; i += gl_SubgroupSize)
    {
      uint at = i + gl_SubgroupInvocationID;

      if (at < PATCH)
        write_sum (first_row + at / MATRIX_COLS, first_col + at % MATRIX_COLS, patches[gl_SubgroupID * PATCH + at]);
    }
}

/* Makes and writes the sums over k of a[first_row …] · b[first_col …]; k and end are multiples of BLOCK_K. */
void
multiply (uint first_row,
          uint first_col,
          uint k,
          uint end)
{
  uint sub_row = gl_SubgroupID / SUBS_ACROSS * SUB_ROWS;
  uint sub_col = gl_SubgroupID % SUBS_ACROSS * SUB_COLS;

  [[unroll]] for (uint i = 0; i < DOWN * ACROSS; i++)
    sums[i] = coopmat<float, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLS, gl_MatrixUseAccumulator> (0.0);
  [[unroll]] for (uint i = 0; i < A_EACH; i++)
    begin_a (i, first_row + (i * GROUP_SIZE + gl_LocalInvocationID.x) / OCTETS);
  fetch (first_col, k);
  for (; k < end; k += BLOCK_K)
    {
      store_tiles ();
      barrier ();
      if (k + BLOCK_K < end)
        fetch (first_col, k + BLOCK_K);
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
