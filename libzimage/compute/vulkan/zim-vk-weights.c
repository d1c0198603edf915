/* zim-vk-weights.c: weights as they lie on the device
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-transfer-private.h"
#include "compute/vulkan/zim-vk-weights-private.h"
#include "compute/zim-backend-private.h"
#include "compute/zim-debug-private.h"

typedef enum {
  FORM_MATRIX,
  FORM_KERNEL,
  FORM_VECTOR,
} Form;

typedef struct {
  const guint8 *data; /* NULL: zeros */
  const guint8 *scales;
  const guint8 *biases;
  gint64        group;
  gint64        rotation;
  gint64        dtype;
  gint64        rows;
} Part;

/* What a packing is made from: its key, too, so every byte of it is set. */
typedef struct {
  gint64 form;
  gint64 cols;  /* of a stored row: of a matrix k, of a kernel its input channels */
  gint64 taps;  /* of a kernel */
  gint64 n;
  Part   parts[];
} Source;

struct _ZimVkSet {
  GPtrArray *packings; /* (nullable) of ZimVkPacking */
  gsize      resident; /* bytes of the places that packings keep */
  gsize      half;     /* bytes of half the window; 0: nothing is streamed */
  gsize      wanted[2];/* resident and window, as they were asked for */
  GArray    *chunks;   /* of ZimVkSpan: the resident bytes */
  ZimVkSpan  halves[2];
  gboolean   is_loaded;
  guint      age;
};

struct _ZimVkWeights {
  ZimVkDevice *device;   /* not owned */
  ZimVkSet     sets[ZIM_BACKEND_N_SETS];
  GHashTable  *packings; /* of ZimVkPacking, by source */
  guint64      clock;
};

static gsize
source_size (const Source *source)
{
  return sizeof *source + (gsize) source->n * sizeof source->parts[0];
}

static guint
packing_hash (gconstpointer data)
{
  const Source *source = ((const ZimVkPacking *) data)->source;
  const guint32 *words = (const guint32 *) (gconstpointer) source;
  guint hash = 5381;

  for (gsize i = 0; i < source_size (source) / sizeof *words; i++)
    hash = hash * 33 + words[i];
  return hash;
}

static gboolean
packing_equal (gconstpointer a,
               gconstpointer b)
{
  const Source *x = ((const ZimVkPacking *) a)->source, *y = ((const ZimVkPacking *) b)->source;

  return x->n == y->n && memcmp (x, y, source_size (x)) == 0;
}

static void
packing_free (ZimVkPacking *packing)
{
  g_array_unref (packing->sections);
  g_free (packing->source);
  g_free (packing);
}

ZimVkWeights *
zim_vk_weights_new (ZimVkDevice *device)
{
  ZimVkWeights *self = g_new0 (ZimVkWeights, 1);

  self->device = device;
  self->packings = g_hash_table_new_full (packing_hash, packing_equal, (GDestroyNotify) packing_free, NULL);
  for (guint i = 0; i < ZIM_BACKEND_N_SETS; i++)
    self->sets[i].chunks = g_array_new (FALSE, FALSE, sizeof (ZimVkSpan));
  return self;
}

static void
unload (ZimVkWeights *self,
        ZimVkPacking *packing)
{
  if (packing->set != NULL)
    packing->span = (ZimVkSpan) { NULL };
  else
    zim_vk_memory_release (self->device, &packing->span);
}

static void set_clear (ZimVkWeights *self,
                       ZimVkSet     *set);

void
zim_vk_weights_free (ZimVkWeights *self)
{
  GHashTableIter iter;
  gpointer packing;

  for (guint i = 0; i < ZIM_BACKEND_N_SETS; i++)
    {
      set_clear (self, &self->sets[i]);
      g_array_unref (self->sets[i].chunks);
    }
  g_hash_table_iter_init (&iter, self->packings);
  while (g_hash_table_iter_next (&iter, &packing, NULL))
    unload (self, packing);
  g_hash_table_unref (self->packings);
  g_free (self);
}

/* Sources */

