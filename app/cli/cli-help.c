/* cli-help.c: what the commands are, which version this is, and what went wrong
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "app-fields.h"
#include "cli.h"

static void
print_help (void)
{
  guint n_commands;
  const CliCommand *commands = cli_commands (&n_commands);

  g_print (_("Makes pictures from words with the Z-Image model, on this machine.\n\n"));
  g_print (_("Usage:\n  zimage COMMAND [ARGUMENT…]\n\n"));
  g_print (_("Commands:\n"));
  for (guint i = 0; i < n_commands; i++)
    g_print ("  %-10s %s\n", commands[i].name, _(commands[i].summary));
  g_print (_("\n“zimage help COMMAND” says more about one.\n\n"));
  g_print (_("Exit codes:\n"
             "  0    everything was done\n"
             "  1    something failed\n"
             "  2    the command line is wrong\n"
             "  3    the model does not exist\n"
             "  4    a parameter is out of range\n"
             "  130  cancelled with Ctrl+C\n"));
}

int
cli_help (int    argc,
          char **argv)
{
  const CliCommand *command;
  g_autofree char *program = NULL;
  char *arguments[] = { NULL, (char *) "--help", NULL };

  if (argc < 2 || g_str_equal (argv[1], "help") || g_str_has_prefix (argv[1], "-"))
    {
      print_help ();
      return CLI_EXIT_OK;
    }

  command = cli_find_command (argv[1]);
  if (command == NULL)
    return CLI_EXIT_USAGE;

  program = g_strconcat ("zimage ", command->name, NULL);
  g_set_prgname (program);
  arguments[0] = (char *) command->name;
  return command->run (2, arguments);
}

int
cli_version (int    argc,
             char **argv)
{
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context, _("Prints the version of the program."));
  if (!cli_parse (context, "version", &argc, &argv))
    return CLI_EXIT_USAGE;

  g_print ("zimage %s\n", ZIM_VERSION_STRING);
  return CLI_EXIT_OK;
}

int
cli_usage_error (const char *command,
                 const char *message)
{
  g_printerr ("zimage: %s\n", message);
  g_printerr (_("“zimage help %s” explains the command.\n"), command);
  return CLI_EXIT_USAGE;
}

gboolean
cli_parse (GOptionContext   *context,
           const char       *command,
           int              *argc,
           char           ***argv)
{
  g_autoptr(GError) error = NULL;

  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, argc, argv, &error))
    {
      cli_usage_error (command, error->message);
      return FALSE;
    }
  if (*argc > 1)
    {
      g_autofree char *message = g_strdup_printf (_("too many arguments, from “%s” on"), (*argv)[1]);

      cli_usage_error (command, message);
      return FALSE;
    }

  return TRUE;
}

int
cli_report (const GError *error)
{
  /* The signal that did this was the user's, who knows. */
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_printerr ("zimage: %s\n", error->message);

  if (g_error_matches (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND))
    return CLI_EXIT_NOT_FOUND;
  if (g_error_matches (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS))
    return CLI_EXIT_INVALID_PARAMS;
  return CLI_EXIT_FAILED;
}

void
cli_warn (const char *message)
{
  g_printerr (_("zimage: warning: %s\n"), message);
}

int
cli_finish (int code)
{
  if ((fflush (stdout) == 0 && !ferror (stdout)) || code != CLI_EXIT_OK)
    return code;

  g_printerr (_("zimage: Failed to write to standard output: %s\n"), g_strerror (errno));
  return CLI_EXIT_FAILED;
}

const char *
cli_precision_name (ZimPipeline *pipeline)
{
  ZimPrecision precision = zim_pipeline_get_precision (pipeline);

  if (precision == ZIM_PRECISION_AUTO)
    precision = zim_device_get_precision (zim_pipeline_get_device (pipeline));

  return app_enum_nick (ZIM_TYPE_PRECISION, precision);
}
