/* zim-op.c: the operations: their shape rules and their cost
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/zim-op-private.h"

#define SHAPE "[%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "]"
#define SHAPE_ARGS(t) (t)->rows, (t)->cols

static const char *const op_names[ZIM_N_OPS] = {
  [ZIM_OP_EMBED] = "embed",
  [ZIM_OP_LINEAR] = "linear",
  [ZIM_OP_RMS_NORM] = "rms_norm",
  [ZIM_OP_LAYER_NORM] = "layer_norm",
  [ZIM_OP_GROUP_SUMS] = "group_sums",
  [ZIM_OP_GROUP_FACTORS] = "group_factors",
  [ZIM_OP_GROUP_NORM] = "group_norm",
  [ZIM_OP_ROPE] = "rope",
  [ZIM_OP_ATTENTION] = "attention",
  [ZIM_OP_SWIGLU] = "swiglu",
  [ZIM_OP_SILU] = "silu",
  [ZIM_OP_TANH] = "tanh",
  [ZIM_OP_ADD] = "add",
  [ZIM_OP_AFFINE] = "affine",
  [ZIM_OP_CONV2D] = "conv2d",
  [ZIM_OP_REPEAT_ROW] = "repeat_row",
  [ZIM_OP_COPY] = "copy",
  [ZIM_OP_PERMUTE] = "permute",
};

const char *
zim_op_kind_name (ZimOpKind kind)
{
  return op_names[kind];
}

static double
zim_attention_flops (const ZimOp *op)
{
  double pairs = 0;

  for (guint i = 0; i < op->n_ranges; i++)
    {
      double n = op->ranges[i].length;

      pairs += op->attention.causal ? n * (n + 1) / 2 : n * n;
    }
  return 4.0 * pairs * op->attention.n_heads * op->attention.head_dim;
}

double
zim_op_get_flops (const ZimOp *op)
{
  switch (op->kind)
    {
    case ZIM_OP_LINEAR:
      return 2.0 * op->out->rows * op->out->cols * op->sources[0]->cols;
    case ZIM_OP_CONV2D:
      return 2.0 * op->out->rows * op->out->cols * op->sources[0]->cols * op->conv.kernel * op->conv.kernel;
    case ZIM_OP_ATTENTION:
      return zim_attention_flops (op);
    default:
      return 0;
    }
}

/* Recording helpers */

static void
check_f32 (ZimProgram      *self,
           const char      *name,
           const ZimTensor *x)
{
  zim_program_check (self, x->dtype == ZIM_DTYPE_F32, "%s: a tensor is %s, expected F32", name,
                     zim_dtype_name (x->dtype));
}

static void
check_vector (ZimProgram      *self,
              const char      *name,
              const ZimWeight *weight,
              gint64           n)
{
  if (weight != NULL && zim_weight_n_elements (weight) != n)
    {
      g_autofree char *shape = zim_shape_to_string (weight->n_dims, weight->dims);

      zim_program_check (self, FALSE, "%s: weight “%s” has shape %s, expected [%" G_GINT64_FORMAT "]", name,
                         weight->name, shape, n);
    }
}

static ZimOp *
add_op_1 (ZimProgram *self,
          ZimOpKind   kind,
          ZimTensor  *x,
          ZimTensor  *out)
{
  ZimOp *op = zim_program_add_op (self, kind, out);

  check_f32 (self, op_names[kind], x);
  op->sources[0] = x;
  op->n_sources = 1;
  return op;
}

static ZimTensor *
add_elementwise (ZimProgram *self,
                 ZimOpKind   kind,
                 ZimTensor  *a,
                 ZimTensor  *b)
{
  ZimTensor *out = zim_program_add_result (self, a->rows, a->cols);
  ZimOp *op = add_op_1 (self, kind, a, out);

  if (b != NULL)
    {
      zim_program_check (self, a->rows == b->rows && a->cols == b->cols, "%s: " SHAPE " and " SHAPE " differ",
                         op_names[kind], SHAPE_ARGS (a), SHAPE_ARGS (b));
      check_f32 (self, op_names[kind], b);
      op->sources[1] = b;
      op->n_sources = 2;
    }
  return out;
}

