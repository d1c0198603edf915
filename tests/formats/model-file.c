/* model-file.c: files of weights under other programs' names, written by the tests
 *
 * The names are made here from those of diffusers by rules written the other way round, so that a
 * wrong rule of the library finds no partner.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "model-file.h"

#include <string.h>

#define GGUF_ALIGNMENT 32

ModelFile *
model_file_new (void)
{
  ModelFile *file = g_new0 (ModelFile, 1);

  file->weights = g_array_new (FALSE, FALSE, sizeof (ZimWeight));
  file->types = g_ptr_array_new ();
  file->names = g_string_chunk_new (4096);
  file->buffers = g_ptr_array_new_with_free_func (g_free);
  file->values = g_byte_array_new ();
  return file;
}

void
model_file_free (ModelFile *file)
{
  g_array_unref (file->weights);
  g_ptr_array_unref (file->types);
  g_string_chunk_free (file->names);
  g_ptr_array_unref (file->buffers);
  g_byte_array_unref (file->values);
  g_free (file->metadata);
  g_free (file);
}

ZimWeight *
model_file_add (ModelFile       *file,
                const char      *prefix,
                const char      *name,
                const ZimWeight *weight)
{
  g_autofree char *full = g_strconcat (prefix, name, NULL);
  ZimWeight copy = *weight;

  copy.name = g_string_chunk_insert (file->names, full);
  g_array_append_val (file->weights, copy);
  g_ptr_array_add (file->types, NULL);
  return &g_array_index (file->weights, ZimWeight, file->weights->len - 1);
}

ZimWeight *
model_file_add_bytes (ModelFile     *file,
                      const char    *prefix,
                      const char    *name,
                      const char    *type,
                      guint          n_dims,
                      const gint64  *dims,
                      gconstpointer  data,
                      gsize          size)
{
  ZimWeight weight = { .n_dims = n_dims, .data = g_memdup2 (data, size), .size = size };

  g_assert_cmpuint (n_dims, <=, ZIM_MAX_DIMS);
  if (n_dims > 0)
    memcpy (weight.dims, dims, n_dims * sizeof *dims);
  g_ptr_array_add (file->buffers, (gpointer) weight.data);
  model_file_add (file, prefix, name, &weight);
  file->types->pdata[file->types->len - 1] = g_string_chunk_insert (file->names, type);
  return &g_array_index (file->weights, ZimWeight, file->weights->len - 1);
}

ZimWeight *
model_file_find (ModelFile  *file,
                 const char *name)
{
  for (guint i = 0; i < file->weights->len; i++)
    {
      ZimWeight *weight = &g_array_index (file->weights, ZimWeight, i);

      if (g_str_equal (weight->name, name))
        return weight;
    }
  g_error ("there is no tensor “%s”", name);
}

static const char *
get_type (ModelFile *file,
          guint      i)
{
  if (file->types->pdata[i] != NULL)
    return file->types->pdata[i];
  return zim_dtype_name (g_array_index (file->weights, ZimWeight, i).dtype);
}

/* Safetensors */

static void
describe (ModelFile *file,
          guint      i,
          gsize      begin,
          GString   *header)
{
  const ZimWeight *weight = &g_array_index (file->weights, ZimWeight, i);

  g_string_append_printf (header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", header->len > 1 ? "," : "",
                          weight->name, get_type (file, i));
  for (guint d = 0; d < weight->n_dims; d++)
    g_string_append_printf (header, "%s%" G_GINT64_FORMAT, d > 0 ? "," : "", weight->dims[d]);
  g_string_append_printf (header, "],\"data_offsets\":[%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT "]}",
                          begin, begin + weight->size);
}

void
model_file_write (ModelFile  *file,
                  Folder     *folder,
                  const char *name)
{
  g_autoptr(GString) header = g_string_new ("{");
  g_autoptr(GByteArray) bytes = g_byte_array_new ();
  guint64 length;
  gsize at = 0;

  if (file->metadata != NULL)
    g_string_append_printf (header, "\"__metadata__\":%s", file->metadata);
  for (guint i = 0; i < file->weights->len; i++)
    {
      describe (file, i, at, header);
      at += g_array_index (file->weights, ZimWeight, i).size;
    }
  g_string_append_c (header, '}');
  while (header->len % 8 != 0) /* as the format's own library does */
    g_string_append_c (header, ' ');
  length = header->len;
  g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) header->str, (guint) header->len);
  for (guint i = 0; i < file->weights->len; i++)
    {
      const ZimWeight *weight = &g_array_index (file->weights, ZimWeight, i);

      g_byte_array_append (bytes, weight->data, (guint) weight->size);
    }
  folder_write (folder, name, bytes->data, bytes->len);
}

/* GGUF */

