/* zim-publish.c: giving blobs a manifest and a name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-json-private.h"
#include "store/zim-blobs-private.h"
#include "store/zim-manifest-private.h"
#include "store/zim-publish-private.h"
#include "zim-error.h"

#include <string.h>

struct _ZimPublish {
  char                *root;
  const ZimTensorBlob *blobs;
  guint                n_blobs;
  ZimManifest         *manifest;
  guint64              n_parameters;
};

/* Tensors */

static void
add_tensor (ZimPublish   *self,
            const char   *name,
            const char   *hex,
            guint64       size,
            const char   *dtype,
            guint         n_dims,
            const gint64 *dims,
            const char   *from)
{
  ZimLayer *layer = zim_manifest_add (self->manifest, ZIM_MEDIA_TYPE_TENSOR, name, hex, size);

  layer->dtype = g_strdup (dtype);
  layer->has_shape = TRUE;
  layer->n_dims = n_dims;
  layer->from = g_strdup (from);
  memcpy (layer->dims, dims, n_dims * sizeof *dims);
}

static void
list_tensors (ZimPublish *self)
{
  for (guint i = 0; i < self->n_blobs; i++)
    {
      const ZimTensorBlob *blob = &self->blobs[i];
      gsize stem = strlen (blob->name) - (g_str_has_suffix (blob->name, ".weight") ? strlen (".weight") : 0);

      add_tensor (self, blob->name, blob->hex, blob->size, zim_dtype_name (blob->dtype),
                  blob->weight->n_dims, blob->weight->dims, blob->from);
      for (guint j = 0; j < blob->n_sides; j++)
        {
          const ZimSideBlob *side = &blob->sides[j];
          g_autofree char *name = g_strdup_printf ("%.*s%s", (int) stem, blob->name, side->suffix);

          add_tensor (self, name, side->hex, side->size, side->dtype, side->n_dims, side->dims,
                      blob->from);
        }
    }
}

ZimPublish *
zim_publish_new (const char          *root,
                 const ZimTensorBlob *blobs,
                 guint                n_blobs)
{
  ZimPublish *self = g_new0 (ZimPublish, 1);

  self->root = g_strdup (root);
  self->blobs = blobs;
  self->n_blobs = n_blobs;
  self->manifest = zim_manifest_new ();
  for (guint i = 0; i < n_blobs; i++)
    self->n_parameters += (guint64) zim_weight_n_elements (blobs[i].weight);
  list_tensors (self);
  return self;
}

void
zim_publish_free (ZimPublish *self)
{
  zim_manifest_free (self->manifest);
  g_free (self->root);
  g_free (self);
}

/* Configurations */

/* The type that most of the bytes are of. */
static const char *
get_quantization (ZimPublish *self)
{
  g_autoptr(GHashTable) sums = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  const char *best = "BF16";
  guint64 most = 0;

  for (guint i = 0; i < self->n_blobs; i++)
    {
      const ZimTensorBlob *blob = &self->blobs[i];
      const char *dtype = zim_dtype_name (blob->dtype);
      guint64 *sum = g_hash_table_lookup (sums, dtype);

      if (sum == NULL)
        g_hash_table_insert (sums, (gpointer) dtype, sum = g_new0 (guint64, 1));
      *sum += blob->size;
      if (*sum > most)
        {
          most = *sum;
          best = dtype;
        }
    }
  return best;
}

/* model_index.json as Ollama's store has it. */
static GBytes *
rewrite_index (ZimPublish  *self,
               GBytes  *bytes,
               GError **error)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  g_autoptr(JsonNode) node = zim_json_parse (data, size, "model_index.json", error);
  ZimJsonReader reader = { .source = "model_index.json", .code = ZIM_ERROR_BAD_CONFIG };
  const char *class;
  JsonObject *object;
  char *text;

  if (node == NULL)
    return NULL;
  object = zim_json_read_root (&reader, node);
  class = zim_json_read_string (&reader, object, "_class_name", NULL);
  if (!zim_json_reader_finish (&reader, error))
    return NULL;
  if (class != NULL)
    json_object_set_string_member (object, "architecture", class);
  json_object_remove_member (object, "_class_name");
  json_object_remove_member (object, "_diffusers_version");
  json_object_set_int_member (object, "parameter_count", (gint64) self->n_parameters);
  json_object_set_string_member (object, "quantization", get_quantization (self));
  text = json_to_string (node, TRUE);
  return g_bytes_new_take (text, strlen (text));
}

gboolean
zim_publish_add_file (ZimPublish  *self,
                      const char  *name,
                      GBytes      *bytes,
                      GError     **error)
{
  g_autoptr(GBytes) rewritten = NULL;
  char hex[ZIM_SHA256_HEX + 1];

  if (strcmp (name, "model_index.json") == 0)
    {
      bytes = rewritten = rewrite_index (self, bytes, error);
      if (bytes == NULL)
        return FALSE;
    }
  if (!zim_blobs_put (self->root, bytes, hex, error))
    return FALSE;
  zim_manifest_add (self->manifest, ZIM_MEDIA_TYPE_JSON, name, hex, g_bytes_get_size (bytes));
  return TRUE;
}

/* What Ollama's list and show read. */
static gboolean
add_config (ZimPublish  *self,
            GError **error)
{
  g_autoptr(GBytes) bytes = NULL;
  char hex[ZIM_SHA256_HEX + 1];
  gboolean billions = self->n_parameters >= 1000000000;
  char count[G_ASCII_DTOSTR_BUF_SIZE];
  char *text;

  g_ascii_formatd (count, sizeof count, "%.1f", (double) self->n_parameters / (billions ? 1e9 : 1e6));
  text = g_strdup_printf ("{\"model_format\":\"safetensors\",\"model_family\":\"ZImagePipeline\","
                          "\"model_families\":[\"ZImagePipeline\"],\"model_type\":\"%s%s\",\"file_type\":\"%s\","
                          "\"requires\":\"0.14.0\",\"capabilities\":[\"image\"]}",
                          count, billions ? "B" : "M", get_quantization (self));
  bytes = g_bytes_new_take (text, strlen (text));
  if (!zim_blobs_put (self->root, bytes, hex, error))
    return FALSE;
  zim_manifest_set_config (self->manifest, hex, g_bytes_get_size (bytes));
  return TRUE;
}

gboolean
zim_publish_finish (ZimPublish          *self,
                    const ZimStoreName  *name,
                    ZimOpenCheck         check,
                    GCancellable        *cancellable,
                    GError             **error)
{
  g_autoptr(GBytes) bytes = NULL;
  g_autoptr(ZimManifest) read_back = NULL;
  g_autofree char *text = zim_store_name_to_string (name);
  char hex[ZIM_SHA256_HEX + 1];

  if (!add_config (self, error))
    return FALSE;
  bytes = zim_manifest_print (self->manifest);
  /* Names of tensors came from elsewhere: those that could not be read again are no model. */
  read_back = zim_manifest_parse (bytes, text, error);
  if (read_back == NULL || !zim_blobs_put (self->root, bytes, hex, error))
    return FALSE;
  zim_blobs_sync (self->root);
  return zim_open_name (self->root, name, read_back, hex, check, cancellable, error);
}
