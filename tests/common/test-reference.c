/* test-reference.c: the fixtures of tests/reference/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "test-reference.h"
#include "test-weights.h"

static char *
fixtures_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "reference", "fixtures", name, NULL);
}

static gint
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

char **
test_case_list (void)
{
  g_autofree char *path = fixtures_path (NULL);
  g_autoptr(GDir) dir = g_dir_open (path, 0, NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new ();
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (strchr (name, '.') == NULL)
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

/* The configurations that the folder has; a component alone has no model_index.json. */
static void
load_config (TestCase *test)
{
  g_autofree char *index = g_build_filename (test->path, "model_index.json", NULL);
  g_autofree char *transformer = g_build_filename (test->path, "transformer", "config.json", NULL);
  g_autofree char *text_encoder = g_build_filename (test->path, "text_encoder", "config.json", NULL);
  g_autofree char *vae = g_build_filename (test->path, "vae", "config.json", NULL);
  GError *error = NULL;

  if (g_file_test (index, G_FILE_TEST_EXISTS))
    zim_config_load_folder (&test->config, test->path, &error);
  else if (g_file_test (transformer, G_FILE_TEST_EXISTS))
    zim_config_load_transformer (&test->config.transformer, transformer, &error);
  else if (g_file_test (text_encoder, G_FILE_TEST_EXISTS))
    zim_config_load_text_encoder (&test->config.text_encoder, text_encoder, &error);
  else
    zim_config_load_autoencoder (&test->config.autoencoder, vae, &error);
  g_assert_no_error (error);
}

TestCase *
test_case_load (const char *name)
{
  TestCase *test = g_new0 (TestCase, 1);
  g_autofree char *json = NULL;
  g_autofree char *expected = NULL;
  GError *error = NULL;

  test->name = g_strdup (name);
  test->path = fixtures_path (name);
  json = g_build_filename (test->path, "case.json", NULL);
  expected = g_build_filename (test->path, "expected.safetensors", NULL);
  test->parser = json_parser_new ();
  json_parser_load_from_file (test->parser, json, &error);
  g_assert_no_error (error);
  test->json = json_node_get_object (json_parser_get_root (test->parser));
  test->kind = json_object_get_string_member (test->json, "kind");
  if (json_object_has_member (test->json, "weight_shift"))
    test->weight_shift = json_object_get_object_member (test->json, "weight_shift");
  test->expected = zim_safetensors_open (expected, &error);
  g_assert_no_error (error);
  load_config (test);
  return test;
}

void
test_case_free (TestCase *test)
{
  zim_config_clear (&test->config);
  zim_safetensors_unref (test->expected);
  g_object_unref (test->parser);
  g_free (test->name);
  g_free (test->path);
  g_free (test);
}

ZimCheckpoint *
test_case_checkpoint (TestCase *test,
                      ZimDType  dtype)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", "tokenizer.json", NULL);
  g_autoptr(GMappedFile) file = g_mapped_file_new (path, FALSE, NULL);
  g_autoptr(GBytes) tokenizer = NULL;

  g_assert_nonnull (file);
  tokenizer = g_mapped_file_get_bytes (file);
  return zim_checkpoint_new_generated (&test->config, tokenizer, dtype, test_fill_weights, test->weight_shift);
}

float *
test_case_input (TestCase   *test,
                 const char *name,
                 gint64      dims[3])
{
  JsonArray *shape = json_object_get_array_member (json_object_get_object_member (test->json, "inputs"), name);
  g_autofree char *hashed = g_strconcat ("input/", name, NULL);
  gsize n = 1;
  int shift = 0;

  for (guint i = 0; i < json_array_get_length (shape); i++)
    n *= dims[i] = json_array_get_int_element (shape, i);
  if (json_object_has_member (test->json, "input_shift"))
    shift = (int) json_object_get_int_member_with_default (json_object_get_object_member (test->json, "input_shift"),
                                                           name, 0);
  return test_input (hashed, n, shift);
}

/* Comparison */

typedef struct {
  double difference, expected, actual, product, largest;
} Sums;

static void
add_pair (Sums   *sums,
          double  a,
          double  b)
{
  sums->difference += (a - b) * (a - b);
  sums->expected += b * b;
  sums->actual += a * a;
  sums->product += a * b;
  sums->largest = MAX (sums->largest, fabs (a - b));
}

static const ZimWeight *
find_part (TestCase   *test,
           const char *name,
           const char *part)
{
  g_autofree char *full = g_strconcat (name, part, NULL);

  return zim_safetensors_lookup (test->expected, full);
}

static float
float_at (const ZimWeight *weight,
          gsize            i)
{
  float f;

  memcpy (&f, weight->data + i * sizeof f, sizeof f);
  return f;
}

static void
compare_whole (const ZimWeight *expected,
               const float     *values,
               gsize            n,
               Sums            *sums)
{
  gsize size = (gsize) zim_weight_n_elements (expected);

  g_assert_cmpuint (n, >=, size);
  for (gsize i = 0; i < size; i++)
    add_pair (sums, values[i], float_at (expected, i));
}

/* Samples at hashed places. The number of values. */
static gsize
compare_samples (const ZimWeight *samples,
                 const ZimWeight *shape,
                 const float     *values,
                 gsize            n,
                 Sums            *sums)
{
  gsize size = 1;

  for (gint64 i = 0; i < shape->dims[0]; i++)
    {
      gint32 dim;

      memcpy (&dim, shape->data + i * sizeof dim, sizeof dim);
      size *= dim;
    }
  g_assert_cmpuint (n, >=, size);
  for (gint64 k = 0; k < samples->dims[0]; k++)
    add_pair (sums, values[test_hash (0, k + 1) % size], float_at (samples, k));
  return size;
}

static double
norm_difference (const ZimWeight *expected,
                 const float     *values,
                 gsize            n)
{
  double sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += (double) values[i] * values[i];
  return fabs (sqrt (sum) - float_at (expected, 0)) / MAX (float_at (expected, 0), 1e-30);
}

gboolean
test_case_compare (TestCase     *test,
                   const char   *name,
                   const float  *values,
                   gsize         n,
                   TestDistance *distance)
{
  const ZimWeight *whole = zim_safetensors_lookup (test->expected, name);
  const ZimWeight *samples = find_part (test, name, "@samples");
  Sums sums = { 0 };

  if (whole == NULL && samples == NULL)
    return FALSE;
  if (whole != NULL)
    compare_whole (whole, values, n, &sums);
  else
    n = compare_samples (samples, find_part (test, name, "@shape"), values, n, &sums);
  distance->relative = sqrt (sums.difference) / MAX (sqrt (sums.expected), 1e-30);
  distance->cosine = sums.product / MAX (sqrt (sums.actual * sums.expected), 1e-30);
  distance->norm = whole == NULL ? norm_difference (find_part (test, name, "@norm"), values, n) : 0;
  distance->largest = sums.largest;
  if (!isfinite (sums.difference))
    distance->relative = INFINITY;
  return TRUE;
}
