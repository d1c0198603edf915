/* op-reference-ops.c: every operation in f64, written plainly
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "op-reference-internal.h"

/* The error of an f32 sum of k products in sequence, each of which has that square at the mean: the partial sums grow
 * as a random walk, so rounding the i-th is off by U/√3 · √i · √mean: U · √(k / 6) · √(Σ squares) over all of them.
 * Rounding the products themselves, the bias and a last factor adds as much as a few more terms. Sums in any other
 * order have smaller partial sums. */
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
  g_autofree double *weight = reference_decode (op->row.weight);

  for (gint64 row = 0; row < op->out->rows; row++)
    {
      gint64 id = (gint64) *reference_row (self, op, 0, row);

      for (gint64 col = 0; col < op->out->cols; col++)
        reference_put_exact (self, op, row, col, weight[id * op->out->cols + col]);
    }
}

/* A row of x as it is multiplied: H ⊗ … ⊗ H · x for a rotation, where an entry of H is −½ if row and column add up to
 * 3, else ½ */
static void
rotate_row (const double *x,
            gsize         k,
            guint         rotation,
            double       *rotated)
{
  for (gsize i = 0; i < k; i++)
    {
      gsize first = i - i % rotation;

      rotated[i] = 0;
      for (gsize j = 0; j < rotation; j++)
        {
          double factor = 1;

          for (guint step = 1; step < rotation; step *= 4)
            factor *= i % rotation / step % 4 + j / step % 4 == 3 ? -0.5 : 0.5;
          rotated[i] += factor * x[first + j];
        }
    }
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
  guint rotation = self->rotates_x ? part->rotation : 0;
  ZimWeight unrotated = *part;
  g_autofree double *weight = NULL;
  g_autofree double *bias = reference_decode (part_bias);
  g_autofree double *x = g_new (double, k);

  if (rotation != 0)
    unrotated.rotation = 0;
  weight = reference_decode_operands (self, &unrotated);
  for (gint64 row = 0; row < op->out->rows; row++)
    {
      rotate_row (reference_row (self, op, 0, row), k, MAX (rotation, 1), x);
      for (gsize i = 0; i < k; i++)
        x[i] = reference_round (self, x[i] * scale) / scale;
      for (gint64 n = 0; n < part->dims[0]; n++)
        {
          double sum = bias != NULL ? bias[n] : 0, squares = sum * sum;

          for (gsize i = 0; i < k; i++)
            {
              double product = x[i] * weight[n * k + i];

              sum += product;
              squares += product * product;
            }
          reference_put_sum (self, op, row, first + n, sum, sum_sigma (k, squares));
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
      const ZimWeight *bias = op->linear.biases != NULL ? op->linear.biases[i] : NULL;

      run_linear_part (self, op, op->linear.weights[i], bias, first);
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
      return reference_row (self, op, 1, op->ranges[i].sample);
  g_assert_not_reached ();
}

/* An f32 sum of n numbers of one sign, made in at least four lanes of four (or more) sums each: at most n / 16
 * additions in a row, whose errors walk randomly; halved by the square root of a norm. To that come the roundings of
 * the mean, the root, its inverse and the factors. */
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
  g_autofree double *weight = reference_decode (op->norm.weight);

  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 start = 0; start < op->out->cols; start += group)
      {
        const double *x = reference_row (self, op, 0, row) + start, *scale = row_scale (self, op, row);
        double squares = 0;

        for (gint64 i = 0; i < group; i++)
          squares += x[i] * x[i];
        for (gint64 i = 0; i < group; i++)
          {
            double y = x[i] / sqrt (squares / group + op->norm.eps);

            y *= (weight != NULL ? weight[i] : 1) * (scale != NULL ? scale[start + i] : 1);
            reference_put_bounded (self, op, row, start + i, y, norm_bound (group) * fabs (y));
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
      const double *x = reference_row (self, op, 0, row), *scale = row_scale (self, op, row);
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

          reference_put_bounded (self, op, row, i, y, norm_bound (n) * (fabs (y) + size * fabs (factor)));
        }
    }
}

static double
silu (double x)
{
  return x / (1 + exp (-x));
}

/* eˣ in f32 is good to 2.4 U and 1 + eˣ and the division add one each. Below x = −ln (largest f32) eˣ is infinite,
 * which makes the result 0: at most 89 · 2⁻¹²⁸ off. */
