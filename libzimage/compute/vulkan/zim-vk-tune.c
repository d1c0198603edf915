/* zim-vk-tune.c: which tiles products and attention are made in, found by trying
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "compute/vulkan/zim-vk-pipeline-private.h"
#include "compute/vulkan/zim-vk-tune-private.h"
#include "compute/zim-debug-private.h"
#include "zim-error.h"

#define GROUP "Tiles"
#define N_OPERANDS 3

struct _ZimVkTuning {
  ZimVkDevice *device; /* not owned */
  ZimVkTile    forced[ZIM_VK_N_FAMILIES];
  ZimVkTile    tiles[ZIM_VK_N_FAMILIES][N_OPERANDS][ZIM_VK_N_SHAPES];
};

static const char *const family_names[] = { "matmul", "conv", "attention" };
static const char *const operand_names[] = { "f32", "bf16", "f16" };
static const char *const shape_names[][ZIM_VK_N_SHAPES] = {
  { "few", "medium", "large" }, { "few", "medium", "large" }, { "few", "many", "wide" },
};

/* Rows × k → cols, or rows² pixels of k channels → cols channels, or as many queries of cols heads of k columns: the
 * model's sizes */
typedef struct {
  guint rows;
  guint k;
  guint cols;
} Size;

static const Size sizes[ZIM_VK_N_FAMILIES][ZIM_VK_N_SHAPES] = {
  { { 32, 2560, 9728 }, { 64, 2560, 9728 }, { 2048, 3840, 3840 } },
  { { 512, 128, 3 }, { 64, 512, 64 }, { 256, 256, 256 } },
  { { 64, 128, 32 }, { 4096, 128, 30 }, { 4096, 512, 1 } },
};

static char *
tile_name (const ZimVkTile *tile)
{
  return g_strdup_printf ("%ux%u/%ux%u", tile->rows, tile->cols, tile->down, tile->across);
}

/* The file */

static char *
file_path (ZimVkDevice *device)
{
  const char *path = zim_vk_pipelines_get_path (device->pipelines);

  return path != NULL ? g_strconcat (path, ".tiles", NULL) : NULL;
}

