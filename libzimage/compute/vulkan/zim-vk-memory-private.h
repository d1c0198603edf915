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
/* Bytes of all spans of device memory */
gsize        zim_vk_memory_get_size   (ZimVkDevice      *device);
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
