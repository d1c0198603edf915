/* zim-vk-product.c: the ways to make products, and how fast the device makes them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-ops-private.h"
#include "compute/vulkan/zim-vk-transfer-private.h"
#include "zim-vk-shaders.h"

#define FEW_ROWS 32
#define MANY_TILES 64 /* large tiles pay when there are as many of them, or some of the device has nothing to do */

enum {
  FEW,
  MEDIUM,
  LARGE,
  N_TILES,
};

static const ZimVkProduct matmuls[N_TILES] = {
  [FEW] = { "portable 32x64", &zim_vk_matmul, 128, 32, 64, 4, 4 },
  [MEDIUM] = { "portable 64x64", &zim_vk_matmul, 256, 64, 64, 4, 4 },
  [LARGE] = { "portable 128x128", &zim_vk_matmul, 256, 128, 128, 8, 8 },
};

/* With the same push constants */
G_STATIC_ASSERT (sizeof (ZimVkMatmulPush) == sizeof (ZimVkMatmulCoopPush));

#define COOPS(name, shader)                             \
  {                                                     \
    [FEW] = { name " 32x64", shader, 0, 32, 64 },       \
    [MEDIUM] = { name " 64x64", shader, 0, 64, 64 },    \
    [LARGE] = { name " 128x128", shader, 0, 128, 128 }, \
  }

static const ZimVkProduct f16_matmuls[N_TILES] = COOPS ("f16 matrices", &zim_vk_matmul_coop_f16);
static const ZimVkProduct bf16_matmuls[N_TILES] = COOPS ("bf16 matrices", &zim_vk_matmul_coop_bf16);

const ZimVkMatrix *
zim_vk_find_matrix (const ZimVkSetup *setup)
{
  const ZimVkCoop *coop = &setup->device->physical->coop;

  if (setup->device->has_coop && setup->operand == ZIM_VK_OPERAND_BF16 && coop->bf16.rows != 0)
    return &coop->bf16;
  if (setup->device->has_coop && setup->operand == ZIM_VK_OPERAND_F16 && coop->f16.rows != 0)
    return &coop->f16;
  return NULL;
}

static const ZimVkProduct *
list_matmuls (const ZimVkSetup *setup)
{
  if (zim_vk_find_matrix (setup) == NULL)
    return matmuls;
  return setup->operand == ZIM_VK_OPERAND_BF16 ? bf16_matmuls : f16_matmuls;
}

/* Tiles are divided into two rows of subgroups, as many as make 256 invocations but eight at most. */
#define MAX_INVOCATIONS 256
#define MAX_SUBGROUPS 8
#define MAX_SUMS_EACH 128

guint
zim_vk_count_subgroups (const ZimVkSetup *setup)
{
  return MIN (MAX_INVOCATIONS / MAX (setup->device->physical->coop.subgroup_size, 1), MAX_SUBGROUPS);
}

/* The largest tile whose sums have room in registers: subgroups may be as small as eight invocations. */
static const ZimVkProduct *
largest (const ZimVkSetup *setup)
{
  const ZimVkProduct *list = list_matmuls (setup);
  guint group_size = zim_vk_count_subgroups (setup) * setup->device->physical->coop.subgroup_size;

  if (zim_vk_find_matrix (setup) != NULL && list[LARGE].tile_rows * list[LARGE].tile_cols > MAX_SUMS_EACH * group_size)
    return &list[MEDIUM];
  return &list[LARGE];
}

void
zim_vk_matmul_constants (const ZimVkSetup      *setup,
                         const ZimVkProduct    *product,
                         const ZimVkFormat     *format,
                         gboolean               is_aligned,
                         gboolean               has_bias,
                         ZimVkProductConstants *constants)
{
  const ZimVkMatrix *matrix = zim_vk_find_matrix (setup);
  guint n = zim_vk_count_subgroups (setup);
  ZimVkMatmulConstants plain = {
    product->group_size, product->tile_rows, product->tile_cols, product->rows_each, product->cols_each,
    format->dtype, format->codes, setup->operand, is_aligned, has_bias,
  };

  if (matrix != NULL)
    *(ZimVkMatmulCoopConstants *) constants = (ZimVkMatmulCoopConstants) {
      n * setup->device->physical->coop.subgroup_size, product->tile_rows, product->tile_cols, product->tile_rows / 2,
      product->tile_cols / (n / 2), matrix->rows, matrix->cols, matrix->k, format->dtype, format->codes, is_aligned,
      has_bias,
    };
  else
    *(ZimVkMatmulConstants *) constants = plain;
}

