/* op-cases-move.c: cases of operations that only move numbers, all of them exact
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "op-runner.h"

/* Permutation */

typedef struct {
  const char *name;
  guint       n_dims;
  gint64      dims[ZIM_MAX_DIMS];
  guint       order[ZIM_MAX_DIMS];
  gint64      rows; /* of the result */
  Layout      layout;
} PermuteCase;

static void
build_permute (Setup         *setup,
               gconstpointer  data)
{
  const PermuteCase *c = data;
  gint64 n = 1;

  for (guint i = 0; i < c->n_dims; i++)
    n *= c->dims[i];
  setup_output (setup, zim_program_permute (setup->program,
                                            setup_layout (setup, c->layout, c->dims[0], n / c->dims[0], 1),
                                            c->n_dims, c->dims, c->order, c->rows, n / c->rows));
}

static const PermuteCase permute_cases[] = {
  { "transpose", 2, { 33, 85 }, { 1, 0 }, 85 },
  { "reshape", 2, { 12, 35 }, { 0, 1 }, 5 },
  { "transpose-to-one-row", 2, { 7, 13 }, { 1, 0 }, 1 },
  { "rows-of-x", 2, { 33, 16 }, { 1, 0 }, 16, LAYOUT_ROWS },
  { "temporary-x", 2, { 33, 16 }, { 1, 0 }, 16, LAYOUT_IN_PLACE },
  { "3-dims", 3, { 4, 5, 6 }, { 2, 0, 1 }, 6 },
  { "3-dims-swapped", 3, { 16, 9, 13 }, { 0, 2, 1 }, 208 },
  { "4-dims", 4, { 3, 5, 2, 7 }, { 3, 1, 0, 2 }, 14 },
  { "patches", 5, { 16, 6, 2, 5, 2 }, { 1, 3, 2, 4, 0 }, 30 },
  { "patches-back", 5, { 6, 5, 2, 2, 16 }, { 4, 0, 2, 1, 3 }, 16 },
  { "5-dims-reversed", 5, { 2, 3, 4, 5, 6 }, { 4, 3, 2, 1, 0 }, 30 },
  { "several-tasks", 2, { 300, 700 }, { 1, 0 }, 1400 },
};

/* Embedding */

typedef struct {
  const char *name;
  gint64      n;
  gint64      rows, cols; /* of the table */
  ZimDType    dtype;
  guint       misalignment;
} EmbedCase;

static void
build_embed (Setup         *setup,
             gconstpointer  data)
{
  const EmbedCase *c = data;
  ZimTensor *ids = setup_ids (setup, c->n, (gint32) c->rows);

  ((gint32 *) setup_values (setup, ids))[0] = (gint32) c->rows - 1;
  setup_output (setup, zim_program_embed (setup->program, ids,
                                          setup_weight (setup, c->dtype, c->misalignment, 1, 2,
                                                        (const gint64[]) { c->rows, c->cols })));
}

static void
build_repeat_row (Setup         *setup,
                  gconstpointer  data)
{
  const EmbedCase *c = data;

  setup_output (setup, zim_program_repeat_row (setup->program,
                                               setup_weight (setup, c->dtype, c->misalignment, 1, 2,
                                                             (const gint64[]) { 1, c->cols }), c->n));
}

static const EmbedCase embed_cases[] = {
  { "f32", 33, 100, 96, ZIM_DTYPE_F32 },
  { "bf16", 100, 1000, 257, ZIM_DTYPE_BF16 },
  { "f16", 31, 13, 85, ZIM_DTYPE_F16 },
  { "one", 1, 1, 1, ZIM_DTYPE_BF16 },
  { "f32-unaligned", 5, 31, 13, ZIM_DTYPE_F32, 1 },
  { "bf16-unaligned", 32, 31, 64, ZIM_DTYPE_BF16, 1 },
  { "f16-unaligned", 5, 31, 33, ZIM_DTYPE_F16, 1 },
  { "f8_e4m3", 33, 31, 85, ZIM_DTYPE_F8_E4M3 },
  { "i8", 33, 31, 128, ZIM_DTYPE_I8, 1 },
  { "q8_0", 33, 31, 96, ZIM_DTYPE_Q8_0, 1 },
  { "q4_k", 33, 31, 256, ZIM_DTYPE_Q4_K },
  { "q6_k", 33, 31, 512, ZIM_DTYPE_Q6_K, 1 },
  { "int4", 33, 31, 64, ZIM_DTYPE_INT4 },
  { "int8", 33, 31, 64, ZIM_DTYPE_INT8, 1 },
};

