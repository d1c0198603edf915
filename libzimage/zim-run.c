/* zim-run.c: from a prompt to pictures
 *
 *   prompt → ids → features → caption tokens ┐
 *   seed → latents → transformer step × n, Euler → latents → pixels → ZimImage
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <math.h>

#include "diffusion/zim-denoiser-private.h"
#include "diffusion/zim-noise-private.h"
#include "diffusion/zim-scheduler-private.h"
#include "zim-dump-private.h"
#include "zim-error.h"
#include "zim-image.h"
#include "zim-run-private.h"

/* A run */

typedef struct {
  ZimRunContext *context;
  ZimJob        *job;
  ZimParams     *params;
  GCancellable  *cancellable;
  ZimDump       *dump; /* (nullable) */

  guint          width, height;               /* pixels */
  guint          latent_width, latent_height;
  gsize          n_latents;                   /* values */
  guint          n_steps;
  guint          n_images;
  double         guidance;
  float         *sigmas;                      /* [n_steps + 1] */
  ZimModulation  modulation;

  ZimDenoiser   *positive;
  ZimDenoiser   *negative;                    /* NULL without guidance */
  float         *latents;
  float         *velocity;
  float         *negative_velocity;

  gint64         start;                       /* monotonic, µs */
  double         done_flops;
  double         total_flops;
  double         step_flops;
  double         decode_flops;
} Run;

static void
report (Run      *run,
        ZimStage  stage,
        guint     step,
        guint     total)
{
  double elapsed = (g_get_monotonic_time () - run->start) / 1e6;
  double fraction = run->total_flops > 0 ? MIN (run->done_flops / run->total_flops, 1) : 0;
  double remaining = run->done_flops > 0 ? elapsed * (run->total_flops - run->done_flops) / run->done_flops : -1;

  _zim_job_post_progress (run->job, stage, (int) step, (int) total, fraction, elapsed, MAX (remaining, -1));
}

static ZimDumpFunc
dump_func (Run *run)
{
  return run->dump != NULL ? zim_dump_add : NULL;
}

static gboolean
check_finite (const float  *values,
              gsize         n,
              const char   *what,
              GError      **error)
{
  for (gsize i = 0; i < n; i++)
    if (!isfinite (values[i]))
      {
        g_set_error (error, ZIM_ERROR, ZIM_ERROR_NON_FINITE,
                     _("%s hold infinities or NaNs: the weights are damaged, or the precision is too small for them; "
                       "no picture was made"),
                     what);
        return FALSE;
      }
  return TRUE;
}

/* Text */

static GArray *
tokenize (Run        *run,
          const char *prompt)
{
  ZimTokenizer *tokenizer = _zim_model_get_tokenizer (run->context->model);
  guint max_tokens = (guint) zim_params_get_max_tokens (run->params);
  g_autofree char *text = zim_chat_template_render (prompt);
  GArray *ids = zim_tokenizer_encode (tokenizer, text, -1);

  if (ids->len > max_tokens)
    {
      g_autofree char *warning = NULL;

      warning = g_strdup_printf (_("The prompt has %u tokens and was cut to %u; the rest of its words have no effect"),
                                 ids->len, max_tokens);
      _zim_job_post_warning (run->job, warning);
      g_array_set_size (ids, max_tokens);
    }
  return ids;
}

