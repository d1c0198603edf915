/* zim-bpe-private.h: byte pair merging, on token ids alone
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _ZimBpe ZimBpe;

/* The buffers of one thread's encoding, used again from word to word. Starts out as zeros. */
typedef struct {
  GArray *symbols;
  GArray *queue;
} ZimBpeScratch;

ZimBpe    *zim_bpe_new            (void);
void       zim_bpe_free           (ZimBpe         *self);

void       zim_bpe_set_byte       (ZimBpe         *self,
                                   guint8          byte,
                                   gint32          id);

/* Merges are added from the first to the last that training found: that order is their rank.
 * FALSE if the pair has one already. */
gboolean   zim_bpe_add_merge      (ZimBpe         *self,
                                   gint32          left,
                                   gint32          right,
                                   gint32          result);

/* Appends the ids of one word to ids, a GArray of gint32. */
void       zim_bpe_encode         (ZimBpe         *self,
                                   const char     *word,
                                   gsize           length,
                                   ZimBpeScratch  *scratch,
                                   GArray         *ids);

void       zim_bpe_scratch_clear  (ZimBpeScratch  *scratch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimBpe, zim_bpe_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ZimBpeScratch, zim_bpe_scratch_clear)

G_END_DECLS
