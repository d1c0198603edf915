/* fuzz-tokenizer.c: any bytes as the JSON of a tokenizer, which then has to do with some texts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "fuzz.h"
#include "text/zim-tokenizer-private.h"

#include <stdlib.h>

int
LLVMFuzzerTestOneInput (const guint8 *data,
                        size_t        size)
{
  static const char *const texts[] = {
    "", "a sunset over mountains", "It's 2026,  isn't it?\r\n\n\tÄ 山 é <|x|><|y|>", "\xf0\x9f\x8c\x84\xef\xbf\xbd",
  };
  g_autoptr(GBytes) bytes = g_bytes_new (data, size);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimTokenizer) tokenizer = zim_tokenizer_new (bytes, "fuzz", &error);

  if ((tokenizer == NULL) == (error == NULL))
    abort ();
  for (guint i = 0; tokenizer != NULL && i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr(GArray) ids = zim_tokenizer_encode (tokenizer, texts[i], -1);

      for (guint j = 0; j < ids->len; j++)
        {
          gint32 id = g_array_index (ids, gint32, j);

          if (id < 0 || (guint) id >= zim_tokenizer_get_n_ids (tokenizer))
            abort ();
        }
    }
  return 0;
}
