/* service-generator.h: the generator as an object of the bus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "app-models.h"
#include "app-queue.h"

G_BEGIN_DECLS

#define SERVICE_TYPE_GENERATOR (service_generator_get_type ())

/* ::activity is emitted whenever somebody asks for something or something has ended. */
G_DECLARE_FINAL_TYPE (ServiceGenerator, service_generator, SERVICE, GENERATOR, GObject)

/* Appears on a connection; its bus name is for the program to own. */
ServiceGenerator *service_generator_new     (GDBusConnection   *connection,
                                             AppModels         *models,
                                             AppQueue          *queue,
                                             GError           **error);
/* Whether nobody would miss it: there are no jobs, no pictures that wait to be fetched, no unanswered calls. */
gboolean          service_generator_is_idle (ServiceGenerator  *self);

G_END_DECLS
