/* zim-text-encoder.c: the Qwen3 encoder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <math.h>

#include "diffusion/zim-text-encoder-private.h"
#include "diffusion/zim-weights-private.h"
#include "zim-error.h"

#define ROWS_MULTIPLE 32 /* prompts of similar length share a program */

typedef struct {
  const ZimWeight *input_norm;
  const ZimWeight *qkv[3];
  const ZimWeight *q_norm;
  const ZimWeight *k_norm;
  const ZimWeight *o;
  const ZimWeight *post_norm;
  const ZimWeight *gate_up[2];
  const ZimWeight *down;
} Layer;

struct _ZimTextEncoder {
  ZimCheckpoint        *checkpoint;
  ZimTextEncoderConfig  config;
  const ZimWeight      *embed;
  guint                 n_layers; /* one less than stored: the last one's output is not used */
  Layer                *layers;
};

static void
collect_layer (ZimWeights                 *weights,
               const ZimTextEncoderConfig *config,
               guint                       i,
               Layer                      *layer)
{
  gint64 dim = config->hidden_size, wide = config->intermediate_size;
  gint64 q = (gint64) config->num_attention_heads * config->head_dim;
  gint64 kv = (gint64) config->num_key_value_heads * config->head_dim;

  layer->input_norm = zim_weights_vector (weights, dim, "layers.%u.input_layernorm.weight", i);
  layer->qkv[0] = zim_weights_matrix (weights, q, dim, "layers.%u.self_attn.q_proj.weight", i);
  layer->qkv[1] = zim_weights_matrix (weights, kv, dim, "layers.%u.self_attn.k_proj.weight", i);
  layer->qkv[2] = zim_weights_matrix (weights, kv, dim, "layers.%u.self_attn.v_proj.weight", i);
  layer->q_norm = zim_weights_vector (weights, config->head_dim, "layers.%u.self_attn.q_norm.weight", i);
  layer->k_norm = zim_weights_vector (weights, config->head_dim, "layers.%u.self_attn.k_norm.weight", i);
  layer->o = zim_weights_matrix (weights, dim, q, "layers.%u.self_attn.o_proj.weight", i);
  layer->post_norm = zim_weights_vector (weights, dim, "layers.%u.post_attention_layernorm.weight", i);
  layer->gate_up[0] = zim_weights_matrix (weights, wide, dim, "layers.%u.mlp.gate_proj.weight", i);
  layer->gate_up[1] = zim_weights_matrix (weights, wide, dim, "layers.%u.mlp.up_proj.weight", i);
  layer->down = zim_weights_matrix (weights, dim, wide, "layers.%u.mlp.down_proj.weight", i);
}

