/* zim-preview.c: a quick look at latents
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "diffusion/zim-noise-private.h"
#include "diffusion/zim-preview-private.h"

/* Latents to fit to: patches of one value each, as large as the decoder sees around it, so that most of a patch's
 * pixels are its own. */
#define PATCH 4
#define PATCHES 6 /* each way */
#define SIDE ZIM_PREVIEW_SIDE

G_STATIC_ASSERT (SIDE == PATCH * PATCHES);

#define ROUNDS 4  /* 144 patches for 17 unknowns a colour */
#define RIDGE 1e-3

/* Gaussian elimination with pivoting: a[n][n] · x = b[n][3], x in b. */
static void
solve (double *a,
       double *b,
       guint   n)
{
  for (guint col = 0; col < n; col++)
    {
      guint pivot = col;

      for (guint row = col + 1; row < n; row++)
        if (fabs (a[row * n + col]) > fabs (a[pivot * n + col]))
          pivot = row;
      for (guint i = 0; i < n; i++)
        {
          double swap = a[col * n + i];

          a[col * n + i] = a[pivot * n + i];
          a[pivot * n + i] = swap;
        }
      for (guint i = 0; i < 3; i++)
        {
          double swap = b[col * 3 + i];

          b[col * 3 + i] = b[pivot * 3 + i];
          b[pivot * 3 + i] = swap;
        }
      for (guint row = 0; row < n; row++)
        {
          double factor = a[row * n + col] / a[col * n + col];

          if (row == col)
            continue;
          for (guint i = col; i < n; i++)
            a[row * n + i] -= factor * a[col * n + i];
          for (guint i = 0; i < 3; i++)
            b[row * 3 + i] -= factor * b[col * 3 + i];
        }
    }
  for (guint row = 0; row < n; row++)
    for (guint i = 0; i < 3; i++)
      b[row * 3 + i] /= a[row * n + row];
}

/* The mean colour of the middle of a patch. */
static void
patch_colour (const float *image,
              guint        scale,
              guint        py,
              guint        px,
              double       colour[3])
{
  guint side = PATCH * scale, from = side / 4, to = side - from, width = SIDE * scale;

  colour[0] = colour[1] = colour[2] = 0;
  for (guint y = from; y < to; y++)
    for (guint x = from; x < to; x++)
      for (guint i = 0; i < 3; i++)
        colour[i] += CLAMP (image[((gsize) (py * side + y) * width + px * side + x) * 3 + i], -1, 1);
  for (guint i = 0; i < 3; i++)
    colour[i] /= (double) (to - from) * (to - from);
}

static void
add_observation (double       *a,
                 double       *b,
                 guint         n,
                 const double *x,
                 const double  colour[3])
{
  for (guint i = 0; i < n; i++)
    {
      for (guint j = 0; j < n; j++)
        a[i * n + j] += x[i] * x[j];
      for (guint j = 0; j < 3; j++)
        b[i * 3 + j] += x[i] * colour[j];
    }
}

static gboolean
observe (ZimAutoencoder  *autoencoder,
         ZimBackend      *backend,
         ZimPrecision     precision,
         guint64          seed,
         double          *a,
         double          *b,
         GCancellable    *cancellable,
         GError         **error)
{
  guint channels = zim_autoencoder_get_channels (autoencoder), scale = zim_autoencoder_get_scale (autoencoder);
  gsize n_values = (gsize) PATCHES * PATCHES * channels;
  g_autofree float *values = g_new (float, (n_values + 15) / 16 * 16);
  g_autofree float *latents = g_new (float, (gsize) channels * SIDE * SIDE);
  g_autofree float *image = NULL;
  g_autofree double *x = g_new (double, channels + 1);

  zim_noise_fill (ZIM_RNG_CPU, seed, values, (n_values + 15) / 16 * 16);
  for (guint c = 0; c < channels; c++)
    for (guint i = 0; i < SIDE * SIDE; i++)
      latents[c * SIDE * SIDE + i] = values[(i / SIDE / PATCH * PATCHES + i % SIDE / PATCH) * channels + c];
  image = zim_autoencoder_decode (autoencoder, backend, precision, latents, SIDE, SIDE, ZIM_TILING_NONE, NULL, NULL,
                                  cancellable, error);
  if (image == NULL)
    return FALSE;
  for (guint patch = 0; patch < PATCHES * PATCHES; patch++)
    {
      double colour[3];

      for (guint c = 0; c < channels; c++)
        x[c] = values[patch * channels + c];
      x[channels] = 1;
      patch_colour (image, scale, patch / PATCHES, patch % PATCHES, colour);
      add_observation (a, b, channels + 1, x, colour);
    }
  return TRUE;
}

gboolean
zim_preview_fit (ZimPreview      *self,
                 ZimAutoencoder  *autoencoder,
                 ZimBackend      *backend,
                 ZimPrecision     precision,
                 GCancellable    *cancellable,
                 GError         **error)
{
  guint channels = zim_autoencoder_get_channels (autoencoder), n = channels + 1;
  g_autofree double *a = g_new0 (double, n * n);
  g_autofree double *b = g_new0 (double, n * 3);

  g_assert (channels <= ZIM_PREVIEW_MAX_CHANNELS);
  for (guint round = 0; round < ROUNDS; round++)
    if (!observe (autoencoder, backend, precision, round, a, b, cancellable, error))
      return FALSE;
  for (guint i = 0; i < n; i++)
    a[i * n + i] += RIDGE;
  solve (a, b, n);
  self->n_channels = channels;
  for (guint i = 0; i < 3; i++)
    {
      for (guint c = 0; c < channels; c++)
        self->weight[i][c] = (float) b[c * 3 + i];
      self->bias[i] = (float) b[channels * 3 + i];
    }
  return TRUE;
}

void
zim_preview_render (const ZimPreview *self,
                    const float      *latents,
                    guint             height,
                    guint             width,
                    guint             out_height,
                    guint             out_width,
                    guint8           *rgb,
                    gsize             stride)
{
  gsize plane = (gsize) height * width;

  for (guint y = 0; y < out_height; y++)
    for (guint x = 0; x < out_width; x++)
      {
        const float *latent = latents + (gsize) (y * height / out_height) * width + x * width / out_width;

        for (guint i = 0; i < 3; i++)
          {
            float value = self->bias[i];

            for (guint c = 0; c < self->n_channels; c++)
              value += self->weight[i][c] * latent[c * plane];
            value = (value * 0.5f + 0.5f) * 255;
            rgb[y * stride + 3 * x + i] = (guint8) (CLAMP (value, 0, 255) + 0.5f);
          }
      }
}
