/* zim-checkpoint-private.h: an opened model: configurations, named weights and the tokenizer's file
 *
 * Whatever the files were (a diffusers folder, ComfyUI single files, GGUF), the names asked for here are
 * those of diffusers and transformers. Weights stay mapped from disk for as long as the checkpoint
 * lives.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/zim-weight-private.h"
#include "formats/zim-config-private.h"

G_BEGIN_DECLS

typedef enum {
  ZIM_COMPONENT_TRANSFORMER,
  ZIM_COMPONENT_TEXT_ENCODER,
  ZIM_COMPONENT_AUTOENCODER,
  ZIM_N_COMPONENTS,
} ZimComponent;

typedef struct _ZimCheckpoint ZimCheckpoint; /* reference counted, immutable once opened: any thread */

/* Where the parts of a model lie that is not one folder. NULL members are looked for beside
 * transformer. */
typedef struct {
  const char *transformer;  /* a ComfyUI single file (or all-in-one), a diffusers-named file, or GGUF */
  const char *text_encoder; /* file or folder */
  const char *vae;          /* file or folder */
  const char *tokenizer;    /* tokenizer.json or its folder; NULL: first in the text encoder's file */
  int         variant;      /* a ZimVariant value, 0 turbo, 1 base; −1: the file's name has to tell */
} ZimCheckpointParts;

ZimCheckpoint   *zim_checkpoint_open_folder  (const char                *path,
                                              GCancellable              *cancellable,
                                              GError                   **error);
ZimCheckpoint   *zim_checkpoint_open_parts   (const ZimCheckpointParts  *parts,
                                              GCancellable              *cancellable,
                                              GError                   **error);
/* The same, of which each file and folder tells itself what it is. A whole diffusers folder among them has what the
 * others lack. */
ZimCheckpoint   *zim_checkpoint_open_files   (const char *const         *paths, /* NULL-terminated */
                                              int                        variant,
                                              GCancellable              *cancellable,
                                              GError                   **error);

/* A model whose tensors and configuration files lie anywhere, as those of a store do. */
typedef struct {
  const char *name;       /* “transformer/layers.0.attention.to_q.weight” or “vae/config.json” */
  const char *path;       /* of its file: safetensors with one tensor, called “data” or by its name; or JSON */
  guint64     size;       /* that the file must have */
  gboolean    is_tensor;
  const char *dtype;      /* (nullable) that the tensor must have */
  gboolean    has_shape;  /* dims are those that the tensor must have */
  guint       n_dims;
  const gint64 *dims;
} ZimCheckpointBlob;

ZimCheckpoint   *zim_checkpoint_open_blobs   (const char                *name,
                                              const ZimCheckpointBlob   *blobs,
                                              guint                      n_blobs,
                                              GCancellable              *cancellable,
                                              GError                   **error);
ZimCheckpoint   *zim_checkpoint_ref          (ZimCheckpoint             *self);
void             zim_checkpoint_unref        (ZimCheckpoint             *self);

const char      *zim_checkpoint_get_path     (ZimCheckpoint             *self); /* or the transformer's file */
const ZimConfig *zim_checkpoint_get_config   (ZimCheckpoint             *self);

/* (transfer none) tokenizer.json, made of a GGUF file's values if there is no other; (nullable) if generated. */
GBytes          *zim_checkpoint_get_tokenizer (ZimCheckpoint            *self);

/* Calls func with the name and the bytes of every file but the weights, as a diffusers folder has them: those that the
 * model came with, or else made from its configuration. */
typedef gboolean (*ZimCheckpointFileFunc) (const char  *name,
                                           GBytes      *bytes,
                                           gpointer     user_data,
                                           GError     **error);

gboolean         zim_checkpoint_foreach_file (ZimCheckpoint             *self,
                                              ZimCheckpointFileFunc      func,
                                              gpointer                   user_data,
                                              GError                   **error);

/* The file that holds a weight of the checkpoint and where in it the data starts. FALSE if it is in none. */
gboolean         zim_checkpoint_locate       (ZimCheckpoint             *self,
                                              ZimComponent               component,
                                              const ZimWeight           *weight,
                                              const char               **path,
                                              guint64                   *offset);

/* The name of a weight in a diffusers folder: “text_encoder/model.layers.0.mlp.up_proj.weight”. (transfer full) */
char            *zim_checkpoint_full_name    (ZimComponent               component,
                                              const char                *name);

/* The weight of that name, or NULL if the checkpoint has none (or one of a type that ZimDType
 * lacks). A fused ComfyUI tensor is found under its parts' names (attention.qkv rows as to_q,
 * to_k, to_v). The text encoder's names are the same with and without a leading “model.”;
 * ZimWeight.name is without. */
const ZimWeight *zim_checkpoint_lookup       (ZimCheckpoint             *self,
                                              ZimComponent               component,
                                              const char                *name);

/* The same with the shape that its user expects: ZIM_ERROR_MISSING_TENSOR, ZIM_ERROR_BAD_SHAPE,
 * or ZIM_ERROR_UNSUPPORTED for a type that no network computes with (I64, I32, …), with
 * the file, the tensor, found and expected. A weight that stores [n] passes where [1, n] is
 * asked for and the other way round. */
const ZimWeight *zim_checkpoint_require      (ZimCheckpoint             *self,
                                              ZimComponent               component,
                                              const char                *name,
                                              guint                      n_dims,
                                              const gint64              *dims,
                                              GError                   **error);

/* All weights of a component, by name: for listings, totals and prefetching. (transfer container), of
 * const ZimWeight. */
GPtrArray       *zim_checkpoint_list         (ZimCheckpoint             *self,
                                              ZimComponent               component);

/* A checkpoint without files: zim_checkpoint_require () makes a tensor of the shape it is asked
 * for on first request and has it filled. lookup and list give what has been made so far. fill
 * is called with a lock held and must not call back; name is “component/name”, with diffusers'
 * folder for the component and no leading “model.” for the text encoder:
 * “transformer/layers.0.attention.to_q.weight”. */
typedef void (*ZimFillFunc) (const char   *name,
                             guint         n_dims,
                             const gint64 *dims,
                             ZimDType      dtype,
                             void         *data,
                             gpointer      user_data);

ZimCheckpoint   *zim_checkpoint_new_generated (const ZimConfig          *config,
                                              GBytes                    *tokenizer, /* (nullable) */
                                              ZimDType                   dtype,
                                              ZimFillFunc                fill,
                                              gpointer                   user_data);

/* Writes a diffusers folder of the tensors that the checkpoint has. */
gboolean         zim_checkpoint_write_folder (ZimCheckpoint             *self,
                                              const char                *path,
                                              GError                   **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimCheckpoint, zim_checkpoint_unref)

G_END_DECLS
