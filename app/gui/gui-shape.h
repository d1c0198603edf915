/* gui-shape.h: shapes and sizes to choose from
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* In the order in which they are offered; the last, “custom”, is no ratio. */
guint       gui_shape_find     (const char  *name);
const char *gui_shape_get_name (guint        shape); /* (nullable) past the last */
guint       gui_shape_custom   (void);

/* Sides of a square; the first, 0, is what the model suggests. */
const int  *gui_sizes          (guint       *n_sizes);

/* Multiples of 16 with about as many pixels as a square of that side. */
void        gui_shape_measure  (guint        shape,
                                double       side,
                                int         *width,
                                int         *height);
/* The shape and size that give these pixels; the side of 0 is that of the model. FALSE if only a custom one does. */
gboolean    gui_shape_guess    (int          width,
                                int          height,
                                double       model_side,
                                guint       *shape,
                                int         *size);

G_END_DECLS
