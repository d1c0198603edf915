/* zim-job.h: one run of a pipeline
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include <gdk-pixbuf/gdk-pixbuf.h>

#include "zim-enums.h"
#include "zim-types.h"
#include "zim-version-macros.h"

G_BEGIN_DECLS

#define ZIM_TYPE_JOB (zim_job_get_type ())

ZIM_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ZimJob, zim_job, ZIM, JOB, GObject)

ZIM_AVAILABLE_IN_ALL
ZimParams    *zim_job_get_params      (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
gint64        zim_job_get_seed        (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
ZimJobState   zim_job_get_state       (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
ZimStage      zim_job_get_stage       (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
int           zim_job_get_step        (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
int           zim_job_get_total       (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
double        zim_job_get_fraction    (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
double        zim_job_get_elapsed     (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
double        zim_job_get_remaining   (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
int           zim_job_get_position    (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
const char   *zim_job_get_warning     (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
GVariant     *zim_job_get_memory_plan (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
GdkPixbuf    *zim_job_get_preview     (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
void          zim_job_request_preview (ZimJob    *self,
                                       int        interval,
                                       int        size);
ZIM_AVAILABLE_IN_ALL
GListModel   *zim_job_get_images      (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
const GError *zim_job_get_error       (ZimJob    *self);
ZIM_AVAILABLE_IN_ALL
void          zim_job_cancel          (ZimJob    *self);

G_END_DECLS
