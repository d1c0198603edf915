/* test-params.c: what can be asked for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <locale.h>
#include <math.h>

#include "zimage.h"

static void
test_defaults (void)
{
  g_autoptr(ZimParams) params = zim_params_new ("a cat");

  g_assert_cmpstr (zim_params_get_prompt (params), ==, "a cat");
  g_assert_cmpstr (zim_params_get_negative_prompt (params), ==, "");
  g_assert_cmpint (zim_params_get_width (params), ==, 0);
  g_assert_cmpint (zim_params_get_height (params), ==, 0);
  g_assert_cmpint (zim_params_get_steps (params), ==, 0);
  g_assert_cmpint (zim_params_get_seed (params), ==, ZIM_SEED_RANDOM);
  g_assert_cmpint (zim_params_get_n_images (params), ==, 1);
  g_assert_cmpfloat (zim_params_get_guidance (params), ==, -1.0);
  g_assert_cmpfloat (zim_params_get_cfg (params), ==, -1.0);
  g_assert_cmpfloat (zim_params_get_cfg_normalization (params), ==, 0.0);
  g_assert_cmpfloat (zim_params_get_cfg_truncation (params), ==, 1.0);
  g_assert_cmpint (zim_params_get_max_tokens (params), ==, 512);
  g_assert_cmpint (zim_params_get_rng (params), ==, ZIM_RNG_CPU);
  g_assert_false (zim_params_is_sealed (params));
}

/* What GObject thinks the defaults are is what they are. */
static void
test_declared_defaults (void)
{
  g_autoptr(ZimParams) params = zim_params_new (NULL);
  g_autofree GParamSpec **specs = NULL;
  guint n_specs;

  specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (params), &n_specs);
  g_assert_cmpuint (n_specs, ==, 13);
  for (guint i = 0; i < n_specs; i++)
    {
      g_auto(GValue) value = G_VALUE_INIT;

      g_object_get_property (G_OBJECT (params), specs[i]->name, &value);
      g_test_message ("%s", specs[i]->name);
      g_assert_true (g_param_value_defaults (specs[i], &value));
    }
}

static void
test_null_texts (void)
{
  g_autoptr(ZimParams) params = zim_params_new (NULL);

  g_assert_cmpstr (zim_params_get_prompt (params), ==, "");
  zim_params_set_negative_prompt (params, "fog");
  zim_params_set_negative_prompt (params, NULL);
  g_assert_cmpstr (zim_params_get_negative_prompt (params), ==, "");
}

static void
fill (ZimParams *params)
{
  g_object_set (params,
                "prompt", "a lighthouse",
                "negative-prompt", "fog",
                "width", 640,
                "height", 384,
                "steps", 12,
                "seed", G_GINT64_CONSTANT (9007199254740000),
                "n-images", 3,
                "guidance", 4.5,
                "cfg-normalization", 0.75,
                "cfg-truncation", 0.5,
                "max-tokens", 77,
                "rng", ZIM_RNG_CUDA,
                NULL);
}

static void
assert_filled (ZimParams *params)
{
  g_assert_cmpstr (zim_params_get_prompt (params), ==, "a lighthouse");
  g_assert_cmpstr (zim_params_get_negative_prompt (params), ==, "fog");
  g_assert_cmpint (zim_params_get_width (params), ==, 640);
  g_assert_cmpint (zim_params_get_height (params), ==, 384);
  g_assert_cmpint (zim_params_get_steps (params), ==, 12);
  g_assert_cmpint (zim_params_get_seed (params), ==, G_GINT64_CONSTANT (9007199254740000));
  g_assert_cmpint (zim_params_get_n_images (params), ==, 3);
  g_assert_cmpfloat (zim_params_get_guidance (params), ==, 4.5);
  g_assert_cmpfloat (zim_params_get_cfg (params), ==, 5.5);
  g_assert_cmpfloat (zim_params_get_cfg_normalization (params), ==, 0.75);
  g_assert_cmpfloat (zim_params_get_cfg_truncation (params), ==, 0.5);
  g_assert_cmpint (zim_params_get_max_tokens (params), ==, 77);
  g_assert_cmpint (zim_params_get_rng (params), ==, ZIM_RNG_CUDA);
}

static void
test_properties (void)
{
  g_autoptr(ZimParams) params = zim_params_new (NULL);

  fill (params);
  assert_filled (params);
}

