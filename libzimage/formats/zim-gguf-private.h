/* zim-gguf-private.h: the GGUF file format
 *
 * “GGUF”, a version, and the numbers of tensors and of values; the values by their keys; the tensors' names, shapes,
 * types and places; then the tensors' bytes. Files are mapped, and all that stands before the bytes is validated before
 * anything is used.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-tensor-set-private.h"

G_BEGIN_DECLS

typedef struct _ZimGguf ZimGguf; /* reference counted, immutable: any thread */

/* Whether the bytes are meant to be such a file. */
gboolean            zim_gguf_recognize      (GBytes        *bytes);

ZimGguf            *zim_gguf_new_from_bytes (GBytes        *bytes,
                                             const char    *path,   /* only named in errors */
                                             GError       **error);
ZimGguf            *zim_gguf_ref            (ZimGguf       *self);
void                zim_gguf_unref          (ZimGguf       *self);
const char         *zim_gguf_get_path       (ZimGguf       *self);

/* Shapes are those of the program that made the weights, the dimension whose values follow one another last. Tensors of
 * foreign types have no data. */
const ZimTensorSet *zim_gguf_get_set        (ZimGguf       *self);

/* A value that is a string. (transfer full) (nullable): there is none under the key */
char               *zim_gguf_get_string     (ZimGguf       *self,
                                             const char    *key);

/* A value that is an array, of strings or of i32. */
typedef struct {
  guint64       n;
  const guint8 *at; /* of the next element */
} ZimGgufArray;

gboolean            zim_gguf_get_strings    (ZimGguf       *self,
                                             const char    *key,
                                             ZimGgufArray  *array);
gboolean            zim_gguf_get_ints       (ZimGguf       *self,
                                             const char    *key,
                                             ZimGgufArray  *array);

/* The next element, of which there must be one. A string is not terminated, and may have any bytes. */
const char         *zim_gguf_next_string    (ZimGgufArray  *array,
                                             gsize         *length);
gint32              zim_gguf_next_int       (ZimGgufArray  *array);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimGguf, zim_gguf_unref)

G_END_DECLS