static const ZimVkProduct convs[N_TILES] = {
  [FEW] = { "portable 64x32", &zim_vk_conv, 128, 64, 32, 4, 4 },
  [MEDIUM] = { "portable 64x64", &zim_vk_conv, 256, 64, 64, 4, 4 },
  [LARGE] = { "portable 128x128", &zim_vk_conv, 256, 128, 128, 8, 8 },
};

static gboolean
pays (const ZimVkProduct *product,
      gint64              rows,
      gint64              cols)
{
  return (gint64) zim_vk_count (rows, product->tile_rows) * zim_vk_count (cols, product->tile_cols) >= MANY_TILES;
}

const ZimVkProduct *
zim_vk_choose_matmul (const ZimVkSetup *setup,
                      gint64            rows,
                      gint64            cols)
{
  const ZimVkProduct *list = list_matmuls (setup);

  if (rows <= FEW_ROWS)
    return &list[FEW];
  if (pays (&list[LARGE], rows, cols) && cols > list[MEDIUM].tile_cols)
    return largest (setup);
  return &list[MEDIUM];
}

const ZimVkProduct *
zim_vk_choose_conv (const ZimVkSetup *setup,
                    gint64            rows,
                    gint64            cols)
{
  if (cols <= convs[FEW].tile_cols)
    return &convs[FEW];
  return pays (&convs[LARGE], rows, cols) && cols > convs[MEDIUM].tile_cols ? &convs[LARGE] : &convs[MEDIUM];
}

/* Seconds for a product of n × n × n with the operands in that memory; negative with an error. */
static double
time_product (ZimVkDevice      *device,
              ZimVkOperand      operand,
              const ZimVkSpan  *memory,
              guint             n,
              GError          **error)
{
  g_autoptr(ZimVkRecorder) recorder = zim_vk_recorder_new (device, G_MAXDOUBLE);
  const ZimVkSetup setup = { device, operand };
  const ZimVkProduct *product = largest (&setup);
  const ZimVkFormat format = { .dtype = ZIM_DTYPE_F32 };
  VkDeviceAddress address = zim_vk_span_address (memory);
  ZimVkProductConstants constants;
  ZimVkMatmulPush push = {
    .x = address, .w = address, .y = address + (guint64) n * n * sizeof (float), .rows = n, .cols = n, .k_size = n,
    .k_split = n, .x_stride = n, .w_stride = n, .y_stride = n, .scale = 1, .unscale = 1,
  };
  gint64 start;

  zim_vk_matmul_constants (&setup, product, &format, TRUE, FALSE, &constants);
  zim_vk_recorder_dispatch (recorder, product->shader, &constants, &push, n / product->tile_cols,
                            n / product->tile_rows, 1, 0);
  if (!zim_vk_recorder_finish (recorder, error))
    return -1;
  start = g_get_monotonic_time ();
  if (!zim_vk_queue_submit (device, &device->compute, zim_vk_recorder_get (recorder, 0), error) ||
      !zim_vk_queue_wait (device, &device->compute, device->compute.submitted, error))
    return -1;
  return MAX (g_get_monotonic_time () - start, 1) / 1e6;
}

static void
fill_zeros (guint8   *out,
            gsize     offset,
            gsize     size,
            gpointer  user_data)
{
  memset (out, 0, size);
}

#define SMALLEST 128u
#define LARGEST 4096u
#define ENOUGH_SECONDS 0.004

/* The rate of the first size that takes long enough, the better of two runs: the first one warms up. */
double
zim_vk_measure_rate (ZimVkDevice   *device,
                     ZimVkOperand   operand,
                     GError       **error)
{
  double rate = 0;
  gboolean is_enough = FALSE;

  for (guint n = SMALLEST; n <= LARGEST && !is_enough; n *= 2)
    {
      ZimVkSpan memory = { NULL };
      gsize size = (gsize) 2 * n * n * sizeof (float);
      double seconds[2] = { -1, -1 };

      if (!zim_vk_memory_alloc (device, ZIM_VK_MEMORY_DEVICE, size, "a measurement", &memory, error))
        return 0;
      if (zim_vk_upload_func (device, &memory, 0, size, 4, fill_zeros, NULL, error))
        for (guint i = 0; i < 2 && (i == 0 || seconds[0] > 0); i++)
          seconds[i] = time_product (device, operand, &memory, n, error);
      zim_vk_memory_release (device, &memory);
      if (seconds[0] < 0 || seconds[1] < 0)
        return 0;
      rate = MAX (rate, 2.0 * n * n * n / MIN (seconds[0], seconds[1]));
      is_enough = MIN (seconds[0], seconds[1]) >= ENOUGH_SECONDS;
    }
  return rate;
}
