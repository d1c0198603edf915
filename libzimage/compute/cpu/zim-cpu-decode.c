/* zim-cpu-decode.c: stored weights and other values → operands of products, compiled once for each tier
 *
 * Types of few bits are decoded in two steps. First the bits are unpacked: into a byte for each value, and for each 16
 * or 32 of them what they are multiplied by and what is added. Then all types are alike: y = factor · code + offset.
 * Products and sums are rounded as those of zim_weight_decode (), so that values are the same to the last bit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/cpu/zim-cpu-decode-private.h"

#define UNIT ZIM_MAX_UNIT /* values that are decoded together at most */
#define STEP 32           /* and at least */

G_STATIC_ASSERT (STEP % (2 * V) == 0 && UNIT % STEP == 0);

/* Operands */

/* 2 · V values */
INLINE void
put (ZimOperand operand,
     vf         a,
     vf         b,
     void      *dst,
     gsize      at)
{
#ifdef __AVX512BF16__
  if (operand == ZIM_OPERAND_BF16)
    {
      _mm512_storeu_si512 ((guint16 *) dst + at, (__m512i) _mm512_cvtne2ps_pbh ((__m512) b, (__m512) a));
      return;
    }
#endif
  store ((float *) dst + at, round_operand (operand, a));
  store ((float *) dst + at + V, round_operand (operand, b));
}

static void
put_values (ZimOperand   operand,
            const float *values,
            gsize        n,
            void        *dst)
{
  gsize i = 0;

  for (; i + 2 * V <= n; i += 2 * V)
    put (operand, load (values + i), load (values + i + V), dst, i);
  for (; i < n; i++)
    if (operand == ZIM_OPERAND_BF16)
      ((guint16 *) dst)[i] = zim_f32_to_bf16 (values[i]);
    else
      ((float *) dst)[i] = round_operand_1 (operand, values[i]);
}

static void
pad (ZimOperand operand,
     gsize      k,
     void      *dst)
{
  if (zim_operand_padded (operand, k) > k)
    ((guint16 *) dst)[k] = 0;
}

void
FOR_TIER (zim_cpu_round) (ZimOperand   operand,
                          const float *src,
                          gsize        k,
                          void        *dst)
{
  put_values (operand, src, k, dst);
  pad (operand, k, dst);
}

/* V values of V or 2 · V bytes */

#if V == 16
# define WIDE(name) _mm512_##name
# define HALF(name) _mm256_##name
# define AND_HALVES _mm256_and_si256
# define LOAD_HALVES(p) _mm256_loadu_si256 ((const __m256i *) (p))
# define LOAD_BYTES(p) _mm_loadu_si128 ((const __m128i *) (p))
#elif V == 8
# define WIDE(name) _mm256_##name
# define HALF(name) _mm_##name
# define AND_HALVES _mm_and_si128
# define LOAD_HALVES(p) _mm_loadu_si128 ((const __m128i *) (p))
# define LOAD_BYTES(p) _mm_loadl_epi64 ((const __m128i *) (p))
#endif

#define E4M3_UNIT 0x1p8f

/* Of F8_E4M3 in units of E4M3_UNIT, and not of its NaN. F8's bits are put where f16 has them, whose exponents of four
 * bits are by 8 lower: unlike in f32, subnormal numbers are normal ones of the result and cost nothing. */
INLINE vf
load_floats (ZimDType      dtype,
             const guint8 *src)
{
  vf values;

#if V >= 8
  if (dtype == ZIM_DTYPE_F16)
    return WIDE (cvtph_ps) (LOAD_HALVES (src));
  if (dtype == ZIM_DTYPE_BF16)
    return (vf) ((vi) WIDE (cvtepu16_epi32) (LOAD_HALVES (src)) << 16);
  if (dtype == ZIM_DTYPE_F8_E5M2)
    return WIDE (cvtph_ps) (HALF (slli_epi16) (HALF (cvtepu8_epi16) (LOAD_BYTES (src)), 8));
  if (dtype == ZIM_DTYPE_F8_E4M3)
    return WIDE (cvtph_ps) (AND_HALVES (HALF (slli_epi16) (HALF (cvtepi8_epi16) (LOAD_BYTES (src)), 7),
                                        HALF (set1_epi16) ((short) 0xbf80)));
#endif
  zim_dtype_to_f32 (dtype, src, (float *) &values, V);
  if (dtype == ZIM_DTYPE_F8_E4M3)
    values /= E4M3_UNIT;
  return values;
}

