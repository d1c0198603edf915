/* zim-manifest.c: which blobs are a model
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-json-private.h"
#include "store/zim-manifest-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define MAX_LAYERS 100000
#define MAX_NAME   512
#define MAX_SIZE   (G_GINT64_CONSTANT (1) << 46) /* bytes */

G_STATIC_ASSERT (MAX_SIZE < G_MAXINT64 / (MAX_LAYERS + 1)); /* no sum of sizes overflows */

static void
layer_free (gpointer data)
{
  ZimLayer *layer = data;

  g_free (layer->media_type);
  g_free (layer->name);
  g_free (layer->dtype);
  g_free (layer->from);
  g_free (layer);
}

ZimManifest *
zim_manifest_new (void)
{
  ZimManifest *self = g_new0 (ZimManifest, 1);

  self->layers = g_ptr_array_new_with_free_func (layer_free);
  return self;
}

void
zim_manifest_free (ZimManifest *self)
{
  g_clear_pointer (&self->config, layer_free);
  g_ptr_array_unref (self->layers);
  g_free (self);
}

static ZimLayer *
layer_new (const char *media_type,
           const char *name,
           const char *hex,
           guint64     size)
{
  ZimLayer *layer = g_new0 (ZimLayer, 1);

  layer->media_type = g_strdup (media_type);
  layer->name = g_strdup (name);
  g_strlcpy (layer->hex, hex, sizeof layer->hex);
  layer->size = size;
  return layer;
}

ZimLayer *
zim_manifest_add (ZimManifest *self,
                  const char  *media_type,
                  const char  *name,
                  const char  *hex,
                  guint64      size)
{
  ZimLayer *layer = layer_new (media_type, name, hex, size);

  g_ptr_array_add (self->layers, layer);
  return layer;
}

void
zim_manifest_set_config (ZimManifest *self,
                         const char  *hex,
                         guint64      size)
{
  g_clear_pointer (&self->config, layer_free);
  self->config = layer_new (ZIM_MEDIA_TYPE_CONFIG, NULL, hex, size);
}

const ZimLayer *
zim_manifest_find (const ZimManifest *self,
                   const char        *name)
{
  for (guint i = 0; i < self->layers->len; i++)
    {
      const ZimLayer *layer = g_ptr_array_index (self->layers, i);

      if (g_strcmp0 (layer->name, name) == 0)
        return layer;
    }
  return NULL;
}

gboolean
zim_manifest_is_image (const ZimManifest *self)
{
  if (zim_manifest_find (self, "model_index.json") == NULL)
    return FALSE;
  for (guint i = 0; i < self->layers->len; i++)
    {
      const ZimLayer *layer = g_ptr_array_index (self->layers, i);

      if (strcmp (layer->media_type, ZIM_MEDIA_TYPE_TENSOR) == 0)
        return TRUE;
    }
  return FALSE;
}

guint64
zim_manifest_get_size (const ZimManifest *self)
{
  guint64 size = self->config != NULL ? self->config->size : 0;

  for (guint i = 0; i < self->layers->len; i++)
    {
      const ZimLayer *layer = g_ptr_array_index (self->layers, i);

      size += layer->size;
    }
  return size;
}

/* Reading */

/* A relative path without “.” and “..”, so that nobody who makes a file of it leaves his folder. */
static gboolean
is_safe_name (const char *name)
{
  g_auto(GStrv) parts = NULL;

  if (strlen (name) > MAX_NAME || strchr (name, '\\') != NULL)
    return FALSE;
  for (const char *p = name; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      return FALSE;
  parts = g_strsplit (name, "/", -1);
  for (guint i = 0; parts[i] != NULL; i++)
    if (*parts[i] == '\0' || strcmp (parts[i], ".") == 0 || strcmp (parts[i], "..") == 0)
      return FALSE;
  return parts[0] != NULL;
}

static void
read_digest (ZimJsonReader *reader,
             JsonObject    *object,
             ZimLayer      *layer)
{
  const char *digest = zim_json_need_string (reader, object, "digest");

  if (digest != NULL && !zim_sha256_parse (digest, layer->hex))
    {
      g_autofree char *shortened = zim_json_shorten (digest);

      zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE,
                            _("Field “digest” is “%s”, expected “sha256:” and 64 hexadecimal digits"), shortened);
    }
}

static void
read_name (ZimJsonReader *reader,
           JsonObject    *object,
           ZimLayer      *layer)
{
  const char *name = zim_json_read_string (reader, object, "name", NULL);

  if (name != NULL && !is_safe_name (name))
    {
      g_autofree char *shortened = zim_json_shorten (name);

      zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE, _("A layer’s name is “%s”, expected a relative path"),
                            shortened);
      return;
    }
  layer->name = g_strdup (name);
}

