/* service-memory.h: files in memory that can be given away
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A descriptor of a file that has these bytes, which nobody can change any more; read from its start. −1 with an error
 * of G_IO_ERROR. */
int service_memory_new (GBytes  *bytes,
                        GError **error);

G_END_DECLS