static void
set_ranges (ZimProgram      *self,
            ZimOp           *op,
            const ZimRange  *ranges,
            guint            n_ranges,
            gint64           n_samples)
{
  gint64 rows = op->sources[0]->rows, covered = 0;
  ZimRange whole = { 0, rows, 0 };

  if (ranges == NULL)
    {
      ranges = &whole;
      n_ranges = 1;
    }
  for (guint i = 0; i < n_ranges; i++)
    {
      zim_program_check (self, ranges[i].start == covered && ranges[i].length > 0,
                         "%s: range %u starts at row %" G_GINT64_FORMAT ", expected %" G_GINT64_FORMAT,
                         op_names[op->kind], i, ranges[i].start, covered);
      zim_program_check (self, n_samples < 0 || ranges[i].sample < n_samples,
                         "%s: range %u names sample %u of %" G_GINT64_FORMAT, op_names[op->kind], i, ranges[i].sample,
                         n_samples);
      covered += ranges[i].length;
    }
  zim_program_check (self, covered == rows, "%s: ranges cover %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " rows",
                     op_names[op->kind], covered, rows);
  op->ranges = g_memdup2 (ranges, n_ranges * sizeof *ranges);
  op->n_ranges = n_ranges;
}

/* The operations */

ZimTensor *
zim_program_embed (ZimProgram      *self,
                   ZimTensor       *ids,
                   const ZimWeight *weight)
{
  ZimTensor *out = zim_program_add_result (self, ids->rows, weight->n_dims == 2 ? weight->dims[1] : 1);
  ZimOp *op = zim_program_add_op (self, ZIM_OP_EMBED, out);

  zim_program_check (self, ids->dtype == ZIM_DTYPE_I32 && ids->cols == 1,
                     "embed: ids are %s " SHAPE ", expected I32 [n, 1]", zim_dtype_name (ids->dtype), SHAPE_ARGS (ids));
  zim_program_check (self, weight->n_dims == 2, "embed: weight “%s” has %u dimensions, expected 2", weight->name,
                     weight->n_dims);
  op->sources[0] = ids;
  op->n_sources = 1;
  op->row.weight = weight;
  return out;
}

static void
check_linear_part (ZimProgram      *self,
                   const ZimTensor *x,
                   const ZimWeight *weight,
                   const ZimWeight *bias)
{
  if (weight->n_dims != 2 || weight->dims[1] != x->cols)
    {
      g_autofree char *shape = zim_shape_to_string (weight->n_dims, weight->dims);

      zim_program_check (self, FALSE, "linear: weight “%s” has shape %s, expected [out, %" G_GINT64_FORMAT "]",
                         weight->name, shape, x->cols);
    }
  check_vector (self, "linear", bias, weight->dims[0]);
}

ZimTensor *
zim_program_linear (ZimProgram             *self,
                    ZimTensor              *x,
                    const ZimWeight *const *weights,
                    const ZimWeight *const *biases,
                    guint                   n_weights,
                    float                   operand_scale)
{
  gint64 cols = 0;
  ZimTensor *out;
  ZimOp *op;

  for (guint i = 0; i < n_weights; i++)
    cols += weights[i]->dims[0];
  out = zim_program_add_result (self, x->rows, cols);
  op = add_op_1 (self, ZIM_OP_LINEAR, x, out);
  for (guint i = 0; i < n_weights; i++)
    check_linear_part (self, x, weights[i], biases != NULL ? biases[i] : NULL);
  op->linear.n_weights = n_weights;
  op->linear.weights = zim_program_copy_weights (self, weights, n_weights);
  op->linear.biases = biases != NULL ? zim_program_copy_weights (self, biases, n_weights) : NULL;
  op->linear.operand_scale = operand_scale;
  return out;
}

static ZimTensor *
add_norm (ZimProgram     *self,
          ZimOpKind       kind,
          ZimTensor      *x,
          float           eps,
          ZimTensor      *scale,
          const ZimRange *ranges,
          guint           n_ranges)
{
  ZimTensor *out = zim_program_add_result (self, x->rows, x->cols);
  ZimOp *op = add_op_1 (self, kind, x, out);

  op->norm.eps = eps;
  op->norm.group = x->cols;
  if (scale != NULL)
    {
      zim_program_check (self, scale->cols == x->cols,
                         "%s: scale is " SHAPE ", expected [samples, %" G_GINT64_FORMAT "]",
                         op_names[kind], SHAPE_ARGS (scale), x->cols);
      check_f32 (self, op_names[kind], scale);
      op->sources[1] = scale;
      op->n_sources = 2;
    }
  set_ranges (self, op, ranges, n_ranges, scale != NULL ? scale->rows : -1);
  return out;
}

