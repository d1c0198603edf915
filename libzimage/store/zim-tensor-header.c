/* zim-tensor-header.c: what a blob begins with
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-tensor-header-private.h"

#include <json-glib/json-glib.h>

static void
append_tensor (GString      *header,
               const char   *name,
               const char   *dtype,
               guint         n_dims,
               const gint64 *dims,
               guint64       begin,
               guint64       end)
{
  g_autoptr(JsonNode) node = json_node_init_string (json_node_alloc (), name);
  g_autofree char *quoted = json_to_string (node, FALSE);

  g_string_append_printf (header, "%s%s:{\"dtype\":\"%s\",\"shape\":[", header->len > 1 ? "," : "", quoted, dtype);
  for (guint i = 0; i < n_dims; i++)
    g_string_append_printf (header, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", dims[i]);
  g_string_append_printf (header, "],\"data_offsets\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}", begin, end);
}

/* As Ollama has it. */
static GString *
finish (GString *header)
{
  g_string_append_c (header, '}');
  while (header->len % 8 != 0)
    g_string_append_c (header, ' ');
  return header;
}

GString *
zim_tensor_header_data (const char   *dtype,
                        guint         n_dims,
                        const gint64 *dims,
                        guint64       size)
{
  GString *header = g_string_new ("{");

  append_tensor (header, "data", dtype, n_dims, dims, 0, size);
  return finish (header);
}

/* Values in words of 32 bits, scales, biases. */
static GString *
make_affine (const ZimWeight *weight,
             const char      *name)
{
  g_autofree char *scale = g_strconcat (name, ".scale", NULL);
  g_autofree char *bias = g_strconcat (name, ".bias", NULL);
  gint64 words[] = { weight->dims[0], (gint64) zim_dtype_row_size (weight->dtype, (gsize) weight->dims[1]) / 4 };
  gint64 groups[] = { weight->dims[0], weight->dims[1] / (gint64) weight->group };
  guint64 size = zim_affine_size (weight);
  GString *header = g_string_new ("{");

  g_string_append_printf (header, "\"__metadata__\":{\"quant_type\":\"%s\",\"group_size\":\"%" G_GSIZE_FORMAT "\"}",
                          weight->dtype == ZIM_DTYPE_INT4 ? "int4" : "int8", weight->group);
  append_tensor (header, name, "U32", 2, words, 0, weight->size);
  append_tensor (header, scale, "BF16", 2, groups, weight->size, weight->size + size);
  append_tensor (header, bias, "BF16", 2, groups, weight->size + size, weight->size + 2 * size);
  return finish (header);
}

GString *
zim_tensor_header (const ZimWeight *weight,
                   ZimDType         dtype,
                   const char      *name)
{
  gsize size = zim_dtype_row_size (dtype, (gsize) zim_weight_n_elements (weight));
  gint64 dims[ZIM_MAX_DIMS];

  if (zim_dtype_is_affine (dtype))
    return make_affine (weight, name);
  memcpy (dims, weight->dims, sizeof dims);
  if (zim_dtype_block_elements (dtype) == 1)
    return zim_tensor_header_data (zim_dtype_name (dtype), weight->n_dims, dims, size);
  dims[weight->n_dims - 1] = (gint64) zim_dtype_row_size (dtype, (gsize) dims[weight->n_dims - 1]);
  return zim_tensor_header_data ("U8", weight->n_dims, dims, size);
}
