/* op-reference.c: tensors of the reference, and how results are compared with them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <float.h>
#include <math.h>

#include "op-reference-internal.h"

/* Rounding */

double
round_to_digits (double x,
                 int    digits,
                 int    min_exponent,
                 int    max_exponent)
{
  int exponent;
  double step;

  if (!isfinite (x) || x == 0)
    return x;
  frexp (x, &exponent);
  step = ldexp (1, MAX (exponent, min_exponent) - digits);
  x = rint (x / step) * step;
  return fabs (x) >= ldexp (1, max_exponent) ? copysign (INFINITY, x) : x;
}

double
reference_round (const Reference *self,
                 double           x)
{
  switch (self->precision)
    {
    case ZIM_PRECISION_BF16:
      return round_to_digits (x, 8, -125, 128);
    case ZIM_PRECISION_F16:
      return round_to_digits (x, 11, -13, 16);
    case ZIM_PRECISION_AUTO:
    case ZIM_PRECISION_F32:
    default:
      return x;
    }
}

/* The largest distance of neighbouring operands, relative to them */
double
reference_step (const Reference *self)
{
  return self->precision == ZIM_PRECISION_BF16 ? 0x1p-7 : self->precision == ZIM_PRECISION_F16 ? 0x1p-10 : 0;
}

/* Tensors */

static Expected *
expected_new (gsize n)
{
  Expected *self = g_new0 (Expected, 1);

  self->n = n;
  self->values = g_new (double, n);
  self->sigma = g_new0 (double, n);
  self->limit = g_new0 (double, n);
  for (gsize i = 0; i < n; i++)
    self->values[i] = NAN;
  return self;
}

void
expected_free (Expected *self)
{
  g_free (self->values);
  g_free (self->sigma);
  g_free (self->limit);
  g_free (self);
}

guint
reference_base_id (Reference       *self,
                   const ZimTensor *tensor)
{
  GPtrArray *tensors = zim_program_get_tensors (self->program);

  if (tensor->place == ZIM_PLACE_STATE)
    for (guint i = 0; i < tensors->len; i++)
      if (((const ZimTensor *) g_ptr_array_index (tensors, i))->state == tensor->state)
        return i;
  return tensor->base->id;
}

Reference *
reference_new (ZimProgram   *program,
               ZimPrecision  precision,
               guint         key_block,
               gboolean      rotates_x)
{
  Reference *self = g_new0 (Reference, 1);
  GPtrArray *tensors = zim_program_get_tensors (program);

  self->program = zim_program_ref (program);
  self->precision = precision;
  self->key_block = key_block;
  self->rotates_x = rotates_x;
  self->bases = g_new0 (Expected *, tensors->len);
  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (tensor->base == tensor && reference_base_id (self, tensor) == i)
        self->bases[i] = expected_new (tensor->rows * tensor->cols);
    }
  return self;
}

void
reference_free (Reference *self)
{
  for (guint i = 0; i < zim_program_get_tensors (self->program)->len; i++)
    g_clear_pointer (&self->bases[i], expected_free);
  g_free (self->bases);
  zim_program_unref (self->program);
  g_free (self);
}

void
reference_set (Reference       *self,
               const ZimTensor *tensor,
               gconstpointer    data)
{
  Expected *base = self->bases[reference_base_id (self, tensor)];

  for (gsize i = 0; i < base->n; i++)
    base->values[i] = tensor->dtype == ZIM_DTYPE_I32 ? ((const gint32 *) data)[i] : ((const float *) data)[i];
}

const double *
reference_row (Reference *self,
               ZimOp     *op,
               guint      source,
               gint64     row)
{
  const ZimTensor *tensor = op->sources[source];

  return self->bases[reference_base_id (self, tensor)]->values + tensor->offset + row * tensor->stride;
}

/* A source as operands, one row after another */
double *
reference_operands (Reference *self,
                    ZimOp     *op,
                    guint      source)
{
  const ZimTensor *tensor = op->sources[source];
  double *operands = g_new (double, tensor->rows * tensor->cols);

  for (gint64 row = 0; row < tensor->rows; row++)
    for (gint64 col = 0; col < tensor->cols; col++)
      operands[row * tensor->cols + col] = reference_round (self, reference_row (self, op, source, row)[col]);
  return operands;
}

/* A result and its errors: one that is a sum of many roundings, and one that has a bound. */

void
reference_put (Reference *self,
               ZimOp     *op,
               gint64     row,
               gint64     col,
               double     value,
               double     sigma,
               double     limit)
{
  Expected *base = self->bases[reference_base_id (self, op->out)];
  gsize i = op->out->offset + row * op->out->stride + col;

  base->values[i] = fabs (value) > FLT_MAX ? copysign (INFINITY, value) : value;
  base->sigma[i] = sigma;
  base->limit[i] = limit;
}