static void
test_copy (void)
{
  g_autoptr(ZimParams) params = zim_params_new (NULL);
  g_autoptr(ZimParams) copy = NULL;

  fill (params);
  zim_params_seal (params);
  copy = zim_params_copy (params);
  assert_filled (copy);
  g_assert_true (zim_params_is_sealed (params));
  g_assert_false (zim_params_is_sealed (copy));

  zim_params_set_prompt (copy, "a harbour");
  g_assert_cmpstr (zim_params_get_prompt (params), ==, "a lighthouse");
}

static void
count_cb (ZimParams  *params,
          GParamSpec *pspec,
          int        *count)
{
  (*count)++;
}

/* Each setter notifies once, and not at all when nothing changes. */
static void
test_notify (void)
{
  g_autoptr(ZimParams) params = zim_params_new (NULL);
  int count = 0;

  g_signal_connect (params, "notify", G_CALLBACK (count_cb), &count);
  fill (params);
  g_assert_cmpint (count, ==, 13);
  fill (params);
  g_assert_cmpint (count, ==, 13);

  zim_params_set_size (params, 64, 384);
  g_assert_cmpint (count, ==, 14);
}

static void
test_cfg (void)
{
  static const struct { double cfg, guidance, shown; } cases[] = {
    { 4.1, 3.1, 4.1 },
    { 5.0, 4.0, 5.0 },
    { 1.1, 0.1, 1.1 },
    { 1.0, 0.0, 1.0 },
    { 0.5, 0.0, 1.0 },
    { 0.0, 0.0, 1.0 },
    { -1.0, -1.0, -1.0 },
    { -3.0, -3.0, -3.0 },
  };
  g_autoptr(ZimParams) params = zim_params_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      zim_params_set_cfg (params, cases[i].cfg);
      g_assert_cmpfloat (zim_params_get_guidance (params), ==, cases[i].guidance);
      g_assert_cmpfloat (zim_params_get_cfg (params), ==, cases[i].shown);
    }

  zim_params_set_guidance (params, 3.1);
  g_assert_cmpfloat (zim_params_get_cfg (params), ==, 4.1);
}

typedef struct
{
  const char *property;
  double      value;
  const char *message;  /* NULL: it is right */
} NumberCase;

static const NumberCase number_cases[] = {
  { "width", 0, NULL },
  { "width", 16, NULL },
  { "width", 8192, NULL },
  { "width", 8, "Parameter “width” is 8, expected a multiple of 16 from 16 to 8192" },
  { "width", 1000, "Parameter “width” is 1000, expected a multiple of 16 from 16 to 8192" },
  { "width", 8208, "Parameter “width” is 8208, expected a multiple of 16 from 16 to 8192" },
  { "height", -16, "Parameter “height” is -16, expected a multiple of 16 from 16 to 8192" },
  { "height", G_MAXINT, "Parameter “height” is 2147483647, expected a multiple of 16 from 16 to 8192" },
  { "steps", 0, NULL },
  { "steps", 1000, NULL },
  { "steps", 1001, "Parameter “steps” is 1001, expected a whole number from 0 to 1000" },
  { "steps", -1, "Parameter “steps” is -1, expected a whole number from 0 to 1000" },
  { "seed", -1, NULL },
  { "seed", 0, NULL },
  { "seed", 9007199254740991, NULL },
  { "seed", 9007199254740992,
    "Parameter “seed” is 9007199254740992, expected a whole number from -1 to 9007199254740991" },
  { "seed", -2, "Parameter “seed” is -2, expected a whole number from -1 to 9007199254740991" },
  { "n-images", 1024, NULL },
  { "n-images", 0, "Parameter “n-images” is 0, expected a whole number from 1 to 1024" },
  { "n-images", 1025, "Parameter “n-images” is 1025, expected a whole number from 1 to 1024" },
  { "guidance", -1, NULL },
  { "guidance", 0, NULL },
  { "guidance", 100, NULL },
  { "guidance", 100.5, "Parameter “guidance” is 100.5, expected a number from 0 to 100" },
  { "guidance", -0.5, "Parameter “guidance” is -0.5, expected a number from 0 to 100" },
  { "cfg", 101, NULL },
  { "cfg", -2, "Parameter “guidance” is -2, expected a number from 0 to 100" },
  { "cfg-normalization", 0, NULL },
  { "cfg-normalization", -1, "Parameter “cfg-normalization” is -1, expected a number from 0 to 100" },
  { "cfg-truncation", 0, NULL },
  { "cfg-truncation", 1.5, "Parameter “cfg-truncation” is 1.5, expected a number from 0 to 1" },
  { "max-tokens", 1, NULL },
  { "max-tokens", 4096, NULL },
  { "max-tokens", 0, "Parameter “max-tokens” is 0, expected a whole number from 1 to 4096" },
  { "max-tokens", 4097, "Parameter “max-tokens” is 4097, expected a whole number from 1 to 4096" },
};

