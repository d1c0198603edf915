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
  guint64       budget;     /* bytes that all memory may take */
  gsize         arena_chunk;
  guint         arena_age;  /* raised whenever the arena moves: recorded addresses are worth nothing then */
};

/* What a ZimState's handle is */
typedef struct {
  ZimVkSpan  span;
  GError    *error; /* (nullable): why it has not what was written to it; whoever reads it is told so */
} ZimVkState;

/* The place of that byte of the arena. */
const ZimVkSpan *zim_vk_backend_find_chunk (ZimVkBackend   *self,
                                            gsize           offset);

/* A state's memory is made when it is first written or computed with. */
gboolean         zim_vk_backend_make_state (ZimVkBackend   *self,
                                            ZimState       *state,
                                            GError        **error);

/* Bytes of its memory beside the arena */
gsize            zim_vk_executable_get_own_size (ZimExecutable *executable);
/* Adds the packings that it has and list has not, in the order in which they are computed with. Returns the most bytes
 * that the weights of one of its operations take. */
gsize            zim_vk_executable_list_packings (ZimExecutable *executable,
                                                  GPtrArray     *list,
                                                  GHashTable    *seen);

/* Milliseconds of the last run that all operations of that kind took; 0 if they were not measured */
double           zim_vk_executable_get_time (ZimExecutable  *executable,
                                             ZimOpKind       kind);

ZimExecutable   *zim_vk_executable_new     (ZimVkBackend   *backend,
                                            ZimProgram     *program,
                                            ZimPrecision    precision,
                                            GError        **error);

const ZimVkOpClass *zim_vk_op_class        (ZimOpKind       kind);

G_END_DECLS
