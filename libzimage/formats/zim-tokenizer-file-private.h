/* zim-tokenizer-file-private.h: a tokenizer.json of what a GGUF file has of a tokenizer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-gguf-private.h"

G_BEGIN_DECLS

/* How the Qwen2 family splits a text into words. */
#define ZIM_TOKENIZER_PATTERN "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|" \
                              " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

gboolean  zim_tokenizer_file_is_in (ZimGguf  *file);

/* ZIM_ERROR_UNSUPPORTED for a tokenizer that is not of the Qwen2 family. (transfer full) */
GBytes   *zim_tokenizer_file_make  (ZimGguf  *file,
                                    GError  **error);

G_END_DECLS
