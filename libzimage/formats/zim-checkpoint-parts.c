/* zim-checkpoint-parts.c: models in single files, as ComfyUI has them
 *
 * The transformer's file is named; other parts are named too, or in the same file, or beside it
 * where ComfyUI puts them. A part that is in none of these places is an error that says how to name
 * it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-checkpoint-internal.h"
#include "formats/zim-file-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

#define MAX_PLACES 8

/* How to find a component. */
typedef struct {
  const char *title;              /* for messages */
  const char *option;             /* of the command line, for messages */
  const char *probe;              /* a tensor that it has, without prefix */
  const char *prefixes[8];        /* what may stand before its tensors' names */
  const char *places[MAX_PLACES]; /* relative to the transformer's folder */
} Kind;

static const Kind kinds[ZIM_N_COMPONENTS] = {
  [ZIM_COMPONENT_TRANSFORMER] = {
    .title = N_("transformer"),
    .probe = "cap_embedder.0.weight",
    .prefixes = { "", "model.diffusion_model.", "diffusion_model." },
  },
  [ZIM_COMPONENT_TEXT_ENCODER] = {
    .title = N_("text encoder"),
    .option = "--text-encoder",
    .probe = "embed_tokens.weight",
    .prefixes = {
      "", "model.",
      "text_encoders.qwen3_4b.transformer.", "text_encoders.qwen3_4b.transformer.model.",
    },
    .places = {
      "qwen_3_4b.safetensors", "text_encoders/qwen_3_4b.safetensors",
      "../text_encoders/qwen_3_4b.safetensors", "../clip/qwen_3_4b.safetensors",
      "text_encoder", "../text_encoder",
    },
  },
  [ZIM_COMPONENT_AUTOENCODER] = {
    .title = N_("autoencoder"),
    .option = "--vae",
    .probe = "decoder.conv_in.weight",
    .prefixes = { "", "first_stage_model.", "vae." },
    .places = { "ae.safetensors", "vae/ae.safetensors", "../vae/ae.safetensors", "vae", "../vae" },
  },
};

static const char *const tokenizer_places[] = {
  "tokenizer.json", "tokenizer/tokenizer.json", "../tokenizer/tokenizer.json",
};

/* The prefix of a component's tensors in a file, or NULL if the file has no such component. */
static const char *
find_prefix (ZimSafetensors *file,
             const Kind     *kind)
{
  for (guint i = 0; i < G_N_ELEMENTS (kind->prefixes) && kind->prefixes[i] != NULL; i++)
    {
      g_autofree char *name = g_strconcat (kind->prefixes[i], kind->probe, NULL);

      if (zim_safetensors_lookup (file, name) != NULL ||
          g_hash_table_contains (zim_safetensors_get_foreign (file), name))
        return kind->prefixes[i];
    }
  return NULL;
}

gboolean
_zim_checkpoint_find_components (const char  *path,
                                 gboolean     has[ZIM_N_COMPONENTS],
                                 GError     **error)
{
  g_autoptr(ZimSafetensors) file = zim_safetensors_open (path, error);

  for (guint i = 0; file != NULL && i < ZIM_N_COMPONENTS; i++)
    has[i] = find_prefix (file, &kinds[i]) != NULL;
  return file != NULL;
}

gboolean
_zim_checkpoint_is_weights (const char *name)
{
  return g_str_has_suffix (name, ".safetensors");
}

static gboolean
add_from_file (ZimCheckpoint   *self,
               ZimComponent     component,
               ZimSafetensors  *file,
               GError         **error)
{
  const Kind *kind = &kinds[component];
  const char *prefix = find_prefix (file, kind);
  ZimStored *weights = &self->components[component];

  if (prefix == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_MISSING_TENSOR,
                   _("%s: There is no %s in it: tensor “%s” is missing"),
                   zim_safetensors_get_path (file), _(kind->title), kind->probe);
      return FALSE;
    }
  g_free (weights->path);
  weights->path = g_strdup (zim_safetensors_get_path (file));
  return _zim_checkpoint_add_file (self, component, file, prefix, error) &&
         _zim_checkpoint_attach_sides (self, component, error) &&
         _zim_checkpoint_measure (self, component, error);
}

static gboolean
load_config (ZimCheckpoint  *self,
             ZimComponent    component,
             const char     *folder,
             GError        **error)
{
  g_autofree char *path = g_build_filename (folder, "config.json", NULL);

  switch (component)
    {
    case ZIM_COMPONENT_TRANSFORMER:
      return zim_config_load_transformer (&self->config.transformer, path, error);
    case ZIM_COMPONENT_TEXT_ENCODER:
      return zim_config_load_text_encoder (&self->config.text_encoder, path, error);
    case ZIM_COMPONENT_AUTOENCODER:
      return zim_config_load_autoencoder (&self->config.autoencoder, path, error);
    case ZIM_N_COMPONENTS:
    default:
      g_return_val_if_reached (FALSE);
    }
}

/* A file, or a diffusers component's folder with a configuration of its own. */
static gboolean
add_from_path (ZimCheckpoint  *self,
               ZimComponent    component,
               const char     *path,
               GCancellable   *cancellable,
               GError        **error)
{
  g_autoptr(ZimSafetensors) file = NULL;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return load_config (self, component, path, error) &&
           _zim_checkpoint_add_folder (self, component, path, cancellable, error);
  file = zim_safetensors_open (path, error);
  return file != NULL && add_from_file (self, component, file, error);
}

