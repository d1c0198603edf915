/* zim-tags.c: the names in a store and the manifests behind them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-tags-private.h"
#include "zim-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_MANIFEST (1 << 26) /* bytes; one of 1163 tensors has 300 kB */
#define FOLDER "manifests-v2"
#define LEGACY_FOLDER "manifests"
#define LEGACY_HOST "registry.ollama.ai"

/* Every place where a name can stand, the best first. */
static GStrv
list_places (const char         *root,
             const ZimStoreName *name)
{
  g_autoptr(GStrvBuilder) places = g_strv_builder_new ();
  g_autofree char *path = zim_store_name_to_path (name);
  g_autofree char *other = g_build_filename (LEGACY_HOST, name->name_space, name->model, name->tag, NULL);
  gboolean two_hosts = strcmp (name->host, ZIM_STORE_HOST) == 0;
  static const char *const folders[] = { FOLDER, LEGACY_FOLDER };

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *place = g_build_filename (root, folders[i], path, NULL);
      g_autofree char *second = g_build_filename (root, folders[i], other, NULL);

      g_strv_builder_add (places, place);
      if (two_hosts)
        g_strv_builder_add (places, second);
    }
  return g_strv_builder_end (places);
}

static gboolean
exists (const char *path)
{
  GStatBuf info;

  return g_lstat (path, &info) == 0 && !S_ISDIR (info.st_mode);
}

/* Listing */

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return zim_store_name_compare (*(const ZimStoreName *const *) a, *(const ZimStoreName *const *) b);
}

/* The folders or files of a name's next part. */
static void
walk (GPtrArray  *names,
      const char *path,
      const char *parts[4],
      guint       depth)
{
  g_autoptr(GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, entry, NULL);

      parts[depth] = entry;
      if (depth < 3 && g_file_test (child, G_FILE_TEST_IS_DIR))
        {
          walk (names, child, parts, depth + 1);
        }
      else if (depth == 3 && exists (child))
        {
          ZimStoreName *name = zim_store_name_new (parts[0], parts[1], parts[2], parts[3]);

          if (name != NULL)
            g_ptr_array_add (names, name);
        }
    }
}

GPtrArray *
zim_tags_list (const char *root)
{
  GPtrArray *names = g_ptr_array_new_with_free_func ((GDestroyNotify) zim_store_name_free);
  g_autofree char *folder = g_build_filename (root, FOLDER, NULL);
  g_autofree char *legacy = g_build_filename (root, LEGACY_FOLDER, NULL);
  const char *parts[4];

  walk (names, folder, parts, 0);
  walk (names, legacy, parts, 0);
  g_ptr_array_sort (names, compare_names);
  for (guint i = 1; i < names->len;)
    if (zim_store_name_compare (names->pdata[i - 1], names->pdata[i]) == 0)
      g_ptr_array_remove_index (names, i);
    else
      i++;
  return names;
}

/* Reading */

/* A path with nothing symbolic in it. (nullable) */
static char *
resolve (const char *path)
{
  char *resolved = realpath (path, NULL);
  char *copy = g_strdup (resolved);

  free (resolved);
  return copy;
}

static gboolean
fail_outside (const char  *place,
              GError     **error)
{
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
               _("%s: Expected a manifest, or a link to a blob of the same store"), place);
  return FALSE;
}

/* Whether a file is below the store's own folder, wherever links lead. */
static gboolean
is_inside (const char *root,
           const char *path)
{
  g_autofree char *resolved_root = resolve (root);
  g_autofree char *resolved = resolve (path);
  g_autofree char *prefix = g_strconcat (resolved_root != NULL ? resolved_root : "", "/", NULL);

  return resolved_root != NULL && resolved != NULL && g_str_has_prefix (resolved, prefix);
}

/* What a symbolic link of manifests-v2 stands for: the digest in its target's name, which must be of blobs/. */
static gboolean
read_link (const char  *root,
           const char  *place,
           char         hex[ZIM_SHA256_HEX + 1],
           GError     **error)
{
  g_autofree char *target = g_file_read_link (place, NULL);
  g_autofree char *folder = g_path_get_dirname (place);
  g_autofree char *path = target != NULL ? g_canonicalize_filename (target, folder) : NULL;
  g_autofree char *base = path != NULL ? g_path_get_basename (path) : NULL;
  g_autofree char *blobs = g_build_filename (root, "blobs", NULL);
  g_autofree char *expected = resolve (blobs);
  g_autofree char *parent = NULL;
  g_autofree char *found = NULL;

  if (base == NULL || g_path_is_absolute (target) || !zim_blobs_parse_name (base, hex))
    return fail_outside (place, error);
  parent = g_path_get_dirname (path);
  found = resolve (parent);
  return expected != NULL && g_strcmp0 (found, expected) == 0 ? TRUE : fail_outside (place, error);
}

static GBytes *
load (const char  *path,
      GError     **error)
{
  g_autoptr(GError) local_error = NULL;
  char *contents;
  gsize size;
  GStatBuf info;

  if (g_stat (path, &info) == 0 && (!S_ISREG (info.st_mode) || info.st_size > MAX_MANIFEST))
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: This is no manifest"), path);
      return NULL;
    }
  if (g_file_get_contents (path, &contents, &size, &local_error))
    return g_bytes_new_take (contents, size);
  if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: The manifest is missing"), path);
  else
    g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}

