/* cli-remote.c: the commands about models when a server does the work, “zimage ps” and “zimage stop”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-remote.h"

#include <glib/gi18n.h>

#include "app-format.h"
#include "app-json.h"
#include "app-params.h"
#include "cli.h"
#include "cli-text.h"

#define ID_LENGTH 12

AppClient *
cli_remote_find (const char  *option,
                 GError     **error)
{
  const char *host = option != NULL ? option : g_getenv ("ZIMAGE_HOST");

  return host != NULL && *host != '\0' ? app_client_new (host, error) : NULL;
}

gboolean
cli_remote_wanted (AppClient **client,
                   int        *code)
{
  g_autoptr(GError) error = NULL;

  *client = cli_remote_find (NULL, &error);
  *code = error != NULL ? cli_report (error) : CLI_EXIT_OK;
  return *client != NULL || error != NULL;
}

/* (transfer full): the text of a member, or an empty one */
static char *
get_text (GVariant   *dict,
          const char *name)
{
  char *text = NULL;

  app_dict_read_text (dict, name, &text, NULL);
  return text != NULL ? text : g_strdup ("");
}

static char *
get_size (GVariant *dict)
{
  gint64 size = 0;
  g_autofree char *memory = NULL;

  app_dict_read_whole (dict, "size", 0, G_MAXINT64, &size, NULL);
  memory = app_format_memory ((guint64) size);
  return g_strconcat ("\t", memory, NULL);
}

static char *
get_time (GVariant   *dict,
          const char *name)
{
  g_autofree char *text = get_text (dict, name);
  g_autoptr(GDateTime) time = g_date_time_new_from_iso8601 (text, NULL);
  g_autoptr(GDateTime) local = time != NULL ? g_date_time_to_local (time) : NULL;

  return local != NULL ? g_date_time_format (local, "%Y-%m-%d %H:%M") : g_strdup ("");
}

/* Calls a function for each model of an answer. */
static void
for_each_model (GVariant  *answer,
                void     (*add) (CliTable *table, GVariant *model),
                CliTable  *table)
{
  g_autoptr(GVariant) models = g_variant_lookup_value (answer, "models", G_VARIANT_TYPE ("av"));

  for (gsize i = 0; models != NULL && i < g_variant_n_children (models); i++)
    {
      g_autoptr(GVariant) boxed = g_variant_get_child_value (models, i);
      g_autoptr(GVariant) model = g_variant_get_variant (boxed);

      if (g_variant_is_of_type (model, G_VARIANT_TYPE_VARDICT))
        add (table, model);
    }
}

static void
add_listed (CliTable *table,
            GVariant *model)
{
  g_autofree char *name = get_text (model, "name");
  g_autofree char *digest = get_text (model, "digest");
  g_autofree char *id = g_strndup (digest, ID_LENGTH);
  g_autofree char *size = get_size (model);
  g_autofree char *modified = get_time (model, "modified_at");

  cli_table_add (table, name, id, size, modified, NULL);
}

static void
print_json (GVariant *answer)
{
  g_autofree char *json = app_variant_to_json (answer);

  g_print ("%s\n", json);
}

int
cli_remote_list (AppClient *client,
                 gboolean   json)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) answer = app_client_ask (client, "GET", "/api/tags", NULL, &error);
  g_autoptr(GPtrArray) table = cli_table_new ();

  if (answer == NULL)
    return cli_report (error);
  if (json)
    {
      g_autoptr(GVariant) models = app_dict_lookup (answer, "models");

      print_json (models != NULL ? models : answer);
      return CLI_EXIT_OK;
    }

  cli_table_add (table, _("NAME"), _("ID"), _("\tSIZE"), _("MODIFIED"), NULL);
  for_each_model (answer, add_listed, table);
  cli_table_print (table);
  return CLI_EXIT_OK;
}

/* An object with a name in it. (transfer floating) */
static GVariant *
make_body (const char *member,
           const char *name)
{
  GVariantBuilder body;

  g_variant_builder_init (&body, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&body, member, "s", name);
  return g_variant_builder_end (&body);
}