INLINE vf
load_codes (const guint8 *src,
            gboolean      is_signed)
{
#if V >= 8
  vi codes = (vi) (is_signed ? WIDE (cvtepi8_epi32) (LOAD_BYTES (src)) : WIDE (cvtepu8_epi32) (LOAD_BYTES (src)));
#else
  vi codes;

  for (guint i = 0; i < V; i++)
    codes[i] = is_signed ? (gint8) src[i] : src[i];
#endif
  return __builtin_convertvector (codes, vf);
}

/* Floating-point numbers */

INLINE void
put_floats (ZimOperand    operand,
            ZimDType      dtype,
            gsize         size,
            const guint8 *src,
            gsize         n,
            float         factor,
            void         *dst)
{
  for (gsize i = 0; i < n; i += 2 * V)
    put (operand, load_floats (dtype, src + size * i) * factor, load_floats (dtype, src + size * (i + V)) * factor,
         dst, i);
}

/* Integers */

/* Vectors of STEP bytes */
typedef guint64 Packed __attribute__ ((vector_size (STEP), aligned (1), may_alias));
typedef gint8 Codes __attribute__ ((vector_size (STEP), aligned (1), may_alias));
typedef guint64 HalfPacked __attribute__ ((vector_size (STEP / 2), aligned (1), may_alias));

#define BYTES(byte) (G_GUINT64_CONSTANT (0x0101010101010101) * (byte))

INLINE Packed
load_packed (const guint8 *src)
{
  return *(const Packed *) src;
}

/* The lower and then the upper halves of STEP / 2 bytes */
INLINE Packed
load_nibbles (const guint8 *src)
{
  HalfPacked half = *(const HalfPacked *) src;
  Packed twice = __builtin_shufflevector (half, half, 0, 1, 0, 1);

  return twice >> (Packed) { 0, 0, 4, 4 } & BYTES (15);
}

/* n bits of each byte */
INLINE Packed
bits (Packed packed,
      guint  shift,
      guint  n)
{
  return packed >> shift & BYTES ((1 << n) - 1);
}

/* Bit i → bit 4 of byte i */
INLINE Packed
spread_bits (const guint8 *src)
{
  typedef guint32 Words __attribute__ ((vector_size (STEP)));
  const Codes places = (Codes) ((Packed) {} + G_GUINT64_CONSTANT (0x8040201008040201));
  guint32 word;
  Codes bytes;

  memcpy (&word, src, sizeof word);
  bytes = (Codes) ((Words) {} + word);
  bytes = __builtin_shufflevector (bytes, bytes, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
                                   18, 18, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19);
  return (Packed) ((bytes & places) == places) & BYTES (16);
}

/* Where a block's codes, factors and offsets go */
typedef struct {
  guint8 *codes;
  float  *factors;
  float  *offsets;
} Place;

INLINE void
put_packed (Place *place,
            guint  i,
            Packed packed,
            gint8  less)
{
  *(Codes *) (place->codes + STEP * i) = (Codes) packed - less;
}

INLINE float
load_half (const guint8 *src)
{
  guint16 half;

  memcpy (&half, src, sizeof half);
#ifdef __F16C__
  return _cvtsh_ss (half);
#else
  return zim_f16_to_f32 (half);
#endif
}

/* −0 changes no number to which it is added; +0 does −0. */
INLINE void
put_scale (Place *place,
           float  factor,
           float  offset)
{
  *place->factors = factor;
  *place->offsets = offset;
}

/* The layouts are told in zim-blocks.c. */

INLINE void
unpack_q8_0 (const guint8 *block,
             Place         place)
{
  put_scale (&place, load_half (block), -0.0f);
  put_packed (&place, 0, load_packed (block + 2), 0);
}

INLINE void
unpack_q4_0 (const guint8 *block,
             Place         place)
{
  put_scale (&place, load_half (block), -0.0f);
  put_packed (&place, 0, load_nibbles (block + 2), 8);
}

