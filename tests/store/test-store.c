/* test-store.c: models in a store: made, read, shared, checked, removed, interrupted
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "formats-util.h"
#include "store/zim-blobs-private.h"
#include "store/zim-create-private.h"
#include "store/zim-lock-private.h"
#include "store/zim-open-private.h"
#include "store/zim-tags-private.h"
#include "store/zim-upkeep-private.h"
#include "test-object.h"
#include "zim-error.h"
#include "zim-model-private.h"
#include "zim-store.h"
#include "zim-stored-model.h"
#include "zim-transfer.h"

typedef struct
{
  Folder         folder;
  char          *root;
  char          *source;     /* a diffusers folder of the tiny model */
  ZimConfig      config;
  ZimCheckpoint *checkpoint; /* in memory */
} Fixture;

static void
fixture_init (Fixture       *fixture,
              gconstpointer  data)
{
  g_autofree char *tokenizer = g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", "bytes.json", NULL);
  g_autofree char *contents = NULL;
  GError *error = NULL;

  folder_init (&fixture->folder, NULL);
  fixture->root = folder_file (&fixture->folder, "store");
  fixture->source = folder_file (&fixture->folder, "source");
  tiny_config_init (&fixture->config);
  fixture->checkpoint = tiny_checkpoint_new (&fixture->config, ZIM_DTYPE_BF16);
  zim_checkpoint_write_folder (fixture->checkpoint, fixture->source, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (tokenizer, &contents, NULL, NULL));
  folder_write (&fixture->folder, "source/tokenizer/tokenizer.json", contents, -1);
}

static void
fixture_clear (Fixture       *fixture,
               gconstpointer  data)
{
  zim_checkpoint_unref (fixture->checkpoint);
  zim_config_clear (&fixture->config);
  g_free (fixture->root);
  g_free (fixture->source);
  folder_clear (&fixture->folder, NULL);
}

static ZimCheckpoint *
open_source (Fixture *fixture)
{
  GError *error = NULL;
  ZimCheckpoint *checkpoint = zim_checkpoint_open_folder (fixture->source, NULL, &error);

  g_assert_no_error (error);
  return checkpoint;
}

static void
create (Fixture    *fixture,
        const char *text)
{
  g_autoptr(ZimCheckpoint) source = open_source (fixture);
  g_autoptr(ZimStoreName) name = zim_store_name_parse (text, NULL);
  const ZimReport report = { NULL };
  GError *error = NULL;

  zim_create (fixture->root, name, source, NULL, &report, NULL, &error);
  g_assert_no_error (error);
}

static ZimCheckpoint *
open_named (Fixture     *fixture,
            const char  *text,
            GError     **error)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (text, NULL);

  return zim_open_checkpoint (fixture->root, name, NULL, error);
}

static void
assert_same_model (Fixture    *fixture,
                   const char *text)
{
  GError *error = NULL;
  g_autoptr(ZimCheckpoint) opened = open_named (fixture, text, &error);

  g_assert_no_error (error);
  assert_same_tensors (&fixture->config, fixture->checkpoint, opened);
}

static void
assert_open_fails (Fixture    *fixture,
                   const char *text,
                   int         code,
                   const char *message)
{
  GError *error = NULL;

  g_assert_null (open_named (fixture, text, &error));
  assert_and_clear_error (&error, code, message);
}

static guint
count (Fixture    *fixture,
       const char *subfolder)
{
  g_autofree char *path = g_build_filename ("store", subfolder, NULL);

  return folder_count (&fixture->folder, path);
}

static void
assert_sound (Fixture *fixture)
{
  const ZimReport report = { NULL };
  GError *error = NULL;
  g_autoptr(GPtrArray) faults = zim_check (fixture->root, FALSE, &report, NULL, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < faults->len; i++)
    g_test_message ("%s", (char *) g_ptr_array_index (faults, i));
  g_assert_cmpuint (faults->len, ==, 0);
}

/* The first fault has that text. */
static void
assert_fault (Fixture    *fixture,
              gboolean    repair,
              const char *text)
{
  const ZimReport report = { NULL };
  GError *error = NULL;
  g_autoptr(GPtrArray) faults = zim_check (fixture->root, repair, &report, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (faults->len, >, 0);
  if (strstr (g_ptr_array_index (faults, 0), text) == NULL)
    g_error ("“%s” is not in “%s”", text, (char *) g_ptr_array_index (faults, 0));
}

/* The manifest of a name, for tests that change it. */
static void
read_tag (Fixture    *fixture,
          const char *text,
          ZimTag     *tag)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (text, NULL);
  GError *error = NULL;

  zim_tags_read (fixture->root, name, tag, &error);
  g_assert_no_error (error);
}

static char *
blob_of (Fixture    *fixture,
         const char *text,
         const char *layer)
{
  g_auto(ZimTag) tag = { NULL };

  read_tag (fixture, text, &tag);
  return zim_blobs_get_path (fixture->root, zim_manifest_find (tag.manifest, layer)->hex);
}

/* Making and reading */

