/* fuzz.h: what a fuzz target and what drives it have in common
 *
 * libFuzzer drives a target that is built with -Dfuzzing=true; otherwise driver.c does.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

int LLVMFuzzerTestOneInput (const guint8 *data,
                            size_t        size);

G_END_DECLS
