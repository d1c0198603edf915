/* zim-memory-plan.c: what of a run is on the device when, decided before it begins
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "diffusion/zim-preview-private.h"
#include "zim-error.h"
#include "zim-memory-plan-private.h"

#define ALIGNMENT ((gsize) 64 << 10) /* of windows that are larger than they must be: any device's */
#define WINDOW_SHARE 8 /* a window is at most one of so many parts of what is left for weights, or the least possible */

/* Sizes */

/* Takes executable, which is NULL after an error. */
static gboolean
add (ZimMemoryPlan *plan,
     ZimPlanStage   stage,
     ZimExecutable *executable)
{
  if (executable != NULL)
    g_ptr_array_add (plan->executables[stage], executable);
  return executable != NULL;
}

static void
add_denoiser (ZimMemoryPlan *plan,
              ZimDenoiser   *denoiser)
{
  ZimExecutable *executables[ZIM_DENOISER_N_PROGRAMS];

  zim_denoiser_get_executables (denoiser, executables);
  for (guint i = 0; i < ZIM_DENOISER_N_PROGRAMS; i++)
    add (plan, ZIM_PLAN_DENOISE, g_object_ref (executables[i]));
}

static gboolean
compile (ZimMemoryPlan         *plan,
         const ZimPlanRequest  *request,
         GError               **error)
{
  ZimAutoencoder *autoencoder = _zim_model_get_autoencoder (request->model);
  ZimTransformer *transformer = _zim_model_get_transformer (request->model);

  for (guint i = 0; i < 2; i++)
    if (request->denoisers[i] != NULL)
      add_denoiser (plan, request->denoisers[i]);
  return add (plan, ZIM_PLAN_ENCODE,
              zim_text_encoder_compile (_zim_model_get_text_encoder (request->model), request->backend,
                                        request->precision, request->n_ids, request->keep_named, error)) &&
         add (plan, ZIM_PLAN_DENOISE,
              zim_modulation_compile (transformer, request->backend, request->precision, request->n_steps,
                                      request->keep_named, error)) &&
         add (plan, ZIM_PLAN_DECODE,
              zim_autoencoder_compile (autoencoder, request->backend, request->precision, request->latent_height,
                                       request->latent_width, request->keep_named, error)) &&
         (!request->fits_preview ||
          add (plan, ZIM_PLAN_DECODE,
               zim_autoencoder_compile (autoencoder, request->backend, request->precision, ZIM_PREVIEW_SIDE,
                                        ZIM_PREVIEW_SIDE, FALSE, error)));
}

gboolean
zim_memory_plan_init (ZimMemoryPlan         *plan,
                      const ZimPlanRequest  *request,
                      GError               **error)
{
  ZimNeeds *needs = plan->needs;

  for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
    plan->executables[i] = g_ptr_array_new_with_free_func (g_object_unref);
  if (!compile (plan, request, error))
    return FALSE;
  for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
    zim_backend_measure (request->backend, plan->executables[i], &needs[i]);
  /* The denoisers are there until the last picture is decoded. */
  needs[ZIM_PLAN_DECODE].own += needs[ZIM_PLAN_DENOISE].own;
  needs[ZIM_PLAN_DECODE].states = needs[ZIM_PLAN_DENOISE].states;
  return TRUE;
}

void
zim_memory_plan_clear (ZimMemoryPlan *plan)
{
  for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
    g_clear_pointer (&plan->executables[i], g_ptr_array_unref);
}

/* What a stage needs beside its weights */
static guint64
fixed (const ZimMemoryPlan *plan,
       ZimPlanStage         stage)
{
  const ZimNeeds *needs = &plan->needs[stage];

  return (guint64) needs->arena + needs->own + needs->states + needs->staging;
}

/* What stages need if the weights of all of them stay and the arena is that of the largest */
static guint64
together (const ZimMemoryPlan *plan,
          ZimPlanStage         first,
          ZimPlanStage         last)
{
  guint64 weights = 0, arena = 0, rest = 0;

  for (guint i = first; i <= last; i++)
    {
      weights += plan->needs[i].weights;
      arena = MAX (arena, plan->needs[i].arena);
      rest = MAX (rest, fixed (plan, i) - plan->needs[i].arena);
    }
  return weights + arena + rest;
}

static guint64
least (const ZimMemoryPlan *plan,
       ZimPlanStage         stage)
{
  return fixed (plan, stage) + MIN (plan->needs[stage].weights, plan->needs[stage].window);
}

/* Modes */

static gsize
choose_window (const ZimNeeds *needs,
               guint64         room)
{
  gsize half = (gsize) MIN (room / WINDOW_SHARE, needs->weights) / 2 / ALIGNMENT * ALIGNMENT;

  return MAX (needs->window, 2 * half);
}

static void
place (ZimMemoryPlan *plan,
       ZimPlanStage   stage)
{
  const ZimNeeds *needs = &plan->needs[stage];
  ZimPlacement *placement = &plan->placements[stage];
  guint64 room = plan->budget - fixed (plan, stage);

  *placement = (ZimPlacement) { needs->weights, 0 };
  if (plan->mode != ZIM_MEMORY_STREAMED || needs->weights <= room)
    return;
  placement->window = choose_window (needs, room);
  placement->resident = (gsize) room - placement->window;
}

