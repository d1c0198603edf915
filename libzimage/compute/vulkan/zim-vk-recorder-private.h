/* zim-vk-recorder-private.h: commands, divided into segments that the device does in a tenth of a second at most
 *
 * Between two segments a run can be cancelled, and no driver takes a device for hung. A dispatch that is larger than a
 * segment is divided along its grid, by rows.
 *
 * The first error is kept; what is recorded after it is left out.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-device-private.h"
#include "compute/vulkan/zim-vk-shader-private.h"

G_BEGIN_DECLS

#define ZIM_VK_SEGMENT_SECONDS 0.1

/* A grid of one dimension is folded into rows of that many groups; shaders/common.glsl knows. */
#define ZIM_VK_GRID_ROW 32768u

typedef struct _ZimVkRecorder ZimVkRecorder;

/* Memory that an operation reads or writes */
typedef struct {
  VkDeviceAddress address;
  gsize           size;
  gboolean        is_write;
} ZimVkAccess;

/* rate: work of a second */
ZimVkRecorder   *zim_vk_recorder_new          (ZimVkDevice        *device,
                                               double              rate);
void             zim_vk_recorder_free         (ZimVkRecorder      *self);

/* Begins an operation: it waits for those before it whose results it reads or whose memory it writes. */
void             zim_vk_recorder_begin_op     (ZimVkRecorder      *self,
                                               const ZimVkAccess  *accesses,
                                               guint               n);
/* What the operation recorded before is seen by what it records after. */
void             zim_vk_recorder_barrier      (ZimVkRecorder      *self);
/* What is recorded from now on is in other segments than what was before: the number of the first one. */
guint            zim_vk_recorder_cut          (ZimVkRecorder      *self);
/* Groups of the shader on a grid; work: in the units of the rate, of all of it */
void             zim_vk_recorder_dispatch     (ZimVkRecorder      *self,
                                               const ZimVkShader  *shader,
                                               gconstpointer       constants,
                                               gconstpointer       push,
                                               guint               x,
                                               guint               y,
                                               guint               z,
                                               double              work);
/* n groups on a grid of one dimension */
void             zim_vk_recorder_dispatch_1d  (ZimVkRecorder      *self,
                                               const ZimVkShader  *shader,
                                               gconstpointer       constants,
                                               gconstpointer       push,
                                               guint64             n,
                                               double              work);
/* The time when everything before is done becomes that one of the n queries; the first one begins anew. */
void             zim_vk_recorder_timestamp    (ZimVkRecorder      *self,
                                               VkQueryPool         pool,
                                               guint               query,
                                               guint               n);
gboolean         zim_vk_recorder_finish       (ZimVkRecorder      *self,
                                               GError            **error);

guint            zim_vk_recorder_get_n        (ZimVkRecorder      *self);
VkCommandBuffer  zim_vk_recorder_get          (ZimVkRecorder      *self,
                                               guint               segment);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimVkRecorder, zim_vk_recorder_free)

G_END_DECLS