INLINE void
unpack_q4_1 (const guint8 *block,
             Place         place)
{
  put_scale (&place, load_half (block), load_half (block + 2));
  put_packed (&place, 0, load_nibbles (block + 4), 0);
}

INLINE void
unpack_q5_0 (const guint8 *block,
             Place         place)
{
  put_scale (&place, load_half (block), -0.0f);
  put_packed (&place, 0, load_nibbles (block + 6) | spread_bits (block + 2), 16);
}

INLINE void
unpack_q5_1 (const guint8 *block,
             Place         place)
{
  put_scale (&place, load_half (block), load_half (block + 2));
  put_packed (&place, 0, load_nibbles (block + 8) | spread_bits (block + 4), 0);
}

INLINE void
unpack_q2_k (const guint8 *block,
             Place         place)
{
  float d = load_half (block + 80), m = load_half (block + 82);

  for (guint i = 0; i < 16; i++)
    {
      place.factors[i] = d * (float) (block[i] & 15);
      place.offsets[i] = -(m * (float) (block[i] >> 4));
    }
  for (guint i = 0; i < 8; i++)
    put_packed (&place, i, bits (load_packed (block + 16 + i / 4 * 32), i % 4 * 2, 2), 0);
}

INLINE guint32
load_word (const guint8 *src)
{
  guint32 word;

  memcpy (&word, src, sizeof word);
  return word;
}

/* 16 scales of 6 bits in 12 bytes, four at a time */
INLINE void
unpack_q3_k_scales (const guint8 *packed,
                    float         d,
                    float        *factors)
{
  guint32 high = load_word (packed + 8), words[4];
  gint8 scales[16];

  for (guint i = 0; i < 4; i++)
    words[i] = (load_word (packed + i % 2 * 4) >> (i / 2 * 4) & (guint32) BYTES (15)) |
               (high >> (2 * i) & (guint32) BYTES (3)) << 4;
  memcpy (scales, words, sizeof scales);
  for (guint i = 0; i < 16; i++)
    factors[i] = d * (float) (scales[i] - 32);
}

INLINE void
unpack_q3_k (const guint8 *block,
             Place         place)
{
  Packed high = load_packed (block);

  unpack_q3_k_scales (block + 96, load_half (block + 108), place.factors);
  for (guint i = 0; i < 16; i++)
    place.offsets[i] = -0.0f;
  for (guint i = 0; i < 8; i++)
    put_packed (&place, i, bits (load_packed (block + 32 + i / 4 * 32), i % 4 * 2, 2) | bits (high, i, 1) << 2, 4);
}

/* 8 scales and minima of 6 bits in 12 bytes, four at a time */
INLINE void
unpack_q4_k_scales (const guint8 *block,
                    Place         place)
{
  float d = load_half (block), m = load_half (block + 2);
  guint32 a = load_word (block + 4), b = load_word (block + 8), c = load_word (block + 12);
  guint64 words[2] = {
    (a & BYTES (63)) | ((c & BYTES (15)) | (a >> 2 & BYTES (48))) << 32,
    (b & BYTES (63)) | ((c >> 4 & BYTES (15)) | (b >> 2 & BYTES (48))) << 32,
  };
  guint8 scales[16];

  memcpy (scales, words, sizeof scales);
  for (guint i = 0; i < 8; i++)
    {
      place.factors[i] = d * (float) scales[i];
      place.offsets[i] = -(m * (float) scales[8 + i]);
    }
}

INLINE void
unpack_q4_k (const guint8 *block,
             Place         place)
{
  unpack_q4_k_scales (block, place);
  for (guint i = 0; i < 8; i++)
    put_packed (&place, i, bits (load_packed (block + 16 + i / 2 * 32), i % 2 * 4, 4), 0);
}

INLINE void
unpack_q5_k (const guint8 *block,
             Place         place)
{
  Packed high = load_packed (block + 16);

  unpack_q4_k_scales (block, place);
  for (guint i = 0; i < 8; i++)
    put_packed (&place, i, bits (load_packed (block + 48 + i / 2 * 32), i % 2 * 4, 4) | bits (high, i, 1) << 4, 0);
}