/* The features of a prompt, owned by the cache. */
static const ZimCachedPrompt *
encode (Run         *run,
        const char  *prompt,
        GError     **error)
{
  ZimRunContext *context = run->context;
  guint max_tokens = (guint) zim_params_get_max_tokens (run->params);
  ZimTextEncoder *encoder = _zim_model_get_text_encoder (context->model);
  const ZimCachedPrompt *cached = zim_feature_cache_find (context->features, prompt, context->precision, max_tokens);
  g_autoptr(GArray) ids = NULL;
  g_autofree float *features = NULL;
  guint hidden = zim_checkpoint_get_config (_zim_model_get_checkpoint (context->model))->text_encoder.hidden_size;

  if (cached != NULL && run->dump == NULL)
    return cached;
  ids = tokenize (run, prompt);
  if (run->dump != NULL)
    zim_dump_add_ids (run->dump, (const gint32 *) (gpointer) ids->data, ids->len);
  features = zim_text_encoder_run (encoder, context->backend, context->precision, (const gint32 *) (gpointer) ids->data,
                                   ids->len, dump_func (run), run->dump, run->cancellable, error);
  if (features == NULL || !check_finite (features, (gsize) ids->len * hidden, _("The features of the prompt"), error))
    return NULL;
  return zim_feature_cache_add (context->features, prompt, context->precision, max_tokens, g_steal_pointer (&features),
                                ids->len);
}

/* Set-up */

static ZimDenoiser *
make_denoiser (Run         *run,
               const char  *prompt,
               const char  *prefix,
               GError     **error)
{
  ZimRunContext *context = run->context;
  const ZimCachedPrompt *text;
  g_autoptr(ZimDenoiser) denoiser = NULL;

  if (run->dump != NULL)
    zim_dump_set_prefix (run->dump, "%s", prefix);
  text = encode (run, prompt, error);
  if (text == NULL)
    return NULL;
  denoiser = zim_denoiser_new (_zim_model_get_transformer (context->model), context->backend, context->precision,
                               run->latent_height, run->latent_width, text->n_ids, run->dump != NULL, error);
  if (denoiser == NULL ||
      !zim_denoiser_set_caption (denoiser, text->features, dump_func (run), run->dump, run->cancellable, error))
    return NULL;
  return g_steal_pointer (&denoiser);
}

static gboolean
is_guided (Run   *run,
           guint  step)
{
  const ZimConfig *config = zim_checkpoint_get_config (_zim_model_get_checkpoint (run->context->model));

  return run->guidance > 0 && zim_scheduler_is_guided (&config->scheduler, run->sigmas[step],
                                                       zim_params_get_cfg_truncation (run->params));
}

static gboolean
estimate (Run     *run,
          GError **error)
{
  ZimRunContext *context = run->context;
  gsize arena;
  guint forwards = 0;

  for (guint i = 0; i < run->n_steps; i++)
    forwards += is_guided (run, i) ? 2 : 1;
  run->step_flops = zim_denoiser_get_step_flops (run->positive);
  if (!zim_autoencoder_plan (_zim_model_get_autoencoder (context->model), context->backend, context->precision,
                             run->latent_height, run->latent_width, &arena, &run->decode_flops, error))
    return FALSE;
  run->total_flops = run->n_images * (forwards * run->step_flops + run->decode_flops);
  return TRUE;
}

static gboolean
set_up_schedule (Run     *run,
                 GError **error)
{
  ZimRunContext *context = run->context;
  const ZimConfig *config = zim_checkpoint_get_config (_zim_model_get_checkpoint (context->model));
  guint patch = config->transformer.patch_size;
  guint n_tokens = run->latent_width * run->latent_height / (patch * patch);
  g_autofree float *times = g_new (float, run->n_steps);

  run->sigmas = zim_scheduler_sigmas (&config->scheduler, run->n_steps, n_tokens);
  for (guint i = 0; i < run->n_steps; i++)
    times[i] = zim_scheduler_time (&config->scheduler, run->sigmas[i]);
  if (run->dump != NULL)
    zim_dump_set_prefix (run->dump, "%s", "");
  return zim_modulation_init (&run->modulation, _zim_model_get_transformer (context->model), context->backend,
                              context->precision, times, run->n_steps, dump_func (run), run->dump, run->cancellable,
                              error);
}