/* The bytes of a place with their digest in hex. */
static GBytes *
read_place (const char  *root,
            const char  *place,
            char         hex[ZIM_SHA256_HEX + 1],
            GError     **error)
{
  gboolean is_link = g_file_test (place, G_FILE_TEST_IS_SYMLINK);
  g_autoptr(GBytes) bytes = NULL;
  char expected[ZIM_SHA256_HEX + 1];

  if (is_link && !read_link (root, place, expected, error))
    return NULL;
  if (!is_link && !is_inside (root, place))
    {
      fail_outside (place, error);
      return NULL;
    }
  bytes = load (place, error);
  if (bytes == NULL)
    return NULL;
  zim_sha256_of_bytes (bytes, hex);
  if (is_link && strcmp (hex, expected) != 0)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                   _("%s: The manifest is damaged: its digest is sha256:%s, expected sha256:%s"),
                   place, hex, expected);
      return NULL;
    }
  return g_steal_pointer (&bytes);
}

static gboolean
read_tag (const char  *root,
          const char  *place,
          ZimTag      *tag,
          GError     **error)
{
  GStatBuf info;

  tag->bytes = read_place (root, place, tag->hex, error);
  if (tag->bytes == NULL)
    return FALSE;
  if (g_lstat (place, &info) == 0)
    tag->modified = info.st_mtime;
  tag->is_blob = zim_blobs_has (root, tag->hex, g_bytes_get_size (tag->bytes));
  tag->manifest = zim_manifest_parse (tag->bytes, place, error);
  return tag->manifest != NULL;
}

gboolean
zim_tags_read (const char          *root,
               const ZimStoreName  *name,
               ZimTag              *tag,
               GError             **error)
{
  g_auto(GStrv) places = list_places (root, name);
  g_autofree char *text = NULL;

  *tag = (ZimTag) { NULL };
  for (guint i = 0; places[i] != NULL; i++)
    if (exists (places[i]))
      return read_tag (root, places[i], tag, error);
  text = zim_store_name_to_string (name);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("There is no model “%s” in “%s”"), text, root);
  return FALSE;
}

void
zim_tag_clear (ZimTag *tag)
{
  g_clear_pointer (&tag->manifest, zim_manifest_free);
  g_clear_pointer (&tag->bytes, g_bytes_unref);
}

/* Writing */

/* Makes a link under a temporary name, of the first kind that the file system has. */
static gboolean
make_link (const char  *root,
           const char  *hex,
           const char  *temporary,
           GError     **error)
{
  g_autofree char *target = g_strconcat ("../../../../blobs/sha256-", hex, NULL);
  g_autofree char *blob = zim_blobs_get_path (root, hex);
  g_autofree char *contents = NULL;
  gsize size;

  if (symlink (target, temporary) == 0 || link (blob, temporary) == 0)
    return TRUE;
  return g_file_get_contents (blob, &contents, &size, error) &&
         g_file_set_contents_full (temporary, contents, (gssize) size,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644, error);
}

/* The folders that a name is in, one in the other, may all be new. */
static void
sync_parents (const char *place)
{
  g_autofree char *path = g_strdup (place);

  for (guint i = 0; i < 4; i++)
    {
      *strrchr (path, '/') = '\0';
      zim_blobs_sync_folder (path);
    }
}

/* All but the first of the places. */
static void
remove_older (const char *const *places)
{
  for (guint i = 1; places[i] != NULL; i++)
    if (exists (places[i]))
      g_unlink (places[i]);
}

gboolean
zim_tags_write (const char          *root,
                const ZimStoreName  *name,
                const char          *hex,
                GError             **error)
{
  g_auto(GStrv) places = list_places (root, name);
  g_autofree char *folder = g_path_get_dirname (places[0]);
  g_autofree char *temporary = g_strdup_printf ("%s/.%s.%d-%08x", folder, name->tag, (int) getpid (), g_random_int ());
  gboolean ok;

  /* Who removes the last name of a folder may just have removed the folder. */
  for (guint i = 0; i < 3; i++)
    {
      g_clear_error (error);
      if (!zim_blobs_make_folder (folder, error) || make_link (root, hex, temporary, error))
        break;
    }
  if (!exists (temporary))
    return FALSE;
  ok = g_rename (temporary, places[0]) == 0 || zim_blobs_fail (places[0], errno, error);
  g_unlink (temporary); /* still there if the old name was a hard link to the same file */
  if (!ok)
    return FALSE;
  sync_parents (places[0]);
  remove_older ((const char *const *) places);
  return TRUE;
}

/* Removes the folders of a name that are empty, up to the one of all names. */
static void
remove_empty_parents (const char *place)
{
  g_autofree char *path = g_strdup (place);

  for (guint i = 0; i < 3; i++)
    {
      char *slash = strrchr (path, '/');

      *slash = '\0';
      if (g_rmdir (path) != 0)
        return;
    }
}

gboolean
zim_tags_remove (const char          *root,
                 const ZimStoreName  *name,
                 GError             **error)
{
  g_auto(GStrv) places = list_places (root, name);
  g_autofree char *text = NULL;
  gboolean found = FALSE;

  for (guint i = 0; places[i] != NULL; i++)
    if (exists (places[i]))
      {
        if (g_unlink (places[i]) != 0)
          return zim_blobs_fail (places[i], errno, error);
        remove_empty_parents (places[i]);
        found = TRUE;
      }
  if (found)
    return TRUE;
  text = zim_store_name_to_string (name);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("There is no model “%s” in “%s”"), text, root);
  return FALSE;
}
