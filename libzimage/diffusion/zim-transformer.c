/* zim-transformer.c: the Z-Image transformer as programs
 *
 * Easy to get wrong, and so checked by the reference tests: the modulation of the blocks has no SiLU before it, that of
 * the final layer has; gates go through tanh, scales are 1 + s; rope turns interleaved pairs; the image's
 * first position is the padded caption length plus one; patches are channel-last; the result is negated.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "diffusion/zim-transformer-private.h"
#include "diffusion/zim-weights-private.h"

#define ROWS_MULTIPLE 32       /* SEQ_MULTI_OF of the reference */
#define TIME_HIDDEN 1024       /* mid_size of the reference's TimestepEmbedder */
#define MODULATION_WIDTH 256   /* ADALN_EMBED_DIM: the modulation is min (dim, 256) wide */
#define FINAL_NORM_EPS 1e-6f   /* of the final LayerNorm */
#define W2_SCALE (1.0f / 128)  /* keeps the gated product within f16; exact, undone after the sum */

typedef struct {
  const char      *group; /* “layers”, “noise_refiner”, “context_refiner” */
  guint            index;
  const ZimWeight *norm1; /* of attention, before and after */
  const ZimWeight *norm2;
  const ZimWeight *qkv[3];
  const ZimWeight *q_norm; /* NULL without qk_norm */
  const ZimWeight *k_norm;
  const ZimWeight *out;
  const ZimWeight *ffn_norm1;
  const ZimWeight *ffn_norm2;
  const ZimWeight *w13[2];
  const ZimWeight *w2;
  const ZimWeight *modulation; /* NULL in the context refiner */
  const ZimWeight *modulation_bias;
} Block;

struct _ZimTransformer {
  ZimCheckpoint        *checkpoint;
  ZimTransformerConfig  config;
  gint64                adaln; /* width of the modulation's input */
  const ZimWeight      *x_embedder, *x_embedder_bias;
  const ZimWeight      *time0, *time0_bias, *time2, *time2_bias;
  const ZimWeight      *cap_norm, *cap_embedder, *cap_embedder_bias;
  const ZimWeight      *x_pad_token, *cap_pad_token;
  const ZimWeight      *final, *final_bias, *final_modulation, *final_modulation_bias;
  Block                *noise_refiner;   /* n_refiner_layers */
  Block                *context_refiner; /* n_refiner_layers */
  Block                *layers;          /* n_layers */
};

/* Weights */

static void
collect_block (ZimWeights                 *weights,
               const ZimTransformerConfig *config,
               const char                 *group,
               guint                       i,
               gboolean                    modulated,
               Block                      *block)
{
  gint64 dim = config->dim, head_dim = config->dim / config->n_heads;
  gint64 wide = (gint64) (config->dim / 3.0 * 8);
  gint64 adaln = MIN (config->dim, MODULATION_WIDTH);

  block->group = group;
  block->index = i;
  block->norm1 = zim_weights_vector (weights, dim, "%s.%u.attention_norm1.weight", group, i);
  block->norm2 = zim_weights_vector (weights, dim, "%s.%u.attention_norm2.weight", group, i);
  block->qkv[0] = zim_weights_matrix (weights, dim, dim, "%s.%u.attention.to_q.weight", group, i);
  block->qkv[1] = zim_weights_matrix (weights, dim, dim, "%s.%u.attention.to_k.weight", group, i);
  block->qkv[2] = zim_weights_matrix (weights, dim, dim, "%s.%u.attention.to_v.weight", group, i);
  if (config->qk_norm)
    {
      block->q_norm = zim_weights_vector (weights, head_dim, "%s.%u.attention.norm_q.weight", group, i);
      block->k_norm = zim_weights_vector (weights, head_dim, "%s.%u.attention.norm_k.weight", group, i);
    }
  block->out = zim_weights_matrix (weights, dim, dim, "%s.%u.attention.to_out.0.weight", group, i);
  block->ffn_norm1 = zim_weights_vector (weights, dim, "%s.%u.ffn_norm1.weight", group, i);
  block->ffn_norm2 = zim_weights_vector (weights, dim, "%s.%u.ffn_norm2.weight", group, i);
  block->w13[0] = zim_weights_matrix (weights, wide, dim, "%s.%u.feed_forward.w1.weight", group, i);
  block->w13[1] = zim_weights_matrix (weights, wide, dim, "%s.%u.feed_forward.w3.weight", group, i);
  block->w2 = zim_weights_matrix (weights, dim, wide, "%s.%u.feed_forward.w2.weight", group, i);
  if (modulated)
    {
      block->modulation = zim_weights_matrix (weights, 4 * dim, adaln, "%s.%u.adaLN_modulation.0.weight", group, i);
      block->modulation_bias = zim_weights_vector (weights, 4 * dim, "%s.%u.adaLN_modulation.0.bias", group, i);
    }
}

