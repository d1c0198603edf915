/* zim-checkpoint-internal.h: the inside of a checkpoint, for the files that fill one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-checkpoint-private.h"
#include "formats/zim-gguf-private.h"
#include "formats/zim-safetensors-private.h"

G_BEGIN_DECLS

typedef struct {
  ZimWeight   weight;  /* its name is the key in entries */
  char       *name;    /* owns weight.name, perhaps with a prefix before it */
  const char *path;    /* no-ref: of the file that holds it */
  const guint8 *base;  /* (nullable) no-ref: where that file is mapped */
  const char *foreign; /* (nullable) no-ref: a type that ZimDType lacks; weight is a name, and bytes or NULL */
  gsize       mapped;  /* bytes of memory of its own behind weight.data */
} ZimEntry;

typedef struct {
  char       *path;    /* file or folder */
  GPtrArray  *files;   /* of ZimSafetensors: keep the data mapped */
  GPtrArray  *ggufs;   /* of ZimGguf: the same */
  GHashTable *entries; /* weight.name → ZimEntry */
  GHashTable *formats; /* (nullable) module → JsonNode: how files' metadata say that its weight is quantized */
} ZimStored;

struct _ZimCheckpoint {
  gatomicrefcount  ref_count;
  char            *path;
  ZimConfig        config;
  GBytes          *tokenizer;
  ZimStored        components[ZIM_N_COMPONENTS];
  GTree           *files; /* (nullable) name → path of each configuration file that the model came with */

  /* Of a generated one: entries then change, under the lock. */
  ZimFillFunc      fill; /* (nullable) */
  gpointer         user_data;
  ZimDType         dtype;
  GMutex           lock;
};

ZimCheckpoint  *_zim_checkpoint_new            (const char       *path);

/* The entry of that name, whatever its type is. */
const ZimEntry *_zim_checkpoint_find           (ZimCheckpoint    *self,
                                                ZimComponent      component,
                                                const char       *name);

/* Takes the entry; an error if there is one of its name. */
gboolean        _zim_checkpoint_add            (ZimCheckpoint    *self,
                                                ZimComponent      component,
                                                ZimEntry         *entry,
                                                GError          **error);

/* Takes note of a configuration file. */
void            _zim_checkpoint_add_config     (ZimCheckpoint    *self,
                                                const char       *name,
                                                const char       *path);

/* One stored tensor under its names in use here. For one of a type that ZimDType lacks, foreign is that type, and of
 * weight (nullable) only the bytes count. */
gboolean        _zim_checkpoint_add_stored     (ZimCheckpoint    *self,
                                                ZimComponent      component,
                                                const char       *path,
                                                const guint8     *base,
                                                const char       *stored_name,
                                                const ZimWeight  *weight,
                                                const char       *foreign,
                                                guint             n_up_blocks,
                                                GError          **error);

/* All tensors of a file whose names start with the prefix, under the names that are in use here. */
gboolean        _zim_checkpoint_add_file       (ZimCheckpoint    *self,
                                                ZimComponent      component,
                                                ZimSafetensors   *file,
                                                const char       *prefix,
                                                GError          **error);

gboolean        _zim_checkpoint_add_gguf       (ZimCheckpoint    *self,
                                                ZimComponent      component,
                                                ZimGguf          *file,
                                                const char       *prefix,
                                                GError          **error);

/* Which components a file of weights has, and whether it is one by its name. */
gboolean        _zim_checkpoint_find_components (const char      *path,
                                                 gboolean         has[ZIM_N_COMPONENTS],
                                                 GError         **error);
gboolean        _zim_checkpoint_is_weights     (const char       *name);

/* What lies beside weights (zim-side-tensors.c): takes note of what a file's metadata say of those of a prefix. */
gboolean        _zim_checkpoint_note_formats   (ZimCheckpoint    *self,
                                                ZimComponent      component,
                                                ZimSafetensors   *file,
                                                const char       *prefix,
                                                GError          **error);

/* Gives every weight of a component the scales that are stored beside it, once all files of the component were added.
 * Tensors that are beside a weight are no weights of their own afterwards. */
gboolean        _zim_checkpoint_attach_sides   (ZimCheckpoint    *self,
                                                ZimComponent      component,
                                                GError          **error);

/* What lies in a store's file as bytes or words: zim-packed-tensors.c. Sets weight to the one that the file's tensor of
 * that name means, if it is such a one. */
gboolean        _zim_checkpoint_unpack         (ZimSafetensors   *file,
                                                const ZimCheckpointBlob *blob,
                                                const char       *name,
                                                ZimWeight        *weight,
                                                gboolean         *is_packed,
                                                GError          **error);

/* The same for words whose scales and biases are in files of their own. */
gboolean        _zim_checkpoint_unpack_apart   (ZimEntry         *entry,
                                                const ZimEntry   *scale,
                                                const ZimEntry   *bias,
                                                GError          **error);

/* The weights of a diffusers component's folder: index and shards, or one file. */
gboolean        _zim_checkpoint_add_folder     (ZimCheckpoint    *self,
                                                ZimComponent      component,
                                                const char       *path,
                                                GCancellable     *cancellable,
                                                GError          **error);

/* Fills the component's configuration from the shapes of its tensors. */
gboolean        _zim_checkpoint_measure        (ZimCheckpoint    *self,
                                                ZimComponent      component,
                                                GError          **error);

/* The tensor of a generated checkpoint, made if need be. Call with the lock held. */
const ZimEntry *_zim_checkpoint_generate       (ZimCheckpoint    *self,
                                                ZimComponent      component,
                                                const char       *name,
                                                guint             n_dims,
                                                const gint64     *dims,
                                                GError          **error);

/* “text_encoder”: diffusers' folder. */
const char     *_zim_component_get_name        (ZimComponent      component);

G_END_DECLS