INLINE void
unpack_q6_k (const guint8 *block,
             Place         place)
{
  float d = load_half (block + 208);

  for (guint i = 0; i < 16; i++)
    {
      place.factors[i] = d * (float) (gint8) block[192 + i];
      place.offsets[i] = -0.0f;
    }
  for (guint i = 0; i < 8; i++)
    {
      Packed low = load_packed (block + i / 4 * 64 + i % 2 * 32), high = load_packed (block + 128 + i / 4 * 32);

      put_packed (&place, i, bits (low, i % 4 / 2 * 4, 4) | bits (high, i % 4 * 2, 2) << 4, 32);
    }
}

/* y = factor · code + offset for each group of 16 or more */
INLINE void
put_codes (ZimOperand    operand,
           const guint8 *codes,
           gboolean      is_signed,
           gsize         n,
           guint         group,
           const float  *factors,
           const float  *offsets,
           void         *dst)
{
  for (gsize i = 0; i < n; i += 2 * V)
    {
      gsize a = i / group, b = (i + V) / group;

      put (operand, load_codes (codes + i, is_signed) * factors[a] + offsets[a],
           load_codes (codes + i + V, is_signed) * factors[b] + offsets[b], dst, i);
    }
}

/* n values of whole blocks */
#define UNPACK(TYPE, type, elements, size, group)                                                                      \
  case ZIM_DTYPE_##TYPE:                                                                                               \
    for (gsize i = 0; i < n / (elements); i++)                                                                         \
      unpack_##type (src + (size) * i, (Place) { codes + (elements) * i, factors + (elements) / (group) * i,           \
                                                 offsets + (elements) / (group) * i });                                \
    put_codes (operand, codes, TRUE, n, group, factors, offsets, dst);                                                 \
    break;

static void
decode_blocks (ZimOperand    operand,
               ZimDType      dtype,
               const guint8 *src,
               gsize         n,
               void         *dst)
{
  guint8 codes[UNIT];
  float factors[UNIT / 16], offsets[UNIT / 16];

  switch (dtype)
    {
    UNPACK (Q8_0, q8_0, 32, 34, 32)
    UNPACK (Q4_0, q4_0, 32, 18, 32)
    UNPACK (Q4_1, q4_1, 32, 20, 32)
    UNPACK (Q5_0, q5_0, 32, 22, 32)
    UNPACK (Q5_1, q5_1, 32, 24, 32)
    UNPACK (Q2_K, q2_k, 256, 84, 16)
    UNPACK (Q3_K, q3_k, 256, 110, 16)
    UNPACK (Q4_K, q4_k, 256, 144, 32)
    UNPACK (Q5_K, q5_k, 256, 176, 32)
    UNPACK (Q6_K, q6_k, 256, 210, 16)
    default:
      g_assert_not_reached ();
    }
}

/* Types whose scales lie elsewhere */

/* The scale of n values from that one on; FALSE if they have several. */
static gboolean
get_scale (const ZimWeight *weight,
           gsize            first,
           gsize            n,
           float           *scale)
{
  gsize group;

  *scale = 1;
  if (weight->scales == NULL)
    return TRUE;
  group = first / weight->group;
  memcpy (scale, weight->scales + group * sizeof *scale, sizeof *scale);
  return first + n <= (group + 1) * weight->group;
}

static gboolean
has_e4m3_nan (const guint8 *codes,
              gsize         n)
{
  Codes found = {};

  for (gsize i = 0; i < n; i += STEP)
    found |= (*(const Codes *) (codes + i) & 0x7f) == 0x7f;
  return (((Packed) found)[0] | ((Packed) found)[1] | ((Packed) found)[2] | ((Packed) found)[3]) != 0;
}

static gboolean
decode_f8 (ZimOperand       operand,
           const ZimWeight *weight,
           gsize            first,
           gsize            n,
           void            *dst)
{
  const guint8 *src = weight->data + first;
  float scale;

  if (!get_scale (weight, first, n, &scale))
    return FALSE;
  if (weight->dtype == ZIM_DTYPE_F8_E5M2)
    {
      put_floats (operand, ZIM_DTYPE_F8_E5M2, 1, src, n, scale, dst);
      return TRUE;
    }
  if (!isfinite (scale * E4M3_UNIT) || has_e4m3_nan (src, n))
    return FALSE;
  put_floats (operand, ZIM_DTYPE_F8_E4M3, 1, src, n, scale * E4M3_UNIT, dst);
  return TRUE;
}

