/* zim-vk-attention.c: softmax (q · kᵀ / √d) · v, range by range
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/vulkan/zim-vk-ops-private.h"
#include "zim-vk-shaders.h"

#define GROUP_SIZE 128
#define WIDE_HEAD 128 /* columns, beyond which a group takes few queries: it keeps sums of all columns in registers */
#define TILE_ROWS 64
#define WIDE_TILE_ROWS 16

static VkDeviceAddress
row_address (const ZimVkCall *call,
             const ZimTensor *tensor,
             gint64           row)
{
  return zim_vk_tensor_address (call, tensor) + (VkDeviceAddress) (row * tensor->stride) * sizeof (float);
}

static void
emit_range (const ZimVkCall *call,
            const ZimRange  *range)
{
  const ZimOp *op = call->op;
  const ZimAttentionParams *attention = &op->attention;
  guint tile_rows = attention->head_dim > WIDE_HEAD ? WIDE_TILE_ROWS : TILE_ROWS;
  double pairs = (double) range->length * range->length / (attention->causal ? 2 : 1);
  ZimVkAttentionConstants constants = {
    GROUP_SIZE, tile_rows, attention->head_dim, call->setup->operand, attention->causal,
  };
  ZimVkAttentionPush push = {
    .q = row_address (call, op->sources[0], range->start),
    .k = row_address (call, op->sources[1], range->start),
    .v = row_address (call, op->sources[2], range->start),
    .y = row_address (call, op->out, range->start),
    .rows = (guint32) range->length,
    .head_group = attention->n_heads / attention->n_kv_heads,
    .q_stride = (guint32) op->sources[0]->stride,
    .k_stride = (guint32) op->sources[1]->stride,
    .v_stride = (guint32) op->sources[2]->stride,
    .y_stride = (guint32) op->out->stride,
    .scale = 1.0f / sqrtf (attention->head_dim),
  };

  zim_vk_recorder_dispatch (call->recorder, &zim_vk_attention, &constants, &push, attention->n_heads,
                            zim_vk_count (range->length, tile_rows), 1,
                            4.0 * pairs * attention->n_heads * attention->head_dim);
}

static void
attention_emit (const ZimVkCall *call)
{
  for (guint i = 0; i < call->op->n_ranges; i++)
    emit_range (call, &call->op->ranges[i]);
}

const ZimVkOpClass zim_vk_attention_class = { attention_emit, NULL, NULL };
