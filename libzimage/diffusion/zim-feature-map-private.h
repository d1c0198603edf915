/* zim-feature-map-private.h: pixels that are made in bands of rows
 *
 * A map says how its rows of pixels are made from those of others. They are recorded when somebody asks for them: all
 * at once, or in bands, with the rows beside the band that its convolutions reach. A map that is stored is made but
 * once. Bands consist of whole blocks of group norm's sums, so that the numbers are the same.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-program-private.h"

G_BEGIN_DECLS

typedef struct {
  const ZimWeight *weight;
  const ZimWeight *bias;
} ZimAffine;

typedef struct _ZimMap ZimMap;

struct _ZimMap {
  gint64           height;
  gint64           width;
  gint64           cols;
  ZimMap          *sources[2]; /* (nullable): of a sum, there are two; of a stored map, none */
  const ZimAffine *conv;       /* (nullable) */
  guint            pad;
  gboolean         upsample;
  ZimTensor       *factors;    /* (nullable): of a norm */
  gboolean         silu;
  ZimTensor       *buffer;     /* (nullable): of a stored map, which begins with the row `above` of it */
  gint64           above;
  ZimTensor       *band;       /* (nullable): the rows that were made last */
  gint64           band_first;
  gint64           band_rows;
};

/* The maps of a program. They live as long as it is recorded. */
typedef struct {
  ZimProgram *program;
  guint       n_groups; /* of the norms */
  float       eps;
  gboolean    in_bands; /* whether what is made from now on goes by in bands */
  GPtrArray  *all;      /* of ZimMap */
} ZimMaps;

void       zim_maps_init      (ZimMaps         *maps,
                               ZimProgram      *program,
                               guint            n_groups,
                               float            eps);
void       zim_maps_clear     (ZimMaps         *maps);

/* One whose rows lie in a tensor [height · width, cols] */
ZimMap    *zim_maps_of_tensor (ZimMaps         *maps,
                               ZimTensor       *x,
                               gint64           height,
                               gint64           width);
/* Group norm over all pixels, with SiLU behind it if asked for; the statistics are recorded at once. */
ZimMap    *zim_maps_norm      (ZimMaps         *maps,
                               const ZimAffine *norm,
                               ZimMap          *x,
                               gboolean         silu);
ZimMap    *zim_maps_conv      (ZimMaps         *maps,
                               const ZimAffine *conv,
                               ZimMap          *x,
                               guint            pad,
                               gboolean         upsample);
ZimMap    *zim_maps_sum       (ZimMaps         *maps,
                               ZimMap          *x,
                               ZimMap          *y);

/* [n · width, cols]: rows of pixels from that one on */
ZimTensor *zim_maps_rows      (ZimMaps         *maps,
                               ZimMap          *map,
                               gint64           first,
                               gint64           n);
/* Makes all rows, in a buffer with `above` rows more or in place of those of another map: each band comes to lie
 * `reach` rows above its own place, over rows that no later band reads. */
void       zim_maps_store     (ZimMaps         *maps,
                               ZimMap          *map,
                               gint64           above,
                               const ZimMap    *over, /* (nullable) */
                               gint64           reach);

G_END_DECLS
