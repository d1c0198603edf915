/* attention-coop.comp: softmax (q · kᵀ / √d) · v of one range of rows with the device's cooperative matrices
 *
 * What attention.comp makes. A group walks over the keys in blocks of 32 for as many queries as it has parts, each
 * of the rows of a matrix. A part has one subgroup, or for wide heads several, of which each has a slice of the
 * columns: of q and k it makes a share of the logits, which all of them add up, and of v its own columns of the
 * result. Queries and results stay in registers, a block's keys and then its values lie in shared memory, and a
 * subgroup's logits, numerators and factors in a patch of it. Sums are f32.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "coop.glsl"
#include "attention-coop.interface.glsl"
#include "common.glsl"
#include "math.glsl"

#ifdef ZIM_INTERFACE
variant f16 bf16;
full_subgroups;
constant SUBS;           /* subgroups */
constant SLICES;         /* of the columns of a head, and as many subgroups for the same queries */
constant HEAD_DIM;
constant LOAD_KEYS;      /* keys that lie in shared memory at once: 32, or a half if their rows are long */
constant MATRIX_ROWS;    /* of one of the device's matrices of sums */
constant MATRIX_COLS;
constant MATRIX_K;
constant CAUSAL;
constant ALIGNED;        /* four neighbours of q, k and v can be read at once */
constant STORED;         /* k and v are stored as operands, of which eight can be read at once */
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

const uint KEYS = 32; /* of a block */
const uint SUBGROUP = GROUP_SIZE / SUBS;
const uint STEP = MATRIX_K > MATRIX_COLS ? MATRIX_K : MATRIX_COLS;
const uint SLICE = (HEAD_DIM + SLICES * STEP - 1) / (SLICES * STEP) * STEP; /* columns, zeros behind the head's */
const uint OCTETS = SLICE * SLICES / 8;
const uint PITCH = OCTETS + 1; /* octets of eight rows fall into different banks */
const uint LOADS = KEYS / LOAD_KEYS;

/* A patch, in four words each: rows of logits, padded against bank conflicts; or rows of numerators, padded, and then
 * rows of the factors by which results shrink. */
const uint LOGIT_PITCH = KEYS / 4 + 1;
const uint NUMERATOR_PITCH = KEYS / 8 + 1;
const uint FACTORS = MATRIX_ROWS * NUMERATOR_PITCH;
const uint PATCH = MATRIX_ROWS * LOGIT_PITCH;

/* A row of the patch belongs to some invocations, each of which has as many of its keys; or several to one. */
const uint LANES = SUBGROUP > MATRIX_ROWS ? SUBGROUP / MATRIX_ROWS : 1;
const uint ROWS_EACH = SUBGROUP < MATRIX_ROWS ? MATRIX_ROWS / SUBGROUP : 1;
const uint QUADS = KEYS / 4 / LANES;

shared uvec4 tile[LOAD_KEYS * PITCH];
shared uvec4 patches[SUBS * PATCH];
shared float shares[GROUP_SIZE * ROWS_EACH];

uint part = gl_SubgroupID / SLICES;
uint first_col = gl_SubgroupID % SLICES * SLICE;
uint my_patch = gl_SubgroupID * PATCH;
uint my_row = gl_SubgroupInvocationID / LANES;
uint my_lane = gl_SubgroupInvocationID % LANES;

coopmat<OPERAND_TYPE, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_K, gl_MatrixUseA> queries[SLICE / MATRIX_K];
coopmat<float, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLS, gl_MatrixUseAccumulator> results[SLICE / MATRIX_COLS];
float maxima[ROWS_EACH];
float totals[ROWS_EACH];
vec4 numerators[ROWS_EACH * QUADS];

uint
row_of (uint i)
{
  return my_row + i * (SUBGROUP / LANES);
}

vec4
load (F32  x,
      uint at,
      uint col)
{
  vec4 values = vec4 (0);

  if (ALIGNED != 0)
    {
      if (col < HEAD_DIM)
        values = F32X4 (x).v[at / 4];
    }
  else
    [[unroll]] for (uint i = 0; i < 4; i++)
      if (col + i < HEAD_DIM)
        values[i] = x.v[at + i];
  return values;
}

uvec4
load_octet (F32  x,
            uint at,
            uint col,
            bool is_stored)
{
  if (is_stored)
    return col < HEAD_DIM ? U32X4 (x).v[at / 8] : uvec4 (0);
  return pack (load (x, at, col), load (x, at + 4, col + 4));
}

/* n rows of a head from that one on. Behind the last one lie copies of it, or zeros where something is multiplied with
 * them that must not become NaN. */
