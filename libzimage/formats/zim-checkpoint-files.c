/* zim-checkpoint-files.c: models from files and folders of which nobody said what they are
 *
 * Each is looked at: what is in it tells which part of a model it is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-checkpoint-internal.h"
#include "formats/zim-file-private.h"
#include "formats/zim-json-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

/* What was found so far. */
typedef struct {
  char *parts[ZIM_N_COMPONENTS];
  char *tokenizer;
  char *whole; /* a folder with all of them, for those that nothing else has */
} Files;

static void
files_clear (Files *self)
{
  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    g_free (self->parts[i]);
  g_free (self->tokenizer);
  g_free (self->whole);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Files, files_clear)

static gboolean
set (char       **place,
     const char  *path,
     GError     **error)
{
  if (*place != NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_CONFIG, _("“%s” and “%s” are the same part of a model"),
                   *place, path);
      return FALSE;
    }
  *place = g_strdup (path);
  return TRUE;
}

static gboolean
fail_nothing (const char  *path,
              GError     **error)
{
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("“%s” is no part of a model that is known"), path);
  return FALSE;
}

/* What else is in the transformer's file is for zim_checkpoint_open_parts (), and can be replaced. */
static gboolean
add_file (Files       *self,
          const char  *path,
          GError     **error)
{
  gboolean has[ZIM_N_COMPONENTS];
  gboolean found = FALSE;

  if (g_str_has_suffix (path, ".json"))
    return set (&self->tokenizer, path, error);
  if (!_zim_checkpoint_find_components (path, has, error))
    return FALSE;
  if (has[ZIM_COMPONENT_TRANSFORMER])
    return set (&self->parts[ZIM_COMPONENT_TRANSFORMER], path, error);
  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    {
      if (has[i] && !set (&self->parts[i], path, error))
        return FALSE;
      found |= has[i];
    }
  return found || fail_nothing (path, error);
}

static gboolean
has_file (const char *folder,
          const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_IS_REGULAR);
}

/* A component's folder in the layout of diffusers: its configuration says which. */
static gboolean
add_component (Files       *self,
               const char  *path,
               GError     **error)
{
  g_autofree char *config = g_build_filename (path, "config.json", NULL);
  g_autoptr(JsonNode) node = zim_file_load_json (config, error);
  ZimJsonReader reader = { .source = config, .code = ZIM_ERROR_BAD_CONFIG };
  ZimComponent component = ZIM_COMPONENT_TEXT_ENCODER;
  const char *class;

  if (node == NULL)
    return FALSE;
  class = zim_json_read_string (&reader, zim_json_read_root (&reader, node), "_class_name", NULL);
  if (!zim_json_reader_finish (&reader, error))
    return FALSE;
  if (class != NULL)
    component = strcmp (class, "AutoencoderKL") == 0 ? ZIM_COMPONENT_AUTOENCODER : ZIM_COMPONENT_TRANSFORMER;
  /* Text encoders are published with their tokenizer. */
  if (component == ZIM_COMPONENT_TEXT_ENCODER && self->tokenizer == NULL && has_file (path, "tokenizer.json"))
    self->tokenizer = g_strdup (path);
  return set (&self->parts[component], path, error);
}

/* Every file of a folder that can be a part. */
static gboolean
add_loose (Files       *self,
           const char  *path,
           GError     **error)
{
  g_autoptr(GDir) dir = g_dir_open (path, 0, error);
  gboolean found = FALSE;
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      if (!_zim_checkpoint_is_weights (name) && strcmp (name, "tokenizer.json") != 0)
        continue;
      if (!add_file (self, file, error))
        return FALSE;
      found = TRUE;
    }
  if (found || dir == NULL)
    return found;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_CONFIG,
               _("“%s” has neither a “%s” nor files of weights"), path, "model_index.json");
  return FALSE;
}

static gboolean
add (Files       *self,
     const char  *path,
     GError     **error)
{
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("There is nothing at “%s”"), path);
      return FALSE;
    }
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return add_file (self, path, error);
  if (has_file (path, "model_index.json"))
    return set (&self->whole, path, error);
  if (has_file (path, "config.json"))
    return add_component (self, path, error);
  return add_loose (self, path, error);
}

/* What nothing else has. */
static void
add_from_whole (Files *self)
{
  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    if (self->parts[i] == NULL)
      self->parts[i] = g_build_filename (self->whole, _zim_component_get_name (i), NULL);
  if (self->tokenizer == NULL)
    self->tokenizer = g_build_filename (self->whole, "tokenizer", NULL);
}

/* The whole folder's, if nobody says another. */
static gboolean
find_variant (const Files  *self,
              int          *variant,
              GError      **error)
{
  ZimConfig config = { 0 };

  if (*variant >= 0 || self->whole == NULL)
    return TRUE;
  if (!zim_config_load_folder (&config, self->whole, error))
    return FALSE;
  *variant = config.defaults.turbo ? 0 : 1;
  zim_config_clear (&config);
  return TRUE;
}

ZimCheckpoint *
zim_checkpoint_open_files (const char *const  *paths,
                           int                 variant,
                           GCancellable       *cancellable,
                           GError            **error)
{
  g_auto(Files) self = { NULL };
  ZimCheckpointParts parts = { NULL };

  for (guint i = 0; paths[i] != NULL; i++)
    if (g_cancellable_set_error_if_cancelled (cancellable, error) || !add (&self, paths[i], error))
      return NULL;
  if (!find_variant (&self, &variant, error))
    return NULL;
  if (self.whole != NULL)
    add_from_whole (&self);
  if (self.parts[ZIM_COMPONENT_TRANSFORMER] == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("There is no transformer in “%s”"), paths[0]);
      return NULL;
    }
  parts.transformer = self.parts[ZIM_COMPONENT_TRANSFORMER];
  parts.text_encoder = self.parts[ZIM_COMPONENT_TEXT_ENCODER];
  parts.vae = self.parts[ZIM_COMPONENT_AUTOENCODER];
  parts.tokenizer = self.tokenizer;
  parts.variant = variant;
  return zim_checkpoint_open_parts (&parts, cancellable, error);
}
