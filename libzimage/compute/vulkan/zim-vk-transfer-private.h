/* zim-vk-transfer-private.h: data to the device and back, through a ring of mapped memory
 *
 * Nothing here may run while the device computes with what is written; executables wait for their end. Work that is
 * submitted later sees it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-memory-private.h"

G_BEGIN_DECLS

/* Writes size bytes of what is uploaded, from offset on, to out. */
typedef void (*ZimVkFillFunc) (guint8   *out,
                               gsize     offset,
                               gsize     size,
                               gpointer  user_data);

ZimVkTransfer *zim_vk_transfer_new   (ZimVkDevice      *device,
                                      GError          **error);
void           zim_vk_transfer_free  (ZimVkTransfer    *self);

/* Bytes of the memory that a budget is of which the ring takes at most */
gsize          zim_vk_transfer_get_size (ZimVkDevice    *device);

/* Fills size bytes of the span from offset on, in pieces of a multiple of granule bytes. */
gboolean       zim_vk_upload_func    (ZimVkDevice      *device,
                                      const ZimVkSpan  *span,
                                      gsize             offset,
                                      gsize             size,
                                      gsize             granule,
                                      ZimVkFillFunc     fill,
                                      gpointer          user_data,
                                      GError          **error);
gboolean       zim_vk_upload         (ZimVkDevice      *device,
                                      const ZimVkSpan  *span,
                                      gsize             offset,
                                      gconstpointer     data,
                                      gsize             size,
                                      GError          **error);
/* Rows of row_size bytes, stride bytes apart, from offset on; at data they are without gaps. */
gboolean       zim_vk_download       (ZimVkDevice      *device,
                                      const ZimVkSpan  *span,
                                      gsize             offset,
                                      gsize             rows,
                                      gsize             row_size,
                                      gsize             stride,
                                      gpointer          data,
                                      GError          **error);

G_END_DECLS
