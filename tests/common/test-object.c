/* test-object.c: what tests of objects that threads use share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "test-object.h"

void
test_assert_finalizes (gpointer object)
{
  GWeakRef ref;
  gpointer left = object;

  g_weak_ref_init (&ref, object);
  g_object_unref (object);
  for (guint i = 0; i < 5000 && (left = g_weak_ref_get (&ref)) != NULL; i++)
    {
      g_object_unref (left);
      g_usleep (1000);
    }
  g_assert_null (left);
  g_weak_ref_clear (&ref);
}
