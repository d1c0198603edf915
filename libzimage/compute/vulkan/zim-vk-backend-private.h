/* zim-vk-backend-private.h: what the backend and its executables share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-ops-private.h"
#include "compute/vulkan/zim-vk-private.h"

G_BEGIN_DECLS

#define ZIM_TYPE_VK_BACKEND (zim_vk_backend_get_type ())
G_DECLARE_FINAL_TYPE (ZimVkBackend, zim_vk_backend, ZIM, VK_BACKEND, ZimBackend)

struct _ZimVkBackend {
  ZimBackend    parent_instance;

  ZimVkDevice  *device;
  ZimVkWeights *weights;
  GArray       *arena;      /* of ZimVkSpan, each of arena_chunk bytes but the last */
  gsize         arena_size;
  gsize         arena_chunk;
  guint         arena_age;  /* raised whenever the arena moves: recorded addresses are worth nothing then */
};

/* The place of that byte of the arena. */
const ZimVkSpan *zim_vk_backend_find_chunk (ZimVkBackend   *self,
                                            gsize           offset);

ZimExecutable   *zim_vk_executable_new     (ZimVkBackend   *backend,
                                            ZimProgram     *program,
                                            ZimPrecision    precision,
                                            GError        **error);

const ZimVkOpClass *zim_vk_op_class        (ZimOpKind       kind);

G_END_DECLS
