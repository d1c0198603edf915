/* test-tables.c: noise levels, times and noise against PyTorch's and diffusers' own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "diffusion/zim-noise-private.h"
#include "diffusion/zim-scheduler-private.h"
#include "test-weights.h"

static JsonParser *
load (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "reference", "fixtures", name, NULL);
  JsonParser *parser = json_parser_new ();
  GError *error = NULL;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  return parser;
}

/* Noise levels and times */

static void
check_schedule (const ZimSchedulerConfig *config,
                JsonObject               *row,
                guint                     n_image_tokens)
{
  guint n = (guint) json_object_get_int_member (row, "steps");
  g_autofree float *sigmas = zim_scheduler_sigmas (config, n, n_image_tokens);
  JsonArray *expected = json_object_get_array_member (row, "sigmas");
  JsonArray *timesteps = json_object_get_array_member (row, "timesteps");

  g_assert_cmpuint (json_array_get_length (expected), ==, n + 1);
  for (guint i = 0; i <= n; i++)
    g_assert_cmpfloat_with_epsilon (sigmas[i], json_array_get_double_element (expected, i), 1.2e-7);
  for (guint i = 0; i < n; i++)
    {
      double t = 1 - json_array_get_double_element (timesteps, i) / 1000;

      g_assert_cmpfloat_with_epsilon (zim_scheduler_time (config, sigmas[i]), t, 1e-6);
    }
}

static void
test_static_shift (void)
{
  g_autoptr(JsonParser) parser = load ("scheduler.json");
  JsonArray *rows = json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), "static");

  g_assert_cmpuint (json_array_get_length (rows), >=, 14);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      JsonObject *row = json_array_get_object_element (rows, i);
      ZimSchedulerConfig config = { .num_train_timesteps = 1000,
                                   .shift = json_object_get_double_member (row, "shift") };

      check_schedule (&config, row, 4096);
    }
}

static void
test_dynamic_shift (void)
{
  g_autoptr(JsonParser) parser = load ("scheduler.json");
  JsonArray *rows = json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), "dynamic");

  g_assert_cmpuint (json_array_get_length (rows), >, 0);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      JsonObject *row = json_array_get_object_element (rows, i);
      ZimSchedulerConfig config = {
        .num_train_timesteps = 1000,
        .use_dynamic_shifting = TRUE,
        .base_shift = 0.5,
        .max_shift = 1.15,
        .base_image_seq_len = 256,
        .max_image_seq_len = 4096,
        .time_shift_linear = g_str_equal (json_object_get_string_member (row, "time_shift_type"), "linear"),
      };

      check_schedule (&config, row, (guint) json_object_get_int_member (row, "image_tokens"));
    }
}

/* x ← x + (σ' − σ) v; the clean picture that a constant velocity leads to is reached in any number of steps. */
static void
test_euler (void)
{
  const ZimSchedulerConfig config = { .num_train_timesteps = 1000, .shift = 3 };
  const float velocity[2] = { 0.5f, -2 };
  float latents[2] = { 1, 1 };
  g_autofree float *sigmas = zim_scheduler_sigmas (&config, 8, 0);

  for (guint i = 0; i < 8; i++)
    zim_scheduler_step (latents, velocity, 2, sigmas[i], sigmas[i + 1]);
  g_assert_cmpfloat_with_epsilon (latents[0], 0.5, 1e-6);
  g_assert_cmpfloat_with_epsilon (latents[1], 3, 1e-6);
}

