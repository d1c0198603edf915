/* zim-vk-ops-private.h: how each kind of operation becomes dispatches
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-recorder-private.h"
#include "compute/vulkan/zim-vk-weights-private.h"
#include "compute/zim-program-private.h"

G_BEGIN_DECLS

/* What an element that is read and written costs, beside the 2 FLOP of a multiply-add in a product: it is bound by
 * memory, of which devices read some ten bytes in the time of a hundred FLOP. */
#define ZIM_VK_ELEMENT_WORK 64.0

/* What the operands of a product are rounded to; shaders/common.glsl has the same numbers. */
typedef enum {
  ZIM_VK_OPERAND_F32,
  ZIM_VK_OPERAND_BF16,
  ZIM_VK_OPERAND_F16,
} ZimVkOperand;

/* How products read four neighbours of x; shaders/common.glsl has the same numbers. */
typedef enum {
  ZIM_VK_LAYOUT_SINGLES,
  ZIM_VK_LAYOUT_QUADS,
  ZIM_VK_LAYOUT_OPERANDS, /* which x is stored as */
} ZimVkLayout;

/* What planning and recording go by. */
typedef struct {
  ZimVkDevice  *device;
  ZimVkOperand  operand;
  gboolean      copies;  /* attention copies keys and values as operands where that pays */
} ZimVkSetup;

/* An operation that is recorded. */
typedef struct {
  const ZimVkSetup      *setup;
  ZimVkRecorder         *recorder;
  const ZimOp           *op;
  const VkDeviceAddress *bases;       /* of every tensor's base, by id */
  const float           *factors;     /* the same: see zim_vk_find_narrow () */
  VkDeviceAddress        scratch;
  const ZimVkPacking    *packings[2]; /* what pack () took hold of */
  VkDeviceAddress        table;       /* of the op's ranges: the row behind each and its sample */
  VkDeviceAddress        rows;        /* of an embedding: what the host gathered */
} ZimVkCall;

/* One kind of operation. pack and scratch are NULL for those that need none. */
typedef struct {
  void  (*emit)    (const ZimVkCall   *call);
  void  (*pack)    (ZimVkWeights      *weights,
                    const ZimOp       *op,
                    ZimVkPacking     **packings);
  gsize (*scratch) (const ZimOp       *op,
                    const ZimVkSetup  *setup);
} ZimVkOpClass;

extern const ZimVkOpClass zim_vk_linear_class;
extern const ZimVkOpClass zim_vk_conv2d_class;
extern const ZimVkOpClass zim_vk_attention_class;
extern const ZimVkOpClass zim_vk_group_sums_class;
extern const ZimVkOpClass zim_vk_group_factors_class;
extern const ZimVkOpClass zim_vk_group_norm_class;
extern const ZimVkOpClass zim_vk_row_classes[ZIM_N_OPS]; /* the rest, all row by row */

/* What is made in tiles: two kinds of products, and attention */
typedef enum {
  ZIM_VK_MATMUL,
  ZIM_VK_CONV,
  ZIM_VK_N_PRODUCTS,
  ZIM_VK_ATTENTION = ZIM_VK_N_PRODUCTS,
  ZIM_VK_N_FAMILIES,
} ZimVkFamily;

/* Results that have tiles of their own: of products narrow ones, of few tiles, of many; of attention those of few
 * queries, of many, and of wide heads */
typedef enum {
  ZIM_VK_FEW,
  ZIM_VK_MEDIUM,
  ZIM_VK_LARGE,
  ZIM_VK_N_SHAPES,
} ZimVkShape;

/* What a group makes of the result; no rows: no tile. Of attention: all columns of a head for as many queries, from as
 * many keys in shared memory at once. */
typedef struct {
  guint rows;
  guint cols;
  guint down;   /* parts that it is divided into: of an invocation each, or of a subgroup where there are matrices */
  guint across;
} ZimVkTile;

typedef struct {
  const ZimVkShader *shader;
  ZimVkTile          tile;
} ZimVkProduct;

/* Constants of the shader of a product */
typedef struct {
  guint32 values[ZIM_VK_MAX_CONSTANTS];
} ZimVkProductConstants;

/* The device's matrices of the operands, NULL if there are none, and how many subgroups are best to work with them. */
const ZimVkMatrix  *zim_vk_find_matrix   (const ZimVkSetup *setup);
guint               zim_vk_count_subgroups (const ZimVkSetup *setup);