static void
test_round_trip (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autofree char *blob = NULL;
  g_autofree char *link_path = g_build_filename (fixture->root, "manifests-v2/ollama.com/library/a/latest", NULL);
  g_autofree char *target = NULL;
  g_autofree char *contents = NULL;
  gsize size;
  guint64 length;

  create (fixture, "a");
  assert_same_model (fixture, "a");
  assert_sound (fixture);
  g_assert_cmpuint (count (fixture, "partial"), ==, 0);

  target = g_file_read_link (link_path, NULL);
  g_assert_true (g_str_has_prefix (target, "../../../../blobs/sha256-"));

  blob = blob_of (fixture, "a", "transformer/layers.0.attention.to_q.weight");
  g_assert_true (g_file_get_contents (blob, &contents, &size, NULL));
  memcpy (&length, contents, sizeof length);
  g_assert_cmpuint (length % 8, ==, 0);
  g_assert_true (g_str_has_prefix (contents + 8, "{\"data\":{\"dtype\":\"BF16\",\"shape\":[256,256],"
                                                 "\"data_offsets\":[0,131072]}}"));
  g_assert_cmpuint (size, ==, 8 + length + 131072);
}

/* A second model of the same weights takes a name and nothing else, and the same weights twice are one blob. */
static void
test_shared (Fixture       *fixture,
             gconstpointer  data)
{
  guint n;

  create (fixture, "a");
  n = count (fixture, "blobs");
  create (fixture, "b:c");
  create (fixture, "a");
  g_assert_cmpuint (count (fixture, "blobs"), ==, n);
  assert_same_model (fixture, "b:c");
  assert_same_model (fixture, "a");
}

static void
round_to_bf16 (const char   *name,
               guint         n_dims,
               const gint64 *dims,
               ZimDType      dtype,
               void         *data,
               gpointer      odd)
{
  float *values = data;
  gsize n = 1;

  for (guint i = 0; i < n_dims; i++)
    n *= dims[i];
  for (gsize i = 0; i < n; i++)
    values[i] = zim_bf16_to_f32 ((guint16) (0x3f00 + i % 251));
  /* The very last value needs more bits. */
  if (g_strcmp0 (name, odd) == 0)
    values[n - 1] = 0.1f;
}

static void
request (ZimComponent  component,
         const char   *name,
         guint         n_dims,
         const gint64 *dims,
         gpointer      checkpoint)
{
  GError *error = NULL;

  zim_checkpoint_require (checkpoint, component, name, n_dims, dims, &error);
  g_assert_no_error (error);
}

/* F32 becomes BF16 if, and only if, no bit is lost. */
static void
test_narrowed (Fixture       *fixture,
               gconstpointer  data)
{
  static const char odd[] = "transformer/layers.1.feed_forward.w1.weight";
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("a", NULL);
  g_autoptr(GBytes) tokenizer = g_bytes_new_static ("{}", 2);
  g_autoptr(ZimCheckpoint) source = zim_checkpoint_new_generated (&fixture->config, tokenizer, ZIM_DTYPE_F32,
                                                                  round_to_bf16, (gpointer) odd);
  g_autoptr(ZimCheckpoint) opened = NULL;
  const ZimReport report = { NULL };
  GError *error = NULL;

  foreach_tensor (&fixture->config, request, source);
  zim_create (fixture->root, name, source, NULL, &report, NULL, &error);
  g_assert_no_error (error);
  opened = open_named (fixture, "a", &error);
  g_assert_no_error (error);

  for (guint i = 0; i < ZIM_N_COMPONENTS; i++)
    {
      g_autoptr(GPtrArray) list = zim_checkpoint_list (source, i);

      for (guint j = 0; j < list->len; j++)
        {
          const ZimWeight *weight = g_ptr_array_index (list, j);
          const ZimWeight *stored = zim_checkpoint_lookup (opened, i, weight->name);
          gsize n = (gsize) zim_weight_n_elements (weight);
          g_autofree float *values = g_new (float, n);

          g_assert_cmpint (stored->dtype, ==, strstr (odd, weight->name) != NULL ? ZIM_DTYPE_F32 : ZIM_DTYPE_BF16);
          zim_dtype_to_f32 (stored->dtype, stored->data, values, n);
          g_assert_cmpmem (values, n * sizeof (float), weight->data, weight->size);
        }
    }
}

/* zimage.json and the other files come along. */
static void
test_config_files (Fixture       *fixture,
                   gconstpointer  data)
{
  g_autoptr(ZimCheckpoint) opened = NULL;
  GError *error = NULL;

  folder_write (&fixture->folder, "source/zimage.json", "{\"name\": \"my own\", \"steps\": 13}", -1);
  create (fixture, "a");
  opened = open_named (fixture, "a", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (zim_checkpoint_get_config (opened)->defaults.name, ==, "my own");
  g_assert_cmpuint (zim_checkpoint_get_config (opened)->defaults.steps, ==, 13);
  g_assert_nonnull (zim_checkpoint_get_tokenizer (opened));
}

/* Ollama's own: legacy manifests under both hosts, and blobs keyed by the tensor's name. */
static void
test_ollama (Fixture       *fixture,
             gconstpointer  data)
{
  static const char *const hosts[] = { "registry.ollama.ai", "ollama.com" };

  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      g_auto(ZimTag) tag = { NULL };
      g_autoptr(ZimStoreName) name = zim_store_name_parse ("x/a", NULL);
      g_autofree char *place = g_strdup_printf ("store/manifests/%s/x/a/latest", hosts[i]);
      g_autoptr(GPtrArray) names = NULL;
      const char *text;
      gsize size;

      create (fixture, "x/a");
      read_tag (fixture, "x/a", &tag);
      text = g_bytes_get_data (tag.bytes, &size);
      g_assert_true (zim_tags_remove (fixture->root, name, NULL));
      folder_write (&fixture->folder, place, text, (gssize) size);

      names = zim_tags_list (fixture->root);
      g_assert_cmpuint (names->len, ==, 1);
      assert_same_model (fixture, "x/a");
      assert_sound (fixture);
    }
  /* A new one takes the old one's place. */
  create (fixture, "x/a");
  g_assert_false (g_file_test (fixture->root, G_FILE_TEST_IS_REGULAR));
  {
    g_autofree char *legacy = g_build_filename (fixture->root, "manifests/ollama.com/x/a/latest", NULL);

    g_assert_false (g_file_test (legacy, G_FILE_TEST_EXISTS));
  }
}

