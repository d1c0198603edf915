/* zim-vk-rows.c: the operations that go over rows once: norms, rope, element-wise ones, copies
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-ops-private.h"
#include "zim-vk-shaders.h"

#define GROUP_SIZE 256
#define PER_INVOCATION 4 /* elements, as the shader has it */

/* Element by element */

typedef struct {
  VkDeviceAddress address;
  gint64          stride;
} Source;

static Source
tensor_source (const ZimVkCall *call,
               const ZimTensor *tensor)
{
  return (Source) { zim_vk_tensor_address (call, tensor), tensor->stride };
}

static void
emit_element (const ZimVkCall *call,
              guint            kind,
              Source           a,
              Source           b)
{
  const ZimTensor *out = call->op->out;
  gint64 n = out->rows * out->cols;
  ZimVkElementConstants constants = { GROUP_SIZE, kind, zim_vk_stored_operand (call) };
  float factor = call->factors[out->base->id];
  ZimVkElementPush push = {
    .a = a.address,
    .b = b.address,
    .y = zim_vk_tensor_address (call, out),
    .rows = (guint32) out->rows,
    .cols = (guint32) out->cols,
    .a_stride = (guint32) a.stride,
    .b_stride = (guint32) b.stride,
    .y_stride = (guint32) out->stride,
    .mul = kind == ZIM_VK_ELEMENT_AFFINE ? call->op->affine.mul : factor,
    .add = kind == ZIM_VK_ELEMENT_AFFINE ? call->op->affine.add : 0,
  };

  zim_vk_recorder_dispatch_1d (call->recorder, &zim_vk_element, &constants, &push,
                               zim_vk_count (n, GROUP_SIZE * PER_INVOCATION), ZIM_VK_ELEMENT_WORK * n);
}

#define ELEMENT_EMIT(name, kind)                                                           \
  static void                                                                              \
  name##_emit (const ZimVkCall *call)                                                      \
  {                                                                                        \
    const ZimOp *op = call->op;                                                            \
                                                                                           \
    emit_element (call, kind, tensor_source (call, op->sources[0]),                        \
                  op->n_sources > 1 ? tensor_source (call, op->sources[1]) : (Source) { 0 }); \
  }

ELEMENT_EMIT (add, ZIM_VK_ELEMENT_ADD)
ELEMENT_EMIT (affine, ZIM_VK_ELEMENT_AFFINE)
ELEMENT_EMIT (copy, ZIM_VK_ELEMENT_COPY)
ELEMENT_EMIT (silu, ZIM_VK_ELEMENT_SILU)
ELEMENT_EMIT (swiglu, ZIM_VK_ELEMENT_SWIGLU)
ELEMENT_EMIT (tanh, ZIM_VK_ELEMENT_TANH)

/* The host looks the rows up: the table stays where it is mapped. */
static void
embed_emit (const ZimVkCall *call)
{
  emit_element (call, ZIM_VK_ELEMENT_COPY, (Source) { call->rows, call->op->out->cols }, (Source) { 0 });
}

static void
repeat_row_pack (ZimVkWeights  *weights,
                 const ZimOp   *op,
                 ZimVkPacking **packings)
{
  packings[0] = zim_vk_weights_vector (weights, &op->row.weight, NULL, 1);
}

static void
repeat_row_emit (const ZimVkCall *call)
{
  emit_element (call, ZIM_VK_ELEMENT_COPY, (Source) { zim_vk_packing_address (call->packings[0]), 0 }, (Source) { 0 });
}

/* Norms */

static void
norm_pack (ZimVkWeights  *weights,
           const ZimOp   *op,
           ZimVkPacking **packings)
{
  if (op->norm.weight != NULL)
    packings[0] = zim_vk_weights_vector (weights, &op->norm.weight, NULL, 1);
}

/* A power of two that has at least four columns for each member. */
static guint
choose_team (gint64 cols)
{
  guint team = 1;

  while (team < GROUP_SIZE && 4 * team < cols)
    team *= 2;
  return team;
}

