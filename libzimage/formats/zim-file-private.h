/* zim-file-private.h: files of a checkpoint, mapped
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* The file's bytes, mapped. ZIM_ERROR_NOT_FOUND if there is none, ZIM_ERROR_BAD_FILE if it is a
 * folder or a device, G_FILE_ERROR for the rest. */
GBytes    *zim_file_map       (const char  *path,
                               GError     **error);

/* The same, parsed by zim_json_parse (). */
JsonNode  *zim_file_load_json (const char  *path,
                               GError     **error);

G_END_DECLS
