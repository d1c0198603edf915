/* zim-vk-instance-private.h: the instance and the physical devices, one of each for the process
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-loader-private.h"
#include "compute/vulkan/zim-vk-private.h"

G_BEGIN_DECLS

/* A device that can run programs. */
typedef struct {
  ZimVkInfo                        info;
  VkPhysicalDevice                 handle;
  VkPhysicalDeviceProperties       properties;
  VkPhysicalDeviceVulkan11Features features11;
  VkPhysicalDeviceVulkan12Features features12;
  VkPhysicalDeviceMemoryProperties memory;
  guint                            subgroup_size;
  ZimVkCoop                        coop;
  gsize                            max_allocation;
  guint                            compute_family;
  guint                            transfer_family; /* the same where there is none of its own */
  guint                            timestamp_bits;
  gboolean                         has_memory_budget;
} ZimVkPhysical;

typedef struct {
  VkInstance             handle;
  ZimVkInstanceFunctions vk;
  GPtrArray             *devices; /* of ZimVkPhysical, the best first */
} ZimVkInstance;

/* Made when it is first asked for, and again if that failed. */
const ZimVkInstance *zim_vk_instance_get        (GError              **error);

/* Bytes that are free in the device's largest heap, as the driver guesses; its size where it does not tell. */
guint64              zim_vk_physical_get_free   (const ZimVkPhysical  *self);

G_END_DECLS
