/* zim-program-private.h: a list of tensor operations, recorded once and replayed
 *
 * Model code records a program through the typed calls below; a ZimBackend compiles it for its device and
 * runs it as often as needed. Activations are [rows, cols], row-major; several samples of different
 * length lie one after another and are told apart by row ranges. Linear weights are [out, in].
 *
 *   ZimProgram *p = zim_program_new ("mlp");
 *   ZimTensor *x = zim_program_input (p, "x", ZIM_DTYPE_F32, rows, 96);
 *   ZimTensor *h = zim_program_silu (p, zim_program_linear (p, x, &w0, &b0, 1));
 *   zim_program_output (p, zim_program_linear (p, h, &w1, &b1, 1), "y");
 *
 * A call with shapes that do not fit records an error, which names the operation and the shapes, and returns a
 * tensor all the same, so that model code needs no checks; compiling the program reports the first one.
 * Programs are built and compiled by one thread at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

#include "compute/zim-weight-private.h"

G_BEGIN_DECLS

typedef struct _ZimOp ZimOp;
typedef struct _ZimProgram ZimProgram;
typedef struct _ZimState ZimState;
typedef struct _ZimTensor ZimTensor;

typedef enum {
  ZIM_PLACE_INPUT,     /* written by the caller for each run */
  ZIM_PLACE_TEMPORARY, /* lives in the arena between its first and its last use */
  ZIM_PLACE_OUTPUT,    /* a temporary that is kept to the end of the run, for the caller to read */
  ZIM_PLACE_STATE,     /* stays on the device between runs, shared by programs */
} ZimPlace;

struct _ZimTensor {
  guint      id;
  ZimDType   dtype;
  ZimPlace   place;
  gint64     rows;
  gint64     cols;
  gint64     stride; /* elements from one row to the next */
  ZimTensor *base;   /* the tensor that this one is a part of, or itself */
  gint64     offset; /* elements from the start of base */
  ZimState  *state;  /* for ZIM_PLACE_STATE; not owned */
  char      *name;   /* (nullable) */
};

/* Rows start … start + length − 1 belong to one sample. */
typedef struct {
  gint64 start;
  gint64 length;
  guint  sample; /* the row of a modulation tensor that applies to them */
} ZimRange;

typedef enum {
  ZIM_OP_EMBED,
  ZIM_OP_LINEAR,
  ZIM_OP_RMS_NORM,
  ZIM_OP_LAYER_NORM,
  ZIM_OP_GROUP_SUMS,
  ZIM_OP_GROUP_FACTORS,
  ZIM_OP_GROUP_NORM,
  ZIM_OP_ROPE,
  ZIM_OP_ATTENTION,
  ZIM_OP_SWIGLU,
  ZIM_OP_SILU,
  ZIM_OP_TANH,
  ZIM_OP_ADD,
  ZIM_OP_AFFINE,
  ZIM_OP_CONV2D,
  ZIM_OP_REPEAT_ROW,
  ZIM_OP_COPY,
  ZIM_OP_PERMUTE,
  ZIM_N_OPS,
} ZimOpKind;

#define ZIM_OP_MAX_SOURCES 4

typedef struct {
  guint    n_weights;
  const ZimWeight **weights; /* rows follow one another in the result */
  const ZimWeight **biases;  /* (nullable) entries may be NULL */
  float    operand_scale;    /* x is multiplied by this before it is rounded to a 16-bit operand, and the
                                sum divided by it: a power of two, 1 where overflow is no matter */
} ZimLinearParams;

typedef struct {
  const ZimWeight *weight; /* (nullable) [group] for RMS, [cols] for group factors */
  const ZimWeight *bias;   /* (nullable) */
  float    eps;
  gint64   group;          /* RMS: columns that share a statistic; group factors: number of groups */
  gint64   rows;           /* group sums: of a block; group factors: of all blocks together */
  gboolean silu;           /* group norm: SiLU follows */
} ZimNormParams;

typedef struct {
  guint    head_dim;
  gboolean interleaved; /* pairs (2m, 2m + 1), else (m, m + head_dim / 2) */
} ZimRopeParams;

typedef struct {
  guint    n_heads;
  guint    n_kv_heads;
  guint    head_dim;
  gboolean causal;
} ZimAttentionParams;

typedef struct {
  const ZimWeight *weight; /* [out, in, k, k] */
  const ZimWeight *bias;   /* (nullable) [out] */
  gint64   height, width;         /* of the whole input, before upsampling */
  gint64   out_height, out_width; /* of the whole result */
  gint64   first;                 /* row of pixels that the source begins with */
  gint64   out_first;             /* row of pixels that the result begins with */
  guint    kernel, stride;
  guint    pad;            /* rows and columns of zeros before the first; after the last as many as are read */
  gboolean upsample;       /* the input is read enlarged twice, nearest neighbour */
} ZimConvParams;

typedef struct {
  guint    n_dims;
  gint64   dims[ZIM_MAX_DIMS];  /* of the source, whose rows · cols they factorise */
  guint    order[ZIM_MAX_DIMS]; /* dimension i of the result is dimension order[i] of the source */
} ZimPermuteParams;

