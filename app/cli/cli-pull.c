/* cli-pull.c: “zimage pull”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-pull.h"

#include <gio/gunixinputstream.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "app-format.h"
#include "cli.h"
#include "cli-remote.h"
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

/* Offering */

static gboolean
measure (ZimStore    *store,
         const char  *name,
         CliWait     *wait,
         char       **question,
         GError     **error)
{
  g_autoptr(GAsyncResult) result = NULL;
  g_autofree char *needed = NULL;
  g_autofree char *there = NULL;
  guint64 size, space;

  zim_store_measure_pull_async (store, name, NULL, cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  if (!zim_store_measure_pull_finish (store, result, &size, &space, error))
    return FALSE;
  needed = app_format_memory (size);
  there = app_format_memory (space);
  *question = g_strdup_printf (_("There is no model “%s” on this machine. It has %s to fetch, and %s are free in %s.\n"
                                 "Fetch it now? [y/N] "), name, needed, there, zim_store_get_path (store));
  return TRUE;
}

/* Only a yes is one. In the main loop, so that Ctrl+C is heard. */
static gboolean
ask (const char  *question,
     CliWait     *wait,
     gboolean    *yes,
     GError     **error)
{
  g_autoptr(GInputStream) input = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  g_autoptr(GDataInputStream) lines = g_data_input_stream_new (input);
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GError) local_error = NULL;
  g_autofree char *line = NULL;
  g_autofree char *lower = NULL;

  g_printerr ("%s", question);
  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, cli_wait_get_cancellable (wait),
                                       cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  line = g_data_input_stream_read_line_finish_utf8 (lines, result, NULL, &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  lower = line != NULL ? g_utf8_strdown (line, -1) : g_strdup ("");
  /* Translators: with which letter does “yes” begin? */
  *yes = g_str_has_prefix (lower, "y") || g_str_has_prefix (lower, C_("answer", "y"));
  return TRUE;
}

gboolean
cli_pull_offer (const char  *name,
                CliWait     *wait,
                gboolean    *wanted,
                GError     **error)
{
  g_autoptr(ZimStore) store = zim_store_new (NULL);
  g_autofree char *question = NULL;

  return measure (store, name, wait, &question, error) && ask (question, wait, wanted, error) &&
         (!*wanted || pull (store, name, NULL, wait, error));
}

/* The command */

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
  g_autoptr(AppClient) client = NULL;
  g_autoptr(CliWait) wait = NULL;
  g_autoptr(ZimStoredModel) stored = NULL;
  g_autoptr(GError) error = NULL;
  int code;

  g_option_context_set_summary (context,
    _("Gets a model from the network into the store. NAME is z-image-turbo, z-image-base, a repository of Hugging\n"
      "Face (hf.co/OWNER/REPOSITORY[:REVISION]) or a model of a registry that speaks Ollama’s protocol\n"
      "(x/z-image-turbo). If it is interrupted, the same command goes on where it was. Tokens are in the environment:\n"
      "HF_TOKEN for hf.co, ZIMAGE_TOKEN for others, which may be NAME:PASSWORD."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "pull", &argc, &argv))
    return CLI_EXIT_USAGE;
  if (names == NULL || g_strv_length (names) != 1)
    return cli_usage_error ("pull", _("one name is expected: zimage pull z-image-turbo"));

  if (server == NULL && cli_remote_wanted (&client, &code))
    return client != NULL ? cli_remote_pull (client, names[0]) : code;

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