ZimTextEncoder *
zim_text_encoder_new (ZimCheckpoint  *checkpoint,
                      GError        **error)
{
  g_autoptr(ZimTextEncoder) self = g_new0 (ZimTextEncoder, 1);
  ZimWeights weights = { checkpoint, ZIM_COMPONENT_TEXT_ENCODER, NULL };

  self->checkpoint = zim_checkpoint_ref (checkpoint);
  self->config = zim_checkpoint_get_config (checkpoint)->text_encoder;
  self->n_layers = self->config.num_hidden_layers - 1;
  self->layers = g_new0 (Layer, self->n_layers);
  self->embed = zim_weights_matrix (&weights, self->config.vocab_size, self->config.hidden_size, "embed_tokens.weight");
  for (guint i = 0; i < self->n_layers; i++)
    collect_layer (&weights, &self->config, i, &self->layers[i]);
  if (weights.error != NULL)
    {
      g_propagate_error (error, weights.error);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
zim_text_encoder_free (ZimTextEncoder *self)
{
  zim_checkpoint_unref (self->checkpoint);
  g_free (self->layers);
  g_free (self);
}

static ZimTensor *
build_attention (ZimTextEncoder *self,
                 ZimTextProgram *result,
                 const Layer    *layer,
                 ZimTensor      *x)
{
  ZimProgram *p = result->program;
  const ZimTextEncoderConfig *config = &self->config;
  guint head_dim = config->head_dim;
  gint64 q_cols = (gint64) config->num_attention_heads * head_dim;
  gint64 kv_cols = (gint64) config->num_key_value_heads * head_dim;
  ZimTensor *a, *qkv, *q, *k, *v, *o;

  a = zim_program_rms_norm (p, x, layer->input_norm, 0, config->rms_norm_eps, NULL, NULL, 0);
  qkv = zim_program_linear (p, a, layer->qkv, NULL, 3, 1);
  q = zim_program_cols (p, qkv, 0, q_cols);
  k = zim_program_cols (p, qkv, q_cols, kv_cols);
  v = zim_program_cols (p, qkv, q_cols + kv_cols, kv_cols);
  q = zim_program_rms_norm (p, q, layer->q_norm, head_dim, config->rms_norm_eps, NULL, NULL, 0);
  k = zim_program_rms_norm (p, k, layer->k_norm, head_dim, config->rms_norm_eps, NULL, NULL, 0);
  q = zim_program_rope (p, q, result->cos, result->sin, head_dim, FALSE);
  k = zim_program_rope (p, k, result->cos, result->sin, head_dim, FALSE);
  o = zim_program_attention (p, q, k, v, config->num_attention_heads, config->num_key_value_heads, head_dim, TRUE,
                             NULL, 0);
  return zim_program_add (p, x, zim_program_linear (p, o, &layer->o, NULL, 1, 1));
}

static ZimTensor *
build_mlp (ZimTextEncoder *self,
           ZimTextProgram *result,
           const Layer    *layer,
           ZimTensor      *x)
{
  ZimProgram *p = result->program;
  gint64 wide = self->config.intermediate_size;
  ZimTensor *b, *gate_up, *h;

  b = zim_program_rms_norm (p, x, layer->post_norm, 0, self->config.rms_norm_eps, NULL, NULL, 0);
  gate_up = zim_program_linear (p, b, layer->gate_up, NULL, 2, 1);
  h = zim_program_swiglu (p, zim_program_cols (p, gate_up, 0, wide), zim_program_cols (p, gate_up, wide, wide));
  return zim_program_add (p, x, zim_program_linear (p, h, &layer->down, NULL, 1, 1.0f / 128));
}

void
zim_text_encoder_build (ZimTextEncoder *self,
                        guint           rows,
                        gboolean        keep_named,
                        ZimTextProgram *result)
{
  ZimProgram *p = zim_program_new ("text encoder");
  guint half = self->config.head_dim / 2;
  ZimTensor *x;

  zim_program_set_keep_named (p, keep_named);
  result->program = p;
  result->ids = zim_program_input (p, "text.ids", ZIM_DTYPE_I32, rows, 1);
  result->cos = zim_program_input (p, "text.cos", ZIM_DTYPE_F32, rows, half);
  result->sin = zim_program_input (p, "text.sin", ZIM_DTYPE_F32, rows, half);
  x = zim_program_embed (p, result->ids, self->embed);
  zim_program_name (p, x, "text.embed");
  for (guint i = 0; i < self->n_layers; i++)
    {
      x = build_attention (self, result, &self->layers[i], x);
      x = build_mlp (self, result, &self->layers[i], x);
      zim_program_name (p, x, "text.layer.%u", i);
    }
  zim_program_output (p, x, "text.features");
  result->features = x;
}

/* φ = p · θ^(−j / half), j < half; frequency and product in f32, as the reference has them. */
static void
rope_tables (const ZimTextEncoderConfig *config,
             guint                       rows,
             float                      *cos_table,
             float                      *sin_table)
{
  guint half = config->head_dim / 2;

  for (guint p = 0; p < rows; p++)
    for (guint j = 0; j < half; j++)
      {
        float frequency = (float) pow (config->rope_theta, -(double) j / half);
        float angle = p * frequency;

        cos_table[p * half + j] = cosf (angle);
        sin_table[p * half + j] = sinf (angle);
      }
}

static guint
rows_for (guint n_ids)
{
  return (n_ids + ROWS_MULTIPLE - 1) / ROWS_MULTIPLE * ROWS_MULTIPLE;
}

static gboolean
check_ids (ZimTextEncoder  *self,
           const gint32    *ids,
           guint            n_ids,
           GError         **error)
{
  for (guint i = 0; i < n_ids; i++)
    if (ids[i] < 0 || (guint) ids[i] >= self->config.vocab_size)
      {
        g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_CONFIG,
                     _("The tokenizer gives the id %d; the text encoder has %u (field “vocab_size”)"), ids[i],
                     self->config.vocab_size);
        return FALSE;
      }
  return TRUE;
}

float *
zim_text_encoder_run (ZimTextEncoder  *self,
                      ZimBackend      *backend,
                      ZimPrecision     precision,
                      const gint32    *ids,
                      guint            n_ids,
                      ZimDumpFunc      dump,
                      gpointer         dump_data,
                      GCancellable    *cancellable,
                      GError         **error)
{
  guint rows = rows_for (n_ids), half = self->config.head_dim / 2, dim = self->config.hidden_size;
  g_autofree gint32 *padded = g_new0 (gint32, rows);
  g_autofree float *cos_table = g_new (float, rows * half);
  g_autofree float *sin_table = g_new (float, rows * half);
  g_autofree float *features = g_new (float, (gsize) rows * dim);
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(ZimProgram) program = NULL;
  ZimTextProgram text;
  ZimBinding bindings[4];

  if (!check_ids (self, ids, n_ids, error))
    return NULL;
  zim_text_encoder_build (self, rows, dump != NULL, &text);
  program = text.program;
  executable = zim_backend_compile (backend, program, precision, error);
  if (executable == NULL)
    return NULL;

  memcpy (padded, ids, n_ids * sizeof *ids);
  rope_tables (&self->config, rows, cos_table, sin_table);
  bindings[0] = (ZimBinding) { text.ids, padded };
  bindings[1] = (ZimBinding) { text.cos, cos_table };
  bindings[2] = (ZimBinding) { text.sin, sin_table };
  bindings[3] = (ZimBinding) { text.features, features };
  if (!zim_executable_run (executable, bindings, G_N_ELEMENTS (bindings), cancellable, error))
    return NULL;
  if (dump != NULL)
    {
      zim_executable_dump (executable, dump, dump_data);
      dump ("text.features", n_ids, dim, features, dump_data);
    }
  return g_steal_pointer (&features);
}

ZimExecutable *
zim_text_encoder_compile (ZimTextEncoder  *self,
                          ZimBackend      *backend,
                          ZimPrecision     precision,
                          guint            n_ids,
                          gboolean         keep_named,
                          GError         **error)
{
  g_autoptr(ZimProgram) program = NULL;
  ZimTextProgram text;

  zim_text_encoder_build (self, rows_for (n_ids), keep_named, &text);
  program = text.program;
  return zim_backend_compile (backend, program, precision, error);
}
