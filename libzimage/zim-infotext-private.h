/* zim-infotext-private.h: parameters as the text that image tools keep in a picture
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "zim-params.h"

G_BEGIN_DECLS

/* The text that stable-diffusion-webui began and others read: the prompt, a line “Negative prompt: …” if there is
 * one, and a last line “Steps: 8, Sampler: Euler, …”. What is left to the model is left out. */
char      *zim_infotext_format (ZimParams   *params,
                                const char  *model_name); /* (nullable) */

/* Reads such a text, of whatever program. What it lacks keeps its default; what is unknown is dropped. Never fails.
 * model_name: (out) (nullable) (transfer full). */
ZimParams *zim_infotext_parse  (const char  *text,
                                char       **model_name);

G_END_DECLS
