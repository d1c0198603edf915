/* zim-vk-times-private.h: how long each kind of operation takes (ZIM_DEBUG=time)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-recorder-private.h"
#include "compute/zim-program-private.h"

G_BEGIN_DECLS

typedef struct _ZimVkTimes ZimVkTimes;

/* NULL if nobody wants to know, or the device has no clock. */
ZimVkTimes *zim_vk_times_new   (ZimVkDevice    *device,
                                ZimProgram     *program);
void        zim_vk_times_free  (ZimVkTimes     *self);

/* So many operations are recorded. self: (nullable) */
void        zim_vk_times_mark  (ZimVkTimes     *self,
                                ZimVkRecorder  *recorder,
                                guint           n_done);
/* Prints the sums of a run. self: (nullable) */
void        zim_vk_times_print (ZimVkTimes     *self);

G_END_DECLS
