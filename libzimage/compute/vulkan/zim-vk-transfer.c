/* zim-vk-transfer.c: data to the device and back, through a ring of mapped memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-transfer-private.h"

#define N_SLOTS 4
#define SLOT_SIZE ((gsize) 8 << 20)
#define MAX_REGIONS 1024

/* Memory and commands that are in use until the copy queue's timeline has come to `until`. */
typedef struct {
  ZimVkSpan       span;
  VkCommandBuffer commands;
  guint64         until;
} Slot;

struct _ZimVkTransfer {
  ZimVkDevice *device; /* not owned */
  Slot         slots[N_SLOTS];
  guint        next;
  ZimVkSpan    download; /* made when it is first needed */
};

ZimVkTransfer *
zim_vk_transfer_new (ZimVkDevice  *device,
                     GError      **error)
{
  ZimVkTransfer *self = g_new0 (ZimVkTransfer, 1);

  self->device = device;
  return self;
}

void
zim_vk_transfer_free (ZimVkTransfer *self)
{
  for (guint i = 0; i < N_SLOTS; i++)
    zim_vk_memory_release (self->device, &self->slots[i].span);
  zim_vk_memory_release (self->device, &self->download);
  g_free (self);
}

gsize
zim_vk_transfer_get_size (ZimVkDevice *device)
{
  gboolean is_cached, is_mapped = zim_vk_memory_is_mapped (device, &is_cached);
  gsize size = 0;

  if (!is_mapped && zim_vk_memory_is_counted (device, ZIM_VK_MEMORY_UPLOAD))
    size += N_SLOTS * zim_vk_memory_round (device, SLOT_SIZE);
  if (!(is_mapped && is_cached) && zim_vk_memory_is_counted (device, ZIM_VK_MEMORY_DOWNLOAD))
    size += zim_vk_memory_round (device, SLOT_SIZE);
  return size;
}

/* The commands of a slot are used up: new ones take their place. */
static gboolean
slot_begin (ZimVkDevice  *device,
            Slot         *slot,
            GError      **error)
{
  ZimVkQueue *queue = zim_vk_device_get_copy_queue (device);

  if (slot->span.block == NULL &&
      !zim_vk_memory_alloc (device, ZIM_VK_MEMORY_UPLOAD, SLOT_SIZE, "staging", &slot->span, error))
    return FALSE;
  if (!zim_vk_queue_wait (device, queue, slot->until, error))
    return FALSE;
  if (slot->commands != NULL)
    device->vk.FreeCommandBuffers (device->handle, queue->pool, 1, &slot->commands);
  slot->commands = zim_vk_queue_begin (device, queue, error);
  return slot->commands != NULL;
}

static gboolean
slot_submit (ZimVkDevice  *device,
             Slot         *slot,
             GError      **error)
{
  ZimVkQueue *queue = zim_vk_device_get_copy_queue (device);

  if (!device->has_copy_queue)
    zim_vk_barrier (device, slot->commands);
  if (!zim_vk_check (device, device->vk.EndCommandBuffer (slot->commands), "vkEndCommandBuffer", error) ||
      !zim_vk_queue_submit (device, queue, slot->commands, error))
    return FALSE;
  slot->until = queue->submitted;
  return TRUE;
}

gboolean
zim_vk_upload_func (ZimVkDevice      *device,
                    const ZimVkSpan  *span,
                    gsize             offset,
                    gsize             size,
                    gsize             granule,
                    ZimVkFillFunc     fill,
                    gpointer          user_data,
                    GError          **error)
{
  ZimVkTransfer *self = device->transfer;
  gsize piece = MAX (SLOT_SIZE / granule, 1) * granule;

  g_assert (offset + size <= span->size && piece <= SLOT_SIZE);
  if (zim_vk_span_mapped (span) != NULL)
    {
      fill (zim_vk_span_mapped (span) + offset, 0, size, user_data);
      return TRUE;
    }
  for (gsize done = 0; done < size; done += piece)
    {
      Slot *slot = &self->slots[self->next];
      VkBufferCopy region = { .dstOffset = span->offset + offset + done, .size = MIN (piece, size - done) };

      if (!slot_begin (device, slot, error))
        return FALSE;
      self->next = (self->next + 1) % N_SLOTS;
      fill (zim_vk_span_mapped (&slot->span), done, region.size, user_data);
      region.srcOffset = slot->span.offset;
      device->vk.CmdCopyBuffer (slot->commands, slot->span.block->buffer, span->block->buffer, 1, &region);
      if (!slot_submit (device, slot, error))
        return FALSE;
    }
  return TRUE;
}