static ZimLayer *
read_layer (ZimJsonReader *reader,
            JsonObject    *object)
{
  ZimLayer *layer = g_new0 (ZimLayer, 1);

  layer->media_type = g_strdup (zim_json_need_string (reader, object, "mediaType"));
  layer->size = (guint64) zim_json_need_int (reader, object, "size", 0, MAX_SIZE);
  read_digest (reader, object, layer);
  read_name (reader, object, layer);
  layer->dtype = g_strdup (zim_json_read_string (reader, object, "dtype", NULL));
  layer->has_shape = zim_json_has (object, "shape");
  layer->n_dims = zim_json_read_ints (reader, object, "shape", 0, G_MAXINT64, layer->dims, ZIM_LAYER_MAX_DIMS);
  layer->from = g_strdup (zim_json_read_string (reader, object, "from", NULL));
  return layer;
}

static void
read_layers (ZimJsonReader *reader,
             JsonObject    *root,
             ZimManifest   *self)
{
  JsonArray *layers = zim_json_need_array (reader, root, "layers");
  guint n = layers != NULL ? json_array_get_length (layers) : 0;
  g_autoptr(GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  if (n > MAX_LAYERS)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE, _("It has %u layers, expected at most %u"), n, MAX_LAYERS);
  for (guint i = 0; reader->error == NULL && i < n; i++)
    {
      JsonNode *node = json_array_get_element (layers, i);
      ZimLayer *layer;

      if (!JSON_NODE_HOLDS_OBJECT (node))
        {
          zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE, _("Layer %u is not an object"), i);
          return;
        }
      layer = read_layer (reader, json_node_get_object (node));
      g_ptr_array_add (self->layers, layer);
      if (layer->name != NULL && !g_hash_table_add (names, layer->name))
        zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE, _("Layer “%s” is there twice"), layer->name);
    }
}

ZimManifest *
zim_manifest_parse (GBytes      *bytes,
                    const char  *source,
                    GError     **error)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  g_autoptr(JsonNode) node = zim_json_parse (data, size, source, error);
  g_autoptr(ZimManifest) self = NULL;
  ZimJsonReader reader = { .source = source, .code = ZIM_ERROR_BAD_FILE };
  JsonObject *root;
  JsonObject *config;

  if (node == NULL)
    return NULL;
  self = zim_manifest_new ();
  root = zim_json_read_root (&reader, node);
  zim_json_need_int (&reader, root, "schemaVersion", 2, 2);
  config = zim_json_read_object (&reader, root, "config");
  if (config != NULL)
    self->config = read_layer (&reader, config);
  read_layers (&reader, root, self);
  return zim_json_reader_finish (&reader, error) ? g_steal_pointer (&self) : NULL;
}

/* Writing */

static JsonNode *
print_layer (const ZimLayer *layer)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *digest = g_strconcat ("sha256:", layer->hex, NULL);

  json_object_set_string_member (object, "mediaType", layer->media_type);
  json_object_set_string_member (object, "digest", digest);
  json_object_set_int_member (object, "size", (gint64) layer->size);
  if (layer->name != NULL)
    json_object_set_string_member (object, "name", layer->name);
  if (layer->dtype != NULL)
    json_object_set_string_member (object, "dtype", layer->dtype);
  if (layer->has_shape)
    {
      JsonArray *shape = json_array_new ();

      for (guint i = 0; i < layer->n_dims; i++)
        json_array_add_int_element (shape, layer->dims[i]);
      json_object_set_array_member (object, "shape", shape);
    }
  if (layer->from != NULL)
    json_object_set_string_member (object, "from", layer->from);
  json_node_take_object (node, object);
  return node;
}

GBytes *
zim_manifest_print (const ZimManifest *self)
{
  g_autoptr(JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *layers = json_array_sized_new (self->layers->len);
  char *text;

  json_node_take_object (root, object);
  json_object_set_int_member (object, "schemaVersion", 2);
  json_object_set_string_member (object, "mediaType", ZIM_MEDIA_TYPE_MANIFEST);
  if (self->config != NULL)
    json_object_set_member (object, "config", print_layer (self->config));
  for (guint i = 0; i < self->layers->len; i++)
    json_array_add_element (layers, print_layer (g_ptr_array_index (self->layers, i)));
  json_object_set_array_member (object, "layers", layers);
  text = json_to_string (root, FALSE);
  return g_bytes_new_take (text, strlen (text));
}
