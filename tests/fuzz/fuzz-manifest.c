/* fuzz-manifest.c: any bytes as the manifest of a model, and as a name of one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "fuzz.h"
#include "store/zim-manifest-private.h"
#include "store/zim-store-name-private.h"

#include <stdlib.h>
#include <string.h>

/* No name of a layer leads anywhere, and none is there twice. */
static void
check_layers (const ZimManifest *manifest)
{
  for (guint i = 0; i < manifest->layers->len; i++)
    {
      const ZimLayer *layer = g_ptr_array_index (manifest->layers, i);
      g_autofree char *path = layer->name != NULL ? g_canonicalize_filename (layer->name, "/") : NULL;

      if (strlen (layer->hex) != ZIM_SHA256_HEX || layer->n_dims > ZIM_LAYER_MAX_DIMS)
        abort ();
      if (path != NULL && (strcmp (path + 1, layer->name) != 0 || zim_manifest_find (manifest, layer->name) != layer))
        abort ();
    }
}

/* What is printed of it is the same again. */
static void
try_manifest (GBytes *bytes)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimManifest) manifest = zim_manifest_parse (bytes, "fuzz", &error);
  g_autoptr(ZimManifest) again = NULL;
  g_autoptr(GBytes) printed = NULL;
  g_autoptr(GBytes) printed_again = NULL;

  if ((manifest == NULL) == (error == NULL))
    abort ();
  if (manifest == NULL)
    return;
  check_layers (manifest);
  printed = zim_manifest_print (manifest);
  again = zim_manifest_parse (printed, "fuzz", NULL);
  if (again == NULL || zim_manifest_get_size (again) != zim_manifest_get_size (manifest) ||
      zim_manifest_is_image (again) != zim_manifest_is_image (manifest))
    abort ();
  printed_again = zim_manifest_print (again);
  if (!g_bytes_equal (printed, printed_again))
    abort ();
}

/* A name's path has four parts and stays below where it is. */
static void
try_name (const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimStoreName) name = zim_store_name_parse (text, &error);
  g_autoptr(ZimStoreName) again = NULL;
  g_autofree char *path = NULL;
  g_autofree char *canonical = NULL;
  g_autofree char *printed = NULL;
  g_auto(GStrv) parts = NULL;

  if ((name == NULL) == (error == NULL))
    abort ();
  if (name == NULL)
    return;
  path = zim_store_name_to_path (name);
  canonical = g_canonicalize_filename (path, "/");
  parts = g_strsplit (path, "/", -1);
  printed = zim_store_name_to_string (name);
  again = zim_store_name_parse (printed, NULL);
  if (g_strv_length (parts) != 4 || strcmp (canonical + 1, path) != 0 || again == NULL ||
      zim_store_name_compare (name, again) != 0)
    abort ();
}

int
LLVMFuzzerTestOneInput (const guint8 *data,
                        size_t        size)
{
  /* A copy of its own length: nothing readable lies behind it. */
  g_autoptr(GBytes) bytes = g_bytes_new (data, size);
  g_autofree char *text = g_strndup ((const char *) data, size);

  try_manifest (bytes);
  try_name (text);
  return 0;
}
