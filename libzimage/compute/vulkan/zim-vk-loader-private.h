/* zim-vk-loader-private.h: the functions of libvulkan, looked up by name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#define VK_NO_PROTOTYPES
#include <gio/gio.h>
#include <vulkan/vulkan.h>

#include "compute/vulkan/zim-vk-coop-private.h"

G_BEGIN_DECLS

#define ZIM_VK_INSTANCE_FUNCTIONS(X)                  \
  X (CreateDevice)                                    \
  X (DestroyInstance)                                 \
  X (EnumerateDeviceExtensionProperties)              \
  X (EnumeratePhysicalDevices)                        \
  X (GetDeviceProcAddr)                               \
  X (GetPhysicalDeviceCooperativeMatrixPropertiesKHR) \
  X (GetPhysicalDeviceFeatures2)                      \
  X (GetPhysicalDeviceMemoryProperties2)              \
  X (GetPhysicalDeviceProperties2)                    \
  X (GetPhysicalDeviceQueueFamilyProperties)

#define ZIM_VK_DEVICE_FUNCTIONS(X) \
  X (AllocateCommandBuffers)       \
  X (AllocateMemory)               \
  X (BeginCommandBuffer)           \
  X (BindBufferMemory)             \
  X (CmdBindPipeline)              \
  X (CmdCopyBuffer)                \
  X (CmdDispatchBase)              \
  X (CmdPipelineBarrier)           \
  X (CmdPushConstants)             \
  X (CmdResetQueryPool)            \
  X (CmdWriteTimestamp)            \
  X (CreateBuffer)                 \
  X (CreateCommandPool)            \
  X (CreateComputePipelines)       \
  X (CreatePipelineCache)          \
  X (CreatePipelineLayout)         \
  X (CreateQueryPool)              \
  X (CreateSemaphore)              \
  X (CreateShaderModule)           \
  X (DestroyBuffer)                \
  X (DestroyCommandPool)           \
  X (DestroyDevice)                \
  X (DestroyPipeline)              \
  X (DestroyPipelineCache)         \
  X (DestroyPipelineLayout)        \
  X (DestroyQueryPool)             \
  X (DestroySemaphore)             \
  X (DestroyShaderModule)          \
  X (DeviceWaitIdle)               \
  X (EndCommandBuffer)             \
  X (FreeCommandBuffers)           \
  X (FreeMemory)                   \
  X (GetBufferDeviceAddress)       \
  X (GetBufferMemoryRequirements)  \
  X (GetDeviceQueue)               \
  X (GetPipelineCacheData)         \
  X (GetQueryPoolResults)          \
  X (MapMemory)                    \
  X (QueueSubmit)                  \
  X (WaitSemaphores)

#define ZIM_VK_MEMBER(name) PFN_vk##name name;

typedef struct {
  ZIM_VK_INSTANCE_FUNCTIONS (ZIM_VK_MEMBER)
} ZimVkInstanceFunctions;

typedef struct {
  ZIM_VK_DEVICE_FUNCTIONS (ZIM_VK_MEMBER)
} ZimVkDeviceFunctions;

#undef ZIM_VK_MEMBER

/* vkGetInstanceProcAddr () of libvulkan, which stays open; NULL with an error that says what to install. */
PFN_vkGetInstanceProcAddr zim_vk_loader_open     (GError                    **error);
void                      zim_vk_load_instance   (PFN_vkGetInstanceProcAddr   get,
                                                  VkInstance                  instance,
                                                  ZimVkInstanceFunctions     *functions);
void                      zim_vk_load_device     (PFN_vkGetDeviceProcAddr     get,
                                                  VkDevice                    device,
                                                  ZimVkDeviceFunctions       *functions);

/* “VK_ERROR_DEVICE_LOST” */
const char               *zim_vk_result_name     (VkResult                    result);

G_END_DECLS