static Source *
source_new (Form   form,
            gint64 cols,
            gint64 taps,
            guint  n)
{
  Source *source = g_malloc0 (sizeof *source + n * sizeof source->parts[0]);

  source->form = form;
  source->cols = cols;
  source->taps = taps;
  source->n = n;
  return source;
}

static Part
part_new (const ZimWeight *weight,
          gint64           rows)
{
  return (Part) {
    .data = weight->data, .scales = weight->scales, .biases = weight->biases, .group = (gint64) weight->group,
    .rotation = weight->rotation, .dtype = weight->dtype, .rows = rows,
  };
}

/* Takes source. The formats that it is packed in are found when they are asked for. */
static ZimVkPacking *
hold (ZimVkWeights *self,
      Source       *source)
{
  ZimVkPacking wanted = { .source = source };
  ZimVkPacking *packing = g_hash_table_lookup (self->packings, &wanted);

  if (packing == NULL)
    {
      packing = g_new0 (ZimVkPacking, 1);
      packing->source = source;
      packing->sections = g_array_new (FALSE, FALSE, sizeof (ZimVkSection));
      for (gint64 i = 0; i < source->n; i++)
        packing->rows += source->parts[i].rows;
      packing->stride = source->form == FORM_VECTOR ? 1 :
        (source->cols + ZIM_VK_WEIGHT_COLS - 1) / ZIM_VK_WEIGHT_COLS * ZIM_VK_WEIGHT_COLS * source->taps;
      g_hash_table_add (self->packings, packing);
    }
  else
    g_free (source);
  packing->n_users++;
  return packing;
}

ZimVkPacking *
zim_vk_weights_matrix (ZimVkWeights           *self,
                       const ZimWeight *const *weights,
                       guint                   n)
{
  Source *source = source_new (FORM_MATRIX, weights[0]->dims[1], 1, n);

  for (guint i = 0; i < n; i++)
    source->parts[i] = part_new (weights[i], weights[i]->dims[0]);
  return hold (self, source);
}

ZimVkPacking *
zim_vk_weights_kernel (ZimVkWeights    *self,
                       const ZimWeight *weight)
{
  Source *source = source_new (FORM_KERNEL, weight->dims[1], weight->dims[2] * weight->dims[3], 1);

  source->parts[0] = part_new (weight, weight->dims[0]);
  return hold (self, source);
}

ZimVkPacking *
zim_vk_weights_vector (ZimVkWeights           *self,
                       const ZimWeight *const *weights,
                       const ZimWeight *const *matrices,
                       guint                   n)
{
  Source *source = source_new (FORM_VECTOR, 1, 1, n);

  for (guint i = 0; i < n; i++)
    if (weights[i] != NULL)
      source->parts[i] = part_new (weights[i], zim_weight_n_elements (weights[i]));
    else
      source->parts[i] = (Part) { .dtype = ZIM_DTYPE_F32, .rows = matrices[i]->dims[0] };
  return hold (self, source);
}

void
zim_vk_weights_drop (ZimVkWeights *self,
                     ZimVkPacking *packing)
{
  g_assert (packing->n_users > 0);
  packing->n_users--;
}

/* Packing */

/* As stored, without dimensions */
static ZimWeight
part_weight (const Part *part)
{
  return (ZimWeight) {
    .dtype = (ZimDType) part->dtype, .data = part->data, .scales = part->scales, .biases = part->biases,
    .group = (gsize) part->group, .rotation = (guint) part->rotation,
  };
}

/* All values are exact in bf16: their lower halves are zeros. */
static gboolean
is_bf16 (const Part *part,
         gsize       n)
{
  guint32 bits = 0;

  if (part->dtype != ZIM_DTYPE_F32)
    return FALSE;
  for (gsize i = 0; i < n; i++)
    {
      guint16 low;

      memcpy (&low, part->data + 4 * i + (G_BYTE_ORDER == G_LITTLE_ENDIAN ? 0 : 2), sizeof low);
      bits |= low;
      if (i % 4096 == 0 && bits != 0)
        return FALSE;
    }
  return bits == 0;
}

