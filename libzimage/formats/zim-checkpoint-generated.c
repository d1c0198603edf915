/* zim-checkpoint-generated.c: checkpoints whose weights are computed on request
 *
 * For benchmarks at the model's real sizes without its files, and for tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-checkpoint-internal.h"
#include "zim-error.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <sys/mman.h>

ZimCheckpoint *
zim_checkpoint_new_generated (const ZimConfig *config,
                              GBytes          *tokenizer,
                              ZimDType         dtype,
                              ZimFillFunc      fill,
                              gpointer         user_data)
{
  ZimCheckpoint *self;

  g_return_val_if_fail (config != NULL, NULL);
  g_return_val_if_fail (fill != NULL, NULL);

  self = _zim_checkpoint_new (_("generated weights"));
  zim_config_copy (config, &self->config);
  self->tokenizer = tokenizer != NULL ? g_bytes_ref (tokenizer) : NULL;
  self->dtype = dtype;
  self->fill = fill;
  self->user_data = user_data;
  return self;
}

static gboolean
set_shape (ZimWeight     *weight,
           guint          n_dims,
           const gint64  *dims,
           GError       **error)
{
  gsize size = zim_dtype_size (weight->dtype);
  gboolean ok = n_dims <= ZIM_MAX_DIMS;

  for (guint i = 0; ok && i < n_dims; i++)
    {
      weight->dims[i] = dims[i];
      ok = dims[i] >= 0 && !__builtin_mul_overflow (size, (gsize) dims[i], &size);
    }
  weight->n_dims = n_dims;
  weight->size = size;
  if (!ok)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_SHAPE,
                 _("Tensor “%s” cannot be generated: it has no valid shape"),
                 weight->name);
  return ok;
}

/* Pages of its own: a tensor can be gigabytes, and malloc () would abort the program. */
static gboolean
allocate (ZimEntry  *entry,
          GError   **error)
{
  gsize size = MAX (entry->weight.size, 1);
  void *data = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (data == MAP_FAILED)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY,
                   _("Tensor “%s” cannot be generated: %zu bytes: %s"),
                   entry->weight.name, entry->weight.size, g_strerror (errno));
      return FALSE;
    }
  entry->weight.data = data;
  entry->mapped = size;
  return TRUE;
}

const ZimEntry *
_zim_checkpoint_generate (ZimCheckpoint  *self,
                          ZimComponent    component,
                          const char     *name,
                          guint           n_dims,
                          const gint64   *dims,
                          GError        **error)
{
  ZimEntry *entry = g_new0 (ZimEntry, 1);

  entry->path = self->path;
  entry->name = g_strconcat (_zim_component_get_name (component), "/", name, NULL);
  entry->weight.name = strchr (entry->name, '/') + 1;
  entry->weight.dtype = self->dtype;
  if (!set_shape (&entry->weight, n_dims, dims, error) || !allocate (entry, error))
    {
      g_free (entry->name);
      g_free (entry);
      return NULL;
    }
  self->fill (entry->name, n_dims, dims, self->dtype, (void *) entry->weight.data, self->user_data);
  return _zim_checkpoint_add (self, component, entry, error) ? entry : NULL;
}
