/* attention.comp: softmax (q · kᵀ / √d) · v of one range of rows, in blocks of keys
 *
 * A group takes TILE_ROWS queries of one head and walks over the keys with a running maximum and sum. Both products are
 * made of pieces of 32: s[query][key] from 32 columns of q and k at a time, o[query][column] from 32 keys and 32
 * columns of v at a time, so that one form of tile in shared memory serves heads of any size.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "attention.interface.glsl"
#include "common.glsl"
#include "math.glsl"

#ifdef ZIM_INTERFACE
constant TILE_ROWS;      /* queries of a group: GROUP_SIZE / 8 or a multiple */
constant HEAD_DIM;
constant OPERAND;
constant CAUSAL;
constant STORED;         /* k and v are stored as operands */
buffer f32 q;
buffer f32 k;
buffer f32 v;
buffer f32 y;
push uint rows;
push uint head_group;    /* heads that share one of k and v */
push uint q_stride;
push uint k_stride;
push uint v_stride;
push uint y_stride;
push float scale;
#endif

const uint PIECE = 32;
const uint PIECES = (HEAD_DIM + PIECE - 1) / PIECE;
const uint THREAD_COLS = 8;
const uint COLS_EACH = PIECE / THREAD_COLS;
const uint THREAD_ROWS = GROUP_SIZE / THREAD_COLS;
const uint ROWS_EACH = TILE_ROWS / THREAD_ROWS;
const uint EACH = ROWS_EACH * COLS_EACH;
const uint Q_PITCH = TILE_ROWS + 1;
const uint K_PITCH = PIECE + 1;

shared float tile_q[PIECE * Q_PITCH]; /* q, later the numerators: [column or key][query] */
shared float tile_k[PIECE * K_PITCH]; /* k: [column][key]; v: [key][column] */
shared float partial[TILE_ROWS * THREAD_COLS];

uint thread_row = gl_LocalInvocationID.x / THREAD_COLS;
uint thread_col = gl_LocalInvocationID.x % THREAD_COLS;

float outputs[PIECES * EACH];
float maxima[ROWS_EACH];
float totals[ROWS_EACH];
float sums[EACH];

/* Moves the first piece of the outputs behind the others, with what sums has of it. So they are in registers without a
 * copy of the code for each piece, which would be most of the kernel, and of the time that a driver compiles it. */
void
next_piece ()
{
  [[unroll]] for (uint i = 0; i < (PIECES - 1) * EACH; i++)
    outputs[i] = outputs[i + EACH];
  [[unroll]] for (uint i = 0; i < EACH; i++)
    outputs[(PIECES - 1) * EACH + i] = sums[i];
}

float
load_operand (F32  x,
              uint at)
{
  vec2 pair;

  if (STORED == 0)
    return round_operand (OPERAND, x.v[at]);
  pair = decode_pair (OPERAND == OPERAND_BF16 ? DTYPE_BF16 : DTYPE_F16, U32 (x).v[at / 2]);
  return at % 2 == 0 ? pair.x : pair.y;
}

