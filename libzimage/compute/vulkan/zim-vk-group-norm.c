/* zim-vk-group-norm.c: sums of blocks of rows, factors of each channel, then the norm itself
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-ops-private.h"
#include "zim-vk-shaders.h"

#define GROUP_SIZE 256
#define MAX_WIDTH 64      /* channels that a group sums side by side */
#define PER_INVOCATION 4  /* elements, as the shader has it */

static void
group_sums_emit (const ZimVkCall *call)
{
  const ZimOp *op = call->op;
  const ZimTensor *x = op->sources[0];
  guint width = 1;
  ZimVkGroupNormStatsPush push = {
    .x = zim_vk_tensor_address (call, x),
    .shift = zim_vk_tensor_address (call, op->sources[1]),
    .sums = zim_vk_tensor_address (call, op->out),
    .rows = (guint32) x->rows,
    .cols = (guint32) x->cols,
    .stride = (guint32) x->stride,
    .block = (guint32) op->norm.rows,
  };

  while (width < MAX_WIDTH && width < x->cols)
    width *= 2;
  zim_vk_recorder_dispatch (call->recorder, &zim_vk_group_norm_stats,
                            &(ZimVkGroupNormStatsConstants) { GROUP_SIZE, width }, &push,
                            zim_vk_count (x->cols, width), (guint) op->out->rows, 1,
                            ZIM_VK_ELEMENT_WORK * x->rows * x->cols);
}

const ZimVkOpClass zim_vk_group_sums_class = { group_sums_emit, NULL, NULL };

static void
group_factors_pack (ZimVkWeights  *weights,
                    const ZimOp   *op,
                    ZimVkPacking **packings)
{
  if (op->norm.weight != NULL)
    packings[0] = zim_vk_weights_vector (weights, &op->norm.weight, NULL, 1);
  if (op->norm.bias != NULL)
    packings[1] = zim_vk_weights_vector (weights, &op->norm.bias, NULL, 1);
}

static void
group_factors_emit (const ZimVkCall *call)
{
  const ZimOp *op = call->op;
  const ZimTensor *sums = op->sources[0];
  ZimVkGroupNormCombineConstants constants = { GROUP_SIZE, call->packings[0] != NULL, call->packings[1] != NULL };
  ZimVkGroupNormCombinePush push = {
    .shift = zim_vk_tensor_address (call, op->sources[1]),
    .sums = zim_vk_tensor_address (call, sums),
    .weight = zim_vk_packing_address (call->packings[0]),
    .bias = zim_vk_packing_address (call->packings[1]),
    .factors = zim_vk_tensor_address (call, op->out),
    .rows = (guint32) op->norm.rows,
    .cols = (guint32) op->out->cols,
    .channels = (guint32) (op->out->cols / op->norm.group),
    .blocks = (guint32) sums->rows,
    .eps = op->norm.eps,
  };

  zim_vk_recorder_dispatch (call->recorder, &zim_vk_group_norm_combine, &constants, &push, (guint) op->norm.group, 1, 1,
                            ZIM_VK_ELEMENT_WORK * sums->rows * op->out->cols);
}

const ZimVkOpClass zim_vk_group_factors_class = { group_factors_emit, group_factors_pack, NULL };

static void
group_norm_emit (const ZimVkCall *call)
{
  const ZimOp *op = call->op;
  const ZimTensor *x = op->sources[0], *out = op->out;
  gint64 n = out->rows * out->cols;
  ZimVkGroupNormApplyConstants constants = { GROUP_SIZE, op->norm.silu, zim_vk_stored_operand (call) };
  ZimVkGroupNormApplyPush push = {
    .x = zim_vk_tensor_address (call, x),
    .y = zim_vk_tensor_address (call, out),
    .factors = zim_vk_tensor_address (call, op->sources[1]),
    .rows = (guint32) out->rows,
    .cols = (guint32) out->cols,
    .x_stride = (guint32) x->stride,
    .y_stride = (guint32) out->stride,
  };

  zim_vk_recorder_dispatch_1d (call->recorder, &zim_vk_group_norm_apply, &constants, &push,
                               zim_vk_count (n, GROUP_SIZE * PER_INVOCATION), ZIM_VK_ELEMENT_WORK * n);
}

const ZimVkOpClass zim_vk_group_norm_class = { group_norm_emit, NULL, NULL };
