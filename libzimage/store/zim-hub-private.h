/* zim-hub-private.h: what a repository of Hugging Face has
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "store/zim-http-private.h"
#include "store/zim-sha256-private.h"

G_BEGIN_DECLS

typedef struct {
  guint64 size;                    /* 0: unknown */
  char    hex[ZIM_SHA256_HEX + 1]; /* the digest of a large file, or “” */
} ZimHubFile;

typedef struct {
  ZimServer  *server;     /* lives longer */
  char       *repository; /* “Tongyi-MAI/Z-Image-Turbo” */
  char       *commit;     /* what the revision means now; every request names it */
  GHashTable *files;      /* name → ZimHubFile */
} ZimHub;

ZimHub           *zim_hub_open         (ZimServer     *server,
                                        const char    *repository,
                                        const char    *revision,
                                        GCancellable  *cancellable,
                                        GError       **error);
void              zim_hub_free         (ZimHub        *self);

/* Names of the files that have the weights of the networks that are used. (transfer full) */
GPtrArray        *zim_hub_list_weights (ZimHub        *self,
                                        GCancellable  *cancellable,
                                        GError       **error);

/* Where a file is on the server. (transfer full) */
char             *zim_hub_get_path     (const ZimHub  *self,
                                        const char    *name);

/* NULL if there is no such file. */
const ZimHubFile *zim_hub_lookup       (const ZimHub  *self,
                                        const char    *name);

/* A file that is not one of weights. */
GBytes           *zim_hub_get_file     (ZimHub        *self,
                                        const char    *name,
                                        GCancellable  *cancellable,
                                        GError       **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimHub, zim_hub_free)

G_END_DECLS
