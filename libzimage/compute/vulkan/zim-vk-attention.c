/* zim-vk-attention.c: softmax (q · kᵀ / √d) · v, range by range
 *
 * With the device's matrices where it has some of the operands. Their sides are 16 at most and their k is 32.
 *
 * Every group of queries reads all keys and values. Where there are many groups, copies of those are made first, as
 * operands of 16 bits: 1024 × 1024 pixels have 33 groups of 128 queries, which would read 4 GB of f32 for the
 * 0.27 TFLOP of a layer. Queries are read once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/vulkan/zim-vk-ops-private.h"
#include "compute/vulkan/zim-vk-tune-private.h"
#include "compute/zim-arena-private.h"
#include "zim-vk-shaders.h"

/* The plain kernel, or one for the device's matrices */
typedef struct {
  const ZimVkShader           *shader;
  guint                        tile_rows; /* queries of a group */
  ZimVkAttentionConstants      plain;
  ZimVkAttentionCoopConstants  coop;
} Kernel;

/* With the same push constants */
G_STATIC_ASSERT (sizeof (ZimVkAttentionPush) == sizeof (ZimVkAttentionCoopPush));

#define KEYS 32         /* as the shaders have it */
#define THREAD_COLS 8   /* the same: invocations that share a query */
#define SLICE_COLS 128  /* of a head, whose results a subgroup has in registers */
#define LONG_ROW 256    /* columns, beyond which half of a block of keys is loaded at once */
#define WIDE_HEAD 128   /* columns, beyond which heads have a tile of their own */
#define FEW_ROWS 256    /* the same of so many queries */
#define MAX_RESULTS 128 /* of an invocation, in registers */

const ZimVkShader *
zim_vk_attention_shader (const ZimVkSetup *setup)
{
  if (zim_vk_find_matrix (setup) == NULL)
    return &zim_vk_attention;
  return setup->operand == ZIM_VK_OPERAND_BF16 ? &zim_vk_attention_coop_bf16 : &zim_vk_attention_coop_f16;
}

/* Tiles of the plain kernel: down × across are its invocations. */

static gboolean
can_make_plain (const ZimVkSetup *setup,
                const ZimVkTile  *tile,
                guint             head_dim)
{
  const VkPhysicalDeviceLimits *limits = &setup->device->physical->properties.limits;
  guint group = tile->down * tile->across, padded = zim_vk_count (head_dim, KEYS) * KEYS;
  gsize shared = KEYS * (tile->rows + 1) + KEYS * (KEYS + 1) + tile->rows * THREAD_COLS;

  return group <= MIN (limits->maxComputeWorkGroupInvocations, limits->maxComputeWorkGroupSize[0]) &&
         tile->rows % tile->down == 0 && tile->rows * padded <= MAX_RESULTS * group &&
         shared * sizeof (float) <= limits->maxComputeSharedMemorySize;
}

static void
list_plain (const ZimVkSetup *setup,
            guint             head_dim,
            GArray           *tiles)
{
  static const ZimVkTile list[] = {
    { 16, KEYS, 8, THREAD_COLS },  { 64, KEYS, 8, THREAD_COLS },  { 16, KEYS, 16, THREAD_COLS },
    { 32, KEYS, 16, THREAD_COLS }, { 64, KEYS, 16, THREAD_COLS }, { 64, KEYS, 32, THREAD_COLS },
    { 128, KEYS, 32, THREAD_COLS },
  };

  for (guint i = 0; i < G_N_ELEMENTS (list); i++)
    if (can_make_plain (setup, &list[i], head_dim))
      g_array_append_val (tiles, list[i]);
}

/* Of wide heads a group takes few queries: it keeps sums of all columns in registers. */
static ZimVkTile
default_plain (guint head_dim)
{
  return (ZimVkTile) { head_dim > WIDE_HEAD ? 16 : 64, KEYS, 16, THREAD_COLS };
}

static void
plain_constants (const ZimVkCall         *call,
                 const ZimVkTile         *tile,
                 ZimVkAttentionConstants *constants)
{
  *constants = (ZimVkAttentionConstants) {
    tile->down * tile->across, tile->rows, call->op->attention.head_dim, call->setup->operand,
    call->op->attention.causal, call->scratch != 0,
  };
}

/* Tiles of the kernel for matrices: down × across are its subgroups. */

/* Bytes of shared memory, as the shader declares it */
static gsize
coop_shared_size (const ZimVkSetup *setup,
                  const ZimVkTile  *tile,
                  guint             head_dim)
{
  const ZimVkMatrix *matrix = zim_vk_find_matrix (setup);
  guint step = MAX (matrix->k, matrix->cols) * tile->across, subs = tile->down * tile->across;
  gsize row = zim_vk_count (head_dim, step) * step * sizeof (guint16) + 16;

  return tile->cols * row + subs * matrix->rows * (KEYS + 4) * sizeof (float) +
         MAX (subs * setup->device->physical->coop.subgroup_size, subs * matrix->rows) * sizeof (float);
}

