/* zim-config-internal.h: between the files that read configurations
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-config-private.h"
#include "formats/zim-json-private.h"

G_BEGIN_DECLS

/* Ranges of each network's sizes and what they have to divide. */
void  _zim_config_check_networks (ZimJsonReader    *reader,
                                  const ZimConfig  *config);

G_END_DECLS