/* sums += tile_q · tile_k */
void
add_piece ()
{
  for (uint i = 0; i < PIECE; i++)
    {
      float a[ROWS_EACH];
      float b[COLS_EACH];

      [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
        a[r] = tile_q[i * Q_PITCH + r * THREAD_ROWS + thread_row];
      [[unroll]] for (uint c = 0; c < COLS_EACH; c++)
        b[c] = tile_k[i * K_PITCH + c * THREAD_COLS + thread_col];
      [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
        [[unroll]] for (uint c = 0; c < COLS_EACH; c++)
          sums[r * COLS_EACH + c] += a[r] * b[c];
    }
}

/* Logits of the queries and keys from these on, −∞ for those that do not count. */
void
find_logits (uint query,
             uint key,
             uint q_col,
             uint k_col)
{
  [[unroll]] for (uint i = 0; i < EACH; i++)
    sums[i] = 0;
  for (uint first = 0; first < HEAD_DIM; first += PIECE)
    {
      for (uint i = gl_LocalInvocationID.x; i < TILE_ROWS * PIECE; i += GROUP_SIZE)
        {
          uint col = first + i % PIECE;
          uint at = min (query + i / PIECE, rows - 1) * q_stride + q_col + col;

          tile_q[i % PIECE * Q_PITCH + i / PIECE] = col < HEAD_DIM ? round_operand (OPERAND, q.v[at]) : 0.0;
        }
      for (uint i = gl_LocalInvocationID.x; i < PIECE * PIECE; i += GROUP_SIZE)
        {
          uint col = first + i % PIECE;
          uint at = min (key + i / PIECE, rows - 1) * k_stride + k_col + col;

          tile_k[i % PIECE * K_PITCH + i / PIECE] = col < HEAD_DIM ? load_operand (k, at) : 0.0;
        }
      barrier ();
      add_piece ();
      barrier ();
    }
  [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
    [[unroll]] for (uint c = 0; c < COLS_EACH; c++)
      {
        uint my_key = key + c * THREAD_COLS + thread_col;
        uint my_query = query + r * THREAD_ROWS + thread_row;
        bool counts = my_key < rows && (CAUSAL == 0 || my_key <= my_query);

        sums[r * COLS_EACH + c] = counts ? sums[r * COLS_EACH + c] * scale : -INFINITY;
      }
}

/* Turns the logits into numerators in tile_q and makes what was summed before as small as the new maximum asks. */
void
find_numerators ()
{
  [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
    {
      float mine = -INFINITY;

      [[unroll]] for (uint c = 0; c < COLS_EACH; c++)
        mine = sums[r * COLS_EACH + c] > mine ? sums[r * COLS_EACH + c] : mine;
      partial[(r * THREAD_ROWS + thread_row) * THREAD_COLS + thread_col] = mine;
    }
  barrier ();
  [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
    {
      uint row = r * THREAD_ROWS + thread_row;
      float largest = maxima[r];
      float shrink;

      for (uint i = 0; i < THREAD_COLS; i++)
        largest = partial[row * THREAD_COLS + i] > largest ? partial[row * THREAD_COLS + i] : largest;
      shrink = exact_exp (maxima[r] - largest);
      maxima[r] = largest;
      totals[r] *= shrink;
      [[unroll]] for (uint i = 0; i < PIECES; i++)
        [[unroll]] for (uint c = 0; c < COLS_EACH; c++)
          outputs[(i * ROWS_EACH + r) * COLS_EACH + c] *= shrink;
      [[unroll]] for (uint c = 0; c < COLS_EACH; c++)
        {
          float numerator = exact_exp (sums[r * COLS_EACH + c] - largest);

          totals[r] += numerator;
          tile_q[(c * THREAD_COLS + thread_col) * Q_PITCH + row] = round_operand (OPERAND, numerator);
        }
    }
}

void
add_values (uint key,
            uint v_col)
{
  for (uint piece = 0; piece < PIECES; piece++)
    {
      for (uint i = gl_LocalInvocationID.x; i < PIECE * PIECE; i += GROUP_SIZE)
        {
          uint col = piece * PIECE + i % PIECE;
          uint row = key + i / PIECE;
          bool counts = col < HEAD_DIM && row < rows;

          tile_k[i / PIECE * K_PITCH + i % PIECE] =
            counts ? load_operand (v, row * v_stride + v_col + col) : 0.0;
        }
      barrier ();
      [[unroll]] for (uint i = 0; i < EACH; i++)
        sums[i] = outputs[i];
      add_piece ();
      next_piece ();
      barrier ();
    }
}

/* Each of a row's invocations has the sum of its own columns. */
float
row_total (uint r)
{
  uint row = r * THREAD_ROWS + thread_row;
  float total = 0;

  partial[row * THREAD_COLS + thread_col] = totals[r];
  barrier ();
  for (uint i = 0; i < THREAD_COLS; i++)
    total += partial[row * THREAD_COLS + i];
  return total;
}

void
main ()
{
  uint head = gl_WorkGroupID.x;
  uint query = gl_WorkGroupID.y * TILE_ROWS;
  uint end = CAUSAL != 0 ? min (query + TILE_ROWS, rows) : rows;
  uint kv_col = head / head_group * HEAD_DIM;

  [[unroll]] for (uint i = 0; i < PIECES * EACH; i++)
    outputs[i] = 0;
  [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
    {
      maxima[r] = -INFINITY;
      totals[r] = 0;
    }
  for (uint key = 0; key < end; key += PIECE)
    {
      find_logits (query, key, head * HEAD_DIM, kv_col);
      find_numerators ();
      add_values (key, kv_col);
    }
  barrier ();
  [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
    totals[r] = row_total (r);
  [[dont_unroll]] for (uint piece = 0; piece < PIECES; piece++)
    {
      [[unroll]] for (uint r = 0; r < ROWS_EACH; r++)
        [[unroll]] for (uint c = 0; c < COLS_EACH; c++)
          {
            uint row = query + r * THREAD_ROWS + thread_row;
            uint col = piece * PIECE + c * THREAD_COLS + thread_col;

            if (row < rows && col < HEAD_DIM)
              y.v[row * y_stride + head * HEAD_DIM + col] = outputs[r * COLS_EACH + c] / totals[r];
          }
      next_piece ();
    }
}
