/* zim-dump.c: named tensors of a run, collected for a safetensors file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-safetensors-private.h"
#include "zim-dump-private.h"

struct _ZimDump {
  GArray *weights; /* of ZimWeight; name and data are owned */
  char   *prefix;
};

static void
clear_weight (gpointer data)
{
  ZimWeight *weight = data;

  g_free ((char *) weight->name);
  g_free ((guint8 *) weight->data);
}

ZimDump *
zim_dump_new (void)
{
  ZimDump *self = g_new0 (ZimDump, 1);

  self->weights = g_array_new (FALSE, FALSE, sizeof (ZimWeight));
  g_array_set_clear_func (self->weights, clear_weight);
  self->prefix = g_strdup ("");
  return self;
}

void
zim_dump_free (ZimDump *self)
{
  g_array_unref (self->weights);
  g_free (self->prefix);
  g_free (self);
}

void
zim_dump_set_prefix (ZimDump    *self,
                     const char *format,
                     ...)
{
  va_list args;

  va_start (args, format);
  g_free (self->prefix);
  self->prefix = g_strdup_vprintf (format, args);
  va_end (args);
}

void
zim_dump_add (const char  *name,
              gint64       rows,
              gint64       cols,
              const float *data,
              gpointer     user_data)
{
  ZimDump *self = user_data;
  ZimWeight weight = {
    .name = g_strconcat (self->prefix, name, NULL),
    .dtype = ZIM_DTYPE_F32,
    .n_dims = 2,
    .dims = { rows, cols },
    .size = (gsize) rows * cols * sizeof *data,
  };

  weight.data = g_memdup2 (data, weight.size);
  g_array_append_val (self->weights, weight);
}

void
zim_dump_add_ids (ZimDump      *self,
                  const gint32 *ids,
                  guint         n)
{
  ZimWeight weight = {
    .name = g_strconcat (self->prefix, "text.ids", NULL),
    .dtype = ZIM_DTYPE_I32,
    .n_dims = 1,
    .dims = { n },
    .data = g_memdup2 (ids, n * sizeof *ids),
    .size = n * sizeof *ids,
  };

  g_array_append_val (self->weights, weight);
}

gboolean
zim_dump_write (ZimDump     *self,
                const char  *path,
                GError     **error)
{
  return zim_safetensors_write (path, (const ZimWeight *) (gpointer) self->weights->data, self->weights->len, error);
}
