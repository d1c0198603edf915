/* zim-job-private.h: what the pipeline's worker tells a job
 *
 * A job's properties change in the context that submitted it only; the calls below that are named _post may come from
 * any thread and are carried out there, in order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "zim-job.h"

G_BEGIN_DECLS

ZimJob       *_zim_job_new             (ZimPipeline  *pipeline,
                                        ZimParams    *params,   /* resolved and sealed */
                                        GMainContext *context); /* (nullable) */
GCancellable *_zim_job_get_cancellable (ZimJob       *self);

/* The preview asked for: whether one is due after this step, and its largest side in pixels. */
gboolean      _zim_job_wants_preview   (ZimJob       *self,
                                        guint         step,
                                        guint        *size);

void          _zim_job_post_progress   (ZimJob       *self,
                                        ZimStage      stage,
                                        int           step,
                                        int           total,
                                        double        fraction,
                                        double        elapsed,
                                        double        remaining);
void          _zim_job_post_position   (ZimJob       *self,
                                        int           position);
void          _zim_job_post_warning    (ZimJob       *self,
                                        const char   *warning);
/* A dictionary whose reference is sunk. */
void          _zim_job_post_memory_plan (ZimJob     *self,
                                        GVariant     *memory_plan);
void          _zim_job_post_preview    (ZimJob       *self,
                                        GdkPixbuf    *preview);
void          _zim_job_post_image      (ZimJob       *self,
                                        ZimImage     *image);
/* The end, after all images or with an error. Takes the error and a reference to the job: if it is the last one, the
 * job is finalized in its context and not in a worker. */
void          _zim_job_post_end        (ZimJob       *self,
                                        GError       *error);

/* Of the pipeline: takes a job that has not begun out of the queue; the queue's reference is then the caller's. */
gboolean      _zim_pipeline_withdraw   (ZimPipeline  *pipeline,
                                        ZimJob       *job);
/* Of the pipeline: emits ::progress. In the job's context. */
void          _zim_pipeline_emit_progress (ZimPipeline *pipeline,
                                        ZimJob       *job);

G_END_DECLS