/* Stores other bytes for a layer of the model and gives the model a new manifest. */
static void
replace_layer (Fixture    *fixture,
               const char *text,
               const char *layer_name,
               GBytes     *bytes)
{
  g_auto(ZimTag) tag = { NULL };
  g_autoptr(ZimStoreName) name = zim_store_name_parse (text, NULL);
  g_autoptr(GBytes) manifest = NULL;
  char hex[ZIM_SHA256_HEX + 1];
  ZimLayer *layer;

  read_tag (fixture, text, &tag);
  layer = (ZimLayer *) zim_manifest_find (tag.manifest, layer_name);
  g_assert_true (zim_blobs_put (fixture->root, bytes, layer->hex, NULL));
  layer->size = g_bytes_get_size (bytes);
  manifest = zim_manifest_print (tag.manifest);
  g_assert_true (zim_blobs_put (fixture->root, manifest, hex, NULL));
  g_assert_true (zim_tags_write (fixture->root, name, hex, NULL));
}

static GBytes *
make_tensor (const char *header,
             gsize       size)
{
  GByteArray *file = g_byte_array_new ();
  guint64 length = strlen (header);

  g_byte_array_append (file, (const guint8 *) &length, sizeof length);
  g_byte_array_append (file, (const guint8 *) header, (guint) length);
  g_byte_array_set_size (file, (guint) (file->len + size));
  memset (file->data + sizeof length + length, 0, size);
  return g_byte_array_free_to_bytes (file);
}

static void
test_keys (Fixture       *fixture,
           gconstpointer  data)
{
  static const struct { const char *header; int code; const char *message; } cases[] = {
    { "{\"cap_embedder.0.weight\":{\"dtype\":\"BF16\",\"shape\":[64],\"data_offsets\":[0,128]}}", -1, NULL },
    { "{\"transformer/cap_embedder.0.weight\":{\"dtype\":\"BF16\",\"shape\":[64],\"data_offsets\":[0,128]}}",
      -1, NULL },
    { "{\"other\":{\"dtype\":\"BF16\",\"shape\":[64],\"data_offsets\":[0,128]}}", ZIM_ERROR_BAD_FILE, "is not in it" },
    { "{\"data\":{\"dtype\":\"BF16\",\"shape\":[8,8],\"data_offsets\":[0,128]}}", ZIM_ERROR_BAD_FILE,
      "has shape [8, 8], expected [64]" },
    { "{\"data\":{\"dtype\":\"F16\",\"shape\":[64],\"data_offsets\":[0,128]}}", ZIM_ERROR_BAD_FILE,
      "is of type F16, expected BF16" },
    { "{\"data\":{\"dtype\":\"BF16\",\"shape\":[65],\"data_offsets\":[0,130]}}", ZIM_ERROR_BAD_FILE,
      "ends behind the end" },
    { "[]", ZIM_ERROR_BAD_FILE, "Not a safetensors file" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GBytes) bytes = make_tensor (cases[i].header, 128);
      g_autoptr(ZimCheckpoint) opened = NULL;
      GError *error = NULL;

      create (fixture, "a");
      replace_layer (fixture, "a", "transformer/cap_embedder.0.weight", bytes);
      opened = open_named (fixture, "a", &error);
      if (cases[i].message == NULL)
        g_assert_no_error (error);
      else
        assert_and_clear_error (&error, cases[i].code, cases[i].message);
    }
}

/* Lies and damage */

static void
make_link (Fixture    *fixture,
           const char *text,
           const char *target)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (text, NULL);
  g_autofree char *path = zim_store_name_to_path (name);
  g_autofree char *place = g_build_filename (fixture->root, "manifests-v2", path, NULL);
  g_autofree char *folder = g_path_get_dirname (place);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0755), ==, 0);
  g_unlink (place);
  g_assert_cmpint (symlink (target, place), ==, 0);
}