static ZimOp *
last_op (ZimProgram *self)
{
  GPtrArray *ops = zim_program_get_ops (self);

  return g_ptr_array_index (ops, ops->len - 1);
}

ZimTensor *
zim_program_rms_norm (ZimProgram      *self,
                      ZimTensor       *x,
                      const ZimWeight *weight,
                      gint64           group,
                      float            eps,
                      ZimTensor       *scale,
                      const ZimRange  *ranges,
                      guint            n_ranges)
{
  ZimTensor *out = add_norm (self, ZIM_OP_RMS_NORM, x, eps, scale, ranges, n_ranges);
  ZimOp *op = last_op (self);

  if (group == 0)
    group = x->cols;
  zim_program_check (self, x->cols % group == 0,
                     "rms_norm: " SHAPE " has no whole groups of %" G_GINT64_FORMAT " columns",
                     SHAPE_ARGS (x), group);
  check_vector (self, "rms_norm", weight, group);
  op->norm.group = group;
  op->norm.weight = weight;
  return out;
}

ZimTensor *
zim_program_layer_norm (ZimProgram     *self,
                        ZimTensor      *x,
                        float           eps,
                        ZimTensor      *scale,
                        const ZimRange *ranges,
                        guint           n_ranges)
{
  return add_norm (self, ZIM_OP_LAYER_NORM, x, eps, scale, ranges, n_ranges);
}

void
zim_program_group_sums (ZimProgram *self,
                        ZimTensor  *x,
                        ZimTensor  *shift,
                        gint64      block,
                        ZimTensor  *sums)
{
  ZimOp *op = add_op_1 (self, ZIM_OP_GROUP_SUMS, x, sums);

  zim_program_check (self, shift->rows == 1 && shift->cols == x->cols,
                     "group_sums: shift is " SHAPE ", expected [1, %" G_GINT64_FORMAT "]", SHAPE_ARGS (shift), x->cols);
  zim_program_check (self, block > 0 && sums->rows == (x->rows + block - 1) / MAX (block, 1) &&
                             sums->cols == 4 * x->cols,
                     "group_sums: sums of " SHAPE " in blocks of %" G_GINT64_FORMAT " rows are " SHAPE, SHAPE_ARGS (x),
                     block, SHAPE_ARGS (sums));
  check_f32 (self, "group_sums", shift);
  op->sources[1] = shift;
  op->n_sources = 2;
  op->norm.rows = block;
}

ZimTensor *
zim_program_group_factors (ZimProgram      *self,
                           ZimTensor       *sums,
                           ZimTensor       *shift,
                           const ZimWeight *weight,
                           const ZimWeight *bias,
                           guint            n_groups,
                           float            eps,
                           gint64           n_rows)
{
  gint64 cols = shift->cols;
  ZimTensor *out = zim_program_add_result (self, 3, cols);
  ZimOp *op = add_op_1 (self, ZIM_OP_GROUP_FACTORS, sums, out);

  zim_program_check (self, shift->rows == 1 && sums->cols == 4 * cols,
                     "group_factors: sums are " SHAPE " and shift is " SHAPE, SHAPE_ARGS (sums), SHAPE_ARGS (shift));
  zim_program_check (self, n_groups > 0 && cols % n_groups == 0,
                     "group_norm: [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "] has no %u groups of channels", n_rows,
                     cols, n_groups);
  check_vector (self, "group_norm", weight, cols);
  check_vector (self, "group_norm", bias, cols);
  check_f32 (self, "group_factors", shift);
  op->sources[1] = shift;
  op->n_sources = 2;
  op->norm.weight = weight;
  op->norm.bias = bias;
  op->norm.group = n_groups;
  op->norm.eps = eps;
  op->norm.rows = n_rows;
  return out;
}

