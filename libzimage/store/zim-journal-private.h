/* zim-journal-private.h: what an interrupted call had finished
 *
 * A file in root/partial with a line for each blob that was stored, so that the next try need not even read it again.
 * It is a help and no promise: what it says is believed only if the blob is there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _ZimJournal ZimJournal; /* any thread */

/* Never fails: without its file, there is nothing to remember. */
ZimJournal *zim_journal_open   (const char   *root,
                                const char   *name);
void        zim_journal_free   (ZimJournal   *self);

/* The value that was noted for the key, or NULL. */
const char *zim_journal_lookup (ZimJournal   *self,
                                const char   *key);
void        zim_journal_note   (ZimJournal   *self,
                                const char   *key,
                                const char   *value);

/* Everything is done: removes the file. */
void        zim_journal_finish (ZimJournal   *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimJournal, zim_journal_free)

G_END_DECLS
