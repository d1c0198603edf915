/* cli-models.c: “zimage list”, “zimage cp” and “zimage rm”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "app-format.h"
#include "app-json.h"
#include "app-lists.h"
#include "cli.h"
#include "cli-remote.h"
#include "cli-text.h"

#define ID_LENGTH 12 /* digits that are shown; a few are enough to tell models apart */

static void
print_json (GListModel *models)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autofree char *json = NULL;

  for (guint i = 0; i < g_list_model_get_n_items (models); i++)
    {
      g_autoptr(ZimStoredModel) model = g_list_model_get_item (models, i);

      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      app_stored_model_add (model, &builder);
      g_variant_builder_close (&builder);
    }

  json = app_variant_to_json (g_variant_builder_end (&builder));
  g_print ("%s\n", json);
}

static void
print_table (GListModel *models)
{
  g_autoptr(GPtrArray) table = cli_table_new ();

  cli_table_add (table, _("NAME"), _("ID"), _("\tSIZE"), _("MODIFIED"), NULL);
  for (guint i = 0; i < g_list_model_get_n_items (models); i++)
    {
      g_autoptr(ZimStoredModel) model = g_list_model_get_item (models, i);
      g_autoptr(GDateTime) local = g_date_time_to_local (zim_stored_model_get_modified (model));
      g_autofree char *id = g_strndup (zim_stored_model_get_id (model), ID_LENGTH);
      g_autofree char *memory = app_format_memory (zim_stored_model_get_size (model));
      g_autofree char *size = g_strconcat ("\t", memory, NULL);
      g_autofree char *modified = g_date_time_format (local, "%Y-%m-%d %H:%M");

      cli_table_add (table, zim_stored_model_get_name (model), id, size, modified, NULL);
    }
  cli_table_print (table);
}

int
cli_list (int    argc,
          char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  g_autoptr(ZimStore) store = zim_store_new (NULL);
  g_autoptr(AppClient) client = NULL;
  g_autoptr(GError) error = NULL;
  int code;

  g_option_context_set_summary (context, _("Lists the models of the store, or of the server in ZIMAGE_HOST."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "list", &argc, &argv))
    return CLI_EXIT_USAGE;
  if (cli_remote_wanted (&client, &code))
    return client != NULL ? cli_remote_list (client, json) : code;
  if (!zim_store_refresh (store, NULL, &error))
    return cli_report (error);

  if (json)
    print_json (G_LIST_MODEL (store));
  else
    print_table (G_LIST_MODEL (store));
  return CLI_EXIT_OK;
}

int
cli_cp (int    argc,
        char **argv)
{
  g_auto(GStrv) names = NULL;
  const GOptionEntry entries[] = {
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, N_("NAME NEW-NAME") },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  g_autoptr(ZimStore) store = zim_store_new (NULL);
  g_autoptr(AppClient) client = NULL;
  g_autoptr(GError) error = NULL;
  int code;

  g_option_context_set_summary (context, _("Gives a model another name as well, which takes no space."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "cp", &argc, &argv))
    return CLI_EXIT_USAGE;
  if (names == NULL || g_strv_length (names) != 2)
    return cli_usage_error ("cp", _("two names are expected: zimage cp z-image my-model"));

  if (cli_remote_wanted (&client, &code))
    return client != NULL ? cli_remote_copy (client, names[0], names[1]) : code;
  if (!zim_store_copy (store, names[0], names[1], NULL, &error))
    return cli_report (error);
  return CLI_EXIT_OK;
}

int
cli_rm (int    argc,
        char **argv)
{
  g_auto(GStrv) names = NULL;
  const GOptionEntry entries[] = {
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, N_("NAME…") },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  g_autoptr(ZimStore) store = zim_store_new (NULL);
  g_autoptr(AppClient) client = NULL;
  int code = CLI_EXIT_OK;

  g_option_context_set_summary (context, _("Removes models, and of their files those that no other model needs."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "rm", &argc, &argv))
    return CLI_EXIT_USAGE;
  if (names == NULL)
    return cli_usage_error ("rm", _("a name is expected: zimage rm z-image"));

  if (cli_remote_wanted (&client, &code))
    return client != NULL ? cli_remote_rm (client, names) : code;

  /* One that fails does not keep the others. */
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autoptr(GError) error = NULL;

      if (zim_store_remove (store, names[i], NULL, &error))
        g_print (_("Removed %s\n"), names[i]);
      else
        code = cli_report (error);
    }
  return code;
}
