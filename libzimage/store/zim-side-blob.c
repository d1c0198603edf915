/* zim-side-blob.c: the small tensors that say how the values of a large one are meant
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-side-blob-private.h"
#include "store/zim-tensor-header-private.h"

#define SCALE_SUFFIX ".weight_scale"
#define QUANT_SUFFIX ".comfy_quant"

static char *
describe_rotation (const ZimWeight *weight)
{
  return g_strdup_printf ("{\"format\":\"int8_tensorwise\",\"convrot\":true,\"convrot_groupsize\":%u}",
                          weight->rotation);
}

guint
zim_side_blobs_list (const ZimWeight *weight,
                     gboolean         has_scales,
                     ZimSideBlob     *sides)
{
  guint n = 0;

  if (has_scales && !zim_dtype_is_affine (weight->dtype))
    {
      /* One may be for more than this weight: for the three of which one tensor was made. */
      gint64 n_scales = MAX (1, zim_weight_n_elements (weight) / (gint64) weight->group);

      sides[n++] = (ZimSideBlob) { .suffix = SCALE_SUFFIX, .dtype = "F32", .n_dims = n_scales > 1 ? 1 : 0,
                                   .dims = { n_scales } };
    }
  if (weight->rotation != 0)
    {
      g_autofree char *text = describe_rotation (weight);

      sides[n++] = (ZimSideBlob) { .suffix = QUANT_SUFFIX, .dtype = "U8", .n_dims = 1,
                                   .dims = { (gint64) strlen (text) } };
    }
  return n;
}

gboolean
zim_side_blob_put (ZimSideBlob      *self,
                   const ZimWeight  *weight,
                   const char       *root,
                   GError          **error)
{
  g_autofree char *text = NULL;
  const void *data = weight->scales;
  gsize size = (gsize) (self->n_dims > 0 ? self->dims[0] : 1) * sizeof (float);
  g_autoptr(GString) header = NULL;
  g_autoptr(GByteArray) file = g_byte_array_new ();
  g_autoptr(GBytes) bytes = NULL;
  guint64 length;

  if (strcmp (self->suffix, QUANT_SUFFIX) == 0)
    {
      data = text = describe_rotation (weight);
      size = strlen (text);
    }
  header = zim_tensor_header_data (self->dtype, self->n_dims, self->dims, size);
  length = GUINT64_TO_LE ((guint64) header->len);
  g_byte_array_append (file, (const guint8 *) &length, sizeof length);
  g_byte_array_append (file, (const guint8 *) header->str, (guint) header->len);
  g_byte_array_append (file, data, (guint) size);
  bytes = g_byte_array_free_to_bytes (g_steal_pointer (&file));
  self->size = g_bytes_get_size (bytes);
  return zim_blobs_put (root, bytes, self->hex, error);
}
