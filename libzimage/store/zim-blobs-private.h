/* zim-blobs-private.h: the files of a store that are named by their contents
 *
 * root/blobs/sha256-<hex>. A blob is written under another name in root/partial, synced, and takes its name when it is
 * whole, so that a name in blobs/ is a promise; blobs that are the same are one file. Nothing here needs a lock; what
 * removes blobs holds the store's (zim-lock-private.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "store/zim-sha256-private.h"

G_BEGIN_DECLS

/* (transfer full) */
char     *zim_blobs_get_path     (const char    *root,
                                  const char    *hex);
char     *zim_blobs_get_partial  (const char    *root,
                                  const char    *name);

/* The digest that a file name of blobs/ stands for. */
gboolean  zim_blobs_parse_name   (const char    *name,
                                  char           hex[ZIM_SHA256_HEX + 1]);

/* Whether the blob is there with that size, which every blob under its name has unless somebody damaged it. */
gboolean  zim_blobs_has          (const char    *root,
                                  const char    *hex,
                                  guint64        size);

/* ZIM_ERROR_BAD_FILE if it is a link that leads out of blobs/, or to nowhere. The folder itself may be one. */
gboolean  zim_blobs_check_link   (const char    *root,
                                  const char    *hex,
                                  GError       **error);

/* Reads the whole of a file again. The error is ZIM_ERROR_BAD_FILE if it is not what its name says. */
gboolean  zim_blobs_verify       (const char    *path,
                                  const char    *hex,
                                  GCancellable  *cancellable,
                                  GError       **error);

/* Stores a few bytes, unless they are there. */
gboolean  zim_blobs_put          (const char    *root,
                                  GBytes        *bytes,
                                  char           hex[ZIM_SHA256_HEX + 1],
                                  GError       **error);

/* Puts the names of new blobs on the disk. Do so before a manifest that names them is written. */
void      zim_blobs_sync         (const char    *root);

/* A blob to be. Clear it in any case: what was not committed is removed. */
typedef struct {
  char *root;
  char *temporary;
  int   fd;
} ZimBlobWriter;

gboolean  zim_blob_writer_open   (ZimBlobWriter  *self,
                                  const char     *root,
                                  GError        **error);
gboolean  zim_blob_writer_write  (ZimBlobWriter  *self,
                                  const void     *data,
                                  gsize           size,
                                  GError        **error);
gboolean  zim_blob_writer_commit (ZimBlobWriter  *self,
                                  const char     *hex,
                                  GError        **error);
void      zim_blob_writer_clear  (ZimBlobWriter  *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ZimBlobWriter, zim_blob_writer_clear)

/* A folder and those above it. */
gboolean  zim_blobs_make_folder  (const char     *path,
                                  GError        **error);

/* “Could not write “…”: …” as a G_FILE_ERROR; returns FALSE. */
gboolean  zim_blobs_fail         (const char     *path,
                                  int             saved_errno,
                                  GError        **error);

/* The new names of a folder's files are on the disk only with the folder. Some file systems cannot sync one. */
void      zim_blobs_sync_folder  (const char     *path);

G_END_DECLS
