/* zim-checkpoint-parts.c: models in single files, as ComfyUI and llama.cpp have them
 *
 * What is in a file is told by its tensors' names, whatever the file says of itself. The transformer's
 * file is named; other parts are named too, or in the same file, or beside it where ComfyUI puts them.
 * A part that is in none of these places is an error that says how to name it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-checkpoint-internal.h"
#include "formats/zim-file-private.h"
#include "formats/zim-tokenizer-file-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

#define MAX_PLACES 8

/* How to find a component. */
typedef struct {
  const char *title;              /* for messages */
  const char *option;             /* of the command line, for messages */
  const char *probes[2];          /* tensors of which it has one, without prefix */
  const char *prefixes[8];        /* what may stand before its tensors' names */
  const char *places[MAX_PLACES]; /* relative to the transformer's folder */
} Kind;

static const Kind kinds[ZIM_N_COMPONENTS] = {
  [ZIM_COMPONENT_TRANSFORMER] = {
    .title = N_("transformer"),
    .probes = { "cap_embedder.0.weight" },
    .prefixes = { "", "model.diffusion_model.", "diffusion_model." },
  },
  [ZIM_COMPONENT_TEXT_ENCODER] = {
    .title = N_("text encoder"),
    .option = "--text-encoder",
    .probes = { "embed_tokens.weight", "token_embd.weight" },
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
    .probes = { "decoder.conv_in.weight" },
    .prefixes = { "", "first_stage_model.", "vae." },
    .places = { "ae.safetensors", "vae/ae.safetensors", "../vae/ae.safetensors", "vae", "../vae" },
  },
};

static const char *const tokenizer_places[] = {
  "tokenizer.json", "tokenizer/tokenizer.json", "../tokenizer/tokenizer.json",
};

/* A file of either format. */
typedef struct {
  ZimSafetensors *safetensors; /* (nullable) */
  ZimGguf        *gguf;        /* (nullable) */
} File;

static void
file_clear (File *file)
{
  g_clear_pointer (&file->safetensors, zim_safetensors_unref);
  g_clear_pointer (&file->gguf, zim_gguf_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (File, file_clear)

static gboolean
file_open (File        *file,
           const char  *path,
           GError     **error)
{
  g_autoptr(GBytes) bytes = zim_file_map (path, error);

  if (bytes == NULL)
    return FALSE;
  if (zim_gguf_recognize (bytes))
    file->gguf = zim_gguf_new_from_bytes (bytes, path, error);
  else
    file->safetensors = zim_safetensors_new_from_bytes (bytes, path, error);
  return file->gguf != NULL || file->safetensors != NULL;
}

/* NULL if it is not open. */
static const ZimTensorSet *
file_get_set (const File *file)
{
  if (file->gguf != NULL)
    return zim_gguf_get_set (file->gguf);
  return file->safetensors != NULL ? zim_safetensors_get_set (file->safetensors) : NULL;
}

/* The prefix of a component's tensors in a file, or NULL if the file has no such component. */
static const char *
find_prefix (const File *file,
             const Kind *kind)
{
  const ZimTensorSet *set = file_get_set (file);

  for (guint i = 0; set != NULL && i < G_N_ELEMENTS (kind->prefixes) && kind->prefixes[i] != NULL; i++)
    for (guint j = 0; j < G_N_ELEMENTS (kind->probes) && kind->probes[j] != NULL; j++)
      {
        g_autofree char *name = g_strconcat (kind->prefixes[i], kind->probes[j], NULL);

        if (zim_tensor_set_has (set, name))
          return kind->prefixes[i];
      }
  return NULL;
}

gboolean
_zim_checkpoint_find_components (const char  *path,
                                 gboolean     has[ZIM_N_COMPONENTS],
                                 GError     **error)
{
  g_auto(File) file = { NULL };

  if (!file_open (&file, path, error))
    return FALSE;
  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    has[i] = find_prefix (&file, &kinds[i]) != NULL;
  return TRUE;
}

gboolean
_zim_checkpoint_is_weights (const char *name)
{
  return g_str_has_suffix (name, ".safetensors") || g_str_has_suffix (name, ".gguf");
}

static gboolean
add_from_file (ZimCheckpoint  *self,
               ZimComponent    component,
               const File     *file,
               GError        **error)
{
  const Kind *kind = &kinds[component];
  const char *prefix = find_prefix (file, kind);
  ZimStored *weights = &self->components[component];

  if (prefix == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_MISSING_TENSOR,
                   _("%s: There is no %s in it: tensor “%s” is missing"),
                   file_get_set (file)->path, _(kind->title), kind->probes[0]);
      return FALSE;
    }
  g_free (weights->path);
  weights->path = g_strdup (file_get_set (file)->path);
  return (file->gguf != NULL ? _zim_checkpoint_add_gguf (self, component, file->gguf, prefix, error)
                             : _zim_checkpoint_add_file (self, component, file->safetensors, prefix, error)) &&
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
  g_auto(File) file = { NULL };

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return load_config (self, component, path, error) &&
           _zim_checkpoint_add_folder (self, component, path, cancellable, error);
  return file_open (&file, path, error) && add_from_file (self, component, &file, error);
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
          const File      *main_file,
          GCancellable    *cancellable,
          GError         **error)
{
  const Kind *kind = &kinds[component];
  g_autofree char *folder = g_path_get_dirname (self->path);
  g_autofree char *found = NULL;

  if (path == NULL && find_prefix (main_file, kind) != NULL)
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
  g_auto(File) main_file = { NULL };

  if (!g_file_test (self->path, G_FILE_TEST_IS_DIR))
    {
      if (!file_open (&main_file, self->path, error) ||
          !add_from_file (self, ZIM_COMPONENT_TRANSFORMER, &main_file, error))
        return FALSE;
    }
  else if (!add_from_path (self, ZIM_COMPONENT_TRANSFORMER, self->path, cancellable, error))
    {
      return FALSE;
    }
  return add_part (self, ZIM_COMPONENT_TEXT_ENCODER, parts->text_encoder, &main_file,
                   cancellable, error) &&
         add_part (self, ZIM_COMPONENT_AUTOENCODER, parts->vae, &main_file, cancellable, error);
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

/* In the file of the text encoder, which it then certainly belongs to. */
static ZimGguf *
find_embedded (ZimCheckpoint *self)
{
  GPtrArray *files = self->components[ZIM_COMPONENT_TEXT_ENCODER].ggufs;
  ZimGguf *file = files->len > 0 ? g_ptr_array_index (files, 0) : NULL;

  return file != NULL && zim_tokenizer_file_is_in (file) ? file : NULL;
}

static gboolean
load_tokenizer (ZimCheckpoint  *self,
                const char     *path,
                GError        **error)
{
  g_autofree char *file = g_build_filename (path, "tokenizer.json", NULL);

  self->tokenizer = zim_file_map (g_file_test (path, G_FILE_TEST_IS_DIR) ? file : path, error);
  return self->tokenizer != NULL;
}

static gboolean
add_tokenizer (ZimCheckpoint  *self,
               const char     *path,
               GError        **error)
{
  ZimGguf *embedded = find_embedded (self);
  g_autofree char *found = NULL;

  if (path != NULL)
    return load_tokenizer (self, path, error);
  if (embedded != NULL)
    return (self->tokenizer = zim_tokenizer_file_make (embedded, error)) != NULL;
  found = find_tokenizer (self);
  if (found != NULL)
    return load_tokenizer (self, found, error);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND,
               _("“%s” has no tokenizer beside it. Name a tokenizer.json with %s"),
               self->path, "--tokenizer");
  return FALSE;
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
