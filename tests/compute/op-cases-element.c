/* op-cases-element.c: cases of operations that work element by element or pair by pair
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <float.h>
#include <math.h>

#include "op-runner.h"

typedef enum { VALUES_RANDOM, VALUES_EXTREMES, VALUES_SWEEP } Values;

typedef struct {
  const char *name;
  gint64      rows;
  gint64      cols;
  Layout      layout;
  Values      values;
  float       mul, add; /* affine */
} ElementCase;

static const float extremes[] = {
  0.0f, -0.0f, 1e-45f, -1e-45f, 1e-40f, -1e-40f, FLT_MIN, -FLT_MIN, FLT_EPSILON, -FLT_EPSILON, 0.5f, -0.5f, 1, -1,
  17, -17, 87.3f, -87.3f, 88.3f, -88.3f, 88.7f, -88.7f, 88.8f, -88.8f, 100, -100, 104, -104, 1e4f, -1e4f, 1e30f, -1e30f,
  FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN,
};

static ZimTensor *
element_input (Setup             *setup,
               const ElementCase *c)
{
  ZimTensor *x = setup_layout (setup, c->layout, c->rows, c->cols, 2);
  float *values = setup_values (setup, x);
  gint64 n = c->rows * c->cols;

  for (gint64 i = 0; i < n && c->values != VALUES_RANDOM; i++)
    values[i / c->cols * x->stride + i % c->cols] =
      c->values == VALUES_EXTREMES ? extremes[i % G_N_ELEMENTS (extremes)] : (float) (180.0 * i / (n - 1) - 90);
  return x;
}

static void
build_silu (Setup         *setup,
            gconstpointer  data)
{
  setup_output (setup, zim_program_silu (setup->program, element_input (setup, data)));
}

static void
build_tanh (Setup         *setup,
            gconstpointer  data)
{
  setup_output (setup, zim_program_tanh (setup->program, element_input (setup, data)));
}

static void
build_affine (Setup         *setup,
              gconstpointer  data)
{
  const ElementCase *c = data;

  setup_output (setup, zim_program_affine (setup->program, element_input (setup, c), c->mul, c->add));
}

static void
build_swiglu (Setup         *setup,
              gconstpointer  data)
{
  const ElementCase *c = data;
  ZimTensor *gate = element_input (setup, c);

  setup_output (setup, zim_program_swiglu (setup->program, gate, setup_layout (setup, c->layout, c->rows, c->cols, 1)));
}

static void
build_add (Setup         *setup,
           gconstpointer  data)
{
  const ElementCase *c = data;
  ZimTensor *a = element_input (setup, c);

  setup_output (setup, zim_program_add (setup->program, a, setup_layout (setup, c->layout, c->rows, c->cols, 1)));
}

static void
build_add_to_itself (Setup         *setup,
                     gconstpointer  data)
{
  ZimTensor *a = element_input (setup, data);

  setup_output (setup, zim_program_add (setup->program, a, a));
}

static const ElementCase cases[] = {
  { "1x16", 1, 16, .mul = 1, .add = 1 },
  { "1x1", 1, 1, .mul = 0, .add = 2 },
  { "31x3", 31, 3, .mul = -2, .add = 0 },
  { "32x64", 32, 64, .mul = 0.3f, .add = 0.1f },
  { "33x85", 33, 85, .mul = -1.5f, .add = 1e-6f },
  { "100x1030", 100, 1030, .mul = 1, .add = 0 },
  { "tall", 70000, 1, .mul = 0.3611f, .add = -0.1159f },
  { "cols", 33, 85, LAYOUT_COLS, .mul = 1.7f, .add = 3 },
  { "rows", 33, 85, LAYOUT_ROWS, .mul = 1.7f, .add = 3 },
  { "in-place", 33, 85, LAYOUT_IN_PLACE, .mul = 1.7f, .add = 3 },
  { "extremes", 4, 85, LAYOUT_PLAIN, VALUES_EXTREMES, .mul = 1, .add = 1 },
  { "extremes-in-cols", 4, 37, LAYOUT_COLS, VALUES_EXTREMES, .mul = -1, .add = 0 },
};

