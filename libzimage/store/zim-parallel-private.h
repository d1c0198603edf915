/* zim-parallel-private.h: the same work for many things on several threads
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef gboolean (*ZimParallelFunc) (guint          i,
                                     gpointer       user_data,
                                     GCancellable  *cancellable,
                                     GError       **error);

/* Calls func for 0 … n − 1, in this order, on as many threads as it is worth, at most max_threads (0: one for each
 * processor). Ends early, with the first error, when a call returns FALSE. */
gboolean  zim_parallel_run  (guint             n,
                             guint             max_threads,
                             ZimParallelFunc   func,
                             gpointer          user_data,
                             GCancellable     *cancellable,
                             GError          **error);

G_END_DECLS
