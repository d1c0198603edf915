/* zim-vk-codes.c: quantized weights as they lie on the device
 *
 * zim-blocks.c says how the types are stored; shaders/codes.glsl, how rows lie on the device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-codes-private.h"

#define ROW_ALIGNMENT 16
#define SCALES_SIZE 16  /* of the finer scales of 256 columns */
#define WHOLE_ROW 31    /* a shift that makes any column 0 */

/* shaders/codes.glsl has the same numbers. */
typedef enum { CODE_INTEGER, CODE_E4M3, CODE_E5M2 } CodeKind;
typedef enum { HEAD_F32, HEAD_F16, HEAD_F16_PAIR, HEAD_BF16_PAIR } HeadKind;
typedef enum { SCALE_NONE, SCALE_NIBBLES, SCALE_BYTES, SCALE_SIGNED } ScaleKind;

typedef void (*UnpackFunc) (const guint8 *block,
                            guint8       *bytes);

typedef struct {
  guint      low;       /* bits of a code in the first part of a row */
  guint      high;      /* and in the second */
  CodeKind   kind;
  guint      zero;      /* the code of 0 */
  HeadKind   head;
  ScaleKind  scale;
  gsize      head_at;   /* of GGUF's types: where a block has d, and m behind it */
  UnpackFunc get_codes; /* a byte each */
  UnpackFunc get_scales;
} Type;

/* Codes and finer scales of a block. Weights that are streamed come by here once a step: eight bytes at a time. */

static inline guint64
load_u64 (const guint8 *src)
{
  guint64 bits;

  memcpy (&bits, src, sizeof bits);
  return GUINT64_FROM_LE (bits);
}

static inline void
store_u64 (guint64  bits,
           guint8  *out)
{
  bits = GUINT64_TO_LE (bits);
  memcpy (out, &bits, sizeof bits);
}

#define EACH(byte) ((byte) * G_GUINT64_CONSTANT (0x0101010101010101))

static void
flip_signs (const guint8 *in,
            gsize         n,
            guint8       *out)
{
  gsize i;

  for (i = 0; i + 8 <= n; i += 8)
    store_u64 (load_u64 (in + i) ^ EACH (0x80), out + i);
  for (; i < n; i++)
    out[i] = in[i] ^ 0x80;
}

static void
codes_q8_0 (const guint8 *block,
            guint8       *codes)
{
  flip_signs (block + 2, 32, codes);
}

static void
split_nibbles (const guint8 *in,
               guint         n,
               guint8       *codes)
{
  for (guint i = 0; i < n; i += 8)
    {
      guint64 eight = load_u64 (in + i);

      store_u64 (eight & EACH (15), codes + i);
      store_u64 (eight >> 4 & EACH (15), codes + i + n);
    }
}

static void
codes_q4_0 (const guint8 *block,
            guint8       *codes)
{
  split_nibbles (block + 2, 16, codes);
}

static void
codes_q4_1 (const guint8 *block,
            guint8       *codes)
{
  split_nibbles (block + 4, 16, codes);
}

/* 32 bits, the lowest first, each the fifth of a code: bit i of a byte is kept in the i-th of its copies, and moved to
 * where 127 more carry it. */
static void
add_fifth_bits (const guint8 *in,
                guint8       *codes)
{
  for (guint i = 0; i < 4; i++)
    {
      guint64 bits = EACH (in[i]) & G_GUINT64_CONSTANT (0x8040201008040201);

      store_u64 (load_u64 (codes + 8 * i) | ((bits + EACH (127)) >> 3 & EACH (16)), codes + 8 * i);
    }
}

static void
codes_q5_0 (const guint8 *block,
            guint8       *codes)
{
  split_nibbles (block + 6, 16, codes);
  add_fifth_bits (block + 2, codes);
}

static void
codes_q5_1 (const guint8 *block,
            guint8       *codes)
{
  split_nibbles (block + 8, 16, codes);
  add_fifth_bits (block + 4, codes);
}

/* 32 bytes hold so many bits of 32 codes each: the lowest bits those of the first 32, and so on. */
static inline void
add_bits (const guint8 *in,
          guint         bits,
          guint         shift,
          guint8       *codes)
{
  const guint64 mask = EACH ((1u << bits) - 1);

  for (guint i = 0; i < 32; i += 8)
    {
      guint64 eight = load_u64 (in + i);

      for (guint j = 0; j < 8 / bits; j++)
        store_u64 (load_u64 (codes + 32 * j + i) | (eight >> (bits * j) & mask) << shift, codes + 32 * j + i);
    }
}

