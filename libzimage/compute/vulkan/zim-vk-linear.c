/* zim-vk-linear.c: y = x · Wᵀ + b
 *
 * A product of few rows has few tiles, which leave most of a large device idle: it is divided along k, into parts that
 * a second shader adds up. Weights of several formats are as many products, whose results lie side by side. Rotated
 * ones stay as they are stored: rotated back they would no longer be integers of a byte. It is x that is rotated for
 * them, which is little work beside the product.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-ops-private.h"
#include "compute/zim-arena-private.h"
#include "compute/zim-debug-private.h"
#include "zim-vk-shaders.h"

#define MAX_SPLITS 8
#define MIN_SPLIT 512   /* of k, that is worth a part */
#define FEW_TILES 64
#define REDUCE_GROUP 256
#define ROTATE_GROUP 64
#define ROTATE_COLS 256 /* of a group */

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

  n_tiles = (gint64) zim_vk_count (op->out->rows, product->tile.rows) *
            zim_vk_count (op->out->cols, product->tile.cols);
  n = MIN (MIN (k / MIN_SPLIT, MAX_SPLITS), FEW_TILES / n_tiles);
  if (n < 2 || zim_is_disabled (ZIM_DISABLE_SPLIT))
    return k;
  return (gint64) zim_vk_count (k, (guint) (n * ZIM_VK_WEIGHT_COLS)) * ZIM_VK_WEIGHT_COLS;
}

/* How x is rotated for some of the weights; 0: for none of them. */
static guint
find_rotation (const ZimOp *op)
{
  for (guint i = 0; i < op->linear.n_weights; i++)
    {
      const ZimWeight *weight = op->linear.weights[i];
      ZimVkFormat format;

      if (zim_vk_codes_choose (weight, weight->dims[1], padded_k (op), &format) && format.rotation != 0)
        return format.rotation;
    }
  return 0;
}

/* x is rotated as it is, in f32. */
gboolean
zim_vk_linear_takes_operands (const ZimOp *op)
{
  return find_rotation (op) == 0;
}

static gsize
parts_size (const ZimOp *op,
            guint        splits)
{
  gsize size = splits > 1 ? (gsize) splits * op->out->rows * op->out->cols * sizeof (float) : 0;

  return (size + ZIM_ARENA_ALIGNMENT - 1) / ZIM_ARENA_ALIGNMENT * ZIM_ARENA_ALIGNMENT;
}

/* The parts of a divided product, then x rotated */
static gsize
linear_scratch (const ZimOp      *op,
                const ZimVkSetup *setup)
{
  const ZimVkProduct product = zim_vk_choose_product (setup, ZIM_VK_MATMUL, op->out->rows, op->out->cols);
  guint splits = zim_vk_count (padded_k (op), (guint) choose_split (op, &product));
  gsize rotated = find_rotation (op) != 0 ? (gsize) (op->out->rows * padded_k (op)) * sizeof (float) : 0;

  return parts_size (op, splits) + rotated;
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
emit_rotation (const ZimVkCall *call,
               guint            rotation,
               VkDeviceAddress  rotated)
{
  const ZimTensor *x = call->op->sources[0];
  ZimVkRotateConstants constants = { ROTATE_GROUP };
  ZimVkRotatePush push = {
    .x = zim_vk_tensor_address (call, x),
    .y = rotated,
    .rows = (guint32) x->rows,
    .cols = (guint32) x->cols,
    .x_stride = (guint32) x->stride,
    .y_stride = (guint32) padded_k (call->op),
    .rotation = rotation,
  };

  zim_vk_recorder_dispatch_1d (call->recorder, &zim_vk_rotate, &constants, &push,
                               (guint64) x->rows * zim_vk_count (x->cols, ROTATE_COLS),
                               ZIM_VK_ELEMENT_WORK * x->rows * x->cols);
  zim_vk_recorder_barrier (call->recorder);
}

/* How a product is divided, and where its rotated x lies */
typedef struct {
  const ZimVkProduct *product;
  gint64              split;
  guint               splits;
  VkDeviceAddress     rotated;
} Division;

static void
emit_section (const ZimVkCall    *call,
              const Division     *division,
              const ZimVkSection *section)
{
  const ZimOp *op = call->op;
  const ZimTensor *x = op->sources[0], *out = op->out;
  const ZimVkProduct *product = division->product;
  gboolean is_whole = division->splits == 1, is_rotated = section->format.rotation != 0;
  gboolean has_bias = is_whole && call->packings[1] != NULL;
  VkDeviceAddress skipped = (VkDeviceAddress) section->first_row * sizeof (float);
  ZimVkProductConstants constants;
  ZimVkMatmulPush push = {
    .x = is_rotated ? division->rotated : zim_vk_tensor_address (call, x),
    .w = zim_vk_packing_address (call->packings[0]) + section->offset,
    .bias = has_bias ? zim_vk_packing_address (call->packings[1]) + skipped : 0,
    .y = (is_whole ? zim_vk_tensor_address (call, out) : call->scratch) + skipped,
    .rows = (guint32) out->rows,
    .cols = (guint32) section->rows,
    .k_size = (guint32) x->cols,
    .k_split = (guint32) division->split,
    .x_stride = (guint32) (is_rotated ? padded_k (op) : x->stride),
    .w_stride = (guint32) call->packings[0]->stride,
    .w_pitch = (guint32) (section->format.row_size / sizeof (guint32)),
    .y_stride = (guint32) (is_whole ? out->stride : out->cols),
    .y_split = (guint32) (out->rows * out->cols),
    .scale = operand_scale (call),
    .unscale = is_whole ? 1 / operand_scale (call) : 1,
  };

  zim_vk_matmul_constants (call->setup, product, &section->format,
                           is_rotated ? ZIM_VK_LAYOUT_QUADS : zim_vk_layout_of (call, x), has_bias, &constants);
  zim_vk_recorder_dispatch (call->recorder, product->shader, &constants, &push,
                            zim_vk_count (section->rows, product->tile.cols),
                            zim_vk_count (out->rows, product->tile.rows), division->splits,
                            zim_op_get_flops (op) * section->rows / out->cols);
}

static void
linear_emit (const ZimVkCall *call)
{
  const ZimOp *op = call->op;
  const ZimVkPacking *w = call->packings[0];
  const ZimVkProduct product = zim_vk_choose_product (call->setup, ZIM_VK_MATMUL, op->out->rows, op->out->cols);
  gint64 split = choose_split (op, &product);
  guint splits = zim_vk_count (w->stride, (guint) split), rotation = find_rotation (op);
  const Division division = { &product, split, splits, call->scratch + parts_size (op, splits) };

  if (rotation != 0)
    emit_rotation (call, rotation, division.rotated);
  for (guint i = 0; i < w->sections->len; i++)
    emit_section (call, &division, zim_vk_packing_get_section (w, i));
  if (splits > 1)
    emit_reduce (call, splits);
}

const ZimVkOpClass zim_vk_linear_class = { linear_emit, linear_pack, linear_scratch };
