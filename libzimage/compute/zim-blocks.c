/* zim-blocks.c: the block types of GGUF files, value by value
 *
 * d and m stand for a block's scale and its minimum, f16; q for what is stored of a value. Products of a scale and
 * small integers are exact in f32, so that a value is rounded once at most, as a sum.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/zim-blocks-private.h"
#include "compute/zim-dtype-private.h"

static inline float
load_f16 (const guint8 *src)
{
  guint16 half;

  memcpy (&half, src, sizeof half);
  return zim_f16_to_f32 (half);
}

static inline guint32
load_u32 (const guint8 *src)
{
  guint32 bits;

  memcpy (&bits, src, sizeof bits);
  return bits;
}

/* Blocks of 32. The lower halves of 16 bytes are the first 16 values, the upper halves the others. */

/* f16 d, i8 q[32]: d · q */
void
zim_block_decode_q8_0 (const guint8 *block,
                       float        *values)
{
  float d = load_f16 (block);

  for (guint i = 0; i < 32; i++)
    values[i] = d * (float) (gint8) block[2 + i];
}

/* f16 d, u4 q[32]: d · (q − 8) */
void
zim_block_decode_q4_0 (const guint8 *block,
                       float        *values)
{
  float d = load_f16 (block);

  for (guint i = 0; i < 16; i++)
    {
      values[i] = d * (float) ((block[2 + i] & 15) - 8);
      values[i + 16] = d * (float) ((block[2 + i] >> 4) - 8);
    }
}

/* f16 d, f16 m, u4 q[32]: d · q + m */
void
zim_block_decode_q4_1 (const guint8 *block,
                       float        *values)
{
  float d = load_f16 (block), m = load_f16 (block + 2);

  for (guint i = 0; i < 16; i++)
    {
      values[i] = d * (float) (block[4 + i] & 15) + m;
      values[i + 16] = d * (float) (block[4 + i] >> 4) + m;
    }
}

/* f16 d, the fifth bits of 32 values, u4 q[32]: d · (q − 16) */
void
zim_block_decode_q5_0 (const guint8 *block,
                       float        *values)
{
  float d = load_f16 (block);
  guint32 high = load_u32 (block + 2);

  for (guint i = 0; i < 16; i++)
    {
      values[i] = d * (float) ((int) ((block[6 + i] & 15) | (high >> i & 1) << 4) - 16);
      values[i + 16] = d * (float) ((int) (block[6 + i] >> 4 | (high >> (i + 16) & 1) << 4) - 16);
    }
}

/* f16 d, f16 m, the fifth bits of 32 values, u4 q[32]: d · q + m */
void
zim_block_decode_q5_1 (const guint8 *block,
                       float        *values)
{
  float d = load_f16 (block), m = load_f16 (block + 2);
  guint32 high = load_u32 (block + 4);

  for (guint i = 0; i < 16; i++)
    {
      values[i] = d * (float) ((block[8 + i] & 15) | (high >> i & 1) << 4) + m;
      values[i + 16] = d * (float) (block[8 + i] >> 4 | (high >> (i + 16) & 1) << 4) + m;
    }
}

/* Blocks of 256. Each 16 or 32 values have a scale of their own, a small integer times d. */

/* u4 scale[16] below u4 minimum[16], u2 q[256], f16 d, f16 m: d · scale · q − m · minimum for each 16.
 * 32 bytes hold 128 values: their lowest bits the first 32, and so on. */
