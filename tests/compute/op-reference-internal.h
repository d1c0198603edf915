/* op-reference-internal.h: what the parts of the reference share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "op-reference.h"

G_BEGIN_DECLS

#define U 0x1p-24 /* half a unit in the last place of an f32: the largest relative error of one rounding */

struct _Reference {
  ZimProgram   *program;
  ZimPrecision  precision;
  guint         key_block;
  gboolean      rotates_x;
  Expected    **bases; /* by the id of a tensor's base; what a state's first tensor has, its others share */
  double        slack;   /* of one numerator of attention on the other side of a tie */
  double        n_ties;  /* how many of those are to be expected */
};

/* As the precision rounds operands, and the largest distance of neighbouring ones relative to them; 0 for f32 */
double        reference_round            (const Reference  *self,
                                          double            x);
double        reference_step             (const Reference  *self);

/* A tensor's row, and all of its rows as operands, one after another */
guint         reference_base_id          (Reference        *self,
                                          const ZimTensor  *tensor);
const double *reference_row              (Reference        *self,
                                          ZimOp            *op,
                                          guint             source,
                                          gint64            row);
double       *reference_operands         (Reference        *self,
                                          ZimOp            *op,
                                          guint             source);
double       *reference_decode           (const ZimWeight  *weight);
double       *reference_decode_operands  (Reference        *self,
                                          const ZimWeight  *weight);

/* A result and its errors: one that is a sum of many roundings has a sigma, others have a bound. */
void          reference_put              (Reference        *self,
                                          ZimOp            *op,
                                          gint64            row,
                                          gint64            col,
                                          double            value,
                                          double            sigma,
                                          double            limit);
void          reference_put_sum          (Reference        *self,
                                          ZimOp            *op,
                                          gint64            row,
                                          gint64            col,
                                          double            value,
                                          double            sigma);
void          reference_put_bounded      (Reference        *self,
                                          ZimOp            *op,
                                          gint64            row,
                                          gint64            col,
                                          double            value,
                                          double            bound);
void          reference_put_exact        (Reference        *self,
                                          ZimOp            *op,
                                          gint64            row,
                                          gint64            col,
                                          double            value);

void          reference_run_op           (Reference        *self,
                                          ZimOp            *op);
void          reference_run_attention    (Reference        *self,
                                          ZimOp            *op);

G_END_DECLS
