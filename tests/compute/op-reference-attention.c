/* op-reference-attention.c: attention in f64, written plainly
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "op-reference-internal.h"

typedef struct {
  double *q, *k, *v; /* operands */
} Heads;

typedef struct {
  double *logits;  /* of one query, by key */
  double *errors;  /* of the logits, in U */
  double *sums;    /* of numerators times values, by column */
  double *bounds;  /* of the errors of those: Σ of what each numerator's may be */
  double *squares; /* the same, of errors that are independent: Σ of squares */
  double *sizes;   /* Σ |numerators times values| */
  double *largest; /* one of them */
  gint64  n_keys;
  double  max;
  double  total;   /* of the numerators */
} Query;

/* Logits are f32 dot products: their errors are those of a linear layer's sums (op-reference-ops.c), of which
 * √(d / 6 + 4) / √d is below 1. */
static void
find_logits (ZimOp  *op,
             Heads  *heads,
             Query  *query,
             gint64  row,
             guint   head,
             gint64  start)
{
  gint64 d = op->attention.head_dim;
  gint64 kv_head = (gint64) head * op->attention.n_kv_heads / op->attention.n_heads;

  for (gint64 key = 0; key < query->n_keys; key++)
    {
      const double *q = heads->q + row * op->sources[0]->cols + head * d;
      const double *k = heads->k + (start + key) * op->sources[1]->cols + kv_head * d;
      double sum = 0, squares = 0;

      for (gint64 i = 0; i < d; i++)
        {
          double product = q[i] * k[i];

          sum += product;
          squares += product * product;
        }
      query->logits[key] = sum / sqrt (d);
      query->errors[key] = sqrt (squares);
    }
}

/* A numerator e is off by what its logit, the difference from the maximum and the exponential are. To that comes the
 * error of summing, as of a linear layer. And e is rounded to an operand as here unless its error carries it to the
 * other side of a tie: that has a probability of error / step and moves it by a step, so a variance of error · step. */
static void
add_block (Reference *self,
           ZimOp     *op,
           Heads     *heads,
           Query     *query,
           gint64     start,
           gint64     first,
           gint64     end,
           gint64     column)
{
  gint64 d = op->attention.head_dim;
  double max = query->max, shrink, step = reference_step (self);

  for (gint64 key = first; key < end; key++)
    max = fmax (max, query->logits[key]);
  shrink = exp (query->max - max);
  query->max = max;
  query->total *= shrink;
  for (gint64 i = 0; i < d; i++)
    {
      query->sums[i] *= shrink;
      query->bounds[i] *= shrink;
      query->squares[i] *= shrink * shrink;
      query->sizes[i] *= shrink;
      query->largest[i] *= shrink;
    }
  for (gint64 key = first; key < end; key++)
    {
      const double *v = heads->v + (start + key) * op->sources[2]->cols + column;
      double e = exp (query->logits[key] - max), p = reference_round (self, e);
      double error = 4 + query->errors[key] + fabs (query->logits[key]) + fabs (max);

      query->total += e;
      self->n_ties += step > 0 ? error * U / step : 0;
      for (gint64 i = 0; i < d; i++)
        {
          double size = e * fabs (v[i]);

          query->sums[i] += p * v[i];
          query->bounds[i] += U * error * size;
          query->squares[i] += (U * U * (error * error + query->n_keys / 6.0) + U * error * step) * size * size;
          query->sizes[i] += size + (step > 0 ? 0x1p-15 * fabs (v[i]) : 0); /* f16 below 2⁻¹⁴: steps of 2⁻²⁴ */
          query->largest[i] = MAX (query->largest[i], size);
        }
    }
}

static void
finish_query (Reference *self,
              ZimOp     *op,
              Query     *query,
              gint64     row,
              gint64     column)
{
  double step = reference_step (self), slack = 0;
  double total_error = U * (2 + sqrt (query->n_keys) / 3); /* a sum of one sign */

  for (guint i = 0; i < op->attention.head_dim; i++)
    {
      double y = query->sums[i] / query->total, bounds = query->bounds[i] + step * query->sizes[i];
      double sigma = sqrt (query->squares[i] / pow (query->total, 2) + pow (total_error * y, 2));

      reference_put (self, op, row, column + i, y, sigma, 8 * bounds / query->total);
      slack += pow (step * query->largest[i] / query->total, 2);
    }
  /* However few are expected, one numerator may lie at a tie. */
  if (isfinite (slack))
    self->slack = MAX (self->slack, slack);
}

static void
run_query (Reference *self,
           ZimOp     *op,
           Heads     *heads,
           gint64     start,
           gint64     row,
           guint      head,
           gint64     n_keys)
{
  gint64 d = op->attention.head_dim;
  gint64 column = (gint64) head * op->attention.n_kv_heads / op->attention.n_heads * d;
  g_autofree double *memory = g_new0 (double, 2 * n_keys + 5 * d);
  double *columns = memory + 2 * n_keys;
  Query query = { memory, memory + n_keys, columns, columns + d, columns + 2 * d, columns + 3 * d, columns + 4 * d,
                  n_keys, -INFINITY };

  find_logits (op, heads, &query, start + row, head, start);
  for (gint64 first = 0; first < n_keys; first += self->key_block)
    add_block (self, op, heads, &query, start, first, MIN (first + self->key_block, n_keys), column);
  finish_query (self, op, &query, start + row, head * d);
}

void
reference_run_attention (Reference *self,
                         ZimOp     *op)
{
  g_autofree double *q = reference_operands (self, op, 0);
  g_autofree double *k = reference_operands (self, op, 1);
  g_autofree double *v = reference_operands (self, op, 2);
  Heads heads = { q, k, v };

  for (guint i = 0; i < op->n_ranges; i++)
    for (guint head = 0; head < op->attention.n_heads; head++)
      for (gint64 row = 0; row < op->ranges[i].length; row++)
        run_query (self, op, &heads, op->ranges[i].start, row, head,
                   op->attention.causal ? row + 1 : op->ranges[i].length);
}