void
zim_block_decode_q2_k (const guint8 *block,
                       float        *values)
{
  float d = load_f16 (block + 80), m = load_f16 (block + 82);

  for (guint i = 0; i < 256; i++)
    {
      guint8 scale = block[i / 16];
      guint8 q = block[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;

      values[i] = d * (float) (scale & 15) * (float) q - m * (float) (scale >> 4);
    }
}

/* The third bits of 256 values, u2 q[256], 16 scales of 6 bits, f16 d: d · (scale − 32) · (q − 4) for each 16. The
 * third bit of value i is bit i / 32 of byte i % 32. Scale j has four bits in byte j % 8 and two in byte 8 + j % 4. */
void
zim_block_decode_q3_k (const guint8 *block,
                       float        *values)
{
  const guint8 *low = block + 32, *scales = block + 96;
  float d = load_f16 (block + 108);

  for (guint j = 0; j < 16; j++)
    {
      int scale = (scales[j % 8] >> (j / 8 * 4) & 15) | (scales[8 + j % 4] >> (j / 4 * 2) & 3) << 4;
      float factor = d * (float) (scale - 32);

      for (guint i = 16 * j; i < 16 * j + 16; i++)
        {
          int q = (low[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) | (block[i % 32] >> (i / 32) & 1) << 2;

          values[i] = factor * (float) (q - 4);
        }
    }
}

/* Scale and minimum j of 8 in 12 bytes, 6 bits each: the first four of both lie in the lower bits of the first eight
 * bytes; the others have four bits in the last four bytes and two in what is left of the first eight. */
static inline void
unpack_scale (const guint8 *packed,
              guint         j,
              guint8       *scale,
              guint8       *minimum)
{
  if (j < 4)
    {
      *scale = packed[j] & 63;
      *minimum = packed[j + 4] & 63;
      return;
    }
  *scale = (guint8) ((packed[j + 4] & 15) | packed[j - 4] >> 6 << 4);
  *minimum = (guint8) (packed[j + 4] >> 4 | packed[j] >> 6 << 4);
}

/* f16 d, f16 m, 8 scales and minima, u4 q[256]: d · scale · q − m · minimum for each 32.
 * 32 bytes hold 64 values: their lower halves the first 32. */
void
zim_block_decode_q4_k (const guint8 *block,
                       float        *values)
{
  float d = load_f16 (block), m = load_f16 (block + 2);

  for (guint j = 0; j < 8; j++)
    {
      guint8 scale, minimum;
      float factor, less;

      unpack_scale (block + 4, j, &scale, &minimum);
      factor = d * (float) scale;
      less = m * (float) minimum;
      for (guint i = 0; i < 32; i++)
        values[32 * j + i] = factor * (float) (block[16 + j / 2 * 32 + i] >> (j % 2 * 4) & 15) - less;
    }
}

/* f16 d, f16 m, 8 scales and minima, the fifth bits of 256 values, u4 q[256]: as Q4_K. The fifth bit of value i is bit
 * i / 32 of byte i % 32. */
void
zim_block_decode_q5_k (const guint8 *block,
                       float        *values)
{
  const guint8 *high = block + 16, *low = block + 48;
  float d = load_f16 (block), m = load_f16 (block + 2);

  for (guint j = 0; j < 8; j++)
    {
      guint8 scale, minimum;
      float factor, less;

      unpack_scale (block + 4, j, &scale, &minimum);
      factor = d * (float) scale;
      less = m * (float) minimum;
      for (guint i = 0; i < 32; i++)
        {
          guint q = (low[j / 2 * 32 + i] >> (j % 2 * 4) & 15) | (high[i] >> j & 1) << 4;

          values[32 * j + i] = factor * (float) q - less;
        }
    }
}

/* u4 q[256], the fifth and sixth bits of 256 values, i8 scale[16], f16 d: d · scale · (q − 32) for each 16.
 * 64 bytes hold the lower bits of 128 values: their lower halves those of the first 64. 32 bytes hold the upper bits of
 * 128 values: their lowest two those of the first 32, and so on. */
void
zim_block_decode_q6_k (const guint8 *block,
                       float        *values)
{
  const guint8 *high = block + 128, *scales = block + 192;
  float d = load_f16 (block + 208);

  for (guint i = 0; i < 256; i++)
    {
      int low = block[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
      int q = low | (high[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) << 4;

      values[i] = d * (float) (gint8) scales[i / 16] * (float) (q - 32);
    }
}
