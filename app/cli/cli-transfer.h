/* cli-transfer.h: a transfer's progress as a line that is redrawn
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

typedef struct _CliTransfer CliTransfer;

/* Shows how far a transfer is on standard error, if that is a terminal, until it is freed. */
CliTransfer *cli_transfer_new  (const char   *title); /* translated */
ZimTransfer *cli_transfer_get  (CliTransfer  *self);  /* to give to a call of the store (transfer none) */
void         cli_transfer_free (CliTransfer  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliTransfer, cli_transfer_free)

G_END_DECLS
