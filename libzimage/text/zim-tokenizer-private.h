/* zim-tokenizer-private.h: the Qwen2 family's byte-level BPE tokenizer, from tokenizer.json
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _ZimTokenizer ZimTokenizer; /* reference counted, immutable: any thread */

/* source names the file in errors: ZIM_ERROR_BAD_FILE, or ZIM_ERROR_UNSUPPORTED for a tokenizer that
 * is not of the Qwen2 family. */
ZimTokenizer *zim_tokenizer_new         (GBytes        *json,
                                         const char    *source,
                                         GError       **error);
ZimTokenizer *zim_tokenizer_ref         (ZimTokenizer  *self);
void          zim_tokenizer_unref       (ZimTokenizer  *self);

/* The ids of a text, added tokens matched first, nothing added at either end. text is valid UTF-8 of
 * length bytes, −1: up to its NUL; there is none before. */
GArray       *zim_tokenizer_encode      (ZimTokenizer  *self,
                                         const char    *text,
                                         gssize         length); /* (transfer full) of gint32 */

guint         zim_tokenizer_get_n_ids   (ZimTokenizer  *self); /* one more than the largest id */

/* The prompt in the chat template that Z-Image was trained with (user turn, generation prompt,
 * thinking enabled and so no think block), verbatim. */
char         *zim_chat_template_render  (const char    *prompt);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimTokenizer, zim_tokenizer_unref)

G_END_DECLS
