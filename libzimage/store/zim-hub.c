/* zim-hub.c: what a repository of Hugging Face has
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-json-private.h"
#include "store/zim-hub-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define MAX_LISTING (1 << 26)
#define MAX_CONFIG (1 << 27) /* a tokenizer has 11 MB */
#define MAX_SIZE (G_GINT64_CONSTANT (1) << 50)

/* The listing */

static gboolean
is_commit (const char *text)
{
  return text != NULL && strlen (text) >= 7 && strlen (text) <= 64 &&
         strspn (text, "0123456789abcdef") == strlen (text);
}

static void
read_sibling (ZimHub        *self,
              ZimJsonReader *reader,
              JsonObject    *object)
{
  const char *name = zim_json_need_string (reader, object, "rfilename");
  JsonObject *lfs = zim_json_has (object, "lfs") ? zim_json_read_object (reader, object, "lfs") : NULL;
  const char *digest = lfs != NULL ? zim_json_read_string (reader, lfs, "sha256", NULL) : NULL;
  g_autofree char *text = g_strconcat ("sha256:", digest, NULL);
  ZimHubFile *file = g_new0 (ZimHubFile, 1);

  if (zim_json_has (object, "size"))
    file->size = (guint64) zim_json_need_int (reader, object, "size", 0, MAX_SIZE);
  if (digest != NULL && !zim_sha256_parse (text, file->hex))
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE, _("Field “%s” is no digest"), "sha256");
  if (name != NULL)
    g_hash_table_insert (self->files, g_strdup (name), file);
  else
    g_free (file);
}

static gboolean
read_listing (ZimHub    *self,
              GBytes    *bytes,
              GError   **error)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  g_autoptr(JsonNode) node = zim_json_parse (data, size, self->repository, error);
  ZimJsonReader reader = { .source = self->repository, .code = ZIM_ERROR_BAD_FILE };
  JsonObject *root;
  JsonArray *siblings;

  if (node == NULL)
    return FALSE;
  root = zim_json_read_root (&reader, node);
  self->commit = g_strdup (zim_json_need_string (&reader, root, "sha"));
  siblings = zim_json_need_array (&reader, root, "siblings");
  if (reader.error == NULL && !is_commit (self->commit))
    zim_json_reader_fail (&reader, ZIM_ERROR_BAD_FILE, _("Field “%s” is no commit"), "sha");
  for (guint i = 0; reader.error == NULL && i < json_array_get_length (siblings); i++)
    {
      JsonNode *sibling = json_array_get_element (siblings, i);

      if (JSON_NODE_HOLDS_OBJECT (sibling))
        read_sibling (self, &reader, json_node_get_object (sibling));
    }
  return zim_json_reader_finish (&reader, error);
}

ZimHub *
zim_hub_open (ZimServer     *server,
              const char    *repository,
              const char    *revision,
              GCancellable  *cancellable,
              GError       **error)
{
  g_autoptr(ZimHub) self = g_new0 (ZimHub, 1);
  g_autofree char *path = g_strdup_printf ("/api/models/%s/revision/%s?blobs=true", repository, revision);
  g_autoptr(GBytes) bytes = NULL;

  self->server = server;
  self->repository = g_strdup (repository);
  self->files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  bytes = zim_http_get (server, path, NULL, MAX_LISTING, cancellable, error);
  return bytes != NULL && read_listing (self, bytes, error) ? g_steal_pointer (&self) : NULL;
}

void
zim_hub_free (ZimHub *self)
{
  g_hash_table_unref (self->files);
  g_free (self->repository);
  g_free (self->commit);
  g_free (self);
}

/* Files */

char *
zim_hub_get_path (const ZimHub *self,
                  const char   *name)
{
  g_autofree char *escaped = g_uri_escape_string (name, "/", FALSE);

  return g_strdup_printf ("/%s/resolve/%s/%s", self->repository, self->commit, escaped);
}

const ZimHubFile *
zim_hub_lookup (const ZimHub *self,
                const char   *name)
{
  return g_hash_table_lookup (self->files, name);
}

GBytes *
zim_hub_get_file (ZimHub        *self,
                  const char    *name,
                  GCancellable  *cancellable,
                  GError       **error)
{
  g_autofree char *path = zim_hub_get_path (self, name);

  return zim_http_get (self->server, path, NULL, MAX_CONFIG, cancellable, error);
}

/* Weights */

/* Those that an index maps tensors to. */
static gboolean
list_indexed (ZimHub        *self,
              GPtrArray     *names,
              const char    *folder,
              const char    *index,
              GCancellable  *cancellable,
              GError       **error)
{
  g_autoptr(GBytes) bytes = zim_hub_get_file (self, index, cancellable, error);
  gsize size;
  const char *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;
  g_autoptr(JsonNode) node = data != NULL ? zim_json_parse (data, size, index, error) : NULL;
  ZimJsonReader reader = { .source = index, .code = ZIM_ERROR_BAD_FILE };
  g_autoptr(GList) values = NULL;
  JsonObject *map;

  if (node == NULL)
    return FALSE;
  map = zim_json_need_object (&reader, zim_json_read_root (&reader, node), "weight_map");
  values = map != NULL ? json_object_get_values (map) : NULL;
  for (GList *l = values; l != NULL && reader.error == NULL; l = l->next)
    {
      const char *base = JSON_NODE_HOLDS_VALUE (l->data) ? json_node_get_string (l->data) : NULL;
      g_autofree char *name = base != NULL ? g_strconcat (folder, "/", base, NULL) : NULL;

      if (name == NULL || zim_hub_lookup (self, name) == NULL)
        zim_json_reader_fail (&reader, ZIM_ERROR_BAD_FILE, _("It names a file that the repository does not have"));
      else if (!g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
        g_ptr_array_add (names, g_steal_pointer (&name));
    }
  return zim_json_reader_finish (&reader, error);
}

static gboolean
list_component (ZimHub        *self,
                GPtrArray     *names,
                const char    *folder,
                GCancellable  *cancellable,
                GError       **error)
{
  static const char *const stems[] = { "diffusion_pytorch_model", "model" };

  for (guint i = 0; i < G_N_ELEMENTS (stems); i++)
    {
      g_autofree char *single = g_strdup_printf ("%s/%s.safetensors", folder, stems[i]);
      g_autofree char *index = g_strconcat (single, ".index.json", NULL);

      if (zim_hub_lookup (self, index) != NULL)
        return list_indexed (self, names, folder, index, cancellable, error);
      if (zim_hub_lookup (self, single) != NULL)
        {
          g_ptr_array_add (names, g_steal_pointer (&single));
          return TRUE;
        }
    }
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("%s: The repository has no weights in “%s”"),
               self->repository, folder);
  return FALSE;
}

GPtrArray *
zim_hub_list_weights (ZimHub        *self,
                      GCancellable  *cancellable,
                      GError       **error)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  if (!list_component (self, names, "text_encoder", cancellable, error) ||
      !list_component (self, names, "transformer", cancellable, error) ||
      !list_component (self, names, "vae", cancellable, error))
    return NULL;
  return g_steal_pointer (&names);
}