static void
test_links (Fixture       *fixture,
            gconstpointer  data)
{
  g_auto(ZimTag) tag = { NULL };
  g_autofree char *inside = NULL;
  g_autofree char *absolute = NULL;
  g_autofree char *outside = folder_file (&fixture->folder, "blobs");
  g_autofree char *copy = NULL;
  g_autofree char *hard = NULL;

  create (fixture, "a");
  read_tag (fixture, "a", &tag);
  inside = g_strconcat ("../../../../blobs/sha256-", tag.hex, NULL);
  absolute = zim_blobs_get_path (fixture->root, tag.hex);
  make_link (fixture, "b", inside);
  assert_same_model (fixture, "b");

  /* A hard link is what is made where there are no symbolic ones. */
  hard = g_build_filename (fixture->root, "manifests-v2/ollama.com/library/c/latest", NULL);
  make_link (fixture, "c", "x");
  g_unlink (hard);
  g_assert_cmpint (link (absolute, hard), ==, 0);
  assert_same_model (fixture, "c");

  /* A copy of the blob outside is refused although its digest is right. */
  g_assert_cmpint (g_mkdir (outside, 0755), ==, 0);
  copy = g_strconcat (outside, "/sha256-", tag.hex, NULL);
  g_assert_cmpint (link (absolute, copy), ==, 0);
  make_link (fixture, "d", absolute);
  assert_open_fails (fixture, "d", ZIM_ERROR_BAD_FILE, "a link to a blob of the same store");
  make_link (fixture, "d", copy);
  assert_open_fails (fixture, "d", ZIM_ERROR_BAD_FILE, "a link to a blob of the same store");
  {
    g_autofree char *relative = g_strconcat ("../../../../../blobs/sha256-", tag.hex, NULL);

    make_link (fixture, "d", relative);
    assert_open_fails (fixture, "d", ZIM_ERROR_BAD_FILE, "a link to a blob of the same store");
  }
  make_link (fixture, "d", "../../../../../../../../../etc/passwd");
  assert_open_fails (fixture, "d", ZIM_ERROR_BAD_FILE, "a link to a blob of the same store");
  make_link (fixture, "d", "latest"); /* itself */
  assert_open_fails (fixture, "d", ZIM_ERROR_BAD_FILE, "a link to a blob of the same store");
  make_link (fixture, "d", "../../../../blobs/sha256-0123456789abcdef0123456789abcdef"
                           "0123456789abcdef0123456789abcdef");
  assert_open_fails (fixture, "d", ZIM_ERROR_BAD_FILE, "The manifest is missing");
}

/* Blobs that are links: inside the store they may be, and the folder may be one. */
static void
test_linked_blobs (Fixture       *fixture,
                   gconstpointer  data)
{
  g_autofree char *blobs = g_build_filename (fixture->root, "blobs", NULL);
  g_autofree char *elsewhere = folder_file (&fixture->folder, "elsewhere");
  g_autofree char *blob = NULL;
  g_autofree char *copy = NULL;
  g_autofree char *moved = NULL;

  create (fixture, "a");
  g_assert_cmpint (g_rename (blobs, elsewhere), ==, 0);
  g_assert_cmpint (symlink (elsewhere, blobs), ==, 0);
  assert_same_model (fixture, "a");
  assert_sound (fixture);

  /* A file outside is refused although its digest is right. */
  blob = blob_of (fixture, "a", "vae/config.json");
  copy = folder_file (&fixture->folder, "copy");
  g_assert_cmpint (link (blob, copy), ==, 0);
  g_unlink (blob);
  g_assert_cmpint (symlink (copy, blob), ==, 0);
  assert_open_fails (fixture, "a", ZIM_ERROR_BAD_FILE, "is a link that leads out of the store");
  assert_fault (fixture, FALSE, "is a link that leads out of the store");

  /* In a circle. */
  g_unlink (blob);
  g_assert_cmpint (symlink (blob, blob), ==, 0);
  assert_open_fails (fixture, "a", ZIM_ERROR_BAD_FILE, "is a link that leads out of the store");
  assert_fault (fixture, FALSE, "“vae/config.json” is missing");

  g_unlink (blob);
  moved = g_build_filename (elsewhere, "moved", NULL);
  g_assert_cmpint (g_rename (copy, moved), ==, 0);
  g_assert_cmpint (symlink ("moved", blob), ==, 0);
  assert_same_model (fixture, "a");
  assert_sound (fixture);
}

/* A folder of names that is a link to somewhere else. */
static void
test_linked_folder (Fixture       *fixture,
                    gconstpointer  data)
{
  g_auto(ZimTag) tag = { NULL };
  g_autofree char *elsewhere = folder_file (&fixture->folder, "elsewhere");
  g_autofree char *place = g_build_filename (fixture->root, "manifests-v2/ollama.com/library/b", NULL);
  gsize size;
  const char *text;

  create (fixture, "a");
  read_tag (fixture, "a", &tag);
  text = g_bytes_get_data (tag.bytes, &size);
  folder_write (&fixture->folder, "elsewhere/latest", text, (gssize) size);
  g_assert_cmpint (symlink (elsewhere, place), ==, 0);
  assert_open_fails (fixture, "b", ZIM_ERROR_BAD_FILE, "a link to a blob of the same store");
}

