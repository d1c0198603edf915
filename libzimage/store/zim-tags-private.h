/* zim-tags-private.h: the names in a store and the manifests behind them
 *
 * A manifest is a blob. Its name is a relative symbolic link to it, root/manifests-v2/host/namespace/model/tag, or a
 * hard link or a copy where the file system has no symbolic ones. Ollama's older form, a file in root/manifests, is
 * read too, under either of its names for its own host. A link is followed only to a blob of the same store.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "store/zim-manifest-private.h"
#include "store/zim-store-name-private.h"

G_BEGIN_DECLS

/* All names, sorted. Files that cannot be names are passed over. (element-type ZimStoreName) */
GPtrArray   *zim_tags_list     (const char          *root);

/* What a name stands for, checked against its digest. */
typedef struct {
  ZimManifest *manifest;
  GBytes      *bytes;                   /* it was read from */
  char         hex[ZIM_SHA256_HEX + 1]; /* of the manifest */
  gint64       modified;                /* seconds since 1970 */
  gboolean     is_blob;                 /* the manifest, too: it is no legacy file */
} ZimTag;

/* ZIM_ERROR_NOT_FOUND if there is no such name. Clear the tag in any case. */

gboolean     zim_tags_read     (const char          *root,
                                const ZimStoreName  *name,
                                ZimTag              *tag,
                                GError             **error);
void         zim_tag_clear     (ZimTag              *tag);

/* Gives a manifest that is a blob of the store a name, in place of what had the name before. */
gboolean     zim_tags_write    (const char          *root,
                                const ZimStoreName  *name,
                                const char          *hex,
                                GError             **error);

/* ZIM_ERROR_NOT_FOUND if there is none. Its blobs stay. */
gboolean     zim_tags_remove   (const char          *root,
                                const ZimStoreName  *name,
                                GError             **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ZimTag, zim_tag_clear)

G_END_DECLS