struct _ZimOp {
  ZimOpKind  kind;
  ZimTensor *out;
  ZimTensor *sources[ZIM_OP_MAX_SOURCES]; /* NULL-padded; a source may be NULL where optional */
  guint      n_sources;
  ZimRange  *ranges;                      /* NULL: one range of all rows, sample 0 */
  guint      n_ranges;
  union {
    ZimLinearParams    linear;
    ZimNormParams      norm;
    ZimRopeParams      rope;
    ZimAttentionParams attention;
    ZimConvParams      conv;
    ZimPermuteParams   permute;
    struct { const ZimWeight *weight; } row; /* embed, repeat row */
    struct { float mul, add; } affine;
  };
};

ZimProgram   *zim_program_new          (const char         *name);
ZimProgram   *zim_program_ref          (ZimProgram         *self);
void          zim_program_unref        (ZimProgram         *self);
const char   *zim_program_get_name     (ZimProgram         *self);
const GError *zim_program_get_error    (ZimProgram         *self);
GPtrArray    *zim_program_get_ops      (ZimProgram         *self); /* (transfer none) of ZimOp */
GPtrArray    *zim_program_get_tensors  (ZimProgram         *self); /* (transfer none) of ZimTensor */
char         *zim_program_print        (ZimProgram         *self);

/* 2 × multiply-adds of the products, attention and convolutions. */
double        zim_program_get_flops    (ZimProgram         *self);
double        zim_op_get_flops         (const ZimOp        *op);
const char   *zim_op_kind_name         (ZimOpKind           kind);

/* Every tensor named from here on is kept as an output, for dumping. */
void          zim_program_set_keep_named (ZimProgram       *self,
                                          gboolean          keep_named);
void          zim_program_name         (ZimProgram         *self,
                                        ZimTensor          *tensor,
                                        const char         *format,
                                        ...) G_GNUC_PRINTF (3, 4);

/* Places. A view shares its base's memory: row or column parts of it. */
ZimTensor    *zim_program_input        (ZimProgram         *self,
                                        const char         *name,
                                        ZimDType            dtype,
                                        gint64              rows,
                                        gint64              cols);
ZimTensor    *zim_program_state        (ZimProgram         *self,
                                        const char         *name,
                                        ZimState           *state);
void          zim_program_output       (ZimProgram         *self,
                                        ZimTensor          *tensor,
                                        const char         *name);
ZimTensor    *zim_program_rows         (ZimProgram         *self,
                                        ZimTensor          *tensor,
                                        gint64              start,
                                        gint64              n);
ZimTensor    *zim_program_cols         (ZimProgram         *self,
                                        ZimTensor          *tensor,
                                        gint64              start,
                                        gint64              n);
/* An uninitialised temporary, to be filled part by part with zim_program_copy_to (). */
ZimTensor    *zim_program_empty        (ZimProgram         *self,
                                        gint64              rows,
                                        gint64              cols);

/* y[r] = weight[ids[r]];  ids: [rows, 1] i32, weight: [n, cols] */
ZimTensor    *zim_program_embed        (ZimProgram         *self,
                                        ZimTensor          *ids,
                                        const ZimWeight    *weight);

/* y = x · Wᵀ + b, W = the weights' rows one after another, biases likewise (NULL: none). */
ZimTensor    *zim_program_linear       (ZimProgram         *self,
                                        ZimTensor          *x,
                                        const ZimWeight *const *weights,
                                        const ZimWeight *const *biases,
                                        guint               n_weights,
                                        float               operand_scale);

/* y = x / sqrt (mean (x²) + eps) ⊙ weight ⊙ scale; the mean over each group of columns (group = 0: all of
 * them). weight: [group] or NULL. scale: [samples, cols] or NULL, its row chosen by the ranges. */
ZimTensor    *zim_program_rms_norm     (ZimProgram         *self,
                                        ZimTensor          *x,
                                        const ZimWeight    *weight,
                                        gint64              group,
                                        float               eps,
                                        ZimTensor          *scale,
                                        const ZimRange     *ranges,
                                        guint               n_ranges);

/* y = (x − mean (x)) / sqrt (var (x) + eps) ⊙ scale; biased variance over the columns. */
ZimTensor    *zim_program_layer_norm   (ZimProgram         *self,
                                        ZimTensor          *x,
                                        float               eps,
                                        ZimTensor          *scale,
                                        const ZimRange     *ranges,
                                        guint               n_ranges);

/* Group norm in three parts, of which the first and the last may be done a few rows at a time: the result is the same,
 * to the bit, as long as the blocks are the same. x: [height · width, channels]
 *
 * For each block of `block` rows of x and each channel: Σ (x − shift) and Σ (x − shift)², each as two floats that are
 * to be added. shift: [1, channels], near to x; sums: [blocks, 4 · channels], filled. */
void          zim_program_group_sums   (ZimProgram         *self,
                                        ZimTensor          *x,
                                        ZimTensor          *shift,
                                        gint64              block,
                                        ZimTensor          *sums);
