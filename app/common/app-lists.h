/* app-lists.h: devices, models and tensors for programs
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

/* What zim_model_list_tensors () gives, a(ssaxt), as aa{sv}: name, type, shape, size. (transfer floating) */
GVariant *app_tensors_to_variant (GVariant        *tensors);

G_END_DECLS
