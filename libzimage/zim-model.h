/* zim-model.h: an opened checkpoint
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include "zim-enums.h"
#include "zim-types.h"
#include "zim-version-macros.h"

G_BEGIN_DECLS

#define ZIM_TYPE_MODEL (zim_model_get_type ())

ZIM_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ZimModel, zim_model, ZIM, MODEL, GObject)

ZIM_AVAILABLE_IN_ALL
ZimModel   *zim_model_open                 (const char           *name,
                                            GCancellable         *cancellable,
                                            GError              **error);
ZIM_AVAILABLE_IN_ALL
void        zim_model_open_async           (const char           *name,
                                            GCancellable         *cancellable,
                                            GAsyncReadyCallback   callback,
                                            gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
ZimModel   *zim_model_open_finish          (GAsyncResult         *result,
                                            GError              **error);
ZIM_AVAILABLE_IN_ALL
ZimModel   *zim_model_open_parts           (const char           *transformer,
                                            const char           *text_encoder,
                                            const char           *vae,
                                            const char           *tokenizer,
                                            const char           *variant,
                                            GCancellable         *cancellable,
                                            GError              **error);
ZIM_AVAILABLE_IN_ALL
void        zim_model_open_parts_async     (const char           *transformer,
                                            const char           *text_encoder,
                                            const char           *vae,
                                            const char           *tokenizer,
                                            const char           *variant,
                                            GCancellable         *cancellable,
                                            GAsyncReadyCallback   callback,
                                            gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
ZimModel   *zim_model_open_parts_finish    (GAsyncResult         *result,
                                            GError              **error);
ZIM_AVAILABLE_IN_ALL
ZimModel   *zim_model_open_files           (const char *const    *paths,
                                            const char           *variant,
                                            GCancellable         *cancellable,
                                            GError              **error);
ZIM_AVAILABLE_IN_ALL
void        zim_model_open_files_async     (const char *const    *paths,
                                            const char           *variant,
                                            GCancellable         *cancellable,
                                            GAsyncReadyCallback   callback,
                                            gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
ZimModel   *zim_model_open_files_finish    (GAsyncResult         *result,
                                            GError              **error);

ZIM_AVAILABLE_IN_ALL
gboolean    zim_model_is_installed         (const char           *name);
ZIM_AVAILABLE_IN_ALL
char      **zim_model_list_installed       (void);

ZIM_AVAILABLE_IN_ALL
const char *zim_model_get_name             (ZimModel             *self);
ZIM_AVAILABLE_IN_ALL
const char *zim_model_get_path             (ZimModel             *self);
ZIM_AVAILABLE_IN_ALL
ZimVariant  zim_model_get_variant          (ZimModel             *self);
ZIM_AVAILABLE_IN_ALL
int         zim_model_get_default_width    (ZimModel             *self);
ZIM_AVAILABLE_IN_ALL
int         zim_model_get_default_height   (ZimModel             *self);
ZIM_AVAILABLE_IN_ALL
int         zim_model_get_default_steps    (ZimModel             *self);
ZIM_AVAILABLE_IN_ALL
double      zim_model_get_default_guidance (ZimModel             *self);
ZIM_AVAILABLE_IN_ALL
guint64     zim_model_get_n_parameters     (ZimModel             *self);
ZIM_AVAILABLE_IN_ALL
guint64     zim_model_get_size             (ZimModel             *self);
ZIM_AVAILABLE_IN_ALL
const char *zim_model_get_quantization     (ZimModel             *self);
ZIM_AVAILABLE_IN_ALL
GVariant   *zim_model_list_tensors         (ZimModel             *self);

G_END_DECLS
