/* zim-noise-private.h: the normal noise that PyTorch makes of a seed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

#include "zim-enums.h"

G_BEGIN_DECLS

/* n standard normal values: torch.randn (n) of a generator just seeded. n is a multiple of 16.
 *
 * ZIM_RNG_CUDA gives what a card with at least n resident threads gives (one value a thread): true to 256 ·
 * multiprocessors · resident blocks of it; smaller cards differ beyond that. */
void zim_noise_fill (ZimRng   rng,
                     guint64  seed,
                     float   *out,
                     gsize    n);

G_END_DECLS
