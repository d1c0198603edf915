/* zim-vk-times-private.h: how long each kind of operation takes (ZIM_DEBUG=time, and tuning)
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
/* Milliseconds of the last run that all operations of that kind took; 0 if they were not measured. self: (nullable) */
double      zim_vk_times_get   (ZimVkTimes     *self,
                                ZimOpKind       kind);
/* Prints the sums of a run, if ZIM_DEBUG asks for it. self: (nullable) */
void        zim_vk_times_print (ZimVkTimes     *self);

G_END_DECLS