/* A rotation of 256 is one of the four digits to the base 4 of each index: two when the values are taken for a matrix
 * of 16 × 16 whose columns are rotated, and two when it is transposed. */

#define SIDE 16

/* ½ · (Σ x) − x from behind: the matrix of zim-weight.c. All sums are exact. */
INLINE void
rotate_four (vf *a,
             vf *b,
             vf *c,
             vf *d)
{
  vf half = (*a + *b + *c + *d) * 0.5f, a0 = *a, b0 = *b;

  *a = half - *d;
  *b = half - *c;
  *c = half - b0;
  *d = half - a0;
}

static void
rotate_columns (float *x)
{
  for (guint col = 0; col < SIDE; col += V)
    {
      vf t[SIDE];

      UNROLL
      for (guint i = 0; i < SIDE; i++)
        t[i] = load (x + SIDE * i + col);
      UNROLL
      for (guint i = 0; i < SIDE; i += 4)
        rotate_four (&t[i], &t[i + 1], &t[i + 2], &t[i + 3]);
      UNROLL
      for (guint i = 0; i < 4; i++)
        rotate_four (&t[i], &t[i + 4], &t[i + 8], &t[i + 12]);
      UNROLL
      for (guint i = 0; i < SIDE; i++)
        store (x + SIDE * i + col, t[i]);
    }
}

INLINE void
transpose_block (const float *src,
                 float       *dst)
{
  vf t[V];

  UNROLL
  for (guint i = 0; i < V; i++)
    t[i] = load (src + SIDE * i);
  transpose (t);
  UNROLL
  for (guint i = 0; i < V; i++)
    store (dst + SIDE * i, t[i]);
}

static void
transpose_all (const float *src,
               float       *dst)
{
  for (guint row = 0; row < SIDE; row += V)
    for (guint col = 0; col < SIDE; col += V)
      transpose_block (src + SIDE * row + col, dst + SIDE * col + row);
}

static void
decode_rotated (ZimOperand    operand,
                const guint8 *codes,
                float         scale,
                void         *dst)
{
  float x[UNIT], y[UNIT];

  G_STATIC_ASSERT (UNIT == SIDE * SIDE);
  for (guint i = 0; i < UNIT; i += V)
    store (x + i, load_codes (codes + i, TRUE));
  rotate_columns (x);
  transpose_all (x, y);
  rotate_columns (y);
  transpose_all (y, x);
  for (guint i = 0; i < UNIT; i += 2 * V)
    put (operand, load (x + i) * scale, load (x + i + V) * scale, dst, i);
}

static gboolean
decode_i8 (ZimOperand       operand,
           const ZimWeight *weight,
           gsize            first,
           gsize            n,
           void            *dst)
{
  const float none = -0.0f;
  float scale;

  if (!get_scale (weight, first, n, &scale))
    return FALSE;
  if (weight->rotation == UNIT)
    decode_rotated (operand, weight->data + first, scale, dst);
  else
    put_codes (operand, weight->data + first, TRUE, n, UNIT, &scale, &none, dst);
  return TRUE;
}

INLINE float
load_bf16 (const guint8 *src,
           gsize         i)
{
  guint16 value;

  memcpy (&value, src + 2 * i, sizeof value);
  return zim_bf16_to_f32 (value);
}

static void
load_affine_scales (const ZimWeight *weight,
                    gsize            first,
                    gsize            n,
                    float           *factors,
                    float           *offsets)
{
  gsize group = first / weight->group, end = (group + 1) * weight->group;

  for (gsize i = 0; i < n / 16; group++, end += weight->group)
    {
      float factor = load_bf16 (weight->scales, group), offset = load_bf16 (weight->biases, group);

      for (; i < n / 16 && first + 16 * i < end; i++)
        {
          factors[i] = factor;
          offsets[i] = offset;
        }
    }
}

