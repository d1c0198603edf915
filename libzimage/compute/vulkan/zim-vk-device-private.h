/* zim-vk-device-private.h: a logical device, its queues, and how its errors are told
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-instance-private.h"

G_BEGIN_DECLS

/* Work is submitted in order, and each submission raises the timeline by one. */
typedef struct {
  VkQueue       handle;
  guint         family;
  VkCommandPool pool;
  VkSemaphore   timeline;
  guint64       submitted; /* the value after the last submission */
  guint64       after;     /* how far in the other queue's timeline submissions wait, if so much was submitted there */
} ZimVkQueue;

typedef struct _ZimVkMemory ZimVkMemory;
typedef struct _ZimVkPipelines ZimVkPipelines;
typedef struct _ZimVkTransfer ZimVkTransfer;
typedef struct _ZimVkTuning ZimVkTuning;

typedef struct {
  const ZimVkPhysical  *physical;
  VkDevice              handle;
  ZimVkDeviceFunctions  vk;
  ZimVkQueue            compute;
  ZimVkQueue            copy;      /* of the transfer family; unused if has_copy_queue is FALSE */
  gboolean              has_copy_queue;
  gboolean              is_lost;
  gboolean              has_coop;  /* cooperative matrices, and they are not disabled */
  ZimVkMemory          *memory;
  ZimVkTransfer        *transfer;
  ZimVkPipelines       *pipelines;
  ZimVkTuning          *tuning;
  gboolean              measures;  /* the times of operations, also without ZIM_DEBUG=time */
  double                rate;      /* FLOP/s of plain products, 0 until it is measured */
} ZimVkDevice;

ZimVkDevice     *zim_vk_device_new      (guint            index,
                                         GError         **error);
void             zim_vk_device_free     (ZimVkDevice     *self);

/* The queue for uploads: that for copies, else the one that computes. */
ZimVkQueue      *zim_vk_device_get_copy_queue (ZimVkDevice *self);

/* TRUE for success; else an error that says what to do. call: the function that failed */
gboolean         zim_vk_check           (ZimVkDevice     *self,
                                         VkResult         result,
                                         const char      *call,
                                         GError         **error);

/* A command buffer of the queue's pool, begun. */
VkCommandBuffer  zim_vk_queue_begin     (ZimVkDevice     *self,
                                         ZimVkQueue      *queue,
                                         GError         **error);
/* Submits commands that wait for everything that was submitted to the other queue before, or for as much of it as the
 * queue's “after” says. */
gboolean         zim_vk_queue_submit    (ZimVkDevice     *self,
                                         ZimVkQueue      *queue,
                                         VkCommandBuffer  commands,
                                         GError         **error);
/* Waits until the timeline has come to value. */
gboolean         zim_vk_queue_wait      (ZimVkDevice     *self,
                                         ZimVkQueue      *queue,
                                         guint64          value,
                                         GError         **error);

/* Everything written before is seen by everything after, on the device and on the host. */
void             zim_vk_barrier         (ZimVkDevice     *self,
                                         VkCommandBuffer  commands);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimVkDevice, zim_vk_device_free)

G_END_DECLS
