/* zim-create-private.h: making a model of a store from a checkpoint
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "store/zim-quantize-plan-private.h"
#include "store/zim-report-private.h"
#include "store/zim-store-name-private.h"

G_BEGIN_DECLS

/* Stores every tensor and configuration file and then gives them the name, in place of what had it. What an earlier try
 * stored is not stored again. On an error nothing but blobs without a name is left, which the next try uses and
 * zim_prune () removes. */
gboolean  zim_create  (const char           *root,
                       const ZimStoreName   *name,
                       ZimCheckpoint        *checkpoint,
                       ZimQuantizePlan      *quantize, /* (nullable): nothing is */
                       const ZimReport      *report,
                       GCancellable         *cancellable,
                       GError              **error);

G_END_DECLS
