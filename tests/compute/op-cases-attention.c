/* op-cases-attention.c: cases of attention
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "op-runner.h"

#define MAX_LENGTHS 5

typedef enum {
  SPECIAL_NONE,
  SPECIAL_EQUAL, /* every key is the same, so all logits of a query are */
  SPECIAL_NAN_Q,
  SPECIAL_NAN_K,
  SPECIAL_NAN_V,
} Special;

typedef struct {
  const char *name;
  guint       head_dim;
  guint       n_heads;
  guint       n_kv_heads;
  gboolean    causal;
  gint64      lengths[MAX_LENGTHS]; /* of the ranges, 0 ends the list */
  double      spread;               /* of q; 0: 1 */
  Layout      layout;               /* PLAIN, or COLS: q, k and v are parts of one tensor */
  Special     special;
} AttentionCase;

static gint64
count_rows (const AttentionCase *c,
            ZimRange            *ranges,
            guint               *n_ranges)
{
  gint64 rows = 0;

  for (*n_ranges = 0; *n_ranges < MAX_LENGTHS && c->lengths[*n_ranges] != 0; (*n_ranges)++)
    {
      ranges[*n_ranges] = (ZimRange) { rows, c->lengths[*n_ranges], 0 };
      rows += c->lengths[*n_ranges];
    }
  return rows;
}

static void
set_special (Setup               *setup,
             const AttentionCase *c,
             ZimTensor          **qkv,
             gint64               rows)
{
  float *k = setup_values (setup, qkv[1]);

  if (c->special == SPECIAL_EQUAL)
    for (gint64 row = 1; row < rows; row++)
      memcpy (k + row * qkv[1]->stride, k, qkv[1]->cols * sizeof *k);
  if (c->special >= SPECIAL_NAN_Q)
    {
      ZimTensor *tensor = qkv[c->special - SPECIAL_NAN_Q];

      setup_values (setup, tensor)[rows / 2 * tensor->stride + 3] = NAN;
    }
}

static void
build_attention (Setup         *setup,
                 gconstpointer  data)
{
  const AttentionCase *c = data;
  ZimRange ranges[MAX_LENGTHS];
  guint n_ranges;
  gint64 rows = count_rows (c, ranges, &n_ranges);
  gint64 cols = c->n_heads * c->head_dim, kv_cols = c->n_kv_heads * c->head_dim;
  double spread = c->spread != 0 ? c->spread : 1;
  ZimTensor *qkv[3];

  if (c->layout == LAYOUT_COLS)
    {
      ZimTensor *all = setup_input (setup, rows, cols + 2 * kv_cols, sqrt (spread));

      qkv[0] = zim_program_cols (setup->program, all, 0, cols);
      qkv[1] = zim_program_cols (setup->program, all, cols, kv_cols);
      qkv[2] = zim_program_cols (setup->program, all, cols + kv_cols, kv_cols);
    }
  else
    {
      qkv[0] = setup_input (setup, rows, cols, spread);
      qkv[1] = setup_input (setup, rows, kv_cols, 1);
      qkv[2] = setup_input (setup, rows, kv_cols, 1);
    }
  set_special (setup, c, qkv, rows);
  setup_output (setup, zim_program_attention (setup->program, qkv[0], qkv[1], qkv[2], c->n_heads, c->n_kv_heads,
                                              c->head_dim, c->causal, n_ranges > 1 ? ranges : NULL, n_ranges));
}

static const AttentionCase cases[] = {
  { "1x16", 16, 1, 1, FALSE, { 1 } },
  { "1x128-causal", 128, 4, 1, TRUE, { 1 } },
  { "5x16", 16, 3, 3, FALSE, { 5 } },
  { "5x48-causal", 48, 4, 1, TRUE, { 5 } },
  { "5x16-8-heads-of-2", 16, 8, 2, FALSE, { 5 } },
  { "5x512", 512, 1, 1, FALSE, { 5 } },
  { "32x64", 64, 2, 2, FALSE, { 32 } },
  { "32x128-causal", 128, 4, 1, TRUE, { 32 } },
  { "33x16-causal", 16, 4, 1, TRUE, { 33 } },
  { "33x48", 48, 2, 1, FALSE, { 33 } },
  { "33x64-causal", 64, 2, 2, TRUE, { 33 } },
  { "33x128", 128, 4, 1, FALSE, { 33 } },
  { "33x64-8-heads-of-2", 64, 8, 2, FALSE, { 33 } },
  { "33x512-causal", 512, 1, 1, TRUE, { 33 } },
  { "33x7", 7, 3, 1, FALSE, { 33 } }, /* an odd head */
  { "256x16", 16, 2, 2, FALSE, { 256 } },
  { "257x16", 16, 2, 1, FALSE, { 257 } },
  { "257x48-causal", 48, 2, 2, TRUE, { 257 } },
  { "257x64", 64, 4, 1, FALSE, { 257 } },
  { "257x48-8-heads-of-2-causal", 48, 8, 2, TRUE, { 257 } },
  { "257x128", 128, 2, 2, FALSE, { 257 } },
  { "257x128-causal", 128, 4, 1, TRUE, { 257 } },
  { "257x512", 512, 1, 1, FALSE, { 257 } },
  { "600x16", 16, 4, 1, FALSE, { 600 } },
  { "600x16-causal", 16, 1, 1, TRUE, { 600 } },
  { "600x48", 48, 1, 1, FALSE, { 600 } },
  { "600x64-causal", 64, 2, 1, TRUE, { 600 } },
  { "600x128", 128, 1, 1, FALSE, { 600 } },
  { "ranges", 48, 2, 2, FALSE, { 33, 1, 257, 5, 32 } },
  { "ranges-causal", 64, 4, 1, TRUE, { 5, 257, 32, 33, 1 } },
  { "parts-of-one", 48, 4, 1, FALSE, { 33, 40 }, .layout = LAYOUT_COLS },
  { "parts-of-one-causal", 64, 2, 2, TRUE, { 257 }, .layout = LAYOUT_COLS },
  { "large-logits", 64, 2, 2, FALSE, { 257 }, 300 },
  { "large-logits-causal", 128, 2, 1, TRUE, { 300 }, 30 },
  { "huge-logits", 16, 1, 1, FALSE, { 33, 300 }, 1e4 },
  { "equal-logits", 64, 2, 2, FALSE, { 600 }, .special = SPECIAL_EQUAL },
  { "equal-logits-causal", 16, 4, 1, TRUE, { 257 }, .special = SPECIAL_EQUAL },
  { "zero-logits", 48, 2, 2, FALSE, { 33 }, 1e-30 },
  { "nan-in-q", 64, 2, 1, FALSE, { 33, 5 }, .special = SPECIAL_NAN_Q },
  { "nan-in-k", 16, 4, 2, FALSE, { 5, 300 }, .special = SPECIAL_NAN_K },
  { "nan-in-v", 48, 2, 2, FALSE, { 257 }, .special = SPECIAL_NAN_V },
};

void
ops_add_attention_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    ops_add_case ("attention", cases[i].name, build_attention, &cases[i], TRUE);
}
