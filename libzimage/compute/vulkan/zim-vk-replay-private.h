/* zim-vk-replay-private.h: recorded segments, submitted together with the weights that are streamed for them
 *
 * Operations that follow one another make a group, whose streamed weights fit into half of a window. While the device
 * computes with one half, the weights of the next group are uploaded to the other one, as soon as the group before has
 * no more use for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/vulkan/zim-vk-recorder-private.h"
#include "compute/vulkan/zim-vk-weights-private.h"

G_BEGIN_DECLS

typedef struct _ZimVkReplay ZimVkReplay;

ZimVkReplay *zim_vk_replay_new        (ZimVkDevice    *device,
                                       ZimVkWeights   *weights);
void         zim_vk_replay_free       (ZimVkReplay    *self);

/* Recording, anew. The recorder lasts until the next time. */
void         zim_vk_replay_begin      (ZimVkReplay    *self,
                                       ZimVkRecorder  *recorder);
/* The operation that is recorded next computes with these; NULL is none. Those that are streamed get their places. */
void         zim_vk_replay_place      (ZimVkReplay    *self,
                                       ZimVkPacking  **packings,
                                       guint           n);
void         zim_vk_replay_end        (ZimVkReplay    *self);

/* Whether the places are still those of what was recorded */
gboolean     zim_vk_replay_is_current (ZimVkReplay    *self);

/* Submits everything. Some segments are ahead of what is done, and between them it can be cancelled; however it ends,
 * nothing of it runs on. */
gboolean     zim_vk_replay_run        (ZimVkReplay    *self,
                                       GCancellable   *cancellable,
                                       GError        **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimVkReplay, zim_vk_replay_free)

G_END_DECLS
