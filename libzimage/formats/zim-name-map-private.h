/* zim-name-map-private.h: what other programs call the tensors of diffusers and transformers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

#include "formats/zim-checkpoint-private.h"

G_BEGIN_DECLS

/* The names in use here of a tensor that a file calls stored (without the file's prefix): one,
 * or three for a tensor whose rows are q, k and v in this order. A name that no rule knows stays
 * as it is. n_up_blocks is the number of the decoder's up blocks, which LDM numbers from the
 * other end. */
GStrv     zim_name_map        (ZimComponent   component,
                               const char    *stored,
                               guint          n_up_blocks);

/* Whether name starts with pattern, in which # stands for a number; the first of them goes to
 * index. */
gboolean  zim_name_map_match  (const char    *name,
                               const char    *pattern,
                               guint         *index);

G_END_DECLS
