/* zim-vk-instance.c: the instance and the physical devices, one of each for the process
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "compute/vulkan/zim-vk-instance-private.h"
#include "compute/zim-debug-private.h"
#include "zim-error.h"

#define MIN_GROUP_SIZE 256 /* invocations */
#define MIN_SHARED 28672   /* bytes, of the kernels with cooperative matrices */

/* Instance */

static VKAPI_ATTR VkBool32 VKAPI_CALL
validation_cb (VkDebugUtilsMessageSeverityFlagBitsEXT      severity,
               VkDebugUtilsMessageTypeFlagsEXT             type,
               const VkDebugUtilsMessengerCallbackDataEXT *data,
               void                                       *user_data)
{
  /* The loader reports the drivers that it could not open; that is no fault of ours. */
  if (type & VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT)
    g_warning ("Vulkan: %s", data->pMessage);
  return VK_FALSE;
}

static VkInstance
create_instance (PFN_vkGetInstanceProcAddr  get,
                 GError                   **error)
{
  PFN_vkCreateInstance create = (PFN_vkCreateInstance) get (NULL, "vkCreateInstance");
  const char *layer = "VK_LAYER_KHRONOS_validation", *extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  guint n = zim_debug (ZIM_DEBUG_VALIDATION) ? 1 : 0;
  VkDebugUtilsMessengerCreateInfoEXT messenger = {
    .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
    .messageSeverity =
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
    .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
    .pfnUserCallback = validation_cb,
  };
  VkApplicationInfo application = {
    .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
    .pApplicationName = "libzimage",
    .apiVersion = VK_API_VERSION_1_2,
  };
  VkInstanceCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
    .pNext = n > 0 ? &messenger : NULL,
    .pApplicationInfo = &application,
    .enabledLayerCount = n,
    .ppEnabledLayerNames = &layer,
    .enabledExtensionCount = n,
    .ppEnabledExtensionNames = &extension,
  };
  VkInstance instance = NULL;
  VkResult result = create (&info, NULL, &instance);

  if (result == VK_ERROR_LAYER_NOT_PRESENT)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE,
                 _("ZIM_DEBUG asks for Vulkan’s validation layer, which is not installed"));
  else if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE,
                 _("There is no Vulkan driver on this machine. Install that of the graphics card (for most of them, "
                   "package mesa-vulkan-drivers, vulkan-radeon or vulkan-intel), or choose “cpu”"));
  else if (result != VK_SUCCESS)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE, _("Vulkan cannot be started: %s"),
                 zim_vk_result_name (result));
  if (result != VK_SUCCESS)
    return NULL;
  if (n > 0)
    {
      PFN_vkCreateDebugUtilsMessengerEXT create_messenger =
        (PFN_vkCreateDebugUtilsMessengerEXT) get (instance, "vkCreateDebugUtilsMessengerEXT");
      VkDebugUtilsMessengerEXT handle;

      create_messenger (instance, &messenger, NULL, &handle);
    }
  return instance;
}

/* Physical devices */

static ZimVkKind
kind_of (VkPhysicalDeviceType type)
{
  switch ((int) type)
    {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return ZIM_VK_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return ZIM_VK_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return ZIM_VK_SOFTWARE;
    default:
      return ZIM_VK_OTHER;
    }
}

static gboolean
has_extension (const ZimVkInstance *instance,
               VkPhysicalDevice     device,
               const char          *name)
{
  g_autofree VkExtensionProperties *list = NULL;
  guint32 n = 0;

  instance->vk.EnumerateDeviceExtensionProperties (device, NULL, &n, NULL);
  list = g_new0 (VkExtensionProperties, n);
  instance->vk.EnumerateDeviceExtensionProperties (device, NULL, &n, list);
  for (guint32 i = 0; i < n; i++)
    if (g_str_equal (list[i].extensionName, name))
      return TRUE;
  return FALSE;
}

/* A family that computes, best one that does nothing else; and one that only copies, which is the engine that copies
 * while others compute. FALSE if nothing computes. */
