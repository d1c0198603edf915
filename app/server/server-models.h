/* server-models.h: which models there are, and which of them are loaded
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

#define SERVER_TYPE_MODELS (server_models_get_type ())

G_DECLARE_FINAL_TYPE (ServerModels, server_models, SERVER, MODELS, GObject)

/* A model that is loaded, or that was named when the server was started. Others only read it. */
typedef struct
{
  char        *name;       /* with its tag */
  ZimModel    *model;
  ZimPipeline *pipeline;   /* NULL as long as nothing is loaded */
  guint        n_users;
  gint64       used_at;    /* monotonic, microseconds */
  gint64       expires_at; /* likewise; G_MAXINT64 for never */
} ServerModel;

/* budget is how many bytes weights and jobs may take, 0 for what the device has; keep_alive how many microseconds
 * models stay loaded after use. */
ServerModels *server_models_new            (ZimDevice            *device,
                                            ZimPrecision          precision,
                                            guint64               budget,
                                            gint64                keep_alive);
ZimStore     *server_models_get_store      (ServerModels         *self);
ZimDevice    *server_models_get_device     (ServerModels         *self);
gint64        server_models_get_keep_alive (ServerModels         *self);

/* Serves a model beside those of the store, under the name that it has itself. Takes any path: the operator's. */
gboolean      server_models_add            (ServerModels         *self,
                                            const char           *path,
                                            GError              **error);
/* Those, and those that are loaded. (element-type ServerModel) (transfer none) */
GPtrArray    *server_models_get_list       (ServerModels         *self);
ServerModel  *server_models_find           (ServerModels         *self, /* (nullable) (transfer none) */
                                            const char           *name);

/* The full name of a model that is there. NULL means the first that there is. Nothing that a request says is ever taken
 * for a path. */
void          server_models_resolve_async  (ServerModels         *self,
                                            const char           *name,
                                            GAsyncReadyCallback   callback,
                                            gpointer              user_data);
char         *server_models_resolve_finish (ServerModels         *self,
                                            GAsyncResult         *result,
                                            GError              **error);

/* Opens a model to tell what it is, without loading it. Takes full names. */
void          server_models_open_async     (ServerModels         *self,
                                            const char           *name,
                                            GCancellable         *cancellable,
                                            GAsyncReadyCallback   callback,
                                            gpointer              user_data);
ZimModel     *server_models_open_finish    (ServerModels         *self,
                                            GAsyncResult         *result,
                                            GError              **error);

/* A pipeline of a model for a job of such parameters (or NULL), for which others may have to go. It is in use until it
 * is released. */
void          server_models_acquire_async  (ServerModels         *self,
                                            const char           *name,
                                            ZimParams            *params,
                                            GCancellable         *cancellable,
                                            GAsyncReadyCallback   callback,
                                            gpointer              user_data);
ZimPipeline  *server_models_acquire_finish (ServerModels         *self,
                                            GAsyncResult         *result,
                                            GError              **error);
void          server_models_release        (ServerModels         *self,
                                            const char           *name,
                                            gint64                keep_alive);
/* Now, or when it is no longer in use. */
void          server_models_unload         (ServerModels         *self,
                                            const char           *name);

G_END_DECLS
