/* zim-stored-model.h: a model of a store
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include "zim-types.h"
#include "zim-version-macros.h"

G_BEGIN_DECLS

#define ZIM_TYPE_STORED_MODEL (zim_stored_model_get_type ())

ZIM_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ZimStoredModel, zim_stored_model, ZIM, STORED_MODEL, GObject)

ZIM_AVAILABLE_IN_ALL
const char *zim_stored_model_get_name     (ZimStoredModel  *self);
ZIM_AVAILABLE_IN_ALL
const char *zim_stored_model_get_id       (ZimStoredModel  *self);
ZIM_AVAILABLE_IN_ALL
guint64     zim_stored_model_get_size     (ZimStoredModel  *self);
ZIM_AVAILABLE_IN_ALL
GDateTime  *zim_stored_model_get_modified (ZimStoredModel  *self);

G_END_DECLS
