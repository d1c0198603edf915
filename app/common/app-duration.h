/* app-duration.h: times as people and Ollama's clients write them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* “90” (seconds), “1.5”, “300s”, “5m”, “1h30m”, “100ms”; “-1” and other negative times are −1: for ever. In
 * microseconds. FALSE if it is no time. */
gboolean app_parse_duration (const char *text,
                             gint64     *duration);

G_END_DECLS
