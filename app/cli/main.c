/* main.c: finds the command and runs it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const CliCommand commands[] = {
  { "run", N_("Make pictures from a prompt"), cli_run },
  { "create", N_("Put a model into the store"), cli_create },
  { "pull", N_("Get a model from the network"), cli_pull },
  { "list", N_("List the models of the store"), cli_list },
  { "show", N_("Tell what a model is"), cli_show },
  { "cp", N_("Give a model another name as well"), cli_cp },
  { "rm", N_("Remove models"), cli_rm },
  { "store", N_("Check the store, or free what nothing needs"), cli_store },
  { "serve", N_("Serve models over the network"), cli_serve },
  { "ps", N_("List what a server has loaded"), cli_ps },
  { "stop", N_("Make a server unload a model"), cli_stop },
  { "devices", N_("List what can compute"), cli_devices },
  { "bench", N_("Measure a model on this machine"), cli_bench },
  { "help", N_("Explain a command"), cli_help },
  { "version", N_("Print the version"), cli_version },
};

const CliCommand *
cli_commands (guint *n_commands)
{
  *n_commands = G_N_ELEMENTS (commands);
  return commands;
}

/* How many single letters have to be typed, left out or replaced to make one word of the other. */
static guint
edit_distance (const char *a,
               const char *b)
{
  gsize length = strlen (b);
  g_autofree guint *row = g_new (guint, length + 1);

  for (gsize j = 0; j <= length; j++)
    row[j] = (guint) j;

  for (gsize i = 0; a[i] != '\0'; i++)
    {
      guint diagonal = row[0];

      row[0]++;
      for (gsize j = 0; j < length; j++)
        {
          guint replaced = diagonal + (a[i] != b[j]);

          diagonal = row[j + 1];
          row[j + 1] = MIN (replaced, MIN (row[j], row[j + 1]) + 1);
        }
    }

  return row[length];
}

static const CliCommand *
nearest_command (const char *name)
{
  const CliCommand *nearest = NULL;
  guint smallest = 3;

  /* Nobody means the whole of a prompt or a path. */
  if (strlen (name) > 20)
    return NULL;

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      guint distance = edit_distance (name, commands[i].name);

      if (distance < smallest)
        {
          smallest = distance;
          nearest = &commands[i];
        }
    }

  return nearest;
}

const CliCommand *
cli_find_command (const char *name)
{
  const CliCommand *nearest;

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (name, commands[i].name))
      return &commands[i];

  nearest = nearest_command (name);
  if (nearest != NULL)
    g_printerr (_("zimage: unknown command “%s”; did you mean “%s”?\n"), name, nearest->name);
  else
    g_printerr (_("zimage: unknown command “%s”; “zimage help” lists them\n"), name);
  return NULL;
}

/* Text is UTF-8, whatever the locale. GLib would print “?” for most of it in the C locale, which is all that a
 * container or a cron job has, while what shows it knows UTF-8. */
static void
print_cb (const char *text)
{
  fputs (text, stdout);
}

static void
printerr_cb (const char *text)
{
  fputs (text, stderr);
  fflush (stderr);
}

static void
set_up_locale (void)
{
  const char *charset;

  setlocale (LC_ALL, "");
  textdomain (GETTEXT_PACKAGE);

  g_get_charset (&charset);
  if (g_str_equal (charset, "UTF-8") || g_str_equal (charset, "ANSI_X3.4-1968") || g_str_equal (charset, "US-ASCII"))
    {
      g_set_print_handler (print_cb);
      g_set_printerr_handler (printerr_cb);
    }
}

int
main (int    argc,
      char **argv)
{
  const CliCommand *command;
  g_autofree char *program = NULL;

  /* A reader that goes away, as in “zimage devices | head -1”, ends the program quietly, even if who started it
   * ignores the signal. */
  signal (SIGPIPE, SIG_DFL);
  /* A file that may not grow any further is an error like a full disk, not a reason to leave half of it behind. */
  signal (SIGXFSZ, SIG_IGN);
  set_up_locale ();

  if (argc < 2)
    return cli_finish (cli_help (1, (char *[]) { (char *) "help", NULL }));
  if (g_str_equal (argv[1], "--help") || g_str_equal (argv[1], "-h"))
    command = cli_find_command ("help");
  else if (g_str_equal (argv[1], "--version"))
    command = cli_find_command ("version");
  else
    command = cli_find_command (argv[1]);
  if (command == NULL)
    return CLI_EXIT_USAGE;

  program = g_strconcat ("zimage ", command->name, NULL);
  g_set_prgname (program);
  return cli_finish (command->run (argc - 1, argv + 1));
}
