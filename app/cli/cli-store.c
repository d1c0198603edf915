/* cli-store.c: “zimage store check” and “zimage store prune”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "app-format.h"
#include "cli.h"
#include "cli-transfer.h"
#include "cli-wait.h"

static int
check (gboolean repair)
{
  g_autoptr(ZimStore) store = zim_store_new (NULL);
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(CliTransfer) transfer = cli_transfer_new (_("Checking"));
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) faults = NULL;

  zim_store_check_async (store, repair, cli_transfer_get (transfer), cli_wait_get_cancellable (wait),
                         cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  faults = zim_store_check_finish (store, result, &error);
  g_clear_pointer (&transfer, cli_transfer_free);
  if (faults == NULL)
    return cli_wait_get_exit_code (wait, cli_report (error));

  for (guint i = 0; faults[i] != NULL; i++)
    g_print ("%s\n", faults[i]);
  if (faults[0] == NULL)
    g_print (_("All is well in %s\n"), zim_store_get_path (store));
  return faults[0] == NULL ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

static int
prune (void)
{
  g_autoptr(ZimStore) store = zim_store_new (NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *size = NULL;
  guint64 freed;

  if (!zim_store_prune (store, &freed, NULL, &error))
    return cli_report (error);

  size = app_format_memory (freed);
  g_print (_("Freed %s\n"), size);
  return CLI_EXIT_OK;
}

int
cli_store (int    argc,
           char **argv)
{
  g_auto(GStrv) verbs = NULL;
  gboolean repair = FALSE;
  const GOptionEntry entries[] = {
    { "repair", 0, 0, G_OPTION_ARG_NONE, &repair,
      N_("With check: remove files that are damaged; create or pull their models again then"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &verbs, NULL, "check|prune" },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context,
    _("check reads every file of the store again and says which ones are not what they were. prune removes what no\n"
      "model needs and what interrupted commands left."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "store", &argc, &argv))
    return CLI_EXIT_USAGE;

  if (verbs != NULL && g_strv_length (verbs) == 1 && g_str_equal (verbs[0], "check"))
    return check (repair);
  if (verbs != NULL && g_strv_length (verbs) == 1 && g_str_equal (verbs[0], "prune") && !repair)
    return prune ();
  return cli_usage_error ("store", _("“check” or “prune” is expected"));
}
