/* zim-vk-conv.c: convolution as a product of gathered pixels with packed kernels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-ops-private.h"
#include "zim-vk-shaders.h"

static void
conv2d_pack (ZimVkWeights  *weights,
             const ZimOp   *op,
             ZimVkPacking **packings)
{
  packings[0] = zim_vk_weights_kernel (weights, op->conv.weight);
  if (op->conv.bias != NULL)
    packings[1] = zim_vk_weights_vector (weights, &op->conv.bias, NULL, 1);
}

static void
conv2d_emit (const ZimVkCall *call)
{
  const ZimOp *op = call->op;
  const ZimConvParams *conv = &op->conv;
  const ZimTensor *x = op->sources[0], *out = op->out;
  const ZimVkPacking *w = call->packings[0];
  /* As for all rows, so that some rows of them come out the same */
  const ZimVkProduct product =
    zim_vk_choose_product (call->setup, ZIM_VK_CONV, conv->out_height * conv->out_width, out->cols);
  guint row_tiles = zim_vk_count (out->rows, product.tile.rows);
  ZimVkProductConstants constants;
  ZimVkConvPush push = {
    .x = zim_vk_tensor_address (call, x),
    .w = zim_vk_packing_address (w),
    .bias = zim_vk_packing_address (call->packings[1]),
    .y = zim_vk_tensor_address (call, out),
    .rows = (guint32) out->rows,
    .cols = (guint32) out->cols,
    .channels = (guint32) x->cols,
    .padded = (guint32) w->stride / (conv->kernel * conv->kernel),
    .kernel = conv->kernel,
    .stride = (gint32) conv->stride,
    .pad = (gint32) conv->pad,
    .zoom = conv->upsample ? 2 : 1,
    .height = (gint32) conv->height,
    .width = (gint32) conv->width,
    .out_width = (guint32) conv->out_width,
    .first = (gint32) conv->first,
    .out_first = (gint32) conv->out_first,
    .x_stride = (guint32) x->stride,
    .y_stride = (guint32) out->stride,
  };

  zim_vk_conv_constants (call->setup, &product, zim_vk_packing_get_section (w, 0)->format.dtype,
                         zim_vk_layout_of (call, x), call->packings[1] != NULL, &constants);
  zim_vk_recorder_dispatch (call->recorder, product.shader, &constants, &push,
                            zim_vk_count (out->cols, product.tile.cols), MIN (row_tiles, ZIM_VK_GRID_ROW),
                            zim_vk_count (row_tiles, ZIM_VK_GRID_ROW), zim_op_get_flops (op));
}

const ZimVkOpClass zim_vk_conv2d_class = { conv2d_emit, conv2d_pack, NULL };