/* What each channel is shifted, multiplied and raised by, [3, channels], from all sums of n_rows rows. */
ZimTensor    *zim_program_group_factors (ZimProgram        *self,
                                        ZimTensor          *sums,
                                        ZimTensor          *shift,
                                        const ZimWeight    *weight,
                                        const ZimWeight    *bias,
                                        guint               n_groups,
                                        float               eps,
                                        gint64              n_rows);
/* y = (x − factors[0]) ⊙ factors[1] + factors[2], then SiLU if asked for */
ZimTensor    *zim_program_group_apply  (ZimProgram         *self,
                                        ZimTensor          *x,
                                        ZimTensor          *factors,
                                        gboolean            silu);
/* All three; statistics over all rows and each of n_groups groups of channels. */
ZimTensor    *zim_program_group_norm   (ZimProgram         *self,
                                        ZimTensor          *x,
                                        const ZimWeight    *weight,
                                        const ZimWeight    *bias,
                                        guint               n_groups,
                                        float               eps,
                                        gboolean            silu);

/* Rotates the pairs of every head of x by the angles of its row. cos, sin: [rows, head_dim / 2] */
ZimTensor    *zim_program_rope         (ZimProgram         *self,
                                        ZimTensor          *x,
                                        ZimTensor          *cos,
                                        ZimTensor          *sin,
                                        guint               head_dim,
                                        gboolean            interleaved);

/* softmax (q · kᵀ / sqrt (head_dim)) · v within each range. q: [rows, n_heads · head_dim], k and v:
 * [rows, n_kv_heads · head_dim]; query head h reads key head h · n_kv_heads / n_heads. */
ZimTensor    *zim_program_attention    (ZimProgram         *self,
                                        ZimTensor          *q,
                                        ZimTensor          *k,
                                        ZimTensor          *v,
                                        guint               n_heads,
                                        guint               n_kv_heads,
                                        guint               head_dim,
                                        gboolean            causal,
                                        const ZimRange     *ranges,
                                        guint               n_ranges);

/* SiLU (gate) ⊙ up */
ZimTensor    *zim_program_swiglu       (ZimProgram         *self,
                                        ZimTensor          *gate,
                                        ZimTensor          *up);
ZimTensor    *zim_program_silu         (ZimProgram         *self,
                                        ZimTensor          *x);
ZimTensor    *zim_program_tanh         (ZimProgram         *self,
                                        ZimTensor          *x);
ZimTensor    *zim_program_add          (ZimProgram         *self,
                                        ZimTensor          *a,
                                        ZimTensor          *b);

/* y = mul · x + add */
ZimTensor    *zim_program_affine       (ZimProgram         *self,
                                        ZimTensor          *x,
                                        float               mul,
                                        float               add);

/* x: [height · width, in], weight: [out, in, k, k], zero padded by pad before the first row and column. */
ZimTensor    *zim_program_conv2d       (ZimProgram         *self,
                                        ZimTensor          *x,
                                        const ZimWeight    *weight,
                                        const ZimWeight    *bias,
                                        gint64              height,
                                        gint64              width,
                                        guint               stride,
                                        guint               pad,
                                        gboolean            upsample);

/* Some rows of pixels of the same: from out_first on as many as out_rows, made from those of x, which begins with row
 * `first` of the image. */
ZimTensor    *zim_program_conv2d_band  (ZimProgram         *self,
                                        ZimTensor          *x,
                                        const ZimWeight    *weight,
                                        const ZimWeight    *bias,
                                        gint64              height,
                                        gint64              width,
                                        guint               stride,
                                        guint               pad,
                                        gboolean            upsample,
                                        gint64              first,
                                        gint64              out_first,
                                        gint64              out_rows);
/* The rows of pixels of a source of that height which they are made from: *n from *first on. */
void          zim_conv_source_rows     (gint64              height,
                                        guint               kernel,
                                        guint               stride,
                                        guint               pad,
                                        gboolean            upsample,
                                        gint64              out_first,
                                        gint64              out_rows,
                                        gint64             *first,
                                        gint64             *n);

/* The one row of weight, n times. */
ZimTensor    *zim_program_repeat_row   (ZimProgram         *self,
                                        const ZimWeight    *weight,
                                        gint64              n);

/* Writes x into destination: a state, an empty tensor, or a part of either. */
void          zim_program_copy_to      (ZimProgram         *self,
                                        ZimTensor          *x,
                                        ZimTensor          *destination);

/* Transposes x, seen as dims, so that dimension i of the result is dimension order[i] of x, and gives the
 * result as [rows, cols]. x is contiguous. */
ZimTensor    *zim_program_permute      (ZimProgram         *self,
                                        ZimTensor          *x,
                                        guint               n_dims,
                                        const gint64       *dims,
                                        const guint        *order,
                                        gint64              rows,
                                        gint64              cols);

static inline gsize
zim_tensor_size (const ZimTensor *tensor)
{
  return (gsize) tensor->rows * tensor->cols * zim_dtype_size (tensor->dtype);
}

static inline gboolean
zim_tensor_is_contiguous (const ZimTensor *tensor)
{
  return tensor->stride == tensor->cols || tensor->rows == 1;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimProgram, zim_program_unref)

G_END_DECLS
