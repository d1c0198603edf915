/* common.glsl: what every shader may use
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Types as the C side numbers them: ZimDType, and what a product's operands are rounded to (ZimPrecision − F32). */
const uint DTYPE_F32 = 0;
const uint DTYPE_F16 = 1;
const uint DTYPE_BF16 = 2;

const uint OPERAND_F32 = 0;
const uint OPERAND_BF16 = 1;
const uint OPERAND_F16 = 2;

/* How four neighbours of x are read (ZimVkLayout): one by one, at once, or at once as operands, which they are stored
 * as. */
const uint LAYOUT_SINGLES = 0;
const uint LAYOUT_QUADS = 1;
const uint LAYOUT_OPERANDS = 2;

#define INFINITY uintBitsToFloat (0x7f800000u)

/* The number of this group in a grid of one dimension, which is folded where it would be wider than a device takes. */
uint
group_index ()
{
  return (gl_WorkGroupID.y << 15) + gl_WorkGroupID.x;
}

/* f16 bits → f32, by integers alone but for the subnormal ones, which are multiples of 2⁻²⁴ */
float
decode_f16 (uint h)
{
  uint rest = (h & 0x7fffu) << 13;
  uint sign = (h & 0x8000u) << 16;

  if (rest < 0x00800000u)
    rest = floatBitsToUint (float (h & 0x7fffu) * 5.9604644775390625e-8);
  else
    rest += rest >= 0x0f800000u ? 0x70000000u : 0x38000000u;
  return uintBitsToFloat (rest | sign);
}

/* Two 16-bit numbers of a word */
vec2
decode_pair (uint dtype,
             uint word)
{
  if (dtype == DTYPE_BF16)
    return vec2 (uintBitsToFloat (word << 16), uintBitsToFloat (word & 0xffff0000u));
  return vec2 (decode_f16 (word & 0xffffu), decode_f16 (word >> 16));
}

/* To the nearest bf16, ties to even; NaN stays NaN. */
float
round_bf16 (float x)
{
  uint bits = floatBitsToUint (x);

  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return x;
  return uintBitsToFloat ((bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u);
}

/* To the nearest f16, ties to even: infinity from 65520 on, multiples of 2⁻²⁴ below 2⁻¹⁴. */
float
round_f16 (float x)
{
  uint bits = floatBitsToUint (x);
  uint size = bits & 0x7fffffffu;

  if (size > 0x7f800000u)
    return x;
  if (size < 0x38800000u)
    {
      /* The integer nearest to size · 2²⁴, found by hand: a sum with 0.5 would depend on the rounding mode. */
      uint fraction = (size & 0x7fffffu) | 0x800000u;
      uint shift = min (126u - (size >> 23), 31u);
      uint whole = fraction >> shift;
      uint rest = fraction & ((1u << shift) - 1u);
      uint half_way = 1u << (shift - 1u);

      whole += rest > half_way || (rest == half_way && (whole & 1u) == 1u) ? 1u : 0u;
      return uintBitsToFloat (floatBitsToUint (float (whole) * 5.9604644775390625e-8) | (bits & 0x80000000u));
    }
  size = (size + 0xfffu + ((size >> 13) & 1u)) & ~0x1fffu;
  return uintBitsToFloat ((size >= 0x47800000u ? 0x7f800000u : size) | (bits & 0x80000000u));
}

float
round_operand (uint  operand,
               float x)
{
  if (operand == OPERAND_BF16)
    return round_bf16 (x);
  if (operand == OPERAND_F16)
    return round_f16 (x);
  return x;
}

vec4
round_operand (uint operand,
               vec4 x)
{
  return vec4 (round_operand (operand, x.x), round_operand (operand, x.y), round_operand (operand, x.z),
               round_operand (operand, x.w));
}
