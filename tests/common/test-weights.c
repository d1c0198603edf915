/* test-weights.c: weights and inputs that are computed from their names
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "test-weights.h"

/* What a tensor's values are made of: mean + j · 2^exponent, −range ≤ j ≤ range */
typedef struct {
  double mean;
  int    range;
  int    exponent;
} Rule;

guint64
test_hash (guint64 seed,
           guint64 i)
{
  guint64 z = seed + G_GUINT64_CONSTANT (0x9e3779b97f4a7c15) * i;

  z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return z ^ (z >> 31);
}

/* FNV-1a */
static guint64
hash_name (const char *name)
{
  guint64 h = G_GUINT64_CONSTANT (0xcbf29ce484222325);

  for (const char *p = name; *p != '\0'; p++)
    h = (h ^ (guint8) *p) * G_GUINT64_CONSTANT (0x100000001b3);
  return h;
}

static void
fill_values (const Rule *rule,
             const char *name,
             gsize       n,
             float      *values)
{
  guint64 seed = hash_name (name);
  double step = ldexp (1, rule->exponent);

  for (gsize i = 0; i < n; i++)
    {
      guint32 r = (guint32) (test_hash (seed, i + 1) >> 32);
      int j = (int) (r % (guint) (2 * rule->range + 1)) - rule->range;

      values[i] = (float) (rule->mean + j * step);
    }
}

static Rule
rule_for (const char   *name,
          guint         n_dims,
          const gint64 *dims)
{
  gint64 fan_in = 1;
  int e = 0;

  if (g_str_has_suffix (name, "cap_embedder.0.weight") ||
      (n_dims == 1 && strstr (name, "norm") != NULL && g_str_has_suffix (name, ".weight")))
    return (Rule) { 1, 16, -7 };
  if (g_str_has_suffix (name, ".bias"))
    return (Rule) { 0, 127, -9 };
  if (g_str_has_suffix (name, "pad_token"))
    return (Rule) { 0, 127, -6 };
  if (g_str_has_suffix (name, "embed_tokens.weight"))
    return (Rule) { 0, 127, -7 };
  for (guint i = 1; i < n_dims; i++)
    fan_in *= dims[i];
  while ((G_GINT64_CONSTANT (3) << (2 * e)) < fan_in)
    e++;
  return (Rule) { 0, 127, -(e + 7) };
}

/* The sum of the shifts of all keys that the name, without its component, contains. */
static int
shift_for (JsonObject *shifts,
           const char *name)
{
  const char *bare = strchr (name, '/') + 1;
  JsonObjectIter iter;
  const char *key;
  JsonNode *node;
  int shift = 0;

  if (shifts == NULL)
    return 0;
  json_object_iter_init (&iter, shifts);
  while (json_object_iter_next (&iter, &key, &node))
    if (strstr (bare, key) != NULL)
      shift += (int) json_node_get_int (node);
  return shift;
}

void
test_fill_weights (const char   *name,
                   guint         n_dims,
                   const gint64 *dims,
                   ZimDType      dtype,
                   void         *data,
                   gpointer      weight_shift)
{
  Rule rule = rule_for (name, n_dims, dims);
  g_autofree float *values = NULL;
  gsize n = 1;

  if (rule.mean == 0)
    rule.exponent += shift_for (weight_shift, name);
  for (guint i = 0; i < n_dims; i++)
    n *= dims[i];
  values = g_new (float, n);
  fill_values (&rule, name, n, values);
  for (gsize i = 0; i < n; i++)
    if (dtype == ZIM_DTYPE_F32)
      ((float *) data)[i] = values[i];
    else
      ((guint16 *) data)[i] = dtype == ZIM_DTYPE_BF16 ? zim_f32_to_bf16 (values[i]) : zim_f32_to_f16 (values[i]);
}

float *
test_input (const char *name,
            gsize       n,
            int         shift)
{
  const Rule rule = { 0, 127, shift - 6 };
  float *values = g_new (float, n);

  fill_values (&rule, name, n, values);
  return values;
}
