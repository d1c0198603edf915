/* test-manifest.c: names and manifests, good ones and those that lie
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats-util.h"
#include "store/zim-known-private.h"
#include "store/zim-manifest-private.h"
#include "store/zim-store-name-private.h"
#include "zim-error.h"
#include "zim-store.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"

static void
test_names (void)
{
  static const char *const cases[][3] = {
    { "z-image", "z-image:latest", "ollama.com/library/z-image/latest" },
    { "z-image:fp8", "z-image:fp8", "ollama.com/library/z-image/fp8" },
    { "x/z-image-turbo", "x/z-image-turbo:latest", "ollama.com/x/z-image-turbo/latest" },
    { "ollama.com/library/a", "a:latest", "ollama.com/library/a/latest" },
    { "registry.ollama.ai/library/a:b", "a:b", "ollama.com/library/a/b" },
    { "REGISTRY.ollama.AI/x/a:b", "x/a:b", "ollama.com/x/a/b" },
    { "localhost:5000/x/a:b", "localhost:5000/x/a:b", "localhost:5000/x/a/b" },
    { "localhost:5000/x/a", "localhost:5000/x/a:latest", "localhost:5000/x/a/latest" },
    { "hf.co/Tongyi-MAI/Z-Image", "hf.co/Tongyi-MAI/Z-Image:latest", "hf.co/Tongyi-MAI/Z-Image/latest" },
    { "huggingface.co/a/b", "hf.co/a/b:latest", "hf.co/a/b/latest" },
    { "_a.b-c", "_a.b-c:latest", "ollama.com/library/_a.b-c/latest" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GError) error = NULL;
      g_autoptr(ZimStoreName) name = zim_store_name_parse (cases[i][0], &error);
      g_autofree char *text = NULL;
      g_autofree char *path = NULL;

      g_assert_no_error (error);
      text = zim_store_name_to_string (name);
      path = zim_store_name_to_path (name);
      g_assert_cmpstr (text, ==, cases[i][1]);
      g_assert_cmpstr (path, ==, cases[i][2]);
    }
}

static void
test_bad_names (void)
{
  g_autofree char *long_name = g_strnfill (300, 'a');
  const char *const names[] = {
    "", ":", "a:", ":a", "/", "a/", "/a", "a//b", "..", "../x", "../../x", "a/../b", ".a", "-a", "a:.b", "a:-b", "a b",
    "a:b:c", "a/b/c/d", "a\\b", "a\nb", "ä", "\xff", "a:..", "..:a", "../../../etc/passwd", "a/b:c/d", long_name,
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr(GError) error = NULL;

      g_assert_null (zim_store_name_parse (names[i], &error));
      assert_and_clear_error (&error, ZIM_ERROR_INVALID_PARAMS, "is no name of a model");
    }
}

/* “z-image” is the turbo model. */
static void
test_known (void)
{
  static const struct { const char *name, *repository; gboolean turbo; } cases[] = {
    { "z-image", "Tongyi-MAI/Z-Image-Turbo", TRUE },
    { "z-image-turbo", "Tongyi-MAI/Z-Image-Turbo", TRUE },
    { "z-image-base:latest", "Tongyi-MAI/Z-Image", FALSE },
  };
  static const char *const others[] = { "z-image:fp8", "x/z-image", "z-imag", "hf.co/library/z-image" };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(ZimStoreName) name = zim_store_name_parse (cases[i].name, NULL);
      const ZimKnown *known = zim_known_find_for (name);

      g_assert_cmpstr (known->repository, ==, cases[i].repository);
      g_assert_cmpint (known->turbo, ==, cases[i].turbo);
      g_assert_true (zim_store_can_pull (cases[i].name));
    }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_autoptr(ZimStoreName) name = zim_store_name_parse (others[i], NULL);

      g_assert_null (zim_known_find_for (name));
      g_assert_cmpint (zim_store_can_pull (others[i]), ==, strchr (others[i], '/') != NULL);
    }
  g_assert_false (zim_store_can_pull ("../x"));
}

static ZimManifest *
parse (const char  *text,
       GError     **error)
{
  g_autoptr(GBytes) bytes = g_bytes_new_static (text, strlen (text));

  return zim_manifest_parse (bytes, "manifest", error);
}

