/* product.glsl: the tile of a product a · bᵀ that one group makes, with f32 sums in registers
 *
 * The shader that includes this has the constants TILE_ROWS, TILE_COLS, ROWS_EACH and COLS_EACH, of which the last two
 * are what one invocation sums, and the functions load_a (row, k) and load_b (col, k): four operands from k on, zeros
 * where k has ended. Blocks of k are laid in shared memory k by k, so that neighbours read neighbours.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

const uint BLOCK_K = 16;
const uint QUADS = BLOCK_K / 4;
const uint A_PITCH = TILE_ROWS + 2; /* four quads of k of eight rows fall into 32 different banks */
const uint B_PITCH = TILE_COLS + 2;
const uint THREAD_COLS = TILE_COLS / COLS_EACH;
const uint THREAD_ROWS = TILE_ROWS / ROWS_EACH;

shared float tile_a[BLOCK_K * A_PITCH];
shared float tile_b[BLOCK_K * B_PITCH];

float sums[ROWS_EACH * COLS_EACH];

uint thread_row = gl_LocalInvocationID.x / THREAD_COLS;
uint thread_col = gl_LocalInvocationID.x % THREAD_COLS;

void
store_tiles (uint first_row,
             uint first_col,
             uint k)
{
  for (uint i = gl_LocalInvocationID.x; i < TILE_ROWS * QUADS; i += GROUP_SIZE)
    {
      uint quad = 4 * (i % QUADS);
      vec4 a = load_a (first_row + i / QUADS, k + quad);

      [[unroll]] for (uint j = 0; j < 4; j++)
        tile_a[(quad + j) * A_PITCH + i / QUADS] = a[j];
    }
  for (uint i = gl_LocalInvocationID.x; i < TILE_COLS * QUADS; i += GROUP_SIZE)
    {
      uint quad = 4 * (i % QUADS);
      vec4 b = load_b (first_col + i / QUADS, k + quad);

      [[unroll]] for (uint j = 0; j < 4; j++)
        tile_b[(quad + j) * B_PITCH + i / QUADS] = b[j];
    }
}

void
add_block ()
{
  for (uint k = 0; k < BLOCK_K; k++)
    {
      float a[ROWS_EACH];
      float b[COLS_EACH];

      [[unroll]] for (uint i = 0; i < ROWS_EACH; i++)
        a[i] = tile_a[k * A_PITCH + i * THREAD_ROWS + thread_row];
      [[unroll]] for (uint j = 0; j < COLS_EACH; j++)
        b[j] = tile_b[k * B_PITCH + j * THREAD_COLS + thread_col];
      [[unroll]] for (uint i = 0; i < ROWS_EACH; i++)
        [[unroll]] for (uint j = 0; j < COLS_EACH; j++)
          sums[i * COLS_EACH + j] += a[i] * b[j];
    }
}

/* sums = Σ over k of a[first_row …] · b[first_col …]; k and end are multiples of BLOCK_K. */
void
multiply (uint first_row,
          uint first_col,
          uint k,
          uint end)
{
  [[unroll]] for (uint i = 0; i < ROWS_EACH * COLS_EACH; i++)
    sums[i] = 0;
  for (; k < end; k += BLOCK_K)
    {
      store_tiles (first_row, first_col, k);
      barrier ();
      add_block ();
      barrier ();
    }
}

/* Moves all rows of sums to the front by one. So the code that stores the first serves all: for each of the sums by
 * itself it would be most of a kernel, and of the time that a driver takes to compile it. */
void
next_row ()
{
  [[unroll]] for (uint i = 0; i < (ROWS_EACH - 1) * COLS_EACH; i++)
    sums[i] = sums[i + COLS_EACH];
}

uint
tile_row (uint i)
{
  return i * THREAD_ROWS + thread_row;
}

uint
tile_col (uint j)
{
  return j * THREAD_COLS + thread_col;
}