void
fill_tile (F32  x,
           uint stride,
           uint x_col,
           uint first,
           uint n,
           bool is_stored,
           bool clears)
{
  for (uint i = gl_LocalInvocationID.x; i < n * OCTETS; i += GROUP_SIZE)
    {
      uint row = first + i / OCTETS;
      uint col = i % OCTETS * 8;
      uint at = min (row, rows - 1) * stride + x_col + col;
      uvec4 octet = load_octet (x, at, col, is_stored);

      tile[i / OCTETS * PITCH + i % OCTETS] = clears && row >= rows ? uvec4 (0) : octet;
    }
}

void
load_queries (uint first,
              uint q_col)
{
  for (uint i = 0; i < SUBS / SLICES; i++)
    {
      fill_tile (q, q_stride, q_col, first + i * MATRIX_ROWS, MATRIX_ROWS, false, false);
      barrier ();
      if (i == part)
        [[unroll]] for (uint j = 0; j < SLICE / MATRIX_K; j++)
          coopMatLoad (queries[j], tile, (first_col + j * MATRIX_K) / 8, PITCH, gl_CooperativeMatrixLayoutRowMajor);
      barrier ();
    }
}

/* This slice's share of the logits of all keys of a block, into the patch */
void
find_shares (uint key,
             uint k_col)
{
  for (uint i = 0; i < LOADS; i++)
    {
      fill_tile (k, k_stride, k_col, key + i * LOAD_KEYS, LOAD_KEYS, STORED != 0, false);
      barrier ();
      [[unroll]] for (uint n = 0; n < LOAD_KEYS; n += MATRIX_COLS)
        {
          coopmat<float, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLS, gl_MatrixUseAccumulator> sums;

          sums = coopmat<float, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLS, gl_MatrixUseAccumulator> (0.0);
          [[unroll]] for (uint j = 0; j < SLICE / MATRIX_K; j++)
            {
              coopmat<OPERAND_TYPE, gl_ScopeSubgroup, MATRIX_K, MATRIX_COLS, gl_MatrixUseB> keys;

              coopMatLoad (keys, tile, n * PITCH + (first_col + j * MATRIX_K) / 8, PITCH,
                           gl_CooperativeMatrixLayoutColumnMajor);
              sums = coopMatMulAdd (queries[j], keys, sums);
            }
          coopMatStore (sums, patches, my_patch + (i * LOAD_KEYS + n) / 4, LOGIT_PITCH,
                        gl_CooperativeMatrixLayoutRowMajor);
        }
      barrier ();
    }
}

/* Four logits, from the shares of all slices; −∞ for keys that do not count */
vec4
logits (uint row,
        uint quad,
        uint query,
        uint key)
{
  vec4 sum = vec4 (0);
  uvec4 keys = key + 4 * quad + uvec4 (0, 1, 2, 3);

  for (uint i = 0; i < SLICES; i++)
    sum += uintBitsToFloat (patches[(part * SLICES + i) * PATCH + row * LOGIT_PITCH + quad]);
  sum *= scale;
  [[unroll]] for (uint i = 0; i < 4; i++)
    if (keys[i] >= rows || (CAUSAL != 0 && keys[i] > query + row))
      sum[i] = -INFINITY;
  return sum;
}

/* Turns the logits of the block into numerators and makes what was summed before as small as the new maximum asks. */
void
find_numerators (uint query,
                 uint key)
{
  float shrink[ROWS_EACH];

  [[unroll]] for (uint i = 0; i < ROWS_EACH; i++)
    {
      float largest = maxima[i];

      for (uint quad = 0; quad < KEYS / 4; quad++)
        {
          vec4 values = logits (row_of (i), quad, query, key);

          [[unroll]] for (uint j = 0; j < 4; j++)
            largest = values[j] > largest ? values[j] : largest;
        }
      shrink[i] = exact_exp (maxima[i] - largest);
      maxima[i] = largest;
      totals[i] *= shrink[i];
      [[unroll]] for (uint quad = 0; quad < QUADS; quad++)
        {
          vec4 values = logits (row_of (i), my_lane * QUADS + quad, query, key) - largest;

          [[unroll]] for (uint j = 0; j < 4; j++)
            {
              values[j] = exact_exp (values[j]);
              totals[i] += values[j];
            }
          numerators[i * QUADS + quad] = values;
        }
    }
  barrier ();
  [[unroll]] for (uint i = 0; i < ROWS_EACH; i++)
    {
      [[unroll]] for (uint j = 0; j < QUADS; j++)
        {
          uint quad = my_lane * QUADS + j;
          uint at = my_patch + row_of (i) * NUMERATOR_PITCH + quad / 2;

          patches[at][quad % 2 * 2] = pack (numerators[i * QUADS + j].xy);
          patches[at][quad % 2 * 2 + 1] = pack (numerators[i * QUADS + j].zw);
        }
      for (uint j = my_lane; j < MATRIX_COLS / 4; j += LANES)
        patches[my_patch + FACTORS + row_of (i) * (MATRIX_COLS / 4) + j] = uvec4 (floatBitsToUint (shrink[i]));
    }
  subgroupBarrier ();
}