static gboolean
set_up (Run     *run,
        GError **error)
{
  ZimAutoencoder *autoencoder = _zim_model_get_autoencoder (run->context->model);
  guint scale = zim_autoencoder_get_scale (autoencoder);

  run->width = (guint) zim_params_get_width (run->params);
  run->height = (guint) zim_params_get_height (run->params);
  run->latent_width = run->width / scale;
  run->latent_height = run->height / scale;
  run->n_latents = (gsize) zim_autoencoder_get_channels (autoencoder) * run->latent_width * run->latent_height;
  run->n_steps = (guint) zim_params_get_steps (run->params);
  run->n_images = (guint) zim_params_get_n_images (run->params);
  run->guidance = zim_params_get_guidance (run->params);
  run->latents = g_new (float, run->n_latents);
  run->velocity = g_new (float, run->n_latents);
  run->negative_velocity = g_new (float, run->n_latents);

  report (run, ZIM_STAGE_ENCODE, 0, 1);
  run->positive = make_denoiser (run, zim_params_get_prompt (run->params), "", error);
  if (run->positive == NULL)
    return FALSE;
  if (run->guidance > 0)
    {
      run->negative = make_denoiser (run, zim_params_get_negative_prompt (run->params), "negative.", error);
      if (run->negative == NULL)
        return FALSE;
    }
  return set_up_schedule (run, error) && estimate (run, error);
}

/* Steps */

static gboolean
run_network (Run          *run,
             ZimDenoiser  *denoiser,
             guint         step,
             float        *velocity,
             GError      **error)
{
  if (!zim_denoiser_run (denoiser, &run->modulation, step, run->latents, velocity, dump_func (run), run->dump,
                         run->cancellable, error))
    return FALSE;
  run->done_flops += run->step_flops;
  return TRUE;
}

/* “sample.1.” from the second picture on, then “step.0.” within a step, then the network's part. */
static void
set_dump_prefix (Run        *run,
                 guint       image,
                 int         step,
                 const char *part)
{
  g_autofree char *sample = image > 0 ? g_strdup_printf ("sample.%u.", image) : g_strdup ("");

  if (run->dump == NULL)
    return;
  if (step >= 0)
    zim_dump_set_prefix (run->dump, "%sstep.%d.%s", sample, step, part);
  else
    zim_dump_set_prefix (run->dump, "%s", sample);
}

static void
dump_latents (Run         *run,
              const char  *name,
              const float *values)
{
  gsize plane = (gsize) run->latent_width * run->latent_height;

  if (run->dump != NULL)
    zim_dump_add (name, (gint64) (run->n_latents / plane), (gint64) plane, values, run->dump);
}

static gboolean
run_guided (Run     *run,
            guint    image,
            guint    step,
            GError **error)
{
  gboolean guided = is_guided (run, step);

  set_dump_prefix (run, image, (int) step, guided ? "positive." : "");
  if (!run_network (run, run->positive, step, run->velocity, error))
    return FALSE;
  if (!guided)
    return TRUE;
  set_dump_prefix (run, image, (int) step, "negative.");
  if (!run_network (run, run->negative, step, run->negative_velocity, error))
    return FALSE;
  zim_scheduler_guide (run->velocity, run->negative_velocity, run->n_latents, run->guidance,
                       zim_params_get_cfg_normalization (run->params));
  set_dump_prefix (run, image, (int) step, "");
  dump_latents (run, "velocity", run->velocity);
  return TRUE;
}

/* Previews show the clean picture that the current velocity points to: x − σ·v. */
static gboolean
preview_step (Run      *run,
              guint     step,
              GError  **error)
{
  ZimRunContext *context = run->context;
  guint size, width, height, longer = MAX (run->latent_width, run->latent_height);
  g_autoptr(GdkPixbuf) pixbuf = NULL;
  g_autofree float *clean = NULL;

  if (!_zim_job_wants_preview (run->job, step + 1, &size))
    return TRUE;
  if (context->preview->n_channels == 0 &&
      !zim_preview_load (context->preview, context->model, context->backend, context->precision, run->cancellable,
                         error))
    return FALSE;
  /* Twice the latents' resolution at most: there is nothing more to see. */
  size = MIN (size, 2 * longer);
  width = MAX (1, run->latent_width * size / longer);
  height = MAX (1, run->latent_height * size / longer);
  clean = g_new (float, run->n_latents);
  for (gsize i = 0; i < run->n_latents; i++)
    clean[i] = run->latents[i] - run->sigmas[step] * run->velocity[i];
  pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, (int) width, (int) height);
  zim_preview_render (context->preview, clean, run->latent_height, run->latent_width, height, width,
                      gdk_pixbuf_get_pixels (pixbuf), (gsize) gdk_pixbuf_get_rowstride (pixbuf));
  _zim_job_post_preview (run->job, pixbuf);
  return TRUE;
}