static const struct {
  const char *name;
  guint32     id;
} gguf_types[] = {
  { "F32", 0 }, { "F16", 1 }, { "Q4_0", 2 }, { "Q4_1", 3 }, { "Q5_0", 6 }, { "Q5_1", 7 }, { "Q8_0", 8 },
  { "Q2_K", 10 }, { "Q3_K", 11 }, { "Q4_K", 12 }, { "Q5_K", 13 }, { "Q6_K", 14 }, { "IQ4_NL", 20 }, { "BF16", 30 },
};

static guint32
get_gguf_type (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (gguf_types); i++)
    if (g_str_equal (gguf_types[i].name, name))
      return gguf_types[i].id;
  g_error ("GGUF has no type %s", name);
}

static void
put_u32 (GByteArray *bytes,
         guint32     value)
{
  g_byte_array_append (bytes, (const guint8 *) &value, sizeof value);
}

static void
put_u64 (GByteArray *bytes,
         guint64     value)
{
  g_byte_array_append (bytes, (const guint8 *) &value, sizeof value);
}

static void
put_string (GByteArray *bytes,
            const char *string)
{
  put_u64 (bytes, strlen (string));
  g_byte_array_append (bytes, (const guint8 *) string, (guint) strlen (string));
}

static void
put_padding (GByteArray *bytes)
{
  while (bytes->len % GGUF_ALIGNMENT != 0)
    g_byte_array_append (bytes, (const guint8 *) "", 1);
}

void
model_file_set_string (ModelFile  *file,
                       const char *key,
                       const char *value)
{
  put_string (file->values, key);
  put_u32 (file->values, 8);
  put_string (file->values, value);
  file->n_values++;
}

void
model_file_set_strings (ModelFile  *file,
                        const char *key,
                        GPtrArray  *values)
{
  put_string (file->values, key);
  put_u32 (file->values, 9);
  put_u32 (file->values, 8);
  put_u64 (file->values, values->len);
  for (guint i = 0; i < values->len; i++)
    put_string (file->values, values->pdata[i]);
  file->n_values++;
}

void
model_file_set_ints (ModelFile    *file,
                     const char   *key,
                     const gint32 *values,
                     guint         n)
{
  put_string (file->values, key);
  put_u32 (file->values, 9);
  put_u32 (file->values, 5);
  put_u64 (file->values, n);
  g_byte_array_append (file->values, (const guint8 *) values, n * (guint) sizeof *values);
  file->n_values++;
}

static void
put_info (ModelFile  *file,
          guint       i,
          gsize       offset,
          GByteArray *bytes)
{
  const ZimWeight *weight = &g_array_index (file->weights, ZimWeight, i);

  put_string (bytes, weight->name);
  put_u32 (bytes, weight->n_dims);
  for (guint d = weight->n_dims; d > 0; d--)
    put_u64 (bytes, (guint64) weight->dims[d - 1]);
  put_u32 (bytes, get_gguf_type (get_type (file, i)));
  put_u64 (bytes, offset);
}

void
model_file_write_gguf (ModelFile  *file,
                       Folder     *folder,
                       const char *name)
{
  g_autoptr(GByteArray) bytes = g_byte_array_new ();
  gsize offset = 0;

  g_byte_array_append (bytes, (const guint8 *) "GGUF", 4);
  put_u32 (bytes, 3);
  put_u64 (bytes, file->weights->len);
  put_u64 (bytes, file->n_values);
  g_byte_array_append (bytes, file->values->data, file->values->len);
  for (guint i = 0; i < file->weights->len; i++)
    {
      put_info (file, i, offset, bytes);
      offset += g_array_index (file->weights, ZimWeight, i).size;
      offset += -offset % GGUF_ALIGNMENT;
    }
  put_padding (bytes);
  for (guint i = 0; i < file->weights->len; i++)
    {
      const ZimWeight *weight = &g_array_index (file->weights, ZimWeight, i);

      g_byte_array_append (bytes, weight->data, (guint) weight->size);
      put_padding (bytes);
    }
  folder_write (folder, name, bytes->data, bytes->len);
}

/* Names */

static char *
substitute (const char *name,
            const char *pattern,
            const char *replacement)
{
  g_autoptr(GRegex) regex = g_regex_new (pattern, 0, 0, NULL);

  return g_regex_replace (regex, name, -1, 0, replacement, 0, NULL);
}

static char *
rename_all (const char        *name,
            const char *const  rules[][2],
            guint              n_rules)
{
  char *renamed = g_strdup (name);

  for (guint i = 0; i < n_rules; i++)
    {
      g_autofree char *before = renamed;

      renamed = substitute (before, rules[i][0], rules[i][1]);
    }
  return renamed;
}

