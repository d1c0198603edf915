/* zim-lock-private.h: who may write to a store and who may remove from it
 *
 * Those who add blobs share the lock: what they find in the store stays there until they have named it. Who removes
 * blobs has it alone. It is on root/.lock and goes with the process that holds it, even if that is killed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct {
  int fd; /* −1: not held */
} ZimLock;

/* Waits for who removes, which does not take long. */
gboolean  zim_lock_share  (ZimLock       *self,
                           const char    *root,
                           GCancellable  *cancellable,
                           GError       **error);

/* Does not wait, as writing may take hours: G_IO_ERROR_BUSY. */
gboolean  zim_lock_own    (ZimLock       *self,
                           const char    *root,
                           GError       **error);

void      zim_lock_clear  (ZimLock       *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ZimLock, zim_lock_clear)

G_END_DECLS
