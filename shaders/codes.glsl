/* codes.glsl: weights that are stored as codes of two to eight bits, decoded where they are read
 *
 * A row, `w_pitch` words, has four parts: the lower bits of all codes, their upper bits, a head for each 2^HEAD_SHIFT
 * columns, and, where SCALE_KIND says so, sixteen bytes of finer scales for each 256 columns. Code 0 and its neighbours
 * lie in the lowest bits of a word. CODES tells widths and kinds; zim-vk-codes.c makes the rows.
 *
 *   value = (d · scale) · (code − ZERO) + offset,  offset = m, or −m · minimum with finer scales, or none
 *
 * The product of d, scale and code is exact for every type of integers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

const uint LOW_BITS = CODES & 15u;
const uint HIGH_BITS = (CODES >> 4) & 3u;
const uint CODE_KIND = (CODES >> 6) & 3u;
const uint ZERO = (CODES >> 8) & 255u;
const uint HEAD_KIND = (CODES >> 16) & 3u;
const uint SCALE_KIND = (CODES >> 18) & 3u;
const uint HEAD_SHIFT = (CODES >> 20) & 31u;

const uint CODE_INTEGER = 0;
const uint CODE_E4M3 = 1;
const uint CODE_E5M2 = 2;

const uint HEAD_F32 = 0;       /* d */
const uint HEAD_F16 = 1;       /* d, two in a word */
const uint HEAD_F16_PAIR = 2;  /* d and m */
const uint HEAD_BF16_PAIR = 3;

const uint SCALE_NONE = 0;
const uint SCALE_NIBBLES = 1;  /* u4 scale below u4 minimum, for 16 columns */
const uint SCALE_BYTES = 2;    /* u8 scale and u8 minimum, for 32 columns */
const uint SCALE_SIGNED = 3;   /* i8, for 16 columns */

const bool HAS_OFFSET = HEAD_KIND >= HEAD_F16_PAIR;

/* The word of a row's part, beginning at word `part`, in which bit `bit` is the lowest */
uint
load_bits (uint part,
           uint bit)
{
  return U32 (w).v[part + bit / 32] >> (bit % 32);
}

/* What eight weights from column k on, a multiple of eight, are made of: lower bits; upper bits, or the second half of
 * codes of eight; head; finer scale */
uvec4
load_codes (uint row,
            uint k)
{
  uint low = row * w_pitch;
  uint high = low + w_stride / 32 * LOW_BITS;
  uint heads = high + w_stride / 32 * HIGH_BITS;
  uint n_heads = w_stride >> HEAD_SHIFT;
  uint scales = heads + (HEAD_KIND == HEAD_F16 ? (n_heads + 1) / 2 : n_heads);
  uint head = k >> HEAD_SHIFT;
  uvec4 codes = uvec4 (0);

  if (LOW_BITS == 8)
    codes.xy = U32X2 (w).v[low / 2 + k / 8];
  else
    codes.x = load_bits (low, k * LOW_BITS);
  if (HIGH_BITS != 0)
    codes.y = load_bits (high, k * HIGH_BITS);
  codes.z = HEAD_KIND == HEAD_F16 ? load_bits (heads, head * 16) : U32 (w).v[heads + head];
  if (SCALE_KIND == SCALE_BYTES)
    codes.w = load_bits (scales, k / 32 * 16);
  else if (SCALE_KIND != SCALE_NONE)
    codes.w = load_bits (scales, k / 16 * 8);
  return codes;
}

/* d and m */
vec2
decode_head (uint word)
{
  switch (HEAD_KIND)
    {
    case HEAD_F32:
      return vec2 (uintBitsToFloat (word), 0);
    case HEAD_F16:
      return vec2 (decode_f16 (word & 0xffffu), 0);
    case HEAD_F16_PAIR:
      return decode_pair (DTYPE_F16, word);
    default:
      return decode_pair (DTYPE_BF16, word);
    }
}

/* What codes are multiplied by, and what is added */
vec2
decode_line (uint head,
             uint scale)
{
  vec2 line = decode_head (head);

  switch (SCALE_KIND)
    {
    case SCALE_NIBBLES:
      return line * vec2 (float (scale & 15u), -float ((scale >> 4) & 15u));
    case SCALE_BYTES:
      return line * vec2 (float (scale & 255u), -float ((scale >> 8) & 255u));
    case SCALE_SIGNED:
      return line * vec2 (float (int (scale << 24) >> 24), 1);
    default:
      return line;
    }
}

/* A sign, 4 bits of exponent with a bias of 7 and 3 of fraction; no infinity, NaN where all bits are set */
float
decode_e4m3 (uint code)
{
  uint bits = ((code & 0x7fu) << 20) + 0x3c000000u;

  if ((code & 0x78u) == 0)
    bits = floatBitsToUint (float (code & 7u) * 0.001953125);
  if ((code & 0x7fu) == 0x7fu)
    bits = 0x7fc00000u;
  return uintBitsToFloat (bits | ((code & 0x80u) << 24));
}

float
decode_code (uint code)
{
  switch (CODE_KIND)
    {
    case CODE_E4M3:
      return decode_e4m3 (code);
    case CODE_E5M2:
      return decode_f16 (code << 8);
    default:
      return float (int (code) - int (ZERO));
    }
}

/* The first (0) or second (1) four of the eight weights */
vec4
decode_codes (uvec4 codes,
              uint  half_of_them)
{
  vec2 line = decode_line (codes.z, codes.w);
  uint low = LOW_BITS == 8 ? codes[half_of_them] : codes.x >> (half_of_them * 4 * LOW_BITS);
  uint high = codes.y >> (half_of_them * 4 * HIGH_BITS);
  vec4 values;

  [[unroll]] for (uint i = 0; i < 4; i++)
    {
      uint code = (low >> (i * LOW_BITS)) & ((1u << LOW_BITS) - 1u);

      if (HIGH_BITS != 0)
        code |= ((high >> (i * HIGH_BITS)) & ((1u << HIGH_BITS) - 1u)) << LOW_BITS;
      values[i] = line.x * decode_code (code);
      if (HAS_OFFSET)
        values[i] += line.y;
    }
  return values;
}
