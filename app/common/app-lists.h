/* app-lists.h: devices and models for programs
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

/* All devices of a list, as aa{sv}: id, name, kind, memory_bytes, precision, features. (transfer floating) */
GVariant *app_devices_to_variant (GListModel      *devices);

/* Adds what is known of a stored model to an a{sv}: name, digest, size, modified_at. */
void      app_stored_model_add   (ZimStoredModel  *model,
                                  GVariantBuilder *dict);

G_END_DECLS
