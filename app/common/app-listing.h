/* app-listing.h: the models that there are to choose from
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "app-models.h"

G_BEGIN_DECLS

/* One of them. Those of the store that are not loaded are not opened to tell what they are. */
typedef struct
{
  char           *name;      /* with its tag */
  ZimStoredModel *stored;    /* NULL if it is none of the store */
  ZimModel       *model;     /* NULL if it is not known */
  gboolean        is_loaded;
} AppListing;

/* Those that were named when the program was started, then those of the store, then those that are installed with a
 * program: no name twice. (element-type AppListing) (transfer full) */
void       app_listings_async  (AppModels            *models,
                                GAsyncReadyCallback   callback,
                                gpointer              user_data);
GPtrArray *app_listings_finish (AppModels            *models,
                                GAsyncResult         *result,
                                GError              **error);

guint64    app_listing_get_size (const AppListing *listing); /* bytes */

G_END_DECLS
