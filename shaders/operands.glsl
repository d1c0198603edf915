/* operands.glsl: results that are stored as operands of the product that reads them, two to a word
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* The bits of a number that is exact in f16 */
uint
encode_f16 (float x)
{
  uint bits = floatBitsToUint (x);
  uint size = bits & 0x7fffffffu;
  uint sign = (bits >> 16) & 0x8000u;

  if (size > 0x7f800000u)
    return sign | 0x7e00u;
  if (size >= 0x47800000u)
    return sign | 0x7c00u;
  if (size < 0x38800000u)
    return sign | uint (uintBitsToFloat (size) * 16777216.0);
  return sign | ((size - 0x38000000u) >> 13);
}

uint
pack_operands (uint operand,
               vec2 values)
{
  vec2 rounded = vec2 (round_operand (operand, values.x), round_operand (operand, values.y));

  if (operand == OPERAND_BF16)
    return (floatBitsToUint (rounded.x) >> 16) | (floatBitsToUint (rounded.y) & 0xffff0000u);
  return encode_f16 (rounded.x) | (encode_f16 (rounded.y) << 16);
}

/* Four from element `at` on, a multiple of four */
vec4
load_operands (U32X2 memory,
               uint  operand,
               uint  at)
{
  uint dtype = operand == OPERAND_BF16 ? DTYPE_BF16 : DTYPE_F16;
  uvec2 words = memory.v[at / 4];

  return vec4 (decode_pair (dtype, words.x), decode_pair (dtype, words.y));
}
