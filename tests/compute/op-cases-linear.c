/* op-cases-linear.c: cases of the linear layer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "op-runner.h"

#define MAX_PARTS 4

typedef enum { BIAS_NONE, BIAS_ALL, BIAS_SOME } Bias;
typedef enum { SPECIAL_NONE, SPECIAL_NAN_X, SPECIAL_NAN_WEIGHT } Special;

/* Each part of a type of its own instead of the case's */
static const ZimDType mixed[MAX_PARTS] = { ZIM_DTYPE_Q4_K, ZIM_DTYPE_I8, ZIM_DTYPE_BF16, ZIM_DTYPE_Q6_K };

typedef struct {
  const char *name;
  gint64      rows;
  gint64      k;
  gint64      parts[MAX_PARTS]; /* columns of y by weight; 0 ends the list */
  ZimDType    dtype;
  guint       misalignment;
  Bias        bias;
  float       scale;            /* of operands; 0: 1 */
  double      spread;           /* of x; 0: 1 */
  Layout      layout;
  Special     special;
  gboolean    is_mixed;
} LinearCase;

static void
poison_weight (const ZimWeight *weight)
{
  const float nan = NAN;
  const guint16 half = weight->dtype == ZIM_DTYPE_F16 ? 0x7e00 : 0x7fc0;
  gint64 at = zim_weight_n_elements (weight) / 2;

  if (weight->dtype == ZIM_DTYPE_F32)
    memcpy ((guint8 *) weight->data + 4 * at, &nan, 4);
  else
    memcpy ((guint8 *) weight->data + 2 * at, &half, 2);
}

/* Values of few bits, whose rotations are exact: devices that rotate x round the same numbers as the reference. */
static void
make_coarse (float *values,
             gint64 n)
{
  for (gint64 i = 0; i < n; i++)
    values[i] = roundf (values[i] * 256) / 256;
}

static void
build_linear (Setup         *setup,
              gconstpointer  data)
{
  const LinearCase *c = data;
  ZimTensor *x = setup_layout (setup, c->layout, c->rows, c->k, c->spread != 0 ? c->spread : 1);
  const ZimWeight *weights[MAX_PARTS], *biases[MAX_PARTS] = { NULL };
  guint n;

  if (c->dtype == ZIM_DTYPE_I8 || c->is_mixed)
    make_coarse (setup_values (setup, x), c->rows * c->k);
  for (n = 0; n < MAX_PARTS && c->parts[n] != 0; n++)
    {
      weights[n] = setup_weight (setup, c->is_mixed ? mixed[n] : c->dtype, c->misalignment, 1, 2,
                                 (const gint64[]) { c->parts[n], c->k });
      if (c->bias == BIAS_ALL || (c->bias == BIAS_SOME && n % 2 == 1))
        biases[n] = setup_vector (setup, (ZimDType) (n % 3), 10, c->parts[n]);
    }
  if (c->special == SPECIAL_NAN_X)
    setup_values (setup, x)[(c->rows / 2) * x->stride + c->k / 2] = NAN;
  if (c->special == SPECIAL_NAN_WEIGHT)
    poison_weight (weights[n - 1]);
  setup_output (setup, zim_program_linear (setup->program, x, weights, c->bias != BIAS_NONE ? biases : NULL, n,
                                           c->scale != 0 ? c->scale : 1));
}

#define F32 ZIM_DTYPE_F32
#define F16 ZIM_DTYPE_F16
#define BF16 ZIM_DTYPE_BF16

