/* op-reference.c: every operation in f64, written plainly
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <float.h>
#include <math.h>

#include "op-reference.h"

#define U 0x1p-24 /* half a unit in the last place of an f32: the largest relative error of one rounding */

struct _Reference {
  ZimProgram   *program;
  ZimPrecision  precision;
  guint         key_block;
  Expected    **bases; /* by the id of a tensor's base; what a state's first tensor has, its others share */
  double        slack;
};

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

static double
round_operand (const Reference *self,
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
static double
operand_step (const Reference *self)
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

static guint
base_id (Reference       *self,
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
               guint         key_block)
{
  Reference *self = g_new0 (Reference, 1);
  GPtrArray *tensors = zim_program_get_tensors (program);

  self->program = zim_program_ref (program);
  self->precision = precision;
  self->key_block = key_block;
  self->bases = g_new0 (Expected *, tensors->len);
  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (tensor->base == tensor && base_id (self, tensor) == i)
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
  Expected *base = self->bases[base_id (self, tensor)];

  for (gsize i = 0; i < base->n; i++)
    base->values[i] = tensor->dtype == ZIM_DTYPE_I32 ? ((const gint32 *) data)[i] : ((const float *) data)[i];
}

static const double *
source_row (Reference *self,
            ZimOp     *op,
            guint      source,
            gint64     row)
{
  const ZimTensor *tensor = op->sources[source];

  return self->bases[base_id (self, tensor)]->values + tensor->offset + row * tensor->stride;
}

/* A source as operands, one row after another */
static double *
source_operands (Reference *self,
                 ZimOp     *op,
                 guint      source)
{
  const ZimTensor *tensor = op->sources[source];
  double *operands = g_new (double, tensor->rows * tensor->cols);

  for (gint64 row = 0; row < tensor->rows; row++)
    for (gint64 col = 0; col < tensor->cols; col++)
      operands[row * tensor->cols + col] = round_operand (self, source_row (self, op, source, row)[col]);
  return operands;
}

/* A result and its errors: one that is a sum of many roundings, and one that has a bound. */

static void
put (Reference *self,
     ZimOp     *op,
     gint64     row,
     gint64     col,
     double     value,
     double     sigma,
     double     limit)
{
  Expected *base = self->bases[base_id (self, op->out)];
  gsize i = op->out->offset + row * op->out->stride + col;

  base->values[i] = fabs (value) > FLT_MAX ? copysign (INFINITY, value) : value;
  base->sigma[i] = sigma;
  base->limit[i] = limit;
}

/* An error of many independent parts is as good as never eight times as large as it typically is. */
static void
put_sum (Reference *self,
         ZimOp     *op,
         gint64     row,
         gint64     col,
         double     value,
         double     sigma)
{
  sigma += 0x1p-126; /* of numbers below the smallest normal one, dot products make zeros */
  put (self, op, row, col, value, sigma, 8 * sigma);
}

static void
put_bounded (Reference *self,
             ZimOp     *op,
             gint64     row,
             gint64     col,
             double     value,
             double     bound)
{
  bound += 0x1p-149;
  put (self, op, row, col, value, bound, bound);
}

static void
put_exact (Reference *self,
           ZimOp     *op,
           gint64     row,
           gint64     col,
           double     value)
{
  put (self, op, row, col, value, 0, 0);
}

static double *
decode_weight (const ZimWeight *weight)
{
  gsize n;
  g_autofree float *numbers = NULL;
  double *values;

  if (weight == NULL)
    return NULL;
  n = zim_weight_n_elements (weight);
  numbers = g_new (float, n);
  values = g_new (double, n);
  zim_dtype_to_f32 (weight->dtype, weight->data, numbers, n);
  for (gsize i = 0; i < n; i++)
    values[i] = numbers[i];
  return values;
}

static double *
decode_operands (Reference       *self,
                 const ZimWeight *weight)
{
  double *values = decode_weight (weight);

  for (gsize i = 0; i < (gsize) zim_weight_n_elements (weight); i++)
    values[i] = round_operand (self, values[i]);
  return values;
}

/* The error of an f32 sum of k products in sequence, each of which has that square at the mean: the partial sums grow as a
 * random walk, so rounding the i-th is off by U/√3 · √i · √mean: U · √(k / 6) · √(Σ squares) over all of them. Rounding
 * the products themselves, the bias and a last factor adds as much as a few more terms. Sums in any other order
 * have smaller partial sums. */
static double
sum_sigma (gsize  k,
           double squares)
{
  return U * sqrt ((k / 6.0 + 4) * squares);
}

/* Operations */

static void
run_embed (Reference *self,
           ZimOp     *op)
{
  g_autofree double *weight = decode_weight (op->row.weight);

  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 col = 0; col < op->out->cols; col++)
      put_exact (self, op, row, col, weight[(gint64) *source_row (self, op, 0, row) * op->out->cols + col]);
}

