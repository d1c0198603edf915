/* zim-dtype.c: the element types of tensors and conversions between them
 *
 * These are the plain conversions: what a kernel reads in bulk it decodes itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/zim-blocks-private.h"
#include "compute/zim-dtype-private.h"

static const struct {
  const char  *name;
  gsize        elements; /* of a block */
  gsize        size;     /* bytes of a block */
  ZimBlockFunc decode;   /* of GGUF's types */
} dtypes[ZIM_N_DTYPES] = {
  [ZIM_DTYPE_F32] = { "F32", 1, 4 },
  [ZIM_DTYPE_F16] = { "F16", 1, 2 },
  [ZIM_DTYPE_BF16] = { "BF16", 1, 2 },
  [ZIM_DTYPE_I32] = { "I32", 1, 4 },
  [ZIM_DTYPE_F8_E4M3] = { "F8_E4M3", 1, 1 },
  [ZIM_DTYPE_F8_E5M2] = { "F8_E5M2", 1, 1 },
  [ZIM_DTYPE_I8] = { "I8", 1, 1 },
  [ZIM_DTYPE_Q8_0] = { "Q8_0", 32, 34, zim_block_decode_q8_0 },
  [ZIM_DTYPE_Q4_0] = { "Q4_0", 32, 18, zim_block_decode_q4_0 },
  [ZIM_DTYPE_Q4_1] = { "Q4_1", 32, 20, zim_block_decode_q4_1 },
  [ZIM_DTYPE_Q5_0] = { "Q5_0", 32, 22, zim_block_decode_q5_0 },
  [ZIM_DTYPE_Q5_1] = { "Q5_1", 32, 24, zim_block_decode_q5_1 },
  [ZIM_DTYPE_Q2_K] = { "Q2_K", 256, 84, zim_block_decode_q2_k },
  [ZIM_DTYPE_Q3_K] = { "Q3_K", 256, 110, zim_block_decode_q3_k },
  [ZIM_DTYPE_Q4_K] = { "Q4_K", 256, 144, zim_block_decode_q4_k },
  [ZIM_DTYPE_Q5_K] = { "Q5_K", 256, 176, zim_block_decode_q5_k },
  [ZIM_DTYPE_Q6_K] = { "Q6_K", 256, 210, zim_block_decode_q6_k },
  [ZIM_DTYPE_INT4] = { "INT4", 2, 1 },
  [ZIM_DTYPE_INT8] = { "INT8", 1, 1 },
};

gsize
zim_dtype_size (ZimDType dtype)
{
  g_return_val_if_fail ((guint) dtype < G_N_ELEMENTS (dtypes), 0);
  g_return_val_if_fail (dtypes[dtype].elements == 1, 0);

  return dtypes[dtype].size;
}

gsize
zim_dtype_block_elements (ZimDType dtype)
{
  g_return_val_if_fail ((guint) dtype < G_N_ELEMENTS (dtypes), 1);

  return dtypes[dtype].elements;
}

gsize
zim_dtype_row_size (ZimDType dtype,
                    gsize    n)
{
  g_return_val_if_fail ((guint) dtype < G_N_ELEMENTS (dtypes), 0);
  g_return_val_if_fail (n % dtypes[dtype].elements == 0, 0);

  return n / dtypes[dtype].elements * dtypes[dtype].size;
}

gsize
zim_dtype_offset (ZimDType dtype,
                  gsize    n)
{
  g_return_val_if_fail ((guint) dtype < G_N_ELEMENTS (dtypes), 0);

  return n / dtypes[dtype].elements * dtypes[dtype].size;
}

const char *
zim_dtype_name (ZimDType dtype)
{
  g_return_val_if_fail ((guint) dtype < G_N_ELEMENTS (dtypes), NULL);

  return dtypes[dtype].name;
}

gboolean
zim_dtype_from_name (const char *name,
                     ZimDType   *dtype)
{
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    if (strcmp (dtypes[i].name, name) == 0)
      {
        *dtype = (ZimDType) i;
        return TRUE;
      }
  return FALSE;
}

/* Rounds to nearest, ties to even. A normal result keeps the upper 10 of the 23 fraction bits:
 * adding half a step less one, and the lowest kept bit, carries into the exponent by itself, up
 * to infinity. */
