/* zim-tensor-blob-private.h: turning a weight into a blob
 *
 * The blob is a safetensors file of one tensor called “data”, without the tensor's name, so that weights that are the
 * same are one blob whatever they are called. The weight is read where its file has it, in pieces: none is ever in
 * memory as a whole but what is quantized. F32 that is exact in BF16 becomes BF16.
 *
 * GGUF's blocks are U8 [rows, bytes of a row], their type and shape being in the manifest. Scales of FP8 and I8 are a
 * blob of their own, X.weight_scale, and how I8 was rotated is one, X.comfy_quant, as ComfyUI has them. INT4 and INT8
 * are Ollama's: one file with three tensors, which have names.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-checkpoint-private.h"
#include "store/zim-journal-private.h"
#include "store/zim-report-private.h"
#include "store/zim-sha256-private.h"
#include "store/zim-side-blob-private.h"

G_BEGIN_DECLS

/* An open file of weights. */
typedef struct {
  char    *path;
  int      fd;
  guint64  size;     /* when it was opened, like the rest */
  gint64   modified; /* nanoseconds */
  guint64  device;
  guint64  inode;
} ZimSource;

ZimSource  *zim_source_open            (const char             *path,
                                        GError                **error);
void        zim_source_free            (ZimSource              *self);

typedef struct {
  char             *name;   /* of the layer */
  const ZimWeight  *weight;
  ZimSource        *source; /* (nullable): no file has it, it is in memory */
  guint64           offset; /* in the source */
  const char       *from;   /* (nullable) for the manifest */
  gboolean          quantize;
  ZimDType          target; /* if it is quantized */

  /* The result. */
  ZimDType          dtype;
  guint64           size;   /* of the blob */
  char              hex[ZIM_SHA256_HEX + 1];
  ZimSideBlob       sides[ZIM_MAX_SIDES];
  guint             n_sides;
} ZimTensorBlob;

/* Hashes the weight and stores it unless it is there, with what goes with it. */
gboolean    zim_tensor_blob_make       (ZimTensorBlob          *self,
                                        const char             *root,
                                        const ZimReport        *report,
                                        GCancellable           *cancellable,
                                        GError                **error);

/* What says that a weight is the one of an earlier run: its file as it was then, and the place in it. NULL for one in
 * memory. (transfer full) */
char       *zim_tensor_blob_get_key    (const ZimTensorBlob    *self);

/* Takes note of the result, and whether it was noted and the blob is there, in which case this is the result. */
void        zim_tensor_blob_note       (const ZimTensorBlob    *self,
                                        ZimJournal             *journal,
                                        const char             *key);
gboolean    zim_tensor_blob_recall     (ZimTensorBlob          *self,
                                        const char             *root,
                                        ZimJournal             *journal,
                                        const char             *key);

/* Reads the blob again and hashes the bytes that the weight had where it came from. */
gboolean    zim_tensor_blob_rehash     (const ZimTensorBlob    *self,
                                        const char             *root,
                                        ZimSha256              *sha256,
                                        GCancellable           *cancellable,
                                        GError                **error);

G_END_DECLS
