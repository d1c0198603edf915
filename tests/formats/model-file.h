/* model-file.h: files of weights under other programs' names, written by the tests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats-util.h"

G_BEGIN_DECLS

/* Tensors of a file to be, of either format. */
typedef struct {
  GArray       *weights;  /* of ZimWeight; data belongs to others, or to buffers */
  GPtrArray    *types;    /* of what the file shall say that their types are; NULL: what they are */
  GStringChunk *names;
  GPtrArray    *buffers;
  char         *metadata; /* (nullable) of safetensors: a JSON object */
  GByteArray   *values;   /* of GGUF: keys with their values, n_values of them */
  guint         n_values;
} ModelFile;

ModelFile     *model_file_new              (void);
void           model_file_free             (ModelFile       *file);
ZimWeight     *model_file_add              (ModelFile       *file,
                                            const char      *prefix,
                                            const char      *name,
                                            const ZimWeight *weight);
/* A copy of the bytes, of any type that safetensors knows. */
ZimWeight     *model_file_add_bytes        (ModelFile       *file,
                                            const char      *prefix,
                                            const char      *name,
                                            const char      *type,
                                            guint            n_dims,
                                            const gint64    *dims,
                                            gconstpointer    data,
                                            gsize            size);
ZimWeight     *model_file_find             (ModelFile       *file,
                                            const char      *name);

/* Keys of GGUF */
void           model_file_set_string       (ModelFile       *file,
                                            const char      *key,
                                            const char      *value);
void           model_file_set_strings      (ModelFile       *file,
                                            const char      *key,
                                            GPtrArray       *values);
void           model_file_set_ints         (ModelFile       *file,
                                            const char      *key,
                                            const gint32    *values,
                                            guint            n);

void           model_file_write            (ModelFile       *file,
                                            Folder          *folder,
                                            const char      *name);
void           model_file_write_gguf       (ModelFile       *file,
                                            Folder          *folder,
                                            const char      *name);

/* The components of a checkpoint as other programs name them. */
void           model_file_add_transformer  (ModelFile       *file, /* ComfyUI's: q, k and v are one */
                                            const char      *prefix,
                                            ZimCheckpoint   *checkpoint);
void           model_file_add_autoencoder  (ModelFile       *file, /* latent-diffusion's */
                                            const char      *prefix,
                                            ZimCheckpoint   *checkpoint);
void           model_file_add_llama        (ModelFile       *file, /* llama.cpp's text encoder */
                                            ZimCheckpoint   *checkpoint);
void           model_file_add_component    (ModelFile       *file, /* under the names in use here */
                                            const char      *prefix,
                                            ZimCheckpoint   *checkpoint,
                                            ZimComponent     component);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ModelFile, model_file_free)

G_END_DECLS
