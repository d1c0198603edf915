/* zim-preview-cache.c: the preview's projection, kept between runs of the program
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-run-private.h"

#define GROUP "Preview"

/* The autoencoder's identity: a digest over what its first and last convolutions hold. */
static char *
cache_path (ZimModel *model)
{
  static const char *const names[] = { "decoder.conv_in.weight", "decoder.conv_out.weight", "decoder.conv_out.bias" };
  g_autoptr(GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char *file = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const ZimWeight *weight = zim_checkpoint_lookup (_zim_model_get_checkpoint (model), ZIM_COMPONENT_AUTOENCODER,
                                                       names[i]);

      if (weight != NULL)
        g_checksum_update (checksum, weight->data, weight->size);
    }
  file = g_strconcat (g_checksum_get_string (checksum), ".preview", NULL);
  return g_build_filename (g_get_user_cache_dir (), "zimage", file, NULL);
}

static gboolean
read_row (GKeyFile   *file,
          const char *key,
          float      *row,
          guint       n)
{
  gsize length;
  g_autofree double *values = g_key_file_get_double_list (file, GROUP, key, &length, NULL);

  if (values == NULL || length != n)
    return FALSE;
  for (guint i = 0; i < n; i++)
    row[i] = (float) values[i];
  return TRUE;
}

static gboolean
read_cache (ZimPreview *preview,
            const char *path,
            guint       n_channels)
{
  g_autoptr(GKeyFile) file = g_key_file_new ();

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL) ||
      !read_row (file, "red", preview->weight[0], n_channels) ||
      !read_row (file, "green", preview->weight[1], n_channels) ||
      !read_row (file, "blue", preview->weight[2], n_channels) || !read_row (file, "bias", preview->bias, 3))
    return FALSE;
  preview->n_channels = n_channels;
  return TRUE;
}

static void
write_row (GKeyFile    *file,
           const char  *key,
           const float *row,
           guint        n)
{
  g_autofree double *values = g_new (double, n);

  for (guint i = 0; i < n; i++)
    values[i] = row[i];
  g_key_file_set_double_list (file, GROUP, key, values, n);
}

/* A cache that cannot be written is no error: the projection is fitted again next time. */
static void
write_cache (const ZimPreview *preview,
             const char       *path)
{
  g_autoptr(GKeyFile) file = g_key_file_new ();
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_path_get_dirname (path);

  write_row (file, "red", preview->weight[0], preview->n_channels);
  write_row (file, "green", preview->weight[1], preview->n_channels);
  write_row (file, "blue", preview->weight[2], preview->n_channels);
  write_row (file, "bias", preview->bias, 3);
  g_mkdir_with_parents (folder, 0700);
  if (!g_key_file_save_to_file (file, path, &error))
    g_debug ("preview projection not kept: %s", error->message);
}

gboolean
zim_preview_load (ZimPreview    *preview,
                  ZimModel      *model,
                  ZimBackend    *backend,
                  ZimPrecision   precision,
                  GCancellable  *cancellable,
                  GError       **error)
{
  ZimAutoencoder *autoencoder = _zim_model_get_autoencoder (model);
  g_autofree char *path = cache_path (model);

  if (read_cache (preview, path, zim_autoencoder_get_channels (autoencoder)))
    return TRUE;
  if (!zim_preview_fit (preview, autoencoder, backend, precision, cancellable, error))
    return FALSE;
  write_cache (preview, path);
  return TRUE;
}