/* Copies */

static void
build_copy (Setup         *setup,
            gconstpointer  data)
{
  ZimTensor *all = zim_program_empty (setup->program, 33, 85);

  zim_program_copy_to (setup->program, setup_input (setup, 33, 85, 1), all);
  setup_output (setup, all);
}

/* Two halves side by side, one of them in two parts */
static void
build_copy_to_parts (Setup         *setup,
                     gconstpointer  data)
{
  ZimProgram *p = setup->program;
  ZimTensor *all = zim_program_empty (p, 33, 85);
  ZimTensor *left = zim_program_cols (p, all, 0, 13), *right = zim_program_cols (p, all, 13, 72);

  zim_program_copy_to (p, setup_input (setup, 33, 13, 1), left);
  zim_program_copy_to (p, setup_layout (setup, LAYOUT_COLS, 10, 72, 1), zim_program_rows (p, right, 0, 10));
  zim_program_copy_to (p, setup_layout (setup, LAYOUT_ROWS, 23, 72, 1), zim_program_rows (p, right, 10, 23));
  setup_output (setup, all);
}

/* What is not written stays as it was. */
static void
build_copy_to_state (Setup         *setup,
                     gconstpointer  data)
{
  ZimProgram *p = setup->program;
  ZimTensor *state = setup_state (setup, 33, 85), *all = zim_program_empty (p, 33, 85);

  zim_program_copy_to (p, setup_input (setup, 5, 20, 1),
                       zim_program_cols (p, zim_program_rows (p, state, 3, 5), 7, 20));
  zim_program_copy_to (p, zim_program_state (p, "again", state->state), all);
  setup_output (setup, all);
}

static void
build_copy_from_parts (Setup         *setup,
                       gconstpointer  data)
{
  ZimProgram *p = setup->program;
  ZimTensor *x = setup_input (setup, 33, 85, 1), *all = zim_program_empty (p, 4, 9);

  zim_program_copy_to (p, zim_program_rows (p, zim_program_cols (p, zim_program_rows (p, x, 1, 30), 70, 15), 20, 4),
                       zim_program_empty (p, 4, 15));
  zim_program_copy_to (p, zim_program_rows (p, zim_program_cols (p, zim_program_rows (p, x, 1, 30), 70, 9), 20, 4),
                       all);
  setup_output (setup, all);
}

/* Outputs of a program may be parts of tensors, and several of one. */
static void
build_parts_as_outputs (Setup         *setup,
                        gconstpointer  data)
{
  ZimProgram *p = setup->program;
  ZimTensor *all = zim_program_empty (p, 33, 85);

  zim_program_copy_to (p, setup_input (setup, 33, 85, 1), all);
  setup_output (setup, zim_program_cols (p, all, 80, 5));
  setup_output (setup, zim_program_rows (p, all, 30, 3));
  setup_output (setup, zim_program_rows (p, zim_program_cols (p, all, 2, 50), 3, 1));
}

/* The same, beside all of it */
static void
build_parts_and_whole (Setup         *setup,
                       gconstpointer  data)
{
  ZimProgram *p = setup->program;
  ZimTensor *all = zim_program_empty (p, 33, 85);

  zim_program_copy_to (p, setup_input (setup, 33, 85, 1), all);
  setup_output (setup, zim_program_cols (p, all, 80, 5));
  setup_output (setup, all);
}

static const struct {
  const char *name;
  BuildFunc   build;
} copy_cases[] = {
  { "all", build_copy },
  { "to-parts", build_copy_to_parts },
  { "to-state", build_copy_to_state },
  { "from-parts", build_copy_from_parts },
  { "parts-as-outputs", build_parts_as_outputs },
  { "parts-and-whole", build_parts_and_whole },
};

void
ops_add_move_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (permute_cases); i++)
    ops_add_case ("permute", permute_cases[i].name, build_permute, &permute_cases[i], FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (embed_cases); i++)
    {
      ops_add_case ("embed", embed_cases[i].name, build_embed, &embed_cases[i], FALSE);
      ops_add_case ("repeat_row", embed_cases[i].name, build_repeat_row, &embed_cases[i], FALSE);
    }
  for (guint i = 0; i < G_N_ELEMENTS (copy_cases); i++)
    ops_add_case ("copy", copy_cases[i].name, copy_cases[i].build, NULL, FALSE);
}
