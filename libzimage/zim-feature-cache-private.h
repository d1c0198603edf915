/* zim-feature-cache-private.h: text features of recent prompts
 *
 * A picture of the same words with another seed needs no text encoder. Used by a pipeline's worker alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

#include "zim-enums.h"

G_BEGIN_DECLS

typedef struct _ZimFeatureCache ZimFeatureCache;

typedef struct {
  char         *prompt;
  ZimPrecision  precision;
  guint         max_tokens;
  float        *features; /* [n_ids][hidden size] */
  guint         n_ids;
} ZimCachedPrompt;

ZimFeatureCache       *zim_feature_cache_new  (void);
void                   zim_feature_cache_free (ZimFeatureCache *self);

/* NULL if these features are not there. What is returned stays until enough others have been added. */
const ZimCachedPrompt *zim_feature_cache_find (ZimFeatureCache *self,
                                               const char      *prompt,
                                               ZimPrecision     precision,
                                               guint            max_tokens);
/* Takes features. */
const ZimCachedPrompt *zim_feature_cache_add  (ZimFeatureCache *self,
                                               const char      *prompt,
                                               ZimPrecision     precision,
                                               guint            max_tokens,
                                               float           *features,
                                               guint            n_ids);

G_END_DECLS
