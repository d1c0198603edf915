/* test-weight.c: what stored weights decode to, to the last bit
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/zim-weight-private.h"
#include "formats/zim-safetensors-private.h"

/* A case of tests/reference/blocks.py */
typedef struct {
  const char *name;
  ZimDType    dtype;
  gsize       group;
  guint       rotation;
} WeightCase;

static const WeightCase cases[] = {
  { "Q8_0", ZIM_DTYPE_Q8_0 },
  { "Q4_0", ZIM_DTYPE_Q4_0 },
  { "Q4_1", ZIM_DTYPE_Q4_1 },
  { "Q5_0", ZIM_DTYPE_Q5_0 },
  { "Q5_1", ZIM_DTYPE_Q5_1 },
  { "Q2_K", ZIM_DTYPE_Q2_K },
  { "Q3_K", ZIM_DTYPE_Q3_K },
  { "Q4_K", ZIM_DTYPE_Q4_K },
  { "Q5_K", ZIM_DTYPE_Q5_K },
  { "Q6_K", ZIM_DTYPE_Q6_K },
  { "F8_E4M3", ZIM_DTYPE_F8_E4M3 },
  { "F8_E5M2", ZIM_DTYPE_F8_E5M2 },
  { "F8_E4M3-rows", ZIM_DTYPE_F8_E4M3, 33 },
  { "F8_E5M2-rows", ZIM_DTYPE_F8_E5M2, 33 },
  { "I8-1", ZIM_DTYPE_I8, 512 },
  { "I8-4", ZIM_DTYPE_I8, 512, 4 },
  { "I8-16", ZIM_DTYPE_I8, 512, 16 },
  { "I8-64", ZIM_DTYPE_I8, 512, 64 },
  { "I8-256", ZIM_DTYPE_I8, 512, 256 },
  { "INT4-32", ZIM_DTYPE_INT4, 32 },
  { "INT4-64", ZIM_DTYPE_INT4, 64 },
  { "INT8-32", ZIM_DTYPE_INT8, 32 },
  { "INT8-64", ZIM_DTYPE_INT8, 64 },
};

static ZimSafetensors *
open_fixture (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "reference", "fixtures", "blocks.safetensors", NULL);
  g_autoptr(GError) error = NULL;
  ZimSafetensors *file = zim_safetensors_open (path, &error);

  g_assert_no_error (error);
  return file;
}

static const ZimWeight *
find_part (ZimSafetensors   *file,
           const WeightCase *test_case,
           const char       *part)
{
  g_autofree char *name = g_strdup_printf ("%s/%s", test_case->name, part);

  return zim_safetensors_lookup (file, name);
}

static ZimWeight
make_weight (ZimSafetensors   *file,
             const WeightCase *test_case)
{
  const ZimWeight *data = find_part (file, test_case, "data"), *scales = find_part (file, test_case, "scales");
  const ZimWeight *biases = find_part (file, test_case, "biases"), *values = find_part (file, test_case, "values");

  g_assert_nonnull (data);
  g_assert_nonnull (values);
  g_assert_cmpuint (zim_dtype_row_size (test_case->dtype, values->dims[0]), ==, data->size);
  return (ZimWeight) {
    .name = test_case->name, .dtype = test_case->dtype, .n_dims = 1, .dims = { values->dims[0] },
    .data = data->data, .size = data->size,
    .scales = scales != NULL ? scales->data : NULL, .biases = biases != NULL ? biases->data : NULL,
    .group = test_case->group, .rotation = test_case->rotation,
  };
}

static void
assert_same (const float *values,
             const float *expected,
             gsize        n)
{
  for (gsize i = 0; i < n; i++)
    if (memcmp (&values[i], &expected[i], sizeof (float)) != 0 && !(isnan (values[i]) && isnan (expected[i])))
      g_error ("value %" G_GSIZE_FORMAT " is %.9g, expected %.9g", i, values[i], expected[i]);
}

static void
test_values (gconstpointer data)
{
  const WeightCase *test_case = data;
  g_autoptr(ZimSafetensors) file = open_fixture ();
  ZimWeight weight = make_weight (file, test_case);
  gsize n = weight.dims[0];
  g_autofree float *expected = g_new (float, n), *values = g_new (float, n);

  memcpy (expected, find_part (file, test_case, "values")->data, n * sizeof *expected);
  zim_weight_decode (&weight, 0, n, values);
  assert_same (values, expected, n);
}

/* Any part of a weight is what it is in the whole, and nothing around it is written. */
static void
test_parts (gconstpointer data)
{
  const WeightCase *test_case = data;
  g_autoptr(ZimSafetensors) file = open_fixture ();
  ZimWeight weight = make_weight (file, test_case);
  gsize n = weight.dims[0];
  g_autofree float *all = g_new (float, n), *part = g_new (float, n + 2);

  zim_weight_decode (&weight, 0, n, all);
  for (guint i = 0; i < 200; i++)
    {
      gsize first = g_test_rand_int_range (0, n + 1), length = g_test_rand_int_range (0, n - first + 1);

      part[0] = part[length + 1] = 12345;
      zim_weight_decode (&weight, first, length, part + 1);
      assert_same (part + 1, all + first, length);
      g_assert_cmpfloat (part[0], ==, 12345);
      g_assert_cmpfloat (part[length + 1], ==, 12345);
    }
}

static void
test_table (void)
{
  for (ZimDType dtype = 0; dtype < ZIM_N_DTYPES; dtype++)
    {
      gsize elements = zim_dtype_block_elements (dtype);
      ZimDType found;

      g_assert_true (zim_dtype_from_name (zim_dtype_name (dtype), &found));
      g_assert_cmpint (found, ==, dtype);
      g_assert_cmpuint (elements, >, 0);
      g_assert_cmpuint (ZIM_MAX_UNIT % elements, ==, 0);
      g_assert_cmpuint (zim_dtype_row_size (dtype, 0), ==, 0);
      g_assert_cmpuint (zim_dtype_row_size (dtype, 3 * elements), ==, 3 * zim_dtype_row_size (dtype, elements));
      if (elements == 1)
        g_assert_cmpuint (zim_dtype_row_size (dtype, 1), ==, zim_dtype_size (dtype));
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/weight/table", test_table);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *values = g_strdup_printf ("/weight/values/%s", cases[i].name);
      g_autofree char *parts = g_strdup_printf ("/weight/parts/%s", cases[i].name);

      g_test_add_data_func (values, &cases[i], test_values);
      g_test_add_data_func (parts, &cases[i], test_parts);
    }

  return g_test_run ();
}
