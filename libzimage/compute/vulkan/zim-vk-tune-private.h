/* zim-vk-tune-private.h: which tiles products are made in, found by trying
 *
 * What was found is kept beside the cache of pipelines, for each device and version of its driver, and holds for the
 * kernels that it was found with. Nothing is tried unless it is asked for: that takes a minute, and without it
 * tiles are chosen by rules that suit most devices.
 *
 * Every tile gives right results. They may differ in the last bit, as a driver is free to fuse products and sums.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-backend-private.h"

G_BEGIN_DECLS

/* What is kept of the device, or nothing. */
ZimVkTuning     *zim_vk_tuning_new      (ZimVkDevice       *device);
void             zim_vk_tuning_free     (ZimVkTuning       *self);

/* The tile that was found for results of that shape; NULL: none. */
const ZimVkTile *zim_vk_tuning_get_tile (const ZimVkSetup  *setup,
                                         ZimVkFamily        family,
                                         ZimVkShape         shape);

/* Takes that one for all of a family, until it is given NULL. */
void             zim_vk_tuning_force    (ZimVkTuning       *self,
                                         ZimVkFamily        family,
                                         const ZimVkTile   *tile);

/* Tries all tiles for all shapes at that precision and keeps the best: a dictionary of the families and shapes, each of
 * the “tile”, its “gflops” and the “default_gflops” of that which the rules choose. */
GVariant        *zim_vk_tune            (ZimVkBackend      *backend,
                                         ZimPrecision       precision,
                                         GCancellable      *cancellable,
                                         GError           **error);

G_END_DECLS
