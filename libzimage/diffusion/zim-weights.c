/* zim-weights.c: collecting a network's weights from a checkpoint
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "diffusion/zim-weights-private.h"

static const ZimWeight *
require (ZimWeights   *self,
         guint         n_dims,
         const gint64 *dims,
         const char   *format,
         va_list       args)
{
  g_autofree char *name = NULL;

  if (self->error != NULL)
    return NULL;
  name = g_strdup_vprintf (format, args);
  return zim_checkpoint_require (self->checkpoint, self->component, name, n_dims, dims, &self->error);
}

const ZimWeight *
zim_weights_vector (ZimWeights *self,
                    gint64      n,
                    const char *format,
                    ...)
{
  const ZimWeight *weight;
  va_list args;

  va_start (args, format);
  weight = require (self, 1, &n, format, args);
  va_end (args);
  return weight;
}

const ZimWeight *
zim_weights_matrix (ZimWeights *self,
                    gint64      rows,
                    gint64      cols,
                    const char *format,
                    ...)
{
  const gint64 dims[] = { rows, cols };
  const ZimWeight *weight;
  va_list args;

  va_start (args, format);
  weight = require (self, 2, dims, format, args);
  va_end (args);
  return weight;
}

const ZimWeight *
zim_weights_kernel (ZimWeights *self,
                    gint64      out,
                    gint64      in,
                    gint64      k,
                    const char *format,
                    ...)
{
  const gint64 dims[] = { out, in, k, k };
  const ZimWeight *weight;
  va_list args;

  va_start (args, format);
  weight = require (self, 4, dims, format, args);
  va_end (args);
  return weight;
}
