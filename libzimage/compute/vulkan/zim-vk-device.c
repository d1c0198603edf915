/* zim-vk-device.c: a logical device, its queues, and how its errors are told
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "compute/vulkan/zim-vk-device-private.h"
#include "compute/vulkan/zim-vk-memory-private.h"
#include "compute/vulkan/zim-vk-pipeline-private.h"
#include "compute/vulkan/zim-vk-transfer-private.h"
#include "compute/vulkan/zim-vk-tune-private.h"
#include "compute/zim-debug-private.h"
#include "zim-error.h"

gboolean
zim_vk_check (ZimVkDevice  *self,
              VkResult      result,
              const char   *call,
              GError      **error)
{
  const char *name = self->physical->info.name;

  switch ((int) result)
    {
    case VK_SUCCESS:
      return TRUE;
    case VK_ERROR_DEVICE_LOST:
      self->is_lost = TRUE;
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE,
                   _("The device “%s” was lost: its driver was reset or updated, or it crashed. Try again; if it "
                     "happens each time, update the driver"),
                   name);
      return FALSE;
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY,
                   _("The device “%s” is out of memory (%s). Choose a smaller picture, close other programs that use "
                     "the device, or choose “cpu”"),
                   name, call);
      return FALSE;
    default:
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE, _("The device “%s” fails: %s gives %s"), name, call,
                   zim_vk_result_name (result));
      return FALSE;
    }
}

/* Queues */

static gboolean
queue_init (ZimVkDevice  *self,
            ZimVkQueue   *queue,
            guint         family,
            GError      **error)
{
  VkCommandPoolCreateInfo pool = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
    .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
    .queueFamilyIndex = family,
  };
  VkSemaphoreTypeCreateInfo type = {
    .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
    .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
  };
  VkSemaphoreCreateInfo timeline = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type };

  queue->family = family;
  queue->after = G_MAXUINT64;
  self->vk.GetDeviceQueue (self->handle, family, 0, &queue->handle);
  return zim_vk_check (self, self->vk.CreateCommandPool (self->handle, &pool, NULL, &queue->pool),
                       "vkCreateCommandPool", error) &&
         zim_vk_check (self, self->vk.CreateSemaphore (self->handle, &timeline, NULL, &queue->timeline),
                       "vkCreateSemaphore", error);
}

static void
queue_clear (ZimVkDevice *self,
             ZimVkQueue  *queue)
{
  self->vk.DestroySemaphore (self->handle, queue->timeline, NULL);
  self->vk.DestroyCommandPool (self->handle, queue->pool, NULL);
}

ZimVkQueue *
zim_vk_device_get_copy_queue (ZimVkDevice *self)
{
  return self->has_copy_queue ? &self->copy : &self->compute;
}

VkCommandBuffer
zim_vk_queue_begin (ZimVkDevice  *self,
                    ZimVkQueue   *queue,
                    GError      **error)
{
  VkCommandBufferAllocateInfo allocate = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
    .commandPool = queue->pool,
    .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
    .commandBufferCount = 1,
  };
  VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
  VkCommandBuffer commands = NULL;

  if (!zim_vk_check (self, self->vk.AllocateCommandBuffers (self->handle, &allocate, &commands),
                     "vkAllocateCommandBuffers", error))
    return NULL;
  if (zim_vk_check (self, self->vk.BeginCommandBuffer (commands, &begin), "vkBeginCommandBuffer", error))
    return commands;
  self->vk.FreeCommandBuffers (self->handle, queue->pool, 1, &commands);
  return NULL;
}

