/* op-cases-norm.c: cases of the norms
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "op-runner.h"

#define MAX_LENGTHS 4

typedef enum { SPECIAL_NONE, SPECIAL_NAN, SPECIAL_ZERO, SPECIAL_CONSTANT } Special;

typedef struct {
  const char *name;
  gint64      rows;
  gint64      cols;
  gint64      group;   /* columns (RMS), groups (group norm) */
  gboolean    weight;
  ZimDType    dtype;
  gint64      lengths[MAX_LENGTHS]; /* of the ranges, each with a row of scale of its own; 0 ends the list */
  float       eps;
  double      spread;  /* 0: 1 */
  double      offset;  /* is added to x */
  gboolean    silu;
  Layout      layout;
  Special     special;
  gint64      band;    /* group norm: rows that are summed up, and later normalised, at once; 0: all */
} NormCase;

static ZimTensor *
norm_input (Setup          *setup,
            const NormCase *c)
{
  double spread = c->spread != 0 ? c->spread : 1;
  ZimTensor *x = setup_layout (setup, c->layout, c->rows, c->cols, spread);
  float *values = setup_values (setup, x);

  for (gint64 row = 0; row < c->rows; row++)
    for (gint64 col = 0; col < c->cols; col++)
      {
        float *value = values + row * x->stride + col;

        /* In every build again, of one with itself: */
        if (c->offset != 0 && fabs (*value) < c->offset / 2)
          *value += (float) c->offset;
        if (c->special == SPECIAL_ZERO || c->special == SPECIAL_CONSTANT)
          *value = c->special == SPECIAL_ZERO ? 0 : 3;
      }
  if (c->special == SPECIAL_NAN)
    values[c->rows / 2 * x->stride + c->cols / 2] = NAN;
  return x;
}

/* Ranges, in which samples come in descending order, and their scales */
static ZimTensor *
norm_scale (Setup          *setup,
            const NormCase *c,
            ZimRange       *ranges,
            guint          *n_ranges)
{
  gint64 start = 0;
  guint n = 0;

  while (n < MAX_LENGTHS && c->lengths[n] != 0)
    n++;
  for (guint i = 0; i < n; i++)
    {
      ranges[i] = (ZimRange) { start, c->lengths[i], n - 1 - i };
      start += c->lengths[i];
    }
  *n_ranges = n;
  /* With a part of a wider tensor for x, scale is one too, as modulation is. */
  return n > 0 ? setup_layout (setup, c->layout == LAYOUT_COLS ? LAYOUT_COLS : LAYOUT_PLAIN, n, c->cols, 1) : NULL;
}

static void
build_rms_norm (Setup         *setup,
                gconstpointer  data)
{
  const NormCase *c = data;
  ZimTensor *x = norm_input (setup, c), *scale;
  const ZimWeight *weight = c->weight ? setup_vector (setup, c->dtype, 1, c->group != 0 ? c->group : c->cols) : NULL;
  ZimRange ranges[MAX_LENGTHS];
  guint n_ranges;

  scale = norm_scale (setup, c, ranges, &n_ranges);
  setup_output (setup, zim_program_rms_norm (setup->program, x, weight, c->group, c->eps, scale,
                                             n_ranges > 0 ? ranges : NULL, n_ranges));
}

static void
build_layer_norm (Setup         *setup,
                  gconstpointer  data)
{
  const NormCase *c = data;
  ZimTensor *x = norm_input (setup, c), *scale;
  ZimRange ranges[MAX_LENGTHS];
  guint n_ranges;

  scale = norm_scale (setup, c, ranges, &n_ranges);
  setup_output (setup, zim_program_layer_norm (setup->program, x, c->eps, scale, n_ranges > 0 ? ranges : NULL,
                                               n_ranges));
}

#define BLOCK 8

/* In bands of whole blocks */
static void
build_group_bands (Setup           *setup,
                   const NormCase  *c,
                   ZimTensor       *x,
                   const ZimWeight *weight,
                   const ZimWeight *bias)
{
  ZimProgram *p = setup->program;
  ZimTensor *sums = zim_program_empty (p, (c->rows + BLOCK - 1) / BLOCK, 4 * c->cols), *factors;
  ZimTensor *shift = zim_program_rows (p, x, 0, 1);

  for (gint64 first = 0; first < c->rows; first += c->band)
    {
      gint64 n = MIN (c->band, c->rows - first);

      zim_program_group_sums (p, zim_program_rows (p, x, first, n), shift, BLOCK,
                              zim_program_rows (p, sums, first / BLOCK, (n + BLOCK - 1) / BLOCK));
    }
  factors = zim_program_group_factors (p, sums, shift, weight, bias, (guint) c->group, c->eps, c->rows);
  for (gint64 first = 0; first < c->rows; first += c->band)
    setup_output (setup, zim_program_group_apply (p, zim_program_rows (p, x, first, MIN (c->band, c->rows - first)),
                                                  factors, c->silu));
}

