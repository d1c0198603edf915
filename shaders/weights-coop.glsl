/* weights-coop.glsl: eight weights at once, as operands of cooperative matrices
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* As they are stored, from element `at` on, a multiple of eight; the second part is of f32 alone. */
void
load_octet (U32X4     memory,
            uint      dtype,
            uint      at,
            out uvec4 low,
            out uvec4 high)
{
  if (dtype == DTYPE_F32)
    {
      low = memory.v[at / 4];
      high = memory.v[at / 4 + 1];
    }
  else
    low = memory.v[at / 8];
}

uvec4
round_octet (uint  dtype,
             uvec4 low,
             uvec4 high)
{
  if (dtype == OPERAND_DTYPE)
    return low;
  if (dtype == DTYPE_F32)
    return pack (uintBitsToFloat (low), uintBitsToFloat (high));
  return uvec4 (pack (decode_pair (dtype, low.x)), pack (decode_pair (dtype, low.y)),
                pack (decode_pair (dtype, low.z)), pack (decode_pair (dtype, low.w)));
}
