/* zim-safetensors-private.h: the safetensors file format
 *
 * A u64 (little-endian) header length, that many bytes of JSON, then the tensors' bytes. Files are
 * mapped, and the header is validated whole before anything is used.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "formats/zim-tensor-set-private.h"

G_BEGIN_DECLS

typedef struct _ZimSafetensors ZimSafetensors; /* reference counted, immutable: any thread */

ZimSafetensors  *zim_safetensors_open         (const char       *path,
                                               GError          **error);
ZimSafetensors  *zim_safetensors_new_from_bytes (GBytes         *bytes,
                                               const char       *path,   /* only named in errors */
                                               GError          **error);
/* The header alone of a file that is elsewhere: start is its first bytes, at least 8 and what they
 * announce. Weights then have no data, but their places: data − zim_safetensors_get_base () is the
 * offset in the file. */
ZimSafetensors  *zim_safetensors_new_from_header (GBytes        *start,
                                               guint64           file_size,
                                               const char       *path,
                                               GError          **error);
ZimSafetensors  *zim_safetensors_ref          (ZimSafetensors   *self);
void             zim_safetensors_unref        (ZimSafetensors   *self);
const char      *zim_safetensors_get_path     (ZimSafetensors   *self);
const guint8    *zim_safetensors_get_base     (ZimSafetensors   *self); /* the file's first byte */
const ZimTensorSet *zim_safetensors_get_set   (ZimSafetensors   *self); /* (transfer none) */
guint            zim_safetensors_get_n        (ZimSafetensors   *self);
const ZimWeight *zim_safetensors_get          (ZimSafetensors   *self,
                                               guint             i);
const ZimWeight *zim_safetensors_lookup       (ZimSafetensors   *self,
                                               const char       *name);

/* The tensors of types that ZimDType lacks (F64, I64, U8, …): name → the type's name. They
 * are as thoroughly checked as the others but only named here. */
GHashTable      *zim_safetensors_get_foreign  (ZimSafetensors   *self); /* (transfer none) */
const char      *zim_safetensors_get_metadata (ZimSafetensors   *self,
                                               const char       *key); /* (nullable) */

/* Writes the tensors in the order given, atomically (temporary file, fsync, rename): on any
 * error nothing is left behind and an older file of that name is as it was. */
gboolean         zim_safetensors_write        (const char       *path,
                                               const ZimWeight  *weights,
                                               guint             n_weights,
                                               GError          **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimSafetensors, zim_safetensors_unref)

G_END_DECLS
