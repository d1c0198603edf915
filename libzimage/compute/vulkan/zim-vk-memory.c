/* zim-vk-memory.c: memory of a device, in spans of larger blocks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "compute/vulkan/zim-vk-memory-private.h"
#include "compute/zim-debug-private.h"
#include "zim-error.h"

#define ALIGNMENT 256
#define BLOCK_SIZE ((gsize) 128 << 20)
#define MAX_ALLOCATION ((gsize) 4 << 30) /* of what a driver promises, more is not believed */

typedef struct {
  gsize offset;
  gsize size;
} Gap;

struct _ZimVkMemory {
  ZimVkDevice *device; /* not owned */
  GPtrArray   *blocks; /* of ZimVkBlock */
  gsize        used;   /* bytes of all spans of device memory */
  gsize        granule;   /* blocks are multiples of it */
  guint64      allocated; /* bytes of all blocks in the largest heap */
  guint64      peak;      /* the most that allocated was */
  guint64      budget;    /* what allocated may become */
  gboolean     is_exact;  /* device memory is not taken beforehand */
};

static void
block_free (ZimVkBlock  *block,
            ZimVkDevice *device)
{
  if (device->memory != NULL)
    device->memory->allocated -= block->cost;
  device->vk.DestroyBuffer (device->handle, block->buffer, NULL);
  device->vk.FreeMemory (device->handle, block->memory, NULL);
  g_clear_pointer (&block->gaps, g_array_unref);
  g_free (block);
}

void
zim_vk_memory_destroy (ZimVkMemory *self)
{
  for (guint i = 0; i < self->blocks->len; i++)
    block_free (g_ptr_array_index (self->blocks, i), self->device);
  g_ptr_array_unref (self->blocks);
  g_free (self);
}

/* Types of memory */

/* The host can write to all of the device's memory: it is the host's, or the bus shows it whole. */
static gboolean
is_mappable (const ZimVkPhysical      *physical,
             const VkMemoryType       *type)
{
  return physical->memory.memoryHeaps[type->heapIndex].size >= physical->info.memory &&
         !zim_is_disabled (ZIM_DISABLE_MAPPING);
}