static void
run_linear_part (Reference       *self,
                 ZimOp           *op,
                 const ZimWeight *part,
                 const ZimWeight *part_bias,
                 gint64           first)
{
  gsize k = op->sources[0]->cols;
  double scale = op->linear.operand_scale;
  g_autofree double *weight = decode_operands (self, part);
  g_autofree double *bias = decode_weight (part_bias);
  g_autofree double *x = g_new (double, k);

  for (gint64 row = 0; row < op->out->rows; row++)
    {
      for (gsize i = 0; i < k; i++)
        x[i] = round_operand (self, source_row (self, op, 0, row)[i] * scale) / scale;
      for (gint64 n = 0; n < part->dims[0]; n++)
        {
          double sum = bias != NULL ? bias[n] : 0, squares = sum * sum;

          for (gsize i = 0; i < k; i++)
            {
              double product = x[i] * weight[n * k + i];

              sum += product;
              squares += product * product;
            }
          put_sum (self, op, row, first + n, sum, sum_sigma (k, squares));
        }
    }
}

static void
run_linear (Reference *self,
            ZimOp     *op)
{
  gint64 first = 0;

  for (guint i = 0; i < op->linear.n_weights; i++)
    {
      run_linear_part (self, op, op->linear.weights[i], op->linear.biases != NULL ? op->linear.biases[i] : NULL, first);
      first += op->linear.weights[i]->dims[0];
    }
}

/* The row of scale for a row of x, or NULL */
static const double *
row_scale (Reference *self,
           ZimOp     *op,
           gint64     row)
{
  if (op->n_sources < 2)
    return NULL;
  for (guint i = 0; i < op->n_ranges; i++)
    if (row >= op->ranges[i].start && row < op->ranges[i].start + op->ranges[i].length)
      return source_row (self, op, 1, op->ranges[i].sample);
  g_assert_not_reached ();
}

/* An f32 sum of n numbers of one sign, made in at least four lanes of four (or more) sums each: at most n / 16 additions
 * in a row, whose errors walk randomly; halved by the square root of a norm. To that come the roundings of the
 * mean, the root, its inverse and the factors. */
static double
norm_bound (gint64 n)
{
  return U * (4 + sqrt (n) / 8);
}

static void
run_rms_norm (Reference *self,
              ZimOp     *op)
{
  gint64 group = op->norm.group;
  g_autofree double *weight = decode_weight (op->norm.weight);

  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 start = 0; start < op->out->cols; start += group)
      {
        const double *x = source_row (self, op, 0, row) + start, *scale = row_scale (self, op, row);
        double squares = 0;

        for (gint64 i = 0; i < group; i++)
          squares += x[i] * x[i];
        for (gint64 i = 0; i < group; i++)
          {
            double y = x[i] / sqrt (squares / group + op->norm.eps);

            y *= (weight != NULL ? weight[i] : 1) * (scale != NULL ? scale[start + i] : 1);
            put_bounded (self, op, row, start + i, y, norm_bound (group) * fabs (y));
          }
      }
}

