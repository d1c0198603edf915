/* zim-vk-narrow.c: which results are stored as operands
 *
 * A product rounds its x to operands of 16 bits. Where products are all that reads a result, whoever makes it rounds it
 * as they would and stores it so. What is added to, normalised or read by the host stays f32, the residual
 * stream above all.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-ops-private.h"
#include "compute/zim-debug-private.h"

#define OCTET 8 /* columns that products read at once */

/* Kernels that can store operands */
static gboolean
makes_operands (const ZimOp *op)
{
  switch (op->kind)
    {
    case ZIM_OP_RMS_NORM:
      return op->norm.group % 2 == 0;
    case ZIM_OP_LAYER_NORM:
    case ZIM_OP_GROUP_NORM:
    case ZIM_OP_SWIGLU:
    case ZIM_OP_SILU:
      return TRUE;
    default:
      return FALSE;
    }
}

static gboolean
suits (const ZimTensor *tensor)
{
  return tensor->base == tensor && tensor->place == ZIM_PLACE_TEMPORARY && tensor->dtype == ZIM_DTYPE_F32 &&
         tensor->stride == tensor->cols && tensor->cols % OCTET == 0;
}

/* What the ith source of an operation is multiplied by before it is rounded; 0 if it is not read as operands. */
static float
read_factor (const ZimOp *op,
             guint        i)
{
  const ZimTensor *x = op->sources[i];

  if (i > 0 || x->offset % OCTET != 0 || x->cols % OCTET != 0)
    return 0;
  if (op->kind == ZIM_OP_CONV2D)
    return 1;
  return op->kind == ZIM_OP_LINEAR && zim_vk_linear_takes_operands (op) ? op->linear.operand_scale : 0;
}

/* Both by the id of a tensor's base: a factor that all readers agree on, negative if they do not; and whether a kernel
 * that can do so makes it */
typedef struct {
  float    *factors;
  gboolean *is_made;
} Plan;

static void
note_op (const Plan  *plan,
         const ZimOp *op)
{
  guint made = op->out->base->id;

  if (suits (op->out) && makes_operands (op))
    plan->is_made[made] = TRUE;
  else
    plan->factors[made] = -1;
  for (guint i = 0; i < op->n_sources; i++)
    {
      float *read = op->sources[i] != NULL ? &plan->factors[op->sources[i]->base->id] : NULL;
      float factor = read != NULL ? read_factor (op, i) : 0;

      if (read != NULL)
        *read = factor == 0 || (*read != 0 && *read != factor) ? -1 : factor;
    }
}

float *
zim_vk_find_narrow (ZimProgram       *program,
                    const ZimVkSetup *setup)
{
  GPtrArray *ops = zim_program_get_ops (program);
  guint n = zim_program_get_tensors (program)->len;
  float *factors = g_new0 (float, n);
  g_autofree gboolean *is_made = g_new0 (gboolean, n);

  if (setup->operand == ZIM_VK_OPERAND_F32 || zim_is_disabled (ZIM_DISABLE_NARROW))
    return factors;
  for (guint i = 0; i < ops->len; i++)
    note_op (&(Plan) { factors, is_made }, g_ptr_array_index (ops, i));
  for (guint i = 0; i < n; i++)
    if (!is_made[i] || factors[i] < 0)
      factors[i] = 0;
  return factors;
}
