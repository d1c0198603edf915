/* zim-device.h: one thing that computes
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

#define ZIM_TYPE_DEVICE (zim_device_get_type ())

ZIM_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ZimDevice, zim_device, ZIM, DEVICE, GObject)

ZIM_AVAILABLE_IN_ALL
GListModel    *zim_device_list           (void);
ZIM_AVAILABLE_IN_ALL
ZimDevice     *zim_device_find           (const char    *name,
                                          GError       **error);

ZIM_AVAILABLE_IN_ALL
const char    *zim_device_get_id         (ZimDevice     *self);
ZIM_AVAILABLE_IN_ALL
const char    *zim_device_get_name       (ZimDevice     *self);
ZIM_AVAILABLE_IN_ALL
ZimDeviceKind  zim_device_get_kind       (ZimDevice     *self);
ZIM_AVAILABLE_IN_ALL
guint64        zim_device_get_memory     (ZimDevice     *self);
ZIM_AVAILABLE_IN_ALL
const char    *zim_device_get_features   (ZimDevice     *self);
ZIM_AVAILABLE_IN_ALL
ZimPrecision   zim_device_get_precision  (ZimDevice     *self);

G_END_DECLS