/* The mean is an f32 sum too, whose error all values share. */
static void
run_layer_norm (Reference *self,
                ZimOp     *op)
{
  gint64 n = op->out->cols;

  for (gint64 row = 0; row < op->out->rows; row++)
    {
      const double *x = source_row (self, op, 0, row), *scale = row_scale (self, op, row);
      double mean = 0, size = 0, variance = 0;

      for (gint64 i = 0; i < n; i++)
        mean += x[i] / n;
      for (gint64 i = 0; i < n; i++)
        {
          size += fabs (x[i]) / n;
          variance += (x[i] - mean) * (x[i] - mean) / n;
        }
      for (gint64 i = 0; i < n; i++)
        {
          double factor = (scale != NULL ? scale[i] : 1) / sqrt (variance + op->norm.eps);
          double y = (x[i] - mean) * factor;

          put_bounded (self, op, row, i, y, norm_bound (n) * (fabs (y) + size * fabs (factor)));
        }
    }
}

static double
silu (double x)
{
  return x / (1 + exp (-x));
}

/* eˣ in f32 is good to 2.4 U and 1 + eˣ and the division add one each. Below x = −ln (largest f32) eˣ is infinite, which makes
 * the result 0: at most 89 · 2⁻¹²⁸ off. */
static double
silu_bound (double x)
{
  return 4.5 * U * fabs (silu (x)) + (x < -88.7 ? 0x1p-121 : 0);
}

/* Statistics are sums in f64; what is left are the differences from the mean, a factor and the bias; SiLU has
 * a slope of at most 1.1. */
static void
run_group_norm_group (Reference    *self,
                      ZimOp        *op,
                      gint64        first,
                      gint64        channels,
                      const double *weight,
                      const double *bias)
{
  double mean = 0, variance = 0, n = (double) op->out->rows * channels;

  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 c = first; c < first + channels; c++)
      mean += source_row (self, op, 0, row)[c] / n;
  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 c = first; c < first + channels; c++)
      variance += pow (source_row (self, op, 0, row)[c] - mean, 2) / n;
  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 c = first; c < first + channels; c++)
      {
        double product = (source_row (self, op, 0, row)[c] - mean) / sqrt (variance + op->norm.eps), y, bound;

        product *= weight != NULL ? weight[c] : 1;
        y = product + (bias != NULL ? bias[c] : 0);
        bound = 4 * U * (fabs (product) + (bias != NULL ? fabs (bias[c]) : 0));
        if (op->norm.silu)
          put_bounded (self, op, row, c, silu (y), 1.1 * bound + silu_bound (y));
        else
          put_bounded (self, op, row, c, y, bound);
      }
}

static void
run_group_norm (Reference *self,
                ZimOp     *op)
{
  g_autofree double *weight = decode_weight (op->norm.weight);
  g_autofree double *bias = decode_weight (op->norm.bias);
  gint64 channels = op->out->cols / op->norm.group;

  for (gint64 first = 0; first < op->out->cols; first += channels)
    run_group_norm_group (self, op, first, channels, weight, bias);
}

static void
run_rope (Reference *self,
          ZimOp     *op)
{
  guint half = op->rope.head_dim / 2;

  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 start = 0; start < op->out->cols; start += op->rope.head_dim)
      for (guint m = 0; m < half; m++)
        {
          const double *x = source_row (self, op, 0, row);
          gint64 first = start + (op->rope.interleaved ? 2 * m : m);
          gint64 second = start + (op->rope.interleaved ? 2 * m + 1 : m + half);
          double cos = source_row (self, op, 1, row)[m], sin = source_row (self, op, 2, row)[m];
          double a = x[first], b = x[second];

          put_bounded (self, op, row, first, a * cos - b * sin, 2 * U * (fabs (a * cos) + fabs (b * sin)));
          put_bounded (self, op, row, second, a * sin + b * cos, 2 * U * (fabs (a * sin) + fabs (b * cos)));
        }
}

/* Attention */

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

/* Logits are f32 dot products: their errors are those of sum_sigma (), with all of √(d / 6 + 4) · U / √d below U. */
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
 * error of summing as in sum_sigma (). And e is rounded to an operand as here unless its error carries it to the other
 * side of a tie: that has a probability of error / step and moves it by a step, so a variance of error · step. */
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
  double max = query->max, shrink, step = operand_step (self);

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
      double e = exp (query->logits[key] - max), p = round_operand (self, e);
      double error = 4 + query->errors[key] + fabs (query->logits[key]) + fabs (max);

      query->total += e;
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
  double step = operand_step (self), slack = 0;
  double total_error = U * (2 + sqrt (query->n_keys) / 3); /* a sum of one sign */

  for (guint i = 0; i < op->attention.head_dim; i++)
    {
      double y = query->sums[i] / query->total, bounds = query->bounds[i] + step * query->sizes[i];

      put (self, op, row, column + i, y, sqrt (query->squares[i] / pow (query->total, 2) + pow (total_error * y, 2)),
           8 * bounds / query->total);
      slack += pow (step * query->largest[i] / query->total, 2);
    }
  /* However few values there are, one numerator may lie at a tie. */
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