ZimTensor *
zim_program_group_apply (ZimProgram *self,
                         ZimTensor  *x,
                         ZimTensor  *factors,
                         gboolean    silu)
{
  ZimTensor *out = zim_program_add_result (self, x->rows, x->cols);
  ZimOp *op = add_op_1 (self, ZIM_OP_GROUP_NORM, x, out);

  zim_program_check (self, factors->rows == 3 && factors->cols == x->cols,
                     "group_norm: factors are " SHAPE ", expected [3, %" G_GINT64_FORMAT "]", SHAPE_ARGS (factors),
                     x->cols);
  check_f32 (self, "group_norm", factors);
  op->sources[1] = factors;
  op->n_sources = 2;
  op->norm.silu = silu;
  return out;
}

#define MIN_BLOCK 512
#define MAX_BLOCKS 2048

ZimTensor *
zim_program_group_norm (ZimProgram      *self,
                        ZimTensor       *x,
                        const ZimWeight *weight,
                        const ZimWeight *bias,
                        guint            n_groups,
                        float            eps,
                        gboolean         silu)
{
  gint64 block = MAX (MIN_BLOCK, (x->rows + MAX_BLOCKS - 1) / MAX_BLOCKS);
  ZimTensor *sums = zim_program_empty (self, (x->rows + block - 1) / block, 4 * x->cols);
  ZimTensor *shift = zim_program_rows (self, x, 0, 1), *factors;

  zim_program_group_sums (self, x, shift, block, sums);
  factors = zim_program_group_factors (self, sums, shift, weight, bias, n_groups, eps, x->rows);
  return zim_program_group_apply (self, x, factors, silu);
}

ZimTensor *
zim_program_rope (ZimProgram *self,
                  ZimTensor  *x,
                  ZimTensor  *cos,
                  ZimTensor  *sin,
                  guint       head_dim,
                  gboolean    interleaved)
{
  ZimTensor *out = zim_program_add_result (self, x->rows, x->cols);
  ZimOp *op = add_op_1 (self, ZIM_OP_ROPE, x, out);

  zim_program_check (self, head_dim > 0 && head_dim % 2 == 0 && x->cols % head_dim == 0,
                     "rope: " SHAPE " has no whole heads of %u", SHAPE_ARGS (x), head_dim);
  zim_program_check (self, cos->rows == x->rows && cos->cols == head_dim / 2 && sin->rows == x->rows &&
                             sin->cols == head_dim / 2,
                     "rope: tables are " SHAPE " and " SHAPE ", expected [%" G_GINT64_FORMAT ", %u]", SHAPE_ARGS (cos),
                     SHAPE_ARGS (sin), x->rows, head_dim / 2);
  check_f32 (self, "rope", cos);
  check_f32 (self, "rope", sin);
  op->sources[1] = cos;
  op->sources[2] = sin;
  op->n_sources = 3;
  op->rope.head_dim = head_dim;
  op->rope.interleaved = interleaved;
  return out;
}

ZimTensor *
zim_program_attention (ZimProgram     *self,
                       ZimTensor      *q,
                       ZimTensor      *k,
                       ZimTensor      *v,
                       guint           n_heads,
                       guint           n_kv_heads,
                       guint           head_dim,
                       gboolean        causal,
                       const ZimRange *ranges,
                       guint           n_ranges)
{
  gint64 kv_cols = (gint64) n_kv_heads * head_dim;
  ZimTensor *out = zim_program_add_result (self, q->rows, q->cols);
  ZimOp *op = add_op_1 (self, ZIM_OP_ATTENTION, q, out);

  zim_program_check (self, n_kv_heads > 0 && n_heads % n_kv_heads == 0, "attention: %u heads over %u key heads",
                     n_heads, n_kv_heads);
  zim_program_check (self, q->cols == (gint64) n_heads * head_dim, "attention: q is " SHAPE ", expected %u heads of %u",
                     SHAPE_ARGS (q), n_heads, head_dim);
  zim_program_check (self, k->rows == q->rows && v->rows == q->rows && k->cols == kv_cols && v->cols == kv_cols,
                     "attention: k is " SHAPE ", v is " SHAPE ", expected [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "]",
                     SHAPE_ARGS (k), SHAPE_ARGS (v), q->rows, kv_cols);
  check_f32 (self, "attention", k);
  check_f32 (self, "attention", v);
  op->sources[1] = k;
  op->sources[2] = v;
  op->n_sources = 3;
  op->attention.n_heads = n_heads;
  op->attention.n_kv_heads = n_kv_heads;
  op->attention.head_dim = head_dim;
  op->attention.causal = causal;
  set_ranges (self, op, ranges, n_ranges, -1);
  return out;
}

