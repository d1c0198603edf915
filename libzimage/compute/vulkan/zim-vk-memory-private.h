/* zim-vk-memory-private.h: memory of a device, in spans of larger blocks
 *
 * A block is one allocation with one buffer over all of it. Shaders are given addresses, so that the 128 MiB which a
 * buffer's descriptor may cover at least bind nobody; a span is smaller than the largest allocation.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-device-private.h"

G_BEGIN_DECLS

typedef enum {
  ZIM_VK_MEMORY_DEVICE,   /* fast for the device; mapped where the host can write to all of it */
  ZIM_VK_MEMORY_UPLOAD,   /* written by the host */
  ZIM_VK_MEMORY_DOWNLOAD, /* read by the host */
} ZimVkMemoryKind;

typedef struct {
  ZimVkMemoryKind kind;
  VkBuffer        buffer;
  VkDeviceMemory  memory;
  VkDeviceAddress address;
  guint8         *mapped;    /* (nullable) */
  gboolean        is_cached; /* the host reads it fast */
  gsize           size;
  gsize           cost;      /* bytes of the heap that the budget is of; 0 for memory elsewhere */
  GArray         *gaps;      /* of Gap, in the order of their places */
} ZimVkBlock;

typedef struct {
  ZimVkBlock *block;  /* NULL: no memory */
  gsize       offset;
  gsize       size;
} ZimVkSpan;

ZimVkMemory *zim_vk_memory_new        (ZimVkDevice      *device);
void         zim_vk_memory_destroy    (ZimVkMemory      *self);

/* Whether there is so much beside what is in use; if not, an error. */
gboolean     zim_vk_memory_fits       (ZimVkDevice      *device,
                                       gsize             size,
                                       const char       *what,
                                       GError          **error);
/* what: for whom, in an error message: “weights” */
gboolean     zim_vk_memory_alloc      (ZimVkDevice      *device,
                                       ZimVkMemoryKind   kind,
                                       gsize             size,
                                       const char       *what,
                                       ZimVkSpan        *span,
                                       GError          **error);
void         zim_vk_memory_release    (ZimVkDevice      *device,
                                       ZimVkSpan        *span);
/* Bytes that all blocks may take together from now on, the device's size at most. Device memory then comes in blocks of
 * just its size, so that a plan of what is allocated holds. */
void         zim_vk_memory_set_budget (ZimVkDevice      *device,
                                       guint64           budget);
/* Bytes as they are allocated under a budget */
gsize        zim_vk_memory_round      (ZimVkDevice      *device,
                                       gsize             size);
/* Whether blocks of that kind take memory of the device's largest heap */
gboolean     zim_vk_memory_is_counted (ZimVkDevice      *device,
                                       ZimVkMemoryKind   kind);
/* Whether the host writes to that kind of memory itself; is_cached: and reads it fast */
gboolean     zim_vk_memory_is_mapped  (ZimVkDevice      *device,
                                       gboolean         *is_cached);
/* Bytes of all spans of device memory */
gsize        zim_vk_memory_get_size   (ZimVkDevice      *device);
/* Bytes of all blocks now, and the most that they were since reset_peak () */
guint64      zim_vk_memory_get_allocated (ZimVkDevice   *device);
guint64      zim_vk_memory_get_peak   (ZimVkDevice      *device);
void         zim_vk_memory_reset_peak (ZimVkDevice      *device);
/* Bytes of the largest span */
gsize        zim_vk_memory_get_max    (ZimVkDevice      *device);

static inline VkDeviceAddress
zim_vk_span_address (const ZimVkSpan *span)
{
  return span->block->address + span->offset;
}

static inline guint8 *
zim_vk_span_mapped (const ZimVkSpan *span)
{
  return span->block->mapped != NULL ? span->block->mapped + span->offset : NULL;
}

G_END_DECLS
