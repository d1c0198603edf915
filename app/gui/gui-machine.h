/* gui-machine.h: what this machine has
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Bytes; 0 if it is not known */
guint64 gui_machine_get_memory (void);
/* Of the disk that a folder is on, or will be on */
guint64 gui_machine_get_space  (const char *folder);

G_END_DECLS