/* Of all kernels: tiles that were found with others say nothing. */
static char *
hash_shaders (ZimVkDevice *device)
{
  g_autoptr(GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  for (guint i = 0; i < N_OPERANDS; i++)
    for (guint family = 0; family < ZIM_VK_N_FAMILIES; family++)
      {
        const ZimVkSetup setup = { device, i };
        const ZimVkShader *shader = family == ZIM_VK_ATTENTION ? zim_vk_attention_shader (&setup)
                                                               : zim_vk_product_shader (&setup, family);

        g_checksum_update (checksum, (const guchar *) shader->code, (gssize) shader->code_size);
      }
  return g_strdup (g_checksum_get_string (checksum));
}

static GArray *
list_tiles (const ZimVkSetup *setup,
            ZimVkFamily       family,
            ZimVkShape        shape)
{
  return family == ZIM_VK_ATTENTION ? zim_vk_list_attention_tiles (setup, sizes[family][shape].k)
                                    : zim_vk_list_tiles (setup);
}

/* One of those that the device can make; FALSE for anything else. */
static gboolean
parse_tile (const ZimVkSetup *setup,
            ZimVkFamily       family,
            ZimVkShape        shape,
            const char       *text,
            ZimVkTile        *found)
{
  g_autoptr(GArray) tiles = list_tiles (setup, family, shape);

  for (guint i = 0; i < tiles->len; i++)
    {
      const ZimVkTile *tile = &g_array_index (tiles, ZimVkTile, i);
      g_autofree char *name = tile_name (tile);

      if (g_str_equal (name, text))
        {
          *found = *tile;
          return TRUE;
        }
    }
  return FALSE;
}

/* Calls func for each family, operand and shape. */
typedef struct {
  ZimVkFamily family;
  guint       operand;
  ZimVkShape  shape;
} Slot;

typedef void (*EachFunc) (ZimVkTuning *self,
                          const char  *key,
                          const Slot  *slot,
                          GKeyFile    *file);

static void
for_each (ZimVkTuning *self,
          EachFunc     func,
          GKeyFile    *file)
{
  for (guint i = 0; i < ZIM_VK_N_FAMILIES * N_OPERANDS * ZIM_VK_N_SHAPES; i++)
    {
      const Slot slot = { i / ZIM_VK_N_SHAPES / N_OPERANDS, i / ZIM_VK_N_SHAPES % N_OPERANDS, i % ZIM_VK_N_SHAPES };
      g_autofree char *key = g_strdup_printf ("%s-%s-%s", family_names[slot.family], operand_names[slot.operand],
                                              shape_names[slot.family][slot.shape]);

      func (self, key, &slot, file);
    }
}

static void
read_tile (ZimVkTuning *self,
           const char  *key,
           const Slot  *slot,
           GKeyFile    *file)
{
  g_autofree char *text = g_key_file_get_string (file, GROUP, key, NULL);
  const ZimVkSetup setup = { self->device, slot->operand };
  ZimVkTile *tile = &self->tiles[slot->family][slot->operand][slot->shape];

  if (text != NULL && !parse_tile (&setup, slot->family, slot->shape, text, tile))
    g_debug ("%s: there is no tile “%s”", key, text);
}

static void
write_tile (ZimVkTuning *self,
            const char  *key,
            const Slot  *slot,
            GKeyFile    *file)
{
  const ZimVkTile *tile = &self->tiles[slot->family][slot->operand][slot->shape];
  g_autofree char *text = tile_name (tile);

  if (tile->rows != 0)
    g_key_file_set_string (file, GROUP, key, text);
}

/* A file that is damaged, or of other kernels, is as good as none. */
static void
load (ZimVkTuning *self)
{
  g_autoptr(GKeyFile) file = g_key_file_new ();
  g_autofree char *path = file_path (self->device);
  g_autofree char *shaders = NULL, *expected = NULL;

  if (path == NULL || !g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
    return;
  shaders = g_key_file_get_string (file, GROUP, "shaders", NULL);
  expected = hash_shaders (self->device);
  if (g_strcmp0 (shaders, expected) == 0)
    for_each (self, read_tile, file);
}

static gboolean
save (ZimVkTuning  *self,
      GError      **error)
{
  g_autoptr(GKeyFile) file = g_key_file_new ();
  g_autofree char *path = file_path (self->device);
  g_autofree char *shaders = hash_shaders (self->device);
  g_autofree char *folder = path != NULL ? g_path_get_dirname (path) : NULL;

  if (path == NULL)
    return TRUE;
  g_key_file_set_string (file, GROUP, "shaders", shaders);
  for_each (self, write_tile, file);
  g_mkdir_with_parents (folder, 0700);
  return g_key_file_save_to_file (file, path, error);
}

ZimVkTuning *
zim_vk_tuning_new (ZimVkDevice *device)
{
  ZimVkTuning *self = g_new0 (ZimVkTuning, 1);

  self->device = device;
  load (self);
  return self;
}

void
zim_vk_tuning_free (ZimVkTuning *self)
{
  g_free (self);
}

const ZimVkTile *
zim_vk_tuning_get_tile (const ZimVkSetup *setup,
                        ZimVkFamily       family,
                        ZimVkShape        shape)
{
  const ZimVkTuning *self = setup->device->tuning;
  const ZimVkTile *tile = &self->tiles[family][setup->operand][shape];

  if (self->forced[family].rows != 0)
    return &self->forced[family];
  return tile->rows != 0 ? tile : NULL;
}

void
zim_vk_tuning_force (ZimVkTuning     *self,
                     ZimVkFamily      family,
                     const ZimVkTile *tile)
{
  self->forced[family] = tile != NULL ? *tile : (ZimVkTile) { 0 };
}

/* Trying */

#define MORE 4          /* products of a run */
#define RUNS 4          /* the first one compiles and uploads, of the others the best counts */
#define LONG 200        /* milliseconds of a run, after which no other follows */
#define MAX_SECONDS 0.1 /* of a run, as the device's rate lets one expect */
#define SMALLEST 64     /* rows, columns and k of a product on a slow device; pixels of an image's side: a quarter */
#define WORTH 0.97      /* of the default's time, that another tile takes at most to be taken */

typedef struct {
  ZimVkBackend  *backend;
  ZimPrecision   precision;
  const guint16 *numbers;     /* random, bf16: of all weights */
  GCancellable  *cancellable; /* (nullable) */
} Trial;

#define MAX_NUMBERS ((gsize) 2560 * 9728)

/* Of about 0.01, with both signs: a device may save power on zeros and so be faster than it is. */
static guint16 *
make_numbers (void)
{
  guint16 *numbers = g_new (guint16, MAX_NUMBERS);
  guint32 state = 1;

  for (gsize i = 0; i < MAX_NUMBERS; i++)
    {
      state = state * 1664525u + 1013904223u;
      numbers[i] = (guint16) (0x3c00u | (state >> 16 & 0x80ffu));
    }
  return numbers;
}

static double
work_of (ZimVkFamily  family,
         const Size  *size)
{
  if (family == ZIM_VK_ATTENTION)
    return 4.0 * size->rows * size->rows * size->k * size->cols;
  return (family == ZIM_VK_CONV ? 18.0 * size->rows : 2.0) * size->rows * size->k * size->cols;
}

/* TRUE if n was larger than that. */
static gboolean
halve (guint *n,
       guint  smallest)
{
  gboolean is_larger = *n > smallest;

  if (is_larger)
    *n = MAX (*n / 2, smallest);
  return is_larger;
}

/* A slow device gets smaller products. */
static Size
choose_size (ZimVkBackend *backend,
             ZimVkFamily   family,
             ZimVkShape    shape)
{
  Size size = sizes[family][shape];
  gboolean is_smaller = TRUE;

  while (is_smaller && MORE * work_of (family, &size) > MAX_SECONDS * backend->device->rate)
    {
      is_smaller = halve (&size.rows, family == ZIM_VK_CONV ? SMALLEST / 4 : SMALLEST);
      if (family != ZIM_VK_ATTENTION) /* whose kernel is of k columns */
        is_smaller |= halve (&size.k, SMALLEST);
      is_smaller |= halve (&size.cols, family == ZIM_VK_ATTENTION ? 1 : SMALLEST);
    }
  return size;
}

/* Several products, or attentions, of one x, which comes from a norm, as nearly all of the model's do: products read it
 * as operands where the precision has some. A row of each leaves the device. */
static ZimProgram *
build (ZimVkFamily      family,
       const Size      *size,
       const ZimWeight *row,
       const ZimWeight *weight)
{
  const ZimRange all = { .length = size->rows };
  ZimProgram *program = zim_program_new ("tune");
  gint64 n_rows = family == ZIM_VK_CONV ? (gint64) size->rows * size->rows : size->rows;
  ZimTensor *x = zim_program_rms_norm (program, zim_program_repeat_row (program, row, n_rows), NULL, 0, 1e-5f, NULL,
                                       NULL, 0);
  ZimTensor *y;

  for (guint i = 0; i < MORE; i++)
    {
      g_autofree char *name = g_strdup_printf ("y%u", i);

      if (family == ZIM_VK_ATTENTION)
        y = zim_program_attention (program, x, x, x, size->cols, size->cols, size->k, FALSE, &all, 1);
      else if (family == ZIM_VK_CONV)
        y = zim_program_conv2d (program, x, weight, NULL, size->rows, size->rows, 1, 1, FALSE);
      else
        y = zim_program_linear (program, x, &weight, NULL, 1, 1);
      zim_program_output (program, zim_program_rows (program, y, 0, 1), name);
    }
  return program;
}

/* Milliseconds of a run, or an error */
static double
time_runs (const Trial   *trial,
           ZimExecutable *executable,
           ZimOpKind      kind,
           GError       **error)
{
  double best = 0;

  for (guint i = 0; i < RUNS && best < LONG; i++)
    {
      double time;

      if (!zim_executable_run (executable, NULL, 0, trial->cancellable, error))
        return 0;
      time = zim_vk_executable_get_time (executable, kind);
      if (i > 0)
        best = best == 0 ? time : MIN (best, time);
    }
  if (best == 0)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
                 _("The device “%s” cannot be tuned: its driver has no clock"),
                 trial->backend->device->physical->info.name);
  return best;
}

/* FLOP/s with that tile; 0 with an error */
static double
try_tile (const Trial      *trial,
          ZimVkFamily       family,
          const Size       *size,
          const ZimVkTile  *tile,
          GError          **error)
{
  ZimVkTuning *tuning = trial->backend->device->tuning;
  static const ZimOpKind kinds[ZIM_VK_N_FAMILIES] = { ZIM_OP_LINEAR, ZIM_OP_CONV2D, ZIM_OP_ATTENTION };
  guint x_cols = family == ZIM_VK_ATTENTION ? size->k * size->cols : size->k;
  const ZimWeight row = {
    .name = "row", .dtype = ZIM_DTYPE_BF16, .n_dims = 1, .dims = { x_cols }, .data = (const guint8 *) trial->numbers,
    .size = x_cols * sizeof (guint16),
  };
  const ZimWeight weight = {
    .name = "weight", .dtype = ZIM_DTYPE_BF16, .n_dims = family == ZIM_VK_CONV ? 4 : 2,
    .dims = { size->cols, size->k, 3, 3 }, .data = (const guint8 *) trial->numbers,
    .size = (gsize) size->cols * size->k * (family == ZIM_VK_CONV ? 9 : 1) * sizeof (guint16),
  };
  g_autoptr(ZimProgram) program = build (family, size, &row, &weight);
  g_autoptr(ZimExecutable) executable = NULL;
  double time = 0;

  zim_vk_tuning_force (tuning, family, tile);
  executable = zim_backend_compile (ZIM_BACKEND (trial->backend), program, trial->precision, error);
  if (executable != NULL)
    time = time_runs (trial, executable, kinds[family], error);
  zim_vk_tuning_force (tuning, family, NULL);
  if (time > 0 && zim_debug (ZIM_DEBUG_TIME))
    {
      g_autofree char *name = tile_name (tile);

      zim_debug_print ("time: %s %s, %u × %u → %u: %.3f ms", family_names[family], name, size->rows, size->k,
                       size->cols, time / MORE);
    }
  return time > 0 ? MORE * work_of (family, size) / time * 1e3 : 0;
}

/* A tile that the driver cannot compile is none of the best; a lost device or a cancelled run ends everything. */
static gboolean
is_fatal (const Trial  *trial,
          const GError *error)
{
  return trial->backend->device->is_lost || g_cancellable_is_cancelled (trial->cancellable) ||
         g_error_matches (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED);
}

static GVariant *
describe (const ZimVkTile *tile,
          double           rate,
          double           default_rate)
{
  g_autofree char *name = tile_name (tile);
  g_auto(GVariantBuilder) dict = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&dict, "{sv}", "tile", g_variant_new_string (name));
  g_variant_builder_add (&dict, "{sv}", "gflops", g_variant_new_double (rate / 1e9));
  g_variant_builder_add (&dict, "{sv}", "default_gflops", g_variant_new_double (default_rate / 1e9));
  return g_variant_builder_end (&dict);
}

