/* zim-open.c: the models of a store as checkpoints
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-open-private.h"
#include "store/zim-tags-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <string.h>

char *
zim_open_default_root (void)
{
  const char *path = g_getenv ("ZIMAGE_MODELS");

  if (path != NULL && *path != '\0')
    return g_canonicalize_filename (path, NULL);
  return g_build_filename (g_get_user_data_dir (), "zimage", "models", NULL);
}

static void
blob_clear (gpointer data)
{
  ZimCheckpointBlob *blob = data;

  g_free ((char *) blob->path);
}

static GArray *
list_blobs (const char         *root,
            const ZimManifest  *manifest,
            GError            **error)
{
  g_autoptr(GArray) blobs = g_array_new (FALSE, TRUE, sizeof (ZimCheckpointBlob));

  g_array_set_clear_func (blobs, blob_clear);
  for (guint i = 0; i < manifest->layers->len; i++)
    {
      const ZimLayer *layer = g_ptr_array_index (manifest->layers, i);
      gboolean is_tensor = strcmp (layer->media_type, ZIM_MEDIA_TYPE_TENSOR) == 0;
      const ZimCheckpointBlob blob = {
        .name = layer->name,
        .path = NULL,
        .size = layer->size,
        .is_tensor = is_tensor,
        .dtype = layer->dtype,
        .has_shape = layer->has_shape,
        .n_dims = layer->n_dims,
        .dims = layer->dims,
      };

      if (layer->name == NULL || (!is_tensor && strcmp (layer->media_type, ZIM_MEDIA_TYPE_JSON) != 0))
        continue; /* licences and the like */
      if (!zim_blobs_check_link (root, layer->hex, error))
        return NULL;
      g_array_append_val (blobs, blob);
      g_array_index (blobs, ZimCheckpointBlob, blobs->len - 1).path = zim_blobs_get_path (root, layer->hex);
    }
  return g_steal_pointer (&blobs);
}

static ZimCheckpoint *
open_manifest (const char          *root,
               const ZimStoreName  *name,
               const ZimManifest   *manifest,
               GCancellable        *cancellable,
               GError             **error)
{
  g_autofree char *title = zim_store_name_to_string (name);
  g_autoptr(GArray) blobs = list_blobs (root, manifest, error);

  if (blobs == NULL)
    return NULL;
  return zim_checkpoint_open_blobs (title, (const ZimCheckpointBlob *) (void *) blobs->data, blobs->len,
                                    cancellable, error);
}

ZimCheckpoint *
zim_open_checkpoint (const char          *root,
                     const ZimStoreName  *name,
                     GCancellable        *cancellable,
                     GError             **error)
{
  g_auto(ZimTag) tag = { NULL };
  g_autofree char *title = zim_store_name_to_string (name);

  if (!zim_tags_read (root, name, &tag, error))
    return NULL;
  if (!zim_manifest_is_image (tag.manifest))
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED, _("“%s” is no model for pictures"), title);
      return NULL;
    }
  return open_manifest (root, name, tag.manifest, cancellable, error);
}

gboolean
zim_open_name (const char          *root,
               const ZimStoreName  *name,
               const ZimManifest   *manifest,
               const char          *hex,
               ZimOpenCheck         check,
               GCancellable        *cancellable,
               GError             **error)
{
  if (check != NULL)
    {
      g_autoptr(ZimCheckpoint) checkpoint = open_manifest (root, name, manifest, cancellable, error);

      if (checkpoint == NULL || !check (checkpoint, error))
        return FALSE;
    }
  return zim_tags_write (root, name, hex, error);
}
