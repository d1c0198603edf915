/* zim-pull-private.h: getting models from the network into a store
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "store/zim-http-private.h"
#include "store/zim-manifest-private.h"
#include "store/zim-open-private.h"
#include "store/zim-report-private.h"
#include "store/zim-store-name-private.h"

G_BEGIN_DECLS

/* Gets the model of that name from where the name says: a repository of Hugging Face if the host is hf.co or the name
 * is a known one, else a registry that speaks Ollama's protocol. url, if not NULL, is the server to ask instead. What
 * an earlier try got is not fetched again, and the model is there when all of it is, every digest is right, and check
 * (nullable) finds no tensor missing. */
gboolean  zim_pull           (const char           *root,
                              const ZimStoreName   *name,
                              const char           *url,
                              const ZimReport      *report,
                              ZimOpenCheck          check,
                              GCancellable         *cancellable,
                              GError              **error);

/* How many bytes that is to fetch at the most. */
gboolean  zim_pull_measure   (const char           *root,
                              const ZimStoreName   *name,
                              const char           *url,
                              guint64              *size,
                              GCancellable         *cancellable,
                              GError              **error);

/* Whether it is a name that says where the model is, or a known one. */
gboolean  zim_pull_is_possible (const ZimStoreName *name);

/* The two protocols. What is there is not fetched. */
gboolean  zim_pull_registry  (const char           *root,
                              const ZimStoreName   *name,
                              ZimServer      *server,
                              const ZimReport      *report,
                              ZimOpenCheck          check,
                              GCancellable         *cancellable,
                              GError              **error);
gboolean  zim_pull_hub       (const char           *root,
                              const ZimStoreName   *name,
                              const char           *repository, /* “Tongyi-MAI/Z-Image-Turbo” */
                              const char           *revision,
                              ZimServer      *server,
                              const ZimReport      *report,
                              ZimOpenCheck          check,
                              GCancellable         *cancellable,
                              GError              **error);

gboolean  zim_pull_registry_measure (const char          *root,
                                     const ZimStoreName  *name,
                                     ZimServer           *server,
                                     guint64             *size,
                                     GCancellable        *cancellable,
                                     GError             **error);
gboolean  zim_pull_hub_measure      (const char          *repository,
                                     const char          *revision,
                                     ZimServer           *server,
                                     guint64             *size,
                                     GCancellable        *cancellable,
                                     GError             **error);

/* A file of root/partial that is fetched: opened and locked, so that two processes do not fetch it both, or NULL with
 * an error. Release it in any case. */
typedef struct {
  char *path;
  int   fd;
} ZimPartial;

gboolean  zim_partial_open   (ZimPartial           *self,
                              const char           *root,
                              const char           *name,
                              GCancellable         *cancellable,
                              GError              **error);
void      zim_partial_clear  (ZimPartial           *self);

/* The bytes that have room in the store; G_MAXUINT64 if nobody can tell. */
guint64   zim_pull_get_space (const char           *root);

/* G_FILE_ERROR_NOSPC, with both numbers, if so many more bytes have no room. */
gboolean  zim_pull_check_space (const char         *root,
                                guint64             size,
                                GError            **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ZimPartial, zim_partial_clear)

G_END_DECLS
