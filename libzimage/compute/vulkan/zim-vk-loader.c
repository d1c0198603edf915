/* zim-vk-loader.c: the functions of libvulkan, looked up by name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <dlfcn.h>
#include <glib/gi18n-lib.h>

#include "compute/vulkan/zim-vk-loader-private.h"
#include "zim-error.h"

#define LIBRARY "libvulkan.so.1"

/* dlsym () gives objects, which C does not let one turn into functions. */
static PFN_vkGetInstanceProcAddr
find_function (void *library)
{
  void *symbol = dlsym (library, "vkGetInstanceProcAddr");
  PFN_vkGetInstanceProcAddr function;

  memcpy (&function, &symbol, sizeof function);
  return function;
}

PFN_vkGetInstanceProcAddr
zim_vk_loader_open (GError **error)
{
  void *library = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);
  PFN_vkGetInstanceProcAddr function = library != NULL ? find_function (library) : NULL;

  if (function == NULL)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE,
                 _("There is no Vulkan on this machine: %s cannot be opened. Install it (package libvulkan1, "
                   "vulkan-loader or vulkan-icd-loader) and the driver of the graphics card, or choose “cpu”"),
                 LIBRARY);
  return function;
}

void
zim_vk_load_instance (PFN_vkGetInstanceProcAddr  get,
                      VkInstance                 instance,
                      ZimVkInstanceFunctions    *functions)
{
#define LOAD(name) functions->name = (PFN_vk##name) get (instance, "vk" #name);
  ZIM_VK_INSTANCE_FUNCTIONS (LOAD)
#undef LOAD
}

void
zim_vk_load_device (PFN_vkGetDeviceProcAddr  get,
                    VkDevice                 device,
                    ZimVkDeviceFunctions    *functions)
{
#define LOAD(name) functions->name = (PFN_vk##name) get (device, "vk" #name);
  ZIM_VK_DEVICE_FUNCTIONS (LOAD)
#undef LOAD
}

const char *
zim_vk_result_name (VkResult result)
{
  switch ((int) result)
    {
#define NAME(name) \
  case name:       \
    return #name;
      NAME (VK_SUCCESS)
      NAME (VK_NOT_READY)
      NAME (VK_TIMEOUT)
      NAME (VK_INCOMPLETE)
      NAME (VK_ERROR_OUT_OF_HOST_MEMORY)
      NAME (VK_ERROR_OUT_OF_DEVICE_MEMORY)
      NAME (VK_ERROR_INITIALIZATION_FAILED)
      NAME (VK_ERROR_DEVICE_LOST)
      NAME (VK_ERROR_MEMORY_MAP_FAILED)
      NAME (VK_ERROR_LAYER_NOT_PRESENT)
      NAME (VK_ERROR_EXTENSION_NOT_PRESENT)
      NAME (VK_ERROR_FEATURE_NOT_PRESENT)
      NAME (VK_ERROR_INCOMPATIBLE_DRIVER)
      NAME (VK_ERROR_TOO_MANY_OBJECTS)
      NAME (VK_ERROR_UNKNOWN)
      NAME (VK_ERROR_INVALID_EXTERNAL_HANDLE)
      NAME (VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS)
#undef NAME
    default:
      return "an unknown VkResult";
    }
}
