/* quantize-file.c: quantized weights for the tests, as the tools that make such files store them
 *
 * What is random has the size that a network can compute with: a quarter of the largest value or so is 1/√columns.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "quantize-file.h"

#include <math.h>
#include <string.h>

#include "formats/zim-quantize-private.h"

#define ROTATED 64

/* Where the f16 scale and minimum of a block are, and what they are multiplied by at most. */
static const struct {
  ZimDType dtype;
  guint    scale;
  float    largest;
  guint    minimum; /* 0: none */
  float    largest_minimum;
} blocks[] = {
  { ZIM_DTYPE_Q4_1, 0, 15, 2, 1 },
  { ZIM_DTYPE_Q5_0, 0, 16, 0, 0 },
  { ZIM_DTYPE_Q5_1, 0, 31, 2, 1 },
  { ZIM_DTYPE_Q2_K, 80, 15 * 3, 82, 15 },
  { ZIM_DTYPE_Q3_K, 108, 32 * 4, 0, 0 },
  { ZIM_DTYPE_Q5_K, 0, 63 * 31, 2, 63 },
};

gboolean
scheme_is_gguf (const Scheme *scheme)
{
  return zim_dtype_block_elements (scheme->dtype) > 1;
}

static void
store_f16 (guint8 *at,
           float   value)
{
  guint16 half = zim_f32_to_f16 (value);

  memcpy (at, &half, sizeof half);
}

static guint8 *
random_bytes (GRand *rand,
              gsize  size)
{
  guint8 *bytes = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    bytes[i] = (guint8) (g_rand_int (rand) >> 16);
  return bytes;
}

/* FALSE if the library makes blocks of this type itself. */
static gboolean
make_blocks (ZimWeight *weight,
             ZimDType   dtype,
             GRand     *rand,
             guint8   **data)
{
  float size = 2 / sqrtf ((float) weight->dims[1]);
  gsize block = zim_dtype_row_size (dtype, zim_dtype_block_elements (dtype));

  for (guint i = 0; i < G_N_ELEMENTS (blocks); i++)
    if (blocks[i].dtype == dtype)
      {
        weight->size = zim_dtype_row_size (dtype, (gsize) zim_weight_n_elements (weight));
        *data = random_bytes (rand, weight->size);
        for (gsize at = 0; at < weight->size; at += block)
          {
            store_f16 (*data + at + blocks[i].scale, size / blocks[i].largest);
            if (blocks[i].minimum > 0)
              store_f16 (*data + at + blocks[i].minimum,
                         (dtype == ZIM_DTYPE_Q4_1 || dtype == ZIM_DTYPE_Q5_1 ? -0.5f : 0.5f) * size /
                         blocks[i].largest_minimum);
          }
        return TRUE;
      }
  return FALSE;
}

static void
replace_blocks (ModelFile *file,
                guint      i,
                ZimDType   dtype,
                GRand     *rand)
{
  ZimWeight *weight = &g_array_index (file->weights, ZimWeight, i);
  guint8 *data;
  ZimWeight result;
  g_autoptr(GError) error = NULL;

  if (!make_blocks (weight, dtype, rand, &data))
    {
      zim_quantize (weight, dtype, &result, NULL, &error);
      g_assert_no_error (error);
      weight->size = result.size;
      data = g_memdup2 (result.data, result.size);
      zim_quantize_clear (&result);
    }
  weight->data = data;
  weight->dtype = dtype;
  g_ptr_array_add (file->buffers, data);
}

/* Codes of values up to 1 in size, or any small integers. */
static guint8 *
random_codes (ZimDType  dtype,
              gsize     size,
              GRand    *rand)
{
  guint8 *codes = random_bytes (rand, size);
  guint8 one = dtype == ZIM_DTYPE_F8_E4M3 ? 0x38 : 0x3c;

  for (gsize i = 0; dtype != ZIM_DTYPE_I8 && i < size; i++)
    codes[i] = (codes[i] & 0x80) | (codes[i] & 0x7f) % (one + 1);
  return codes;
}

/* Codes without scales are values of the right size themselves. */
static void
shrink_codes (guint8   *codes,
              gsize     size,
              ZimDType  dtype)
{
  guint8 step = dtype == ZIM_DTYPE_F8_E4M3 ? 4 * 8 : 4 * 4; /* of 2⁻⁴ */

  for (gsize i = 0; i < size; i++)
    codes[i] = (codes[i] & 0x7f) >= step ? codes[i] - step : codes[i] & 0x80;
}