static gboolean
denoise (Run     *run,
         guint    image,
         GError **error)
{
  guint total = run->n_steps * run->n_images;

  zim_noise_fill (zim_params_get_rng (run->params), (guint64) zim_params_get_seed (run->params) + image, run->latents,
                  run->n_latents);
  set_dump_prefix (run, image, -1, "");
  dump_latents (run, "latents.0", run->latents);
  for (guint step = 0; step < run->n_steps; step++)
    {
      g_autofree char *name = g_strdup_printf ("latents.%u", step + 1);

      report (run, ZIM_STAGE_DENOISE, image * run->n_steps + step, total);
      if (!run_guided (run, image, step, error) || !preview_step (run, step, error))
        return FALSE;
      zim_scheduler_step (run->latents, run->velocity, run->n_latents, run->sigmas[step], run->sigmas[step + 1]);
      if (!check_finite (run->latents, run->n_latents, _("The latents"), error))
        return FALSE;
      set_dump_prefix (run, image, -1, "");
      dump_latents (run, name, run->latents);
    }
  report (run, ZIM_STAGE_DENOISE, (image + 1) * run->n_steps, total);
  return TRUE;
}

/* Pixels */

/* −1 … 1 → 0 … 255, rounded to even. */
static GdkPixbuf *
to_pixbuf (const float *image,
           guint        width,
           guint        height)
{
  GdkPixbuf *pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, (int) width, (int) height);
  guint8 *pixels = gdk_pixbuf_get_pixels (pixbuf);
  gsize stride = (gsize) gdk_pixbuf_get_rowstride (pixbuf);

  for (guint y = 0; y < height; y++)
    for (guint i = 0; i < 3 * width; i++)
      {
        float value = image[(gsize) y * 3 * width + i] * 0.5f + 0.5f;

        pixels[y * stride + i] = (guint8) rintf (CLAMP (value, 0.0f, 1.0f) * 255);
      }
  return pixbuf;
}

static ZimImage *
decode (Run      *run,
        guint     image,
        GError  **error)
{
  ZimRunContext *context = run->context;
  g_autoptr(GdkPixbuf) pixbuf = NULL;
  g_autoptr(ZimParams) params = NULL;
  g_autofree float *pixels = NULL;

  report (run, ZIM_STAGE_DECODE, image, run->n_images);
  pixels = zim_autoencoder_decode (_zim_model_get_autoencoder (context->model), context->backend, context->precision,
                                   run->latents, run->latent_height, run->latent_width, dump_func (run), run->dump,
                                   run->cancellable, error);
  if (pixels == NULL || !check_finite (pixels, (gsize) run->width * run->height * 3, _("The decoded pixels"), error))
    return NULL;
  run->done_flops += run->decode_flops;
  report (run, ZIM_STAGE_DECODE, image + 1, run->n_images);

  pixbuf = to_pixbuf (pixels, run->width, run->height);
  params = zim_params_copy (run->params);
  zim_params_set_seed (params, zim_params_get_seed (run->params) + image);
  zim_params_set_n_images (params, 1);
  zim_params_seal (params);
  return zim_image_new (pixbuf, params, zim_model_get_name (context->model));
}

