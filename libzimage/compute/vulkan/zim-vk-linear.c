/* zim-vk-linear.c: y = x · Wᵀ + b
 *
 * A product of few rows has few tiles, which leave most of a large device idle: it is divided along k, into parts that
 * a second shader adds up.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-ops-private.h"
#include "compute/zim-debug-private.h"
#include "zim-vk-shaders.h"

#define MAX_SPLITS 8
#define MIN_SPLIT 512   /* of k, that is worth a part */
#define FEW_TILES 64
#define REDUCE_GROUP 256

static gint64
padded_k (const ZimOp *op)
{
  return (gint64) zim_vk_count (op->sources[0]->cols, ZIM_VK_WEIGHT_COLS) * ZIM_VK_WEIGHT_COLS;
}

/* How many of k a part takes: all of them, or a multiple of the columns that weights are padded to. */
static gint64
choose_split (const ZimOp        *op,
              const ZimVkProduct *product)
{
  gint64 k = padded_k (op), n_tiles, n;

  n_tiles = (gint64) zim_vk_count (op->out->rows, product->tile_rows) *
            zim_vk_count (op->out->cols, product->tile_cols);
  n = MIN (MIN (k / MIN_SPLIT, MAX_SPLITS), FEW_TILES / n_tiles);
  if (n < 2 || zim_is_disabled (ZIM_DISABLE_SPLIT))
    return k;
  return (gint64) zim_vk_count (k, (guint) (n * ZIM_VK_WEIGHT_COLS)) * ZIM_VK_WEIGHT_COLS;
}

static gsize
linear_scratch (const ZimOp      *op,
                const ZimVkSetup *setup)
{
  const ZimVkProduct *product = zim_vk_choose_matmul (setup, op->out->rows, op->out->cols);
  guint splits = zim_vk_count (padded_k (op), (guint) choose_split (op, product));

  return splits > 1 ? (gsize) splits * op->out->rows * op->out->cols * sizeof (float) : 0;
}

static void
linear_pack (ZimVkWeights  *weights,
             const ZimOp   *op,
             ZimVkPacking **packings)
{
  const ZimLinearParams *linear = &op->linear;

  packings[0] = zim_vk_weights_matrix (weights, linear->weights, linear->n_weights);
  if (linear->biases != NULL)
    packings[1] = zim_vk_weights_vector (weights, linear->biases, linear->weights, linear->n_weights);
}

/* What x is multiplied by: f32 has room enough. */
static float
operand_scale (const ZimVkCall *call)
{
  return call->setup->operand != ZIM_VK_OPERAND_F32 ? call->op->linear.operand_scale : 1;
}

static void
emit_reduce (const ZimVkCall *call,
             guint            splits)
{
  const ZimTensor *out = call->op->out;
  gint64 n = out->rows * out->cols;
  ZimVkReduceConstants constants = { REDUCE_GROUP, call->packings[1] != NULL };
  ZimVkReducePush push = {
    .parts = call->scratch,
    .bias = zim_vk_packing_address (call->packings[1]),
    .y = zim_vk_tensor_address (call, out),
    .rows = (guint32) out->rows,
    .cols = (guint32) out->cols,
    .splits = splits,
    .y_stride = (guint32) out->stride,
    .factor = 1 / operand_scale (call),
  };

  zim_vk_recorder_barrier (call->recorder);
  zim_vk_recorder_dispatch_1d (call->recorder, &zim_vk_reduce, &constants, &push, zim_vk_count (n, REDUCE_GROUP),
                               ZIM_VK_ELEMENT_WORK * n * splits);
}

static void
linear_emit (const ZimVkCall *call)
{
  const ZimOp *op = call->op;
  const ZimTensor *x = op->sources[0], *out = op->out;
  const ZimVkPacking *w = call->packings[0];
  const ZimVkProduct *product = zim_vk_choose_matmul (call->setup, out->rows, out->cols);
  gint64 split = choose_split (op, product);
  guint splits = zim_vk_count (w->stride, (guint) split);
  ZimVkProductConstants constants;
  ZimVkMatmulPush push = {
    .x = zim_vk_tensor_address (call, x),
    .w = zim_vk_packing_address (w),
    .bias = zim_vk_packing_address (call->packings[1]),
    .y = splits == 1 ? zim_vk_tensor_address (call, out) : call->scratch,
    .rows = (guint32) out->rows,
    .cols = (guint32) out->cols,
    .k_size = (guint32) x->cols,
    .k_split = (guint32) split,
    .x_stride = (guint32) x->stride,
    .w_stride = (guint32) w->stride,
    .y_stride = (guint32) (splits == 1 ? out->stride : out->cols),
    .y_split = (guint32) (out->rows * out->cols),
    .scale = operand_scale (call),
    .unscale = splits == 1 ? 1 / operand_scale (call) : 1,
  };

  zim_vk_matmul_constants (call->setup, product, w->dtype, zim_vk_is_aligned (call, x),
                           splits == 1 && call->packings[1] != NULL, &constants);
  zim_vk_recorder_dispatch (call->recorder, product->shader, &constants, &push,
                            zim_vk_count (out->cols, product->tile_cols), zim_vk_count (out->rows, product->tile_rows),
                            splits, zim_op_get_flops (op));
  if (splits > 1)
    emit_reduce (call, splits);
}

const ZimVkOpClass zim_vk_linear_class = { linear_emit, linear_pack, linear_scratch };
