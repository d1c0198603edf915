/* test-object.h: what tests of objects that threads use share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib-object.h>

/* Gives up a reference that shall be the last: a thread may hold its own for a moment after its work's end. */
void test_assert_finalizes (gpointer object);
