/* cli-pull.c: “zimage pull”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "app-format.h"
#include "cli.h"
#include "cli-transfer.h"
#include "cli-wait.h"

static gboolean
pull (ZimStore    *store,
      const char  *name,
      const char  *server,
      CliWait     *wait,
      GError     **error)
{
  g_autofree char *title = g_strdup_printf (_("Pulling %s"), name);
  g_autoptr(CliTransfer) transfer = cli_transfer_new (title);
  g_autoptr(GAsyncResult) result = NULL;

  zim_store_pull_async (store, name, server, cli_transfer_get (transfer), cli_wait_get_cancellable (wait),
                        cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  return zim_store_pull_finish (store, result, error);
}

int
cli_pull (int    argc,
          char **argv)
{
  g_auto(GStrv) names = NULL;
  g_autofree char *server = NULL;
  const GOptionEntry entries[] = {
    { "registry", 0, 0, G_OPTION_ARG_STRING, &server, N_("The server to ask, if not the one that NAME means"), "URL" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, N_("NAME") },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  g_autoptr(ZimStore) store = zim_store_new (NULL);
  g_autoptr(CliWait) wait = NULL;
  g_autoptr(ZimStoredModel) stored = NULL;
  g_autoptr(GError) error = NULL;

  g_option_context_set_summary (context,
    _("Gets a model from the network into the store. NAME is z-image-turbo, z-image-base, a repository of Hugging\n"
      "Face (hf.co/OWNER/REPOSITORY[:REVISION]) or a model of a registry that speaks Ollama’s protocol\n"
      "(x/z-image-turbo). If it is interrupted, the same command goes on where it was. Tokens are in the environment:\n"
      "HF_TOKEN for hf.co, ZIMAGE_TOKEN for others."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "pull", &argc, &argv))
    return CLI_EXIT_USAGE;
  if (names == NULL || g_strv_length (names) != 1)
    return cli_usage_error ("pull", _("one name is expected: zimage pull z-image-turbo"));

  wait = cli_wait_new ();
  if (!pull (store, names[0], server, wait, &error))
    return cli_wait_get_exit_code (wait, cli_report (error));

  stored = zim_store_find (store, names[0]);
  if (stored != NULL)
    {
      g_autofree char *size = app_format_memory (zim_stored_model_get_size (stored));

      g_print (_("Pulled %s (%s)\n"), zim_stored_model_get_name (stored), size);
    }
  return CLI_EXIT_OK;
}
