/* fuzz-gguf.c: any bytes as a GGUF file, and its tokenizer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-tokenizer-file-private.h"
#include "fuzz.h"

#include <stdlib.h>

/* Reads every byte that a file claims to have, so that a sanitizer sees one too many. */
static void
read_tensors (ZimGguf *file)
{
  static volatile guint8 sink;
  const ZimTensorSet *set = zim_gguf_get_set (file);

  for (guint i = 0; i < set->weights->len; i++)
    {
      const ZimWeight *weight = &g_array_index (set->weights, ZimWeight, i);
      gsize n = (gsize) zim_weight_n_elements (weight);

      if (weight->size != zim_dtype_row_size (weight->dtype, n) ||
          zim_tensor_set_lookup (set, weight->name) != weight)
        abort ();
      for (gsize j = 0; j < weight->size; j++)
        sink ^= weight->data[j];
    }
  (void) sink;
}

static void
read_tokenizer (ZimGguf *file)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) json = zim_tokenizer_file_make (file, &error);

  if ((json == NULL) == (error == NULL) || (json != NULL && !zim_tokenizer_file_is_in (file)))
    abort ();
}

int
LLVMFuzzerTestOneInput (const guint8 *data,
                        size_t        size)
{
  /* A copy of its own length: nothing readable lies behind it. */
  g_autofree void *copy = g_memdup2 (data, size);
  g_autoptr(GBytes) bytes = g_bytes_new_static (copy, size);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimGguf) file = zim_gguf_new_from_bytes (bytes, "fuzz", &error);

  if ((file == NULL) == (error == NULL) || (file != NULL && !zim_gguf_recognize (bytes)))
    abort ();
  if (file != NULL)
    {
      read_tensors (file);
      read_tokenizer (file);
    }
  return 0;
}
