/* zim-vk-product.c: the ways to make products, and how fast the device makes them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-ops-private.h"
#include "compute/vulkan/zim-vk-transfer-private.h"
#include "compute/vulkan/zim-vk-tune-private.h"
#include "zim-vk-shaders.h"

#define FEW 32        /* rows of a matrix, or channels of an image */
#define MANY_TILES 64 /* large tiles pay when there are as many of them, or some of the device has nothing to do */

/* With the same push constants */
G_STATIC_ASSERT (sizeof (ZimVkMatmulPush) == sizeof (ZimVkMatmulCoopPush));
G_STATIC_ASSERT (sizeof (ZimVkConvPush) == sizeof (ZimVkConvCoopPush));

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

const ZimVkShader *
zim_vk_product_shader (const ZimVkSetup *setup,
                       ZimVkFamily       family)
{
  static const ZimVkShader *const plain[] = { &zim_vk_matmul, &zim_vk_conv };
  static const ZimVkShader *const f16[] = { &zim_vk_matmul_coop_f16, &zim_vk_conv_coop_f16 };
  static const ZimVkShader *const bf16[] = { &zim_vk_matmul_coop_bf16, &zim_vk_conv_coop_bf16 };

  if (zim_vk_find_matrix (setup) == NULL)
    return plain[family];
  return setup->operand == ZIM_VK_OPERAND_BF16 ? bf16[family] : f16[family];
}

/* Tiles */

#define MAX_INVOCATIONS 256 /* which every device that we take has, and is best divided into eight subgroups at most */
#define MAX_SUBGROUPS 8
#define MAX_SUMS_EACH 128   /* of an invocation, in registers */

static const ZimVkTile plain_tiles[] = {
  { 32, 64, 8, 16 },  { 64, 32, 16, 8 },  { 64, 64, 16, 16 },
  { 64, 128, 8, 16 }, { 128, 64, 16, 8 }, { 128, 128, 16, 16 }, { 32, 128, 4, 16 },
};

static const ZimVkTile coop_tiles[] = {
  { 32, 64, 1, 4 }, { 32, 64, 2, 1 }, { 32, 64, 2, 2 }, { 32, 64, 2, 4 }, { 32, 128, 1, 4 }, { 32, 128, 2, 4 },
  { 64, 32, 1, 2 }, { 64, 32, 2, 2 }, { 64, 32, 4, 2 }, { 64, 64, 2, 1 }, { 64, 64, 2, 2 }, { 64, 64, 2, 4 },
  { 64, 128, 2, 2 }, { 64, 128, 2, 4 }, { 128, 64, 2, 2 }, { 128, 64, 4, 2 }, { 128, 128, 2, 1 }, { 128, 128, 2, 2 },
  { 128, 128, 2, 4 }, { 128, 128, 4, 2 }, { 128, 256, 2, 4 }, { 256, 128, 4, 2 },
};

guint
zim_vk_count_subgroups (const ZimVkSetup *setup)
{
  return MIN (MAX_INVOCATIONS / MAX (setup->device->physical->coop.subgroup_size, 1), MAX_SUBGROUPS);
}

/* Bytes of shared memory, as product-coop.glsl declares it */
static gsize
coop_shared_size (const ZimVkTile   *tile,
                  const ZimVkMatrix *matrix)
{
  return (gsize) (tile->rows + tile->cols) * 5 * 16 +
         (gsize) tile->down * tile->across * matrix->rows * matrix->cols * sizeof (float);
}

static gboolean
can_make (const ZimVkSetup *setup,
          const ZimVkTile  *tile)
{
  const VkPhysicalDeviceLimits *limits = &setup->device->physical->properties.limits;
  const ZimVkMatrix *matrix = zim_vk_find_matrix (setup);
  guint size = matrix != NULL ? setup->device->physical->coop.subgroup_size : 1;
  guint group = tile->down * tile->across * size;

  if (group > MIN (limits->maxComputeWorkGroupInvocations, limits->maxComputeWorkGroupSize[0]) ||
      tile->rows * tile->cols > MAX_SUMS_EACH * group)
    return FALSE;
  return matrix == NULL || (tile->rows % (tile->down * matrix->rows) == 0 &&
                            tile->cols % (tile->across * matrix->cols) == 0 &&
                            coop_shared_size (tile, matrix) <= limits->maxComputeSharedMemorySize);
}

GArray *
zim_vk_list_tiles (const ZimVkSetup *setup)
{
  gboolean is_coop = zim_vk_find_matrix (setup) != NULL;
  const ZimVkTile *list = is_coop ? coop_tiles : plain_tiles;
  guint n = is_coop ? G_N_ELEMENTS (coop_tiles) : G_N_ELEMENTS (plain_tiles);
  GArray *tiles = g_array_new (FALSE, FALSE, sizeof (ZimVkTile));

  for (guint i = 0; i < n; i++)
    if (can_make (setup, &list[i]))
      g_array_append_val (tiles, list[i]);
  return tiles;
}

