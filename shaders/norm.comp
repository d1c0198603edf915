/* norm.comp: RMS and layer norm
 *
 * y = (x − m) / √(mean ((x − m)²) + eps) ⊙ weight ⊙ scale over each group of columns of each row; m is the mean for
 * layer norm and 0 for RMS norm. A team of TEAM invocations, a power of two, does one group of one row.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#include "norm.interface.glsl"
#include "common.glsl"
#include "operands.glsl"

#ifdef ZIM_INTERFACE
constant TEAM;
constant SUBTRACT_MEAN;
constant HAS_WEIGHT;
constant HAS_SCALE;
constant NARROW;         /* what y is stored as: operands of this type, or 0 for f32; cols is even then */
buffer f32 x;
buffer f32 y;
buffer f32 weight;       /* [cols of a group] */
buffer f32 scale;        /* a row for each sample */
buffer u32x2 ranges;     /* (the row behind it, its sample) */
push uint rows;
push uint cols;          /* of a group */
push uint groups;        /* of a row */
push uint x_stride;
push uint y_stride;
push uint scale_stride;
push float eps;
push float factor;       /* of operands: they are multiplied by it before they are rounded */
#endif

shared float partial[GROUP_SIZE];

uint member = gl_LocalInvocationID.x % TEAM;

/* The sum of what all members of the team have, for each of them. */
float
team_sum (float mine)
{
  uint me = gl_LocalInvocationID.x;
  float sum;

  partial[me] = mine;
  barrier ();
  for (uint n = TEAM / 2; n > 0; n /= 2)
    {
      if (member < n)
        partial[me] += partial[me + n];
      barrier ();
    }
  sum = partial[me - member];
  barrier ();
  return sum;
}

uint
sample_of_row (uint row)
{
  uint i = 0;

  while (row >= ranges.v[i].x)
    i++;
  return ranges.v[i].y;
}

float
scaled (float value,
        uint  i,
        uint  scale_at)
{
  if (HAS_WEIGHT != 0)
    value *= weight.v[i];
  if (HAS_SCALE != 0)
    value *= scale.v[scale_at + i];
  return value;
}

void
main ()
{
  uint job = group_index () * (GROUP_SIZE / TEAM) + gl_LocalInvocationID.x / TEAM;
  bool is_real = job < rows * groups;
  uint row = is_real ? job / groups : 0;
  uint first = is_real ? job % groups * cols : 0;
  uint x_at = row * x_stride + first;
  uint y_at = row * y_stride + first;
  uint scale_at = 0;
  float mean = 0;
  float squares = 0;
  float inverse;

  if (SUBTRACT_MEAN != 0)
    {
      for (uint i = member; i < cols; i += TEAM)
        mean += x.v[x_at + i];
      mean = team_sum (mean) / float (cols);
    }
  for (uint i = member; i < cols; i += TEAM)
    {
      float d = x.v[x_at + i] - mean;

      squares += d * d;
    }
  inverse = 1.0 / sqrt (team_sum (squares) / float (cols) + eps);

  if (!is_real)
    return;
  if (HAS_SCALE != 0)
    scale_at = sample_of_row (row) * scale_stride + first;
  if (NARROW == 0)
    for (uint i = member; i < cols; i += TEAM)
      y.v[y_at + i] = scaled ((x.v[x_at + i] - mean) * inverse, i, scale_at);
  else
    for (uint i = 2 * member; i < cols; i += 2 * TEAM)
      {
        float first_value = scaled ((x.v[x_at + i] - mean) * inverse, i, scale_at);
        float second_value = scaled ((x.v[x_at + i + 1] - mean) * inverse, i + 1, scale_at);

        U32 (y).v[(y_at + i) / 2] = pack_operands (NARROW, vec2 (first_value, second_value) * factor);
      }
}