static guint64
planned_peak (const ZimMemoryPlan *plan)
{
  guint64 peak = 0;

  switch (plan->mode)
    {
    case ZIM_MEMORY_RESIDENT:
      return together (plan, ZIM_PLAN_ENCODE, ZIM_PLAN_DECODE);
    case ZIM_MEMORY_TEXT_RELEASED:
      return MAX (together (plan, ZIM_PLAN_ENCODE, ZIM_PLAN_ENCODE),
                  together (plan, ZIM_PLAN_DENOISE, ZIM_PLAN_DECODE));
    case ZIM_MEMORY_MAPPED:
    case ZIM_MEMORY_IN_TURN:
    case ZIM_MEMORY_STREAMED:
    default:
      for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
        peak = MAX (peak, fixed (plan, i) + plan->placements[i].resident + plan->placements[i].window);
      return peak;
    }
}

static gboolean
set_error (const ZimMemoryPlan  *plan,
           const char           *device_name,
           GError              **error)
{
  const GFormatSizeFlags flags = G_FORMAT_SIZE_IEC_UNITS | G_FORMAT_SIZE_LONG_FORMAT;
  g_autofree char *needed = g_format_size_full (plan->minimum, flags);
  g_autofree char *budget = g_format_size_full (plan->budget, flags);
  g_autofree char *decoder = g_format_size_full (fixed (plan, ZIM_PLAN_DECODE), G_FORMAT_SIZE_IEC_UNITS);

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY,
               _("This picture needs at least %s of memory on “%s”, of which decoding it takes %s beside the weights; "
                 "the budget is %s. Choose a smaller picture, a larger budget or another device"),
               needed, device_name, decoder, budget);
  return FALSE;
}

/* Weights are mapped: the system drops them when memory is short, and they are in nobody's budget. */
static gboolean
choose_mapped (ZimMemoryPlan  *plan,
               guint64         budget,
               guint64         host,
               const char     *device_name,
               GError        **error)
{
  plan->mode = ZIM_MEMORY_MAPPED;
  plan->budget = budget;
  plan->minimum = plan->peak = together (plan, ZIM_PLAN_ENCODE, ZIM_PLAN_DECODE) + host;
  return budget == 0 || plan->minimum <= budget || set_error (plan, device_name, error);
}

gboolean
zim_memory_plan_choose (ZimMemoryPlan  *plan,
                        ZimBackend     *backend,
                        guint64         budget,
                        guint64         host,
                        const char     *device_name,
                        GError        **error)
{
  guint64 available = zim_backend_get_available (backend);

  if (available == 0)
    return choose_mapped (plan, budget, host, device_name, error);
  plan->budget = budget > 0 ? MIN (budget, available) : available;
  plan->minimum = 0;
  for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
    plan->minimum = MAX (plan->minimum, least (plan, i));
  if (plan->minimum > plan->budget)
    return set_error (plan, device_name, error);
  for (plan->mode = ZIM_MEMORY_RESIDENT; plan->mode <= ZIM_MEMORY_STREAMED; plan->mode++)
    {
      for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
        place (plan, i);
      plan->peak = planned_peak (plan);
      if (plan->peak <= plan->budget)
        return TRUE;
    }
  g_assert_not_reached ();
}

/* Running */

void
zim_memory_plan_apply (const ZimMemoryPlan *plan,
                       ZimBackend          *backend)
{
  if (plan->mode == ZIM_MEMORY_MAPPED)
    return;
  zim_backend_set_budget (backend, plan->budget);
  for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
    zim_backend_place (backend, i, plan->executables[i], &plan->placements[i]);
}

gboolean
zim_memory_plan_enter (const ZimMemoryPlan  *plan,
                       ZimBackend           *backend,
                       ZimPlanStage          stage,
                       GError              **error)
{
  return zim_backend_enter (backend, stage, &plan->needs[stage], error);
}

/* Telling */

static const char *
mode_name (ZimMemoryMode mode)
{
  static const char *const names[] = { "mapped", "resident", "text-released", "in-turn", "streamed" };

  return names[mode];
}

static void
add_bytes (GVariantBuilder *builder,
           const char      *key,
           guint64          bytes)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_uint64 (bytes));
}

GVariant *
zim_memory_plan_describe (const ZimMemoryPlan *plan)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  guint64 weights = 0, arena = 0, streamed = 0;

  for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
    {
      weights += plan->needs[i].weights;
      arena = MAX (arena, plan->needs[i].arena);
      streamed += plan->placements[i].window > 0 ? plan->needs[i].weights - plan->placements[i].resident : 0;
    }
  g_variant_builder_add (&builder, "{sv}", "mode", g_variant_new_string (mode_name (plan->mode)));
  add_bytes (&builder, "planned_bytes", plan->peak);
  add_bytes (&builder, "minimum_bytes", plan->minimum);
  add_bytes (&builder, "budget_bytes", plan->budget);
  add_bytes (&builder, "weights_bytes", weights);
  add_bytes (&builder, "streamed_bytes", streamed);
  add_bytes (&builder, "arena_bytes", arena);
  return g_variant_builder_end (&builder);
}
