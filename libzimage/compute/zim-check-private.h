/* zim-check-private.h: a backend whose every operation is checked by another
 *
 * For finding what computes wrongly (ZIM_CHECK=1): an executable runs one operation after another, each as a program of
 * its own on both backends from the same numbers, and goes on with those of the backend that is checked. The other one
 * computes in f32. The first operation that differs by more than the precision allows ends the run with an error that
 * names it. Slow, and everything lies in the host's memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-backend-private.h"

G_BEGIN_DECLS

/* Takes both. */
ZimBackend *zim_check_backend_new (ZimBackend *checked,
                                   ZimBackend *reference);

G_END_DECLS