static const LinearCase cases[] = {
  { "parts", 33, 96, { 96, 13, 200, 1 }, BF16 },
  { "parts-with-biases", 33, 96, { 96, 13, 200, 1 }, BF16, 0, BIAS_ALL },
  { "parts-with-some-biases", 100, 85, { 13, 97, 96, 3 }, F16, 1, BIAS_SOME },
  { "parts-of-f32", 31, 257, { 129, 128, 1 }, F32, 2, BIAS_SOME },
  { "bias", 1, 16, { 97 }, F32, 0, BIAS_ALL },
  { "bias-odd", 32, 85, { 13 }, F16, 1, BIAS_ALL },
  { "cols-of-x", 33, 85, { 97 }, BF16, 0, BIAS_ALL, .layout = LAYOUT_COLS },
  { "cols-of-x-beyond-a-block", 13, 1030, { 13 }, F16, 1, .layout = LAYOUT_COLS },
  { "rows-of-x", 33, 64, { 97 }, F32, 0, .layout = LAYOUT_ROWS },
  { "temporary-x", 33, 64, { 97 }, F32, 0, .layout = LAYOUT_IN_PLACE },
  { "rows-beyond-a-tile", 600, 64, { 200 }, BF16 },
  { "rows-beyond-a-tile-of-q8_0", 600, 1056, { 97 }, ZIM_DTYPE_Q8_0 },
  { "k-1", 3, 1, { 5 }, F32 },
  { "k-3", 33, 3, { 33 }, BF16, 1 },
  { "k-two-blocks", 3, 2048, { 13 }, BF16 },
  { "k-two-blocks-and-one", 33, 2049, { 13 }, F32 },
  /* Values of about 10⁵ are beyond f16, of which they are in range again with a scale. */
  { "parts-of-fp8", 33, 96, { 96, 13, 200, 1 }, ZIM_DTYPE_F8_E4M3, 1, BIAS_SOME },
  { "parts-of-q4_k", 33, 256, { 96, 13, 200, 1 }, ZIM_DTYPE_Q4_K, 0, BIAS_ALL },
  { "parts-of-several-types", 33, 256, { 96, 13, 200, 1 }, .bias = BIAS_SOME, .is_mixed = TRUE },
  { "divided-parts-of-several-types", 3, 2048, { 96, 13, 20, 14 }, .bias = BIAS_ALL, .is_mixed = TRUE },
  { "rotated-groups-and-a-strip", 31, 1088, { 96 }, ZIM_DTYPE_I8 },
  { "scaled-q8_0", 33, 256, { 97 }, ZIM_DTYPE_Q8_0, 0, BIAS_ALL, 1.0f / 128, 1e5 },
  { "scaled", 33, 257, { 97 }, BF16, 0, BIAS_ALL, 1.0f / 128, 1e5 },
  { "scaled-odd", 1, 85, { 13 }, F32, 1, BIAS_NONE, 1.0f / 128, 1e5 },
  { "scaled-beyond-a-block", 31, 1030, { 96 }, F16, 0, BIAS_NONE, 1.0f / 128, 1e5 },
  { "overflow", 3, 64, { 13 }, F16, 0, BIAS_NONE, 1, 1e5 },
  { "nan-in-x", 33, 96, { 97 }, BF16, .special = SPECIAL_NAN_X },
  { "nan-in-x-odd", 3, 85, { 13 }, F32, .special = SPECIAL_NAN_X },
  { "nan-in-x-of-one-row", 1, 257, { 13 }, F16, .special = SPECIAL_NAN_X },
  { "nan-in-f32-weight", 33, 96, { 13, 97 }, F32, .special = SPECIAL_NAN_WEIGHT },
  { "nan-in-bf16-weight", 33, 96, { 13, 97 }, BF16, .special = SPECIAL_NAN_WEIGHT },
  { "nan-in-f16-weight", 1, 85, { 13 }, F16, 1, .special = SPECIAL_NAN_WEIGHT },
};

static void
add_generated (gint64   rows,
               gint64   k,
               gint64   n,
               ZimDType dtype,
               guint    misalignment)
{
  static GPtrArray *generated;
  LinearCase *c = g_new0 (LinearCase, 1);
  g_autofree char *name = NULL, *type = g_ascii_strdown (zim_dtype_name (dtype), -1);

  if (generated == NULL)
    generated = g_ptr_array_new_with_free_func (g_free);
  *c = (LinearCase) { NULL, rows, k, { n }, dtype, misalignment };
  g_ptr_array_add (generated, c);
  name = g_strdup_printf ("%dx%dx%d-%s+%u", (int) rows, (int) k, (int) n, type, misalignment);
  ops_add_case ("linear", name, build_linear, c, TRUE);
}

/* Every number of rows with every k, and in turn every n, type of weight and alignment; then every type and alignment
 * with the k that matter to them. */
static void
add_grids (void)
{
  static const gint64 rows[] = { 1, 31, 32, 33, 100 };
  static const gint64 ks[] = { 16, 64, 85, 96, 128, 257, 1030 };
  static const gint64 ns[] = { 1, 3, 13, 96, 97, 200 };
  guint turn = 0;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint j = 0; j < G_N_ELEMENTS (ks); j++, turn++)
      add_generated (rows[i], ks[j], ns[turn % 6], (ZimDType) ((turn + i) % 3), (turn + turn / 3) % 3);
  for (ZimDType dtype = F32; dtype <= BF16; dtype++)
    for (guint misalignment = 0; misalignment < 3; misalignment++)
      {
        add_generated (31, 84, 15, dtype, misalignment);
        add_generated (34, 1031, 14, dtype, misalignment);
      }
}

/* Every type of few bits: rows of one block and of more than a strip holds, and rows that begin within a block. */
static void
add_quantized (void)
{
  for (ZimDType dtype = ZIM_DTYPE_F8_E4M3; dtype < ZIM_N_DTYPES; dtype++)
    {
      gsize block = MAX (32, zim_dtype_block_elements (dtype));

      add_generated (33, block, 97, dtype, 0);
      add_generated (3, 1024 + block, 13, dtype, 1);
      add_generated (100, block / 2, 96, dtype, 2);
    }
}

void
ops_add_linear_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    ops_add_case ("linear", cases[i].name, build_linear, &cases[i], TRUE);
  add_grids ();
  add_quantized ();
}
