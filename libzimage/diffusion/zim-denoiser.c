/* zim-denoiser.c: the transformer at work on one prompt and one picture size
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "diffusion/zim-denoiser-private.h"

/* Modulation */

gboolean
zim_modulation_init (ZimModulation   *modulation,
                     ZimTransformer  *transformer,
                     ZimBackend      *backend,
                     ZimPrecision     precision,
                     const float     *times,
                     guint            n_steps,
                     ZimDumpFunc      dump,
                     gpointer         dump_data,
                     GCancellable    *cancellable,
                     GError         **error)
{
  g_autofree float *embedding = g_new (float, n_steps * ZIM_TIME_EMBEDDING);
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(ZimProgram) program = NULL;
  ZimModulationProgram built;
  ZimBinding bindings[2];

  for (guint i = 0; i < n_steps; i++)
    zim_transformer_time_embedding (transformer, times[i], embedding + i * ZIM_TIME_EMBEDDING);
  if (dump != NULL)
    dump ("time.embed", n_steps, ZIM_TIME_EMBEDDING, embedding, dump_data);

  zim_transformer_build_modulation (transformer, n_steps, dump != NULL, &built);
  program = built.program;
  executable = zim_backend_compile (backend, program, precision, error);
  if (executable == NULL)
    return FALSE;
  modulation->n_steps = n_steps;
  modulation->width = zim_transformer_modulation_width (transformer);
  modulation->table = g_new (float, (gsize) n_steps * modulation->width);
  bindings[0] = (ZimBinding) { built.embedding, embedding };
  bindings[1] = (ZimBinding) { built.table, modulation->table };
  if (!zim_executable_run (executable, bindings, G_N_ELEMENTS (bindings), cancellable, error))
    {
      zim_modulation_clear (modulation);
      return FALSE;
    }
  if (dump != NULL)
    zim_executable_dump (executable, dump, dump_data);
  return TRUE;
}

ZimExecutable *
zim_modulation_compile (ZimTransformer  *transformer,
                        ZimBackend      *backend,
                        ZimPrecision     precision,
                        guint            n_steps,
                        gboolean         keep_named,
                        GError         **error)
{
  g_autoptr(ZimProgram) program = NULL;
  ZimModulationProgram built;

  zim_transformer_build_modulation (transformer, n_steps, keep_named, &built);
  program = built.program;
  return zim_backend_compile (backend, program, precision, error);
}

void
zim_modulation_clear (ZimModulation *modulation)
{
  g_clear_pointer (&modulation->table, g_free);
}

/* Denoiser */

struct _ZimDenoiser {
  ZimTransformer       *transformer; /* not owned */
  ZimSequence           sequence;
  ZimTransformerStates  states;
  ZimCaptionProgram     caption;
  ZimEmbedProgram       embed;
  ZimLayersProgram      layers;
  ZimFinalProgram       final;
  ZimExecutable        *caption_exe;
  ZimExecutable        *embed_exe;
  ZimExecutable        *layers_exe;
  ZimExecutable        *final_exe;
};

static gboolean
make_states (ZimDenoiser  *self,
             ZimBackend   *backend,
             GError      **error)
{
  const ZimTransformerConfig *config = zim_transformer_get_config (self->transformer);
  guint rows = zim_sequence_rows (&self->sequence), half = config->dim / config->n_heads / 2;
  ZimTransformerStates *states = &self->states;

  return (states->cos = zim_state_new (backend, ZIM_DTYPE_F32, rows, half, error)) != NULL &&
         (states->sin = zim_state_new (backend, ZIM_DTYPE_F32, rows, half, error)) != NULL &&
         (states->tokens = zim_state_new (backend, ZIM_DTYPE_F32, rows, config->dim, error)) != NULL &&
         (states->hidden = zim_state_new (backend, ZIM_DTYPE_F32, rows, config->dim, error)) != NULL;
}

static void
write_rope_tables (ZimDenoiser *self)
{
  gsize n = self->states.cos->rows * self->states.cos->cols;
  g_autofree float *cos_table = g_new (float, n);
  g_autofree float *sin_table = g_new (float, n);

  zim_transformer_rope_tables (self->transformer, &self->sequence, cos_table, sin_table);
  zim_state_write (self->states.cos, cos_table);
  zim_state_write (self->states.sin, sin_table);
}