static void
add_scales (ModelFile    *file,
            const char   *module,
            const Scheme *scheme,
            gint64        rows,
            float         size)
{
  gboolean single = scheme->sides == SIDES_OLD || scheme->sides == SIDES_NEW;
  const gint64 dims[] = { single ? 1 : rows, 1 };
  g_autofree float *scales = g_new (float, rows);
  g_autofree char *name = g_strconcat (module, scheme->sides == SIDES_OLD ? ".scale_weight" : ".weight_scale", NULL);

  for (gint64 row = 0; row < rows; row++)
    scales[row] = size * (1 + (float) (row % 7) / 16) / (scheme->dtype == ZIM_DTYPE_I8 ? 128 : 1);
  model_file_add_bytes (file, "", name, "F32", single ? 0 : 2, dims, scales, (gsize) dims[0] * sizeof *scales);
}

static void
add_format (ModelFile    *file,
            const char   *module,
            const Scheme *scheme,
            GString      *metadata)
{
  g_autofree char *name = g_strconcat (module, ".comfy_quant", NULL);
  const char *format = scheme->dtype == ZIM_DTYPE_I8 ? "int8_tensorwise" :
                       scheme->dtype == ZIM_DTYPE_F8_E4M3 ? "float8_e4m3fn" : "float8_e5m2";
  g_autofree char *json = g_strdup_printf ("{\"format\": \"%s\"}", format);
  const gint64 dims[] = { (gint64) strlen (json) };

  if (scheme->sides == SIDES_NEW || scheme->sides == SIDES_ROWS)
    model_file_add_bytes (file, "", name, "U8", 1, dims, json, strlen (json));
  if (scheme->sides == SIDES_ROTATED)
    g_string_append_printf (metadata, "%s\\\"%s\\\":{\\\"format\\\":\\\"%s\\\",\\\"convrot\\\":true,"
                            "\\\"convrot_groupsize\\\":%d}", metadata->len > 0 ? "," : "", module, format, ROTATED);
}

static void
replace_codes (ModelFile    *file,
               guint         i,
               const Scheme *scheme,
               GRand        *rand,
               GString      *metadata)
{
  ZimWeight *weight = &g_array_index (file->weights, ZimWeight, i);
  g_autofree char *module = g_strndup (weight->name, strlen (weight->name) - strlen (".weight"));
  gint64 rows = weight->dims[0];
  float size = 2 / sqrtf ((float) weight->dims[1]);
  guint8 *codes;

  weight->size = (gsize) zim_weight_n_elements (weight);
  codes = random_codes (scheme->dtype, weight->size, rand);
  if (scheme->sides == SIDES_NONE)
    shrink_codes (codes, weight->size, scheme->dtype);
  weight->data = codes;
  weight->dtype = scheme->dtype;
  g_ptr_array_add (file->buffers, codes);
  if (scheme->sides != SIDES_NONE)
    add_scales (file, module, scheme, rows, size);
  add_format (file, module, scheme, metadata);
}

/* Tools for ComfyUI scale linear layers alone. */
static gboolean
is_chosen (const ZimWeight *weight,
           const Scheme    *scheme)
{
  gsize block = scheme->sides == SIDES_ROTATED ? ROTATED : zim_dtype_block_elements (scheme->dtype);

  return weight->n_dims == 2 && g_str_has_suffix (weight->name, ".weight") && (gsize) weight->dims[1] % block == 0 &&
         (scheme->sides == SIDES_NONE || strstr (weight->name, "embed_tokens") == NULL);
}

void
quantize_file (ModelFile    *file,
               const char   *prefix,
               const Scheme *scheme)
{
  g_autoptr(GRand) rand = g_rand_new_with_seed (1);
  g_autoptr(GString) metadata = g_string_new (NULL);
  guint n = file->weights->len;

  for (guint i = 0; i < n; i++)
    {
      if (!is_chosen (&g_array_index (file->weights, ZimWeight, i), scheme))
        continue;
      if (scheme_is_gguf (scheme))
        replace_blocks (file, i, scheme->dtype, rand);
      else
        replace_codes (file, i, scheme, rand, metadata);
    }
  if (scheme->sides == SIDES_OLD)
    model_file_add_bytes (file, prefix, "scaled_fp8", "F8_E4M3", 1, (const gint64[]) { 0 }, "", 0);
  if (scheme->sides == SIDES_ROTATED)
    file->metadata = g_strdup_printf ("{\"_quantization_metadata\":\"{\\\"layers\\\":{%s}}\"}", metadata->str);
}
