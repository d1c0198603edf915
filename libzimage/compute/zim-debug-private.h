/* zim-debug-private.h: what the environment asks to be told or to be left out
 *
 * ZIM_DEBUG and ZIM_DISABLE are lists of the words below with commas between; they are read again at each call, which
 * is never in a loop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  ZIM_DEBUG_OPS = 1 << 0,        /* ops: programs as they are compiled, and the kernels chosen */
  ZIM_DEBUG_MEMORY = 1 << 1,     /* memory: what is allocated */
  ZIM_DEBUG_TIME = 1 << 2,       /* time: how long each kind of operation took */
  ZIM_DEBUG_VALIDATION = 1 << 3, /* validation: what Vulkan's validation layer says is a warning */
} ZimDebugFlags;

typedef enum {
  ZIM_DISABLE_SPLIT = 1 << 0,   /* split: products are not divided along k */
  ZIM_DISABLE_MAPPING = 1 << 1, /* mapping: device memory is not written by the host */
  ZIM_DISABLE_CACHE = 1 << 2,   /* cache: pipelines are neither read from disk nor written */
  ZIM_DISABLE_COOPMAT = 1 << 3, /* coopmat: cooperative matrices are left alone */
  ZIM_DISABLE_NARROW = 1 << 4,  /* narrow: nothing is stored in 16 bits */
} ZimDisableFlags;

gboolean zim_debug       (ZimDebugFlags    flag);
gboolean zim_is_disabled (ZimDisableFlags  flag);

/* A line to standard error, “zimage: …” */
void     zim_debug_print (const char      *format,
                          ...) G_GNUC_PRINTF (1, 2);

G_END_DECLS
