/* gui-shape.c: shapes and sizes to choose from
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-shape.h"

#include <math.h>

#define MULTIPLE 16 /* of pixels, which the model asks for */
#define SIDE_MAX 8192

typedef struct
{
  const char *name; /* in the settings */
  double      ratio;
} Shape;

static const Shape shapes[] = {
  { "square", 1.0 },
  { "landscape-4-3", 4.0 / 3 },
  { "landscape-3-2", 3.0 / 2 },
  { "landscape-16-9", 16.0 / 9 },
  { "portrait-3-4", 3.0 / 4 },
  { "portrait-2-3", 2.0 / 3 },
  { "portrait-9-16", 9.0 / 16 },
  { "custom", 1.0 },
};

static const int sizes[] = { 0, 256, 384, 512, 768, 1024, 1280, 1536, 2048 };

guint
gui_shape_find (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    if (g_str_equal (shapes[i].name, name))
      return i;
  return 0;
}

const char *
gui_shape_get_name (guint shape)
{
  return shape < G_N_ELEMENTS (shapes) ? shapes[shape].name : NULL;
}

guint
gui_shape_custom (void)
{
  return G_N_ELEMENTS (shapes) - 1;
}

const int *
gui_sizes (guint *n_sizes)
{
  *n_sizes = G_N_ELEMENTS (sizes);
  return sizes;
}

static int
round_side (double side)
{
  return CLAMP ((int) round (side / MULTIPLE) * MULTIPLE, MULTIPLE, SIDE_MAX);
}

void
gui_shape_measure (guint   shape,
                   double  side,
                   int    *width,
                   int    *height)
{
  double root = sqrt (shapes[shape].ratio);

  *width = round_side (side * root);
  *height = round_side (side / root);
}

gboolean
gui_shape_guess (int     width,
                 int     height,
                 double  model_side,
                 guint  *shape,
                 int    *size)
{
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint j = 0; j < gui_shape_custom (); j++)
      {
        int w, h;

        gui_shape_measure (j, sizes[i] > 0 ? sizes[i] : model_side, &w, &h);
        if (w != width || h != height)
          continue;
        *shape = j;
        *size = sizes[i];
        return TRUE;
      }
  return FALSE;
}
