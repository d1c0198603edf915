/* cli-pull.h: getting a model that is not there
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "cli-wait.h"

G_BEGIN_DECLS

/* Says how much there is to fetch and how much room, asks on the terminal, and fetches the model if that is wanted,
 * which is then TRUE in wanted. */
gboolean  cli_pull_offer  (const char   *name,
                           CliWait      *wait,
                           gboolean     *wanted,
                           GError      **error);

G_END_DECLS
