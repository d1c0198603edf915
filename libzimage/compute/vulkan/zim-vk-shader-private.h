/* zim-vk-shader-private.h: a compiled shader and the size of its interface
 *
 * The shaders themselves are in zim-vk-shaders.h, which shaders/generate-interface.py makes from shaders/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define ZIM_VK_MAX_CONSTANTS 12
#define ZIM_VK_MAX_PUSH_SIZE 128

typedef struct {
  const char    *name;
  const guint32 *code;
  gsize          code_size;      /* bytes */
  guint          push_size;      /* bytes */
  guint          n_constants;    /* the first of them is the size of a group */
  gboolean       full_subgroups; /* groups are of whole subgroups of the device's matrices */
} ZimVkShader;

G_END_DECLS
