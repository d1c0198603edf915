/* zim-vk-times.c: how long each kind of operation takes (ZIM_DEBUG=time, and tuning)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-times-private.h"
#include "compute/zim-debug-private.h"

struct _ZimVkTimes {
  ZimVkDevice *device;  /* not owned */
  ZimProgram  *program; /* not owned */
  VkQueryPool  pool;
  guint        n;       /* of queries: one before the operations and one after each */
};

ZimVkTimes *
zim_vk_times_new (ZimVkDevice *device,
                  ZimProgram  *program)
{
  guint n = zim_program_get_ops (program)->len + 1;
  VkQueryPoolCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
    .queryType = VK_QUERY_TYPE_TIMESTAMP,
    .queryCount = n,
  };
  ZimVkTimes *self;
  VkQueryPool pool;

  if (!(zim_debug (ZIM_DEBUG_TIME) || device->measures) || device->physical->timestamp_bits == 0 ||
      device->vk.CreateQueryPool (device->handle, &info, NULL, &pool) != VK_SUCCESS)
    return NULL;
  self = g_new0 (ZimVkTimes, 1);
  *self = (ZimVkTimes) { device, program, pool, n };
  return self;
}

void
zim_vk_times_free (ZimVkTimes *self)
{
  self->device->vk.DestroyQueryPool (self->device->handle, self->pool, NULL);
  g_free (self);
}

void
zim_vk_times_mark (ZimVkTimes    *self,
                   ZimVkRecorder *recorder,
                   guint          n_done)
{
  if (self != NULL)
    zim_vk_recorder_timestamp (recorder, self->pool, n_done, self->n);
}

/* Milliseconds of each kind; FALSE if they are not known. */
static gboolean
read_sums (ZimVkTimes *self,
           double      sums[ZIM_N_OPS])
{
  g_autofree guint64 *ticks = g_new0 (guint64, self->n);
  GPtrArray *ops = zim_program_get_ops (self->program);
  double tick = self->device->physical->properties.limits.timestampPeriod / 1e6;

  if (self->device->vk.GetQueryPoolResults (self->device->handle, self->pool, 0, self->n, self->n * sizeof *ticks,
                                            ticks, sizeof *ticks, VK_QUERY_RESULT_64_BIT) != VK_SUCCESS)
    return FALSE;
  for (guint i = 0; i < ops->len; i++)
    sums[((const ZimOp *) g_ptr_array_index (ops, i))->kind] += tick * (double) (ticks[i + 1] - ticks[i]);
  return TRUE;
}

double
zim_vk_times_get (ZimVkTimes *self,
                  ZimOpKind   kind)
{
  double sums[ZIM_N_OPS] = { 0 };

  return self != NULL && read_sums (self, sums) ? sums[kind] : 0;
}

void
zim_vk_times_print (ZimVkTimes *self)
{
  double sums[ZIM_N_OPS] = { 0 }, all = 0;
  g_autoptr(GString) text = NULL;

  if (self == NULL || !zim_debug (ZIM_DEBUG_TIME) || !read_sums (self, sums))
    return;
  text = g_string_new (NULL);
  for (guint i = 0; i < ZIM_N_OPS; i++)
    {
      all += sums[i];
      if (sums[i] > 0)
        g_string_append_printf (text, ", %s %.2f", zim_op_kind_name (i), sums[i]);
    }
  zim_debug_print ("time: %s %.2f ms%s", zim_program_get_name (self->program), all, text->str);
}
