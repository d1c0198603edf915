/* op-cases-conv.c: cases of convolution
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "op-runner.h"

typedef enum { SPECIAL_NONE, SPECIAL_NAN_X, SPECIAL_NAN_WEIGHT } Special;

typedef struct {
  const char *name;
  gint64      in, out;
  gint64      height, width;
  guint       kernel, stride, pad;
  gboolean    upsample;
  ZimDType    dtype;
  guint       misalignment;
  gboolean    bias;
  Layout      layout;
  Special     special;
  gint64      band; /* rows of the result that are made at once, from as few as they need; 0: all */
} ConvCase;

static void
build_bands (Setup           *setup,
             const ConvCase  *c,
             ZimTensor       *x,
             const ZimWeight *weight,
             const ZimWeight *bias)
{
  gint64 out_height = (c->upsample ? 2 : 1) * c->height / c->stride;

  for (gint64 out_first = 0; out_first < out_height; out_first += c->band)
    {
      gint64 out_rows = MIN (c->band, out_height - out_first), first, n;
      ZimTensor *rows;

      zim_conv_source_rows (c->height, c->kernel, c->stride, c->pad, c->upsample, out_first, out_rows, &first, &n);
      rows = zim_program_rows (setup->program, x, first * c->width, n * c->width);
      setup_output (setup, zim_program_conv2d_band (setup->program, rows, weight, bias, c->height, c->width, c->stride,
                                                    c->pad, c->upsample, first, out_first, out_rows));
    }
}

static void
build_conv (Setup         *setup,
            gconstpointer  data)
{
  const ConvCase *c = data;
  gint64 pixels = c->height * c->width;
  ZimTensor *x = setup_layout (setup, c->layout, pixels, c->in, 1);
  const ZimWeight *weight = setup_weight (setup, c->dtype, c->misalignment, 1, 4,
                                          (const gint64[]) { c->out, c->in, c->kernel, c->kernel });
  const ZimWeight *bias = c->bias ? setup_vector (setup, c->dtype, 5, c->out) : NULL;

  if (c->special == SPECIAL_NAN_X)
    setup_values (setup, x)[pixels / 2 * x->stride + c->in / 2] = NAN;
  if (c->special == SPECIAL_NAN_WEIGHT) /* in the middle of a window, which is never padding */
    {
      const gint64 tap = (c->out / 2 * c->in + c->in / 2) * c->kernel * c->kernel + c->kernel / 2 * (c->kernel + 1);
      const float nan = NAN;

      memcpy ((guint8 *) weight->data + tap * sizeof nan, &nan, sizeof nan);
    }
  if (c->band > 0)
    build_bands (setup, c, x, weight, bias);
  else
    setup_output (setup, zim_program_conv2d (setup->program, x, weight, bias, c->height, c->width, c->stride, c->pad,
                                             c->upsample));
}

#define F32 ZIM_DTYPE_F32
#define F16 ZIM_DTYPE_F16
#define BF16 ZIM_DTYPE_BF16

static const ConvCase cases[] = {
  { "3x3", 16, 13, 7, 9, 3, 1, 1, FALSE, F32 },
  { "3x3-to-64", 33, 64, 12, 11, 3, 1, 1, FALSE, BF16, 0, TRUE },
  { "3x3-from-1", 1, 13, 9, 5, 3, 1, 1, FALSE, F16, 0, TRUE },
  { "3x3-from-3", 3, 64, 20, 21, 3, 1, 1, FALSE, BF16 },
  { "3x3-from-3-to-3", 3, 3, 13, 10, 3, 1, 1, FALSE, F32, 0, TRUE },
  { "3x3-from-33-to-1", 33, 1, 6, 7, 3, 1, 1, FALSE, F16, 1 },
  { "3x3-of-one-pixel", 16, 13, 1, 1, 3, 1, 1, FALSE, BF16, 1, TRUE },
  { "3x3-of-one-row", 3, 13, 1, 40, 3, 1, 1, FALSE, F32, 2 },
  { "3x3-of-one-column", 16, 3, 40, 1, 3, 1, 1, FALSE, BF16, 2 },
  { "upsample", 16, 13, 5, 7, 3, 1, 1, TRUE, F32, 0, TRUE },
  { "upsample-from-33", 33, 64, 9, 4, 3, 1, 1, TRUE, BF16, 1 },
  { "upsample-from-3-to-1", 3, 1, 3, 3, 3, 1, 1, TRUE, F16 },
  { "upsample-1x1", 16, 3, 4, 5, 1, 1, 0, TRUE, F32 },
  { "stride-2", 16, 13, 8, 10, 3, 2, 0, FALSE, F32, 0, TRUE },
  { "stride-2-from-33", 33, 64, 14, 6, 3, 2, 0, FALSE, BF16 },
  { "stride-2-odd-sides", 3, 3, 7, 9, 3, 2, 0, FALSE, F16, 1 },
  { "stride-2-pad-1", 3, 13, 8, 6, 3, 2, 1, FALSE, F32, 1 },
  { "1x1", 16, 13, 9, 8, 1, 1, 0, FALSE, F32 },
  { "1x1-from-33-to-64", 33, 64, 9, 15, 1, 1, 0, FALSE, BF16, 1, TRUE },
  { "1x1-from-1-to-1", 1, 1, 5, 7, 1, 1, 0, FALSE, F16, 0, TRUE },
  { "5x5", 3, 3, 8, 9, 5, 1, 2, FALSE, F32 },
  { "cols-of-x", 16, 13, 7, 9, 3, 1, 1, FALSE, BF16, 0, TRUE, LAYOUT_COLS },
  { "rows-of-x", 33, 3, 7, 9, 3, 1, 1, FALSE, F32, 0, TRUE, LAYOUT_ROWS },
  { "temporary-x", 16, 13, 7, 9, 3, 1, 1, FALSE, F32, 0, FALSE, LAYOUT_IN_PLACE },
  { "bands", 16, 13, 11, 9, 3, 1, 1, FALSE, F32, 0, TRUE, .band = 4 },
  { "bands-of-one-row", 33, 64, 5, 9, 3, 1, 1, FALSE, BF16, .band = 1 },
  { "bands-upsampled", 16, 13, 5, 7, 3, 1, 1, TRUE, F16, 0, TRUE, .band = 3 },
  { "bands-of-stride-2", 16, 13, 12, 6, 3, 2, 0, FALSE, F32, 0, TRUE, .band = 2 },
  { "bands-of-1x1", 16, 13, 9, 8, 1, 1, 0, FALSE, BF16, .band = 4 },
  { "bands-of-5x5", 3, 3, 8, 9, 5, 1, 2, FALSE, F32, .band = 3 },
  { "nan-in-x", 16, 13, 9, 9, 3, 1, 1, FALSE, BF16, .special = SPECIAL_NAN_X },
  { "nan-in-x-of-1x1", 33, 3, 9, 7, 1, 1, 0, FALSE, F32, .special = SPECIAL_NAN_X },
  { "nan-in-x-upsampled", 3, 3, 9, 7, 3, 1, 1, TRUE, F16, .special = SPECIAL_NAN_X },
  { "nan-in-weight", 16, 13, 9, 9, 3, 1, 1, FALSE, F32, .special = SPECIAL_NAN_WEIGHT },
};

void
ops_add_conv_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    ops_add_case ("conv2d", cases[i].name, build_conv, &cases[i], TRUE);
}