ZimTensor *
zim_program_swiglu (ZimProgram *self,
                    ZimTensor  *gate,
                    ZimTensor  *up)
{
  return add_elementwise (self, ZIM_OP_SWIGLU, gate, up);
}

ZimTensor *
zim_program_silu (ZimProgram *self,
                  ZimTensor  *x)
{
  return add_elementwise (self, ZIM_OP_SILU, x, NULL);
}

ZimTensor *
zim_program_tanh (ZimProgram *self,
                  ZimTensor  *x)
{
  return add_elementwise (self, ZIM_OP_TANH, x, NULL);
}

ZimTensor *
zim_program_add (ZimProgram *self,
                 ZimTensor  *a,
                 ZimTensor  *b)
{
  return add_elementwise (self, ZIM_OP_ADD, a, b);
}

ZimTensor *
zim_program_affine (ZimProgram *self,
                    ZimTensor  *x,
                    float       mul,
                    float       add)
{
  ZimTensor *out = add_elementwise (self, ZIM_OP_AFFINE, x, NULL);
  ZimOp *op = last_op (self);

  op->affine.mul = mul;
  op->affine.add = add;
  return out;
}

/* Rows or columns of the result: those of the padded input that a window fits into. After the last row or
 * column there is as much padding as the window needs: pad for stride 1, pad + 1 in all for a stride of 2
 * over an even side, which is the asymmetric padding of the autoencoder's downsampler when pad is 0. */
static gint64
conv_out_size (gint64 size,
               guint  stride)
{
  return stride > 0 ? (size + stride - 1) / stride : size;
}

void
zim_conv_source_rows (gint64    height,
                      guint     kernel,
                      guint     stride,
                      guint     pad,
                      gboolean  upsample,
                      gint64    out_first,
                      gint64    out_rows,
                      gint64   *first,
                      gint64   *n)
{
  guint zoom = upsample ? 2 : 1;
  gint64 top = MAX (out_first * stride - pad, 0) / zoom;
  gint64 last = MAX ((out_first + out_rows - 1) * stride + kernel - 1 - pad, 0) / zoom;

  *first = MIN (top, height - 1);
  *n = MIN (last, height - 1) + 1 - *first;
}

static void
check_band (ZimProgram *self,
            ZimOp      *op,
            gint64      out_rows)
{
  const ZimConvParams *conv = &op->conv;
  gint64 height = op->sources[0]->rows / conv->width, first, n;

  zim_conv_source_rows (conv->height, conv->kernel, conv->stride, conv->pad, conv->upsample, conv->out_first, out_rows,
                        &first, &n);
  zim_program_check (self, op->sources[0]->rows == height * conv->width,
                     "conv2d: " SHAPE " is no rows of %" G_GINT64_FORMAT " pixels", SHAPE_ARGS (op->sources[0]),
                     conv->width);
  zim_program_check (self, conv->out_first >= 0 && out_rows > 0 && conv->out_first + out_rows <= conv->out_height,
                     "conv2d: rows %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT, conv->out_first,
                     conv->out_first + out_rows, conv->out_height);
  zim_program_check (self, conv->first >= 0 && conv->first + height <= conv->height && conv->first <= first &&
                             first + n <= conv->first + height,
                     "conv2d: " SHAPE " is rows %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                     ", expected %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, SHAPE_ARGS (op->sources[0]), conv->first,
                     conv->first + height, conv->height, first, first + n);
}

