/* server-log.h: lines that programs can read, too
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* “time=… level=info event=request method=GET path=/ …” on standard error, or the same as fields in systemd's journal.
 * Names and values take turns; a name without a value (NULL) is left out, and a NULL name ends. Prompts and keys are
 * nobody's business and are never logged. */
void server_log (const char *event,
                 const char *name,
                 ...) G_GNUC_NULL_TERMINATED;

G_END_DECLS
