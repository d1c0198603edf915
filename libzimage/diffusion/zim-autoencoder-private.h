/* zim-autoencoder-private.h: latents to pixels
 *
 * Reference: AutoencoderKL of diffusers. Feature maps are [height · width, channels].
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-backend-private.h"
#include "formats/zim-checkpoint-private.h"

G_BEGIN_DECLS

typedef struct _ZimAutoencoder ZimAutoencoder;

/* latents: [channels, height · width] → image: [8 height · 8 width, 3], nominally −1 … 1 */
typedef struct {
  ZimProgram *program;
  ZimTensor  *latents;
  ZimTensor  *image;
} ZimDecodeProgram;

/* How much of the largest feature maps lies in memory. The picture is the same, to the bit. */
typedef enum {
  ZIM_TILING_NONE,  /* all of them */
  ZIM_TILING_BANDS, /* what is between two of them goes by in bands of rows */
  ZIM_TILING_TWICE, /* one at a time: what the statistics of a norm are of is computed twice */
  ZIM_N_TILINGS,
} ZimTiling;

ZimAutoencoder *zim_autoencoder_new          (ZimCheckpoint     *checkpoint,
                                              GError           **error);
void            zim_autoencoder_free         (ZimAutoencoder    *self);
guint           zim_autoencoder_get_scale    (ZimAutoencoder    *self); /* pixels to a latent, each way: 8 */
guint           zim_autoencoder_get_channels (ZimAutoencoder    *self); /* of the latents: 16 */

void            zim_autoencoder_build_decode (ZimAutoencoder    *self,
                                              guint              latent_height,
                                              guint              latent_width,
                                              ZimTiling          tiling,
                                              gboolean           keep_named,
                                              ZimDecodeProgram  *result);

/* image[8 height · 8 width][3] of the latents. */
float          *zim_autoencoder_decode       (ZimAutoencoder    *self,
                                              ZimBackend        *backend,
                                              ZimPrecision       precision,
                                              const float       *latents,
                                              guint              latent_height,
                                              guint              latent_width,
                                              ZimTiling          tiling,
                                              ZimDumpFunc        dump,
                                              gpointer           dump_data,
                                              GCancellable      *cancellable,
                                              GError           **error);

/* The program for pictures of that size, for its sizes. */
ZimExecutable  *zim_autoencoder_compile      (ZimAutoencoder    *self,
                                              ZimBackend        *backend,
                                              ZimPrecision       precision,
                                              guint              latent_height,
                                              guint              latent_width,
                                              ZimTiling          tiling,
                                              gboolean           keep_named,
                                              GError           **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimAutoencoder, zim_autoencoder_free)

G_END_DECLS
