/* zim-dtype.c: the element types of tensors and conversions between them
 *
 * These are the plain conversions: what a kernel reads in bulk it decodes itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/zim-dtype-private.h"
#include "compute/zim-weight-private.h"

static const struct {
  const char *name;
  gsize       size;
} dtypes[] = {
  [ZIM_DTYPE_F32] = { "F32", 4 },
  [ZIM_DTYPE_F16] = { "F16", 2 },
  [ZIM_DTYPE_BF16] = { "BF16", 2 },
  [ZIM_DTYPE_I32] = { "I32", 4 },
};

gsize
zim_dtype_size (ZimDType dtype)
{
  g_return_val_if_fail ((guint) dtype < G_N_ELEMENTS (dtypes), 0);

  return dtypes[dtype].size;
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
    default:
      g_assert_not_reached ();
    }
}

char *
zim_shape_to_string (guint         n_dims,
                     const gint64 *dims)
{
  GString *string = g_string_new ("[");

  for (guint i = 0; i < n_dims; i++)
    g_string_append_printf (string, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", dims[i]);
  g_string_append_c (string, ']');
  return g_string_free (string, FALSE);
}