ZimTensor *
zim_program_conv2d_band (ZimProgram      *self,
                         ZimTensor       *x,
                         const ZimWeight *weight,
                         const ZimWeight *bias,
                         gint64           height,
                         gint64           width,
                         guint            stride,
                         guint            pad,
                         gboolean         upsample,
                         gint64           first,
                         gint64           out_first,
                         gint64           out_rows)
{
  gint64 out_width = conv_out_size (upsample ? 2 * width : width, stride);
  ZimTensor *out = zim_program_add_result (self, out_rows * out_width, weight->dims[0]);
  ZimOp *op = add_op_1 (self, ZIM_OP_CONV2D, x, out);

  op->conv = (ZimConvParams) {
    .weight = weight, .bias = bias, .height = height, .width = width,
    .out_height = conv_out_size (upsample ? 2 * height : height, stride), .out_width = out_width, .first = first,
    .out_first = out_first, .kernel = (guint) weight->dims[2], .stride = stride, .pad = pad, .upsample = upsample,
  };
  if (weight->n_dims != 4 || weight->dims[1] != x->cols || weight->dims[2] != weight->dims[3])
    {
      g_autofree char *shape = zim_shape_to_string (weight->n_dims, weight->dims);

      zim_program_check (self, FALSE, "conv2d: weight “%s” has shape %s, expected [out, %" G_GINT64_FORMAT ", k, k]",
                         weight->name, shape, x->cols);
    }
  zim_program_check (self, stride > 0, "conv2d: " SHAPE " with a stride of 0", SHAPE_ARGS (x));
  if (height > 0 && width > 0 && stride > 0)
    check_band (self, op, out_rows);
  check_vector (self, "conv2d", bias, weight->dims[0]);
  return out;
}

ZimTensor *
zim_program_conv2d (ZimProgram      *self,
                    ZimTensor       *x,
                    const ZimWeight *weight,
                    const ZimWeight *bias,
                    gint64           height,
                    gint64           width,
                    guint            stride,
                    guint            pad,
                    gboolean         upsample)
{
  zim_program_check (self, x->rows == height * width,
                     "conv2d: " SHAPE " is no image of %" G_GINT64_FORMAT " by %" G_GINT64_FORMAT,
                     SHAPE_ARGS (x), height, width);
  return zim_program_conv2d_band (self, x, weight, bias, height, width, stride, pad, upsample, 0, 0,
                                  conv_out_size (upsample ? 2 * height : height, stride));
}

ZimTensor *
zim_program_repeat_row (ZimProgram      *self,
                        const ZimWeight *weight,
                        gint64           n)
{
  ZimTensor *out = zim_program_add_result (self, n, zim_weight_n_elements (weight));
  ZimOp *op = zim_program_add_op (self, ZIM_OP_REPEAT_ROW, out);

  op->row.weight = weight;
  return out;
}

void
zim_program_copy_to (ZimProgram *self,
                     ZimTensor  *x,
                     ZimTensor  *destination)
{
  add_op_1 (self, ZIM_OP_COPY, x, destination);
  zim_program_check (self, x->rows == destination->rows && x->cols == destination->cols, "copy: " SHAPE " into " SHAPE,
                     SHAPE_ARGS (x), SHAPE_ARGS (destination));
  check_f32 (self, "copy", destination);
  zim_program_check (self, destination->place != ZIM_PLACE_INPUT, "copy: the destination is an input");
}

ZimTensor *
zim_program_permute (ZimProgram   *self,
                     ZimTensor    *x,
                     guint         n_dims,
                     const gint64 *dims,
                     const guint  *order,
                     gint64        rows,
                     gint64        cols)
{
  ZimTensor *out = zim_program_add_result (self, rows, cols);
  ZimOp *op = add_op_1 (self, ZIM_OP_PERMUTE, x, out);
  gint64 n = 1;
  guint seen = 0;

  zim_program_check (self, n_dims <= ZIM_MAX_DIMS, "permute: " SHAPE " as %u dimensions, expected at most %u",
                     SHAPE_ARGS (x), n_dims, ZIM_MAX_DIMS);
  n_dims = MIN (n_dims, ZIM_MAX_DIMS);
  op->permute.n_dims = n_dims;
  for (guint i = 0; i < n_dims; i++)
    {
      op->permute.dims[i] = dims[i];
      op->permute.order[i] = order[i];
      seen |= order[i] < n_dims ? 1u << order[i] : 0;
      n *= dims[i];
    }
  zim_program_check (self, zim_tensor_is_contiguous (x) && n == x->rows * x->cols && n == rows * cols &&
                             seen == (1u << n_dims) - 1,
                     "permute: " SHAPE " to " SHAPE " through %" G_GINT64_FORMAT " elements", SHAPE_ARGS (x), rows,
                     cols, n);
  return out;
}
