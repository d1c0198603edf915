/* zim-store-name-private.h: what models in a store are called
 *
 * “host/namespace/model:tag”, where host, namespace and tag may be left out: Ollama's names with Ollama's defaults.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define ZIM_STORE_HOST "ollama.com"
#define ZIM_STORE_HUB  "hf.co"

typedef struct {
  char *host;       /* “ollama.com”, also for Ollama's other name for it; “hf.co” likewise */
  char *name_space; /* “library” */
  char *model;
  char *tag;        /* “latest” */
} ZimStoreName;

/* ZIM_ERROR_INVALID_PARAMS if the text is no name. Every part of a name can be a file's name: none is “..”, and none
 * has a slash. */
ZimStoreName *zim_store_name_parse     (const char          *text,
                                        GError             **error);
ZimStoreName *zim_store_name_new       (const char          *host,
                                        const char          *name_space,
                                        const char          *model,
                                        const char          *tag); /* (nullable) if one of them is no part of a name */
void          zim_store_name_free      (ZimStoreName        *self);

/* As short as can be, but with the tag: “z-image:latest”. (transfer full) */
char         *zim_store_name_to_string (const ZimStoreName  *self);

/* “ollama.com/library/z-image/latest” (transfer full) */
char         *zim_store_name_to_path   (const ZimStoreName  *self);

int           zim_store_name_compare   (const ZimStoreName  *a,
                                        const ZimStoreName  *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimStoreName, zim_store_name_free)

G_END_DECLS
