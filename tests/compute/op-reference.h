/* op-reference.h: every operation in f64, written plainly
 *
 * A Reference runs a program's operations one after another over tensors of doubles. Operands of products are
 * rounded as the precision says, so that what is left to tolerate is what f32 sums and functions may differ by.
 *
 * Beside each value stand two measures of error, derived where the operation is defined below:
 *   sigma: what the error is typically, in the root mean square over many values;
 *   limit: what no single value's error exceeds.
 * Sources count as exact, so a program has at most one operation between its inputs and an output that is not exact.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-program-private.h"
#include "zim-enums.h"

G_BEGIN_DECLS

typedef struct {
  gsize   n;
  double *values;
  double *sigma;
  double *limit;
  double  slack; /* allowed on the sum of squared errors beside Σ sigma² */
} Expected;

typedef struct _Reference Reference;

/* key_block: how many keys attention takes its running maximum over at a time; rotates_x: what rotated weights are
 * multiplied by is rotated, too, before it is rounded, not they back */
Reference *reference_new    (ZimProgram       *program,
                             ZimPrecision      precision,
                             guint             key_block,
                             gboolean          rotates_x);
void       reference_free   (Reference        *self);
/* Contents of an input or a state. */
void       reference_set    (Reference        *self,
                             const ZimTensor  *tensor,
                             gconstpointer     data);
void       reference_run    (Reference        *self);
Expected  *reference_get    (Reference        *self,
                             const ZimTensor  *tensor);
void       expected_free    (Expected         *expected);

/* Fails the test if the values are not within the tolerance; otherwise gives the part of it that they use. may_flush:
 * 0 will do for what is hardly above the smallest normal number. */
double     expected_check   (const Expected   *self,
                             const float      *values,
                             gboolean          may_flush);

/* To that many significant binary digits; exponents as frexp () counts them. */
double     round_to_digits  (double            x,
                             int               digits,
                             int               min_exponent,
                             int               max_exponent);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Reference, reference_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Expected, expected_free)

G_END_DECLS
