/* gui-transfer-row.h: a model that is on its way
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>
#include <zimage.h>

G_BEGIN_DECLS

#define GUI_TYPE_TRANSFER_ROW (gui_transfer_row_get_type ())

G_DECLARE_FINAL_TYPE (GuiTransferRow, gui_transfer_row, GUI, TRANSFER_ROW, AdwActionRow)

GtkWidget    *gui_transfer_row_new             (const char     *title);
ZimTransfer  *gui_transfer_row_get_transfer    (GuiTransferRow *self);
GCancellable *gui_transfer_row_get_cancellable (GuiTransferRow *self);

G_END_DECLS
