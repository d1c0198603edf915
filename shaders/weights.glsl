/* weights.glsl: reads weights in the type that they are stored in
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Four weights from element `at` on, a multiple of four, rounded to operands. */
vec4
load_weights (U32X4 memory,
              uint  dtype,
              uint  operand,
              uint  at)
{
  uvec2 words;
  vec4 values;

  if (dtype == DTYPE_F32)
    return round_operand (operand, uintBitsToFloat (memory.v[at / 4]));
  words = U32X2 (memory).v[at / 4];
  values = vec4 (decode_pair (dtype, words.x), decode_pair (dtype, words.y));
  if (dtype == DTYPE_BF16 ? operand == OPERAND_BF16 : operand == OPERAND_F16)
    return values;
  return round_operand (operand, values);
}