void
shrink_results ()
{
  coopmat<float, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLS, gl_MatrixUseAccumulator> factors;

  coopMatLoad (factors, patches, my_patch + FACTORS, MATRIX_COLS / 4, gl_CooperativeMatrixLayoutRowMajor);
  [[unroll]] for (uint j = 0; j < SLICE / MATRIX_COLS; j++)
    results[j] *= factors;
}

/* results += numerators · values, of the part of a block that lies in the tile */
void
add_values (uint first_key)
{
  [[unroll]] for (uint i = 0; i < LOAD_KEYS; i += MATRIX_K)
    {
      coopmat<OPERAND_TYPE, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_K, gl_MatrixUseA> weights;

      coopMatLoad (weights, patches, my_patch + (first_key + i) / 8, NUMERATOR_PITCH,
                   gl_CooperativeMatrixLayoutRowMajor);
      [[unroll]] for (uint j = 0; j < SLICE / MATRIX_COLS; j++)
        {
          coopmat<OPERAND_TYPE, gl_ScopeSubgroup, MATRIX_K, MATRIX_COLS, gl_MatrixUseB> values;

          coopMatLoad (values, tile, i * PITCH + (first_col + j * MATRIX_COLS) / 8, PITCH,
                       gl_CooperativeMatrixLayoutRowMajor);
          results[j] = coopMatMulAdd (weights, values, results[j]);
        }
    }
}

/* The first values are on their way while the numerators are found. */
void
add_block (uint query,
           uint key,
           uint kv_col)
{
  find_shares (key, kv_col);
  fill_tile (v, v_stride, kv_col, key, LOAD_KEYS, STORED != 0, true);
  find_numerators (query, key);
  shrink_results ();
  for (uint i = 0; i < LOADS; i++)
    {
      if (i > 0)
        fill_tile (v, v_stride, kv_col, key + i * LOAD_KEYS, LOAD_KEYS, STORED != 0, true);
      barrier ();
      add_values (i * LOAD_KEYS);
      barrier ();
    }
}

/* Each of a row's invocations has the sum of its own keys. */
void
write_results (uint query,
               uint y_col)
{
  [[unroll]] for (uint i = 0; i < ROWS_EACH; i++)
    shares[gl_SubgroupID * SUBGROUP * ROWS_EACH + row_of (i) * LANES + my_lane] = totals[i];
  [[unroll]] for (uint j = 0; j < SLICE / MATRIX_COLS; j++)
    {
      coopMatStore (results[j], patches, my_patch, MATRIX_COLS / 4, gl_CooperativeMatrixLayoutRowMajor);
      subgroupBarrier ();
      for (uint i = gl_SubgroupInvocationID; i < MATRIX_ROWS * MATRIX_COLS; i += SUBGROUP)
        {
          uint row = i / MATRIX_COLS;
          uint col = first_col + j * MATRIX_COLS + i % MATRIX_COLS;
          float total = 0;

          for (uint lane = 0; lane < LANES; lane++)
            total += shares[gl_SubgroupID * SUBGROUP * ROWS_EACH + row * LANES + lane];
          if (query + row < rows && col < HEAD_DIM)
            y.v[(query + row) * y_stride + y_col + col] = uintBitsToFloat (patches[my_patch + i / 4][i % 4]) / total;
        }
      subgroupBarrier ();
    }
}

void
main ()
{
  const uint tile_rows = SUBS / SLICES * MATRIX_ROWS;
  uint head = gl_WorkGroupID.x;
  uint first = gl_WorkGroupID.y * tile_rows;
  uint query = first + part * MATRIX_ROWS;
  uint end = CAUSAL != 0 ? min (first + tile_rows, rows) : rows;
  uint kv_col = head / head_group * HEAD_DIM;

  [[unroll]] for (uint i = 0; i < ROWS_EACH; i++)
    {
      maxima[i] = -INFINITY;
      totals[i] = 0;
    }
  [[unroll]] for (uint j = 0; j < SLICE / MATRIX_COLS; j++)
    results[j] = coopmat<float, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLS, gl_MatrixUseAccumulator> (0.0);
  load_queries (first, head * HEAD_DIM);
  for (uint key = 0; key < end; key += KEYS)
    add_block (query, key, kv_col);
  write_results (query, head * HEAD_DIM);
}
