/* cli-devices.c: “zimage devices”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "app-fields.h"
#include "app-format.h"
#include "app-json.h"
#include "app-lists.h"
#include "cli.h"
#include "cli-text.h"

static void
print_json (GListModel *devices)
{
  g_autofree char *json = app_variant_to_json (app_devices_to_variant (devices));

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