/* [q; k; v] of the block that to_q belongs to. */
static void
add_fused (ModelFile       *file,
           const char      *prefix,
           ZimCheckpoint   *checkpoint,
           const ZimWeight *q)
{
  static const char *const parts[] = { "to_q", "to_k", "to_v" };
  g_autofree char *name = substitute (q->name, "to_q", "qkv");
  guint8 *data = g_malloc (3 * q->size);
  ZimWeight *fused;

  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *part = substitute (q->name, "to_q", parts[i]);
      const ZimWeight *weight = zim_checkpoint_lookup (checkpoint, ZIM_COMPONENT_TRANSFORMER, part);

      memcpy (data + i * q->size, weight->data, q->size);
    }
  g_ptr_array_add (file->buffers, data);
  fused = model_file_add (file, prefix, name, q);
  fused->data = data;
  fused->dims[0] *= 3;
  fused->size *= 3;
}

void
model_file_add_transformer (ModelFile     *file,
                            const char    *prefix,
                            ZimCheckpoint *checkpoint)
{
  static const char *const rules[][2] = {
    { "^all_x_embedder\\.2-1", "x_embedder" },
    { "^all_final_layer\\.2-1", "final_layer" },
    { "norm_q", "q_norm" },
    { "norm_k", "k_norm" },
    { "to_out\\.0", "out" },
  };
  g_autoptr(GPtrArray) list = zim_checkpoint_list (checkpoint, ZIM_COMPONENT_TRANSFORMER);

  for (guint i = 0; i < list->len; i++)
    {
      const ZimWeight *weight = g_ptr_array_index (list, i);
      g_autofree char *name = rename_all (weight->name, rules, G_N_ELEMENTS (rules));

      if (strstr (name, "to_q") != NULL)
        add_fused (file, prefix, checkpoint, weight);
      else if (strstr (name, "to_k") == NULL && strstr (name, "to_v") == NULL)
        model_file_add (file, prefix, name, weight);
    }
}

void
model_file_add_autoencoder (ModelFile     *file,
                            const char    *prefix,
                            ZimCheckpoint *checkpoint)
{
  static const char *const rules[][2] = {
    { "conv_norm_out", "norm_out" },
    { "down_blocks\\.(\\d)\\.resnets", "down.\\1.block" },
    { "down_blocks\\.(\\d)\\.downsamplers\\.0", "down.\\1.downsample" },
    { "up_blocks\\.0", "up.3" }, { "up_blocks\\.1", "up.2" },
    { "up_blocks\\.2", "up.1" }, { "up_blocks\\.3", "up.0" },
    { "(up\\.\\d)\\.resnets", "\\1.block" },
    { "(up\\.\\d)\\.upsamplers\\.0", "\\1.upsample" },
    { "conv_shortcut", "nin_shortcut" },
    { "mid_block\\.resnets\\.0", "mid.block_1" },
    { "mid_block\\.resnets\\.1", "mid.block_2" },
    { "mid_block\\.attentions\\.0", "mid.attn_1" },
    { "group_norm", "norm" },
    { "to_q", "q" }, { "to_k", "k" }, { "to_v", "v" }, { "to_out\\.0", "proj_out" },
  };
  g_autoptr(GPtrArray) list = zim_checkpoint_list (checkpoint, ZIM_COMPONENT_AUTOENCODER);

  for (guint i = 0; i < list->len; i++)
    {
      const ZimWeight *weight = g_ptr_array_index (list, i);
      g_autofree char *name = rename_all (weight->name, rules, G_N_ELEMENTS (rules));
      ZimWeight *added = model_file_add (file, prefix, name, weight);

      if (strstr (name, "attn_1") != NULL && added->n_dims == 2)
        {
          added->n_dims = 4; /* a 1×1 convolution */
          added->dims[2] = added->dims[3] = 1;
        }
    }
}

void
model_file_add_llama (ModelFile     *file,
                      ZimCheckpoint *checkpoint)
{
  static const char *const rules[][2] = {
    { "^embed_tokens", "token_embd" },
    { "^norm", "output_norm" },
    { "^layers", "blk" },
    { "input_layernorm", "attn_norm" },
    { "post_attention_layernorm", "ffn_norm" },
    { "self_attn\\.(q|k|v)_proj", "attn_\\1" },
    { "self_attn\\.o_proj", "attn_output" },
    { "self_attn\\.(q|k)_norm", "attn_\\1_norm" },
    { "mlp\\.(gate|up|down)_proj", "ffn_\\1" },
  };
  g_autoptr(GPtrArray) list = zim_checkpoint_list (checkpoint, ZIM_COMPONENT_TEXT_ENCODER);

  for (guint i = 0; i < list->len; i++)
    {
      const ZimWeight *weight = g_ptr_array_index (list, i);
      g_autofree char *name = rename_all (weight->name, rules, G_N_ELEMENTS (rules));

      model_file_add (file, "", name, weight);
    }
}

void
model_file_add_component (ModelFile     *file,
                          const char    *prefix,
                          ZimCheckpoint *checkpoint,
                          ZimComponent   component)
{
  g_autoptr(GPtrArray) list = zim_checkpoint_list (checkpoint, component);

  for (guint i = 0; i < list->len; i++)
    {
      const ZimWeight *weight = g_ptr_array_index (list, i);

      model_file_add (file, prefix, weight->name, weight);
    }
}
