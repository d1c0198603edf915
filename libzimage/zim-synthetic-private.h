/* zim-synthetic-private.h: a model of the published sizes with random weights, for benchmarks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "zim-model-private.h"

G_BEGIN_DECLS

/* architecture: “z-image-turbo” or “z-image”. Weights are bf16 and lie in one shared file of a gigabyte, of which
 * every matrix sees a window: larger than any cache, so that memory is read as it would be, and small enough for a
 * machine that could not hold the model. */
ZimModel *_zim_model_new_synthetic (const char  *architecture,
                                    GError     **error);

G_END_DECLS