static gboolean
choose_families (const ZimVkInstance *instance,
                 ZimVkPhysical       *self)
{
  VkQueueFamilyProperties families[16];
  guint32 n = G_N_ELEMENTS (families);
  guint compute = G_MAXUINT, transfer = G_MAXUINT;

  instance->vk.GetPhysicalDeviceQueueFamilyProperties (self->handle, &n, families);
  for (guint i = 0; i < n; i++)
    {
      VkQueueFlags flags = families[i].queueFlags;

      if ((flags & VK_QUEUE_COMPUTE_BIT) && (compute == G_MAXUINT || !(flags & VK_QUEUE_GRAPHICS_BIT)))
        compute = i;
      if ((flags & VK_QUEUE_TRANSFER_BIT) && !(flags & (VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT)) &&
          transfer == G_MAXUINT)
        transfer = i;
    }
  if (compute == G_MAXUINT)
    return FALSE;
  self->compute_family = compute;
  self->transfer_family = transfer != G_MAXUINT ? transfer : compute;
  self->timestamp_bits = families[compute].timestampValidBits;
  return TRUE;
}

/* The index of the largest heap of the device's own */
static guint
largest_heap (const ZimVkPhysical *self)
{
  const VkPhysicalDeviceMemoryProperties *memory = &self->memory;
  guint best = 0;

  for (guint i = 1; i < memory->memoryHeapCount; i++)
    {
      gboolean is_local = memory->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;
      gboolean best_is_local = memory->memoryHeaps[best].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;

      if (is_local != best_is_local ? is_local : memory->memoryHeaps[i].size > memory->memoryHeaps[best].size)
        best = i;
    }
  return best;
}

static void
describe_matrix (GString           *text,
                 const ZimVkMatrix *matrix,
                 const char        *type)
{
  if (matrix->rows != 0)
    g_string_append_printf (text, ", %s %s %ux%ux%u", type, _("matrices"), matrix->rows, matrix->cols, matrix->k);
}

static char *
describe_features (const ZimVkPhysical *self)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "Vulkan %u.%u", VK_API_VERSION_MAJOR (self->properties.apiVersion),
                          VK_API_VERSION_MINOR (self->properties.apiVersion));
  if (self->info.kind == ZIM_VK_SOFTWARE)
    g_string_append_printf (text, ", %s", _("software"));
  if (self->features11.storageBuffer16BitAccess)
    g_string_append_printf (text, ", %s", _("16-bit storage"));
  if (self->features12.shaderFloat16)
    g_string_append (text, ", f16");
  describe_matrix (text, &self->coop.bf16, "bf16");
  describe_matrix (text, &self->coop.f16, "f16");
  g_string_append_printf (text, ", %s ", _("subgroups of"));
  g_string_append_printf (text, "%u", self->subgroup_size);
  return g_string_free (text, FALSE);
}

/* Cooperative matrices */

/* Shapes that our tiles can be made of, with sums in f32. */
static gboolean
matrix_suits (const VkCooperativeMatrixPropertiesKHR *p,
              VkComponentTypeKHR                      type)
{
  return p->scope == VK_SCOPE_SUBGROUP_KHR && p->AType == type && p->BType == type &&
         p->CType == VK_COMPONENT_TYPE_FLOAT32_KHR && p->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
         !p->saturatingAccumulation && p->MSize >= 8 && 16 % p->MSize == 0 && p->NSize >= 8 && 16 % p->NSize == 0 &&
         p->KSize >= 8 && 32 % p->KSize == 0;
}

/* The largest of those that suit; of two as large, the one that is nearer to a square, which reads the least. */
static void
choose_matrix (const VkCooperativeMatrixPropertiesKHR *list,
               guint32                                 n,
               VkComponentTypeKHR                      type,
               ZimVkMatrix                            *matrix)
{
  guint best = 0;

  for (guint32 i = 0; i < n; i++)
    {
      const VkCooperativeMatrixPropertiesKHR *p = &list[i];
      guint size = p->MSize * p->NSize * MIN (p->KSize, 16);

      if (matrix_suits (p, type) && size > best)
        {
          best = size;
          *matrix = (ZimVkMatrix) { p->MSize, p->NSize, p->KSize };
        }
    }
}