guint16
zim_f32_to_f16 (float f)
{
  guint32 bits;
  guint16 sign;

  memcpy (&bits, &f, sizeof bits);
  sign = (guint16) (bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) /* NaN stays NaN, with the upper bits of its payload */
    return sign | 0x7e00 | (bits >> 13 & 0x3ff);
  if (bits >= 0x47800000) /* 2¹⁶ and up */
    return sign | 0x7c00;
  if (bits < 0x38800000) /* below 2⁻¹⁴: a multiple of 2⁻²⁴, which adding 0.5 puts into the low bits */
    {
      float rounded;

      memcpy (&rounded, &bits, sizeof rounded);
      rounded += 0.5f;
      memcpy (&bits, &rounded, sizeof bits);
      return sign | (guint16) (bits - 0x3f000000);
    }
  bits -= 112u << 23; /* from an exponent bias of 127 to one of 15 */
  return sign | (guint16) ((bits + 0xfff + (bits >> 13 & 1)) >> 13);
}

float
zim_f16_to_f32 (guint16 h)
{
  guint32 sign = (guint32) (h & 0x8000) << 16;
  guint32 rest = (guint32) (h & 0x7fff) << 13;
  float f;

  if (rest >= 0x7c00u << 13) /* infinity, NaN */
    rest |= 0x7f800000;
  else if (rest >= 0x0400u << 13)
    rest += 112u << 23;
  else /* a multiple of 2⁻²⁴ */
    {
      f = (float) (h & 0x7fff) * 0x1p-24f;
      memcpy (&rest, &f, sizeof rest);
    }
  rest |= sign;
  memcpy (&f, &rest, sizeof f);
  return f;
}

/* A sign, 4 bits of exponent with a bias of 7 and 3 of fraction; no infinity, and NaN only where all bits are set. Put
 * in f32's places they are the value times 2⁷⁻¹²⁷, subnormal ones too. */
static inline float
e4m3_to_f32 (guint8 code)
{
  guint32 bits = (guint32) (code & 0x7f) << 20, sign = (guint32) (code & 0x80) << 24;
  float f;

  if ((code & 0x7f) == 0x7f)
    bits = 0x7ff00000;
  memcpy (&f, &bits, sizeof f);
  f *= 0x1p120f;
  memcpy (&bits, &f, sizeof bits);
  bits |= sign;
  memcpy (&f, &bits, sizeof f);
  return f;
}

static inline guint16
load_u16 (const guint8 *src,
          gsize         i)
{
  guint16 value;

  memcpy (&value, src + 2 * i, sizeof value);
  return value;
}

static inline float
load_i32 (const guint8 *src,
          gsize         i)
{
  gint32 value;

  memcpy (&value, src + 4 * i, sizeof value);
  return (float) value;
}

void
zim_dtype_to_f32 (ZimDType    dtype,
                  const void *src,
                  float      *dst,
                  gsize       n)
{
  const guint8 *bytes = src;

  if (n == 0)
    return;
  switch (dtype)
    {
    case ZIM_DTYPE_F32:
      memcpy (dst, src, n * sizeof (float));
      break;
    case ZIM_DTYPE_F16:
      for (gsize i = 0; i < n; i++)
        dst[i] = zim_f16_to_f32 (load_u16 (bytes, i));
      break;
    case ZIM_DTYPE_BF16:
      for (gsize i = 0; i < n; i++)
        dst[i] = zim_bf16_to_f32 (load_u16 (bytes, i));
      break;
    case ZIM_DTYPE_I32:
      for (gsize i = 0; i < n; i++)
        dst[i] = load_i32 (bytes, i);
      break;
    case ZIM_DTYPE_F8_E4M3:
      for (gsize i = 0; i < n; i++)
        dst[i] = e4m3_to_f32 (bytes[i]);
      break;
    case ZIM_DTYPE_F8_E5M2:
      for (gsize i = 0; i < n; i++)
        dst[i] = zim_f16_to_f32 ((guint16) (bytes[i] << 8));
      break;
    case ZIM_DTYPE_I8:
      for (gsize i = 0; i < n; i++)
        dst[i] = (float) (gint8) bytes[i];
      break;
    default:
      g_assert (dtypes[dtype].decode != NULL && n % dtypes[dtype].elements == 0);
      for (gsize i = 0; i < n; i += dtypes[dtype].elements, bytes += dtypes[dtype].size)
        dtypes[dtype].decode (bytes, dst + i);
    }
}