static void
codes_q2_k (const guint8 *block,
            guint8       *codes)
{
  memset (codes, 0, 256);
  add_bits (block + 16, 2, 0, codes);
  add_bits (block + 48, 2, 0, codes + 128);
}

static void
codes_q3_k (const guint8 *block,
            guint8       *codes)
{
  memset (codes, 0, 256);
  add_bits (block, 1, 2, codes);
  add_bits (block + 32, 2, 0, codes);
  add_bits (block + 64, 2, 0, codes + 128);
}

static void
codes_q4_k (const guint8 *block,
            guint8       *codes)
{
  for (guint j = 0; j < 4; j++)
    split_nibbles (block + 16 + 32 * j, 32, codes + 64 * j);
}

static void
codes_q5_k (const guint8 *block,
            guint8       *codes)
{
  for (guint j = 0; j < 4; j++)
    split_nibbles (block + 48 + 32 * j, 32, codes + 64 * j);
  add_bits (block + 16, 1, 4, codes);
}

static void
codes_q6_k (const guint8 *block,
            guint8       *codes)
{
  for (guint j = 0; j < 2; j++)
    {
      split_nibbles (block + 64 * j, 64, codes + 128 * j);
      add_bits (block + 128 + 32 * j, 2, 4, codes + 128 * j);
    }
}

static void
scales_q2_k (const guint8 *block,
             guint8       *scales)
{
  memcpy (scales, block, SCALES_SIZE);
}

static void
scales_q3_k (const guint8 *block,
             guint8       *scales)
{
  const guint8 *packed = block + 96;

  for (guint j = 0; j < 16; j++)
    scales[j] = (guint8) (((packed[j % 8] >> (j / 8 * 4) & 15) | (packed[8 + j % 4] >> (j / 4 * 2) & 3) << 4) - 32);
}

/* Scale and minimum in turn */
static void
scales_q4_k (const guint8 *block,
             guint8       *scales)
{
  const guint8 *packed = block + 4;

  for (guint j = 0; j < 4; j++)
    {
      scales[2 * j] = packed[j] & 63;
      scales[2 * j + 1] = packed[j + 4] & 63;
      scales[2 * j + 8] = (guint8) ((packed[j + 8] & 15) | packed[j] >> 6 << 4);
      scales[2 * j + 9] = (guint8) (packed[j + 8] >> 4 | packed[j + 4] >> 6 << 4);
    }
}

static void
scales_q6_k (const guint8 *block,
             guint8       *scales)
{
  memcpy (scales, block + 192, SCALES_SIZE);
}

static const Type types[ZIM_N_DTYPES] = {
  [ZIM_DTYPE_F8_E4M3] = { 8, 0, CODE_E4M3, 0, HEAD_F32 },
  [ZIM_DTYPE_F8_E5M2] = { 8, 0, CODE_E5M2, 0, HEAD_F32 },
  [ZIM_DTYPE_I8] = { 8, 0, CODE_INTEGER, 128, HEAD_F32 },
  [ZIM_DTYPE_Q8_0] = { 8, 0, CODE_INTEGER, 128, HEAD_F16, SCALE_NONE, 0, codes_q8_0 },
  [ZIM_DTYPE_Q4_0] = { 4, 0, CODE_INTEGER, 8, HEAD_F16, SCALE_NONE, 0, codes_q4_0 },
  [ZIM_DTYPE_Q4_1] = { 4, 0, CODE_INTEGER, 0, HEAD_F16_PAIR, SCALE_NONE, 0, codes_q4_1 },
  [ZIM_DTYPE_Q5_0] = { 4, 1, CODE_INTEGER, 16, HEAD_F16, SCALE_NONE, 0, codes_q5_0 },
  [ZIM_DTYPE_Q5_1] = { 4, 1, CODE_INTEGER, 0, HEAD_F16_PAIR, SCALE_NONE, 0, codes_q5_1 },
  [ZIM_DTYPE_Q2_K] = { 2, 0, CODE_INTEGER, 0, HEAD_F16_PAIR, SCALE_NIBBLES, 80, codes_q2_k, scales_q2_k },
  [ZIM_DTYPE_Q3_K] = { 2, 1, CODE_INTEGER, 4, HEAD_F16, SCALE_SIGNED, 108, codes_q3_k, scales_q3_k },
  [ZIM_DTYPE_Q4_K] = { 4, 0, CODE_INTEGER, 0, HEAD_F16_PAIR, SCALE_BYTES, 0, codes_q4_k, scales_q4_k },
  [ZIM_DTYPE_Q5_K] = { 4, 1, CODE_INTEGER, 0, HEAD_F16_PAIR, SCALE_BYTES, 0, codes_q5_k, scales_q4_k },
  [ZIM_DTYPE_Q6_K] = { 4, 2, CODE_INTEGER, 32, HEAD_F16, SCALE_SIGNED, 208, codes_q6_k, scales_q6_k },
  [ZIM_DTYPE_INT4] = { 4, 0, CODE_INTEGER, 0, HEAD_BF16_PAIR },
  [ZIM_DTYPE_INT8] = { 8, 0, CODE_INTEGER, 0, HEAD_BF16_PAIR },
};

