/* zim-publish-private.h: giving blobs a manifest and a name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "store/zim-open-private.h"
#include "store/zim-store-name-private.h"
#include "store/zim-tensor-blob-private.h"

G_BEGIN_DECLS

typedef struct _ZimPublish ZimPublish;

/* Of blobs that are stored; they and their weights live as long as this. */
ZimPublish  *zim_publish_new       (const char           *root,
                                    const ZimTensorBlob  *blobs,
                                    guint                 n_blobs);
void         zim_publish_free      (ZimPublish           *self);

/* Stores a configuration file. */
gboolean     zim_publish_add_file  (ZimPublish           *self,
                                    const char           *name,
                                    GBytes               *bytes,
                                    GError              **error);

/* Every blob and its name is on the disk before the manifest is, and the manifest before its name. */
gboolean     zim_publish_finish    (ZimPublish           *self,
                                    const ZimStoreName   *name,
                                    ZimOpenCheck          check,
                                    GCancellable         *cancellable,
                                    GError              **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimPublish, zim_publish_free)

G_END_DECLS