/* NULL with an error */
static GVariant *
tune_shape (const Trial *trial,
            ZimVkFamily  family,
            ZimVkShape   shape,
            GError     **error)
{
  const ZimVkSetup setup = { trial->backend->device, (ZimVkOperand) (trial->precision - ZIM_PRECISION_F32) };
  g_autoptr(GArray) tiles = list_tiles (&setup, family, shape);
  Size size = choose_size (trial->backend, family, shape);
  const ZimVkTile usual = family == ZIM_VK_ATTENTION ? zim_vk_default_attention_tile (&setup, size.k)
                                                     : zim_vk_default_tile (&setup, family, shape);
  ZimVkTile best = usual;
  double default_rate = try_tile (trial, family, &size, &usual, error), best_rate = default_rate;

  if (default_rate == 0)
    return NULL;
  for (guint i = 0; i < tiles->len; i++)
    {
      const ZimVkTile *tile = &g_array_index (tiles, ZimVkTile, i);
      g_autoptr(GError) local_error = NULL;
      double rate;

      if (memcmp (tile, &usual, sizeof usual) == 0)
        continue;
      rate = try_tile (trial, family, &size, tile, &local_error);
      if (rate == 0 && is_fatal (trial, local_error))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
      if (rate * WORTH > best_rate || (best_rate > default_rate && rate > best_rate))
        {
          best = *tile;
          best_rate = rate;
        }
    }
  setup.device->tuning->tiles[family][setup.operand][shape] =
    best_rate > default_rate ? best : (ZimVkTile) { 0 };
  return describe (&best, best_rate, default_rate);
}

