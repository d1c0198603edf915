/* zim-weight.c: a stored tensor and its values
 *
 * This is the plain way to the values, and what the kernels' own ways are measured by.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/zim-weight-private.h"

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

static inline float
load_f32 (const guint8 *src,
          gsize         i)
{
  float value;

  memcpy (&value, src + 4 * i, sizeof value);
  return value;
}

static inline float
load_bf16 (const guint8 *src,
           gsize         i)
{
  guint16 value;

  memcpy (&value, src + 2 * i, sizeof value);
  return zim_bf16_to_f32 (value);
}

/* y = scale · q + bias, whose product is exact */
static void
decode_affine (const ZimWeight *weight,
               gsize            first,
               gsize            n,
               float           *dst)
{
  for (gsize i = 0; i < n; i++)
    {
      gsize at = first + i, group = at / weight->group;
      guint q = weight->dtype == ZIM_DTYPE_INT8 ? weight->data[at] : weight->data[at / 2] >> (at % 2 * 4) & 15;

      dst[i] = load_bf16 (weight->scales, group) * (float) q + load_bf16 (weight->biases, group);
    }
}

/* y = H ⊗ … ⊗ H · x in place, with H = ½ · ⎛ 1  1  1 −1⎞, which is its own inverse. Of the small integers that are
 *                                          ⎜ 1  1 −1  1⎟  stored all sums are exact.
 *                                          ⎜ 1 −1  1  1⎟
 *                                          ⎝−1  1  1  1⎠ */
static void
rotate (float *x,
        guint  n)
{
  for (guint step = 1; step < n; step *= 4)
    for (guint i = 0; i < n; i++)
      if (i / step % 4 == 0)
        {
          float a = x[i], b = x[i + step], c = x[i + 2 * step], d = x[i + 3 * step];

          x[i] = (a + b + c - d) / 2;
          x[i + step] = (a + b - c + d) / 2;
          x[i + 2 * step] = (a - b + c + d) / 2;
          x[i + 3 * step] = (b - a + c + d) / 2;
        }
}

static void
decode_scaled (const ZimWeight *weight,
               gsize            first,
               gsize            n,
               float           *dst)
{
  zim_dtype_to_f32 (weight->dtype, weight->data + zim_dtype_row_size (weight->dtype, first), dst, n);
  if (weight->rotation != 0)
    for (gsize i = 0; i < n; i += weight->rotation)
      rotate (dst + i, weight->rotation);
  if (weight->scales != NULL)
    for (gsize i = 0; i < n; i++)
      dst[i] *= load_f32 (weight->scales, (first + i) / weight->group);
}

/* How many values are decoded together at least. */
static gsize
get_unit (const ZimWeight *weight)
{
  return MAX (zim_dtype_block_elements (weight->dtype), weight->rotation);
}

/* Whole units */
static void
decode_units (const ZimWeight *weight,
              gsize            first,
              gsize            n,
              float           *dst)
{
  if (zim_dtype_is_affine (weight->dtype))
    decode_affine (weight, first, n, dst);
  else
    decode_scaled (weight, first, n, dst);
}

/* n values of one unit */
static void
decode_part (const ZimWeight *weight,
             gsize            first,
             gsize            n,
             float           *dst)
{
  float values[ZIM_MAX_UNIT];
  gsize unit = get_unit (weight), skip = first % unit;

  g_assert (unit <= G_N_ELEMENTS (values));
  decode_units (weight, first - skip, unit, values);
  memcpy (dst, values + skip, n * sizeof *dst);
}

void
zim_weight_decode (const ZimWeight *weight,
                   gsize            first,
                   gsize            n,
                   float           *dst)
{
  gsize unit = get_unit (weight), whole;

  if (first % unit != 0 && n > 0)
    {
      gsize head = MIN (n, unit - first % unit);

      decode_part (weight, first, head, dst);
      first += head;
      n -= head;
      dst += head;
    }
  whole = n - n % unit;
  if (whole > 0)
    decode_units (weight, first, whole, dst);
  if (whole < n)
    decode_part (weight, first + whole, n - whole, dst + whole);
}