/* Tells each image as it is ready: what is done is not lost if the rest is cancelled. */
static gboolean
run_images (Run     *run,
            GError **error)
{
  for (guint i = 0; i < run->n_images; i++)
    {
      g_autoptr(ZimImage) image = NULL;

      if (!denoise (run, i, error))
        return FALSE;
      image = decode (run, i, error);
      if (image == NULL)
        return FALSE;
      _zim_job_post_image (run->job, image);
    }
  return TRUE;
}

static void
run_clear (Run *run)
{
  g_clear_pointer (&run->positive, zim_denoiser_free);
  g_clear_pointer (&run->negative, zim_denoiser_free);
  zim_modulation_clear (&run->modulation);
  g_clear_pointer (&run->dump, zim_dump_free);
  g_free (run->sigmas);
  g_free (run->latents);
  g_free (run->velocity);
  g_free (run->negative_velocity);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

gboolean
zim_run_job (ZimRunContext  *context,
             ZimJob         *job,
             GError        **error)
{
  g_auto(Run) run = { context, job, zim_job_get_params (job), _zim_job_get_cancellable (job) };

  run.start = g_get_monotonic_time ();
  if (context->dump_file != NULL)
    run.dump = zim_dump_new ();
  report (&run, ZIM_STAGE_LOAD, 0, 1);
  if (_zim_model_get_tokenizer (context->model) == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("The model has no tokenizer"));
      return FALSE;
    }
  return set_up (&run, error) && run_images (&run, error) &&
         (run.dump == NULL || zim_dump_write (run.dump, context->dump_file, error));
}

/* Plan */

/* The longest prompt that the parameters allow: its length is not known before it is tokenised. */
static guint
planned_tokens (ZimRunContext *context,
                ZimParams     *params)
{
  guint max_tokens = (guint) zim_params_get_max_tokens (params);
  g_autofree char *text = zim_chat_template_render (zim_params_get_prompt (params));
  g_autoptr(GArray) ids = NULL;

  if (_zim_model_get_tokenizer (context->model) == NULL)
    return max_tokens;
  ids = zim_tokenizer_encode (_zim_model_get_tokenizer (context->model), text, -1);
  return CLAMP (ids->len, 1, max_tokens);
}

gboolean
zim_run_plan (ZimRunContext  *context,
              ZimParams      *params,
              guint64        *memory,
              GError        **error)
{
  ZimAutoencoder *autoencoder = _zim_model_get_autoencoder (context->model);
  guint scale = zim_autoencoder_get_scale (autoencoder);
  guint latent_width = (guint) zim_params_get_width (params) / scale;
  guint latent_height = (guint) zim_params_get_height (params) / scale;
  guint n_tokens = planned_tokens (context, params), n_denoisers = zim_params_get_guidance (params) > 0 ? 2 : 1;
  gsize latents = (gsize) zim_autoencoder_get_channels (autoencoder) * latent_width * latent_height * sizeof (float);
  gsize modulation = (gsize) zim_params_get_steps (params) * sizeof (float) *
                     zim_transformer_modulation_width (_zim_model_get_transformer (context->model));
  gsize pixels = (gsize) zim_params_get_width (params) * zim_params_get_height (params) * 3;
  g_autoptr(ZimDenoiser) denoiser = NULL;
  gsize text_arena, decode_arena, arena;
  double flops;

  denoiser = zim_denoiser_new (_zim_model_get_transformer (context->model), context->backend, context->precision,
                               latent_height, latent_width, n_tokens, FALSE, error);
  if (denoiser == NULL ||
      !zim_text_encoder_plan (_zim_model_get_text_encoder (context->model), context->backend, context->precision,
                              n_tokens, &text_arena, &flops, error) ||
      !zim_autoencoder_plan (autoencoder, context->backend, context->precision, latent_height, latent_width,
                             &decode_arena, &flops, error))
    return FALSE;
  arena = MAX (zim_denoiser_get_arena_size (denoiser), MAX (text_arena, decode_arena));
  *memory = arena + n_denoisers * zim_denoiser_get_state_size (denoiser) + modulation + 3 * latents +
            pixels * (sizeof (float) + 1);
  return TRUE;
}
