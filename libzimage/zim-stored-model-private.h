/* zim-stored-model-private.h: making what a store lists
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "zim-stored-model.h"

G_BEGIN_DECLS

ZimStoredModel *_zim_stored_model_new (const char  *name,
                                       const char  *id,
                                       guint64      size,
                                       gint64       modified); /* seconds since 1970 */

G_END_DECLS
