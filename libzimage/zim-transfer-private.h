/* zim-transfer-private.h: what feeds a transfer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "store/zim-report-private.h"
#include "zim-transfer.h"

G_BEGIN_DECLS

/* What the store's own calls report to, from any thread. self may be NULL: nobody wants to know. */
ZimReport  _zim_transfer_begin  (ZimTransfer  *self);

G_END_DECLS