/* The stored type if kernels can read it, else f32 */
static ZimDType
choose_dtype (const Source *source,
              const Part   *part)
{
  if (source->form == FORM_VECTOR)
    return ZIM_DTYPE_F32;
  if (part->dtype == ZIM_DTYPE_F16 || part->dtype == ZIM_DTYPE_BF16)
    return (ZimDType) part->dtype;
  return is_bf16 (part, (gsize) (part->rows * source->cols * source->taps)) ? ZIM_DTYPE_BF16 : ZIM_DTYPE_F32;
}

/* The parts of a product see one x: rotated in one way, or as it is. */
static ZimVkFormat
choose_format (const ZimVkPacking *packing,
               const Part         *part,
               guint               rotation)
{
  const Source *source = packing->source;
  const ZimWeight weight = part_weight (part);
  ZimVkFormat format;

  if (source->form == FORM_MATRIX && zim_vk_codes_choose (&weight, source->cols, packing->stride, &format) &&
      (format.rotation == 0 || rotation == 0 || format.rotation == rotation))
    return format;
  format = (ZimVkFormat) { .dtype = choose_dtype (source, part) };
  format.row_size = (gsize) packing->stride * zim_dtype_size (format.dtype);
  return format;
}

typedef struct {
  const ZimVkPacking *packing;
  const ZimVkSection *section;
  float              *decoded; /* a stored row */
  float              *ordered; /* a packed row of a kernel */
} Packer;

static void
encode_row (const Packer *self,
            const float  *values,
            gsize         n,
            guint8       *out)
{
  ZimDType dtype = self->section->format.dtype;

  if (dtype == ZIM_DTYPE_F32)
    {
      memcpy (out, values, n * sizeof *values);
      return;
    }
  for (gsize i = 0; i < n; i++)
    {
      guint16 half = dtype == ZIM_DTYPE_BF16 ? zim_f32_to_bf16 (values[i]) : zim_f32_to_f16 (values[i]);

      memcpy (out + 2 * i, &half, sizeof half);
    }
}

/* A row of a kernel, [in][taps], becomes [taps][in padded]. */
static const float *
order_taps (const Packer *self,
            const Source *source)
{
  gsize taps = (gsize) source->taps, cols = (gsize) source->cols, padded = (gsize) self->packing->stride / taps;

  memset (self->ordered, 0, taps * padded * sizeof *self->ordered);
  for (gsize c = 0; c < cols; c++)
    for (gsize t = 0; t < taps; t++)
      self->ordered[t * padded + c] = self->decoded[c * taps + t];
  return self->ordered;
}

/* Values that are exact in bf16 are so by their upper halves alone. */
static void
keep_halves (const guint8 *in,
             gsize         n,
             guint8       *out)
{
  const guint upper = G_BYTE_ORDER == G_LITTLE_ENDIAN ? 2 : 0;

  for (gsize i = 0; i < n; i++)
    {
      out[2 * i] = in[4 * i + upper];
      out[2 * i + 1] = in[4 * i + upper + 1];
    }
}

/* A row of numbers */
static void
pack_numbers (const Packer *self,
              const Part   *part,
              gint64        row,
              guint8       *out)
{
  const Source *source = self->packing->source;
  const ZimWeight weight = part_weight (part);
  ZimDType dtype = self->section->format.dtype;
  gsize n = (gsize) (source->cols * source->taps), row_size = self->section->format.row_size;
  gsize size = n * zim_dtype_size (dtype);

  if (part->dtype == (gint64) dtype && source->form != FORM_KERNEL)
    {
      memcpy (out, part->data + (gsize) row * size, size);
      memset (out + size, 0, row_size - size);
      return;
    }
  if (part->dtype == ZIM_DTYPE_F32 && dtype == ZIM_DTYPE_BF16 && source->form == FORM_MATRIX)
    {
      keep_halves (part->data + (gsize) row * n * sizeof (float), n, out);
      memset (out + size, 0, row_size - size);
      return;
    }
  zim_weight_decode (&weight, (gsize) row * n, n, self->decoded);
  if (source->form == FORM_KERNEL)
    {
      encode_row (self, order_taps (self, source), (gsize) self->packing->stride, out);
      return;
    }
  memset (out, 0, row_size);
  encode_row (self, self->decoded, n, out);
}

