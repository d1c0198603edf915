/* app-lists.c: devices, models and tensors for programs
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-lists.h"

#include "app-fields.h"
#include "app-params.h"

GVariant *
app_devices_to_variant (GListModel *devices)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < g_list_model_get_n_items (devices); i++)
    {
      g_autoptr(ZimDevice) device = g_list_model_get_item (devices, i);

      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      app_dict_add (&builder, "id", "s", zim_device_get_id (device));
      app_dict_add (&builder, "name", "s", zim_device_get_name (device));
      app_dict_add (&builder, "kind", "s", app_enum_nick (ZIM_TYPE_DEVICE_KIND, zim_device_get_kind (device)));
      app_dict_add (&builder, "memory_bytes", "t", zim_device_get_memory (device));
      app_dict_add (&builder, "precision", "s",
                    app_enum_nick (ZIM_TYPE_PRECISION, zim_device_get_precision (device)));
      app_dict_add (&builder, "features", "s", zim_device_get_features (device));
      g_variant_builder_close (&builder);
    }

  return g_variant_builder_end (&builder);
}

void
app_stored_model_add (ZimStoredModel  *model,
                      GVariantBuilder *dict)
{
  g_autofree char *modified = g_date_time_format_iso8601 (zim_stored_model_get_modified (model));

  app_dict_add (dict, "name", "s", zim_stored_model_get_name (model));
  app_dict_add (dict, "digest", "s", zim_stored_model_get_id (model));
  app_dict_add (dict, "size", "t", zim_stored_model_get_size (model));
  app_dict_add (dict, "modified_at", "s", modified);
}

GVariant *
app_tensors_to_variant (GVariant *tensors)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantIter iter;
  const char *name, *type;
  GVariant *shape;
  guint64 size;

  g_variant_iter_init (&iter, tensors);
  while (g_variant_iter_loop (&iter, "(&s&s@axt)", &name, &type, &shape, &size))
    {
      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      app_dict_add (&builder, "name", "s", name);
      app_dict_add (&builder, "type", "s", type);
      app_dict_add_value (&builder, "shape", shape);
      app_dict_add (&builder, "size", "t", size);
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}
