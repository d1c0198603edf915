/* zim-store-operation-private.h: what a store can be asked for, in whatever thread
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "zim-model.h"
#include "zim-store.h"
#include "zim-transfer.h"

G_BEGIN_DECLS

typedef struct _ZimStoreOperation ZimStoreOperation;

ZimStoreOperation *_zim_store_operation_new_refresh  (void);
ZimStoreOperation *_zim_store_operation_new_create   (const char         *name,
                                                      ZimModel           *model,
                                                      const char         *quantize, /* (nullable) */
                                                      const char        **keep,     /* (nullable) */
                                                      ZimTransfer        *transfer);
ZimStoreOperation *_zim_store_operation_new_pull     (const char         *name,
                                                      const char         *server, /* (nullable) */
                                                      ZimTransfer        *transfer);
ZimStoreOperation *_zim_store_operation_new_measure  (const char         *name,
                                                      const char         *server); /* (nullable) */
ZimStoreOperation *_zim_store_operation_new_copy     (const char         *source,
                                                      const char         *destination);
ZimStoreOperation *_zim_store_operation_new_remove   (const char         *name);
ZimStoreOperation *_zim_store_operation_new_check    (gboolean            repair,
                                                      ZimTransfer        *transfer);
ZimStoreOperation *_zim_store_operation_new_prune    (void);
void               _zim_store_operation_free         (ZimStoreOperation  *self);

/* Does it in the store of that folder. The results, which are there if it worked, are then the caller's. */
gboolean           _zim_store_operation_run          (ZimStoreOperation  *self,
                                                      const char         *root,
                                                      GCancellable       *cancellable,
                                                      GError            **error);

/* The models that the store has now. (transfer full) (element-type ZimStoredModel) */
GPtrArray         *_zim_store_operation_steal_models (ZimStoreOperation  *self);

/* What a check found. (transfer full) */
char             **_zim_store_operation_steal_faults (ZimStoreOperation  *self);

/* What a pull would fetch, and what there is room for, in bytes. */
void               _zim_store_operation_get_measure  (ZimStoreOperation  *self,
                                                      guint64            *size,   /* (nullable) */
                                                      guint64            *space); /* (nullable) */

/* The bytes that pruning freed. */
guint64            _zim_store_operation_get_freed    (ZimStoreOperation  *self);

/* In the thread of the store: makes its list the one that the operation found, and tells what changed. */
void               _zim_store_apply                  (ZimStore           *self,
                                                      ZimStoreOperation  *operation);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimStoreOperation, _zim_store_operation_free)

G_END_DECLS
