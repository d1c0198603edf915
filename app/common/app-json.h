/* app-json.h: results for programs, and what programs ask for
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A variant as indented JSON text, without a newline at its end: dictionaries in their order, numbers that are none as
 * null, arrays of bytes as text that needs no escapes. Sinks a floating reference. (transfer full) */
char      *app_variant_to_json       (GVariant    *variant);
/* The same on one line. (transfer full) */
char      *app_variant_to_json_line  (GVariant    *variant);
/* The same in parts, so that arrays of bytes, which may be megabytes, are not copied: the first and the last part are
 * short. (element-type GBytes) (transfer full) */
GPtrArray *app_variant_to_json_parts (GVariant    *variant);

#define APP_JSON_MAX_DEPTH 32
#define APP_JSON_MAX_TOKENS 200000
#define APP_JSON_MAX_LENGTH ((gsize) 256 << 20) /* bytes; answers have pictures in them */

/* One JSON value and nothing after it: objects are a{sv}, arrays av, strings s, numbers x or d, truth values b, and
 * null is an empty mv. Not accepted: invalid UTF-8, a NUL (escaped ones too), halves of surrogate pairs, two members of
 * one name, whole numbers of more than 18 digits and others beyond a double, more than the limits above. The error is
 * G_IO_ERROR_INVALID_DATA and says where. (transfer full) */
GVariant  *app_json_parse            (const char  *data,
                                      gsize        length,
                                      GError     **error);

G_END_DECLS