/* The tiles that the device can make, and the one that is taken for a shape unless it was tuned. */
GArray             *zim_vk_list_tiles    (const ZimVkSetup *setup);
ZimVkTile           zim_vk_default_tile  (const ZimVkSetup *setup,
                                          ZimVkFamily       family,
                                          ZimVkShape        shape);
const ZimVkShader  *zim_vk_product_shader (const ZimVkSetup *setup,
                                          ZimVkFamily       family);

/* The best that is known for products of these sizes. */
ZimVkProduct        zim_vk_choose_product (const ZimVkSetup *setup,
                                          ZimVkFamily       family,
                                          gint64            rows,
                                          gint64            cols);
void                zim_vk_matmul_constants (const ZimVkSetup      *setup,
                                             const ZimVkProduct    *product,
                                             const ZimVkFormat     *format,
                                             ZimVkLayout            layout,
                                             gboolean               has_bias,
                                             ZimVkProductConstants *constants);
void                zim_vk_conv_constants (const ZimVkSetup      *setup,
                                           const ZimVkProduct    *product,
                                           ZimDType               dtype,
                                           ZimVkLayout            layout,
                                           gboolean               has_bias,
                                           ZimVkProductConstants *constants);

/* The tiles of attention, in the same way */
GArray             *zim_vk_list_attention_tiles   (const ZimVkSetup *setup,
                                                   guint             head_dim);
ZimVkTile           zim_vk_default_attention_tile (const ZimVkSetup *setup,
                                                   guint             head_dim);
const ZimVkShader  *zim_vk_attention_shader       (const ZimVkSetup *setup);

/* Plain products a second, from a product of ours that takes some milliseconds; 0 with an error. */
double              zim_vk_measure_rate  (ZimVkDevice      *device,
                                          ZimVkOperand      operand,
                                          GError          **error);

/* Finds the tensors that products alone read, so that they can be stored as operands: half of the memory and of its
 * traffic, and the same results. Of each tensor's base, by id: what it is multiplied by before it is rounded; 0 of
 * those that stay f32. */
float              *zim_vk_find_narrow   (ZimProgram       *program,
                                          const ZimVkSetup *setup);
/* Whether a product takes its x as operands */
gboolean            zim_vk_linear_takes_operands (const ZimOp *op);

static inline gsize
zim_vk_element_size (const float     *factors,
                     const ZimTensor *tensor)
{
  return factors[tensor->base->id] != 0 ? sizeof (guint16) : zim_dtype_size (tensor->dtype);
}

static inline VkDeviceAddress
zim_vk_tensor_address (const ZimVkCall *call,
                       const ZimTensor *tensor)
{
  gsize size = zim_vk_element_size (call->factors, tensor);

  return call->bases[tensor->base->id] + (VkDeviceAddress) tensor->offset * size;
}

/* What an operation stores its result as: operands of that kind, or ZIM_VK_OPERAND_F32 */
static inline ZimVkOperand
zim_vk_stored_operand (const ZimVkCall *call)
{
  return call->factors[call->op->out->base->id] != 0 ? call->setup->operand : ZIM_VK_OPERAND_F32;
}

/* Four neighbours can be read at once from every fourth column on. */
static inline gboolean
zim_vk_is_aligned (const ZimVkCall *call,
                   const ZimTensor *tensor)
{
  return zim_vk_tensor_address (call, tensor) % 16 == 0 && tensor->stride % 4 == 0 && tensor->cols % 4 == 0;
}

static inline ZimVkLayout
zim_vk_layout_of (const ZimVkCall *call,
                  const ZimTensor *tensor)
{
  if (call->factors[tensor->base->id] != 0)
    return ZIM_VK_LAYOUT_OPERANDS;
  return zim_vk_is_aligned (call, tensor) ? ZIM_VK_LAYOUT_QUADS : ZIM_VK_LAYOUT_SINGLES;
}

static inline VkDeviceAddress
zim_vk_packing_address (const ZimVkPacking *packing)
{
  return packing != NULL ? zim_vk_span_address (&packing->span) : 0;
}

static inline guint
zim_vk_count (gint64 n,
              guint  each)
{
  return (guint) ((n + each - 1) / each);
}

G_END_DECLS