static void
set_number (ZimParams  *params,
            const char *property,
            double      number)
{
  g_auto(GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_DOUBLE);
  g_value_set_double (&value, number);
  g_object_set_property (G_OBJECT (params), property, &value);
}

static void
assert_valid (ZimParams  *params,
              const char *message)
{
  g_autoptr(GError) error = NULL;
  gboolean valid = zim_params_validate (params, &error);

  if (message == NULL)
    {
      g_assert_no_error (error);
      g_assert_true (valid);
      return;
    }

  g_assert_false (valid);
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS);
  g_assert_cmpstr (error->message, ==, message);
}

static void
test_validate_numbers (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (number_cases); i++)
    {
      g_autoptr(ZimParams) params = zim_params_new ("a cat");

      set_number (params, number_cases[i].property, number_cases[i].value);
      assert_valid (params, number_cases[i].message);
    }
}

static void
test_validate_not_finite (void)
{
  g_autoptr(ZimParams) params = zim_params_new ("a cat");

  zim_params_set_guidance (params, NAN);
  assert_valid (params, "Parameter “guidance” is nan, expected a number from 0 to 100");
  zim_params_set_cfg (params, INFINITY);
  assert_valid (params, "Parameter “guidance” is inf, expected a number from 0 to 100");
  g_object_set (params, "guidance", 0.0, "cfg-normalization", NAN, NULL);
  assert_valid (params, "Parameter “cfg-normalization” is nan, expected a number from 0 to 100");
}

static void
test_validate_texts (void)
{
  g_autoptr(ZimParams) params = zim_params_new ("");

  assert_valid (params, "Parameter “prompt” is empty, expected a text");
  zim_params_set_prompt (params, " \t\n\u3000");
  assert_valid (params, "Parameter “prompt” is empty, expected a text");
  zim_params_set_prompt (params, "caf\xe9");
  assert_valid (params, "Parameter “prompt” has the byte 0xe9 at offset 3, expected valid UTF-8");
  zim_params_set_prompt (params, "夕日 🌄");
  assert_valid (params, NULL);
  zim_params_set_negative_prompt (params, "\xff");
  assert_valid (params, "Parameter “negative-prompt” has the byte 0xff at offset 0, expected valid UTF-8");
}

/* The seeds of all pictures are in range, not only the first. */
static void
test_validate_last_seed (void)
{
  g_autoptr(ZimParams) params = zim_params_new ("a cat");

  zim_params_set_seed (params, ZIM_SEED_MAX - 1);
  zim_params_set_n_images (params, 2);
  assert_valid (params, NULL);
  zim_params_set_n_images (params, 3);
  assert_valid (params, "Parameter “seed” is 9007199254740990, expected at most 9007199254740989 with 3 images");
}

static void
test_validate_rng (void)
{
  g_autoptr(ZimParams) params = zim_params_new ("a cat");

  zim_params_set_rng (params, (ZimRng) 7);
  assert_valid (params, "Parameter “rng” is 7, expected one of: cpu, cuda");
}

static void
set_seed_after_seal (void)
{
  g_autoptr(ZimParams) params = zim_params_new ("a cat");

  zim_params_seal (params);
  zim_params_set_seed (params, 5);
}

static void
test_sealed (void)
{
  g_autoptr(ZimParams) params = zim_params_new ("a cat");

  if (g_test_subprocess ())
    {
      set_seed_after_seal ();
      return;
    }

  zim_params_seal (params);
  g_assert_true (zim_params_is_sealed (params));
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*!self->sealed*");
}

int
main (int    argc,
      char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/params/defaults", test_defaults);
  g_test_add_func ("/params/declared-defaults", test_declared_defaults);
  g_test_add_func ("/params/null-texts", test_null_texts);
  g_test_add_func ("/params/properties", test_properties);
  g_test_add_func ("/params/copy", test_copy);
  g_test_add_func ("/params/notify", test_notify);
  g_test_add_func ("/params/cfg", test_cfg);
  g_test_add_func ("/params/validate/numbers", test_validate_numbers);
  g_test_add_func ("/params/validate/not-finite", test_validate_not_finite);
  g_test_add_func ("/params/validate/texts", test_validate_texts);
  g_test_add_func ("/params/validate/last-seed", test_validate_last_seed);
  g_test_add_func ("/params/validate/rng", test_validate_rng);
  g_test_add_func ("/params/sealed", test_sealed);

  return g_test_run ();
}
