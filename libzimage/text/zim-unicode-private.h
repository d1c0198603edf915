/* zim-unicode-private.h: character classes and NFC as the reference tokenizer has them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  ZIM_CHAR_OTHER,
  ZIM_CHAR_LETTER,  /* \p{L} */
  ZIM_CHAR_NUMBER,  /* \p{N} */
  ZIM_CHAR_SPACE,   /* \s but for the next two */
  ZIM_CHAR_NEWLINE, /* CR and LF */
} ZimCharClass;

ZimCharClass  zim_unicode_classify    (gunichar     c);

/* Appends text in normalization form C. text is valid UTF-8 of length bytes. */
void          zim_unicode_append_nfc  (GString     *out,
                                       const char  *text,
                                       gsize        length);

G_END_DECLS