static void
run_attention (Reference *self,
               ZimOp     *op)
{
  g_autofree double *q = source_operands (self, op, 0);
  g_autofree double *k = source_operands (self, op, 1);
  g_autofree double *v = source_operands (self, op, 2);
  Heads heads = { q, k, v };

  for (guint i = 0; i < op->n_ranges; i++)
    for (guint head = 0; head < op->attention.n_heads; head++)
      for (gint64 row = 0; row < op->ranges[i].length; row++)
        run_query (self, op, &heads, op->ranges[i].start, row, head, op->attention.causal ? row + 1 : op->ranges[i].length);
}

/* Element-wise operations */

static void
run_element_wise (Reference *self,
                  ZimOp     *op)
{
  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 col = 0; col < op->out->cols; col++)
      {
        double x = source_row (self, op, 0, row)[col];
        double other = op->n_sources > 1 ? source_row (self, op, 1, row)[col] : 0;
        double y;

        switch ((int) op->kind)
          {
          case ZIM_OP_SWIGLU:
            y = silu (x) * other;
            put_bounded (self, op, row, col, y, silu_bound (x) * fabs (other) + U * fabs (y) + 0x1p-149 * fabs (other));
            break;
          case ZIM_OP_SILU:
            put_bounded (self, op, row, col, silu (x), silu_bound (x));
            break;
          case ZIM_OP_TANH: /* of the C library: within two units in the last place */
            put_bounded (self, op, row, col, tanh (x), 4 * U * fabs (tanh (x)));
            break;
          case ZIM_OP_ADD:
            put_bounded (self, op, row, col, x + other, U * fabs (x + other));
            break;
          case ZIM_OP_AFFINE: /* fused or not */
            y = x * (double) op->affine.mul + op->affine.add;
            put_bounded (self, op, row, col, y, U * (fabs (x * op->affine.mul) + fabs (y)));
            break;
          default:
            g_assert_not_reached ();
          }
      }
}

/* Carries errors along */
static void
run_copy (Reference *self,
          ZimOp     *op)
{
  const ZimTensor *x = op->sources[0];
  const Expected *base = self->bases[base_id (self, x)];

  for (gint64 row = 0; row < x->rows; row++)
    for (gint64 col = 0; col < x->cols; col++)
      {
        gsize i = x->offset + row * x->stride + col;

        put (self, op, row, col, base->values[i], base->sigma[i], base->limit[i]);
      }
}

/* Convolution */

static void
run_window (Reference    *self,
            ZimOp        *op,
            const double *image,
            const double *weight,
            const double *bias,
            gint64        out_y,
            gint64        out_x,
            gint64        n)
{
  const ZimConvParams *conv = &op->conv;
  gint64 channels = op->sources[0]->cols, kernel = conv->kernel, zoom = conv->upsample ? 2 : 1;
  double sum = bias != NULL ? bias[n] : 0, squares = sum * sum;

  for (gint64 ky = 0; ky < kernel; ky++)
    for (gint64 kx = 0; kx < kernel; kx++)
      {
        gint64 y = out_y * conv->stride + ky - conv->pad, x = out_x * conv->stride + kx - conv->pad;
        const double *pixel;

        if (y < 0 || x < 0 || y >= conv->height * zoom || x >= conv->width * zoom)
          continue;
        pixel = image + (y / zoom * conv->width + x / zoom) * channels;
        for (gint64 c = 0; c < channels; c++)
          {
            double product = pixel[c] * weight[((n * channels + c) * kernel + ky) * kernel + kx];

            sum += product;
            squares += product * product;
          }
      }
  put_sum (self, op, out_y * conv->out_width + out_x, n, sum, sum_sigma (channels * kernel * kernel, squares));
}

