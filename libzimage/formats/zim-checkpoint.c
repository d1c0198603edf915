/* zim-checkpoint.c: an opened model, whatever files it came from
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-checkpoint-internal.h"
#include "formats/zim-file-private.h"
#include "formats/zim-json-private.h"
#include "formats/zim-name-map-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <sys/mman.h>

static void
entry_free (gpointer data)
{
  ZimEntry *entry = data;

  if (entry->mapped > 0)
    munmap ((void *) entry->weight.data, entry->mapped);
  g_free (entry->name);
  g_free (entry);
}

const char *
_zim_component_get_name (ZimComponent component)
{
  static const char *const names[ZIM_N_COMPONENTS] = {
    [ZIM_COMPONENT_TRANSFORMER] = "transformer",
    [ZIM_COMPONENT_TEXT_ENCODER] = "text_encoder",
    [ZIM_COMPONENT_AUTOENCODER] = "vae",
  };

  return names[component];
}

ZimCheckpoint *
_zim_checkpoint_new (const char *path)
{
  ZimCheckpoint *self = g_new0 (ZimCheckpoint, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->path = g_strdup (path);
  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    {
      self->components[i].path = g_strdup (path);
      self->components[i].files =
        g_ptr_array_new_with_free_func ((GDestroyNotify) zim_safetensors_unref);
      self->components[i].ggufs = g_ptr_array_new_with_free_func ((GDestroyNotify) zim_gguf_unref);
      self->components[i].entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
    }
  return self;
}

ZimCheckpoint *
zim_checkpoint_ref (ZimCheckpoint *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
zim_checkpoint_unref (ZimCheckpoint *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    {
      g_hash_table_unref (self->components[i].entries);
      g_clear_pointer (&self->components[i].formats, g_hash_table_unref);
      g_ptr_array_unref (self->components[i].files);
      g_ptr_array_unref (self->components[i].ggufs);
      g_free (self->components[i].path);
    }
  g_clear_pointer (&self->files, g_tree_unref);
  g_clear_pointer (&self->tokenizer, g_bytes_unref);
  zim_config_clear (&self->config);
  g_mutex_clear (&self->lock);
  g_free (self->path);
  g_free (self);
}

const char *
zim_checkpoint_get_path (ZimCheckpoint *self)
{
  return self->path;
}

const ZimConfig *
zim_checkpoint_get_config (ZimCheckpoint *self)
{
  return &self->config;
}

GBytes *
zim_checkpoint_get_tokenizer (ZimCheckpoint *self)
{
  return self->tokenizer;
}

/* The text encoder's names come with and without the prefix of the class around the network. */
static const char *
strip_name (ZimComponent  component,
            const char   *name)
{
  if (component == ZIM_COMPONENT_TEXT_ENCODER && g_str_has_prefix (name, "model."))
    return name + strlen ("model.");
  return name;
}

const ZimEntry *
_zim_checkpoint_find (ZimCheckpoint *self,
                      ZimComponent   component,
                      const char    *name)
{
  return g_hash_table_lookup (self->components[component].entries, strip_name (component, name));
}

gboolean
_zim_checkpoint_add (ZimCheckpoint  *self,
                     ZimComponent    component,
                     ZimEntry       *entry,
                     GError        **error)
{
  const ZimEntry *other = _zim_checkpoint_find (self, component, entry->weight.name);
  gboolean ok = other == NULL;

  if (ok)
    {
      g_hash_table_insert (self->components[component].entries, (char *) entry->weight.name, entry);
    }
  else
    {
      g_autofree char *name = zim_json_shorten (entry->weight.name);

      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                   _("%s: Tensor “%s” is there twice, the other in “%s”"),
                   entry->path, name, other->path);
      entry_free (entry);
    }
  return ok;
}

/* Attention weights of latent-diffusion's autoencoder are 1×1 convolutions, [c, c, 1, 1]. */
static void
squeeze (ZimWeight *weight)
{
  if (weight->n_dims == 4 && weight->dims[2] == 1 && weight->dims[3] == 1 &&
      strstr (weight->name, ".attentions.") != NULL)
    weight->n_dims = 2;
}

/* Rows i·n/3 to (i + 1)·n/3 of a fused tensor, or all of one that is not. A single value, such as a scale, is that of
 * each part. */
static gboolean
take_rows (ZimWeight  *weight,
           guint       part,
           guint       n_parts,
           const char *path,
           GError    **error)
{
  g_autofree char *shape = NULL;

  if (n_parts == 1 || zim_weight_n_elements (weight) == 1)
    return TRUE;
  if (weight->n_dims > 0 && weight->dims[0] % n_parts == 0)
    {
      weight->dims[0] /= n_parts;
      weight->size /= n_parts;
      weight->data += part * weight->size;
      return TRUE;
    }
  shape = zim_shape_to_string (weight->n_dims, weight->dims);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_SHAPE,
               _("%s: Tensor “%s” is part of one of shape %s, whose rows do not fall into three parts"),
               path, weight->name, shape);
  return FALSE;
}