/* The parts of a row */

typedef struct {
  gsize high; /* where the upper bits begin, in bytes */
  gsize heads;
  gsize scales;
  gsize size;
} Parts;

static gsize
round_up (gsize size,
          gsize unit)
{
  return (size + unit - 1) / unit * unit;
}

static Parts
get_parts (const Type *type,
           gint64      stride,
           guint       shift)
{
  gsize n = (gsize) stride, n_heads = MAX (n >> shift, 1);
  Parts parts = { .high = n * type->low / 8 };

  parts.heads = parts.high + n * type->high / 8;
  parts.scales = parts.heads + round_up (n_heads * (type->head == HEAD_F16 ? 2 : 4), 4);
  parts.size = round_up (parts.scales + (type->scale != SCALE_NONE ? n / 256 * SCALES_SIZE : 0), ROW_ALIGNMENT);
  return parts;
}

/* Which power of two columns share a head. */
static gboolean
get_shift (const ZimWeight *weight,
           gint64           cols,
           guint           *shift)
{
  gsize n = (gsize) cols, group = weight->group;

  if (types[weight->dtype].get_codes != NULL)
    group = zim_dtype_block_elements (weight->dtype);
  else if (weight->scales == NULL || (group >= n && group % n == 0))
    {
      *shift = WHOLE_ROW;
      return weight->biases == NULL || n % 32 == 0;
    }
  *shift = group > 0 ? (guint) g_bit_nth_lsf (group, -1) : 0;
  return group >= 8 && group == (gsize) 1 << *shift && n % MAX (group, weight->biases != NULL ? 32 : 1) == 0;
}

static guint
shift_of (const ZimVkFormat *format)
{
  return format->codes >> 20 & 31;
}

gboolean
zim_vk_codes_choose (const ZimWeight *weight,
                     gint64           cols,
                     gint64           stride,
                     ZimVkFormat     *format)
{
  const Type *type = &types[weight->dtype];
  guint shift;

  if (type->low == 0 || !get_shift (weight, cols, &shift))
    return FALSE;
  /* What is rotated together has one scale. */
  if (weight->rotation > 1 && (cols % weight->rotation != 0 || weight->rotation >> shift > 1))
    return FALSE;
  *format = (ZimVkFormat) {
    .dtype = weight->dtype,
    .codes = type->low | type->high << 4 | (guint32) type->kind << 6 | type->zero << 8 | (guint32) type->head << 16 |
             (guint32) type->scale << 18 | shift << 20,
    .rotation = weight->rotation > 1 ? weight->rotation : 0,
    .row_size = get_parts (type, stride, shift).size,
  };
  return TRUE;
}

/* Eight codes, a byte each → the lowest bits of a number */

static inline guint64
gather_nibbles (guint64 codes)
{
  codes &= EACH (15);
  codes = (codes | codes >> 4) & G_GUINT64_CONSTANT (0x00ff00ff00ff00ff);
  codes = (codes | codes >> 8) & G_GUINT64_CONSTANT (0x0000ffff0000ffff);
  return codes | codes >> 16;
}

static inline guint64
gather_pairs (guint64 codes)
{
  codes &= EACH (3);
  codes = (codes | codes >> 6) & G_GUINT64_CONSTANT (0x000f000f000f000f);
  codes = (codes | codes >> 12) & G_GUINT64_CONSTANT (0x000000ff000000ff);
  return codes | codes >> 24;
}

