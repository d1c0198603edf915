/* zim-manifest-private.h: which blobs are a model
 *
 * JSON in the form of Ollama's, which is Docker's: a configuration and layers, each with a media type, a digest and a
 * size. Of an image model every tensor and every configuration file is a layer with a name of its own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "store/zim-sha256-private.h"

G_BEGIN_DECLS

#define ZIM_MEDIA_TYPE_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define ZIM_MEDIA_TYPE_CONFIG   "application/vnd.docker.container.image.v1+json"
#define ZIM_MEDIA_TYPE_TENSOR   "application/vnd.ollama.image.tensor"
#define ZIM_MEDIA_TYPE_JSON     "application/vnd.ollama.image.json"

#define ZIM_LAYER_MAX_DIMS 5

typedef struct {
  char    *media_type;
  char     hex[ZIM_SHA256_HEX + 1];
  guint64  size;   /* bytes of the blob */
  char    *name;   /* (nullable) “transformer/layers.0.attention.to_q.weight”, “vae/config.json” */
  char    *dtype;  /* (nullable) of a tensor: “BF16”; Ollama leaves it and the shape out */
  gboolean has_shape;
  guint    n_dims;
  gint64   dims[ZIM_LAYER_MAX_DIMS];
  char    *from;   /* (nullable) what it was made from: “sha256:…” of a file of a repository; Ollama has names there */
} ZimLayer;

typedef struct {
  ZimLayer  *config;
  GPtrArray *layers; /* of ZimLayer */
} ZimManifest;

ZimManifest    *zim_manifest_new       (void);

/* ZIM_ERROR_BAD_FILE for anything that is not as it must be; source names it. Names of layers are relative paths that
 * stay where they are, and no two are the same. */
ZimManifest    *zim_manifest_parse     (GBytes             *bytes,
                                        const char         *source,
                                        GError            **error);
GBytes         *zim_manifest_print     (const ZimManifest  *self);
void            zim_manifest_free      (ZimManifest        *self);

/* Adds a layer with what is given; the caller sets the rest. */
ZimLayer       *zim_manifest_add       (ZimManifest        *self,
                                        const char         *media_type,
                                        const char         *name,
                                        const char         *hex,
                                        guint64             size);
void            zim_manifest_set_config (ZimManifest       *self,
                                        const char         *hex,
                                        guint64             size);

/* The layer of that name, or NULL. */
const ZimLayer *zim_manifest_find      (const ZimManifest  *self,
                                        const char         *name);

/* Whether it is a model of ours: there are tensors, and an index of a pipeline. */
gboolean        zim_manifest_is_image  (const ZimManifest  *self);

/* Bytes of all layers. */
guint64         zim_manifest_get_size  (const ZimManifest  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimManifest, zim_manifest_free)

G_END_DECLS