gboolean
_zim_checkpoint_add_stored (ZimCheckpoint    *self,
                            ZimComponent      component,
                            const char       *path,
                            const guint8     *base,
                            const char       *stored_name,
                            const ZimWeight  *weight,
                            const char       *foreign,
                            guint             n_up_blocks,
                            GError          **error)
{
  g_auto(GStrv) names = zim_name_map (component, stored_name, n_up_blocks);
  guint n = g_strv_length (names);

  for (guint i = 0; i < n; i++)
    {
      ZimEntry *entry = g_new0 (ZimEntry, 1);

      if (weight != NULL)
        entry->weight = *weight;
      entry->path = path;
      entry->base = base;
      entry->foreign = foreign;
      entry->name = g_strdup (names[i]);
      entry->weight.name = entry->name;
      if (foreign == NULL && !take_rows (&entry->weight, i, n, path, error))
        {
          entry_free (entry);
          return FALSE;
        }
      squeeze (&entry->weight);
      if (!_zim_checkpoint_add (self, component, entry, error))
        return FALSE;
    }
  return TRUE;
}

/* How many up blocks latent-diffusion's names count in a file. */
static guint
count_up_blocks (const ZimTensorSet *set,
                 const char         *prefix)
{
  guint n = 0;
  guint index;

  for (guint i = 0; i < set->weights->len; i++)
    {
      const char *name = g_array_index (set->weights, ZimWeight, i).name;

      if (g_str_has_prefix (name, prefix) &&
          zim_name_map_match (name + strlen (prefix), "decoder.up.#.", &index))
        n = MAX (n, index + 1);
    }
  return n;
}

static gboolean
add_foreign (ZimCheckpoint       *self,
             ZimComponent         component,
             const ZimTensorSet  *set,
             const char          *prefix,
             guint                n_up_blocks,
             GError             **error)
{
  GHashTableIter iter;
  gpointer name;
  gpointer type;

  g_hash_table_iter_init (&iter, set->foreign);
  while (g_hash_table_iter_next (&iter, &name, &type))
    if (g_str_has_prefix (name, prefix) &&
        !_zim_checkpoint_add_stored (self, component, set->path, set->base, (char *) name + strlen (prefix),
                                     g_hash_table_lookup (set->others, name), type, n_up_blocks, error))
      return FALSE;
  return TRUE;
}

static gboolean
add_set (ZimCheckpoint       *self,
         ZimComponent         component,
         const ZimTensorSet  *set,
         const char          *prefix,
         GError             **error)
{
  guint n_up_blocks = component == ZIM_COMPONENT_AUTOENCODER ? count_up_blocks (set, prefix) : 0;

  for (guint i = 0; i < set->weights->len; i++)
    {
      const ZimWeight *weight = &g_array_index (set->weights, ZimWeight, i);

      if (g_str_has_prefix (weight->name, prefix) &&
          !_zim_checkpoint_add_stored (self, component, set->path, set->base, weight->name + strlen (prefix),
                                       weight, NULL, n_up_blocks, error))
        return FALSE;
    }
  return add_foreign (self, component, set, prefix, n_up_blocks, error);
}

gboolean
_zim_checkpoint_add_file (ZimCheckpoint   *self,
                          ZimComponent     component,
                          ZimSafetensors  *file,
                          const char      *prefix,
                          GError         **error)
{
  g_ptr_array_add (self->components[component].files, zim_safetensors_ref (file));
  return _zim_checkpoint_note_formats (self, component, file, prefix, error) &&
         add_set (self, component, zim_safetensors_get_set (file), prefix, error);
}

gboolean
_zim_checkpoint_add_gguf (ZimCheckpoint  *self,
                          ZimComponent    component,
                          ZimGguf        *file,
                          const char     *prefix,
                          GError        **error)
{
  g_ptr_array_add (self->components[component].ggufs, zim_gguf_ref (file));
  return add_set (self, component, zim_gguf_get_set (file), prefix, error);
}

char *
zim_checkpoint_full_name (ZimComponent  component,
                          const char   *name)
{
  /* Qwen3's published files name its weights after the class around the network. */
  gboolean prefixed = component == ZIM_COMPONENT_TEXT_ENCODER && !g_str_has_prefix (name, "lm_head.");

  return g_strconcat (_zim_component_get_name (component), prefixed ? "/model." : "/", name, NULL);
}

gboolean
zim_checkpoint_locate (ZimCheckpoint    *self,
                       ZimComponent      component,
                       const ZimWeight  *weight,
                       const char      **path,
                       guint64          *offset)
{
  const ZimEntry *entry = _zim_checkpoint_find (self, component, weight->name);

  if (entry == NULL || entry->base == NULL)
    return FALSE;
  *path = entry->path;
  *offset = (guint64) (weight->data - entry->base);
  return TRUE;
}

/* Configuration files */

static int
compare_files (gconstpointer a,
               gconstpointer b,
               gpointer      unused)
{
  return strcmp (a, b);
}

void
_zim_checkpoint_add_config (ZimCheckpoint *self,
                            const char    *name,
                            const char    *path)
{
  if (self->files == NULL)
    self->files = g_tree_new_full (compare_files, NULL, g_free, g_free);
  g_tree_insert (self->files, g_strdup (name), g_strdup (path));
}

