/* op-devices.h: the backends on which every case runs
 *
 * A backend joins the tests as one more row of the table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-backend-private.h"

G_BEGIN_DECLS

#define MAX_THREAD_COUNTS 3

typedef struct {
  const char  *name;        /* in the names of the tests */
  ZimBackend *(*open) (const char *tier,
                       guint       n_threads); /* NULL where this machine lacks it */
  const char  *tier;
  guint        n_threads[MAX_THREAD_COUNTS];   /* results are the same for all of them; 0 ends the list */
  guint        key_block;   /* attention takes its running maximum over that many keys at a time */
  gboolean     rotates_x;   /* for rotated weights, which stay as they are */
  gboolean     may_flush;   /* subnormal numbers may be taken for 0 */
  gboolean     has_guard;   /* memory behind a plan can be looked at through a larger one */
} Device;

const Device *devices_get      (guint        *n_devices);

/* The same backend for the same arguments, kept until the end; NULL where this machine lacks it. */
ZimBackend   *device_open      (const Device *self,
                                guint         n_threads);
/* To be called before weights are freed: all backends forget them. */
void          devices_trim     (void);
void          devices_shutdown (void);

G_END_DECLS