static void
test_damaged (Fixture       *fixture,
              gconstpointer  data)
{
  g_autofree char *blob = NULL;
  g_autofree char *contents = NULL;
  gsize size;

  create (fixture, "a");
  blob = blob_of (fixture, "a", "vae/config.json");
  g_assert_true (g_file_get_contents (blob, &contents, &size, NULL));
  contents[size - 2] = ' ';
  g_assert_true (g_file_set_contents (blob, contents, (gssize) size, NULL));
  assert_fault (fixture, FALSE, "is damaged: the digest of its contents is sha256:");
  g_assert_true (g_file_test (blob, G_FILE_TEST_EXISTS));

  /* Shorter than it should be, it is noticed when the model is opened. */
  g_assert_true (g_file_set_contents (blob, contents, (gssize) size - 1, NULL));
  assert_open_fails (fixture, "a", ZIM_ERROR_BAD_FILE, "bytes, expected");

  assert_fault (fixture, TRUE, "is damaged");
  g_assert_false (g_file_test (blob, G_FILE_TEST_EXISTS));
  assert_fault (fixture, FALSE, "“vae/config.json” is missing");
  assert_open_fails (fixture, "a", ZIM_ERROR_BAD_FILE, "“vae/config.json” is missing");
  create (fixture, "a");
  assert_sound (fixture);
}