static inline guint64
gather_bits (guint64 codes)
{
  codes &= EACH (1);
  codes = (codes | codes >> 7) & G_GUINT64_CONSTANT (0x0003000300030003);
  codes = (codes | codes >> 14) & G_GUINT64_CONSTANT (0x0000000f0000000f);
  return codes | codes >> 28;
}

/* So many bits of each of n codes, a multiple of eight, from bit `shift` on */
static inline void
write_bits (const guint8 *codes,
            gsize         n,
            guint         bits,
            guint         shift,
            guint8       *out)
{
  for (gsize i = 0; i < n; i += 8, out += bits)
    {
      guint64 eight = load_u64 (codes + i) >> shift;

      eight = bits == 4 ? gather_nibbles (eight) : bits == 2 ? gather_pairs (eight) : gather_bits (eight);
      eight = GUINT64_TO_LE (eight);
      memcpy (out, &eight, bits);
    }
}

/* n codes of a block. Widths are constants where they are used: each is a loop of its own. */
static void
write_codes (const Type   *type,
             const guint8 *codes,
             gsize         n,
             guint8       *low,
             guint8       *high)
{
  if (type->low == 8)
    memcpy (low, codes, n);
  else if (type->low == 4)
    write_bits (codes, n, 4, 0, low);
  else
    write_bits (codes, n, 2, 0, low);
  if (type->high == 2)
    write_bits (codes, n, 2, 4, high);
  else if (type->high == 1)
    write_bits (codes, n, 1, type->low, high);
}

/* Types of blocks */
static void
pack_blocks (const Type      *type,
             const ZimWeight *weight,
             const Parts     *parts,
             gint64           row,
             gsize            cols,
             guint8          *out)
{
  gsize unit = zim_dtype_block_elements (weight->dtype), size = zim_dtype_row_size (weight->dtype, unit);
  gsize head_size = type->head == HEAD_F16 ? 2 : 4;
  const guint8 *block = weight->data + (gsize) row * zim_dtype_row_size (weight->dtype, cols);
  guint8 codes[256], *low = out, *high = out + parts->high;

  for (gsize i = 0; i < cols / unit; i++, block += size, low += unit * type->low / 8, high += unit * type->high / 8)
    {
      type->get_codes (block, codes);
      write_codes (type, codes, unit, low, high);
      memcpy (out + parts->heads + i * head_size, block + type->head_at, head_size);
      if (type->get_scales != NULL)
        type->get_scales (block, out + parts->scales + i * SCALES_SIZE);
    }
}

/* Codes one after another, whose scales lie elsewhere */
static void
pack_heads (const Type      *type,
            const ZimWeight *weight,
            gsize            first,
            gsize            n,
            guint8          *out)
{
  const float one = 1;

  for (gsize i = first; i < first + n; i++, out += 4)
    if (type->head == HEAD_BF16_PAIR)
      {
        memcpy (out, weight->scales + 2 * i, 2);
        memcpy (out + 2, weight->biases + 2 * i, 2);
      }
    else
      memcpy (out, weight->scales != NULL ? weight->scales + 4 * i : (const guint8 *) (gconstpointer) &one, 4);
}

static void
pack_bytes (const Type      *type,
            const ZimWeight *weight,
            const Parts     *parts,
            guint            shift,
            gint64           row,
            gsize            cols,
            guint8          *out)
{
  gsize size = cols * type->low / 8, group = MAX (weight->group, 1);
  const guint8 *codes = weight->data + (gsize) row * size;

  memcpy (out, codes, size);
  if (weight->dtype == ZIM_DTYPE_I8)
    flip_signs (out, parts->high, out);
  pack_heads (type, weight, (gsize) row * cols / group, shift == WHOLE_ROW ? 1 : cols >> shift, out + parts->heads);
}

void
zim_vk_codes_pack (const ZimWeight   *weight,
                   const ZimVkFormat *format,
                   gint64             row,
                   gint64             cols,
                   gint64             stride,
                   guint8            *out)
{
  const Type *type = &types[weight->dtype];
  Parts parts = get_parts (type, stride, shift_of (format));

  memset (out, 0, format->row_size);
  if (type->get_codes != NULL)
    pack_blocks (type, weight, &parts, row, (gsize) cols, out);
  else
    pack_bytes (type, weight, &parts, shift_of (format), row, (gsize) cols, out);
}
