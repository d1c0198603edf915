/* zim-upkeep-private.h: checking a store and removing from it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "store/zim-report-private.h"
#include "store/zim-store-name-private.h"

G_BEGIN_DECLS

/* Reads every blob again and every manifest. Gives what is wrong, one text for each fault, or NULL with an error if it
 * could not be found out. With repair, blobs that are damaged are removed, so that creating or pulling the models that
 * need them brings them back. (element-type utf8) (transfer full) */
GPtrArray  *zim_check   (const char          *root,
                         gboolean             repair,
                         const ZimReport     *report,
                         GCancellable        *cancellable,
                         GError             **error);

/* Removes what nothing names: blobs, and what interrupted calls left. freed is bytes. */
gboolean    zim_prune   (const char          *root,
                         guint64             *freed,
                         GError             **error);

/* Removes a name and the blobs that only it named. The latter wait for zim_prune () if somebody is writing. */
gboolean    zim_remove  (const char          *root,
                         const ZimStoreName  *name,
                         GError             **error);

/* Gives a model another name as well. */
gboolean    zim_copy    (const char          *root,
                         const ZimStoreName  *source,
                         const ZimStoreName  *destination,
                         GCancellable        *cancellable,
                         GError             **error);

G_END_DECLS