static void
fill_from_memory (guint8   *out,
                  gsize     offset,
                  gsize     size,
                  gpointer  user_data)
{
  memcpy (out, (const guint8 *) user_data + offset, size);
}

gboolean
zim_vk_upload (ZimVkDevice      *device,
               const ZimVkSpan  *span,
               gsize             offset,
               gconstpointer     data,
               gsize             size,
               GError          **error)
{
  return zim_vk_upload_func (device, span, offset, size, 1, fill_from_memory, (gpointer) data, error);
}

/* n rows by way of the download memory, which they fit into */
static gboolean
download_rows (ZimVkDevice      *device,
               const ZimVkSpan  *span,
               gsize             offset,
               gsize             n,
               gsize             row_size,
               gsize             stride,
               guint8           *data,
               GError          **error)
{
  const ZimVkSpan *target = &device->transfer->download;
  g_autofree VkBufferCopy *regions = g_new (VkBufferCopy, n);
  VkCommandBuffer commands = zim_vk_queue_begin (device, &device->compute, error);
  gboolean is_done;

  if (commands == NULL)
    return FALSE;
  for (gsize i = 0; i < n; i++)
    regions[i] = (VkBufferCopy) { span->offset + offset + i * stride, target->offset + i * row_size, row_size };
  zim_vk_barrier (device, commands);
  device->vk.CmdCopyBuffer (commands, span->block->buffer, target->block->buffer, (guint32) n, regions);
  zim_vk_barrier (device, commands);
  is_done = zim_vk_check (device, device->vk.EndCommandBuffer (commands), "vkEndCommandBuffer", error) &&
            zim_vk_queue_submit (device, &device->compute, commands, error) &&
            zim_vk_queue_wait (device, &device->compute, device->compute.submitted, error);
  device->vk.FreeCommandBuffers (device->handle, device->compute.pool, 1, &commands);
  if (is_done)
    memcpy (data, zim_vk_span_mapped (target), n * row_size);
  return is_done;
}

static void
copy_rows (guint8       *out,
           const guint8 *in,
           gsize         rows,
           gsize         row_size,
           gsize         stride)
{
  for (gsize i = 0; i < rows; i++)
    memcpy (out + i * row_size, in + i * stride, row_size);
}

/* Memory without gaps, as rows of a slot each */
static gboolean
download_all (ZimVkDevice      *device,
              const ZimVkSpan  *span,
              gsize             offset,
              gsize             size,
              guint8           *data,
              GError          **error)
{
  for (gsize done = 0; done < size; done += SLOT_SIZE)
    {
      gsize piece = MIN (SLOT_SIZE, size - done);

      if (!download_rows (device, span, offset + done, 1, piece, piece, data + done, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
zim_vk_download (ZimVkDevice      *device,
                 const ZimVkSpan  *span,
                 gsize             offset,
                 gsize             rows,
                 gsize             row_size,
                 gsize             stride,
                 gpointer          data,
                 GError          **error)
{
  ZimVkTransfer *self = device->transfer;
  guint8 *mapped = zim_vk_span_mapped (span), *out = data;
  gsize step = CLAMP (SLOT_SIZE / row_size, 1, MAX_REGIONS);

  if (mapped != NULL && span->block->is_cached)
    {
      if (!zim_vk_queue_wait (device, &device->compute, device->compute.submitted, error))
        return FALSE;
      copy_rows (out, mapped + offset, rows, row_size, stride);
      return TRUE;
    }
  if (self->download.block == NULL &&
      !zim_vk_memory_alloc (device, ZIM_VK_MEMORY_DOWNLOAD, SLOT_SIZE, "staging", &self->download, error))
    return FALSE;
  if (stride == row_size || rows == 1)
    return download_all (device, span, offset, rows * row_size, out, error);
  g_assert (row_size <= SLOT_SIZE);
  for (gsize row = 0; row < rows; row += step)
    if (!download_rows (device, span, offset + row * stride, MIN (step, rows - row), row_size, stride,
                        out + row * row_size, error))
      return FALSE;
  return TRUE;
}
