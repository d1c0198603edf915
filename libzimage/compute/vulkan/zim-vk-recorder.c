/* zim-vk-recorder.c: commands, divided into segments that the device does in a tenth of a second at most
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-pipeline-private.h"
#include "compute/vulkan/zim-vk-recorder-private.h"
#include "compute/zim-debug-private.h"

struct _ZimVkRecorder {
  ZimVkDevice *device;    /* not owned */
  double       max_work;  /* of a segment */
  double       work;      /* of the current one */
  GArray      *segments;  /* of VkCommandBuffer; the last one is the current */
  GArray      *accesses;  /* of ZimVkAccess, since the last barrier between operations */
  VkPipeline   pipeline;  /* bound in the current segment */
  gboolean     prints;    /* what is recorded */
  GError      *error;
};

static VkCommandBuffer
current_commands (ZimVkRecorder *self)
{
  return g_array_index (self->segments, VkCommandBuffer, self->segments->len - 1);
}

static void
end_segment (ZimVkRecorder *self)
{
  ZimVkDevice *device = self->device;

  if (self->error == NULL)
    zim_vk_check (device, device->vk.EndCommandBuffer (current_commands (self)), "vkEndCommandBuffer", &self->error);
}

static void
begin_segment (ZimVkRecorder *self)
{
  VkCommandBuffer commands;

  if (self->error != NULL)
    return;
  commands = zim_vk_queue_begin (self->device, &self->device->compute, &self->error);
  if (commands != NULL)
    g_array_append_val (self->segments, commands);
  self->work = 0;
  self->pipeline = VK_NULL_HANDLE;
}

ZimVkRecorder *
zim_vk_recorder_new (ZimVkDevice *device,
                     double       rate)
{
  ZimVkRecorder *self = g_new0 (ZimVkRecorder, 1);

  self->device = device;
  self->max_work = rate * ZIM_VK_SEGMENT_SECONDS;
  self->prints = zim_debug (ZIM_DEBUG_OPS);
  self->segments = g_array_new (FALSE, FALSE, sizeof (VkCommandBuffer));
  self->accesses = g_array_new (FALSE, FALSE, sizeof (ZimVkAccess));
  begin_segment (self);
  /* What ran before, on this queue, is seen. */
  zim_vk_recorder_barrier (self);
  return self;
}

void
zim_vk_recorder_free (ZimVkRecorder *self)
{
  ZimVkDevice *device = self->device;

  if (self->segments->len > 0)
    device->vk.FreeCommandBuffers (device->handle, device->compute.pool, self->segments->len,
                                   (const VkCommandBuffer *) (gconstpointer) self->segments->data);
  g_array_unref (self->segments);
  g_array_unref (self->accesses);
  g_clear_error (&self->error);
  g_free (self);
}

void
zim_vk_recorder_barrier (ZimVkRecorder *self)
{
  if (self->error == NULL)
    zim_vk_barrier (self->device, current_commands (self));
}

guint
zim_vk_recorder_cut (ZimVkRecorder *self)
{
  end_segment (self);
  begin_segment (self);
  return self->segments->len - 1;
}

static gboolean
conflict (const ZimVkAccess *a,
          const ZimVkAccess *b)
{
  return (a->is_write || b->is_write) && a->address < b->address + b->size && b->address < a->address + a->size;
}

void
zim_vk_recorder_begin_op (ZimVkRecorder     *self,
                          const ZimVkAccess *accesses,
                          guint              n)
{
  gboolean must_wait = FALSE;

  for (guint i = 0; i < self->accesses->len && !must_wait; i++)
    for (guint j = 0; j < n; j++)
      must_wait |= conflict (&g_array_index (self->accesses, ZimVkAccess, i), &accesses[j]);
  if (must_wait)
    {
      zim_vk_recorder_barrier (self);
      g_array_set_size (self->accesses, 0);
    }
  g_array_append_vals (self->accesses, accesses, n);
}

static void
dispatch_part (ZimVkRecorder     *self,
               const ZimVkShader *shader,
               VkPipeline         pipeline,
               gconstpointer      push,
               const guint       *base,
               const guint       *size)
{
  ZimVkDevice *device = self->device;
  VkCommandBuffer commands = current_commands (self);

  if (self->pipeline != pipeline)
    device->vk.CmdBindPipeline (commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  self->pipeline = pipeline;
  device->vk.CmdPushConstants (commands, zim_vk_pipelines_get_layout (device->pipelines), VK_SHADER_STAGE_COMPUTE_BIT,
                               0, shader->push_size, push);
  device->vk.CmdDispatchBase (commands, base[0], base[1], base[2], size[0], size[1], size[2]);
}

void
zim_vk_recorder_dispatch (ZimVkRecorder     *self,
                          const ZimVkShader *shader,
                          gconstpointer      constants,
                          gconstpointer      push,
                          guint              x,
                          guint              y,
                          guint              z,
                          double             work)
{
  guint base[] = { 0, 0, 0 }, size[] = { x, y, z };
  guint axis = y > 1 ? 1 : 0, n = size[axis];
  double each = work / n;
  VkPipeline pipeline = VK_NULL_HANDLE;

  if (self->prints)
    zim_debug_print ("ops: segment %u: %s on %u × %u × %u groups of %u", self->segments->len, shader->name, x, y, z,
                     *(const guint32 *) constants);
  if (self->error == NULL)
    pipeline = zim_vk_pipelines_get (self->device->pipelines, shader, constants, &self->error);
  while (self->error == NULL && base[axis] < n)
    {
      double room = (self->max_work - self->work) / MAX (each, 1e-9);

      if (room < 1 && self->work > 0)
        {
          end_segment (self);
          begin_segment (self);
          continue;
        }
      size[axis] = (guint) CLAMP (room, 1, n - base[axis]);
      dispatch_part (self, shader, pipeline, push, base, size);
      self->work += each * size[axis];
      base[axis] += size[axis];
    }
}

void
zim_vk_recorder_dispatch_1d (ZimVkRecorder     *self,
                             const ZimVkShader *shader,
                             gconstpointer      constants,
                             gconstpointer      push,
                             guint64            n,
                             double             work)
{
  guint64 y = (n + ZIM_VK_GRID_ROW - 1) / ZIM_VK_GRID_ROW;

  zim_vk_recorder_dispatch (self, shader, constants, push, (guint) MIN (n, ZIM_VK_GRID_ROW), (guint) y, 1, work);
}

void
zim_vk_recorder_timestamp (ZimVkRecorder *self,
                           VkQueryPool    pool,
                           guint          query,
                           guint          n)
{
  ZimVkDevice *device = self->device;

  if (self->error != NULL)
    return;
  if (query == 0)
    device->vk.CmdResetQueryPool (current_commands (self), pool, 0, n);
  device->vk.CmdWriteTimestamp (current_commands (self), VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool, query);
}

gboolean
zim_vk_recorder_finish (ZimVkRecorder  *self,
                        GError        **error)
{
  zim_vk_recorder_barrier (self);
  end_segment (self);
  if (self->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&self->error));
  return FALSE;
}

guint
zim_vk_recorder_get_n (ZimVkRecorder *self)
{
  return self->segments->len;
}

VkCommandBuffer
zim_vk_recorder_get (ZimVkRecorder *self,
                     guint          segment)
{
  return g_array_index (self->segments, VkCommandBuffer, segment);
}
