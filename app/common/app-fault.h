/* app-fault.h: files that get shorter while they are mapped
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Weights are used where they lie in their files. One that is cut off meanwhile would end the process with SIGBUS; from
 * now on what is missing reads as zeros instead, and is counted: whatever was computed since is wrong. */
void  app_fault_watch         (void);
guint app_fault_get_n_faults  (void);

G_END_DECLS
