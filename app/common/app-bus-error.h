/* app-bus-error.h: what errors are called on the session bus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define APP_BUS_NAME "io.github.zimage.Generator"
#define APP_BUS_PATH "/io/github/zimage/Generator"

/* The D-Bus name of an error of the library, a queue or an option. */
const char *app_bus_error_get_name (const GError *error);
/* The error that such a name was made of. (transfer full) */
GError     *app_bus_error_new      (const char   *name,
                                    const char   *message);
/* The same of an error that a call ended with; one that is not the generator's stays as it is. Takes it. (transfer
 * full) */
GError     *app_bus_error_convert  (GError       *error);

G_END_DECLS