static void
pack_row (const Packer *self,
          const Part   *part,
          gint64        row,
          guint8       *out)
{
  const Source *source = self->packing->source;
  const ZimVkFormat *format = &self->section->format;
  const ZimWeight weight = part_weight (part);

  if (part->data == NULL)
    memset (out, 0, format->row_size);
  else if (format->codes != 0)
    zim_vk_codes_pack (&weight, format, row, source->cols, self->packing->stride, out);
  else
    pack_numbers (self, part, row, out);
}

/* Whole rows of the section */
static void
fill_rows (guint8   *out,
           gsize     offset,
           gsize     size,
           gpointer  user_data)
{
  const Packer *self = user_data;
  const Source *source = self->packing->source;
  gsize row_size = self->section->format.row_size;
  gint64 row = self->section->first_row + (gint64) (offset / row_size), end = row + (gint64) (size / row_size);
  gint64 first = 0;

  for (gint64 i = 0; i < source->n; i++)
    {
      const Part *part = &source->parts[i];

      for (; row < end && row < first + part->rows; row++, out += row_size)
        pack_row (self, part, row - first, out);
      first += part->rows;
    }
}

static gboolean
format_equal (const ZimVkFormat *a,
              const ZimVkFormat *b)
{
  return a->dtype == b->dtype && a->codes == b->codes && a->rotation == b->rotation && a->row_size == b->row_size;
}

/* Neighbours of one format are one section. */
static void
add_section (ZimVkPacking      *packing,
             const ZimVkFormat *format,
             gint64             first_row,
             gint64             rows)
{
  GArray *sections = packing->sections;
  ZimVkSection *last = sections->len > 0 ? &g_array_index (sections, ZimVkSection, sections->len - 1) : NULL;
  const ZimVkSection section = { *format, first_row, rows, packing->size };

  if (last != NULL && format_equal (&last->format, format))
    last->rows += rows;
  else
    g_array_append_val (sections, section);
  packing->size += (gsize) rows * format->row_size;
}

void
zim_vk_weights_measure (ZimVkPacking *packing)
{
  const Source *source = packing->source;
  guint rotation = 0;
  gint64 row = 0;

  if (packing->size > 0)
    return;
  for (gint64 i = 0; i < source->n; i++)
    {
      const ZimVkFormat format = choose_format (packing, &source->parts[i], rotation);

      rotation = MAX (rotation, format.rotation);
      add_section (packing, &format, row, source->parts[i].rows);
      row += source->parts[i].rows;
    }
}

const ZimVkSection *
zim_vk_packing_get_section (const ZimVkPacking *packing,
                            guint               i)
{
  g_assert (i < packing->sections->len);
  return &g_array_index (packing->sections, ZimVkSection, i);
}

static gboolean
upload_section (ZimVkWeights        *self,
                const ZimVkPacking  *packing,
                const ZimVkSection  *section,
                GError             **error)
{
  const Source *source = packing->source;
  g_autofree float *decoded = g_new (float, source->cols * source->taps);
  g_autofree float *ordered = g_new (float, packing->stride);
  Packer packer = { packing, section, decoded, ordered };
  gsize row_size = section->format.row_size;

  return zim_vk_upload_func (self->device, &packing->span, section->offset, (gsize) section->rows * row_size, row_size,
                             fill_rows, &packer, error);
}

gboolean
zim_vk_weights_upload (ZimVkWeights  *self,
                       ZimVkPacking  *packing,
                       GError       **error)
{
  for (guint i = 0; i < packing->sections->len; i++)
    if (!upload_section (self, packing, zim_vk_packing_get_section (packing, i), error))
      return FALSE;
  return TRUE;
}

static gboolean
upload (ZimVkWeights  *self,
        ZimVkPacking  *packing,
        GError       **error)
{
  zim_vk_weights_measure (packing);
  if (packing->set != NULL)
    {
      gsize chunk = zim_vk_memory_get_max (self->device);
      const ZimVkSpan *span;

      if (!zim_vk_weights_load (self, (guint) (packing->set - self->sets), error))
        return FALSE;
      if (packing->streams)
        return TRUE;
      span = &g_array_index (packing->set->chunks, ZimVkSpan, packing->place / chunk);
      packing->span = (ZimVkSpan) { span->block, span->offset + packing->place % chunk, packing->size };
    }
  else if (!zim_vk_memory_alloc (self->device, ZIM_VK_MEMORY_DEVICE, packing->size, "weights", &packing->span, error))
    return FALSE;
  if (zim_vk_weights_upload (self, packing, error))
    return TRUE;
  unload (self, packing);
  return FALSE;
}