GVariant *
zim_vk_tune (ZimVkBackend  *backend,
             ZimPrecision   precision,
             GCancellable  *cancellable,
             GError       **error)
{
  g_auto(GVariantBuilder) dict = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autofree guint16 *numbers = make_numbers ();
  const Trial trial = { backend, precision, numbers, cancellable };
  ZimVkDevice *device = backend->device;
  gboolean is_done = TRUE;

  if (device->rate == 0)
    device->rate = zim_vk_measure_rate (device, ZIM_VK_OPERAND_F32, error);
  if (device->rate == 0)
    return NULL;
  device->measures = TRUE;
  for (guint i = 0; i < ZIM_VK_N_FAMILIES * ZIM_VK_N_SHAPES && is_done; i++)
    {
      guint family = i / ZIM_VK_N_SHAPES, shape = i % ZIM_VK_N_SHAPES;
      g_autofree char *key = g_strdup_printf ("%s-%s", family_names[family], shape_names[family][shape]);
      GVariant *result = tune_shape (&trial, family, shape, error);

      if (result != NULL)
        g_variant_builder_add (&dict, "{sv}", key, result);
      is_done = result != NULL;
    }
  device->measures = FALSE;
  zim_backend_trim (ZIM_BACKEND (backend));
  if (!is_done || !save (device->tuning, error))
    return NULL;
  return g_variant_ref_sink (g_variant_builder_end (&dict));
}