static void
run_conv2d (Reference *self,
            ZimOp     *op)
{
  g_autofree double *image = source_operands (self, op, 0);
  g_autofree double *weight = decode_operands (self, op->conv.weight);
  g_autofree double *bias = decode_weight (op->conv.bias);

  for (gint64 y = 0; y < op->conv.out_height; y++)
    for (gint64 x = 0; x < op->conv.out_width; x++)
      for (gint64 n = 0; n < op->out->cols; n++)
        run_window (self, op, image, weight, bias, y, x, n);
}

static void
run_repeat_row (Reference *self,
                ZimOp     *op)
{
  g_autofree double *weight = decode_weight (op->row.weight);

  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 col = 0; col < op->out->cols; col++)
      put_exact (self, op, row, col, weight[col]);
}

/* Each element of the source finds its place in the result. */
static void
run_permute (Reference *self,
             ZimOp     *op)
{
  const ZimPermuteParams *permute = &op->permute;
  gint64 n = op->out->rows * op->out->cols;

  for (gint64 i = 0; i < n; i++)
    {
      gint64 index[ZIM_MAX_DIMS], rest = i, place = 0;

      for (int j = (int) permute->n_dims - 1; j >= 0; j--)
        {
          index[j] = rest % permute->dims[j];
          rest /= permute->dims[j];
        }
      for (guint j = 0; j < permute->n_dims; j++)
        place = place * permute->dims[permute->order[j]] + index[permute->order[j]];
      put_exact (self, op, place / op->out->cols, place % op->out->cols, source_row (self, op, 0, 0)[i]);
    }
}

static void
run_op (Reference *self,
        ZimOp     *op)
{
  switch ((int) op->kind)
    {
    case ZIM_OP_EMBED:
      run_embed (self, op);
      break;
    case ZIM_OP_LINEAR:
      run_linear (self, op);
      break;
    case ZIM_OP_RMS_NORM:
      run_rms_norm (self, op);
      break;
    case ZIM_OP_LAYER_NORM:
      run_layer_norm (self, op);
      break;
    case ZIM_OP_GROUP_NORM:
      run_group_norm (self, op);
      break;
    case ZIM_OP_ROPE:
      run_rope (self, op);
      break;
    case ZIM_OP_ATTENTION:
      run_attention (self, op);
      break;
    case ZIM_OP_CONV2D:
      run_conv2d (self, op);
      break;
    case ZIM_OP_REPEAT_ROW:
      run_repeat_row (self, op);
      break;
    case ZIM_OP_COPY:
      run_copy (self, op);
      break;
    case ZIM_OP_PERMUTE:
      run_permute (self, op);
      break;
    default:
      run_element_wise (self, op);
      break;
    }
}

void
reference_run (Reference *self)
{
  GPtrArray *ops = zim_program_get_ops (self->program);

  for (guint i = 0; i < ops->len; i++)
    run_op (self, g_ptr_array_index (ops, i));
}

Expected *
reference_get (Reference       *self,
               const ZimTensor *tensor)
{
  const Expected *base = self->bases[base_id (self, tensor)];
  Expected *expected = expected_new (tensor->rows * tensor->cols);

  for (gsize i = 0; i < expected->n; i++)
    {
      gsize at = tensor->offset + i / tensor->cols * tensor->stride + i % tensor->cols;

      expected->values[i] = base->values[at];
      expected->sigma[i] = base->sigma[at];
      expected->limit[i] = base->limit[at];
    }
  expected->slack = self->slack;
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

/* Σ of n squares of errors of that sigma is Σ sigma² · (1 ± √(2 / n)) if they are independent; 8 / √n is beyond five
 * times that. */
double
expected_check (const Expected *self,
                const float    *values)
{
  double errors = 0, allowed = self->slack, worst = 0;

  for (gsize i = 0; i < self->n; i++)
    {
      double error = fabs (values[i] - self->values[i]);

      if (!check_finite (self->values[i], values[i], i))
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
      g_test_message ("root of the summed squared errors is %.4g, expected at most %.4g", sqrt (errors), sqrt (allowed));
      g_test_fail ();
    }
  return MAX (worst, allowed > 0 ? sqrt (errors / allowed) : 0);
}