gboolean
zim_vk_weights_acquire (ZimVkWeights  *self,
                        ZimVkPacking  *packing,
                        GError       **error)
{
  if (packing->span.block == NULL && !upload (self, packing, error))
    return FALSE;
  packing->n_uses++;
  packing->last = ++self->clock;
  return TRUE;
}

void
zim_vk_weights_release (ZimVkWeights *self,
                        ZimVkPacking *packing)
{
  g_assert (packing->n_uses > 0);
  packing->n_uses--;
}

void
zim_vk_weights_trim (ZimVkWeights *self)
{
  GHashTableIter iter;
  gpointer data;
  gsize before = zim_vk_weights_get_size (self);

  for (guint i = 0; i < ZIM_BACKEND_N_SETS; i++)
    set_clear (self, &self->sets[i]);
  g_hash_table_iter_init (&iter, self->packings);
  while (g_hash_table_iter_next (&iter, &data, NULL))
    {
      ZimVkPacking *packing = data;

      if (packing->n_users > 0)
        continue;
      unload (self, packing);
      g_hash_table_iter_remove (&iter);
    }
  if (zim_debug (ZIM_DEBUG_MEMORY))
    zim_debug_print ("memory: %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " MiB of weights are kept",
                     zim_vk_weights_get_size (self) >> 20, before >> 20);
}

gsize
zim_vk_weights_get_size (ZimVkWeights *self)
{
  GHashTableIter iter;
  gpointer data;
  gsize size = 0;

  g_hash_table_iter_init (&iter, self->packings);
  while (g_hash_table_iter_next (&iter, &data, NULL))
    size += ((ZimVkPacking *) data)->span.block != NULL ? ((ZimVkPacking *) data)->size : 0;
  return size;
}

/* Sets */

static void
set_unload (ZimVkWeights *self,
            ZimVkSet     *set)
{
  if (!set->is_loaded)
    return;
  for (guint i = 0; i < set->packings->len; i++)
    unload (self, g_ptr_array_index (set->packings, i));
  for (guint i = 0; i < set->chunks->len; i++)
    zim_vk_memory_release (self->device, &g_array_index (set->chunks, ZimVkSpan, i));
  g_array_set_size (set->chunks, 0);
  for (guint i = 0; i < 2; i++)
    zim_vk_memory_release (self->device, &set->halves[i]);
  set->is_loaded = FALSE;
  set->age++;
}

static void
set_clear (ZimVkWeights *self,
           ZimVkSet     *set)
{
  if (set->packings == NULL)
    return;
  set_unload (self, set);
  for (guint i = 0; i < set->packings->len; i++)
    {
      ZimVkPacking *packing = g_ptr_array_index (set->packings, i);

      packing->set = NULL;
      packing->streams = FALSE;
    }
  g_clear_pointer (&set->packings, g_ptr_array_unref);
}

/* The end of a packing behind offset, where none lies in two chunks. */
static gsize
place_behind (ZimVkWeights       *self,
              const ZimVkPacking *packing,
              gsize               offset,
              gsize              *place)
{
  gsize chunk = zim_vk_memory_get_max (self->device), size = zim_vk_memory_round (self->device, packing->size);

  if (offset / chunk != (offset + size - 1) / chunk)
    offset = (offset / chunk + 1) * chunk;
  *place = offset;
  return offset + size;
}

gsize
zim_vk_weights_layout (ZimVkWeights *self,
                       GPtrArray    *packings)
{
  gsize end = 0, place;

  for (guint i = 0; i < packings->len; i++)
    {
      zim_vk_weights_measure (g_ptr_array_index (packings, i));
      end = place_behind (self, g_ptr_array_index (packings, i), end, &place);
    }
  return end;
}

