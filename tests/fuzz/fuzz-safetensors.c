/* fuzz-safetensors.c: any bytes as a safetensors file, and as the header of one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-safetensors-private.h"
#include "fuzz.h"

#include <stdlib.h>

/* Reads every byte that a file claims to have, so that a sanitizer sees one too many. */
static void
read_all (ZimSafetensors *tensors)
{
  static volatile guint8 sink;

  for (guint i = 0; i < zim_safetensors_get_n (tensors); i++)
    {
      const ZimWeight *weight = zim_safetensors_get (tensors, i);
      gsize size = (gsize) zim_weight_n_elements (weight) * zim_dtype_size (weight->dtype);

      if (size != weight->size || zim_safetensors_lookup (tensors, weight->name) != weight)
        abort ();
      for (gsize j = 0; j < size; j++)
        sink ^= weight->data[j];
    }
  (void) sink;
  zim_safetensors_get_metadata (tensors, "format");
}

static void
try_file (const void *data,
          gsize       size)
{
  /* A copy of its own length: nothing readable lies behind it. */
  g_autofree void *copy = g_memdup2 (data, size);
  g_autoptr(GBytes) bytes = g_bytes_new_static (copy, size);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimSafetensors) tensors = zim_safetensors_new_from_bytes (bytes, "fuzz", &error);

  if ((tensors == NULL) == (error == NULL))
    abort ();
  if (tensors != NULL)
    read_all (tensors);
}

/* The bytes as a header with the right length before it and some data behind it. */
static void
try_header (const guint8 *data,
            gsize         size)
{
  g_autoptr(GByteArray) file = g_byte_array_new ();
  guint64 length = size;

  g_byte_array_append (file, (const guint8 *) &length, sizeof length);
  g_byte_array_append (file, data, (guint) size);
  g_byte_array_append (file, (const guint8 *) "0123456789abcdef0123456789abcdef", 32);
  try_file (file->data, file->len);
}

int
LLVMFuzzerTestOneInput (const guint8 *data,
                        size_t        size)
{
  try_file (data, size);
  try_header (data, size);
  return 0;
}
