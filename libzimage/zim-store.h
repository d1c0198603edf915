/* zim-store.h: the models that are installed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include "zim-types.h"
#include "zim-version-macros.h"

G_BEGIN_DECLS

#define ZIM_TYPE_STORE (zim_store_get_type ())

ZIM_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ZimStore, zim_store, ZIM, STORE, GObject)

ZIM_AVAILABLE_IN_ALL
ZimStore       *zim_store_new            (const char           *path);
ZIM_AVAILABLE_IN_ALL
const char     *zim_store_get_path       (ZimStore             *self);
ZIM_AVAILABLE_IN_ALL
ZimStoredModel *zim_store_find           (ZimStore             *self,
                                          const char           *name);

ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_refresh        (ZimStore             *self,
                                          GCancellable         *cancellable,
                                          GError              **error);
ZIM_AVAILABLE_IN_ALL
void            zim_store_refresh_async  (ZimStore             *self,
                                          GCancellable         *cancellable,
                                          GAsyncReadyCallback   callback,
                                          gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_refresh_finish (ZimStore             *self,
                                          GAsyncResult         *result,
                                          GError              **error);

ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_create         (ZimStore             *self,
                                          const char           *name,
                                          ZimModel             *model,
                                          const char           *quantize,
                                          const char          **keep,
                                          ZimTransfer          *transfer,
                                          GCancellable         *cancellable,
                                          GError              **error);
ZIM_AVAILABLE_IN_ALL
void            zim_store_create_async   (ZimStore             *self,
                                          const char           *name,
                                          ZimModel             *model,
                                          const char           *quantize,
                                          const char          **keep,
                                          ZimTransfer          *transfer,
                                          GCancellable         *cancellable,
                                          GAsyncReadyCallback   callback,
                                          gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_create_finish  (ZimStore             *self,
                                          GAsyncResult         *result,
                                          GError              **error);

ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_pull           (ZimStore             *self,
                                          const char           *name,
                                          const char           *server,
                                          ZimTransfer          *transfer,
                                          GCancellable         *cancellable,
                                          GError              **error);
ZIM_AVAILABLE_IN_ALL
void            zim_store_pull_async     (ZimStore             *self,
                                          const char           *name,
                                          const char           *server,
                                          ZimTransfer          *transfer,
                                          GCancellable         *cancellable,
                                          GAsyncReadyCallback   callback,
                                          gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_pull_finish    (ZimStore             *self,
                                          GAsyncResult         *result,
                                          GError              **error);

ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_can_pull       (const char           *name);
ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_measure_pull   (ZimStore             *self,
                                          const char           *name,
                                          const char           *server,
                                          guint64              *size,
                                          guint64              *space,
                                          GCancellable         *cancellable,
                                          GError              **error);
ZIM_AVAILABLE_IN_ALL
void            zim_store_measure_pull_async
                                         (ZimStore             *self,
                                          const char           *name,
                                          const char           *server,
                                          GCancellable         *cancellable,
                                          GAsyncReadyCallback   callback,
                                          gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_measure_pull_finish
                                         (ZimStore             *self,
                                          GAsyncResult         *result,
                                          guint64              *size,
                                          guint64              *space,
                                          GError              **error);

ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_copy           (ZimStore             *self,
                                          const char           *source,
                                          const char           *destination,
                                          GCancellable         *cancellable,
                                          GError              **error);
ZIM_AVAILABLE_IN_ALL
void            zim_store_copy_async     (ZimStore             *self,
                                          const char           *source,
                                          const char           *destination,
                                          GCancellable         *cancellable,
                                          GAsyncReadyCallback   callback,
                                          gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_copy_finish    (ZimStore             *self,
                                          GAsyncResult         *result,
                                          GError              **error);

ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_remove         (ZimStore             *self,
                                          const char           *name,
                                          GCancellable         *cancellable,
                                          GError              **error);
ZIM_AVAILABLE_IN_ALL
void            zim_store_remove_async   (ZimStore             *self,
                                          const char           *name,
                                          GCancellable         *cancellable,
                                          GAsyncReadyCallback   callback,
                                          gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_remove_finish  (ZimStore             *self,
                                          GAsyncResult         *result,
                                          GError              **error);

ZIM_AVAILABLE_IN_ALL
char          **zim_store_check          (ZimStore             *self,
                                          gboolean              repair,
                                          ZimTransfer          *transfer,
                                          GCancellable         *cancellable,
                                          GError              **error);
ZIM_AVAILABLE_IN_ALL
void            zim_store_check_async    (ZimStore             *self,
                                          gboolean              repair,
                                          ZimTransfer          *transfer,
                                          GCancellable         *cancellable,
                                          GAsyncReadyCallback   callback,
                                          gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
char          **zim_store_check_finish   (ZimStore             *self,
                                          GAsyncResult         *result,
                                          GError              **error);

ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_prune          (ZimStore             *self,
                                          guint64              *freed,
                                          GCancellable         *cancellable,
                                          GError              **error);
ZIM_AVAILABLE_IN_ALL
void            zim_store_prune_async    (ZimStore             *self,
                                          GCancellable         *cancellable,
                                          GAsyncReadyCallback   callback,
                                          gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
gboolean        zim_store_prune_finish   (ZimStore             *self,
                                          GAsyncResult         *result,
                                          guint64              *freed,
                                          GError              **error);

G_END_DECLS
