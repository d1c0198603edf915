/* zim-vk-attention.c: softmax (q · kᵀ / √d) · v, range by range
 *
 * With the device's matrices where it has some of the operands. Their sides are 16 at most and their k is 32.
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

/* The plain kernel, or one for the device's matrices */
typedef struct {
  const ZimVkShader           *shader;
  guint                        tile_rows; /* queries of a group */
  ZimVkAttentionConstants      plain;
  ZimVkAttentionCoopConstants  coop;
} Kernel;

/* With the same push constants */
G_STATIC_ASSERT (sizeof (ZimVkAttentionPush) == sizeof (ZimVkAttentionCoopPush));

#define SLICE_COLS 128  /* of a head, whose results a subgroup has in registers */
#define LONG_ROW 256    /* columns, beyond which half of a block of keys is loaded at once */
#define KEYS 32         /* as the shader has it */

/* Bytes of shared memory, as the shader declares it */
static gsize
shared_size (const ZimVkAttentionCoopConstants *constants)
{
  guint step = MAX (constants->matrix_k, constants->matrix_cols) * constants->slices;
  gsize row = zim_vk_count (constants->head_dim, step) * step * sizeof (guint16) + 16;

  return constants->load_keys * row + constants->subs * constants->matrix_rows * (KEYS + 4) * sizeof (float) +
         MAX (constants->group_size, constants->subs * constants->matrix_rows) * sizeof (float);
}

/* As many queries as there are, subgroups for them and room in shared memory; FALSE: not even one matrix of them */
static gboolean
choose_subgroups (const ZimVkSetup            *setup,
                  gint64                       rows,
                  ZimVkAttentionCoopConstants *constants)
{
  guint size = setup->device->physical->coop.subgroup_size, parts = zim_vk_count_subgroups (setup) / constants->slices;

  for (; parts > 0; parts /= 2)
    {
      constants->subs = parts * constants->slices;
      constants->group_size = constants->subs * size;
      if (shared_size (constants) <= setup->device->physical->properties.limits.maxComputeSharedMemorySize &&
          (parts == 1 || parts / 2 * constants->matrix_rows < rows))
        return TRUE;
    }
  return FALSE;
}

static gboolean
choose_coop (const ZimVkCall *call,
             gint64           rows,
             Kernel          *kernel)
{
  const ZimOp *op = call->op;
  const ZimVkMatrix *matrix = zim_vk_find_matrix (call->setup);
  guint head_dim = op->attention.head_dim;
  gboolean is_aligned = head_dim % 4 == 0;

  if (matrix == NULL)
    return FALSE;
  for (guint i = 0; i < op->n_sources; i++)
    is_aligned = is_aligned && zim_vk_is_aligned (call, op->sources[i]);
  kernel->coop = (ZimVkAttentionCoopConstants) {
    .slices = 1, .head_dim = head_dim, .load_keys = head_dim > LONG_ROW ? MAX (KEYS / 2, matrix->k) : KEYS,
    .matrix_rows = matrix->rows, .matrix_cols = matrix->cols, .matrix_k = matrix->k,
    .causal = op->attention.causal, .aligned = is_aligned,
  };
  while (kernel->coop.slices * SLICE_COLS < head_dim)
    kernel->coop.slices *= 2;
  if (!choose_subgroups (call->setup, rows, &kernel->coop))
    return FALSE;
  kernel->tile_rows = kernel->coop.subs / kernel->coop.slices * matrix->rows;
  kernel->shader = call->setup->operand == ZIM_VK_OPERAND_BF16 ? &zim_vk_attention_coop_bf16
                                                               : &zim_vk_attention_coop_f16;
  return TRUE;
}

static void
choose_kernel (const ZimVkCall *call,
               gint64           rows,
               Kernel          *kernel)
{
  const ZimAttentionParams *attention = &call->op->attention;

  if (choose_coop (call, rows, kernel))
    return;
  kernel->shader = &zim_vk_attention;
  kernel->tile_rows = attention->head_dim > WIDE_HEAD ? WIDE_TILE_ROWS : TILE_ROWS;
  kernel->plain = (ZimVkAttentionConstants) {
    GROUP_SIZE, kernel->tile_rows, attention->head_dim, call->setup->operand, attention->causal,
  };
}

static void
emit_range (const ZimVkCall *call,
            const ZimRange  *range)
{
  const ZimOp *op = call->op;
  const ZimAttentionParams *attention = &op->attention;
  double pairs = (double) range->length * range->length / (attention->causal ? 2 : 1);
  Kernel kernel;
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

  choose_kernel (call, range->length, &kernel);
  zim_vk_recorder_dispatch (call->recorder, kernel.shader,
                            kernel.shader == &zim_vk_attention ? (gconstpointer) &kernel.plain : &kernel.coop, &push,
                            attention->n_heads, zim_vk_count (range->length, kernel.tile_rows), 1,
                            4.0 * pairs * attention->n_heads * attention->head_dim);
}

static void
attention_emit (const ZimVkCall *call)
{
  for (guint i = 0; i < call->op->n_ranges; i++)
    emit_range (call, &call->op->ranges[i]);
}

const ZimVkOpClass zim_vk_attention_class = { attention_emit, NULL, NULL };
