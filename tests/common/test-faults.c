/* test-faults.c: a Vulkan that fails when it is told to
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "test-faults.h"

#include <dlfcn.h>

void  __real_zim_vk_load_instance (PFN_vkGetInstanceProcAddr  get,
                                   VkInstance                 instance,
                                   ZimVkInstanceFunctions    *functions);
void  __real_zim_vk_load_device   (PFN_vkGetDeviceProcAddr    get,
                                   VkDevice                   device,
                                   ZimVkDeviceFunctions      *functions);
void *__real_dlopen               (const char                *name,
                                   int                        flags);
void  __wrap_zim_vk_load_instance (PFN_vkGetInstanceProcAddr  get,
                                   VkInstance                 instance,
                                   ZimVkInstanceFunctions    *functions);
void  __wrap_zim_vk_load_device   (PFN_vkGetDeviceProcAddr    get,
                                   VkDevice                   device,
                                   ZimVkDeviceFunctions      *functions);
void *__wrap_dlopen               (const char                *name,
                                   int                        flags);

static ZimVkInstanceFunctions instance_functions;
static ZimVkDeviceFunctions device_functions;
static VkDevice current_device;

static struct {
  const char *function; /* NULL: nothing fails */
  guint       nth;
  VkResult    result;
  guint       n_calls;
  gboolean    has_struck;
  gboolean    is_lost;
  gboolean    hides_loader;
} faults;

void
faults_arm (const char *function,
            guint       nth,
            VkResult    result)
{
  faults.function = function;
  faults.nth = nth;
  faults.result = result;
  faults.n_calls = 0;
  faults.has_struck = FALSE;
}

gboolean
faults_disarm (void)
{
  faults.function = NULL;
  return faults.has_struck;
}

void
faults_hide_loader (gboolean hide)
{
  faults.hides_loader = hide;
}

static VkResult
strike (const char *function)
{
  if (faults.function == NULL || !g_str_equal (function, faults.function) || ++faults.n_calls != faults.nth)
    return VK_SUCCESS;
  faults.has_struck = TRUE;
  faults.is_lost = faults.result == VK_ERROR_DEVICE_LOST;
  return faults.result;
}

#define FAIL(functions, name, parameters, arguments)                   \
  static VKAPI_ATTR VkResult VKAPI_CALL                                \
  fail_##name parameters                                               \
  {                                                                    \
    VkResult result = strike (#name);                                  \
                                                                       \
    return result == VK_SUCCESS ? functions.name arguments : result;   \
  }

typedef const VkAllocationCallbacks *Callbacks;

FAIL (instance_functions, CreateDevice,
      (VkPhysicalDevice physical, const VkDeviceCreateInfo *info, Callbacks callbacks, VkDevice *out),
      (physical, info, callbacks, out))
FAIL (device_functions, AllocateCommandBuffers,
      (VkDevice device, const VkCommandBufferAllocateInfo *info, VkCommandBuffer *out), (device, info, out))
FAIL (device_functions, AllocateMemory,
      (VkDevice device, const VkMemoryAllocateInfo *info, Callbacks callbacks, VkDeviceMemory *out),
      (device, info, callbacks, out))
FAIL (device_functions, CreateBuffer,
      (VkDevice device, const VkBufferCreateInfo *info, Callbacks callbacks, VkBuffer *out),
      (device, info, callbacks, out))
FAIL (device_functions, CreateCommandPool,
      (VkDevice device, const VkCommandPoolCreateInfo *info, Callbacks callbacks, VkCommandPool *out),
      (device, info, callbacks, out))
FAIL (device_functions, CreateComputePipelines,
      (VkDevice device, VkPipelineCache cache, guint32 n, const VkComputePipelineCreateInfo *infos, Callbacks callbacks,
       VkPipeline *out),
      (device, cache, n, infos, callbacks, out))
FAIL (device_functions, CreatePipelineCache,
      (VkDevice device, const VkPipelineCacheCreateInfo *info, Callbacks callbacks, VkPipelineCache *out),
      (device, info, callbacks, out))
FAIL (device_functions, CreatePipelineLayout,
      (VkDevice device, const VkPipelineLayoutCreateInfo *info, Callbacks callbacks, VkPipelineLayout *out),
      (device, info, callbacks, out))
FAIL (device_functions, CreateSemaphore,
      (VkDevice device, const VkSemaphoreCreateInfo *info, Callbacks callbacks, VkSemaphore *out),
      (device, info, callbacks, out))
FAIL (device_functions, CreateShaderModule,
      (VkDevice device, const VkShaderModuleCreateInfo *info, Callbacks callbacks, VkShaderModule *out),
      (device, info, callbacks, out))
FAIL (device_functions, EndCommandBuffer, (VkCommandBuffer commands), (commands))
FAIL (device_functions, MapMemory,
      (VkDevice device, VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size, VkMemoryMapFlags flags,
       void **out),
      (device, memory, offset, size, flags, out))

/* Work that a real device would have dropped is done first: its memory may be freed then. */
static VkResult
strike_or_lose (const char *function)
{
  VkResult result = strike (function);

  if (!faults.is_lost)
    return result;
  device_functions.DeviceWaitIdle (current_device);
  return VK_ERROR_DEVICE_LOST;
}

static VKAPI_ATTR VkResult VKAPI_CALL
fail_QueueSubmit (VkQueue             queue,
                  guint32             n,
                  const VkSubmitInfo *infos,
                  VkFence             fence)
{
  VkResult result = strike_or_lose ("QueueSubmit");

  return result == VK_SUCCESS ? device_functions.QueueSubmit (queue, n, infos, fence) : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL
fail_WaitSemaphores (VkDevice                   device,
                     const VkSemaphoreWaitInfo *info,
                     guint64                    timeout)
{
  VkResult result = strike_or_lose ("WaitSemaphores");

  return result == VK_SUCCESS ? device_functions.WaitSemaphores (device, info, timeout) : result;
}

void
__wrap_zim_vk_load_instance (PFN_vkGetInstanceProcAddr  get,
                             VkInstance                 instance,
                             ZimVkInstanceFunctions    *functions)
{
  __real_zim_vk_load_instance (get, instance, functions);
  instance_functions = *functions;
  functions->CreateDevice = fail_CreateDevice;
}

void
__wrap_zim_vk_load_device (PFN_vkGetDeviceProcAddr  get,
                           VkDevice                 device,
                           ZimVkDeviceFunctions    *functions)
{
  __real_zim_vk_load_device (get, device, functions);
  device_functions = *functions;
  current_device = device;
  faults.is_lost = FALSE;
#define PUT(name) functions->name = fail_##name;
  PUT (AllocateCommandBuffers)
  PUT (AllocateMemory)
  PUT (CreateBuffer)
  PUT (CreateCommandPool)
  PUT (CreateComputePipelines)
  PUT (CreatePipelineCache)
  PUT (CreatePipelineLayout)
  PUT (CreateSemaphore)
  PUT (CreateShaderModule)
  PUT (EndCommandBuffer)
  PUT (MapMemory)
  PUT (QueueSubmit)
  PUT (WaitSemaphores)
#undef PUT
}

void *
__wrap_dlopen (const char *name,
               int         flags)
{
  return faults.hides_loader ? NULL : __real_dlopen (name, flags);
}
