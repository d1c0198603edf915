/* app-json.h: results for programs
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A variant as indented JSON text, without a newline at its end: dictionaries in their order, numbers that are none as
 * null. Sinks a floating reference. (transfer full) */
char *app_variant_to_json (GVariant *variant);

G_END_DECLS
