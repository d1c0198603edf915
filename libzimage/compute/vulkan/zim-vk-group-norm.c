/* zim-vk-group-norm.c: sums of blocks of rows, factors of each channel, then the norm itself
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-ops-private.h"
#include "zim-vk-shaders.h"

#define GROUP_SIZE 256
#define MAX_WIDTH 64      /* channels that a group sums side by side */
#define BLOCK_ROWS 512
#define MAX_BLOCKS 2048
#define PER_INVOCATION 4  /* elements, as the shader has it */

static guint
block_rows (const ZimOp *op)
{
  return MAX (BLOCK_ROWS, zim_vk_count (op->out->rows, MAX_BLOCKS));
}

static guint
n_blocks (const ZimOp *op)
{
  return zim_vk_count (op->out->rows, block_rows (op));
}

/* Four numbers for each block and channel, then three for each channel. */
static gsize
group_norm_scratch (const ZimOp      *op,
                    const ZimVkSetup *setup)
{
  return (gsize) op->out->cols * (4 * n_blocks (op) + 3) * sizeof (float);
}

static void
group_norm_pack (ZimVkWeights  *weights,
                 const ZimOp   *op,
                 ZimVkPacking **packings)
{
  if (op->norm.weight != NULL)
    packings[0] = zim_vk_weights_vector (weights, &op->norm.weight, NULL, 1);
  if (op->norm.bias != NULL)
    packings[1] = zim_vk_weights_vector (weights, &op->norm.bias, NULL, 1);
}

static void
emit_stats (const ZimVkCall *call)
{
  const ZimTensor *x = call->op->sources[0];
  guint width = 1;
  ZimVkGroupNormStatsPush push = {
    .x = zim_vk_tensor_address (call, x),
    .sums = call->scratch,
    .rows = (guint32) x->rows,
    .cols = (guint32) x->cols,
    .stride = (guint32) x->stride,
    .block = block_rows (call->op),
  };

  while (width < MAX_WIDTH && width < x->cols)
    width *= 2;
  zim_vk_recorder_dispatch (call->recorder, &zim_vk_group_norm_stats,
                            &(ZimVkGroupNormStatsConstants) { GROUP_SIZE, width }, &push,
                            zim_vk_count (x->cols, width), n_blocks (call->op), 1,
                            ZIM_VK_ELEMENT_WORK * x->rows * x->cols);
}

static void
emit_combine (const ZimVkCall *call,
              VkDeviceAddress  factors)
{
  const ZimOp *op = call->op;
  const ZimTensor *x = op->sources[0];
  ZimVkGroupNormCombineConstants constants = { GROUP_SIZE, call->packings[0] != NULL, call->packings[1] != NULL };
  ZimVkGroupNormCombinePush push = {
    .x = zim_vk_tensor_address (call, x),
    .sums = call->scratch,
    .weight = zim_vk_packing_address (call->packings[0]),
    .bias = zim_vk_packing_address (call->packings[1]),
    .factors = factors,
    .rows = (guint32) x->rows,
    .cols = (guint32) x->cols,
    .channels = (guint32) (x->cols / op->norm.group),
    .blocks = n_blocks (op),
    .eps = op->norm.eps,
  };

  zim_vk_recorder_dispatch (call->recorder, &zim_vk_group_norm_combine, &constants, &push, (guint) op->norm.group, 1, 1,
                            ZIM_VK_ELEMENT_WORK * n_blocks (op) * x->cols);
}

static void
group_norm_emit (const ZimVkCall *call)
{
  const ZimOp *op = call->op;
  const ZimTensor *x = op->sources[0], *out = op->out;
  gint64 n = out->rows * out->cols;
  VkDeviceAddress factors = call->scratch + (VkDeviceAddress) out->cols * n_blocks (op) * 4 * sizeof (float);
  ZimVkGroupNormApplyConstants constants = { GROUP_SIZE, op->norm.silu };
  ZimVkGroupNormApplyPush push = {
    .x = zim_vk_tensor_address (call, x),
    .y = zim_vk_tensor_address (call, out),
    .factors = factors,
    .rows = (guint32) out->rows,
    .cols = (guint32) out->cols,
    .x_stride = (guint32) x->stride,
    .y_stride = (guint32) out->stride,
  };

  emit_stats (call);
  zim_vk_recorder_barrier (call->recorder);
  emit_combine (call, factors);
  zim_vk_recorder_barrier (call->recorder);
  zim_vk_recorder_dispatch_1d (call->recorder, &zim_vk_group_norm_apply, &constants, &push,
                               zim_vk_count (n, GROUP_SIZE * PER_INVOCATION), ZIM_VK_ELEMENT_WORK * n);
}

const ZimVkOpClass zim_vk_group_norm_class = { group_norm_emit, group_norm_pack, group_norm_scratch };
