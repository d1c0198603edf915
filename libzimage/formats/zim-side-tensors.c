/* zim-side-tensors.c: what lies beside a weight: its scale, and how it was quantized
 *
 * Of a module X that ComfyUI's tools have quantized there are, beside X.weight:
 *
 *   X.weight_scale, X.scale_weight   f32: one value, or one for each row, that stored values are multiplied by
 *   X.comfy_quant                    JSON as bytes: {"format": "int8_tensorwise", "convrot": true, …}
 *   X.input_scale, X.scale_input     for those who quantize activations too; not needed here
 *   scaled_fp8                       a marker, at the end of the prefix; not needed either
 *
 * The JSON may be in the file's metadata instead, of all modules in one. Beside a weight in words, Ollama's stores have
 * X.weight_scale and X.weight_qbias, of INT4 or INT8.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-checkpoint-internal.h"
#include "formats/zim-json-private.h"
#include "formats/zim-name-map-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

#define ROTATED_COLUMNS 256 /* where the JSON does not say */

static const struct {
  const char *name;
  ZimDType    dtype;
} formats[] = {
  { "float8_e4m3fn", ZIM_DTYPE_F8_E4M3 },
  { "float8_e5m2", ZIM_DTYPE_F8_E5M2 },
  { "int8_tensorwise", ZIM_DTYPE_I8 },
};

static const char *const suffixes[] = {
  ".weight_scale", ".scale_weight", ".comfy_quant", ".input_scale", ".scale_input", ".weight_qbias",
};

/* What the metadata say */

/* The module in a file's own name, without the prefix, that the metadata may leave out. */
static const char *
skip_prefix (const char *module,
             const char *prefix)
{
  return g_str_has_prefix (module, prefix) ? module + strlen (prefix) : module;
}

static void
note_format (ZimStored    *stored,
             ZimComponent  component,
             const char   *module,
             JsonNode     *node)
{
  g_autofree char *name = g_strconcat (module, ".", NULL);
  g_auto(GStrv) names = zim_name_map (component, name, 0);

  if (stored->formats == NULL)
    stored->formats = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) json_node_unref);
  for (guint i = 0; names[i] != NULL; i++)
    g_hash_table_insert (stored->formats, g_strndup (names[i], strlen (names[i]) - 1), json_node_copy (node));
}

gboolean
_zim_checkpoint_note_formats (ZimCheckpoint   *self,
                              ZimComponent     component,
                              ZimSafetensors  *file,
                              const char      *prefix,
                              GError         **error)
{
  const char *text = zim_safetensors_get_metadata (file, "_quantization_metadata");
  ZimJsonReader reader = { .source = zim_safetensors_get_path (file), .code = ZIM_ERROR_BAD_FILE };
  g_autoptr(JsonNode) root = NULL;
  JsonObject *layers;
  JsonObjectIter iter;
  const char *module;
  JsonNode *node;

  if (text == NULL)
    return TRUE;
  root = zim_json_parse (text, strlen (text), reader.source, error);
  if (root == NULL)
    return FALSE;
  layers = zim_json_need_object (&reader, zim_json_read_root (&reader, root), "layers");
  if (layers != NULL)
    {
      json_object_iter_init (&iter, layers);
      while (json_object_iter_next (&iter, &module, &node))
        note_format (&self->components[component], component, skip_prefix (module, prefix), node);
    }
  return zim_json_reader_finish (&reader, error);
}

/* How a weight was quantized */

static void
check_format (ZimJsonReader  *reader,
              const ZimEntry *entry,
              const char     *format)
{
  g_autofree char *shown = zim_json_shorten (format);
  const char *type = entry->foreign != NULL ? entry->foreign : zim_dtype_name (entry->weight.dtype);

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (strcmp (format, formats[i].name) == 0)
      {
        if (entry->foreign != NULL || entry->weight.dtype != formats[i].dtype)
          zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE, _("Tensor “%s” is of type %s, but its format is “%s”"),
                                entry->weight.name, type, shown);
        return;
      }
  zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                        _("Tensor “%s” is in the format “%s”, supported are “%s”, “%s” and “%s”"), entry->weight.name,
                        shown, formats[0].name, formats[1].name, formats[2].name);
}

/* A matrix whose rows are whole groups, of a power of 4. */
static void
check_rotation (ZimJsonReader   *reader,
                const ZimWeight *weight,
                gint64           n)
{
  g_autofree char *shape = zim_shape_to_string (weight->n_dims, weight->dims);

  if (n != 4 && n != 16 && n != 64 && n != ZIM_MAX_UNIT)
    zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                          _("Columns of tensor “%s” were rotated in groups of %lld, supported are 4, 16, 64 and 256"),
                          weight->name, (long long) n);
  else if (weight->dtype != ZIM_DTYPE_I8)
    zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                          _("Columns of tensor “%s” were rotated, which is only supported for type I8"), weight->name);
  else if (weight->n_dims != 2 || weight->dims[1] % n != 0)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_SHAPE,
                          _("Tensor “%s” has shape %s, whose columns are no whole groups of %lld"),
                          weight->name, shape, (long long) n);
}

static gboolean
set_format (ZimEntry  *entry,
            JsonNode  *node,
            GError   **error)
{
  ZimJsonReader reader = { .source = entry->path, .code = ZIM_ERROR_BAD_FILE };
  JsonObject *object = zim_json_read_root (&reader, node);
  const char *format = zim_json_need_string (&reader, object, "format");
  gboolean rotated = zim_json_read_boolean (&reader, object, "convrot", FALSE);
  gint64 n = zim_json_read_int (&reader, object, "convrot_groupsize", G_MININT64, G_MAXINT64, ROTATED_COLUMNS);

  if (reader.error == NULL)
    check_format (&reader, entry, format);
  if (reader.error == NULL && rotated)
    check_rotation (&reader, &entry->weight, n);
  if (reader.error == NULL && rotated)
    entry->weight.rotation = (guint) n;
  return zim_json_reader_finish (&reader, error);
}

