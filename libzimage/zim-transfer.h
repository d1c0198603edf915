/* zim-transfer.h: how far a long call of a store is
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

#define ZIM_TYPE_TRANSFER (zim_transfer_get_type ())

ZIM_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ZimTransfer, zim_transfer, ZIM, TRANSFER, GObject)

ZIM_AVAILABLE_IN_ALL
ZimTransfer *zim_transfer_new           (void);

ZIM_AVAILABLE_IN_ALL
char        *zim_transfer_dup_item      (ZimTransfer  *self);
ZIM_AVAILABLE_IN_ALL
guint64      zim_transfer_get_completed (ZimTransfer  *self);
ZIM_AVAILABLE_IN_ALL
guint64      zim_transfer_get_total     (ZimTransfer  *self);
ZIM_AVAILABLE_IN_ALL
double       zim_transfer_get_rate      (ZimTransfer  *self);
ZIM_AVAILABLE_IN_ALL
double       zim_transfer_get_remaining (ZimTransfer  *self);

G_END_DECLS
