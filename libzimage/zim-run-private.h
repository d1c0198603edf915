/* zim-run-private.h: what a pipeline's worker does for one job
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-backend-private.h"
#include "diffusion/zim-preview-private.h"
#include "zim-enums.h"
#include "zim-feature-cache-private.h"
#include "zim-job-private.h"
#include "zim-model-private.h"
#include "zim-params.h"

G_BEGIN_DECLS

/* What jobs of one pipeline share. Used by its worker alone. */
typedef struct {
  ZimModel        *model;
  ZimBackend      *backend;
  ZimPrecision     precision;  /* not AUTO */
  const char      *dump_file;  /* (nullable) */
  guint64          memory_budget; /* bytes; 0: what the device has */
  const char      *device_name;
  ZimFeatureCache *features;
  ZimPreview      *preview;    /* n_channels is 0 until it is fitted */
} ZimRunContext;

/* Makes the job's images and posts them to it. */
gboolean   zim_run_job    (ZimRunContext  *context,
                           ZimJob         *job,
                           GError        **error);

/* Bytes of the device's own memory at the peak of a run with these resolved parameters; of anonymous memory where it
 * has none. */
gboolean   zim_run_plan   (ZimRunContext  *context,
                           ZimParams      *params,
                           guint64        *memory,
                           GError        **error);

/* The projection of this model's autoencoder from the user's cache, or fitted and put there. */
gboolean   zim_preview_load (ZimPreview     *preview,
                             ZimModel       *model,
                             ZimBackend     *backend,
                             ZimPrecision    precision,
                             GCancellable   *cancellable,
                             GError        **error);

G_END_DECLS