/* An error of many independent parts is as good as never eight times as large as it typically is. */
void
reference_put_sum (Reference *self,
                   ZimOp     *op,
                   gint64     row,
                   gint64     col,
                   double     value,
                   double     sigma)
{
  sigma += 0x1p-126; /* of numbers below the smallest normal one, dot products make zeros */
  reference_put (self, op, row, col, value, sigma, 8 * sigma);
}

void
reference_put_bounded (Reference *self,
                       ZimOp     *op,
                       gint64     row,
                       gint64     col,
                       double     value,
                       double     bound)
{
  bound += 0x1p-149;
  reference_put (self, op, row, col, value, bound, bound);
}

void
reference_put_exact (Reference *self,
                     ZimOp     *op,
                     gint64     row,
                     gint64     col,
                     double     value)
{
  reference_put (self, op, row, col, value, 0, 0);
}

double *
reference_decode (const ZimWeight *weight)
{
  gsize n;
  g_autofree float *numbers = NULL;
  double *values;

  if (weight == NULL)
    return NULL;
  n = zim_weight_n_elements (weight);
  numbers = g_new (float, n);
  values = g_new (double, n);
  zim_weight_decode (weight, 0, n, numbers);
  for (gsize i = 0; i < n; i++)
    values[i] = numbers[i];
  return values;
}

double *
reference_decode_operands (Reference       *self,
                           const ZimWeight *weight)
{
  double *values = reference_decode (weight);

  for (gsize i = 0; i < (gsize) zim_weight_n_elements (weight); i++)
    values[i] = reference_round (self, values[i]);
  return values;
}

void
reference_run (Reference *self)
{
  GPtrArray *ops = zim_program_get_ops (self->program);

  for (guint i = 0; i < ops->len; i++)
    reference_run_op (self, g_ptr_array_index (ops, i));
}

Expected *
reference_get (Reference       *self,
               const ZimTensor *tensor)
{
  const Expected *base = self->bases[reference_base_id (self, tensor)];
  Expected *expected = expected_new (tensor->rows * tensor->cols);

  for (gsize i = 0; i < expected->n; i++)
    {
      gsize at = tensor->offset + i / tensor->cols * tensor->stride + i % tensor->cols;

      expected->values[i] = base->values[at];
      expected->sigma[i] = base->sigma[at];
      expected->limit[i] = base->limit[at];
    }
  expected->slack = self->n_ties >= 100 ? 0 : self->slack; /* of many, the sum is as expected */
  return expected;
}

/* Checking */

/* NaN must be NaN, and an infinity the same one. FALSE for those, which have no error to measure. */
static gboolean
check_finite (double expected,
              float  value,
              gsize  i)
{
  if (isfinite (expected) ? isfinite (value) : isnan (expected) ? isnan (value) : expected == value)
    return isfinite (expected);
  g_test_message ("value %" G_GSIZE_FORMAT " is %g, expected %g", i, value, expected);
  g_test_fail ();
  return FALSE;
}

/* What a device that takes subnormal numbers for 0 may give as 0: intermediate results that are subnormal are
 * multiplied by other numbers before they are seen. */
#define LEAST (1024 * FLT_MIN)

/* Σ of n squares of errors of that sigma is Σ sigma² · (1 ± √(2 / n)) if they are independent; 8 / √n is beyond five
 * times that. */
double
expected_check (const Expected *self,
                const float    *values,
                gboolean        may_flush)
{
  double errors = 0, allowed = self->slack, worst = 0;

  for (gsize i = 0; i < self->n; i++)
    {
      double error = fabs (values[i] - self->values[i]);

      if (!check_finite (self->values[i], values[i], i))
        continue;
      if (may_flush && values[i] == 0 && fabs (self->values[i]) < LEAST)
        continue;
      errors += error * error;
      allowed += self->sigma[i] * self->sigma[i] * (1 + 8 / sqrt (self->n));
      if (error > worst * self->limit[i])
        worst = error / self->limit[i];
      if (error <= self->limit[i])
        continue;
      g_test_message ("value %" G_GSIZE_FORMAT " is %.9g, expected %.12g within %.3g", i, values[i], self->values[i],
                      self->limit[i]);
      g_test_fail ();
      return INFINITY;
    }
  if (errors > allowed)
    {
      g_test_message ("root of the summed squared errors is %.4g, expected at most %.4g", sqrt (errors),
                      sqrt (allowed));
      g_test_fail ();
    }
  return MAX (worst, allowed > 0 ? sqrt (errors / allowed) : 0);
}