static void
norm_emit (const ZimVkCall *call)
{
  const ZimOp *op = call->op;
  const ZimTensor *x = op->sources[0], *out = op->out, *scale = op->n_sources > 1 ? op->sources[1] : NULL;
  gint64 groups = out->cols / op->norm.group;
  guint team = choose_team (op->norm.group);
  ZimVkNormConstants constants = {
    GROUP_SIZE, team, op->kind == ZIM_OP_LAYER_NORM, call->packings[0] != NULL, scale != NULL,
    zim_vk_stored_operand (call),
  };
  ZimVkNormPush push = {
    .x = zim_vk_tensor_address (call, x),
    .y = zim_vk_tensor_address (call, out),
    .weight = zim_vk_packing_address (call->packings[0]),
    .scale = scale != NULL ? zim_vk_tensor_address (call, scale) : 0,
    .ranges = call->table,
    .rows = (guint32) out->rows,
    .cols = (guint32) op->norm.group,
    .groups = (guint32) groups,
    .x_stride = (guint32) x->stride,
    .y_stride = (guint32) out->stride,
    .scale_stride = scale != NULL ? (guint32) scale->stride : 0,
    .eps = op->norm.eps,
    .factor = call->factors[out->base->id],
  };

  zim_vk_recorder_dispatch_1d (call->recorder, &zim_vk_norm, &constants, &push,
                               zim_vk_count (out->rows * groups, GROUP_SIZE / team),
                               2 * ZIM_VK_ELEMENT_WORK * out->rows * out->cols);
}

/* Rope and permutation */

static void
rope_emit (const ZimVkCall *call)
{
  const ZimOp *op = call->op;
  const ZimTensor *x = op->sources[0], *cosines = op->sources[1], *sines = op->sources[2], *out = op->out;
  gint64 n = out->rows * out->cols / 2;
  ZimVkRopeConstants constants = { GROUP_SIZE, op->rope.interleaved };
  ZimVkRopePush push = {
    .x = zim_vk_tensor_address (call, x),
    .y = zim_vk_tensor_address (call, out),
    .cosines = zim_vk_tensor_address (call, cosines),
    .sines = zim_vk_tensor_address (call, sines),
    .rows = (guint32) out->rows,
    .pairs = (guint32) out->cols / 2,
    .half_dim = op->rope.head_dim / 2,
    .x_stride = (guint32) x->stride,
    .y_stride = (guint32) out->stride,
    .cosine_stride = (guint32) cosines->stride,
    .sine_stride = (guint32) sines->stride,
  };

  zim_vk_recorder_dispatch_1d (call->recorder, &zim_vk_rope, &constants, &push, zim_vk_count (n, GROUP_SIZE),
                               2 * ZIM_VK_ELEMENT_WORK * n);
}

/* The result's dimensions at the end of five, of which the first ones are 1. */
static void
permute_emit (const ZimVkCall *call)
{
  const ZimPermuteParams *permute = &call->op->permute;
  gint64 n = call->op->out->rows * call->op->out->cols;
  guint32 dims[ZIM_MAX_DIMS] = { 1, 1, 1, 1, 1 }, strides[ZIM_MAX_DIMS] = { 0 };
  guint skip = ZIM_MAX_DIMS - permute->n_dims;
  ZimVkPermuteConstants constants = { GROUP_SIZE };
  ZimVkPermutePush push;

  for (guint i = 0; i < permute->n_dims; i++)
    {
      dims[skip + i] = (guint32) permute->dims[permute->order[i]];
      strides[skip + i] = 1;
      for (guint j = permute->order[i] + 1; j < permute->n_dims; j++)
        strides[skip + i] *= (guint32) permute->dims[j];
    }
  push = (ZimVkPermutePush) {
    zim_vk_tensor_address (call, call->op->sources[0]), zim_vk_tensor_address (call, call->op->out), (guint32) n,
    dims[1], dims[2], dims[3], dims[4], strides[0], strides[1], strides[2], strides[3], strides[4],
  };
  zim_vk_recorder_dispatch_1d (call->recorder, &zim_vk_permute, &constants, &push, zim_vk_count (n, GROUP_SIZE),
                               2 * ZIM_VK_ELEMENT_WORK * n);
}

const ZimVkOpClass zim_vk_row_classes[ZIM_N_OPS] = {
  [ZIM_OP_EMBED] = { embed_emit },
  [ZIM_OP_RMS_NORM] = { norm_emit, norm_pack },
  [ZIM_OP_LAYER_NORM] = { norm_emit },
  [ZIM_OP_ROPE] = { rope_emit },
  [ZIM_OP_SWIGLU] = { swiglu_emit },
  [ZIM_OP_SILU] = { silu_emit },
  [ZIM_OP_TANH] = { tanh_emit },
  [ZIM_OP_ADD] = { add_emit },
  [ZIM_OP_AFFINE] = { affine_emit },
  [ZIM_OP_REPEAT_ROW] = { repeat_row_emit, repeat_row_pack },
  [ZIM_OP_COPY] = { copy_emit },
  [ZIM_OP_PERMUTE] = { permute_emit },
};
