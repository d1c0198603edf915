/* zim-known-private.h: names of the published models that need no address
 *
 * “z-image” is the turbo model, as it was in Ollama: who names no variant wants a picture after eight steps, not after
 * fifty with two passes each.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "store/zim-store-name-private.h"

G_BEGIN_DECLS

typedef struct {
  const char *name;
  const char *repository; /* of Hugging Face */
  gboolean    turbo;
} ZimKnown;

/* NULL if it is none. */
const ZimKnown *zim_known_find     (const char         *name);
const ZimKnown *zim_known_find_for (const ZimStoreName *name); /* with no tag but the default */

G_END_DECLS