static double
silu_bound (double x)
{
  return 4.5 * U * fabs (silu (x)) + (x < -88.7 ? 0x1p-121 : 0);
}

static void
run_group_sums (Reference *self,
                ZimOp     *op)
{
  const double *shift = reference_row (self, op, 1, 0);

  for (gint64 block = 0; block < op->out->rows; block++)
    for (gint64 c = 0; c < op->sources[0]->cols; c++)
      {
        double sum = 0, squares = 0;

        for (gint64 row = block * op->norm.rows; row < MIN ((block + 1) * op->norm.rows, op->sources[0]->rows); row++)
          {
            double d = reference_row (self, op, 0, row)[c] - shift[c];

            sum += d;
            squares += d * d;
          }
        reference_put_exact (self, op, block, 4 * c, sum);
        reference_put_exact (self, op, block, 4 * c + 1, 0);
        reference_put_exact (self, op, block, 4 * c + 2, squares);
        reference_put_exact (self, op, block, 4 * c + 3, 0);
      }
}

/* The sum over all blocks of a channel's Σ (0) or Σ² (2) */
static double
block_sum (Reference *self,
           ZimOp     *op,
           gint64     channel,
           gint64     which)
{
  double sum = 0;

  for (gint64 block = 0; block < op->sources[0]->rows; block++)
    sum += reference_row (self, op, 0, block)[4 * channel + which];
  return sum;
}

/* Two passes: the mean of the group, then the squares about it, Σ (x − m)² = Σ (d − e)², e = m − shift. */
static void
run_group_factors (Reference *self,
                   ZimOp     *op)
{
  g_autofree double *weight = reference_decode (op->norm.weight);
  g_autofree double *bias = reference_decode (op->norm.bias);
  const double *shift = reference_row (self, op, 1, 0);
  gint64 channels = op->out->cols / op->norm.group;
  double rows = op->norm.rows;

  for (gint64 first = 0; first < op->out->cols; first += channels)
    {
      double mean = 0, variance = 0, factor;

      for (gint64 c = first; c < first + channels; c++)
        mean += (block_sum (self, op, c, 0) / rows + shift[c]) / channels;
      for (gint64 c = first; c < first + channels; c++)
        {
          double e = mean - shift[c];

          variance += (block_sum (self, op, c, 2) - 2 * e * block_sum (self, op, c, 0)) / rows / channels;
          variance += e * e / channels;
        }
      factor = 1 / sqrt (MAX (variance, 0) + op->norm.eps);
      for (gint64 c = first; c < first + channels; c++)
        {
          reference_put_exact (self, op, 0, c, mean);
          reference_put_exact (self, op, 1, c, factor * (weight != NULL ? weight[c] : 1));
          reference_put_exact (self, op, 2, c, bias != NULL ? bias[c] : 0);
        }
    }
}

/* Statistics are sums in f64; what is left are the differences from the mean, a factor and the bias; SiLU has
 * a slope of at most 1.1. */
static void
run_group_norm (Reference *self,
                ZimOp     *op)
{
  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 c = 0; c < op->out->cols; c++)
      {
        double bias = reference_row (self, op, 1, 2)[c];
        double product = (reference_row (self, op, 0, row)[c] - reference_row (self, op, 1, 0)[c]) *
                         reference_row (self, op, 1, 1)[c];
        double y = product + bias, bound = 4 * U * (fabs (product) + fabs (bias));

        if (op->norm.silu)
          reference_put_bounded (self, op, row, c, silu (y), 1.1 * bound + silu_bound (y));
        else
          reference_put_bounded (self, op, row, c, y, bound);
      }
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
          const double *x = reference_row (self, op, 0, row);
          gint64 first = start + (op->rope.interleaved ? 2 * m : m);
          gint64 second = start + (op->rope.interleaved ? 2 * m + 1 : m + half);
          double cos = reference_row (self, op, 1, row)[m], sin = reference_row (self, op, 2, row)[m];
          double a = x[first], b = x[second];

          reference_put_bounded (self, op, row, first, a * cos - b * sin, 2 * U * (fabs (a * cos) + fabs (b * sin)));
          reference_put_bounded (self, op, row, second, a * sin + b * cos, 2 * U * (fabs (a * sin) + fabs (b * cos)));
        }
}