/* Where subgroups have several sizes, matrices belong to the smallest on all devices that we know of. */
static void
query_subgroup_size (const ZimVkInstance *instance,
                     ZimVkPhysical       *self)
{
  VkPhysicalDeviceSubgroupSizeControlFeatures control = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
  };
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &control };
  VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES,
  };
  VkPhysicalDeviceProperties2 properties = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
    .pNext = &sizes,
  };

  self->coop.subgroup_size = self->subgroup_size;
  if (!has_extension (instance, self->handle, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
    return;
  instance->vk.GetPhysicalDeviceFeatures2 (self->handle, &features);
  instance->vk.GetPhysicalDeviceProperties2 (self->handle, &properties);
  if (control.subgroupSizeControl && control.computeFullSubgroups &&
      (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT))
    {
      self->coop.subgroup_size = sizes.minSubgroupSize;
      self->coop.sets_size = TRUE;
    }
}

static gboolean
has_coop_features (const ZimVkInstance *instance,
                   ZimVkPhysical       *self,
                   gboolean            *has_bf16)
{
  gboolean knows_bf16 = has_extension (instance, self->handle, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME);
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bf16 = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR,
  };
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR coop = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
    .pNext = knows_bf16 ? &bf16 : NULL,
  };
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &coop };
  VkPhysicalDeviceCooperativeMatrixPropertiesKHR stages = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR,
  };
  VkPhysicalDeviceProperties2 properties = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
    .pNext = &stages,
  };

  if (!has_extension (instance, self->handle, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME) ||
      instance->vk.GetPhysicalDeviceCooperativeMatrixPropertiesKHR == NULL)
    return FALSE;
  instance->vk.GetPhysicalDeviceFeatures2 (self->handle, &features);
  instance->vk.GetPhysicalDeviceProperties2 (self->handle, &properties);
  *has_bf16 = bf16.shaderBFloat16Type && bf16.shaderBFloat16CooperativeMatrix && features.features.shaderInt16;
  return coop.cooperativeMatrix && (stages.cooperativeMatrixSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
         self->features12.vulkanMemoryModel && self->properties.limits.maxComputeSharedMemorySize >= MIN_SHARED;
}

static void
query_matrices (const ZimVkInstance *instance,
                ZimVkPhysical       *self)
{
  PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR query =
    instance->vk.GetPhysicalDeviceCooperativeMatrixPropertiesKHR;
  g_autofree VkCooperativeMatrixPropertiesKHR *list = NULL;
  gboolean has_bf16 = FALSE;
  guint32 n = 0;

  if (!has_coop_features (instance, self, &has_bf16) || query (self->handle, &n, NULL) != VK_SUCCESS)
    return;
  list = g_new0 (VkCooperativeMatrixPropertiesKHR, n);
  for (guint32 i = 0; i < n; i++)
    list[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
  if (query (self->handle, &n, list) < VK_SUCCESS)
    return;
  if (self->features12.shaderFloat16)
    choose_matrix (list, n, VK_COMPONENT_TYPE_FLOAT16_KHR, &self->coop.f16);
  if (has_bf16)
    choose_matrix (list, n, VK_COMPONENT_TYPE_BFLOAT16_KHR, &self->coop.bf16);
  query_subgroup_size (instance, self);
}

/* That of the matrices, bf16 first: its range is that of f32. */
static ZimPrecision
fastest_precision (const ZimVkPhysical *self)
{
  if (zim_is_disabled (ZIM_DISABLE_COOPMAT))
    return ZIM_PRECISION_F32;
  if (self->coop.bf16.rows != 0)
    return ZIM_PRECISION_BF16;
  return self->coop.f16.rows != 0 ? ZIM_PRECISION_F16 : ZIM_PRECISION_F32;
}

/* Physical device */

static void
query_properties (const ZimVkInstance *instance,
                  ZimVkPhysical       *self)
{
  VkPhysicalDeviceVulkan11Properties properties11 = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES,
  };
  VkPhysicalDeviceProperties2 properties = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
    .pNext = &properties11,
  };
  VkPhysicalDeviceFeatures2 features = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
    .pNext = &self->features11,
  };
  VkPhysicalDeviceMemoryProperties2 memory = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2 };

  self->features11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
  self->features11.pNext = &self->features12;
  self->features12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
  instance->vk.GetPhysicalDeviceProperties2 (self->handle, &properties);
  instance->vk.GetPhysicalDeviceFeatures2 (self->handle, &features);
  instance->vk.GetPhysicalDeviceMemoryProperties2 (self->handle, &memory);
  self->properties = properties.properties;
  self->memory = memory.memoryProperties;
  self->subgroup_size = properties11.subgroupSize;
  self->max_allocation = properties11.maxMemoryAllocationSize;
  query_matrices (instance, self);
  self->has_memory_budget = has_extension (instance, self->handle, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
}