/* A folder is a place only with a configuration in it: ComfyUI has folders of these names too. */
static char *
find_place (const char         *folder,
            const char *const  *places,
            guint               n_places)
{
  for (guint i = 0; i < n_places && places[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (folder, places[i], NULL);
      g_autofree char *config = g_build_filename (path, "config.json", NULL);

      if (g_file_test (path, G_FILE_TEST_IS_REGULAR) || g_file_test (config, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer (&path);
    }
  return NULL;
}

static gboolean
add_part (ZimCheckpoint   *self,
          ZimComponent     component,
          const char      *path,
          ZimSafetensors  *main_file,
          GCancellable    *cancellable,
          GError         **error)
{
  const Kind *kind = &kinds[component];
  g_autofree char *folder = g_path_get_dirname (self->path);
  g_autofree char *found = NULL;

  if (path == NULL && main_file != NULL && find_prefix (main_file, kind) != NULL)
    return add_from_file (self, component, main_file, error);
  if (path == NULL)
    path = found = find_place (folder, kind->places, G_N_ELEMENTS (kind->places));
  if (path != NULL)
    return add_from_path (self, component, path, cancellable, error);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND,
               _("“%s” has no %s, and there is none beside it. Name one with %s"),
               self->path, _(kind->title), kind->option);
  return FALSE;
}

/* The main file is opened once, for all components that are in it. */
static gboolean
add_components (ZimCheckpoint             *self,
                const ZimCheckpointParts  *parts,
                GCancellable              *cancellable,
                GError                   **error)
{
  g_autoptr(ZimSafetensors) main_file = NULL;

  if (!g_file_test (self->path, G_FILE_TEST_IS_DIR))
    {
      main_file = zim_safetensors_open (self->path, error);
      if (main_file == NULL || !add_from_file (self, ZIM_COMPONENT_TRANSFORMER, main_file, error))
        return FALSE;
    }
  else if (!add_from_path (self, ZIM_COMPONENT_TRANSFORMER, self->path, cancellable, error))
    {
      return FALSE;
    }
  return add_part (self, ZIM_COMPONENT_TEXT_ENCODER, parts->text_encoder, main_file,
                   cancellable, error) &&
         add_part (self, ZIM_COMPONENT_AUTOENCODER, parts->vae, main_file, cancellable, error);
}

/* Beside the transformer or beside the text encoder, whose companion it is. */
static char *
find_tokenizer (ZimCheckpoint *self)
{
  const char *text_encoder = self->components[ZIM_COMPONENT_TEXT_ENCODER].path;
  g_autofree char *folder = g_path_get_dirname (self->path);
  g_autofree char *text_folder = g_path_get_dirname (text_encoder);
  char *found = find_place (folder, tokenizer_places, G_N_ELEMENTS (tokenizer_places));

  if (found == NULL)
    found = find_place (text_folder, tokenizer_places, G_N_ELEMENTS (tokenizer_places));
  return found;
}

static gboolean
add_tokenizer (ZimCheckpoint  *self,
               const char     *path,
               GError        **error)
{
  g_autofree char *found = NULL;

  if (path != NULL && g_file_test (path, G_FILE_TEST_IS_DIR))
    found = g_build_filename (path, "tokenizer.json", NULL);
  else
    found = path != NULL ? g_strdup (path) : find_tokenizer (self);
  if (found == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND,
                   _("“%s” has no tokenizer beside it. Name a tokenizer.json with %s"),
                   self->path, "--tokenizer");
      return FALSE;
    }
  self->tokenizer = zim_file_map (found, error);
  return self->tokenizer != NULL;
}

/* Turbo and base have the same tensors. */
static gboolean
find_variant (const ZimCheckpointParts  *parts,
              gboolean                  *turbo,
              GError                   **error)
{
  g_autofree char *name = g_path_get_basename (parts->transformer);
  g_autofree char *lower = g_ascii_strdown (name, -1);

  *turbo = parts->variant >= 0 ? parts->variant == 0 : strstr (lower, "turbo") != NULL;
  if (parts->variant >= 0 || *turbo || strstr (lower, "base") != NULL)
    return TRUE;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_CONFIG,
               _("“%s” does not tell which variant of the model it is. Name it with %s"),
               parts->transformer, "--variant turbo|base");
  return FALSE;
}

ZimCheckpoint *
zim_checkpoint_open_parts (const ZimCheckpointParts  *parts,
                           GCancellable              *cancellable,
                           GError                   **error)
{
  g_autoptr(ZimCheckpoint) self = NULL;
  gboolean turbo;

  g_return_val_if_fail (parts != NULL && parts->transformer != NULL, NULL);

  if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
      !find_variant (parts, &turbo, error))
    return NULL;
  self = _zim_checkpoint_new (parts->transformer);
  zim_config_init_published (&self->config, turbo);
  if (!add_components (self, parts, cancellable, error) ||
      !zim_config_check (&self->config, self->path, error) ||
      !add_tokenizer (self, parts->tokenizer, error))
    return NULL;
  return g_steal_pointer (&self);
}