/* Element-wise operations */

static void
run_element_wise (Reference *self,
                  ZimOp     *op)
{
  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 col = 0; col < op->out->cols; col++)
      {
        double x = reference_row (self, op, 0, row)[col];
        double other = op->n_sources > 1 ? reference_row (self, op, 1, row)[col] : 0;
        double y;

        switch ((int) op->kind)
          {
          case ZIM_OP_SWIGLU:
            y = silu (x) * other;
            reference_put_bounded (self, op, row, col, y, (silu_bound (x) + 0x1p-149) * fabs (other) + U * fabs (y));
            break;
          case ZIM_OP_SILU:
            reference_put_bounded (self, op, row, col, silu (x), silu_bound (x));
            break;
          case ZIM_OP_TANH: /* of the C library: within two units in the last place */
            reference_put_bounded (self, op, row, col, tanh (x), 4 * U * fabs (tanh (x)));
            break;
          case ZIM_OP_ADD:
            reference_put_bounded (self, op, row, col, x + other, U * fabs (x + other));
            break;
          case ZIM_OP_AFFINE: /* fused or not */
            y = x * (double) op->affine.mul + op->affine.add;
            reference_put_bounded (self, op, row, col, y, U * (fabs (x * op->affine.mul) + fabs (y)));
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
  const Expected *base = self->bases[reference_base_id (self, x)];

  for (gint64 row = 0; row < x->rows; row++)
    for (gint64 col = 0; col < x->cols; col++)
      {
        gsize i = x->offset + row * x->stride + col;

        reference_put (self, op, row, col, base->values[i], base->sigma[i], base->limit[i]);
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
        gint64 y = (conv->out_first + out_y) * conv->stride + ky - conv->pad, x = out_x * conv->stride + kx - conv->pad;
        const double *pixel;

        if (y < 0 || x < 0 || y >= conv->height * zoom || x >= conv->width * zoom)
          continue;
        pixel = image + ((y / zoom - conv->first) * conv->width + x / zoom) * channels;
        for (gint64 c = 0; c < channels; c++)
          {
            double product = pixel[c] * weight[((n * channels + c) * kernel + ky) * kernel + kx];

            sum += product;
            squares += product * product;
          }
      }
  reference_put_sum (self, op, out_y * conv->out_width + out_x, n, sum,
                     sum_sigma (channels * kernel * kernel, squares));
}

static void
run_conv2d (Reference *self,
            ZimOp     *op)
{
  g_autofree double *image = reference_operands (self, op, 0);
  g_autofree double *weight = reference_decode_operands (self, op->conv.weight);
  g_autofree double *bias = reference_decode (op->conv.bias);

  for (gint64 y = 0; y < op->out->rows / op->conv.out_width; y++)
    for (gint64 x = 0; x < op->conv.out_width; x++)
      for (gint64 n = 0; n < op->out->cols; n++)
        run_window (self, op, image, weight, bias, y, x, n);
}

static void
run_repeat_row (Reference *self,
                ZimOp     *op)
{
  g_autofree double *weight = reference_decode (op->row.weight);

  for (gint64 row = 0; row < op->out->rows; row++)
    for (gint64 col = 0; col < op->out->cols; col++)
      reference_put_exact (self, op, row, col, weight[col]);
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
      gint64 index[ZIM_MAX_DIMS] = { 0 }, rest = i, place = 0;

      for (int j = (int) permute->n_dims - 1; j >= 0; j--)
        {
          index[j] = rest % permute->dims[j];
          rest /= permute->dims[j];
        }
      for (guint j = 0; j < permute->n_dims; j++)
        place = place * permute->dims[permute->order[j]] + index[permute->order[j]];
      reference_put_exact (self, op, place / op->out->cols, place % op->out->cols, reference_row (self, op, 0, 0)[i]);
    }
}

void
reference_run_op (Reference *self,
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
    case ZIM_OP_GROUP_SUMS:
      run_group_sums (self, op);
      break;
    case ZIM_OP_GROUP_FACTORS:
      run_group_factors (self, op);
      break;
    case ZIM_OP_GROUP_NORM:
      run_group_norm (self, op);
      break;
    case ZIM_OP_ROPE:
      run_rope (self, op);
      break;
    case ZIM_OP_ATTENTION:
      reference_run_attention (self, op);
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