/* Sums of the largest tile have room in registers unless subgroups are as small as eight invocations. */
ZimVkTile
zim_vk_default_tile (const ZimVkSetup *setup,
                     ZimVkFamily       family,
                     ZimVkShape        shape)
{
  static const ZimVkTile plain[ZIM_VK_N_PRODUCTS][ZIM_VK_N_SHAPES] = {
    { { 32, 64, 8, 16 }, { 64, 64, 16, 16 }, { 128, 128, 16, 16 } },
    { { 64, 32, 16, 8 }, { 64, 64, 16, 16 }, { 128, 128, 16, 16 } },
  };
  /* A processor gathers from shared memory one by one, and should multiply what it has more often. */
  static const ZimVkTile software[ZIM_VK_N_PRODUCTS][ZIM_VK_N_SHAPES] = {
    { { 32, 128, 4, 16 }, { 64, 128, 8, 16 }, { 64, 128, 8, 16 } },
    { { 64, 32, 16, 8 }, { 128, 64, 16, 8 }, { 128, 64, 16, 8 } },
  };
  ZimVkTile tile = plain[family][shape];
  guint half = MAX (zim_vk_count_subgroups (setup) / 2, 1);

  if (zim_vk_find_matrix (setup) == NULL)
    return setup->device->physical->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU ? software[family][shape]
                                                                                         : tile;
  tile.down = tile.rows > tile.cols ? half : 2;
  tile.across = tile.rows > tile.cols ? 2 : half;
  return shape < ZIM_VK_LARGE || can_make (setup, &tile) ? tile : zim_vk_default_tile (setup, family, ZIM_VK_MEDIUM);
}

static ZimVkProduct
product_of (const ZimVkSetup *setup,
            ZimVkFamily       family,
            ZimVkShape        shape)
{
  const ZimVkTile *tuned = zim_vk_tuning_get_tile (setup, family, shape);

  return (ZimVkProduct) {
    zim_vk_product_shader (setup, family), tuned != NULL ? *tuned : zim_vk_default_tile (setup, family, shape),
  };
}

static ZimVkShape
shape_of (const ZimVkSetup *setup,
          ZimVkFamily       family,
          gint64            rows,
          gint64            cols)
{
  ZimVkTile medium = zim_vk_default_tile (setup, family, ZIM_VK_MEDIUM);
  ZimVkTile large = zim_vk_default_tile (setup, family, ZIM_VK_LARGE);

  if ((family == ZIM_VK_CONV ? cols : rows) <= FEW)
    return ZIM_VK_FEW;
  if (rows <= medium.rows || cols <= medium.cols)
    return ZIM_VK_MEDIUM;
  return (gint64) zim_vk_count (rows, large.rows) * zim_vk_count (cols, large.cols) >= MANY_TILES ? ZIM_VK_LARGE
                                                                                                : ZIM_VK_MEDIUM;
}

ZimVkProduct
zim_vk_choose_product (const ZimVkSetup *setup,
                       ZimVkFamily       family,
                       gint64            rows,
                       gint64            cols)
{
  return product_of (setup, family, shape_of (setup, family, rows, cols));
}

/* Constants that all kernels of products begin with; those of the kernels for matrices, and then those of the others
 * begin their own with what is returned. */
static guint
begin_constants (const ZimVkSetup      *setup,
                 const ZimVkProduct    *product,
                 ZimVkProductConstants *constants)
{
  const ZimVkMatrix *matrix = zim_vk_find_matrix (setup);
  const ZimVkTile *tile = &product->tile;
  guint n = tile->down * tile->across;

  *constants = (ZimVkProductConstants) {
    { n, tile->rows, tile->cols, tile->rows / tile->down, tile->cols / tile->across },
  };
  if (matrix == NULL)
    return 5;
  constants->values[0] = n * setup->device->physical->coop.subgroup_size;
  constants->values[5] = matrix->rows;
  constants->values[6] = matrix->cols;
  constants->values[7] = matrix->k;
  return 8;
}

void
zim_vk_matmul_constants (const ZimVkSetup      *setup,
                         const ZimVkProduct    *product,
                         const ZimVkFormat     *format,
                         ZimVkLayout            layout,
                         gboolean               has_bias,
                         ZimVkProductConstants *constants)
{
  guint n = begin_constants (setup, product, constants);

  constants->values[n++] = format->dtype;
  constants->values[n++] = format->codes;
  if (zim_vk_find_matrix (setup) == NULL)
    constants->values[n++] = setup->operand;
  constants->values[n++] = layout;
  constants->values[n++] = has_bias;
}

void
zim_vk_conv_constants (const ZimVkSetup      *setup,
                       const ZimVkProduct    *product,
                       ZimDType               dtype,
                       ZimVkLayout            layout,
                       gboolean               has_bias,
                       ZimVkProductConstants *constants)
{
  guint n = begin_constants (setup, product, constants);

  constants->values[n++] = dtype;
  if (zim_vk_find_matrix (setup) == NULL)
    constants->values[n++] = setup->operand;
  constants->values[n++] = layout;
  constants->values[n++] = has_bias;
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
  const ZimVkProduct product = product_of (&setup, ZIM_VK_MATMUL, ZIM_VK_LARGE);
  const ZimVkFormat format = { .dtype = ZIM_DTYPE_F32 };
  VkDeviceAddress address = zim_vk_span_address (memory);
  ZimVkProductConstants constants;
  ZimVkMatmulPush push = {
    .x = address, .w = address, .y = address + (guint64) n * n * sizeof (float), .rows = n, .cols = n, .k_size = n,
    .k_split = n, .x_stride = n, .w_stride = n, .y_stride = n, .scale = 1, .unscale = 1,
  };
  gint64 start;

  zim_vk_matmul_constants (&setup, &product, &format, ZIM_VK_LAYOUT_QUADS, FALSE, &constants);
  zim_vk_recorder_dispatch (recorder, product.shader, &constants, &push, zim_vk_count (n, product.tile.cols),
                            zim_vk_count (n, product.tile.rows), 1, 0);
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