static gboolean
is_placed (const ZimVkSet *set,
           GPtrArray      *packings,
           gsize           resident,
           gsize           window)
{
  if (set->packings == NULL || set->packings->len != packings->len || set->wanted[0] != resident ||
      set->wanted[1] != window)
    return FALSE;
  for (guint i = 0; i < packings->len; i++)
    if (g_ptr_array_index (set->packings, i) != g_ptr_array_index (packings, i))
      return FALSE;
  return TRUE;
}

static gsize
largest_size (ZimVkSet *set)
{
  gsize size = 0;

  for (guint i = 0; i < set->packings->len; i++)
    size = MAX (size, ((const ZimVkPacking *) g_ptr_array_index (set->packings, i))->size);
  return size;
}

/* Those that are streamed are spread over all of them, so that there is always something to compute meanwhile: of each
 * part of all bytes the same share stays, give or take the largest packing. */
static void
choose_places (ZimVkWeights *self,
               ZimVkSet     *set,
               gsize         all,
               gsize         resident)
{
  gsize slack = MIN (largest_size (set), resident), end, place, passed = 0;
  double share = resident < all ? (double) (resident - slack) / (double) all : 1;

  set->resident = 0;
  for (guint i = 0; i < set->packings->len; i++)
    {
      ZimVkPacking *packing = g_ptr_array_index (set->packings, i);

      unload (self, packing);
      packing->set = set;
      passed = place_behind (self, packing, passed, &place);
      end = place_behind (self, packing, set->resident, &place);
      packing->streams = end > resident || (double) end > share * (double) passed + (double) slack;
      packing->place = place;
      if (!packing->streams)
        set->resident = end;
    }
}

void
zim_vk_weights_place (ZimVkWeights *self,
                      guint         index,
                      GPtrArray    *packings,
                      gsize         resident,
                      gsize         window)
{
  ZimVkSet *set = &self->sets[index];
  gsize all;

  if (is_placed (set, packings, resident, window))
    return;
  set_clear (self, set);
  all = zim_vk_weights_layout (self, packings);
  set->packings = g_ptr_array_ref (packings);
  set->wanted[0] = resident;
  set->wanted[1] = window;
  choose_places (self, set, all, resident);
  set->half = resident < all ? window / 2 : 0;
  set->age++;
}

gsize
zim_vk_weights_get_set_size (ZimVkWeights *self,
                             guint         set)
{
  return self->sets[set].packings != NULL ? self->sets[set].resident + 2 * self->sets[set].half : 0;
}

gboolean
zim_vk_weights_is_loaded (ZimVkWeights *self,
                          guint         set)
{
  return self->sets[set].is_loaded;
}

gboolean
zim_vk_weights_load (ZimVkWeights  *self,
                     guint          index,
                     GError       **error)
{
  ZimVkSet *set = &self->sets[index];
  gsize chunk = zim_vk_memory_get_max (self->device);
  gboolean is_there = TRUE;

  if (set->is_loaded || set->packings == NULL)
    return TRUE;
  for (gsize offset = 0; offset < set->resident && is_there; offset += chunk)
    {
      ZimVkSpan span;

      is_there = zim_vk_memory_alloc (self->device, ZIM_VK_MEMORY_DEVICE, MIN (chunk, set->resident - offset),
                                      "weights", &span, error);
      if (is_there)
        g_array_append_val (set->chunks, span);
    }
  for (guint i = 0; i < 2 && is_there && set->half > 0; i++)
    is_there = zim_vk_memory_alloc (self->device, ZIM_VK_MEMORY_DEVICE, set->half, "weights", &set->halves[i], error);
  set->is_loaded = TRUE;
  set->age++;
  if (!is_there)
    set_unload (self, set);
  return is_there;
}

void
zim_vk_weights_unload (ZimVkWeights *self,
                       guint         set)
{
  set_unload (self, &self->sets[set]);
}

gsize
zim_vk_set_get_half_size (const ZimVkSet *set)
{
  return set->half;
}

const ZimVkSpan *
zim_vk_set_get_half (const ZimVkSet *set,
                     guint           half)
{
  return &set->halves[half];
}

guint
zim_vk_set_get_age (const ZimVkSet *set)
{
  return set->age;
}