static void
build_group_norm (Setup         *setup,
                  gconstpointer  data)
{
  const NormCase *c = data;
  ZimTensor *x = norm_input (setup, c);
  const ZimWeight *weight = c->weight ? setup_vector (setup, c->dtype, 1, c->cols) : NULL;
  const ZimWeight *bias = c->weight ? setup_vector (setup, c->dtype, 1, c->cols) : NULL;

  if (c->band > 0)
    build_group_bands (setup, c, x, weight, bias);
  else
    setup_output (setup, zim_program_group_norm (setup->program, x, weight, bias, (guint) c->group, c->eps, c->silu));
}

#define F32 ZIM_DTYPE_F32
#define F16 ZIM_DTYPE_F16
#define BF16 ZIM_DTYPE_BF16

static const NormCase rms_cases[] = {
  { "1x16", 1, 16, 0, FALSE, F32, { 0 }, 1e-5f },
  { "31x85", 31, 85, 0, TRUE, BF16, { 0 }, 1e-5f },
  { "32x128", 32, 128, 0, TRUE, F16, { 0 }, 1e-6f },
  { "33x257", 33, 257, 0, TRUE, F32, { 0 }, 1e-6f },
  { "100x1030", 100, 1030, 0, TRUE, BF16, { 0 }, 1e-5f },
  { "1x1", 1, 1, 0, TRUE, F32, { 0 }, 1e-5f },
  { "3x3840", 3, 3840, 0, TRUE, F32, { 0 }, 1e-5f },
  { "heads", 33, 384, 128, TRUE, F32, { 0 }, 1e-6f },
  { "heads-of-16", 33, 96, 16, TRUE, BF16, { 0 }, 1e-5f },
  { "heads-of-5", 7, 85, 5, TRUE, F32, { 0 }, 1e-5f },
  { "heads-of-one", 7, 13, 1, FALSE, F32, { 0 }, 1e-5f },
  { "scale", 33, 96, 0, FALSE, F32, { 33 }, 1e-5f },
  { "scale-of-ranges", 100, 257, 0, TRUE, BF16, { 32, 1, 60, 7 }, 1e-5f },
  { "scale-and-heads", 33, 96, 16, TRUE, F32, { 13, 20 }, 1e-5f },
  { "eps-is-most", 7, 96, 0, TRUE, F32, { 0 }, 0.5f, 0.01 },
  { "eps-alone", 7, 96, 0, TRUE, F32, { 0 }, 1e-5f, .special = SPECIAL_ZERO },
  { "large", 7, 257, 0, TRUE, F32, { 0 }, 1e-5f, 1e6 },
  { "small", 7, 257, 0, TRUE, F32, { 0 }, 1e-5f, 1e-6 },
  { "cols-of-x", 33, 85, 0, TRUE, F32, { 3, 30 }, 1e-5f, .layout = LAYOUT_COLS },
  { "cols-of-x-heads", 33, 96, 48, TRUE, F32, { 0 }, 1e-5f, .layout = LAYOUT_COLS },
  { "rows-of-x", 33, 96, 0, TRUE, F32, { 0 }, 1e-5f, .layout = LAYOUT_ROWS },
  { "in-place", 33, 85, 0, TRUE, F32, { 3, 30 }, 1e-5f, .layout = LAYOUT_IN_PLACE },
  { "in-place-heads", 33, 96, 16, TRUE, F32, { 0 }, 1e-5f, .layout = LAYOUT_IN_PLACE },
  { "nan", 33, 96, 0, TRUE, F32, { 0 }, 1e-5f, .special = SPECIAL_NAN },
  { "nan-in-a-head", 5, 85, 17, TRUE, F32, { 0 }, 1e-5f, .special = SPECIAL_NAN },
};