typedef struct {
  ZimCheckpointFileFunc func;
  gpointer              user_data;
} Visit;

static gboolean
visit_text (const char  *name,
            const char  *text,
            gpointer     user_data,
            GError     **error)
{
  Visit *visit = user_data;
  g_autoptr(GBytes) bytes = g_bytes_new_static (text, strlen (text));

  return visit->func (name, bytes, visit->user_data, error);
}

gboolean
zim_checkpoint_foreach_file (ZimCheckpoint          *self,
                             ZimCheckpointFileFunc   func,
                             gpointer                user_data,
                             GError                **error)
{
  Visit visit = { func, user_data };

  if (self->files == NULL)
    return (self->tokenizer == NULL || func ("tokenizer/tokenizer.json", self->tokenizer, user_data, error)) &&
           zim_config_foreach_file (&self->config, visit_text, &visit, error);
  for (GTreeNode *node = g_tree_node_first (self->files); node != NULL; node = g_tree_node_next (node))
    {
      g_autoptr(GBytes) bytes = zim_file_map (g_tree_node_value (node), error);

      if (bytes == NULL || !func (g_tree_node_key (node), bytes, user_data, error))
        return FALSE;
    }
  return TRUE;
}

/* Only a generated checkpoint changes after it was opened. */
static GMutexLocker *
lock (ZimCheckpoint *self)
{
  return self->fill != NULL ? g_mutex_locker_new (&self->lock) : NULL;
}

const ZimWeight *
zim_checkpoint_lookup (ZimCheckpoint *self,
                       ZimComponent   component,
                       const char    *name)
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = lock (self);
  const ZimEntry *entry = _zim_checkpoint_find (self, component, name);

  return entry != NULL && entry->foreign == NULL ? &entry->weight : NULL;
}

/* Shapes are the same if they differ by leading dimensions of 1 alone: files have pad tokens as
 * [1, n] and as [n]. */
static gboolean
same_shape (const ZimWeight *weight,
            guint            n_dims,
            const gint64    *dims)
{
  guint n = weight->n_dims;
  const gint64 *found = weight->dims;

  for (; n > 1 && *found == 1; n--)
    found++;
  for (; n_dims > 1 && *dims == 1; n_dims--)
    dims++;
  return n == n_dims && (n == 0 || memcmp (found, dims, n * sizeof *dims) == 0);
}

/* Numbers for a network: no ids, and no integers that would need a scale to be some. */
static gboolean
check_type (const ZimEntry  *entry,
            GError         **error)
{
  const ZimWeight *weight = &entry->weight;

  if (entry->foreign == NULL && weight->dtype == ZIM_DTYPE_I8 && weight->scales == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: Tensor “%s” is of type I8, and its scale is missing"),
                   entry->path, weight->name);
      return FALSE;
    }
  if (entry->foreign == NULL && weight->dtype != ZIM_DTYPE_I32)
    return TRUE;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED, _("%s: Tensor “%s” is of type %s, which is not supported"),
               entry->path, weight->name, entry->foreign != NULL ? entry->foreign : zim_dtype_name (weight->dtype));
  return FALSE;
}

static gboolean
check_entry (const ZimEntry  *entry,
             guint            n_dims,
             const gint64    *dims,
             GError         **error)
{
  const ZimWeight *weight = &entry->weight;
  g_autofree char *found = NULL;
  g_autofree char *expected = NULL;

  if (!check_type (entry, error))
    return FALSE;
  if (same_shape (weight, n_dims, dims))
    return TRUE;
  found = zim_shape_to_string (weight->n_dims, weight->dims);
  expected = zim_shape_to_string (n_dims, dims);
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_SHAPE, _("%s: Tensor “%s” has shape %s, expected %s"),
               entry->path, weight->name, found, expected);
  return FALSE;
}

const ZimWeight *
zim_checkpoint_require (ZimCheckpoint  *self,
                        ZimComponent    component,
                        const char     *name,
                        guint           n_dims,
                        const gint64   *dims,
                        GError        **error)
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = lock (self);
  const ZimEntry *entry = _zim_checkpoint_find (self, component, name);

  if (entry == NULL && self->fill != NULL)
    {
      entry = _zim_checkpoint_generate (self, component, strip_name (component, name),
                                        n_dims, dims, error);
      return entry != NULL ? &entry->weight : NULL;
    }
  if (entry == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_MISSING_TENSOR, _("%s: Tensor “%s” is missing"),
                   self->components[component].path, name);
      return NULL;
    }
  return check_entry (entry, n_dims, dims, error) ? &entry->weight : NULL;
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  const ZimWeight *const *x = a;
  const ZimWeight *const *y = b;

  return strcmp ((*x)->name, (*y)->name);
}

GPtrArray *
zim_checkpoint_list (ZimCheckpoint *self,
                     ZimComponent   component)
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = lock (self);
  GPtrArray *weights = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->components[component].entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      ZimEntry *entry = value;

      if (entry->foreign == NULL)
        g_ptr_array_add (weights, &entry->weight);
    }
  g_ptr_array_sort (weights, compare_names);
  return weights;
}