/* How well a type of memory suits: 0 if not at all. */
static guint
rate_type (const ZimVkPhysical *physical,
           const VkMemoryType  *type,
           ZimVkMemoryKind      kind)
{
  const VkMemoryPropertyFlags host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  VkMemoryPropertyFlags flags = type->propertyFlags;
  gboolean is_local = (flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0;
  gboolean is_host = (flags & host) == host;
  gboolean is_cached = (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;

  if (flags & (VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT))
    return 0;
  switch (kind)
    {
    case ZIM_VK_MEMORY_UPLOAD:
      return is_host ? 1 + !is_local : 0;
    case ZIM_VK_MEMORY_DOWNLOAD:
      return is_host ? 1 + !is_local + 2 * is_cached : 0;
    case ZIM_VK_MEMORY_DEVICE:
    default:
      if (physical->memory.memoryHeaps[type->heapIndex].size < physical->info.memory)
        return 0;
      return 1 + 4 * is_local + (is_host && is_mappable (physical, type) ? 2 + is_cached : 0);
    }
}

static guint
choose_type (const ZimVkPhysical *physical,
             guint32              allowed,
             ZimVkMemoryKind      kind)
{
  guint best = G_MAXUINT, best_rating = 0;

  for (guint i = 0; i < physical->memory.memoryTypeCount; i++)
    {
      guint rating = allowed & (1u << i) ? rate_type (physical, &physical->memory.memoryTypes[i], kind) : 0;

      if (rating > best_rating)
        {
          best = i;
          best_rating = rating;
        }
    }
  return best;
}

/* Blocks */

static gboolean
is_counted (const ZimVkPhysical *physical,
            guint                type)
{
  const VkPhysicalDeviceMemoryProperties *memory = &physical->memory;

  return memory->memoryHeaps[memory->memoryTypes[type].heapIndex].size >= physical->info.memory;
}

static VkResult
create_buffer (ZimVkDevice *device,
               ZimVkBlock  *block)
{
  const guint32 families[] = { device->compute.family, device->copy.family };
  VkBufferCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
    .size = block->size,
    .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
             VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    .sharingMode = device->has_copy_queue ? VK_SHARING_MODE_CONCURRENT : VK_SHARING_MODE_EXCLUSIVE,
    .queueFamilyIndexCount = device->has_copy_queue ? 2 : 0,
    .pQueueFamilyIndices = families,
  };

  return device->vk.CreateBuffer (device->handle, &info, NULL, &block->buffer);
}

static VkResult
allocate (ZimVkDevice *device,
          ZimVkBlock  *block)
{
  VkMemoryAllocateFlagsInfo flags = {
    .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
    .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
  };
  VkMemoryAllocateInfo info = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .pNext = &flags };
  VkBufferDeviceAddressInfo address = { .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO };
  VkMemoryRequirements needs;
  VkMemoryPropertyFlags properties;
  VkResult result;

  device->vk.GetBufferMemoryRequirements (device->handle, block->buffer, &needs);
  info.allocationSize = needs.size;
  info.memoryTypeIndex = choose_type (device->physical, needs.memoryTypeBits, block->kind);
  if (info.memoryTypeIndex == G_MAXUINT)
    return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  if (is_counted (device->physical, info.memoryTypeIndex))
    {
      if (needs.size > device->memory->budget || device->memory->allocated > device->memory->budget - needs.size)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
      block->cost = needs.size;
      device->memory->allocated += block->cost;
    }
  result = device->vk.AllocateMemory (device->handle, &info, NULL, &block->memory);
  if (result == VK_SUCCESS)
    result = device->vk.BindBufferMemory (device->handle, block->buffer, block->memory, 0);
  properties = device->physical->memory.memoryTypes[info.memoryTypeIndex].propertyFlags;
  block->is_cached = (properties & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
  if (result == VK_SUCCESS && (properties & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) &&
      (block->kind != ZIM_VK_MEMORY_DEVICE || !zim_is_disabled (ZIM_DISABLE_MAPPING)))
    result = device->vk.MapMemory (device->handle, block->memory, 0, VK_WHOLE_SIZE, 0, (void **) &block->mapped);
  address.buffer = block->buffer;
  if (result == VK_SUCCESS)
    block->address = device->vk.GetBufferDeviceAddress (device->handle, &address);
  if (result == VK_SUCCESS)
    device->memory->peak = MAX (device->memory->peak, device->memory->allocated);
  return result;
}

/* What memory of any buffer is like: its alignment, and the types that it can be of. */
static VkMemoryRequirements
find_requirements (ZimVkDevice *device)
{
  ZimVkBlock block = { .size = ALIGNMENT };
  VkMemoryRequirements needs = { ALIGNMENT, ALIGNMENT, G_MAXUINT32 };

  if (create_buffer (device, &block) == VK_SUCCESS)
    device->vk.GetBufferMemoryRequirements (device->handle, block.buffer, &needs);
  device->vk.DestroyBuffer (device->handle, block.buffer, NULL);
  return needs;
}

ZimVkMemory *
zim_vk_memory_new (ZimVkDevice *device)
{
  ZimVkMemory *self = g_new0 (ZimVkMemory, 1);

  self->device = device;
  self->blocks = g_ptr_array_new ();
  self->granule = MAX (find_requirements (device).alignment, ALIGNMENT);
  self->budget = device->physical->info.memory;
  return self;
}

void
zim_vk_memory_set_budget (ZimVkDevice *device,
                          guint64      budget)
{
  device->memory->budget = MIN (budget, device->physical->info.memory);
  device->memory->is_exact = TRUE;
}

gsize
zim_vk_memory_round (ZimVkDevice *device,
                     gsize        size)
{
  gsize granule = device->memory->granule;

  return MAX (size + granule - 1, granule) / granule * granule;
}

gboolean
zim_vk_memory_is_counted (ZimVkDevice     *device,
                          ZimVkMemoryKind  kind)
{
  guint type = choose_type (device->physical, find_requirements (device).memoryTypeBits, kind);

  return type != G_MAXUINT && is_counted (device->physical, type);
}

gboolean
zim_vk_memory_is_mapped (ZimVkDevice *device,
                         gboolean    *is_cached)
{
  guint type = choose_type (device->physical, find_requirements (device).memoryTypeBits, ZIM_VK_MEMORY_DEVICE);
  VkMemoryPropertyFlags flags = type != G_MAXUINT ? device->physical->memory.memoryTypes[type].propertyFlags : 0;

  *is_cached = (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
  return (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) && !zim_is_disabled (ZIM_DISABLE_MAPPING);
}

static void
set_memory_error (ZimVkDevice  *device,
                  gsize         size,
                  const char   *what,
                  GError      **error)
{
  guint64 free = zim_vk_physical_get_free (device->physical);
  g_autofree char *amount = g_format_size_full (size, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *left = g_format_size_full (free, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *all = g_format_size_full (device->physical->info.memory, G_FORMAT_SIZE_IEC_UNITS);

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY,
               _("The device “%s” has no memory for %s of %s (%s of %s are free). Choose a smaller picture, close "
                 "other programs that use the device, or choose “cpu”"),
               device->physical->info.name, amount, what, left, all);
}

static ZimVkBlock *
block_new (ZimVkDevice      *device,
           ZimVkMemoryKind   kind,
           gsize             size,
           const char       *what,
           GError          **error)
{
  ZimVkBlock *block = g_new0 (ZimVkBlock, 1);
  VkResult result;

  block->kind = kind;
  block->size = size;
  block->gaps = g_array_new (FALSE, FALSE, sizeof (Gap));
  result = create_buffer (device, block);
  if (result == VK_SUCCESS)
    result = allocate (device, block);
  if (result != VK_SUCCESS)
    {
      block_free (block, device);
      if (result == VK_ERROR_DEVICE_LOST)
        zim_vk_check (device, result, "vkAllocateMemory", error);
      else
        set_memory_error (device, size, what, error);
      return NULL;
    }
  if (zim_debug (ZIM_DEBUG_MEMORY))
    zim_debug_print ("memory: a block of %" G_GSIZE_FORMAT " MiB for %s%s", size >> 20, what,
                     block->mapped != NULL ? ", mapped" : "");
  return block;
}

/* Spans */

static gboolean
take (ZimVkMemory *self,
      ZimVkBlock  *block,
      gsize        size,
      ZimVkSpan   *span)
{
  for (guint i = 0; i < block->gaps->len; i++)
    {
      Gap *gap = &g_array_index (block->gaps, Gap, i);

      if (gap->size < size)
        continue;
      *span = (ZimVkSpan) { block, gap->offset, size };
      gap->offset += size;
      gap->size -= size;
      if (gap->size == 0)
        g_array_remove_index (block->gaps, i);
      self->used += block->kind == ZIM_VK_MEMORY_DEVICE ? size : 0;
      return TRUE;
    }
  return FALSE;
}

gsize
zim_vk_memory_get_max (ZimVkDevice *device)
{
  return MIN (device->physical->max_allocation, MAX_ALLOCATION) / ALIGNMENT * ALIGNMENT;
}

/* Drivers that put what is too much elsewhere would be slow without a word. */
gboolean
zim_vk_memory_fits (ZimVkDevice  *device,
                    gsize         size,
                    const char   *what,
                    GError      **error)
{
  guint64 most = device->memory->budget;

  if (size <= most && device->memory->used <= most - size)
    return TRUE;
  set_memory_error (device, size, what, error);
  return FALSE;
}

gboolean
zim_vk_memory_alloc (ZimVkDevice      *device,
                     ZimVkMemoryKind   kind,
                     gsize             size,
                     const char       *what,
                     ZimVkSpan        *span,
                     GError          **error)
{
  ZimVkMemory *self = device->memory;
  ZimVkBlock *block;
  Gap whole = { 0, 0 };

  size = zim_vk_memory_round (device, size);
  if (kind == ZIM_VK_MEMORY_DEVICE && !zim_vk_memory_fits (device, size, what, error))
    return FALSE;
  if (size > zim_vk_memory_get_max (device))
    {
      set_memory_error (device, size, what, error);
      return FALSE;
    }
  for (guint i = 0; i < self->blocks->len; i++)
    {
      block = g_ptr_array_index (self->blocks, i);
      if (block->kind == kind && !self->is_exact && take (self, block, size, span))
        return TRUE;
    }
  /* What is large gets a block of its own, which goes when it is released. */
  whole.size = kind == ZIM_VK_MEMORY_DEVICE && !self->is_exact && size < BLOCK_SIZE / 4 ? BLOCK_SIZE : size;
  whole.size = MIN (whole.size, MAX (device->physical->info.memory / 16 / ALIGNMENT * ALIGNMENT, size));
  block = block_new (device, kind, whole.size, what, error);
  if (block == NULL)
    return FALSE;
  g_array_append_val (block->gaps, whole);
  g_ptr_array_add (self->blocks, block);
  return take (self, block, size, span);
}

/* Puts the span among the gaps, and makes one of neighbours. */
static void
give_back (ZimVkBlock      *block,
           const ZimVkSpan *span)
{
  Gap gap = { span->offset, span->size };
  guint at = 0;

  while (at < block->gaps->len && g_array_index (block->gaps, Gap, at).offset < gap.offset)
    at++;
  if (at < block->gaps->len && g_array_index (block->gaps, Gap, at).offset == gap.offset + gap.size)
    {
      gap.size += g_array_index (block->gaps, Gap, at).size;
      g_array_remove_index (block->gaps, at);
    }
  if (at > 0)
    {
      Gap *before = &g_array_index (block->gaps, Gap, at - 1);

      if (before->offset + before->size == gap.offset)
        {
          before->size += gap.size;
          return;
        }
    }
  g_array_insert_val (block->gaps, at, gap);
}

void
zim_vk_memory_release (ZimVkDevice *device,
                       ZimVkSpan   *span)
{
  ZimVkBlock *block = span->block;

  if (block == NULL)
    return;
  device->memory->used -= block->kind == ZIM_VK_MEMORY_DEVICE ? span->size : 0;
  give_back (block, span);
  *span = (ZimVkSpan) { NULL };
  if (g_array_index (block->gaps, Gap, 0).size < block->size)
    return;
  if (zim_debug (ZIM_DEBUG_MEMORY))
    zim_debug_print ("memory: a block of %" G_GSIZE_FORMAT " MiB is given back", block->size >> 20);
  g_ptr_array_remove (device->memory->blocks, block);
  /* A run that was cancelled may have left copies to it on their way. */
  zim_vk_queue_wait (device, &device->compute, device->compute.submitted, NULL);
  if (device->has_copy_queue)
    zim_vk_queue_wait (device, &device->copy, device->copy.submitted, NULL);
  block_free (block, device);
}

gsize
zim_vk_memory_get_size (ZimVkDevice *device)
{
  return device->memory->used;
}

guint64
zim_vk_memory_get_allocated (ZimVkDevice *device)
{
  return device->memory->allocated;
}

guint64
zim_vk_memory_get_peak (ZimVkDevice *device)
{
  return device->memory->peak;
}

void
zim_vk_memory_reset_peak (ZimVkDevice *device)
{
  device->memory->peak = device->memory->allocated;
}
