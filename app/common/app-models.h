/* app-models.h: which models there are, and which of them are loaded
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

#define APP_TYPE_MODELS (app_models_get_type ())

G_DECLARE_FINAL_TYPE (AppModels, app_models, APP, MODELS, GObject)

/* A model that is loaded, or that was named when the program was started. Others only read it. */
typedef struct
{
  char        *name;       /* with its tag */
  char        *path;       /* of one that was named when the program was started, else NULL */
  ZimModel    *model;
  ZimPipeline *pipeline;   /* NULL as long as nothing is loaded */
  guint        n_users;
  gint64       used_at;    /* monotonic, microseconds */
  gint64       expires_at; /* likewise; G_MAXINT64 for never */
  gboolean     is_damaged; /* its files have to be opened anew */
} AppModel;

/* budget is how many bytes weights and jobs may take, 0 for what the device has; keep_alive how many microseconds
 * models stay loaded after use. */
AppModels   *app_models_new            (ZimDevice            *device,
                                        ZimPrecision          precision,
                                        guint64               budget,
                                        gint64                keep_alive);
ZimStore    *app_models_get_store      (AppModels            *self);
ZimDevice   *app_models_get_device     (AppModels            *self);
gint64       app_models_get_keep_alive (AppModels            *self);

/* Serves a model beside those of the store: under the name that it was called by, or that it has itself if it was a
 * path. Takes any path: the operator's. */
gboolean     app_models_add            (AppModels            *self,
                                        const char           *path,
                                        GError              **error);
/* Those, and those that are loaded. (element-type AppModel) (transfer none) */
GPtrArray   *app_models_get_list       (AppModels            *self);
AppModel    *app_models_find           (AppModels            *self, /* (nullable) (transfer none) */
                                        const char           *name);

/* Models that are installed with a program and were opened to tell what they are, by full names; NULL for one that
 * could not be. (element-type utf8 ZimModel) (transfer none) */
GHashTable  *app_models_get_installed  (AppModels            *self);

/* A name with a tag. (transfer full) */
char        *app_models_make_full_name (const char           *name);

/* The full name of a model that is there. NULL means the first that there is. Nothing that a request says is ever taken
 * for a path. */
void         app_models_resolve_async  (AppModels            *self,
                                        const char           *name,
                                        GAsyncReadyCallback   callback,
                                        gpointer              user_data);
char        *app_models_resolve_finish (AppModels            *self,
                                        GAsyncResult         *result,
                                        GError              **error);

/* Opens a model to tell what it is, without loading it. Takes full names. */
void         app_models_open_async     (AppModels            *self,
                                        const char           *name,
                                        GCancellable         *cancellable,
                                        GAsyncReadyCallback   callback,
                                        gpointer              user_data);
ZimModel    *app_models_open_finish    (AppModels            *self,
                                        GAsyncResult         *result,
                                        GError              **error);

/* A pipeline of a model for a job of such parameters (or NULL), for which others may have to go. It is in use until it
 * is released. */
void         app_models_acquire_async  (AppModels            *self,
                                        const char           *name,
                                        ZimParams            *params,
                                        GCancellable         *cancellable,
                                        GAsyncReadyCallback   callback,
                                        gpointer              user_data);
ZimPipeline *app_models_acquire_finish (AppModels            *self,
                                        GAsyncResult         *result,
                                        GError              **error);
void         app_models_release        (AppModels            *self,
                                        const char           *name,
                                        gint64                keep_alive);
/* Now, or when it is no longer in use. */
void         app_models_unload         (AppModels            *self,
                                        const char           *name);
/* The same, and its files are opened anew before it is used again. */
void         app_models_reopen         (AppModels            *self,
                                        const char           *name);

G_END_DECLS
