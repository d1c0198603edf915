/* zim-open-private.h: the models of a store as checkpoints
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-checkpoint-private.h"
#include "store/zim-manifest-private.h"
#include "store/zim-store-name-private.h"

G_BEGIN_DECLS

/* $ZIMAGE_MODELS, else zimage/models in the user's data folder. (transfer full) */
char           *zim_open_default_root  (void);

/* The weights stay where they lie in the store. */
ZimCheckpoint  *zim_open_checkpoint    (const char          *root,
                                        const ZimStoreName  *name,
                                        GCancellable        *cancellable,
                                        GError             **error);

/* Whether a checkpoint has all that its model needs; the store itself knows no networks. */
typedef gboolean (*ZimOpenCheck) (ZimCheckpoint  *checkpoint,
                                  GError        **error);

/* Gives a manifest, which is the blob hex of the store, a name, if check, where there is one, finds nothing missing. */
gboolean        zim_open_name          (const char          *root,
                                        const ZimStoreName  *name,
                                        const ZimManifest   *manifest,
                                        const char          *hex,
                                        ZimOpenCheck         check,
                                        GCancellable        *cancellable,
                                        GError             **error);

G_END_DECLS