static const NormCase layer_cases[] = {
  { "1x16", 1, 16, .eps = 1e-5f },
  { "31x85", 31, 85, .eps = 1e-6f },
  { "33x257", 33, 257, .eps = 1e-6f },
  { "100x1030", 100, 1030, .eps = 1e-6f },
  { "3x3840", 3, 3840, .eps = 1e-6f },
  { "scale", 33, 96, .lengths = { 33 }, .eps = 1e-6f },
  { "scale-of-ranges", 100, 85, .lengths = { 32, 1, 60, 7 }, .eps = 1e-6f },
  { "offset", 33, 257, .eps = 1e-6f, .offset = 20 },
  { "eps-is-most", 7, 96, .eps = 0.5f, .spread = 0.01 },
  { "eps-alone", 7, 96, .eps = 1e-6f, .special = SPECIAL_CONSTANT },
  { "large", 7, 257, .eps = 1e-6f, .spread = 1e6 },
  { "cols-of-x", 33, 85, .lengths = { 3, 30 }, .eps = 1e-6f, .layout = LAYOUT_COLS },
  { "rows-of-x", 33, 96, .eps = 1e-6f, .layout = LAYOUT_ROWS },
  { "in-place", 33, 85, .lengths = { 3, 30 }, .eps = 1e-6f, .layout = LAYOUT_IN_PLACE },
  { "nan", 33, 96, .eps = 1e-6f, .special = SPECIAL_NAN },
};

static const NormCase group_cases[] = {
  { "one-group", 33, 96, 1, TRUE, F32, { 0 }, 1e-6f },
  { "group-a-channel", 100, 33, 33, TRUE, BF16, { 0 }, 1e-6f },
  { "32-groups", 100, 128, 32, TRUE, F16, { 0 }, 1e-6f },
  { "5-groups-of-17", 31, 85, 5, TRUE, F32, { 0 }, 1e-6f },
  { "plain", 31, 96, 3, FALSE, F32, { 0 }, 1e-6f },
  { "one-row", 1, 64, 4, TRUE, F32, { 0 }, 1e-6f },
  { "silu", 33, 96, 1, TRUE, F32, { 0 }, 1e-6f, .silu = TRUE },
  { "silu-group-a-channel", 100, 33, 33, TRUE, F32, { 0 }, 1e-6f, .silu = TRUE },
  { "silu-32-groups", 100, 257, 257, FALSE, F32, { 0 }, 1e-6f, .silu = TRUE },
  { "several-blocks", 5000, 16, 4, TRUE, F32, { 0 }, 1e-6f },
  { "offset", 100, 64, 4, TRUE, F32, { 0 }, 1e-6f, .offset = 1e4 },
  { "offset-of-blocks", 4100, 16, 16, TRUE, F32, { 0 }, 1e-6f, .offset = 1e4, .silu = TRUE },
  { "offset-in-place", 100, 64, 4, TRUE, F32, { 0 }, 1e-6f, .offset = 1e4, .layout = LAYOUT_IN_PLACE },
  { "eps-is-most", 31, 64, 4, TRUE, F32, { 0 }, 0.5f, 0.01 },
  { "eps-alone", 31, 64, 4, TRUE, F32, { 0 }, 1e-6f, .special = SPECIAL_CONSTANT },
  { "cols-of-x", 33, 96, 4, TRUE, F32, { 0 }, 1e-6f, .silu = TRUE, .layout = LAYOUT_COLS },
  { "rows-of-x", 33, 96, 4, TRUE, F32, { 0 }, 1e-6f, .layout = LAYOUT_ROWS },
  { "in-place", 33, 96, 4, TRUE, F32, { 0 }, 1e-6f, .silu = TRUE, .layout = LAYOUT_IN_PLACE },
  { "bands", 100, 64, 4, TRUE, F32, { 0 }, 1e-6f, .silu = TRUE, .band = 24 },
  { "bands-of-a-block", 31, 33, 3, TRUE, BF16, { 0 }, 1e-6f, .band = 8 },
  { "bands-offset", 100, 64, 4, TRUE, F32, { 0 }, 1e-6f, .offset = 1e4, .band = 40 },
  { "bands-of-cols", 33, 96, 4, FALSE, F32, { 0 }, 1e-6f, .layout = LAYOUT_COLS, .band = 16 },
  { "nan", 33, 96, 4, TRUE, F32, { 0 }, 1e-6f, .special = SPECIAL_NAN },
  { "nan-silu", 3000, 16, 2, TRUE, F32, { 0 }, 1e-6f, .silu = TRUE, .special = SPECIAL_NAN },
};

void
ops_add_norm_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rms_cases); i++)
    ops_add_case ("rms_norm", rms_cases[i].name, build_rms_norm, &rms_cases[i], FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (layer_cases); i++)
    ops_add_case ("layer_norm", layer_cases[i].name, build_layer_norm, &layer_cases[i], FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (group_cases); i++)
    ops_add_case ("group_norm", group_cases[i].name, build_group_norm, &group_cases[i], FALSE);
}
