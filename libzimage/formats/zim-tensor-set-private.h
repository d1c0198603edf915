/* zim-tensor-set-private.h: the named tensors of a file, whatever its format
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-weight-private.h"

G_BEGIN_DECLS

/* Names are the file's own, and so is what they and the types of foreign are kept by. */
typedef struct {
  const char   *path;    /* no-ref */
  const guint8 *base;    /* the file's first byte; no-ref */
  GArray       *weights; /* of ZimWeight */
  GHashTable   *by_name; /* name → index in weights */
  GHashTable   *foreign; /* name → the type's name, of a type that ZimDType lacks */
  GHashTable   *others;  /* name → ZimWeight, of the same tensors; dtype means nothing, data may be NULL */
} ZimTensorSet;

void             zim_tensor_set_init        (ZimTensorSet       *self,
                                             const char         *path,
                                             const guint8       *base);
void             zim_tensor_set_clear       (ZimTensorSet       *self);

/* No other tensor may have the name. */
void             zim_tensor_set_add         (ZimTensorSet       *self,
                                             const ZimWeight    *weight);
void             zim_tensor_set_add_foreign (ZimTensorSet       *self,
                                             const ZimWeight    *weight,
                                             const char         *type);

const ZimWeight *zim_tensor_set_lookup      (const ZimTensorSet *self,
                                             const char         *name);

/* Whether there is one of that name, of any type. */
gboolean         zim_tensor_set_has         (const ZimTensorSet *self,
                                             const char         *name);

G_END_DECLS
