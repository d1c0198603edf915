/* test-ops.c: every operation's cases on every backend
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "op-runner.h"

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  ops_add_linear_cases ();
  ops_add_attention_cases ();
  ops_add_conv_cases ();
  ops_add_norm_cases ();
  ops_add_element_cases ();
  ops_add_move_cases ();
  status = g_test_run ();
  ops_shutdown ();
  return status;
}
