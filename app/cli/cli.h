/* cli.h: the commands of the program
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

/* What the program returns to the shell. “zimage help” documents it. */
typedef enum {
  CLI_EXIT_OK = 0,
  CLI_EXIT_FAILED = 1,
  CLI_EXIT_USAGE = 2,
  CLI_EXIT_NOT_FOUND = 3,
  CLI_EXIT_INVALID_PARAMS = 4,
  CLI_EXIT_SIGNAL = 128, /* and the number of the signal */
} CliExit;

typedef struct
{
  const char *name;
  const char *summary;                                /* untranslated */
  int       (*run) (int argc, char **argv);           /* argv[0] is the command */
} CliCommand;

const CliCommand *cli_commands       (guint          *n_commands);
const CliCommand *cli_find_command   (const char     *name); /* (nullable); says why not on standard error */

int               cli_run            (int             argc,
                                      char          **argv);
int               cli_devices        (int             argc,
                                      char          **argv);
int               cli_bench          (int             argc,
                                      char          **argv);
int               cli_create         (int             argc,
                                      char          **argv);
int               cli_pull           (int             argc,
                                      char          **argv);
int               cli_list           (int             argc,
                                      char          **argv);
int               cli_show           (int             argc,
                                      char          **argv);
int               cli_cp             (int             argc,
                                      char          **argv);
int               cli_rm             (int             argc,
                                      char          **argv);
int               cli_store          (int             argc,
                                      char          **argv);
int               cli_serve          (int             argc,
                                      char          **argv);
int               cli_ps             (int             argc,
                                      char          **argv);
int               cli_stop           (int             argc,
                                      char          **argv);
int               cli_help           (int             argc,
                                      char          **argv);
int               cli_version        (int             argc,
                                      char          **argv);

/* Parses the options of a command. Otherwise prints what is wrong and returns FALSE: CLI_EXIT_USAGE. */
gboolean          cli_parse          (GOptionContext *context,
                                      const char     *command,
                                      int            *argc,
                                      char         ***argv);
/* Says that the command line is wrong and returns CLI_EXIT_USAGE. Takes a translated message. */
int               cli_usage_error    (const char     *command,
                                      const char     *message);
/* Prints an error and returns the exit code that it means. */
int               cli_report         (const GError   *error);
void              cli_warn           (const char     *message);
/* Flushes what was printed; CLI_EXIT_FAILED instead of CLI_EXIT_OK if it went nowhere. */
int               cli_finish         (int             code);

/* The precision that a pipeline computes in, with “auto” resolved. */
const char       *cli_precision_name (ZimPipeline    *pipeline);

G_END_DECLS