static Block *
collect_blocks (ZimWeights                 *weights,
                const ZimTransformerConfig *config,
                const char                 *group,
                guint                       n,
                gboolean                    modulated)
{
  Block *blocks = g_new0 (Block, n);

  for (guint i = 0; i < n; i++)
    collect_block (weights, config, group, i, modulated, &blocks[i]);
  return blocks;
}

static void
collect_outside_blocks (ZimTransformer *self,
                        ZimWeights     *weights)
{
  const ZimTransformerConfig *config = &self->config;
  gint64 dim = config->dim;
  gint64 patch = (gint64) config->patch_size * config->patch_size * config->in_channels;
  guint size = config->patch_size;

  self->x_embedder = zim_weights_matrix (weights, dim, patch, "all_x_embedder.%u-1.weight", size);
  self->x_embedder_bias = zim_weights_vector (weights, dim, "all_x_embedder.%u-1.bias", size);
  self->time0 = zim_weights_matrix (weights, TIME_HIDDEN, ZIM_TIME_EMBEDDING, "t_embedder.mlp.0.weight");
  self->time0_bias = zim_weights_vector (weights, TIME_HIDDEN, "t_embedder.mlp.0.bias");
  self->time2 = zim_weights_matrix (weights, self->adaln, TIME_HIDDEN, "t_embedder.mlp.2.weight");
  self->time2_bias = zim_weights_vector (weights, self->adaln, "t_embedder.mlp.2.bias");
  self->cap_norm = zim_weights_vector (weights, config->cap_feat_dim, "cap_embedder.0.weight");
  self->cap_embedder = zim_weights_matrix (weights, dim, config->cap_feat_dim, "cap_embedder.1.weight");
  self->cap_embedder_bias = zim_weights_vector (weights, dim, "cap_embedder.1.bias");
  self->x_pad_token = zim_weights_matrix (weights, 1, dim, "x_pad_token");
  self->cap_pad_token = zim_weights_matrix (weights, 1, dim, "cap_pad_token");
  self->final = zim_weights_matrix (weights, patch, dim, "all_final_layer.%u-1.linear.weight", size);
  self->final_bias = zim_weights_vector (weights, patch, "all_final_layer.%u-1.linear.bias", size);
  self->final_modulation =
    zim_weights_matrix (weights, dim, self->adaln, "all_final_layer.%u-1.adaLN_modulation.1.weight", size);
  self->final_modulation_bias = zim_weights_vector (weights, dim, "all_final_layer.%u-1.adaLN_modulation.1.bias", size);
}

