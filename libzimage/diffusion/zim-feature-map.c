/* zim-feature-map.c: pixels that are made in bands of rows
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "diffusion/zim-feature-map-private.h"

#define MIN_BLOCK 512 /* pixels that group norm sums up at once, in whole rows */
#define N_BANDS 16

void
zim_maps_init (ZimMaps    *maps,
               ZimProgram *program,
               guint       n_groups,
               float       eps)
{
  *maps = (ZimMaps) { program, n_groups, eps, FALSE, g_ptr_array_new_with_free_func (g_free) };
}

void
zim_maps_clear (ZimMaps *maps)
{
  g_ptr_array_unref (maps->all);
}

static ZimMap *
map_new (ZimMaps *maps,
         gint64   height,
         gint64   width,
         gint64   cols)
{
  ZimMap *map = g_new0 (ZimMap, 1);

  map->height = height;
  map->width = width;
  map->cols = cols;
  g_ptr_array_add (maps->all, map);
  return map;
}

ZimMap *
zim_maps_of_tensor (ZimMaps   *maps,
                    ZimTensor *x,
                    gint64     height,
                    gint64     width)
{
  ZimMap *map = map_new (maps, height, width, x->cols);

  map->buffer = x;
  return map;
}

static gint64
block_rows (const ZimMap *map)
{
  gint64 rows = 1;

  while (rows * map->width < MIN_BLOCK)
    rows *= 2;
  return rows;
}

static gint64
rows_of_band (const ZimMaps *maps,
              const ZimMap  *map)
{
  gint64 block = block_rows (map), rows = (map->height + N_BANDS - 1) / N_BANDS;

  if (!maps->in_bands)
    return map->height;
  return MIN ((rows + block - 1) / block * block, map->height);
}

static ZimTensor *
make_conv_rows (ZimMaps *maps,
                ZimMap  *map,
                gint64   first,
                gint64   n)
{
  ZimMap *source = map->sources[0];
  gint64 source_first, source_rows;

  zim_conv_source_rows (source->height, (guint) map->conv->weight->dims[2], 1, map->pad, map->upsample, first, n,
                        &source_first, &source_rows);
  return zim_program_conv2d_band (maps->program, zim_maps_rows (maps, source, source_first, source_rows),
                                  map->conv->weight, map->conv->bias, source->height, source->width, 1, map->pad,
                                  map->upsample, source_first, first, n);
}

static ZimTensor *
make_rows (ZimMaps *maps,
           ZimMap  *map,
           gint64   first,
           gint64   n)
{
  ZimTensor *x;

  if (map->conv != NULL)
    return make_conv_rows (maps, map, first, n);
  x = zim_maps_rows (maps, map->sources[0], first, n);
  if (map->factors != NULL)
    return zim_program_group_apply (maps->program, x, map->factors, map->silu);
  return zim_program_add (maps->program, x, zim_maps_rows (maps, map->sources[1], first, n));
}

static ZimTensor *
rows_of (const ZimMaps *maps,
         const ZimMap  *map,
         ZimTensor     *x,
         gint64         start,
         gint64         n)
{
  if (start == 0 && n * map->width == x->rows)
    return x;
  return zim_program_rows (maps->program, x, start * map->width, n * map->width);
}

ZimTensor *
zim_maps_rows (ZimMaps *maps,
               ZimMap  *map,
               gint64   first,
               gint64   n)
{
  if (map->buffer != NULL)
    return rows_of (maps, map, map->buffer, map->above + first, n);
  if (map->band == NULL || first < map->band_first || first + n > map->band_first + map->band_rows)
    {
      map->band = make_rows (maps, map, first, n);
      map->band_first = first;
      map->band_rows = n;
    }
  return rows_of (maps, map, map->band, first - map->band_first, n);
}

void
zim_maps_store (ZimMaps      *maps,
                ZimMap       *map,
                gint64        above,
                const ZimMap *over, /* (nullable) */
                gint64        reach)
{
  gint64 step = rows_of_band (maps, map);
  ZimTensor *buffer;

  if (step == map->height)
    {
      map->buffer = zim_maps_rows (maps, map, 0, map->height);
      return;
    }
  if (over != NULL && over->buffer != NULL && over->cols == map->cols && over->above >= reach)
    {
      buffer = over->buffer;
      above = over->above - reach;
    }
  else
    buffer = zim_program_empty (maps->program, (map->height + above) * map->width, map->cols);
  for (gint64 first = 0; first < map->height; first += step)
    {
      gint64 n = MIN (step, map->height - first);

      zim_program_copy_to (maps->program, zim_maps_rows (maps, map, first, n),
                           rows_of (maps, map, buffer, above + first, n));
    }
  map->buffer = buffer;
  map->above = above;
}

ZimMap *
zim_maps_norm (ZimMaps         *maps,
               const ZimAffine *norm,
               ZimMap          *x,
               gboolean         silu)
{
  gboolean is_stored = x->buffer != NULL;
  gint64 block = block_rows (x), step = is_stored ? x->height : rows_of_band (maps, x);
  ZimMap *map = map_new (maps, x->height, x->width, x->cols);
  ZimTensor *sums = zim_program_empty (maps->program, (x->height + block - 1) / block, 4 * x->cols), *shift;

  if (is_stored)
    shift = zim_program_rows (maps->program, x->buffer, x->above * x->width, 1);
  else
    shift = zim_program_empty (maps->program, 1, x->cols);
  for (gint64 first = 0; first < x->height; first += step)
    {
      gint64 n = MIN (step, x->height - first);
      ZimTensor *rows = zim_maps_rows (maps, x, first, n);

      if (first == 0 && !is_stored)
        zim_program_copy_to (maps->program, zim_program_rows (maps->program, rows, 0, 1), shift);
      zim_program_group_sums (maps->program, rows, shift, block * x->width,
                              zim_program_rows (maps->program, sums, first / block, (n + block - 1) / block));
    }
  map->sources[0] = x;
  map->silu = silu;
  map->factors = zim_program_group_factors (maps->program, sums, shift, norm->weight, norm->bias,
                                            maps->n_groups, maps->eps, x->height * x->width);
  return map;
}

ZimMap *
zim_maps_conv (ZimMaps         *maps,
               const ZimAffine *conv,
               ZimMap          *x,
               guint            pad,
               gboolean         upsample)
{
  guint zoom = upsample ? 2 : 1;
  ZimMap *map = map_new (maps, zoom * x->height, zoom * x->width, conv->weight->dims[0]);

  map->sources[0] = x;
  map->conv = conv;
  map->pad = pad;
  map->upsample = upsample;
  return map;
}

ZimMap *
zim_maps_sum (ZimMaps *maps,
              ZimMap  *x,
              ZimMap  *y)
{
  ZimMap *map = map_new (maps, x->height, x->width, x->cols);

  map->sources[0] = x;
  map->sources[1] = y;
  return map;
}
