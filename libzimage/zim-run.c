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
#include "zim-memory-plan-private.h"
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
  ZimMemoryPlan  plan;

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

static const ZimCachedPrompt *
find_features (Run        *run,
               const char *prompt)
{
  return zim_feature_cache_find (run->context->features, prompt, run->context->precision,
                                 (guint) zim_params_get_max_tokens (run->params));
}

/* A prompt on its way to the denoiser */
typedef struct {
  const char            *text;
  const char            *prefix;   /* of what is dumped */
  GArray                *ids;      /* NULL if the features are known */
  guint                  n_ids;
  const ZimCachedPrompt *features; /* owned by the cache */
} Prompt;

static void
prompt_clear (Prompt *prompt)
{
  g_clear_pointer (&prompt->ids, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Prompt, prompt_clear)

static void
read_prompt (Run    *run,
             Prompt *prompt)
{
  prompt->features = run->dump == NULL ? find_features (run, prompt->text) : NULL;
  if (prompt->features == NULL)
    prompt->ids = tokenize (run, prompt->text);
  prompt->n_ids = prompt->features != NULL ? prompt->features->n_ids : prompt->ids->len;
}

/* The same prompt may be here twice. */
static gboolean
encode (Run     *run,
        Prompt  *prompt,
        GError **error)
{
  ZimRunContext *context = run->context;
  ZimTextEncoder *encoder = _zim_model_get_text_encoder (context->model);
  guint hidden = zim_checkpoint_get_config (_zim_model_get_checkpoint (context->model))->text_encoder.hidden_size;
  g_autofree float *features = NULL;

  if (prompt->features == NULL && run->dump == NULL)
    prompt->features = find_features (run, prompt->text);
  if (prompt->features != NULL)
    return TRUE;
  if (run->dump != NULL)
    {
      zim_dump_set_prefix (run->dump, "%s", prompt->prefix);
      zim_dump_add_ids (run->dump, (const gint32 *) (gpointer) prompt->ids->data, prompt->n_ids);
    }
  if (!zim_memory_plan_enter (&run->plan, context->backend, ZIM_PLAN_ENCODE, error))
    return FALSE;
  features = zim_text_encoder_run (encoder, context->backend, context->precision,
                                   (const gint32 *) (gpointer) prompt->ids->data, prompt->n_ids, dump_func (run),
                                   run->dump, run->cancellable, error);
  if (features == NULL ||
      !check_finite (features, (gsize) prompt->n_ids * hidden, _("The features of the prompt"), error))
    return FALSE;
  prompt->features = zim_feature_cache_add (context->features, prompt->text, context->precision,
                                            (guint) zim_params_get_max_tokens (run->params),
                                            g_steal_pointer (&features), prompt->n_ids);
  return TRUE;
}

/* Set-up */

static ZimDenoiser *
make_denoiser (Run           *run,
               const Prompt  *prompt,
               GError       **error)
{
  ZimRunContext *context = run->context;

  return zim_denoiser_new (_zim_model_get_transformer (context->model), context->backend, context->precision,
                           run->latent_height, run->latent_width, prompt->n_ids, run->dump != NULL, error);
}

static gboolean
set_caption (Run           *run,
             ZimDenoiser   *denoiser,
             const Prompt  *prompt,
             GError       **error)
{
  if (run->dump != NULL)
    zim_dump_set_prefix (run->dump, "%s", prompt->prefix);
  return zim_memory_plan_enter (&run->plan, run->context->backend, ZIM_PLAN_DENOISE, error) &&
         zim_denoiser_set_caption (denoiser, prompt->features->features, dump_func (run), run->dump, run->cancellable,
                                   error);
}

/* Bytes that a run takes on the host beside what backends hold. */
static guint64
host_memory (ZimRunContext *context,
             ZimParams     *params)
{
  ZimAutoencoder *autoencoder = _zim_model_get_autoencoder (context->model);
  guint scale = zim_autoencoder_get_scale (autoencoder);
  guint64 pixels = (guint64) zim_params_get_width (params) * (guint64) zim_params_get_height (params);
  guint64 latents = zim_autoencoder_get_channels (autoencoder) * pixels / scale / scale * sizeof (float);
  guint64 modulation = (guint64) zim_params_get_steps (params) * sizeof (float) *
                       zim_transformer_modulation_width (_zim_model_get_transformer (context->model));

  return modulation + 3 * latents + 3 * pixels * (sizeof (float) + 1);
}

/* Before anything is computed: what the run takes, and whether it is there. */
static gboolean
plan_run (Run     *run,
          guint    n_ids,
          GError **error)
{
  ZimRunContext *context = run->context;
  ZimPlanRequest request = {
    .model = context->model,
    .backend = context->backend,
    .precision = context->precision,
    .latent_height = run->latent_height,
    .latent_width = run->latent_width,
    .n_ids = n_ids,
    .n_steps = run->n_steps,
    .denoisers = { run->positive, run->negative },
    .keep_named = run->dump != NULL,
    .fits_preview = context->preview->n_channels == 0,
  };

  if (!zim_memory_plan_init (&run->plan, &request, error) ||
      !zim_memory_plan_choose (&run->plan, context->backend, context->memory_budget, host_memory (context, run->params),
                               context->device_name, error))
    return FALSE;
  return TRUE;
}

static gboolean
is_guided (Run   *run,
           guint  step)
{
  const ZimConfig *config = zim_checkpoint_get_config (_zim_model_get_checkpoint (run->context->model));

  return run->guidance > 0 && zim_scheduler_is_guided (&config->scheduler, run->sigmas[step],
                                                       zim_params_get_cfg_truncation (run->params));
}

static void
estimate (Run *run)
{
  ZimExecutable *decoder = g_ptr_array_index (run->plan.executables[ZIM_PLAN_DECODE], 0);
  guint forwards = 0;

  for (guint i = 0; i < run->n_steps; i++)
    forwards += is_guided (run, i) ? 2 : 1;
  run->step_flops = zim_denoiser_get_step_flops (run->positive);
  run->decode_flops = zim_program_get_flops (zim_executable_get_program (decoder));
  run->total_flops = run->n_images * (forwards * run->step_flops + run->decode_flops);
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

static void
set_up_sizes (Run *run)
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
}

static gboolean
make_denoisers (Run           *run,
                const Prompt  *positive,
                const Prompt  *negative,
                GError       **error)
{
  run->positive = make_denoiser (run, positive, error);
  if (run->positive != NULL && run->guidance > 0)
    run->negative = make_denoiser (run, negative, error);
  return run->positive != NULL && (run->negative != NULL || run->guidance <= 0) &&
         plan_run (run, MAX (positive->n_ids, negative->n_ids), error);
}

static gboolean
set_up (Run     *run,
        GError **error)
{
  g_auto(Prompt) positive = { zim_params_get_prompt (run->params), "" };
  g_auto(Prompt) negative = { zim_params_get_negative_prompt (run->params), "negative." };

  set_up_sizes (run);
  run->latents = g_new (float, run->n_latents);
  run->velocity = g_new (float, run->n_latents);
  run->negative_velocity = g_new (float, run->n_latents);

  report (run, ZIM_STAGE_ENCODE, 0, 1);
  read_prompt (run, &positive);
  if (run->guidance > 0)
    read_prompt (run, &negative);
  if (!make_denoisers (run, &positive, &negative, error))
    return FALSE;
  zim_memory_plan_apply (&run->plan, run->context->backend);
  _zim_job_post_memory_plan (run->job, zim_memory_plan_describe (&run->plan));
  if (!encode (run, &positive, error) || (run->negative != NULL && !encode (run, &negative, error)) ||
      !set_caption (run, run->positive, &positive, error) ||
      (run->negative != NULL && !set_caption (run, run->negative, &negative, error)) || !set_up_schedule (run, error))
    return FALSE;
  estimate (run);
  return TRUE;
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

static gboolean
load_preview (Run     *run,
              GError **error)
{
  ZimRunContext *context = run->context;

  return zim_memory_plan_enter (&run->plan, context->backend, ZIM_PLAN_DECODE, error) &&
         zim_preview_load (context->preview, context->model, context->backend, context->precision, run->cancellable,
                           error) &&
         zim_memory_plan_enter (&run->plan, context->backend, ZIM_PLAN_DENOISE, error);
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
      !load_preview (run, error))
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

  if (!zim_memory_plan_enter (&run->plan, run->context->backend, ZIM_PLAN_DENOISE, error))
    return FALSE;
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
  if (!zim_memory_plan_enter (&run->plan, context->backend, ZIM_PLAN_DECODE, error))
    return NULL;
  pixels = zim_autoencoder_decode (_zim_model_get_autoencoder (context->model), context->backend, context->precision,
                                   run->latents, run->latent_height, run->latent_width, run->plan.tiling,
                                   dump_func (run), run->dump, run->cancellable, error);
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
  zim_memory_plan_clear (&run->plan);
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
                ZimParams     *params,
                const char    *prompt)
{
  guint max_tokens = (guint) zim_params_get_max_tokens (params);
  g_autofree char *text = zim_chat_template_render (prompt);
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
  g_auto(Run) run = { context, NULL, params };
  Prompt positive = { NULL }, negative = { NULL };

  set_up_sizes (&run);
  positive.n_ids = planned_tokens (context, params, zim_params_get_prompt (params));
  if (run.guidance > 0)
    negative.n_ids = planned_tokens (context, params, zim_params_get_negative_prompt (params));
  if (!make_denoisers (&run, &positive, &negative, error))
    return FALSE;
  *memory = run.plan.peak;
  return TRUE;
}