static gboolean
compile_programs (ZimDenoiser   *self,
                  ZimBackend    *backend,
                  ZimPrecision   precision,
                  gboolean       keep_named,
                  GError       **error)
{
  zim_transformer_build_caption (self->transformer, &self->sequence, &self->states, keep_named, &self->caption);
  zim_transformer_build_embed (self->transformer, &self->sequence, &self->states, keep_named, &self->embed);
  zim_transformer_build_layers (self->transformer, &self->sequence, &self->states, keep_named, &self->layers);
  zim_transformer_build_final (self->transformer, &self->sequence, &self->states, keep_named, &self->final);
  return (self->caption_exe = zim_backend_compile (backend, self->caption.program, precision, error)) != NULL &&
         (self->embed_exe = zim_backend_compile (backend, self->embed.program, precision, error)) != NULL &&
         (self->layers_exe = zim_backend_compile (backend, self->layers.program, precision, error)) != NULL &&
         (self->final_exe = zim_backend_compile (backend, self->final.program, precision, error)) != NULL;
}

ZimDenoiser *
zim_denoiser_new (ZimTransformer  *transformer,
                  ZimBackend      *backend,
                  ZimPrecision     precision,
                  guint            latent_height,
                  guint            latent_width,
                  guint            n_caption,
                  gboolean         keep_named,
                  GError         **error)
{
  g_autoptr(ZimDenoiser) self = g_new0 (ZimDenoiser, 1);

  self->transformer = transformer;
  zim_transformer_get_sequence (transformer, latent_height, latent_width, n_caption, &self->sequence);
  if (!make_states (self, backend, error) || !compile_programs (self, backend, precision, keep_named, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
zim_denoiser_free (ZimDenoiser *self)
{
  g_clear_object (&self->caption_exe);
  g_clear_object (&self->embed_exe);
  g_clear_object (&self->layers_exe);
  g_clear_object (&self->final_exe);
  g_clear_pointer (&self->caption.program, zim_program_unref);
  g_clear_pointer (&self->embed.program, zim_program_unref);
  g_clear_pointer (&self->layers.program, zim_program_unref);
  g_clear_pointer (&self->final.program, zim_program_unref);
  g_clear_pointer (&self->states.cos, zim_state_free);
  g_clear_pointer (&self->states.sin, zim_state_free);
  g_clear_pointer (&self->states.tokens, zim_state_free);
  g_clear_pointer (&self->states.hidden, zim_state_free);
  g_free (self);
}

void
zim_denoiser_get_executables (ZimDenoiser    *self,
                              ZimExecutable **executables)
{
  executables[0] = self->caption_exe;
  executables[1] = self->embed_exe;
  executables[2] = self->layers_exe;
  executables[3] = self->final_exe;
}

double
zim_denoiser_get_step_flops (ZimDenoiser *self)
{
  return zim_program_get_flops (self->embed.program) + zim_program_get_flops (self->layers.program) +
         zim_program_get_flops (self->final.program);
}

static gboolean
run_and_dump (ZimExecutable     *executable,
              const ZimBinding  *bindings,
              guint              n_bindings,
              ZimDumpFunc        dump,
              gpointer           dump_data,
              GCancellable      *cancellable,
              GError           **error)
{
  if (!zim_executable_run (executable, bindings, n_bindings, cancellable, error))
    return FALSE;
  if (dump != NULL)
    zim_executable_dump (executable, dump, dump_data);
  return TRUE;
}

gboolean
zim_denoiser_set_caption (ZimDenoiser   *self,
                          const float   *features,
                          ZimDumpFunc    dump,
                          gpointer       dump_data,
                          GCancellable  *cancellable,
                          GError       **error)
{
  ZimBinding binding = { self->caption.features, (gpointer) features };

  write_rope_tables (self);
  return run_and_dump (self->caption_exe, &binding, 1, dump, dump_data, cancellable, error);
}

gboolean
zim_denoiser_run (ZimDenoiser          *self,
                  const ZimModulation  *modulation,
                  guint                 step,
                  const float          *latents,
                  float                *velocity,
                  ZimDumpFunc           dump,
                  gpointer              dump_data,
                  GCancellable         *cancellable,
                  GError              **error)
{
  float *row = modulation->table + (gsize) step * modulation->width;
  ZimBinding embed[] = { { self->embed.latents, (gpointer) latents }, { self->embed.modulation, row } };
  ZimBinding layers[] = { { self->layers.modulation, row } };
  ZimBinding final[] = { { self->final.modulation, row }, { self->final.velocity, velocity } };

  return run_and_dump (self->embed_exe, embed, G_N_ELEMENTS (embed), dump, dump_data, cancellable, error) &&
         run_and_dump (self->layers_exe, layers, G_N_ELEMENTS (layers), dump, dump_data, cancellable, error) &&
         run_and_dump (self->final_exe, final, G_N_ELEMENTS (final), dump, dump_data, cancellable, error);
}