int
cli_remote_copy (AppClient  *client,
                 const char *source,
                 const char *destination)
{
  GVariantBuilder body;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) answer = NULL;

  g_variant_builder_init (&body, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&body, "source", "s", source);
  app_dict_add (&body, "destination", "s", destination);
  answer = app_client_ask (client, "POST", "/api/copy", g_variant_builder_end (&body), &error);
  return answer != NULL ? CLI_EXIT_OK : cli_report (error);
}

int
cli_remote_rm (AppClient  *client,
               char      **names)
{
  int code = CLI_EXIT_OK;

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autoptr(GError) error = NULL;
      g_autoptr(GVariant) answer = app_client_ask (client, "DELETE", "/api/delete", make_body ("model", names[i]),
                                                   &error);

      if (answer != NULL)
        g_print (_("Removed %s\n"), names[i]);
      else
        code = cli_report (error);
    }
  return code;
}

/* --- ps and stop ----------------------------------------------------------------------------------- */

/* These are about a server in any case. */
static AppClient *
find_server (const char  *option,
             GError     **error)
{
  g_autoptr(GError) reason = NULL;
  AppClient *client = cli_remote_find (option, &reason);

  if (client == NULL && reason == NULL)
    return app_client_new ("", error);
  if (reason != NULL)
    g_propagate_error (error, g_steal_pointer (&reason));
  return client;
}

static void
add_loaded (CliTable *table,
            GVariant *model)
{
  g_autofree char *name = get_text (model, "name");
  g_autofree char *size = get_size (model);
  g_autofree char *device = get_text (model, "device");
  g_autofree char *until = get_time (model, "expires_at");

  cli_table_add (table, name, size, device, until, NULL);
}

int
cli_ps (int    argc,
        char **argv)
{
  g_autofree char *host = NULL;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "host", 0, 0, G_OPTION_ARG_STRING, &host, N_("Which server (default: the environment’s ZIMAGE_HOST)"),
      N_("ADDRESS") },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(AppClient) client = NULL;
  g_autoptr(GVariant) answer = NULL;
  g_autoptr(GPtrArray) table = cli_table_new ();

  g_option_context_set_summary (context, _("Lists the models that a server has loaded."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "ps", &argc, &argv))
    return CLI_EXIT_USAGE;
  client = find_server (host, &error);
  answer = client != NULL ? app_client_ask (client, "GET", "/api/ps", NULL, &error) : NULL;
  if (answer == NULL)
    return cli_report (error);

  if (json)
    {
      print_json (answer);
      return CLI_EXIT_OK;
    }
  cli_table_add (table, _("NAME"), _("\tSIZE"), _("DEVICE"), _("UNTIL"), NULL);
  for_each_model (answer, add_loaded, table);
  cli_table_print (table);
  return CLI_EXIT_OK;
}

static int
stop (AppClient  *client,
      const char *name)
{
  GVariantBuilder body;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) answer = NULL;

  g_variant_builder_init (&body, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&body, "model", "s", name);
  app_dict_add (&body, "keep_alive", "i", 0);
  answer = app_client_ask (client, "POST", "/api/generate", g_variant_builder_end (&body), &error);
  return answer != NULL ? CLI_EXIT_OK : cli_report (error);
}

int
cli_stop (int    argc,
          char **argv)
{
  g_autofree char *host = NULL;
  g_auto(GStrv) names = NULL;
  const GOptionEntry entries[] = {
    { "host", 0, 0, G_OPTION_ARG_STRING, &host, N_("Which server (default: the environment’s ZIMAGE_HOST)"),
      N_("ADDRESS") },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, N_("MODEL") },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(AppClient) client = NULL;

  g_option_context_set_summary (context, _("Makes a server unload a model."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "stop", &argc, &argv))
    return CLI_EXIT_USAGE;
  if (names == NULL || g_strv_length (names) != 1)
    return cli_usage_error ("stop", _("one model is expected: zimage stop z-image"));

  client = find_server (host, &error);
  return client != NULL ? stop (client, names[0]) : cli_report (error);
}
