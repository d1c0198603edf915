/* zim-feature-cache.c: text features of recent prompts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-feature-cache-private.h"

#define CACHED_PROMPTS 8

struct _ZimFeatureCache {
  GQueue prompts; /* of ZimCachedPrompt, most recently used first */
};

static void
cached_prompt_free (ZimCachedPrompt *cached)
{
  g_free (cached->prompt);
  g_free (cached->features);
  g_free (cached);
}

ZimFeatureCache *
zim_feature_cache_new (void)
{
  return g_new0 (ZimFeatureCache, 1);
}

void
zim_feature_cache_free (ZimFeatureCache *self)
{
  g_queue_clear_full (&self->prompts, (GDestroyNotify) cached_prompt_free);
  g_free (self);
}

const ZimCachedPrompt *
zim_feature_cache_find (ZimFeatureCache *self,
                        const char      *prompt,
                        ZimPrecision     precision,
                        guint            max_tokens)
{
  for (GList *l = self->prompts.head; l != NULL; l = l->next)
    {
      const ZimCachedPrompt *cached = l->data;

      if (cached->precision == precision && cached->max_tokens == max_tokens && g_str_equal (cached->prompt, prompt))
        {
          g_queue_unlink (&self->prompts, l);
          g_queue_push_head_link (&self->prompts, l);
          return cached;
        }
    }
  return NULL;
}

const ZimCachedPrompt *
zim_feature_cache_add (ZimFeatureCache *self,
                       const char      *prompt,
                       ZimPrecision     precision,
                       guint            max_tokens,
                       float           *features,
                       guint            n_ids)
{
  ZimCachedPrompt *cached = g_new0 (ZimCachedPrompt, 1);

  cached->prompt = g_strdup (prompt);
  cached->precision = precision;
  cached->max_tokens = max_tokens;
  cached->features = features;
  cached->n_ids = n_ids;
  g_queue_push_head (&self->prompts, cached);
  if (self->prompts.length > CACHED_PROMPTS)
    cached_prompt_free (g_queue_pop_tail (&self->prompts));
  return cached;
}