/* How many steps diffusers guides, on a CPU with FMA, where the limit falls upon a step or nearly so. */
static void
test_truncation (void)
{
  static const struct {
    double shift;
    guint  n_steps;
    double truncation;
    guint  n_guided;
  } rows[] = {
    { 6, 20, 0.2, 12 }, { 6, 20, 0.28, 14 }, { 6, 40, 0.4, 32 }, { 6, 50, 0.55, 44 },
    { 3, 8, 0, 1 }, { 3, 8, 0.25, 5 }, { 3, 10, 0.5, 8 }, { 1, 10, 0.3, 4 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const ZimSchedulerConfig config = { .num_train_timesteps = 1000, .shift = rows[i].shift };
      g_autofree float *sigmas = zim_scheduler_sigmas (&config, rows[i].n_steps, 0);
      guint n = 0;

      for (guint step = 0; step < rows[i].n_steps; step++)
        n += zim_scheduler_is_guided (&config, sigmas[step], rows[i].truncation) ? 1 : 0;
      g_assert_cmpuint (n, ==, rows[i].n_guided);
    }
}

static void
test_guidance (void)
{
  float pos[2] = { 3, 4 };
  const float neg[2] = { 1, 1 }, larger[2] = { 4, 6 };

  zim_scheduler_guide (pos, neg, 2, 2, 0);
  g_assert_cmpfloat (pos[0], ==, 7);
  g_assert_cmpfloat (pos[1], ==, 10);

  /* The norm of pos is 5: at normalization 1 the result keeps its direction and has that norm. */
  pos[0] = 3;
  pos[1] = 4;
  zim_scheduler_guide (pos, neg, 2, 2, 1);
  g_assert_cmpfloat_with_epsilon (pos[0] * pos[0] + pos[1] * pos[1], 25, 1e-5);
  g_assert_cmpfloat_with_epsilon (pos[0] / pos[1], 0.7, 1e-6);

  /* The limit is a share of that norm. */
  pos[0] = 3;
  pos[1] = 4;
  zim_scheduler_guide (pos, neg, 2, 2, 0.5);
  g_assert_cmpfloat_with_epsilon (pos[0] * pos[0] + pos[1] * pos[1], 6.25, 1e-5);

  /* What is shorter is left alone. */
  pos[0] = 3;
  pos[1] = 4;
  zim_scheduler_guide (pos, larger, 2, 1, 1);
  g_assert_cmpfloat (pos[0], ==, 2);
  g_assert_cmpfloat (pos[1], ==, 2);
}

/* Noise. The fixtures hold the values of PyTorch's scalar code; what the C library's functions round differently is
 * below two units in the last place of the largest values. */

#define NOISE_TOLERANCE 1e-6

static void
check_values (JsonArray   *expected,
              const float *values,
              double       tolerance)
{
  for (guint i = 0; i < json_array_get_length (expected); i++)
    g_assert_cmpfloat_with_epsilon (values[i], json_array_get_double_element (expected, i), tolerance);
}

static void
test_cpu_noise (void)
{
  g_autoptr(JsonParser) parser = load ("noise.json");
  JsonArray *rows = json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), "cpu");

  g_assert_cmpuint (json_array_get_length (rows), >, 3);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      JsonObject *row = json_array_get_object_element (rows, i);
      gsize n = (gsize) json_object_get_int_member (row, "count");
      g_autofree float *values = g_new (float, n);
      JsonArray *last = json_object_get_array_member (row, "last");
      double sum = 0, squares = 0;

      zim_noise_fill (ZIM_RNG_CPU, (guint64) json_object_get_int_member (row, "seed"), values, n);
      check_values (json_object_get_array_member (row, "first"), values, NOISE_TOLERANCE);
      check_values (last, values + n - json_array_get_length (last), NOISE_TOLERANCE);
      for (gsize j = 0; j < n; j++)
        {
          sum += values[j];
          squares += (double) values[j] * values[j];
        }
      g_assert_cmpfloat_with_epsilon (sum, json_object_get_double_member (row, "sum"), 1e-7 * n + 1e-5);
      g_assert_cmpfloat_with_epsilon (squares, json_object_get_double_member (row, "sum_of_squares"), 1e-6 * n);
    }
}

static void
test_cuda_noise (void)
{
  g_autoptr(JsonParser) parser = load ("noise.json");
  JsonObject *seeds = json_object_get_object_member (json_node_get_object (json_parser_get_root (parser)),
                                                     "cuda_published");
  JsonObjectIter iter;
  const char *seed;
  JsonNode *expected;

  g_assert_cmpuint (json_object_get_size (seeds), >, 0);
  json_object_iter_init (&iter, seeds);
  while (json_object_iter_next (&iter, &seed, &expected))
    {
      float values[16];

      zim_noise_fill (ZIM_RNG_CUDA, g_ascii_strtoull (seed, NULL, 10), values, G_N_ELEMENTS (values));
      /* Published with four decimals. */
      check_values (json_node_get_array (expected), values, 0.6e-4);
    }
}

/* The weights that every other fixture rests on. */
static void
test_hashed_weights (void)
{
  g_autoptr(JsonParser) parser = load ("weights.json");
  JsonArray *rows = json_node_get_array (json_parser_get_root (parser));

  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      JsonObject *row = json_array_get_object_element (rows, i);
      JsonArray *shape = json_object_get_array_member (row, "shape");
      const char *name = json_object_get_string_member (row, "name");
      gint64 dims[ZIM_MAX_DIMS];
      g_autofree float *values = NULL;
      gsize n = 1;
      double sum = 0;

      for (guint j = 0; j < json_array_get_length (shape); j++)
        n *= dims[j] = json_array_get_int_element (shape, j);
      if (g_str_has_prefix (name, "input/"))
        values = test_input (name, n, g_str_has_suffix (name, "image") ? -1 : 0);
      else
        {
          values = g_new (float, n);
          test_fill_weights (name, json_array_get_length (shape), dims, ZIM_DTYPE_F32, values, NULL);
        }
      check_values (json_object_get_array_member (row, "first"), values, 1e-12);
      for (gsize j = 0; j < n; j++)
        sum += values[j];
      g_assert_cmpfloat (sum, ==, json_object_get_double_member (row, "sum"));
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tables/static-shift", test_static_shift);
  g_test_add_func ("/tables/dynamic-shift", test_dynamic_shift);
  g_test_add_func ("/tables/euler", test_euler);
  g_test_add_func ("/tables/guidance", test_guidance);
  g_test_add_func ("/tables/truncation", test_truncation);
  g_test_add_func ("/tables/cpu-noise", test_cpu_noise);
  g_test_add_func ("/tables/cuda-noise", test_cuda_noise);
  g_test_add_func ("/tables/hashed-weights", test_hashed_weights);
  return g_test_run ();
}
