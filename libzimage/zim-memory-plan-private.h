/* zim-memory-plan-private.h: what of a run is on the device when, decided before it begins
 *
 * A run has three stages, each with the weights of one network: text encoder, transformer, decoder. The plan is made
 * from the sizes of their compiled programs, to the byte, and the backend keeps to it. The decoder's program is
 * compiled for each way to tile the picture: weights stay as long as any of them makes room.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "diffusion/zim-autoencoder-private.h"
#include "diffusion/zim-denoiser-private.h"
#include "zim-model-private.h"

G_BEGIN_DECLS

typedef enum {
  ZIM_MEMORY_MAPPED,        /* the device computes with the weights where they are mapped */
  ZIM_MEMORY_RESIDENT,      /* everything stays */
  ZIM_MEMORY_TEXT_RELEASED, /* the text encoder goes when the prompt is read */
  ZIM_MEMORY_IN_TURN,       /* one network at a time */
  ZIM_MEMORY_STREAMED,      /* one at a time, and what of it does not fit comes while it is computed with */
} ZimMemoryMode;

typedef enum {
  ZIM_PLAN_ENCODE,
  ZIM_PLAN_DENOISE,
  ZIM_PLAN_DECODE,
  ZIM_PLAN_N_STAGES,
} ZimPlanStage;

typedef struct {
  ZimMemoryMode  mode;
  guint64        budget;   /* bytes */
  guint64        minimum;  /* the least budget with which the run is possible */
  guint64        peak;     /* what the run takes if nothing else is there */
  ZimNeeds       needs[ZIM_PLAN_N_STAGES];
  ZimPlacement   placements[ZIM_PLAN_N_STAGES];
  GPtrArray     *executables[ZIM_PLAN_N_STAGES]; /* of ZimExecutable */
  ZimTiling      tiling;                         /* of the decoder */
  ZimNeeds       decoder_needs[ZIM_N_TILINGS];
  GPtrArray     *decoders[ZIM_N_TILINGS];        /* of ZimExecutable */
} ZimMemoryPlan;

/* What is going to run. */
typedef struct {
  ZimModel     *model;
  ZimBackend   *backend;
  ZimPrecision  precision;
  guint         latent_height, latent_width;
  guint         n_ids;         /* of the longest prompt */
  guint         n_steps;
  ZimDenoiser  *denoisers[2];  /* (nullable) */
  gboolean      keep_named;
  gboolean      fits_preview;  /* the decoder may be asked for the projection of previews, too */
} ZimPlanRequest;

/* Compiles and measures everything. */
gboolean  zim_memory_plan_init     (ZimMemoryPlan         *plan,
                                    const ZimPlanRequest  *request,
                                    GError               **error);
void      zim_memory_plan_clear    (ZimMemoryPlan         *plan);

/* Chooses the mode for a budget in bytes, 0: what the device has. host: bytes that the run takes beside the arena and
 * states where weights are mapped. */
gboolean  zim_memory_plan_choose   (ZimMemoryPlan         *plan,
                                    ZimBackend            *backend,
                                    guint64                budget,
                                    guint64                host,
                                    const char            *device_name,
                                    GError               **error);

/* Tells the backend. */
void      zim_memory_plan_apply    (const ZimMemoryPlan   *plan,
                                    ZimBackend            *backend);
gboolean  zim_memory_plan_enter    (const ZimMemoryPlan   *plan,
                                    ZimBackend            *backend,
                                    ZimPlanStage           stage,
                                    GError               **error);

/* (transfer floating) a{sv}, as ZimJob:memory-plan documents it */
GVariant *zim_memory_plan_describe (const ZimMemoryPlan   *plan);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ZimMemoryPlan, zim_memory_plan_clear)

G_END_DECLS
