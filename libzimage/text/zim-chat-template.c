/* zim-chat-template.c: the turn that a prompt is put into
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "text/zim-tokenizer-private.h"

char *
zim_chat_template_render (const char *prompt)
{
  g_return_val_if_fail (prompt != NULL, NULL);

  return g_strconcat ("<|im_start|>user\n", prompt, "<|im_end|>\n<|im_start|>assistant\n", NULL);
}
