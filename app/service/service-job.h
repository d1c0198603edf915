/* service-job.h: a job as an object of the bus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

#include "app-job.h"

G_BEGIN_DECLS

#define SERVICE_TYPE_JOB (service_job_get_type ())

/* ::cancel is emitted when somebody who may do that asks for it. */
G_DECLARE_FINAL_TYPE (ServiceJob, service_job, SERVICE, JOB, GObject)

ServiceJob          *service_job_new         (AppJob      *job,
                                              gboolean     is_detached);
AppJob              *service_job_get_job     (ServiceJob  *self);
/* Whether it goes on without its caller, and is everybody's. */
gboolean             service_job_is_detached (ServiceJob  *self);
const char          *service_job_get_path    (ServiceJob  *self);
GDBusObjectSkeleton *service_job_get_object  (ServiceJob  *self);

G_END_DECLS
