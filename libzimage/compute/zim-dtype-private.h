/* zim-dtype-private.h: the element types of tensors and conversions between them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/* Stored types. Activations are f32 (or i32 for token ids); weights can be any of them. */
typedef enum {
  ZIM_DTYPE_F32,
  ZIM_DTYPE_F16,
  ZIM_DTYPE_BF16,
  ZIM_DTYPE_I32,
} ZimDType;

gsize       zim_dtype_size      (ZimDType      dtype); /* bytes of one element */
const char *zim_dtype_name      (ZimDType      dtype); /* “F32”, “BF16”: safetensors' spelling */
gboolean    zim_dtype_from_name (const char   *name,
                                 ZimDType     *dtype);

/* n elements at src (any alignment) → f32. */
void        zim_dtype_to_f32    (ZimDType      dtype,
                                 const void   *src,
                                 float        *dst,
                                 gsize         n);

static inline guint16
zim_f32_to_bf16 (float f)
{
  guint32 bits;

  memcpy (&bits, &f, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) /* NaN stays NaN */
    return (guint16) ((bits >> 16) | 0x40);
  return (guint16) ((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

static inline float
zim_bf16_to_f32 (guint16 h)
{
  guint32 bits = (guint32) h << 16;
  float f;

  memcpy (&f, &bits, sizeof f);
  return f;
}

guint16     zim_f32_to_f16      (float         f);
float       zim_f16_to_f32      (guint16       h);

G_END_DECLS
