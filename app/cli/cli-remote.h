/* cli-remote.h: the commands when a server does the work
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

#include "app-client.h"
#include "cli-output.h"

G_BEGIN_DECLS

/* The server that an option or else the environment's ZIMAGE_HOST names. NULL without an error if neither does: the
 * command does the work itself. */
AppClient *cli_remote_find (const char       *option,
                            GError          **error);
/* The same for commands without such an option. Whether a server is to do it; code is then the exit code of an error,
 * or CLI_EXIT_OK and there is a client. */
gboolean   cli_remote_wanted (AppClient     **client,
                              int            *code);

/* Each returns the exit code. */
int        cli_remote_run  (AppClient        *client,
                            const char       *model,
                            ZimParams        *params,
                            const CliOutput  *output);
int        cli_remote_list (AppClient        *client,
                            gboolean          json);
int        cli_remote_copy (AppClient        *client,
                            const char       *source,
                            const char       *destination);
int        cli_remote_rm   (AppClient        *client,
                            char            **names);
int        cli_remote_pull (AppClient        *client,
                            const char       *name);

G_END_DECLS
