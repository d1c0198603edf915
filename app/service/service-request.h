/* service-request.h: what a caller asks to be made
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

typedef struct
{
  char      *model; /* or NULL: any */
  ZimParams *params;
  int        preview_interval;
  gint64     keep_alive; /* microseconds; negative: for ever */
  gboolean   is_detached;
} ServiceRequest;

/* Takes the parameters of Generate (), and how long models stay loaded if they do not say. */
ServiceRequest *service_request_read (GVariant        *parameters,
                                      gint64           keep_alive,
                                      GError         **error);
void            service_request_free (ServiceRequest  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ServiceRequest, service_request_free)

G_END_DECLS