static void
physical_free (ZimVkPhysical *self)
{
  g_free (self->info.name);
  g_free (self->info.features);
  g_free (self);
}

/* NULL if it cannot run programs. */
static ZimVkPhysical *
physical_new (const ZimVkInstance *instance,
              VkPhysicalDevice     handle)
{
  ZimVkPhysical *self = g_new0 (ZimVkPhysical, 1);
  VkPhysicalDeviceProperties2 properties = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2 };

  self->handle = handle;
  /* An older device does not know the structures of 1.2. */
  instance->vk.GetPhysicalDeviceProperties2 (handle, &properties);
  if (properties.properties.apiVersion >= VK_API_VERSION_1_2)
    query_properties (instance, self);
  if (!self->features12.bufferDeviceAddress || !self->features12.timelineSemaphore ||
      self->properties.limits.maxComputeWorkGroupInvocations < MIN_GROUP_SIZE || !choose_families (instance, self))
    {
      g_debug ("“%s” has not all of Vulkan 1.2, bufferDeviceAddress and groups of %u",
               properties.properties.deviceName, MIN_GROUP_SIZE);
      g_free (self);
      return NULL;
    }
  self->info = (ZimVkInfo) {
    .name = g_strdup (self->properties.deviceName),
    .kind = kind_of (self->properties.deviceType),
    .memory = self->memory.memoryHeaps[largest_heap (self)].size,
    .features = NULL,
    .has_matrices = self->coop.f16.rows != 0 || self->coop.bf16.rows != 0,
    .precision = fastest_precision (self),
  };
  self->info.features = describe_features (self);
  return self;
}

static gint
compare_devices (gconstpointer a,
                 gconstpointer b)
{
  const ZimVkPhysical *x = *(ZimVkPhysical *const *) a, *y = *(ZimVkPhysical *const *) b;

  if (x->info.kind != y->info.kind)
    return x->info.kind < y->info.kind ? -1 : 1;
  return x->info.memory > y->info.memory ? -1 : x->info.memory < y->info.memory;
}

static void
list_devices (ZimVkInstance *self)
{
  VkPhysicalDevice handles[32];
  guint32 n = G_N_ELEMENTS (handles);
  VkResult result = self->vk.EnumeratePhysicalDevices (self->handle, &n, handles);

  self->devices = g_ptr_array_new_with_free_func ((GDestroyNotify) physical_free);
  for (guint32 i = 0; i < n && (result == VK_SUCCESS || result == VK_INCOMPLETE); i++)
    {
      ZimVkPhysical *device = physical_new (self, handles[i]);

      if (device != NULL)
        g_ptr_array_add (self->devices, device);
    }
  g_ptr_array_sort (self->devices, compare_devices);
}

const ZimVkInstance *
zim_vk_instance_get (GError **error)
{
  static GMutex lock;
  static ZimVkInstance *instance;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new (&lock);
  PFN_vkGetInstanceProcAddr get;
  VkInstance handle;

  if (instance != NULL)
    return instance;
  get = zim_vk_loader_open (error);
  handle = get != NULL ? create_instance (get, error) : NULL;
  if (handle == NULL)
    return NULL;
  instance = g_new0 (ZimVkInstance, 1);
  instance->handle = handle;
  zim_vk_load_instance (get, handle, &instance->vk);
  list_devices (instance);
  return instance;
}

guint64
zim_vk_physical_get_free (const ZimVkPhysical *self)
{
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT,
  };
  VkPhysicalDeviceMemoryProperties2 memory = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
    .pNext = &budget,
  };
  guint heap = largest_heap (self);

  if (!self->has_memory_budget)
    return self->info.memory;
  zim_vk_instance_get (NULL)->vk.GetPhysicalDeviceMemoryProperties2 (self->handle, &memory);
  return budget.heapBudget[heap] > budget.heapUsage[heap] ? budget.heapBudget[heap] - budget.heapUsage[heap] : 0;
}

GPtrArray *
zim_vk_list (GError **error)
{
  const ZimVkInstance *instance = zim_vk_instance_get (error);

  if (instance == NULL)
    return NULL;
  if (instance->devices->len > 0)
    return instance->devices;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE,
               _("No Vulkan device of this machine can be used: Vulkan 1.2 with bufferDeviceAddress is needed. Install "
                 "or update the driver of the graphics card, or choose “cpu”"));
  return NULL;
}
