/* op-runner.h: one case on every backend, tier and number of threads
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "op-setup.h"

G_BEGIN_DECLS

/* Records a case; setup_begin () was called. */
typedef void (*BuildFunc) (Setup         *setup,
                           gconstpointer  data);

/* Adds the tests /ops/op/name/backend/precision. takes_operands: it has products, whose operands the precision
 * rounds; everything else is the same in all precisions and runs in f32 alone. */
void ops_add_case             (const char    *op,
                               const char    *name,
                               BuildFunc      build,
                               gconstpointer  data,
                               gboolean       takes_operands);

void ops_add_linear_cases     (void);
void ops_add_attention_cases  (void);
void ops_add_conv_cases       (void);
void ops_add_norm_cases       (void);
void ops_add_element_cases    (void);
void ops_add_move_cases       (void);

/* Frees what the cases used. */
void ops_shutdown             (void);

G_END_DECLS