/* Scales */

static gboolean
is_all_ones (const ZimWeight *scale)
{
  const float one = 1;

  for (gsize i = 0; i < scale->size; i += sizeof one)
    if (memcmp (scale->data + i, &one, sizeof one) != 0)
      return FALSE;
  return TRUE;
}

static gboolean
check_scale (const ZimEntry  *entry,
             const ZimEntry  *scale,
             GError         **error)
{
  const ZimWeight *weight = &entry->weight;
  g_autofree char *shape = NULL;
  gint64 n = zim_weight_n_elements (&scale->weight), rows = weight->n_dims > 0 ? weight->dims[0] : 1;

  if (scale->foreign != NULL || scale->weight.dtype != ZIM_DTYPE_F32)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED, _("%s: Tensor “%s” is of type %s, expected %s"),
                   scale->path, scale->weight.name,
                   scale->foreign != NULL ? scale->foreign : zim_dtype_name (scale->weight.dtype), "F32");
      return FALSE;
    }
  if (n == 1 || (n == rows && scale->weight.dims[0] == n))
    return TRUE;
  shape = zim_shape_to_string (scale->weight.n_dims, scale->weight.dims);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_SHAPE,
               _("%s: Tensor “%s” has shape %s, expected one value, or one for each of %lld rows"),
               scale->path, scale->weight.name, shape, (long long) rows);
  return FALSE;
}

static gboolean
set_scale (ZimEntry        *entry,
           const ZimEntry  *scale,
           GError         **error)
{
  ZimWeight *weight = &entry->weight;

  if (!check_scale (entry, scale, error))
    return FALSE;
  if (weight->dtype == ZIM_DTYPE_F8_E4M3 || weight->dtype == ZIM_DTYPE_F8_E5M2 || weight->dtype == ZIM_DTYPE_I8)
    {
      weight->scales = scale->weight.data;
      weight->group = (gsize) (zim_weight_n_elements (weight) / MAX (1, zim_weight_n_elements (&scale->weight)));
      weight->group = MAX (1, weight->group);
      return TRUE;
    }
  /* Tools that scale all layers write a 1 for those that they leave as they were. */
  if (is_all_ones (&scale->weight))
    return TRUE;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED, _("%s: Tensor “%s” of type %s has a scale, which is only "
               "supported for F8_E4M3, F8_E5M2 and I8"), entry->path, weight->name, zim_dtype_name (weight->dtype));
  return FALSE;
}

/* All of a component */

static const ZimEntry *
find_side (ZimStored  *stored,
           const char *module,
           const char *suffix)
{
  g_autofree char *name = g_strconcat (module, suffix, NULL);

  return g_hash_table_lookup (stored->entries, name);
}

/* NULL without an error if nothing says how the module's weight was quantized. */
static JsonNode *
find_format (ZimStored   *stored,
             const char  *module,
             GError     **error)
{
  const ZimEntry *quant = find_side (stored, module, ".comfy_quant");
  JsonNode *noted = stored->formats != NULL ? g_hash_table_lookup (stored->formats, module) : NULL;

  if (quant != NULL && quant->weight.data != NULL)
    return zim_json_parse ((const char *) quant->weight.data, quant->weight.size, quant->path, error);
  return noted != NULL ? json_node_ref (noted) : NULL;
}

static gboolean
attach (ZimStored   *stored,
        ZimEntry    *entry,
        const char  *module,
        GError     **error)
{
  g_autoptr(GError) local_error = NULL;
  g_autoptr(JsonNode) format = find_format (stored, module, &local_error);
  const ZimEntry *scale = find_side (stored, module, ".weight_scale");
  const ZimEntry *bias = find_side (stored, module, ".weight_qbias");

  if (bias != NULL && scale != NULL && g_strcmp0 (entry->foreign, "U32") == 0)
    return _zim_checkpoint_unpack_apart (entry, scale, bias, error);
  if (scale == NULL)
    scale = find_side (stored, module, ".scale_weight");
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  return (format == NULL || set_format (entry, format, error)) &&
         (scale == NULL || entry->foreign != NULL || set_scale (entry, scale, error));
}

static gboolean
is_side (gpointer name,
         gpointer entry,
         gpointer unused)
{
  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    if (g_str_has_suffix (name, suffixes[i]))
      return TRUE;
  return strcmp (name, "scaled_fp8") == 0;
}

gboolean
_zim_checkpoint_attach_sides (ZimCheckpoint  *self,
                              ZimComponent    component,
                              GError        **error)
{
  ZimStored *stored = &self->components[component];
  GHashTableIter iter;
  gpointer name;
  gpointer entry;

  g_hash_table_iter_init (&iter, stored->entries);
  while (g_hash_table_iter_next (&iter, &name, &entry))
    {
      const char *suffix = ".weight";
      g_autofree char *module = NULL;

      if (!g_str_has_suffix (name, suffix))
        continue;
      module = g_strndup (name, strlen (name) - strlen (suffix));
      if (!attach (stored, entry, module, error))
        return FALSE;
    }
  g_hash_table_foreach_remove (stored->entries, is_side, NULL);
  return TRUE;
}
