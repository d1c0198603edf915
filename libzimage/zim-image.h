/* zim-image.h: a picture and how it was made
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include <gdk-pixbuf/gdk-pixbuf.h>

#include "zim-enums.h"
#include "zim-types.h"
#include "zim-version-macros.h"

G_BEGIN_DECLS

#define ZIM_TYPE_IMAGE (zim_image_get_type ())

ZIM_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ZimImage, zim_image, ZIM, IMAGE, GObject)

ZIM_AVAILABLE_IN_ALL
ZimImage   *zim_image_new                 (GdkPixbuf           *pixbuf,
                                           ZimParams           *params,
                                           const char          *model_name);
ZIM_AVAILABLE_IN_ALL
ZimImage   *zim_image_load                (const char          *path,
                                           GError             **error);
ZIM_AVAILABLE_IN_ALL
void        zim_image_load_async          (const char          *path,
                                           GCancellable        *cancellable,
                                           GAsyncReadyCallback  callback,
                                           gpointer             user_data);
ZIM_AVAILABLE_IN_ALL
ZimImage   *zim_image_load_finish         (GAsyncResult        *result,
                                           GError             **error);
ZIM_AVAILABLE_IN_ALL
GdkPixbuf  *zim_image_get_pixbuf          (ZimImage            *self);
ZIM_AVAILABLE_IN_ALL
ZimParams  *zim_image_get_params          (ZimImage            *self);
ZIM_AVAILABLE_IN_ALL
gint64      zim_image_get_seed            (ZimImage            *self);
ZIM_AVAILABLE_IN_ALL
const char *zim_image_get_model_name      (ZimImage            *self);
ZIM_AVAILABLE_IN_ALL
const char *zim_image_get_parameters_text (ZimImage            *self);
ZIM_AVAILABLE_IN_ALL
gboolean    zim_image_save                (ZimImage            *self,
                                           const char          *path,
                                           GError             **error);
ZIM_AVAILABLE_IN_ALL
void        zim_image_save_async          (ZimImage            *self,
                                           const char          *path,
                                           GCancellable        *cancellable,
                                           GAsyncReadyCallback  callback,
                                           gpointer             user_data);
ZIM_AVAILABLE_IN_ALL
gboolean    zim_image_save_finish         (ZimImage            *self,
                                           GAsyncResult        *result,
                                           GError             **error);
ZIM_AVAILABLE_IN_ALL
gboolean    zim_image_save_as             (ZimImage            *self,
                                           const char          *path,
                                           const char          *format,
                                           int                  quality,
                                           GError             **error);
ZIM_AVAILABLE_IN_ALL
void        zim_image_save_as_async       (ZimImage            *self,
                                           const char          *path,
                                           const char          *format,
                                           int                  quality,
                                           GCancellable        *cancellable,
                                           GAsyncReadyCallback  callback,
                                           gpointer             user_data);
ZIM_AVAILABLE_IN_ALL
gboolean    zim_image_save_as_finish      (ZimImage            *self,
                                           GAsyncResult        *result,
                                           GError             **error);
ZIM_AVAILABLE_IN_ALL
GBytes     *zim_image_encode              (ZimImage            *self,
                                           const char          *format,
                                           int                  quality,
                                           GError             **error);
ZIM_AVAILABLE_IN_ALL
void        zim_image_encode_async        (ZimImage            *self,
                                           const char          *format,
                                           int                  quality,
                                           GCancellable        *cancellable,
                                           GAsyncReadyCallback  callback,
                                           gpointer             user_data);
ZIM_AVAILABLE_IN_ALL
GBytes     *zim_image_encode_finish       (ZimImage            *self,
                                           GAsyncResult        *result,
                                           GError             **error);

G_END_DECLS