static gboolean
can_make_coop (const ZimVkSetup *setup,
               const ZimVkTile  *tile,
               guint             head_dim)
{
  const ZimVkMatrix *matrix = zim_vk_find_matrix (setup);

  return tile->cols % matrix->k == 0 && tile->cols % matrix->cols == 0 && tile->cols >= matrix->rows &&
         coop_shared_size (setup, tile, head_dim) <=
           setup->device->physical->properties.limits.maxComputeSharedMemorySize;
}

/* Subgroups for the columns of a head */
static guint
count_slices (guint head_dim)
{
  guint n = 1;

  while (n * SLICE_COLS < head_dim)
    n *= 2;
  return n;
}

static void
list_coop (const ZimVkSetup *setup,
           guint             head_dim,
           GArray           *tiles)
{
  const ZimVkMatrix *matrix = zim_vk_find_matrix (setup);
  guint across = count_slices (head_dim);

  if (matrix == NULL)
    return;
  for (guint down = zim_vk_count_subgroups (setup) / across; down > 0; down /= 2)
    for (guint keys = KEYS; keys >= KEYS / 2; keys /= 2)
      {
        const ZimVkTile tile = { down * matrix->rows, keys, down, across };

        if (can_make_coop (setup, &tile, head_dim))
          g_array_append_val (tiles, tile);
      }
}

/* The most queries that fit; no rows: not even one matrix of them does. */
static ZimVkTile
default_coop (const ZimVkSetup *setup,
              guint             head_dim)
{
  g_autoptr(GArray) tiles = g_array_new (FALSE, FALSE, sizeof (ZimVkTile));
  const ZimVkMatrix *matrix = zim_vk_find_matrix (setup);

  list_coop (setup, head_dim, tiles);
  for (guint i = 0; i < tiles->len; i++)
    if (g_array_index (tiles, ZimVkTile, i).cols == (head_dim > LONG_ROW ? MAX (KEYS / 2, matrix->k) : KEYS))
      return g_array_index (tiles, ZimVkTile, i);
  return (ZimVkTile) { 0 };
}

static void
coop_constants (const ZimVkCall             *call,
                const ZimVkTile             *tile,
                ZimVkAttentionCoopConstants *constants)
{
  const ZimOp *op = call->op;
  const ZimVkMatrix *matrix = zim_vk_find_matrix (call->setup);
  gboolean is_aligned = op->attention.head_dim % 4 == 0;
  guint subs = tile->down * tile->across;

  for (guint i = 0; i < op->n_sources; i++)
    is_aligned = is_aligned && zim_vk_is_aligned (call, op->sources[i]);
  *constants = (ZimVkAttentionCoopConstants) {
    .group_size = subs * call->setup->device->physical->coop.subgroup_size, .subs = subs, .slices = tile->across,
    .head_dim = op->attention.head_dim, .load_keys = tile->cols, .matrix_rows = matrix->rows,
    .matrix_cols = matrix->cols, .matrix_k = matrix->k, .causal = op->attention.causal, .aligned = is_aligned,
    .stored = call->scratch != 0,
  };
}

/* Either */

static gboolean
uses_coop (const ZimVkSetup *setup,
           guint             head_dim)
{
  return default_coop (setup, head_dim).rows != 0;
}

GArray *
zim_vk_list_attention_tiles (const ZimVkSetup *setup,
                             guint             head_dim)
{
  GArray *tiles = g_array_new (FALSE, FALSE, sizeof (ZimVkTile));

  if (uses_coop (setup, head_dim))
    list_coop (setup, head_dim, tiles);
  else
    list_plain (setup, head_dim, tiles);
  return tiles;
}

ZimVkTile
zim_vk_default_attention_tile (const ZimVkSetup *setup,
                               guint             head_dim)
{
  return uses_coop (setup, head_dim) ? default_coop (setup, head_dim) : default_plain (head_dim);
}

/* What was tuned for such heads, if heads of this size can be made so */
static ZimVkTile
choose_tile (const ZimVkSetup *setup,
             guint             head_dim,
             gint64            rows)
{
  ZimVkShape shape = head_dim > WIDE_HEAD ? ZIM_VK_LARGE : rows > FEW_ROWS ? ZIM_VK_MEDIUM : ZIM_VK_FEW;
  const ZimVkTile *tuned = zim_vk_tuning_get_tile (setup, ZIM_VK_ATTENTION, shape);
  g_autoptr(GArray) tiles = tuned != NULL ? zim_vk_list_attention_tiles (setup, head_dim) : NULL;

  for (guint i = 0; tiles != NULL && i < tiles->len; i++)
    if (memcmp (&g_array_index (tiles, ZimVkTile, i), tuned, sizeof *tuned) == 0)
      return *tuned;
  return zim_vk_default_attention_tile (setup, head_dim);
}