static void
test_damaged_manifest (Fixture       *fixture,
                       gconstpointer  data)
{
  g_auto(ZimTag) tag = { NULL };
  g_autofree char *path = NULL;
  guint64 freed;
  GError *error = NULL;
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("a", NULL);
  guint n;

  create (fixture, "a");
  create (fixture, "b");
  n = count (fixture, "blobs");
  read_tag (fixture, "a", &tag);
  path = zim_blobs_get_path (fixture->root, tag.hex);
  g_assert_true (g_file_set_contents (path, "{}", -1, NULL));
  assert_open_fails (fixture, "a", ZIM_ERROR_BAD_FILE, "The manifest is damaged");
  assert_fault (fixture, FALSE, "is damaged");

  /* What it names is not known, so that nothing is thrown away, until it is gone itself. */
  g_assert_false (zim_prune (fixture->root, &freed, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "Nothing was removed, as it is not known what “a:latest” needs");
  g_assert_cmpuint (count (fixture, "blobs"), ==, n);
  g_assert_true (zim_remove (fixture->root, name, &error));
  g_assert_no_error (error);
}

/* Removing */

static void
test_remove (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr(ZimStoreName) a = zim_store_name_parse ("a", NULL);
  g_autoptr(ZimStoreName) b = zim_store_name_parse ("x/b:c", NULL);
  g_autofree char *names = g_build_filename (fixture->root, "manifests-v2/ollama.com", NULL);
  GError *error = NULL;

  create (fixture, "a");
  g_assert_true (zim_copy (fixture->root, a, b, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (zim_remove (fixture->root, a, &error));
  assert_same_model (fixture, "x/b:c");
  assert_sound (fixture);
  assert_open_fails (fixture, "a", ZIM_ERROR_NOT_FOUND, "There is no model “a:latest”");
  g_assert_false (zim_remove (fixture->root, a, &error));
  assert_and_clear_error (&error, ZIM_ERROR_NOT_FOUND, "There is no model “a:latest”");
  g_assert_false (zim_copy (fixture->root, a, b, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_NOT_FOUND, "There is no model “a:latest”");

  g_assert_true (zim_remove (fixture->root, b, &error));
  g_assert_cmpuint (count (fixture, "blobs"), ==, 0);
  g_assert_false (g_file_test (names, G_FILE_TEST_EXISTS));
}

static void
test_prune (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr(ZimStoreName) a = zim_store_name_parse ("a", NULL);
  g_auto(ZimLock) lock = { -1 };
  GError *error = NULL;
  guint64 freed;
  guint n;

  create (fixture, "a");
  n = count (fixture, "blobs");
  folder_write (&fixture->folder, "store/partial/blob-123456", "abc", 3);
  folder_write (&fixture->folder, "store/manifests-v2/ollama.com/library/a/.latest.1-2", "abcd", 4);
  {
    g_autoptr(GBytes) bytes = g_bytes_new_static ("abcdef", 6);
    char hex[ZIM_SHA256_HEX + 1];

    g_assert_true (zim_blobs_put (fixture->root, bytes, hex, NULL));
  }

  /* While somebody writes, nothing is removed, and a removed model's files stay. */
  g_assert_true (zim_lock_share (&lock, fixture->root, NULL, NULL));
  g_assert_false (zim_prune (fixture->root, &freed, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_clear_error (&error);
  g_assert_cmpuint (count (fixture, "blobs"), ==, n + 1);
  zim_lock_clear (&lock);

  g_assert_true (zim_prune (fixture->root, &freed, &error));
  g_assert_cmpuint (freed, ==, 9);
  g_assert_cmpuint (count (fixture, "blobs"), ==, n);
  g_assert_cmpuint (count (fixture, "partial"), ==, 0);
  g_assert_cmpuint (count (fixture, "manifests-v2/ollama.com/library/a"), ==, 1);
  assert_same_model (fixture, "a");

  g_assert_true (zim_lock_share (&lock, fixture->root, NULL, NULL));
  g_assert_true (zim_remove (fixture->root, a, NULL));
  g_assert_cmpuint (count (fixture, "blobs"), ==, n);
  zim_lock_clear (&lock);
  g_assert_true (zim_prune (fixture->root, &freed, &error));
  g_assert_cmpuint (count (fixture, "blobs"), ==, 0);
}

static gboolean
has_file (Fixture    *fixture,
          const char *name)
{
  g_autofree char *path = folder_file (&fixture->folder, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
link_folder (Fixture    *fixture,
             const char *target,
             const char *name)
{
  g_autofree char *path = folder_file (&fixture->folder, name);
  g_autofree char *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0755), ==, 0);
  g_assert_cmpint (symlink (target, path), ==, 0);
}

/* A store that came from somebody may have links that lead into the home of whoever uses it. */
static void
test_prune_of_others (Fixture       *fixture,
                      gconstpointer  data)
{
  GError *error = NULL;
  guint64 freed;

  folder_write (&fixture->folder, "home/letter.txt", "abc", 3);
  folder_write (&fixture->folder, "home/.profile", "abc", 3);
  folder_write (&fixture->folder, "home/a/b/.gitignore", "abc", 3);
  folder_write (&fixture->folder, "home/a/b/.x.y.z", "abc", 3);
  link_folder (fixture, "../home", "store/partial");
  link_folder (fixture, "../../home", "store/manifests-v2/evil");
  link_folder (fixture, "../home", "store/blobs");
  folder_write (&fixture->folder, "home/blob-123456", "abcd", 4);

  /* What looks as if it were the store's may go. */
  g_assert_true (zim_prune (fixture->root, &freed, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (freed, ==, 4);
  g_assert_true (has_file (fixture, "home/letter.txt") && has_file (fixture, "home/.profile"));
  g_assert_true (has_file (fixture, "home/a/b/.gitignore") && has_file (fixture, "home/a/b/.x.y.z"));
}

/* Nothing is written through a link that lies where files that are not finished are. */
static void
test_planted_journal (Fixture       *fixture,
                      gconstpointer  data)
{
  static const char place[] = "ollama.com/library/a/latest";
  g_autoptr(GBytes) bytes = g_bytes_new_static (place, strlen (place));
  g_autofree char *journal = NULL;
  g_autofree char *profile = folder_file (&fixture->folder, "profile");
  g_autofree char *contents = NULL;
  char hex[ZIM_SHA256_HEX + 1];

  zim_sha256_of_bytes (bytes, hex);
  journal = g_strconcat ("store/partial/journal-", hex, NULL);
  folder_write (&fixture->folder, "profile", "", 0);
  link_folder (fixture, "../../profile", journal);
  create (fixture, "a");
  assert_same_model (fixture, "a");
  g_assert_true (g_file_get_contents (profile, &contents, NULL, NULL));
  g_assert_cmpuint (strlen (contents), ==, 0);
}

/* Interruptions */

typedef struct
{
  GCancellable *cancellable;
  const char   *touched; /* (nullable) */
  int           n_reports;
  int           limit;   /* reports until it happens */
  guint64       total;
  guint64       done;
} Watch;

static void
watch_cb (guint64     total,
          guint64     done,
          const char *item,
          gpointer    data)
{
  static GMutex lock;
  Watch *watch = data;
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  watch->total = MAX (watch->total, total);
  watch->done += done;
  if (++watch->n_reports != watch->limit)
    return;
  if (watch->touched != NULL)
    {
      const struct utimbuf past = { 1000000000, 1000000000 };

      utime (watch->touched, &past);
    }
  g_cancellable_cancel (watch->cancellable);
}

/* What was stored before a cancellation stays, is not stored again, and is no model. */
static void
test_resume (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("a", NULL);
  guint n_before = 0;

  for (int limit = 1; limit < 400; limit *= 3)
    {
      g_autoptr(GCancellable) cancellable = g_cancellable_new ();
      g_autoptr(ZimCheckpoint) source = open_source (fixture);
      Watch watch = { .cancellable = cancellable, .limit = limit };
      const ZimReport report = { watch_cb, &watch };
      GError *error = NULL;

      g_assert_false (zim_create (fixture->root, name, source, NULL, &report, cancellable, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_clear_error (&error);
      assert_open_fails (fixture, "a", ZIM_ERROR_NOT_FOUND, "There is no model");
      g_assert_cmpuint (count (fixture, "partial"), <=, 1); /* the journal */
      if (limit > 1)
        {
          g_assert_cmpuint (count (fixture, "blobs"), >=, n_before);
          n_before = count (fixture, "blobs");
        }
    }
  g_assert_cmpuint (n_before, >, 10);

  {
    g_autoptr(ZimCheckpoint) source = open_source (fixture);
    Watch watch = { .limit = -1 };
    const ZimReport report = { watch_cb, &watch };
    GError *error = NULL;

    g_assert_true (zim_create (fixture->root, name, source, NULL, &report, NULL, &error));
    g_assert_no_error (error);
    g_assert_cmpuint (watch.done, ==, watch.total);
  }
  assert_same_model (fixture, "a");
  assert_sound (fixture);
  g_assert_cmpuint (count (fixture, "partial"), ==, 0);
}

/* A journal is believed only as far as the blobs are there. */
static void
test_torn_journal (Fixture       *fixture,
                   gconstpointer  data)
{
  g_autoptr(GBytes) path = g_bytes_new_static ("ollama.com/library/a/latest", strlen ("ollama.com/library/a/latest"));
  char hex[ZIM_SHA256_HEX + 1];
  g_autofree char *journal = NULL;

  zim_sha256_of_bytes (path, hex);
  journal = g_strconcat ("store/partial/journal-", hex, NULL);
  folder_write (&fixture->folder, journal, "x\tsha256:12 1 BF16\ny\n\t\t\nz\tsha2", -1);
  create (fixture, "a");
  assert_same_model (fixture, "a");
}

static void
test_changed_source (Fixture       *fixture,
                     gconstpointer  data)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("a", NULL);
  g_autofree char *file = g_build_filename (fixture->source, "text_encoder", "model.safetensors", NULL);
  g_autoptr(ZimCheckpoint) source = open_source (fixture);
  Watch watch = { .touched = file, .limit = 2 };
  const ZimReport report = { watch_cb, &watch };
  GError *error = NULL;

  g_assert_false (zim_create (fixture->root, name, source, NULL, &report, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "was changed while it was read");
}

static void
test_full_disk (Fixture       *fixture,
                gconstpointer  data)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("a", NULL);
  g_autoptr(ZimCheckpoint) source = open_source (fixture);
  const ZimReport report = { NULL };
  struct rlimit old, limit;
  GError *error = NULL;

  create (fixture, "old");
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  limit = old;
  limit.rlim_cur = 100;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  {
    g_autofree char *fresh = folder_file (&fixture->folder, "fresh");
    g_autofree char *partial = folder_file (&fixture->folder, "fresh/partial");
    g_autoptr(GPtrArray) names = NULL;

    g_assert_false (zim_create (fresh, name, source, NULL, &report, NULL, &error));
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
    signal (SIGXFSZ, SIG_DFL);
    g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED);
    g_assert_nonnull (strstr (error->message, "Could not write"));
    g_clear_error (&error);
    names = zim_tags_list (fresh);
    g_assert_cmpuint (names->len, ==, 0);
    g_assert_cmpuint (folder_count (&fixture->folder, "fresh/blobs"), ==, 0);
    g_assert_cmpuint (folder_count (&fixture->folder, "fresh/partial"), <=, 1);
  }
  assert_sound (fixture);
}

/* The public class */

static void
changed_cb (GListModel *store,
            guint       position,
            guint       removed,
            guint       added,
            GString    *log)
{
  g_string_append_printf (log, "%u-%u+%u ", position, removed, added);
}

static ZimModel *
make_model (Fixture *fixture)
{
  g_autoptr(ZimCheckpoint) source = open_source (fixture);
  GError *error = NULL;
  ZimModel *model = _zim_model_new_for_checkpoint (source, "test", &error);

  g_assert_no_error (error);
  return model;
}

static void
test_list_model (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autoptr(ZimStore) store = zim_store_new (fixture->root);
  g_autoptr(ZimModel) model = make_model (fixture);
  g_autoptr(ZimTransfer) transfer = zim_transfer_new ();
  g_autoptr(GString) log = g_string_new (NULL);
  g_autoptr(ZimStoredModel) found = NULL;
  g_autoptr(ZimStoredModel) none = NULL;
  GError *error = NULL;
  guint64 freed;
  g_auto(GStrv) faults = NULL;

  g_assert_cmpstr (zim_store_get_path (store), ==, fixture->root);
  g_assert_true (g_list_model_get_item_type (G_LIST_MODEL (store)) == ZIM_TYPE_STORED_MODEL);
  g_signal_connect (store, "items-changed", G_CALLBACK (changed_cb), log);
  g_assert_true (zim_store_refresh (store, NULL, &error));
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (store)), ==, 0);

  g_assert_true (zim_store_create (store, "b", model, NULL, NULL, transfer, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (zim_transfer_get_total (transfer), ==, zim_transfer_get_completed (transfer));
  g_assert_cmpuint (zim_transfer_get_total (transfer), ==, zim_model_get_size (model));
  g_assert_cmpfloat (zim_transfer_get_remaining (transfer), ==, 0);
  g_assert_true (zim_store_copy (store, "b", "a", NULL, &error));
  g_assert_true (zim_store_copy (store, "b", "c", NULL, &error));
  g_assert_true (zim_store_refresh (store, NULL, &error));
  g_assert_cmpstr (log->str, ==, "0-0+1 0-0+1 2-0+1 ");

  found = zim_store_find (store, "registry.ollama.ai/library/c:latest");
  g_assert_cmpstr (zim_stored_model_get_name (found), ==, "c:latest");
  g_assert_cmpuint (strlen (zim_stored_model_get_id (found)), ==, 64);
  g_assert_cmpuint (zim_stored_model_get_size (found), >, zim_model_get_size (model));
  g_assert_cmpint (g_date_time_get_year (zim_stored_model_get_modified (found)), >, 2020);
  none = zim_store_find (store, "d");
  g_assert_null (none);

  g_assert_true (zim_store_remove (store, "b", NULL, &error));
  g_assert_cmpstr (log->str, ==, "0-0+1 0-0+1 2-0+1 1-1+0 ");
  faults = zim_store_check (store, FALSE, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (faults), ==, 0);
  g_assert_true (zim_store_prune (store, &freed, NULL, &error));
  g_assert_cmpuint (freed, ==, 0);
  g_assert_false (zim_store_create (store, "../b", model, NULL, NULL, NULL, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_INVALID_PARAMS, "is no name of a model");
}

static void
ready_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

static GAsyncResult *
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return g_steal_pointer (result);
}

static void
test_async (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr(ZimStore) store = zim_store_new (fixture->root);
  g_autoptr(ZimModel) model = make_model (fixture);
  g_autoptr(GCancellable) cancelled = g_cancellable_new ();
  g_autoptr(GAsyncResult) result = NULL;
  g_auto(GStrv) faults = NULL;
  GAsyncResult *waiting = NULL;
  GError *error = NULL;
  guint64 freed = 1;

  zim_store_create_async (store, "a", model, NULL, NULL, NULL, NULL, ready_cb, &waiting);
  result = wait_for (&waiting);
  g_assert_true (zim_store_create_finish (store, result, &error));
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (store)), ==, 1);

  g_clear_object (&result);
  zim_store_copy_async (store, "a", "b", NULL, ready_cb, &waiting);
  result = wait_for (&waiting);
  g_assert_true (zim_store_copy_finish (store, result, &error));

  g_clear_object (&result);
  zim_store_check_async (store, FALSE, NULL, NULL, ready_cb, &waiting);
  result = wait_for (&waiting);
  faults = zim_store_check_finish (store, result, &error);
  g_assert_cmpuint (g_strv_length (faults), ==, 0);

  g_clear_object (&result);
  zim_store_remove_async (store, "a", NULL, ready_cb, &waiting);
  result = wait_for (&waiting);
  g_assert_true (zim_store_remove_finish (store, result, &error));

  g_clear_object (&result);
  zim_store_prune_async (store, NULL, ready_cb, &waiting);
  result = wait_for (&waiting);
  g_assert_true (zim_store_prune_finish (store, result, &freed, &error));
  g_assert_cmpuint (freed, ==, 0);

  g_clear_object (&result);
  zim_store_refresh_async (store, NULL, ready_cb, &waiting);
  result = wait_for (&waiting);
  g_assert_true (zim_store_refresh_finish (store, result, &error));
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (store)), ==, 1);

  g_clear_object (&result);
  g_cancellable_cancel (cancelled);
  zim_store_create_async (store, "c", model, NULL, NULL, NULL, cancelled, ready_cb, &waiting);
  result = wait_for (&waiting);
  g_assert_false (zim_store_create_finish (store, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);

  g_clear_object (&result);
  test_assert_finalizes (g_steal_pointer (&store));
}

/* By name, before an installed model or a folder of that name. */
static void
test_open_by_name (Fixture       *fixture,
                   gconstpointer  data)
{
  g_autoptr(ZimModel) model = NULL;
  GError *error = NULL;

  create (fixture, "a");
  /* The folder is made anew under the path that the environment has named from the beginning. */
  g_assert_cmpint (symlink (fixture->root, g_getenv ("ZIMAGE_MODELS")), ==, 0);
  model = zim_model_open ("a", NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (zim_model_get_path (model), ==, "a:latest");
  g_assert_cmpstr (zim_model_get_quantization (model), ==, "BF16");
  {
    g_autoptr(GVariant) tensors = zim_model_list_tensors (model);

    g_assert_cmpuint (g_variant_n_children (tensors), >, 100);
  }
  g_assert_null (zim_model_open ("z-image-turbo", NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_NOT_FOUND, "This gets it: zimage pull z-image-turbo");
  g_assert_null (zim_model_open ("nowhere", NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_NOT_FOUND, "zimage create nowhere -f FOLDER");
  g_unlink (g_getenv ("ZIMAGE_MODELS"));
}

int
main (int    argc,
      char **argv)
{
  g_autofree char *models = g_strdup_printf ("%s/zimage-test-store-%d", g_get_tmp_dir (), (int) getpid ());

  g_test_init (&argc, &argv, NULL);
  g_setenv ("ZIMAGE_MODELS", models, TRUE);

#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_init, func, fixture_clear)
  ADD ("/store/round-trip", test_round_trip);
  ADD ("/store/shared", test_shared);
  ADD ("/store/narrowed", test_narrowed);
  ADD ("/store/config-files", test_config_files);
  ADD ("/store/ollama", test_ollama);
  ADD ("/store/keys", test_keys);
  ADD ("/store/links", test_links);
  ADD ("/store/linked-blobs", test_linked_blobs);
  ADD ("/store/linked-folder", test_linked_folder);
  ADD ("/store/damaged", test_damaged);
  ADD ("/store/damaged-manifest", test_damaged_manifest);
  ADD ("/store/remove", test_remove);
  ADD ("/store/prune", test_prune);
  ADD ("/store/prune/others", test_prune_of_others);
  ADD ("/store/planted-journal", test_planted_journal);
  ADD ("/store/resume", test_resume);
  ADD ("/store/torn-journal", test_torn_journal);
  ADD ("/store/changed-source", test_changed_source);
  ADD ("/store/full-disk", test_full_disk);
  ADD ("/store/list-model", test_list_model);
  ADD ("/store/async", test_async);
  ADD ("/store/open-by-name", test_open_by_name);
#undef ADD

  return g_test_run ();
}
