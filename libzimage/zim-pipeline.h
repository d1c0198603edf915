/* zim-pipeline.h: runs a model on a device
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include "zim-enums.h"
#include "zim-types.h"
#include "zim-version-macros.h"

G_BEGIN_DECLS

#define ZIM_TYPE_PIPELINE (zim_pipeline_get_type ())

ZIM_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ZimPipeline, zim_pipeline, ZIM, PIPELINE, GObject)

ZIM_AVAILABLE_IN_ALL
ZimPipeline  *zim_pipeline_new             (ZimModel             *model,
                                            ZimDevice            *device,
                                            GError              **error);
ZIM_AVAILABLE_IN_ALL
ZimModel     *zim_pipeline_get_model       (ZimPipeline          *self);
ZIM_AVAILABLE_IN_ALL
ZimDevice    *zim_pipeline_get_device      (ZimPipeline          *self);
ZIM_AVAILABLE_IN_ALL
ZimPrecision  zim_pipeline_get_precision   (ZimPipeline          *self);
ZIM_AVAILABLE_IN_ALL
void          zim_pipeline_set_precision   (ZimPipeline          *self,
                                            ZimPrecision          precision);
ZIM_AVAILABLE_IN_ALL
const char   *zim_pipeline_get_dump_file   (ZimPipeline          *self);
ZIM_AVAILABLE_IN_ALL
void          zim_pipeline_set_dump_file   (ZimPipeline          *self,
                                            const char           *path);
ZIM_AVAILABLE_IN_ALL
guint64       zim_pipeline_get_memory_budget
                                           (ZimPipeline          *self);
ZIM_AVAILABLE_IN_ALL
void          zim_pipeline_set_memory_budget
                                           (ZimPipeline          *self,
                                            guint64               bytes);
ZIM_AVAILABLE_IN_ALL
guint64       zim_pipeline_get_peak_memory (ZimPipeline          *self);
ZIM_AVAILABLE_IN_ALL
guint64       zim_pipeline_plan_memory     (ZimPipeline          *self,
                                            ZimParams            *params,
                                            GError              **error);
ZIM_AVAILABLE_IN_ALL
void          zim_pipeline_plan_memory_async
                                           (ZimPipeline          *self,
                                            ZimParams            *params,
                                            GCancellable         *cancellable,
                                            GAsyncReadyCallback   callback,
                                            gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
guint64       zim_pipeline_plan_memory_finish
                                           (ZimPipeline          *self,
                                            GAsyncResult         *result,
                                            GError              **error);

ZIM_AVAILABLE_IN_ALL
ZimJob       *zim_pipeline_submit          (ZimPipeline          *self,
                                            ZimParams            *params);
ZIM_AVAILABLE_IN_ALL
GPtrArray    *zim_pipeline_generate        (ZimPipeline          *self,
                                            ZimParams            *params,
                                            GCancellable         *cancellable,
                                            GError              **error);
ZIM_AVAILABLE_IN_ALL
void          zim_pipeline_generate_async  (ZimPipeline          *self,
                                            ZimParams            *params,
                                            GCancellable         *cancellable,
                                            GAsyncReadyCallback   callback,
                                            gpointer              user_data);
ZIM_AVAILABLE_IN_ALL
GPtrArray    *zim_pipeline_generate_finish (ZimPipeline          *self,
                                            GAsyncResult         *result,
                                            GError              **error);

G_END_DECLS