ZimTransformer *
zim_transformer_new (ZimCheckpoint  *checkpoint,
                     GError        **error)
{
  g_autoptr(ZimTransformer) self = g_new0 (ZimTransformer, 1);
  ZimWeights weights = { checkpoint, ZIM_COMPONENT_TRANSFORMER, NULL };
  const ZimTransformerConfig *config = &self->config;

  self->checkpoint = zim_checkpoint_ref (checkpoint);
  self->config = zim_checkpoint_get_config (checkpoint)->transformer;
  self->adaln = MIN (config->dim, MODULATION_WIDTH);
  collect_outside_blocks (self, &weights);
  self->noise_refiner = collect_blocks (&weights, config, "noise_refiner", config->n_refiner_layers, TRUE);
  self->context_refiner = collect_blocks (&weights, config, "context_refiner", config->n_refiner_layers, FALSE);
  self->layers = collect_blocks (&weights, config, "layers", config->n_layers, TRUE);
  if (weights.error != NULL)
    {
      g_propagate_error (error, weights.error);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
zim_transformer_free (ZimTransformer *self)
{
  zim_checkpoint_unref (self->checkpoint);
  g_free (self->noise_refiner);
  g_free (self->context_refiner);
  g_free (self->layers);
  g_free (self);
}

const ZimTransformerConfig *
zim_transformer_get_config (ZimTransformer *self)
{
  return &self->config;
}

/* Sequence and tables */

static guint
round_up (guint n)
{
  return (n + ROWS_MULTIPLE - 1) / ROWS_MULTIPLE * ROWS_MULTIPLE;
}

void
zim_transformer_get_sequence (ZimTransformer *self,
                              guint           latent_height,
                              guint           latent_width,
                              guint           n_caption,
                              ZimSequence    *sequence)
{
  guint patch = self->config.patch_size;

  sequence->latent_height = latent_height;
  sequence->latent_width = latent_width;
  sequence->n_image = (latent_height / patch) * (latent_width / patch);
  sequence->n_image_padded = round_up (sequence->n_image);
  sequence->n_caption = n_caption;
  sequence->n_caption_padded = round_up (n_caption);
}

/* Position of a row on the three axes: image (padded caption length + 1, y, x), image padding (0, 0, 0), caption
 * (1 + i, 0, 0) with its padding counted on. */
static void
row_position (const ZimSequence *sequence,
              guint              patch,
              guint              row,
              guint              position[3])
{
  guint width = sequence->latent_width / patch;

  position[0] = position[1] = position[2] = 0;
  if (row < sequence->n_image)
    {
      position[0] = sequence->n_caption_padded + 1;
      position[1] = row / width;
      position[2] = row % width;
    }
  else if (row >= sequence->n_image_padded)
    position[0] = 1 + row - sequence->n_image_padded;
}

/* For axis k of width d_k: angle = position_k · θ^(−2j / d_k), j < d_k / 2; in double, then rounded. */
void
zim_transformer_rope_tables (ZimTransformer    *self,
                             const ZimSequence *sequence,
                             float             *cos_table,
                             float             *sin_table)
{
  const ZimTransformerConfig *config = &self->config;
  guint half = config->dim / config->n_heads / 2;

  for (guint row = 0; row < zim_sequence_rows (sequence); row++)
    {
      guint position[3], column = 0;

      row_position (sequence, config->patch_size, row, position);
      for (guint axis = 0; axis < 3; axis++)
        for (guint j = 0; j < config->axes_dims[axis] / 2; j++, column++)
          {
            double frequency = 1.0 / pow (config->rope_theta, 2.0 * j / config->axes_dims[axis]);
            float angle = (float) (position[axis] * frequency);

            cos_table[row * half + column] = cosf (angle);
            sin_table[row * half + column] = sinf (angle);
          }
    }
}

/* [cos (T f_j), sin (T f_j)], f_j = 10000^(−j / 128), T = t · t_scale */
void
zim_transformer_time_embedding (ZimTransformer *self,
                                float           t,
                                float          *out)
{
  const guint half = ZIM_TIME_EMBEDDING / 2;
  float scaled = t * (float) self->config.t_scale;

  for (guint j = 0; j < half; j++)
    {
      float frequency = expf (-(float) log (10000) * j / half);

      out[j] = cosf (scaled * frequency);
      out[half + j] = sinf (scaled * frequency);
    }
}

/* Modulation: [1 + s_attention, tanh g_attention, 1 + s_ffn, tanh g_ffn] of each modulated block, noise refiner
 * first */

static guint
n_modulated (ZimTransformer *self)
{
  return self->config.n_refiner_layers + self->config.n_layers;
}

guint
zim_transformer_modulation_width (ZimTransformer *self)
{
  return (4 * n_modulated (self) + 1) * self->config.dim;
}

static void
build_block_modulation (ZimTransformer *self,
                        ZimProgram     *p,
                        const Block    *block,
                        ZimTensor      *adaln,
                        ZimTensor      *table,
                        gint64          start)
{
  gint64 dim = self->config.dim;
  ZimTensor *m = zim_program_linear (p, adaln, &block->modulation, &block->modulation_bias, 1, 1);

  for (guint i = 0; i < 4; i++)
    {
      ZimTensor *part = zim_program_cols (p, m, i * dim, dim);

      part = i % 2 == 0 ? zim_program_affine (p, part, 1, 1) : zim_program_tanh (p, part);
      zim_program_copy_to (p, part, zim_program_cols (p, table, start + i * dim, dim));
    }
}

void
zim_transformer_build_modulation (ZimTransformer       *self,
                                  guint                 n_steps,
                                  gboolean              keep_named,
                                  ZimModulationProgram *result)
{
  ZimProgram *p = zim_program_new ("modulation");
  gint64 dim = self->config.dim, start = 0;
  ZimTensor *adaln, *final;

  zim_program_set_keep_named (p, keep_named);
  result->program = p;
  result->embedding = zim_program_input (p, "time.embed", ZIM_DTYPE_F32, n_steps, ZIM_TIME_EMBEDDING);
  adaln = zim_program_linear (p, result->embedding, &self->time0, &self->time0_bias, 1, 1);
  adaln = zim_program_linear (p, zim_program_silu (p, adaln), &self->time2, &self->time2_bias, 1, 1);
  zim_program_name (p, adaln, "time.adaln");

  result->table = zim_program_empty (p, n_steps, zim_transformer_modulation_width (self));
  for (guint i = 0; i < n_modulated (self); i++, start += 4 * dim)
    {
      guint n_refiner = self->config.n_refiner_layers;
      const Block *block = i < n_refiner ? &self->noise_refiner[i] : &self->layers[i - n_refiner];

      build_block_modulation (self, p, block, adaln, result->table, start);
    }
  final = zim_program_linear (p, zim_program_silu (p, adaln), &self->final_modulation, &self->final_modulation_bias,
                              1, 1);
  zim_program_copy_to (p, zim_program_affine (p, final, 1, 1), zim_program_cols (p, result->table, start, dim));
  zim_program_output (p, result->table, "modulation");
}

/* Blocks */

typedef struct {
  ZimTransformer *transformer;
  ZimProgram     *p;
  ZimTensor      *cos;
  ZimTensor      *sin;
} Builder;

static ZimTensor *
build_qk (Builder         *b,
          const Block     *block,
          ZimTensor       *x,
          const ZimWeight *norm,
          char             letter)
{
  const ZimTransformerConfig *config = &b->transformer->config;
  guint head_dim = config->dim / config->n_heads;

  if (norm != NULL)
    x = zim_program_rms_norm (b->p, x, norm, head_dim, config->norm_eps, NULL, NULL, 0);
  zim_program_name (b->p, x, "%s.%u.%c_norm", block->group, block->index, letter);
  x = zim_program_rope (b->p, x, b->cos, b->sin, head_dim, TRUE);
  zim_program_name (b->p, x, "%s.%u.%c_rope", block->group, block->index, letter);
  return x;
}

/* to_out (attention (u)) */
static ZimTensor *
build_attention (Builder     *b,
                 const Block *block,
                 ZimTensor   *u)
{
  const ZimTransformerConfig *config = &b->transformer->config;
  gint64 dim = config->dim;
  ZimTensor *qkv = zim_program_linear (b->p, u, block->qkv, NULL, 3, 1);
  ZimTensor *q = build_qk (b, block, zim_program_cols (b->p, qkv, 0, dim), block->q_norm, 'q');
  ZimTensor *k = build_qk (b, block, zim_program_cols (b->p, qkv, dim, dim), block->k_norm, 'k');
  ZimTensor *v = zim_program_cols (b->p, qkv, 2 * dim, dim);
  ZimTensor *o = zim_program_attention (b->p, q, k, v, config->n_heads, config->n_heads, dim / config->n_heads, FALSE,
                                        NULL, 0);

  zim_program_name (b->p, o, "%s.%u.attn", block->group, block->index);
  o = zim_program_linear (b->p, o, &block->out, NULL, 1, 1);
  zim_program_name (b->p, o, "%s.%u.to_out", block->group, block->index);
  return o;
}

/* w2 (SiLU (w1 v) ⊙ (w3 v)) */
static ZimTensor *
build_feed_forward (Builder     *b,
                    const Block *block,
                    ZimTensor   *v)
{
  gint64 wide = block->w2->dims[1];
  ZimTensor *w13 = zim_program_linear (b->p, v, block->w13, NULL, 2, 1);
  ZimTensor *w1 = zim_program_cols (b->p, w13, 0, wide), *w3 = zim_program_cols (b->p, w13, wide, wide), *f;

  zim_program_name (b->p, w1, "%s.%u.w1", block->group, block->index);
  zim_program_name (b->p, w3, "%s.%u.w3", block->group, block->index);
  f = zim_program_linear (b->p, zim_program_swiglu (b->p, w1, w3), &block->w2, NULL, 1, W2_SCALE);
  zim_program_name (b->p, f, "%s.%u.w2", block->group, block->index);
  return f;
}

/* x ← x + gate ⊙ RMS (attention (RMS (x) ⊙ scale)), then the same with the feed-forward network. modulation: [1, 4 dim]
 * or NULL: neither scale nor gate. */
static ZimTensor *
build_block (Builder     *b,
             const Block *block,
             ZimTensor   *modulation,
             ZimTensor   *x)
{
  const float eps = b->transformer->config.norm_eps;
  gint64 dim = b->transformer->config.dim;
  ZimTensor *m[4] = { NULL, NULL, NULL, NULL }, *u, *o;

  for (guint i = 0; i < 4 && modulation != NULL; i++)
    m[i] = zim_program_cols (b->p, modulation, i * dim, dim);

  u = zim_program_rms_norm (b->p, x, block->norm1, 0, eps, m[0], NULL, 0);
  zim_program_name (b->p, u, "%s.%u.u", block->group, block->index);
  o = build_attention (b, block, u);
  x = zim_program_add (b->p, x, zim_program_rms_norm (b->p, o, block->norm2, 0, eps, m[1], NULL, 0));
  zim_program_name (b->p, x, "%s.%u.mid", block->group, block->index);

  u = zim_program_rms_norm (b->p, x, block->ffn_norm1, 0, eps, m[2], NULL, 0);
  o = build_feed_forward (b, block, u);
  x = zim_program_add (b->p, x, zim_program_rms_norm (b->p, o, block->ffn_norm2, 0, eps, m[3], NULL, 0));
  zim_program_name (b->p, x, "%s.%u.out", block->group, block->index);
  return x;
}

static void
start_builder (Builder                    *b,
               ZimTransformer             *self,
               const char                 *name,
               const ZimTransformerStates *states,
               guint                       first_row,
               guint                       n_rows,
               gboolean                    keep_named)
{
  b->transformer = self;
  b->p = zim_program_new (name);
  zim_program_set_keep_named (b->p, keep_named);
  b->cos = zim_program_rows (b->p, zim_program_state (b->p, "rope.cos", states->cos), first_row, n_rows);
  b->sin = zim_program_rows (b->p, zim_program_state (b->p, "rope.sin", states->sin), first_row, n_rows);
}

/* x with pad rows of the token after it. */
static ZimTensor *
build_padding (Builder         *b,
               ZimTensor       *x,
               const ZimWeight *token,
               guint            padded)
{
  ZimTensor *all;

  if (x->rows == padded)
    return x;
  all = zim_program_empty (b->p, padded, x->cols);
  zim_program_copy_to (b->p, x, zim_program_rows (b->p, all, 0, x->rows));
  zim_program_copy_to (b->p, zim_program_repeat_row (b->p, token, padded - x->rows),
                       zim_program_rows (b->p, all, x->rows, padded - x->rows));
  return all;
}

void
zim_transformer_build_caption (ZimTransformer             *self,
                               const ZimSequence          *sequence,
                               const ZimTransformerStates *states,
                               gboolean                    keep_named,
                               ZimCaptionProgram          *result)
{
  Builder b;
  ZimTensor *x, *tokens;

  start_builder (&b, self, "caption", states, sequence->n_image_padded, sequence->n_caption_padded, keep_named);
  result->program = b.p;
  result->features = zim_program_input (b.p, "features", ZIM_DTYPE_F32, sequence->n_caption, self->config.cap_feat_dim);
  x = zim_program_rms_norm (b.p, result->features, self->cap_norm, 0, self->config.norm_eps, NULL, NULL, 0);
  x = zim_program_linear (b.p, x, &self->cap_embedder, &self->cap_embedder_bias, 1, 1);
  x = build_padding (&b, x, self->cap_pad_token, sequence->n_caption_padded);
  zim_program_name (b.p, x, "caption.embed");
  for (guint i = 0; i < self->config.n_refiner_layers; i++)
    x = build_block (&b, &self->context_refiner[i], NULL, x);
  tokens = zim_program_state (b.p, "tokens", states->tokens);
  zim_program_copy_to (b.p, x, zim_program_rows (b.p, tokens, sequence->n_image_padded, sequence->n_caption_padded));
}

/* [channels, height · width] → [tokens, patch values], channel fastest: element (py · patch + px) · channels + c */
static ZimTensor *
build_patchify (ZimTransformer    *self,
                const ZimSequence *sequence,
                ZimProgram        *p,
                ZimTensor         *latents)
{
  guint patch = self->config.patch_size, channels = self->config.in_channels;
  gint64 height = sequence->latent_height / patch, width = sequence->latent_width / patch;
  const gint64 dims[] = { channels, height, patch, width, patch };
  const guint order[] = { 1, 3, 2, 4, 0 };

  return zim_program_permute (p, latents, 5, dims, order, height * width, (gint64) patch * patch * channels);
}

static ZimTensor *
build_unpatchify (ZimTransformer    *self,
                  const ZimSequence *sequence,
                  ZimProgram        *p,
                  ZimTensor         *tokens)
{
  guint patch = self->config.patch_size, channels = self->config.in_channels;
  gint64 height = sequence->latent_height / patch, width = sequence->latent_width / patch;
  const gint64 dims[] = { height, width, patch, patch, channels };
  const guint order[] = { 4, 0, 2, 1, 3 };

  return zim_program_permute (p, tokens, 5, dims, order, channels,
                              (gint64) sequence->latent_height * sequence->latent_width);
}

void
zim_transformer_build_embed (ZimTransformer             *self,
                             const ZimSequence          *sequence,
                             const ZimTransformerStates *states,
                             gboolean                    keep_named,
                             ZimEmbedProgram            *result)
{
  gint64 dim = self->config.dim;
  Builder b;
  ZimTensor *x, *tokens;

  start_builder (&b, self, "embed", states, 0, sequence->n_image_padded, keep_named);
  result->program = b.p;
  result->latents = zim_program_input (b.p, "latents", ZIM_DTYPE_F32, self->config.in_channels,
                                       (gint64) sequence->latent_height * sequence->latent_width);
  result->modulation = zim_program_input (b.p, "modulation", ZIM_DTYPE_F32, 1, zim_transformer_modulation_width (self));
  x = build_patchify (self, sequence, b.p, result->latents);
  zim_program_name (b.p, x, "image.patch");
  x = zim_program_linear (b.p, x, &self->x_embedder, &self->x_embedder_bias, 1, 1);
  x = build_padding (&b, x, self->x_pad_token, sequence->n_image_padded);
  zim_program_name (b.p, x, "image.embed");
  for (guint i = 0; i < self->config.n_refiner_layers; i++)
    x = build_block (&b, &self->noise_refiner[i], zim_program_cols (b.p, result->modulation, 4 * i * dim, 4 * dim), x);
  tokens = zim_program_state (b.p, "tokens", states->tokens);
  zim_program_copy_to (b.p, x, zim_program_rows (b.p, tokens, 0, sequence->n_image_padded));
}

void
zim_transformer_build_layers (ZimTransformer             *self,
                              const ZimSequence          *sequence,
                              const ZimTransformerStates *states,
                              gboolean                    keep_named,
                              ZimLayersProgram           *result)
{
  gint64 dim = self->config.dim;
  Builder b;
  ZimTensor *x;

  start_builder (&b, self, "layers", states, 0, zim_sequence_rows (sequence), keep_named);
  result->program = b.p;
  result->modulation = zim_program_input (b.p, "modulation", ZIM_DTYPE_F32, 1, zim_transformer_modulation_width (self));
  x = zim_program_state (b.p, "tokens", states->tokens);
  for (guint i = 0; i < self->config.n_layers; i++)
    {
      gint64 start = 4 * (self->config.n_refiner_layers + i) * dim;

      x = build_block (&b, &self->layers[i], zim_program_cols (b.p, result->modulation, start, 4 * dim), x);
    }
  zim_program_copy_to (b.p, x, zim_program_state (b.p, "hidden", states->hidden));
}

void
zim_transformer_build_final (ZimTransformer             *self,
                             const ZimSequence          *sequence,
                             const ZimTransformerStates *states,
                             gboolean                    keep_named,
                             ZimFinalProgram            *result)
{
  gint64 dim = self->config.dim;
  ZimProgram *p = zim_program_new ("final");
  ZimTensor *x, *scale;

  zim_program_set_keep_named (p, keep_named);
  result->program = p;
  result->modulation = zim_program_input (p, "modulation", ZIM_DTYPE_F32, 1, zim_transformer_modulation_width (self));
  scale = zim_program_cols (p, result->modulation, 4 * n_modulated (self) * dim, dim);
  x = zim_program_rows (p, zim_program_state (p, "hidden", states->hidden), 0, sequence->n_image);
  x = zim_program_layer_norm (p, x, FINAL_NORM_EPS, scale, NULL, 0);
  zim_program_name (p, x, "final.norm");
  x = zim_program_linear (p, x, &self->final, &self->final_bias, 1, 1);
  zim_program_name (p, x, "final.linear");
  result->velocity = zim_program_affine (p, build_unpatchify (self, sequence, p, x), -1, 0);
  zim_program_output (p, result->velocity, "velocity");
}
