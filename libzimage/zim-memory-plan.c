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
add (GPtrArray     *executables,
     ZimExecutable *executable)
{
  if (executable != NULL)
    g_ptr_array_add (executables, executable);
  return executable != NULL;
}

static void
add_denoiser (ZimMemoryPlan *plan,
              ZimDenoiser   *denoiser)
{
  ZimExecutable *executables[ZIM_DENOISER_N_PROGRAMS];

  zim_denoiser_get_executables (denoiser, executables);
  for (guint i = 0; i < ZIM_DENOISER_N_PROGRAMS; i++)
    add (plan->executables[ZIM_PLAN_DENOISE], g_object_ref (executables[i]));
}

static gboolean
compile (ZimMemoryPlan         *plan,
         const ZimPlanRequest  *request,
         GError               **error)
{
  for (guint i = 0; i < 2; i++)
    if (request->denoisers[i] != NULL)
      add_denoiser (plan, request->denoisers[i]);
  return add (plan->executables[ZIM_PLAN_ENCODE],
              zim_text_encoder_compile (_zim_model_get_text_encoder (request->model), request->backend,
                                        request->precision, request->n_ids, request->keep_named, error)) &&
         add (plan->executables[ZIM_PLAN_DENOISE],
              zim_modulation_compile (_zim_model_get_transformer (request->model), request->backend,
                                      request->precision, request->n_steps, request->keep_named, error));
}

/* The decoder tiled in each way, and as it is asked for previews, which are small. */
static gboolean
compile_decoders (ZimMemoryPlan         *plan,
                  const ZimPlanRequest  *request,
                  GError               **error)
{
  ZimAutoencoder *autoencoder = _zim_model_get_autoencoder (request->model);
  g_autoptr(ZimExecutable) preview = NULL;

  if (request->fits_preview)
    {
      preview = zim_autoencoder_compile (autoencoder, request->backend, request->precision, ZIM_PREVIEW_SIDE,
                                         ZIM_PREVIEW_SIDE, ZIM_TILING_NONE, FALSE, error);
      if (preview == NULL)
        return FALSE;
    }
  for (ZimTiling tiling = 0; tiling < ZIM_N_TILINGS; tiling++)
    {
      if (!add (plan->decoders[tiling],
                zim_autoencoder_compile (autoencoder, request->backend, request->precision, request->latent_height,
                                         request->latent_width, tiling, request->keep_named, error)))
        return FALSE;
      if (preview != NULL)
        g_ptr_array_add (plan->decoders[tiling], g_object_ref (preview));
    }
  return TRUE;
}

static void
choose_tiling (ZimMemoryPlan *plan,
               ZimTiling      tiling)
{
  plan->tiling = tiling;
  plan->needs[ZIM_PLAN_DECODE] = plan->decoder_needs[tiling];
  g_clear_pointer (&plan->executables[ZIM_PLAN_DECODE], g_ptr_array_unref);
  plan->executables[ZIM_PLAN_DECODE] = g_ptr_array_ref (plan->decoders[tiling]);
}

gboolean
zim_memory_plan_init (ZimMemoryPlan         *plan,
                      const ZimPlanRequest  *request,
                      GError               **error)
{
  ZimNeeds *needs = plan->needs;

  for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
    plan->executables[i] = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < ZIM_N_TILINGS; i++)
    plan->decoders[i] = g_ptr_array_new_with_free_func (g_object_unref);
  if (!compile (plan, request, error) || !compile_decoders (plan, request, error))
    return FALSE;
  for (guint i = ZIM_PLAN_ENCODE; i < ZIM_PLAN_DECODE; i++)
    zim_backend_measure (request->backend, plan->executables[i], &needs[i]);
  for (guint i = 0; i < ZIM_N_TILINGS; i++)
    {
      ZimNeeds *decoder = &plan->decoder_needs[i];

      zim_backend_measure (request->backend, plan->decoders[i], decoder);
      /* The denoisers are there until the last picture is decoded. */
      decoder->own += needs[ZIM_PLAN_DENOISE].own;
      decoder->states = needs[ZIM_PLAN_DENOISE].states;
    }
  choose_tiling (plan, ZIM_TILING_NONE);
  return TRUE;
}

void
zim_memory_plan_clear (ZimMemoryPlan *plan)
{
  for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
    g_clear_pointer (&plan->executables[i], g_ptr_array_unref);
  for (guint i = 0; i < ZIM_N_TILINGS; i++)
    g_clear_pointer (&plan->decoders[i], g_ptr_array_unref);
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

/* Chooses the tiling that has all stages fit into the least; that least. */
static guint64
find_minimum (ZimMemoryPlan *plan,
              guint64      (*measure) (const ZimMemoryPlan *plan))
{
  guint64 minimum = G_MAXUINT64;
  ZimTiling best = ZIM_TILING_NONE;

  for (ZimTiling tiling = 0; tiling < ZIM_N_TILINGS; tiling++)
    {
      choose_tiling (plan, tiling);
      if (measure (plan) >= minimum)
        continue;
      minimum = measure (plan);
      best = tiling;
    }
  choose_tiling (plan, best);
  return minimum;
}

static guint64
all_together (const ZimMemoryPlan *plan)
{
  return together (plan, ZIM_PLAN_ENCODE, ZIM_PLAN_DECODE);
}

static guint64
least_of_all (const ZimMemoryPlan *plan)
{
  guint64 most = 0;

  for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
    most = MAX (most, least (plan, i));
  return most;
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
  plan->minimum = find_minimum (plan, all_together) + host;
  if (budget > 0 && plan->minimum > budget)
    return set_error (plan, device_name, error);
  for (ZimTiling tiling = 0; tiling < ZIM_N_TILINGS; tiling++)
    {
      choose_tiling (plan, tiling);
      plan->peak = all_together (plan) + host;
      if (budget == 0 || plan->peak <= budget)
        return TRUE;
    }
  g_assert_not_reached ();
}

/* Places everything in a mode, with the coarsest tiling that it fits with. */
static gboolean
fits (ZimMemoryPlan *plan,
      ZimMemoryMode  mode)
{
  plan->mode = mode;
  for (ZimTiling tiling = 0; tiling < ZIM_N_TILINGS; tiling++)
    {
      choose_tiling (plan, tiling);
      if (least_of_all (plan) > plan->budget)
        continue;
      for (guint i = 0; i < ZIM_PLAN_N_STAGES; i++)
        place (plan, i);
      plan->peak = planned_peak (plan);
      if (plan->peak <= plan->budget)
        return TRUE;
    }
  return FALSE;
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
  plan->minimum = find_minimum (plan, least_of_all);
  if (plan->minimum > plan->budget)
    return set_error (plan, device_name, error);
  for (ZimMemoryMode mode = ZIM_MEMORY_RESIDENT; mode <= ZIM_MEMORY_STREAMED; mode++)
    if (fits (plan, mode))
      return TRUE;
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

static const char *
tiling_name (ZimTiling tiling)
{
  static const char *const names[ZIM_N_TILINGS] = { "whole", "bands", "bands-twice" };

  return names[tiling];
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
  g_variant_builder_add (&builder, "{sv}", "decoder", g_variant_new_string (tiling_name (plan->tiling)));
  add_bytes (&builder, "planned_bytes", plan->peak);
  add_bytes (&builder, "minimum_bytes", plan->minimum);
  add_bytes (&builder, "budget_bytes", plan->budget);
  add_bytes (&builder, "weights_bytes", weights);
  add_bytes (&builder, "streamed_bytes", streamed);
  add_bytes (&builder, "arena_bytes", arena);
  return g_variant_builder_end (&builder);
}
