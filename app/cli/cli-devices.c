/* cli-devices.c: “zimage devices”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "app-fields.h"
#include "app-format.h"
#include "app-json.h"
#include "cli.h"
#include "cli-text.h"

static void
add_text (GVariantBuilder *builder,
          const char      *key,
          const char      *text)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_string (text));
}

static GVariant *
device_to_variant (ZimDevice *device)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_text (&builder, "id", zim_device_get_id (device));
  add_text (&builder, "name", zim_device_get_name (device));
  add_text (&builder, "kind", app_enum_nick (ZIM_TYPE_DEVICE_KIND, zim_device_get_kind (device)));
  g_variant_builder_add (&builder, "{sv}", "memory_bytes", g_variant_new_uint64 (zim_device_get_memory (device)));
  add_text (&builder, "precision", app_enum_nick (ZIM_TYPE_PRECISION, zim_device_get_precision (device)));
  add_text (&builder, "features", zim_device_get_features (device));

  return g_variant_builder_end (&builder);
}

static void
print_json (GListModel *devices)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autofree char *json = NULL;

  for (guint i = 0; i < g_list_model_get_n_items (devices); i++)
    {
      g_autoptr(ZimDevice) device = g_list_model_get_item (devices, i);

      g_variant_builder_add_value (&builder, device_to_variant (device));
    }

  json = app_variant_to_json (g_variant_builder_end (&builder));
  g_print ("%s\n", json);
}

static void
print_table (GListModel *devices)
{
  g_autoptr(GPtrArray) table = cli_table_new ();

  cli_table_add (table, _("ID"), _("NAME"), _("KIND"), _("MEMORY"), _("PRECISION"), _("FEATURES"), NULL);
  for (guint i = 0; i < g_list_model_get_n_items (devices); i++)
    {
      g_autoptr(ZimDevice) device = g_list_model_get_item (devices, i);
      g_autofree char *memory = app_format_memory (zim_device_get_memory (device));

      cli_table_add (table,
                     zim_device_get_id (device),
                     zim_device_get_name (device),
                     app_enum_nick (ZIM_TYPE_DEVICE_KIND, zim_device_get_kind (device)),
                     memory,
                     app_enum_nick (ZIM_TYPE_PRECISION, zim_device_get_precision (device)),
                     zim_device_get_features (device),
                     NULL);
    }
  cli_table_print (table);
}

int
cli_devices (int    argc,
             char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  g_autoptr(GListModel) devices = NULL;

  g_option_context_set_summary (context, _("Lists what can compute. “zimage run --device” takes an ID or a part of "
                                           "a NAME, and PRECISION is what it computes in unless told otherwise."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "devices", &argc, &argv))
    return CLI_EXIT_USAGE;

  devices = zim_device_list ();
  if (json)
    print_json (devices);
  else
    print_table (devices);
  return CLI_EXIT_OK;
}