gboolean
zim_vk_queue_submit (ZimVkDevice      *self,
                     ZimVkQueue       *queue,
                     VkCommandBuffer   commands,
                     GError          **error)
{
  const ZimVkQueue *other = queue == &self->copy ? &self->compute : &self->copy;
  guint64 value = queue->submitted + 1;
  guint64 after = MIN (other->submitted, queue->after);
  VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
  VkTimelineSemaphoreSubmitInfo timeline = {
    .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
    .waitSemaphoreValueCount = self->has_copy_queue ? 1 : 0,
    .pWaitSemaphoreValues = &after,
    .signalSemaphoreValueCount = 1,
    .pSignalSemaphoreValues = &value,
  };
  VkSubmitInfo info = {
    .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
    .pNext = &timeline,
    .waitSemaphoreCount = self->has_copy_queue ? 1 : 0,
    .pWaitSemaphores = &other->timeline,
    .pWaitDstStageMask = &stage,
    .commandBufferCount = 1,
    .pCommandBuffers = &commands,
    .signalSemaphoreCount = 1,
    .pSignalSemaphores = &queue->timeline,
  };

  if (!zim_vk_check (self, self->vk.QueueSubmit (queue->handle, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit", error))
    return FALSE;
  queue->submitted = value;
  return TRUE;
}

gboolean
zim_vk_queue_wait (ZimVkDevice  *self,
                   ZimVkQueue   *queue,
                   guint64       value,
                   GError      **error)
{
  VkSemaphoreWaitInfo info = {
    .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
    .semaphoreCount = 1,
    .pSemaphores = &queue->timeline,
    .pValues = &value,
  };

  return zim_vk_check (self, self->vk.WaitSemaphores (self->handle, &info, G_MAXUINT64), "vkWaitSemaphores", error);
}

void
zim_vk_barrier (ZimVkDevice     *self,
                VkCommandBuffer  commands)
{
  const VkPipelineStageFlags work = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  VkMemoryBarrier barrier = {
    .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
    .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
    .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT |
                     VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_HOST_READ_BIT,
  };

  self->vk.CmdPipelineBarrier (commands, work, work | VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
}

/* Device */

#define MAX_EXTENSIONS 4

/* What the kernels with cooperative matrices ask for, beside features of Vulkan 1.2 */
typedef struct {
  VkPhysicalDeviceFeatures                     core;
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices;
  VkPhysicalDeviceShaderBfloat16FeaturesKHR    bf16;
  VkPhysicalDeviceSubgroupSizeControlFeatures  sizes;
} CoopFeatures;

static void
enable_coop (const ZimVkPhysical               *physical,
             CoopFeatures                      *coop,
             VkPhysicalDeviceVulkan12Features  *features,
             VkDeviceCreateInfo                *info,
             const char                       **extensions)
{
  *coop = (CoopFeatures) {
    .core = { .shaderInt16 = physical->coop.bf16.rows != 0 },
    .matrices = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
      .cooperativeMatrix = VK_TRUE,
    },
    .bf16 = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR,
      .shaderBFloat16Type = VK_TRUE,
      .shaderBFloat16CooperativeMatrix = VK_TRUE,
    },
    .sizes = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
      .subgroupSizeControl = VK_TRUE,
      .computeFullSubgroups = VK_TRUE,
    },
  };
  info->pEnabledFeatures = &coop->core;
  features->vulkanMemoryModel = VK_TRUE;
  features->shaderFloat16 = physical->coop.f16.rows != 0;
  features->pNext = &coop->matrices;
  extensions[info->enabledExtensionCount++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
  if (physical->coop.bf16.rows != 0)
    {
      coop->bf16.pNext = features->pNext;
      features->pNext = &coop->bf16;
      extensions[info->enabledExtensionCount++] = VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME;
    }
  if (physical->coop.sets_size)
    {
      coop->sizes.pNext = features->pNext;
      features->pNext = &coop->sizes;
      extensions[info->enabledExtensionCount++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
    }
}

static gboolean
create_device (ZimVkDevice          *self,
               const ZimVkInstance  *instance,
               GError              **error)
{
  const ZimVkPhysical *physical = self->physical;
  const float priority = 1;
  const char *extensions[MAX_EXTENSIONS];
  CoopFeatures coop;
  VkPhysicalDeviceVulkan12Features features = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
    .bufferDeviceAddress = VK_TRUE,
    .timelineSemaphore = VK_TRUE,
  };
  VkDeviceQueueCreateInfo queues[2];
  VkDeviceCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
    .pNext = &features,
    .queueCreateInfoCount = self->has_copy_queue ? 2 : 1,
    .pQueueCreateInfos = queues,
    .ppEnabledExtensionNames = extensions,
  };

  if (physical->has_memory_budget)
    extensions[info.enabledExtensionCount++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
  if (self->has_coop)
    enable_coop (physical, &coop, &features, &info, extensions);

  for (guint i = 0; i < G_N_ELEMENTS (queues); i++)
    queues[i] = (VkDeviceQueueCreateInfo) {
      .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
      .queueFamilyIndex = i == 0 ? physical->compute_family : physical->transfer_family,
      .queueCount = 1,
      .pQueuePriorities = &priority,
    };
  if (!zim_vk_check (self, instance->vk.CreateDevice (physical->handle, &info, NULL, &self->handle), "vkCreateDevice",
                     error))
    return FALSE;
  zim_vk_load_device (instance->vk.GetDeviceProcAddr, self->handle, &self->vk);
  return TRUE;
}

ZimVkDevice *
zim_vk_device_new (guint    index,
                   GError **error)
{
  const ZimVkInstance *instance = zim_vk_instance_get (error);
  g_autoptr(ZimVkDevice) self = NULL;

  if (instance == NULL)
    return NULL;
  g_assert (index < instance->devices->len);
  self = g_new0 (ZimVkDevice, 1);
  self->physical = g_ptr_array_index (instance->devices, index);
  self->has_coop = self->physical->info.has_matrices && !zim_is_disabled (ZIM_DISABLE_COOPMAT);
  self->has_copy_queue = self->physical->transfer_family != self->physical->compute_family;
  if (!create_device (self, instance, error) ||
      !queue_init (self, &self->compute, self->physical->compute_family, error) ||
      (self->has_copy_queue && !queue_init (self, &self->copy, self->physical->transfer_family, error)))
    return NULL;
  self->memory = zim_vk_memory_new (self);
  self->pipelines = zim_vk_pipelines_new (self, error);
  if (self->pipelines == NULL)
    return NULL;
  self->tuning = zim_vk_tuning_new (self);
  self->transfer = zim_vk_transfer_new (self, error);
  if (self->transfer == NULL)
    return NULL;
  return g_steal_pointer (&self);
}

void
zim_vk_device_free (ZimVkDevice *self)
{
  if (self->handle != NULL)
    {
      self->vk.DeviceWaitIdle (self->handle);
      g_clear_pointer (&self->transfer, zim_vk_transfer_free);
      g_clear_pointer (&self->tuning, zim_vk_tuning_free);
      g_clear_pointer (&self->pipelines, zim_vk_pipelines_free);
      g_clear_pointer (&self->memory, zim_vk_memory_destroy);
      queue_clear (self, &self->compute);
      if (self->has_copy_queue)
        queue_clear (self, &self->copy);
      self->vk.DestroyDevice (self->handle, NULL);
    }
  g_free (self);
}
