/* gui-wallpaper.h: makes a picture the desktop's
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Asks the desktop’s portal, which asks the user. */
void     gui_wallpaper_set_async  (const char           *path,
                                   GAsyncReadyCallback   callback,
                                   gpointer              user_data);
gboolean gui_wallpaper_set_finish (GAsyncResult         *result,
                                   GError              **error);

G_END_DECLS
