/* zim-tensor-set.c: the named tensors of a file, whatever its format
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-tensor-set-private.h"

void
zim_tensor_set_init (ZimTensorSet *self,
                     const char   *path,
                     const guint8 *base)
{
  self->path = path;
  self->base = base;
  self->weights = g_array_new (FALSE, FALSE, sizeof (ZimWeight));
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  self->foreign = g_hash_table_new (g_str_hash, g_str_equal);
  self->others = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
}

void
zim_tensor_set_clear (ZimTensorSet *self)
{
  g_hash_table_unref (self->others);
  g_hash_table_unref (self->foreign);
  g_hash_table_unref (self->by_name);
  g_array_unref (self->weights);
}

void
zim_tensor_set_add (ZimTensorSet    *self,
                    const ZimWeight *weight)
{
  g_hash_table_insert (self->by_name, (char *) weight->name, GUINT_TO_POINTER (self->weights->len));
  g_array_append_vals (self->weights, weight, 1);
}

void
zim_tensor_set_add_foreign (ZimTensorSet    *self,
                            const ZimWeight *weight,
                            const char      *type)
{
  g_hash_table_insert (self->foreign, (char *) weight->name, (char *) type);
  g_hash_table_insert (self->others, (char *) weight->name, g_memdup2 (weight, sizeof *weight));
}

const ZimWeight *
zim_tensor_set_lookup (const ZimTensorSet *self,
                       const char         *name)
{
  gpointer index;

  if (!g_hash_table_lookup_extended (self->by_name, name, NULL, &index))
    return NULL;
  return &g_array_index (self->weights, ZimWeight, GPOINTER_TO_UINT (index));
}

gboolean
zim_tensor_set_has (const ZimTensorSet *self,
                    const char         *name)
{
  return g_hash_table_contains (self->by_name, name) || g_hash_table_contains (self->foreign, name);
}