static void
decode_affine (ZimOperand       operand,
               const ZimWeight *weight,
               gsize            first,
               gsize            n,
               void            *dst)
{
  float factors[UNIT / 16], offsets[UNIT / 16];
  guint16 pairs[UNIT / 2];

  load_affine_scales (weight, first, n, factors, offsets);
  if (weight->dtype == ZIM_DTYPE_INT8)
    {
      put_codes (operand, weight->data + first, FALSE, n, 16, factors, offsets, dst);
      return;
    }
  for (gsize i = 0; i < n / 2; i++)
    {
      guint16 pair = weight->data[first / 2 + i];

      pairs[i] = (pair | pair << 4) & 0x0f0f;
    }
  put_codes (operand, (const guint8 *) pairs, TRUE, n, 16, factors, offsets, dst);
}

/* All */

/* Where values that are decoded together begin: at multiples of this. */
static gsize
get_unit (const ZimWeight *weight)
{
  if (weight->rotation != 0)
    return UNIT;
  if (zim_dtype_is_affine (weight->dtype))
    return STEP;
  return zim_dtype_block_elements (weight->dtype);
}

/* n values, whole steps and whole units, at most UNIT; FALSE if they are not in the form that files have. */
static gboolean
decode_whole (ZimOperand       operand,
              const ZimWeight *weight,
              gsize            first,
              gsize            n,
              void            *dst)
{
  switch (weight->dtype)
    {
    case ZIM_DTYPE_F32:
      return FALSE;
    case ZIM_DTYPE_F16:
      put_floats (operand, ZIM_DTYPE_F16, 2, weight->data + 2 * first, n, 1, dst);
      return TRUE;
    case ZIM_DTYPE_BF16:
      put_floats (operand, ZIM_DTYPE_BF16, 2, weight->data + 2 * first, n, 1, dst);
      return TRUE;
    case ZIM_DTYPE_F8_E4M3:
    case ZIM_DTYPE_F8_E5M2:
      return decode_f8 (operand, weight, first, n, dst);
    case ZIM_DTYPE_I8:
      return (weight->rotation == 0 || weight->rotation == UNIT) && decode_i8 (operand, weight, first, n, dst);
    case ZIM_DTYPE_INT4:
    case ZIM_DTYPE_INT8:
      if (weight->group % 16 != 0)
        return FALSE;
      decode_affine (operand, weight, first, n, dst);
      return TRUE;
    default:
      decode_blocks (operand, weight->dtype, weight->data + zim_dtype_row_size (weight->dtype, first), n, dst);
      return TRUE;
    }
}

static void
decode_plainly (ZimOperand       operand,
                const ZimWeight *weight,
                gsize            first,
                gsize            n,
                void            *dst)
{
  float values[UNIT];

  zim_weight_decode (weight, first, n, values);
  put_values (operand, values, n, dst);
}

/* Weights that are operands already need no rounding. */
static ZimOperand
get_rounding (ZimOperand operand,
              ZimDType   dtype)
{
  if ((operand == ZIM_OPERAND_BF16_IN_F32 && dtype == ZIM_DTYPE_BF16) ||
      (operand == ZIM_OPERAND_F16_IN_F32 && dtype == ZIM_DTYPE_F16))
    return ZIM_OPERAND_F32;
  return operand;
}

void
FOR_TIER (zim_cpu_decode) (ZimOperand       operand,
                           const ZimWeight *weight,
                           gsize            first,
                           gsize            k,
                           void            *dst)
{
  ZimOperand rounding = get_rounding (operand, weight->dtype);
  gsize unit = get_unit (weight), step = MAX (unit, STEP), n;

  for (gsize done = 0; done < k; done += n)
    {
      gsize skip = (first + done) & (unit - 1), whole;
      void *to = (guint8 *) dst + done * zim_operand_size (operand);

      n = MIN (k - done, skip != 0 ? unit - skip : UNIT);
      whole = skip == 0 ? n & ~(step - 1) : 0;
      if (whole > 0 && decode_whole (rounding, weight, first + done, whole, to))
        n = whole;
      else
        decode_plainly (rounding, weight, first + done, n, to);
    }
  pad (operand, k, dst);
}