/* What was printed reads back the same. */
static void
test_round_trip (void)
{
  g_autoptr(ZimManifest) manifest = zim_manifest_new ();
  g_autoptr(ZimManifest) again = NULL;
  g_autoptr(GBytes) bytes = NULL;
  g_autoptr(GError) error = NULL;
  const char *hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  const ZimLayer *found;
  ZimLayer *layer;

  zim_manifest_set_config (manifest, hex, 10);
  zim_manifest_add (manifest, ZIM_MEDIA_TYPE_JSON, "model_index.json", hex, 20);
  g_assert_false (zim_manifest_is_image (manifest));
  layer = zim_manifest_add (manifest, ZIM_MEDIA_TYPE_TENSOR, "vae/a “b”", hex, 30);
  layer->dtype = g_strdup ("BF16");
  layer->has_shape = TRUE;
  layer->n_dims = 2;
  layer->dims[0] = 3;
  layer->dims[1] = 5;
  g_assert_true (zim_manifest_is_image (manifest));

  bytes = zim_manifest_print (manifest);
  again = zim_manifest_parse (bytes, "manifest", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (zim_manifest_get_size (again), ==, 60);
  g_assert_true (zim_manifest_is_image (again));
  found = zim_manifest_find (again, "vae/a “b”");
  g_assert_cmpstr (found->hex, ==, hex);
  g_assert_cmpstr (found->dtype, ==, "BF16");
  g_assert_true (found->has_shape);
  g_assert_cmpuint (found->n_dims, ==, 2);
  g_assert_cmpint (found->dims[1], ==, 5);
  g_assert_null (zim_manifest_find (again, "vae/b"));
}

/* A manifest as Ollama writes one for a language model: readable, but none of ours. */
static void
test_foreign (void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimManifest) manifest =
    parse ("{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\","
           "\"config\":{\"mediaType\":\"application/vnd.docker.container.image.v1+json\",\"digest\":\"" DIGEST "\","
           "\"size\":5},\"layers\":[{\"mediaType\":\"application/vnd.ollama.image.model\",\"digest\":\"" DIGEST "\","
           "\"size\":7,\"from\":\"/tmp/x\"}]}", &error);

  g_assert_no_error (error);
  g_assert_false (zim_manifest_is_image (manifest));
  g_assert_cmpuint (zim_manifest_get_size (manifest), ==, 12);
}

static void
test_bad_manifests (void)
{
  static const struct { const char *layers, *message; } cases[] = {
    { "{}", "Field “layers” is not an array" },
    { "[1]", "Layer 0 is not an object" },
    { "[{}]", "mediaType" },
    { "[{\"mediaType\":\"x\",\"digest\":\"sha256:12\",\"size\":1}]", "expected “sha256:” and 64 hexadecimal digits" },
    { "[{\"mediaType\":\"x\",\"digest\":\"md5:" "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      "\",\"size\":1}]", "64 hexadecimal digits" },
    { "[{\"mediaType\":\"x\",\"digest\":\"sha256:../456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      "\",\"size\":1}]", "64 hexadecimal digits" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":-1}]", "size" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":9223372036854775807}]", "size" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1125899906842624}]", "size" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"name\":\"../x\"}]", "expected a relative path" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"name\":\"/x\"}]", "expected a relative path" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"name\":\"a//x\"}]", "expected a relative path" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"name\":\"a/./x\"}]", "expected a relative path" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"name\":\"\"}]", "expected a relative path" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"name\":\"a\\\\b\"}]", "expected a relative path" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"name\":\"a\\nb\"}]", "expected a relative path" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"shape\":[1,2,3,4,5,6]}]", "at most 5" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"shape\":[-1]}]", "shape" },
    { "[{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"name\":\"a\"},"
      "{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":1,\"name\":\"a\"}]", "“a” is there twice" },
  };
  static const char *const wholes[][2] = {
    { "", "manifest" }, { "[]", "manifest" }, { "{\"schemaVersion\":1,\"layers\":[]}", "schemaVersion" },
    { "{\"layers\":[]}", "schemaVersion" }, { "{\"schemaVersion\":2}", "layers" },
    { "{\"schemaVersion\":2,\"layers\":[],\"config\":3}", "config" },
    { "{\"schemaVersion\":2,\"manifests\":[]}", "layers" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strdup_printf ("{\"schemaVersion\":2,\"layers\":%s}", cases[i].layers);
      g_autoptr(GError) error = NULL;

      g_assert_null (parse (text, &error));
      assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, cases[i].message);
    }
  for (guint i = 0; i < G_N_ELEMENTS (wholes); i++)
    {
      g_autoptr(GError) error = NULL;

      g_assert_null (parse (wholes[i][0], &error));
      assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, wholes[i][1]);
    }
}

static void
test_many_layers (void)
{
  g_autoptr(GString) text = g_string_new ("{\"schemaVersion\":2,\"layers\":[{}");
  GError *error = NULL;

  for (guint i = 0; i < 100000; i++)
    g_string_append (text, ",{}");
  g_string_append (text, "]}");
  g_assert_null (parse (text->str, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "It has 100001 layers, expected at most 100000");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store/names", test_names);
  g_test_add_func ("/store/names/bad", test_bad_names);
  g_test_add_func ("/store/names/known", test_known);
  g_test_add_func ("/store/manifest/round-trip", test_round_trip);
  g_test_add_func ("/store/manifest/foreign", test_foreign);
  g_test_add_func ("/store/manifest/bad", test_bad_manifests);
  g_test_add_func ("/store/manifest/many-layers", test_many_layers);
  return g_test_run ();
}
