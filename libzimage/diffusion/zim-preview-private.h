/* zim-preview-private.h: a quick look at latents
 *
 * A linear map from a latent's channels to the mean colour of the pixels that it becomes, fitted once to what the
 * model's own decoder makes of random smooth latents.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "diffusion/zim-autoencoder-private.h"

G_BEGIN_DECLS

#define ZIM_PREVIEW_MAX_CHANNELS 64
#define ZIM_PREVIEW_SIDE 24 /* of the latents that the projection is fitted to */

typedef struct {
  guint  n_channels;
  float  weight[3][ZIM_PREVIEW_MAX_CHANNELS]; /* to −1 … 1 */
  float  bias[3];
} ZimPreview;

gboolean zim_preview_fit     (ZimPreview      *self,
                              ZimAutoencoder  *autoencoder,
                              ZimBackend      *backend,
                              ZimPrecision     precision,
                              GCancellable    *cancellable,
                              GError         **error);

/* latents[channels][height · width] → rgb[out_height · out_width][3] of the nearest latents. */
void     zim_preview_render  (const ZimPreview *self,
                              const float     *latents,
                              guint            height,
                              guint            width,
                              guint            out_height,
                              guint            out_width,
                              guint8          *rgb,
                              gsize            stride);

G_END_DECLS