static void
choose_kernel (const ZimVkCall *call,
               gint64           rows,
               Kernel          *kernel)
{
  guint head_dim = call->op->attention.head_dim;
  ZimVkTile tile = choose_tile (call->setup, head_dim, rows);

  if (uses_coop (call->setup, head_dim))
    {
      /* No more subgroups than there are queries for */
      for (; tile.down > 1 && tile.rows / 2 >= rows; tile.down /= 2)
        tile.rows /= 2;
      kernel->shader = zim_vk_attention_shader (call->setup);
      coop_constants (call, &tile, &kernel->coop);
    }
  else
    {
      kernel->shader = &zim_vk_attention;
      plain_constants (call, &tile, &kernel->plain);
    }
  kernel->tile_rows = tile.rows;
}

/* Copies of k and v */

#define OCTET 8 /* columns that are read at once */
#define COPY_GROUP 256
#define COPIES_EACH 4 /* elements of an invocation, as the shader has it */

/* Bytes of one of the two copies */
static gsize
copy_size (const ZimOp *op)
{
  gsize size = (gsize) (op->sources[1]->rows * op->sources[1]->cols) * sizeof (guint16);

  return (size + ZIM_ARENA_ALIGNMENT - 1) / ZIM_ARENA_ALIGNMENT * ZIM_ARENA_ALIGNMENT;
}

static gsize
attention_scratch (const ZimOp      *op,
                   const ZimVkSetup *setup)
{
  gboolean has_many = FALSE;

  for (guint i = 0; i < op->n_ranges; i++)
    has_many = has_many || op->ranges[i].length > FEW_ROWS;
  if (!has_many || op->attention.head_dim % OCTET != 0 || setup->operand == ZIM_VK_OPERAND_F32 ||
      !setup->copies)
    return 0;
  return 2 * copy_size (op);
}

static void
emit_copy (const ZimVkCall *call,
           const ZimTensor *tensor,
           VkDeviceAddress  copy)
{
  gint64 n = tensor->rows * tensor->cols;
  ZimVkElementConstants constants = { COPY_GROUP, ZIM_VK_ELEMENT_COPY, call->setup->operand };
  ZimVkElementPush push = {
    .a = zim_vk_tensor_address (call, tensor),
    .y = copy,
    .rows = (guint32) tensor->rows,
    .cols = (guint32) tensor->cols,
    .a_stride = (guint32) tensor->stride,
    .y_stride = (guint32) tensor->cols,
    .mul = 1,
  };

  zim_vk_recorder_dispatch_1d (call->recorder, &zim_vk_element, &constants, &push,
                               zim_vk_count (n, COPY_GROUP * COPIES_EACH), ZIM_VK_ELEMENT_WORK * n);
}

/* Where the kernel reads q, k and v, or writes its result */
typedef struct {
  VkDeviceAddress address;
  guint32         stride;
} Place;

static Place
place_of (const ZimVkCall *call,
          const ZimTensor *tensor,
          gint64           row)
{
  return (Place) {
    zim_vk_tensor_address (call, tensor) + (VkDeviceAddress) (row * tensor->stride) * sizeof (float),
    (guint32) tensor->stride,
  };
}

/* k is the first of the copies, v the second. */
static Place
place_of_copy (const ZimVkCall *call,
               guint            i,
               gint64           row)
{
  const ZimTensor *tensor = call->op->sources[1 + i];

  if (call->scratch == 0)
    return place_of (call, tensor, row);
  return (Place) {
    call->scratch + i * copy_size (call->op) + (VkDeviceAddress) (row * tensor->cols) * sizeof (guint16),
    (guint32) tensor->cols,
  };
}

static void
emit_range (const ZimVkCall *call,
            const ZimRange  *range)
{
  const ZimOp *op = call->op;
  const ZimAttentionParams *attention = &op->attention;
  const Place q = place_of (call, op->sources[0], range->start), y = place_of (call, op->out, range->start);
  const Place k = place_of_copy (call, 0, range->start), v = place_of_copy (call, 1, range->start);
  double pairs = (double) range->length * range->length / (attention->causal ? 2 : 1);
  Kernel kernel;
  ZimVkAttentionPush push = {
    .q = q.address,
    .k = k.address,
    .v = v.address,
    .y = y.address,
    .rows = (guint32) range->length,
    .head_group = attention->n_heads / attention->n_kv_heads,
    .q_stride = q.stride,
    .k_stride = k.stride,
    .v_stride = v.stride,
    .y_stride = y.stride,
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
  if (call->scratch != 0)
    {
      emit_copy (call, call->op->sources[1], place_of_copy (call, 0, 0).address);
      emit_copy (call, call->op->sources[2], place_of_copy (call, 1, 0).address);
      zim_vk_recorder_barrier (call->recorder);
    }
  for (guint i = 0; i < call->op->n_ranges; i++)
    emit_range (call, &call->op->ranges[i]);
}

const ZimVkOpClass zim_vk_attention_class = { attention_emit, NULL, attention_scratch };
