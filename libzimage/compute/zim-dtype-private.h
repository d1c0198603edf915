/* zim-dtype-private.h: the element types of tensors and conversions between them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/* Stored types. Activations are f32 (or i32 for token ids); weights can be any but i32. */
typedef enum {
  ZIM_DTYPE_F32,
  ZIM_DTYPE_F16,
  ZIM_DTYPE_BF16,
  ZIM_DTYPE_I32,
  ZIM_DTYPE_F8_E4M3,
  ZIM_DTYPE_F8_E5M2,
  ZIM_DTYPE_I8,
  /* GGUF's */
  ZIM_DTYPE_Q8_0,
  ZIM_DTYPE_Q4_0,
  ZIM_DTYPE_Q4_1,
  ZIM_DTYPE_Q5_0,
  ZIM_DTYPE_Q5_1,
  ZIM_DTYPE_Q2_K,
  ZIM_DTYPE_Q3_K,
  ZIM_DTYPE_Q4_K,
  ZIM_DTYPE_Q5_K,
  ZIM_DTYPE_Q6_K,
  /* MLX's and Ollama's affine ones: unsigned, with a scale and a bias for each group of columns */
  ZIM_DTYPE_INT4,
  ZIM_DTYPE_INT8,
  ZIM_N_DTYPES
} ZimDType;

gsize       zim_dtype_size           (ZimDType      dtype); /* bytes of one element; not for types of blocks */
gsize       zim_dtype_block_elements (ZimDType      dtype); /* 1 for plain types */
gsize       zim_dtype_row_size       (ZimDType      dtype,
                                      gsize         n);     /* bytes of n elements, which are whole blocks */
gsize       zim_dtype_offset         (ZimDType      dtype,
                                      gsize         n);     /* bytes before the block of element n */
/* As safetensors spells it, or GGUF, or Ollama: “BF16”, “Q4_K”, “INT4” */
const char *zim_dtype_name           (ZimDType      dtype);
gboolean    zim_dtype_from_name      (const char   *name,
                                      ZimDType     *dtype);

/* n elements, whole blocks, at src (any alignment) → f32. Not for INT4 and INT8, which mean nothing without scales: see
 * zim_weight_decode (). */
void        zim_dtype_to_f32         (ZimDType      dtype,
                                      const void   *src,
                                      float        *dst,
                                      gsize         n);

/* Whether scales and biases are for groups of columns. */
static inline gboolean
zim_dtype_is_affine (ZimDType dtype)
{
  return dtype == ZIM_DTYPE_INT4 || dtype == ZIM_DTYPE_INT8;
}

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
