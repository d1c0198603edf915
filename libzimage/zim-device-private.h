/* zim-device-private.h: what the library itself asks of a device
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-backend-private.h"
#include "zim-device.h"

G_BEGIN_DECLS

/* A backend on that device, for one pipeline. */
ZimBackend *_zim_device_create_backend (ZimDevice  *self,
                                        GError    **error);

G_END_DECLS