static const ElementCase sweeps[] = {
  { "sweep", 400, 451, LAYOUT_PLAIN, VALUES_SWEEP },
};

/* Rope: angles that grow with the row and fall with the pair */

typedef struct {
  const char *name;
  gint64      rows;
  gint64      n_heads;
  guint       head_dim;
  gboolean    interleaved;
  Layout      layout;
} RopeCase;

static void
build_rope (Setup         *setup,
            gconstpointer  data)
{
  const RopeCase *c = data;
  gint64 half = c->head_dim / 2;
  Layout tables = c->layout == LAYOUT_IN_PLACE ? LAYOUT_PLAIN : c->layout;
  ZimTensor *x = setup_layout (setup, c->layout, c->rows, c->n_heads * c->head_dim, 1);
  ZimTensor *cosines = setup_layout (setup, tables, c->rows, half, 1);
  ZimTensor *sines = setup_layout (setup, tables, c->rows, half, 1);

  for (gint64 row = 0; row < c->rows; row++)
    for (gint64 m = 0; m < half; m++)
      {
        double angle = row * pow (256, -(double) m / half);

        setup_values (setup, cosines)[row * cosines->stride + m] = (float) cos (angle);
        setup_values (setup, sines)[row * sines->stride + m] = (float) sin (angle);
      }
  setup_output (setup, zim_program_rope (setup->program, x, cosines, sines, c->head_dim, c->interleaved));
}

static const RopeCase rope_cases[] = {
  { "halves", 33, 3, 128, FALSE },
  { "halves-of-2", 5, 3, 2, FALSE },
  { "halves-of-6", 100, 5, 6, FALSE },
  { "halves-cols", 33, 4, 48, FALSE, LAYOUT_COLS },
  { "halves-rows", 33, 1, 64, FALSE, LAYOUT_ROWS },
  { "halves-of-temporary", 33, 4, 16, FALSE, LAYOUT_IN_PLACE },
  { "pairs", 33, 3, 128, TRUE },
  { "pairs-of-2", 5, 3, 2, TRUE },
  { "pairs-of-6", 100, 5, 6, TRUE },
  { "pairs-cols", 33, 4, 48, TRUE, LAYOUT_COLS },
  { "pairs-rows", 33, 1, 64, TRUE, LAYOUT_ROWS },
  { "pairs-of-temporary", 33, 4, 16, TRUE, LAYOUT_IN_PLACE },
};

static void
add_table (const char        *op,
           BuildFunc          build,
           const ElementCase *table,
           guint              n)
{
  for (guint i = 0; i < n; i++)
    ops_add_case (op, table[i].name, build, &table[i], FALSE);
}

void
ops_add_element_cases (void)
{
  add_table ("silu", build_silu, cases, G_N_ELEMENTS (cases));
  add_table ("silu", build_silu, sweeps, G_N_ELEMENTS (sweeps));
  add_table ("swiglu", build_swiglu, cases, G_N_ELEMENTS (cases));
  add_table ("swiglu", build_swiglu, sweeps, G_N_ELEMENTS (sweeps));
  add_table ("tanh", build_tanh, cases, G_N_ELEMENTS (cases));
  add_table ("tanh", build_tanh, sweeps, G_N_ELEMENTS (sweeps));
  add_table ("add", build_add, cases, G_N_ELEMENTS (cases));
  add_table ("add-to-itself", build_add_to_itself, cases, G_N_ELEMENTS (cases));
  add_table ("affine", build_affine, cases, G_N_ELEMENTS (cases));
  for (guint i = 0; i < G_N_ELEMENTS (rope_cases); i++)
    ops_add_case ("rope", rope_cases[i].name, build_rope, &rope_cases[i], FALSE);
}
