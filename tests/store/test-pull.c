/* test-pull.c: models from servers that speak both protocols and misbehave
 *
 * The servers are in this process, on the loopback interface; nothing leaves the machine.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gstdio.h>
#include <nettle/eddsa.h>

#include "formats-util.h"
#include "pull-server.h"
#include "store/zim-blobs-private.h"
#include "store/zim-create-private.h"
#include "store/zim-ollama-key-private.h"
#include "store/zim-open-private.h"
#include "store/zim-pull-private.h"
#include "store/zim-tags-private.h"
#include "store/zim-upkeep-private.h"
#include "zim-error.h"
#include "zim-store.h"

/* What the server has: one model, for all tests. */
static struct
{
  Folder         folder;
  ZimConfig      config;
  ZimCheckpoint *checkpoint;
  char          *source; /* the folder that the hub has */
  char          *origin; /* the store that the registry has */
  char          *listing;
  PullServer    *server;
} world;

typedef struct
{
  Folder      folder;
  char       *root; /* the store that is filled */
  PullServer *server;
} Fixture;

/* What the hub says that the repository has. */
static void
write_listing (const char *source,
               const char *file,
               gboolean    with_digests)
{
  static const char *const names[] = {
    "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "text_encoder/model.safetensors",
    "tokenizer/tokenizer.json", "transformer/config.json", "transformer/diffusion_pytorch_model.safetensors",
    "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "zimage.json", "README.md", "../../../etc/passwd",
  };
  g_autoptr(GString) json = g_string_new ("{\"sha\":\"" PULL_COMMIT "\",\"siblings\":[");

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (source, names[i], NULL);
      g_autofree char *contents = NULL;
      char hex[ZIM_SHA256_HEX + 1];
      gsize size;

      g_string_append_printf (json, "%s{\"rfilename\":\"%s\"", i > 0 ? "," : "", names[i]);
      if (with_digests && g_str_has_suffix (path, ".safetensors"))
        {
          g_autoptr(GBytes) bytes = NULL;

          g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
          bytes = g_bytes_new_static (contents, size);
          zim_sha256_of_bytes (bytes, hex);
          g_string_append_printf (json, ",\"size\":%" G_GSIZE_FORMAT ",\"lfs\":{\"sha256\":\"%s\"}", size, hex);
        }
      g_string_append_c (json, '}');
    }
  g_string_append (json, "]}");
  folder_write (&world.folder, file, json->str, -1);
}

static void
world_init (void)
{
  g_autofree char *tokenizer = g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", "bytes.json", NULL);
  g_autofree char *contents = NULL;
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("m", NULL);
  g_autoptr(ZimCheckpoint) source = NULL;
  const ZimReport report = { NULL };
  GError *error = NULL;

  folder_init (&world.folder, NULL);
  world.source = folder_file (&world.folder, "source");
  world.origin = folder_file (&world.folder, "origin");
  world.listing = folder_file (&world.folder, "listing.json");
  tiny_config_init (&world.config);
  world.checkpoint = tiny_checkpoint_new (&world.config, ZIM_DTYPE_BF16);
  zim_checkpoint_write_folder (world.checkpoint, world.source, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (tokenizer, &contents, NULL, NULL));
  folder_write (&world.folder, "source/tokenizer/tokenizer.json", contents, -1);
  source = zim_checkpoint_open_folder (world.source, NULL, &error);
  g_assert_no_error (error);
  zim_create (world.origin, name, source, NULL, &report, NULL, &error);
  g_assert_no_error (error);
  write_listing (world.source, "listing.json", TRUE);
  world.server = pull_server_new (world.source, world.origin, world.listing);
}

static void
world_clear (void)
{
  pull_server_free (world.server);
  zim_checkpoint_unref (world.checkpoint);
  zim_config_clear (&world.config);
  g_free (world.source);
  g_free (world.origin);
  g_free (world.listing);
  folder_clear (&world.folder, NULL);
}

static void
fixture_init (Fixture       *fixture,
              gconstpointer  data)
{
  folder_init (&fixture->folder, NULL);
  fixture->root = folder_file (&fixture->folder, "store");
  fixture->server = world.server;
  pull_server_heal (world.server);
}

static void
fixture_clear (Fixture       *fixture,
               gconstpointer  data)
{
  g_free (fixture->root);
  folder_clear (&fixture->folder, NULL);
}

static ZimServer *
make_server (Fixture    *fixture,
             const char *token)
{
  ZimServer *server = zim_server_new (fixture->server->base, token);

  server->pause = 1;
  server->stall = 1;
  return server;
}

typedef struct
{
  GMutex        lock;
  guint64       total;
  guint64       done;
  guint64       limit;       /* 0: none */
  GCancellable *cancellable; /* of what is cancelled at the limit */
} Watch;

static void
watch_cb (guint64     total,
          guint64     done,
          const char *item,
          gpointer    data)
{
  Watch *watch = data;
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&watch->lock);

  watch->total = MAX (watch->total, total);
  watch->done += done;
  if (watch->limit > 0 && watch->done >= watch->limit)
    g_cancellable_cancel (watch->cancellable);
}

static gboolean
pull (Fixture    *fixture,
      gboolean    from_hub,
      const char *token,
      Watch      *watch,
      GError    **error)
{
  g_autoptr(ZimServer) server = make_server (fixture, token);
  g_autoptr(ZimStoreName) name = zim_store_name_parse (from_hub ? "hf.co/owner/model" : "m", NULL);
  const ZimReport report = { watch != NULL ? watch_cb : NULL, watch };
  GCancellable *cancellable = watch != NULL ? watch->cancellable : NULL;

  if (from_hub)
    return zim_pull_hub (fixture->root, name, "owner/model", "main", server, &report, NULL, cancellable, error);
  return zim_pull_registry (fixture->root, name, server, &report, NULL, cancellable, error);
}

static void
assert_model (Fixture    *fixture,
              const char *text)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (text, NULL);
  const ZimReport report = { NULL };
  GError *error = NULL;
  g_autoptr(ZimCheckpoint) opened = zim_open_checkpoint (fixture->root, name, NULL, &error);
  g_autoptr(GPtrArray) faults = NULL;

  g_assert_no_error (error);
  assert_same_tensors (&world.config, world.checkpoint, opened);
  faults = zim_check (fixture->root, FALSE, &report, NULL, &error);
  g_assert_cmpuint (faults->len, ==, 0);
  g_assert_cmpuint (folder_count (&fixture->folder, "store/partial"), ==, 0);
}

static void
assert_nothing (Fixture *fixture)
{
  g_autoptr(GPtrArray) names = zim_tags_list (fixture->root);

  g_assert_cmpuint (names->len, ==, 0);
}

static void
test_pull (Fixture       *fixture,
           gconstpointer  from_hub)
{
  Watch watch = { .limit = 0 };
  GError *error = NULL;
  int n_blobs;

  g_assert_true (pull (fixture, from_hub != NULL, NULL, &watch, &error));
  g_assert_no_error (error);
  assert_model (fixture, from_hub != NULL ? "hf.co/owner/model" : "m");
  g_assert_cmpuint (watch.done, ==, watch.total);
  n_blobs = g_atomic_int_get (&fixture->server->n_blobs);
  g_assert_cmpint (n_blobs, >, 100);

  /* What is there is not fetched again, but for the headers of the hub's three files. */
  g_assert_true (pull (fixture, from_hub != NULL, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_atomic_int_get (&fixture->server->n_blobs), ==, from_hub != NULL ? n_blobs + 6 : n_blobs);
  assert_model (fixture, from_hub != NULL ? "hf.co/owner/model" : "m");
}

/* A hub that does not tell digests. */
static void
test_no_digests (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autofree char *listing = folder_file (&world.folder, "bare.json");

  write_listing (world.source, "bare.json", FALSE);
  fixture->server->listing = listing;
  test_pull (fixture, GINT_TO_POINTER (1));
  fixture->server->listing = world.listing;
}

/* Faults that pass. */
static void
test_recovers (Fixture       *fixture,
               gconstpointer  from_hub)
{
  static const struct { PullFault fault; int n; } faults[] = {
    { PULL_CUT, 20 }, { PULL_UNAVAILABLE, 5 }, { PULL_TOO_MANY, 5 }, { PULL_STALLED, 1 }, { PULL_REDIRECT, 0 },
    { PULL_NO_RANGES, 0 }, { PULL_CUT_NO_RANGES, 5 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autoptr(ZimStoreName) name = zim_store_name_parse (from_hub != NULL ? "hf.co/owner/model" : "m", NULL);
      GError *error = NULL;

      g_test_message ("fault %d", faults[i].fault);
      g_atomic_int_set (&fixture->server->fault, faults[i].fault);
      g_atomic_int_set (&fixture->server->n_faults, faults[i].n);
      g_assert_true (pull (fixture, from_hub != NULL, NULL, NULL, &error));
      g_assert_no_error (error);
      assert_model (fixture, from_hub != NULL ? "hf.co/owner/model" : "m");
      g_assert_true (zim_remove (fixture->root, name, &error));
      g_assert_no_error (error);
    }
}

/* Faults that last. */
static void
test_gives_up (Fixture       *fixture,
               gconstpointer  from_hub)
{
  static const struct { PullFault fault; const char *message; } faults[] = {
    { PULL_UNAVAILABLE, "The server answers 503" },
    { PULL_TOO_MANY, "too many requests from here (429). Try again later" },
    { PULL_CIRCLE, "redirects too often" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      GError *error = NULL;

      g_atomic_int_set (&fixture->server->fault, faults[i].fault);
      g_atomic_int_set (&fixture->server->n_faults, G_MAXINT);
      g_assert_false (pull (fixture, from_hub != NULL, NULL, NULL, &error));
      g_assert_nonnull (strstr (error->message, faults[i].message));
      g_clear_error (&error);
      assert_nothing (fixture);
    }
}

static void
test_statuses (Fixture       *fixture,
               gconstpointer  from_hub)
{
  static const struct { int status; const char *token; const char *message; } cases[] = {
    { 401, NULL, "needs a token" },
    { 403, NULL, "needs a token" },
    { 403, "secret", "the token does not give access" },
    { 404, NULL, "The server does not have it (404)" },
    { 418, NULL, "The server answers 418" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      GError *error = NULL;

      g_atomic_int_set (&fixture->server->status, cases[i].status);
      g_assert_false (pull (fixture, from_hub != NULL, cases[i].token, NULL, &error));
      g_assert_nonnull (strstr (error->message, cases[i].message));
      g_assert_null (strstr (error->message, "secret"));
      g_assert_true ((cases[i].status == 404) == g_error_matches (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND));
      g_clear_error (&error);
    }
  assert_nothing (fixture);
}

/* The token goes to the server that it is for, and to no other. */
static void
test_token (Fixture       *fixture,
            gconstpointer  from_hub)
{
  GError *error = NULL;

  g_atomic_int_set (&fixture->server->fault, PULL_REDIRECT);
  g_assert_true (pull (fixture, from_hub != NULL, "secret", NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_atomic_int_get (&fixture->server->n_tokens), >, 100);
  g_assert_cmpint (g_atomic_int_get (&fixture->server->n_leaked), ==, 0);
}

/* Doors: what a server wants to see before it lets anybody in */

/* A token that is good for a few requests only, for four who ask at once. */
static void
test_handshake (Fixture       *fixture,
                gconstpointer  data)
{
  PullServer *server = fixture->server;
  GError *error = NULL;

  g_atomic_int_set (&server->door, PULL_CHALLENGE);
  g_atomic_int_set (&server->n_uses, 40);
  g_assert_true (pull (fixture, FALSE, NULL, NULL, &error));
  g_assert_no_error (error);
  assert_model (fixture, "m");
  g_assert_cmpint (g_atomic_int_get (&server->n_granted), >=, 3);
  g_assert_cmpint (g_atomic_int_get (&server->n_granted), <, 20);
  g_assert_cmpstr (server->proof, ==, NULL);
  g_assert_nonnull (strstr (server->asked, "/token?service=a%20registry&scope=repository%3Alibrary%2Fm%3Apull&"
                                           "scope=repository%3Ax%3Apull&ts="));
}

/* The user's own token is shown to the server's own giver of tokens and to no other. */
static void
test_own_token (Fixture       *fixture,
                gconstpointer  data)
{
  PullServer *server = fixture->server;
  GError *error = NULL;

  g_atomic_int_set (&server->door, PULL_CHALLENGE);
  g_assert_true (pull (fixture, FALSE, "secret", NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (server->proof, ==, "Bearer secret");

  folder_clear (&fixture->folder, NULL);
  folder_init (&fixture->folder, NULL);
  g_atomic_int_set (&server->door, PULL_CHALLENGE_OTHER);
  g_atomic_int_set (&server->n_granted, 0);
  g_assert_true (pull (fixture, FALSE, "secret", NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (server->proof, ==, NULL);
  g_assert_cmpint (g_atomic_int_get (&server->n_leaked), ==, 0);
}

/* A token that was given for this server does not follow redirects, either. */
static void
test_given_token (Fixture       *fixture,
                  gconstpointer  data)
{
  GError *error = NULL;

  g_atomic_int_set (&fixture->server->door, PULL_CHALLENGE);
  g_atomic_int_set (&fixture->server->fault, PULL_REDIRECT);
  g_assert_true (pull (fixture, FALSE, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_atomic_int_get (&fixture->server->n_tokens), >, 100);
  g_assert_cmpint (g_atomic_int_get (&fixture->server->n_leaked), ==, 0);
}

static void
test_password (Fixture       *fixture,
               gconstpointer  data)
{
  GError *error = NULL;

  g_atomic_int_set (&fixture->server->door, PULL_BASIC);
  g_assert_true (pull (fixture, FALSE, "me:secret", NULL, &error));
  g_assert_no_error (error);
  g_assert_false (pull (fixture, FALSE, "me:wrong", NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
  g_clear_error (&error);
}

static void
test_bad_doors (Fixture       *fixture,
                gconstpointer  data)
{
  static const struct { PullDoor door; const char *answer; const char *message; } cases[] = {
    { PULL_CHALLENGE_NONE, NULL, "The server refuses (401)" },
    { PULL_CHALLENGE, "{\"token\":\"wrong\"}", "The server refuses (401)" },
    { PULL_CHALLENGE, "{}", "is no token" },
    { PULL_CHALLENGE, "{\"token\":\"a\\nb\"}", "is no token" },
    { PULL_CHALLENGE, "{\"token\":[]}", "token" },
    { PULL_CHALLENGE, "nonsense", "/token" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      GError *error = NULL;

      g_atomic_int_set (&fixture->server->door, cases[i].door);
      fixture->server->answer = cases[i].answer;
      g_assert_false (pull (fixture, FALSE, NULL, NULL, &error));
      if (strstr (error->message, cases[i].message) == NULL)
        g_error ("“%s” is not in “%s”", cases[i].message, error->message);
      g_clear_error (&error);
    }
  assert_nothing (fixture);
}

/* A key as Ollama makes it. */
static const char key_file[] =
  "-----BEGIN OPENSSH PRIVATE KEY-----\n"
  "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
  "QyNTUxOQAAACAmFaPp8loXj/jzxa+yBZaiCYJmbPNaM+gIagFeobVWKgAAAIinv+ARp7/g\n"
  "EQAAAAtzc2gtZWQyNTUxOQAAACAmFaPp8loXj/jzxa+yBZaiCYJmbPNaM+gIagFeobVWKg\n"
  "AAAECLk7T3H0LogrvbBJTc1leCXppCIZwN2XbnDJpic4uHcyYVo+nyWheP+PPFr7IFlqIJ\n"
  "gmZs81oz6AhqAV6htVYqAAAAAAECAwQF\n"
  "-----END OPENSSH PRIVATE KEY-----\n";
static const char public_text[] = "AAAAC3NzaC1lZDI1NTE5AAAAICYVo+nyWheP+PPFr7IFlqIJgmZs81oz6AhqAV6htVYq";

static void
test_key (Fixture       *fixture,
          gconstpointer  data)
{
  static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  g_autofree char *path = g_build_filename (g_get_home_dir (), ".ollama", "id_ed25519", NULL);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *digest = g_base64_encode ((const guchar *) empty, strlen (empty));
  g_autofree char *message = NULL;
  g_auto(GStrv) parts = NULL;
  g_autofree guint8 *key = NULL;
  g_autofree guint8 *signature = NULL;
  GError *error = NULL;
  gsize size;

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, key_file, -1, NULL));
  g_atomic_int_set (&fixture->server->door, PULL_CHALLENGE);
  g_assert_true (pull (fixture, FALSE, NULL, NULL, &error));
  g_assert_no_error (error);
  g_unlink (path);

  parts = g_strsplit (fixture->server->proof, ":", -1);
  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  g_assert_cmpstr (parts[0], ==, public_text);
  key = g_base64_decode (parts[0], &size);
  g_assert_cmpuint (size, ==, 51);
  signature = g_base64_decode (parts[1], &size);
  g_assert_cmpuint (size, ==, ED25519_SIGNATURE_SIZE);
  g_assert_nonnull (strstr (fixture->server->asked, "&ts="));
  g_assert_nonnull (strstr (fixture->server->asked, "&nonce="));
  message = g_strdup_printf ("GET,%s,%s", fixture->server->asked, digest);
  g_assert_true (ed25519_sha512_verify (key + 19, strlen (message), (const guint8 *) message, signature));
}

/* Any file that is cut short, and any that has another byte, is either no key or one of the right size. */
static void
test_bad_keys (Fixture       *fixture,
               gconstpointer  data)
{
  guint8 seed[32], public_key[32];

  g_assert_true (zim_ollama_key_parse (key_file, seed, public_key));
  g_assert_false (zim_ollama_key_parse ("", seed, public_key));
  for (gsize i = 0; i + 1 < strlen (key_file); i++)
    {
      g_autofree char *cut = g_strndup (key_file, i);
      g_autofree char *other = g_strdup (key_file);

      other[i] = other[i] == 'A' ? '/' : 'A';
      zim_ollama_key_parse (other, seed, public_key);
      if (i < strlen (key_file) - 2)
        g_assert_false (zim_ollama_key_parse (cut, seed, public_key));
    }
}

/* Patience */

static void
test_retry_after (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autoptr(GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr(GDateTime) soon = g_date_time_add_seconds (now, 2);
  g_autofree char *date = soup_date_time_to_string (soon, SOUP_DATE_HTTP);
  const char *const times[] = { "1", date };
  GError *error = NULL;

  g_atomic_int_set (&fixture->server->fault, PULL_TOO_MANY);
  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      gint64 begin = g_get_monotonic_time ();

      fixture->server->retry_after = times[i];
      g_atomic_int_set (&fixture->server->n_faults, 1);
      g_assert_true (pull (fixture, FALSE, NULL, NULL, &error));
      g_assert_no_error (error);
      g_assert_cmpint (g_get_monotonic_time () - begin, >=, i == 0 ? G_TIME_SPAN_SECOND : 1);
    }

  fixture->server->retry_after = "7200";
  g_atomic_int_set (&fixture->server->n_faults, 1);
  g_assert_false (pull (fixture, FALSE, NULL, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_nonnull (strstr (error->message, "asked again in 120 minutes"));
  g_clear_error (&error);
}

/* Proxies */

/* Sessions remember the proxy, and each thread has one of its own. */
static gpointer
pull_in_thread (gpointer data)
{
  Fixture *fixture = data;
  g_autoptr(ZimServer) server = zim_server_new (PULL_NO_HOST, "secret");
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("m", NULL);
  const ZimReport report = { NULL };
  GError *error = NULL;

  server->pause = 1;
  zim_pull_registry (fixture->root, name, server, &report, NULL, NULL, &error);
  return error;
}

static void
test_proxy (Fixture       *fixture,
            gconstpointer  data)
{
  static const char *const variables[] = { "http_proxy", "ALL_PROXY" };
  GError *error;

  for (guint i = 0; i < G_N_ELEMENTS (variables); i++)
    {
      /* An address without its scheme is one, too. */
      g_setenv (variables[i], i == 0 ? fixture->server->base : fixture->server->base + strlen ("http://"), TRUE);
      error = g_thread_join (g_thread_new ("pull", pull_in_thread, fixture));
      g_assert_no_error (error);
      g_unsetenv (variables[i]);
      assert_model (fixture, "m");
      g_assert_cmpint (g_atomic_int_get (&fixture->server->n_proxied), >, i == 0 ? 100 : 0);
      g_atomic_int_set (&fixture->server->n_proxied, 0);
    }

  g_setenv ("http_proxy", fixture->server->base, TRUE);
  g_atomic_int_set (&fixture->server->status, 407);
  error = g_thread_join (g_thread_new ("pull", pull_in_thread, fixture));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PROXY_NEED_AUTH);
  g_clear_error (&error);
  g_atomic_int_set (&fixture->server->n_proxied, 0);

  g_setenv ("no_proxy", "localhost, models.invalid", TRUE);
  error = g_thread_join (g_thread_new ("pull", pull_in_thread, fixture));
  g_assert_nonnull (error);
  g_clear_error (&error);
  g_assert_cmpint (g_atomic_int_get (&fixture->server->n_proxied), ==, 0);
  g_unsetenv ("no_proxy");
  g_unsetenv ("http_proxy");
}

/* Lies */

static void
test_lies (Fixture       *fixture,
           gconstpointer  data)
{
  GError *error = NULL;

  g_atomic_int_set (&fixture->server->fault, PULL_WRONG);
  g_assert_false (pull (fixture, FALSE, NULL, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "the digest of its contents is sha256:");
  assert_nothing (fixture);

  g_atomic_int_set (&fixture->server->fault, PULL_SHORT);
  g_assert_false (pull (fixture, FALSE, NULL, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT);
  g_clear_error (&error);
  assert_nothing (fixture);

  g_atomic_int_set (&fixture->server->fault, PULL_WELL);
  g_assert_true (pull (fixture, FALSE, NULL, NULL, &error));
  g_assert_no_error (error);
  assert_model (fixture, "m");
}

/* The hub's files are checked when all of their tensors are there. */
static void
test_hub_lies (Fixture       *fixture,
               gconstpointer  data)
{
  GError *error = NULL;

  g_atomic_int_set (&fixture->server->fault, PULL_WRONG);
  g_assert_false (pull (fixture, TRUE, NULL, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "The digest of what came is sha256:");
  assert_nothing (fixture);

  g_atomic_int_set (&fixture->server->fault, PULL_WELL);
  g_assert_true (pull (fixture, TRUE, NULL, NULL, &error));
  g_assert_no_error (error);
  assert_model (fixture, "hf.co/owner/model");
}

/* Names of tensors that lead elsewhere: what could not be read again is not given a name. */
static void
test_hub_names (Fixture       *fixture,
                gconstpointer  data)
{
  static const char *const names[] = { "../../outside", "/outside", "a/./b", "a\\\\b" };
  g_autofree char *listing = folder_file (&world.folder, "names.json");

  write_listing (world.source, "names.json", FALSE);
  fixture->server->listing = listing;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *header = g_strdup_printf ("{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                                                 names[i]);
      g_autofree char *liar = g_strdup_printf ("liar-%u", i);
      g_autofree char *source = folder_file (&world.folder, liar);
      g_autofree char *vae = g_build_filename (liar, "vae/diffusion_pytorch_model.safetensors", NULL);
      g_autoptr(GByteArray) bytes = g_byte_array_new ();
      const guint64 length = GUINT64_TO_LE ((guint64) strlen (header));
      GError *error = NULL;

      g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
      g_byte_array_append (bytes, (const guint8 *) header, (guint) strlen (header));
      g_byte_array_append (bytes, (const guint8 *) "\0\0\0\0", 4);
      zim_checkpoint_write_folder (world.checkpoint, source, &error);
      g_assert_no_error (error);
      folder_write (&world.folder, vae, bytes->data, bytes->len);
      fixture->server->source = source;
      g_assert_false (pull (fixture, TRUE, NULL, NULL, &error));
      assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "expected a relative path");
      assert_nothing (fixture);
      fixture->server->source = world.source;
    }
  fixture->server->listing = world.listing;
}

typedef struct
{
  Fixture  *fixture;
  gboolean  from_hub;
} Together;

static gpointer
pull_together (gpointer data)
{
  Together *together = data;
  GError *error = NULL;

  pull (together->fixture, together->from_hub, NULL, NULL, &error);
  return error;
}

/* Several that want the same at once take turns, and each has it in the end. */
static void
test_together (Fixture       *fixture,
               gconstpointer  from_hub)
{
  Together together = { fixture, from_hub != NULL };
  GThread *threads[3];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("pull", pull_together, &together);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      g_autoptr(GError) error = g_thread_join (threads[i]);

      g_assert_no_error (error);
    }
  assert_model (fixture, from_hub != NULL ? "hf.co/owner/model" : "m");
}

static void
fill_exact (const char   *name,
            guint         n_dims,
            const gint64 *dims,
            ZimDType      dtype,
            void         *data,
            gpointer      unused)
{
  float *values = data;
  gsize n = 1;

  for (guint i = 0; i < n_dims; i++)
    n *= (gsize) dims[i];
  for (gsize i = 0; i < n; i++)
    values[i] = zim_bf16_to_f32 ((guint16) (0x3f00 + i % 251));
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

/* Weights of 32 bits, as the published transformer's, that take 16: their file's digest is still right. */
static void
test_narrowed (Fixture       *fixture,
               gconstpointer  data)
{
  static const char tensor[] = "cap_embedder.0.weight";
  g_autofree char *source = folder_file (&world.folder, "wide");
  g_autofree char *listing = folder_file (&world.folder, "wide.json");
  g_autofree char *from = g_build_filename (world.source, "tokenizer", "tokenizer.json", NULL);
  g_autofree char *contents = NULL;
  g_autoptr(ZimCheckpoint) wide = zim_checkpoint_new_generated (&world.config, NULL, ZIM_DTYPE_F32, fill_exact, NULL);
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("hf.co/owner/model", NULL);
  GError *error = NULL;

  foreach_tensor (&world.config, request, wide);
  zim_checkpoint_write_folder (wide, source, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (from, &contents, NULL, NULL));
  folder_write (&world.folder, "wide/tokenizer/tokenizer.json", contents, -1);
  write_listing (source, "wide.json", TRUE);
  fixture->server->source = source;
  fixture->server->listing = listing;
  g_assert_true (pull (fixture, TRUE, NULL, NULL, &error));
  g_assert_no_error (error);
  fixture->server->source = world.source;
  fixture->server->listing = world.listing;

  opened = zim_open_checkpoint (fixture->root, name, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (zim_checkpoint_lookup (opened, ZIM_COMPONENT_TRANSFORMER, tensor)->dtype, ==, ZIM_DTYPE_BF16);
}

static void
test_resume (Fixture       *fixture,
             gconstpointer  from_hub)
{
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  Watch half = { .limit = 1 << 20, .cancellable = cancellable };
  GError *error = NULL;
  int before, after;

  g_assert_false (pull (fixture, from_hub != NULL, NULL, &half, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  assert_nothing (fixture);
  before = g_atomic_int_get (&fixture->server->n_blobs);
  g_assert_true (pull (fixture, from_hub != NULL, NULL, NULL, &error));
  g_assert_no_error (error);
  assert_model (fixture, from_hub != NULL ? "hf.co/owner/model" : "m");

  /* Both together asked for little more than one alone does. */
  after = g_atomic_int_get (&fixture->server->n_blobs);
  g_atomic_int_set (&fixture->server->n_blobs, 0);
  {
    g_autoptr(ZimStoreName) name = zim_store_name_parse (from_hub != NULL ? "hf.co/owner/model" : "m", NULL);

    g_assert_true (zim_remove (fixture->root, name, NULL));
  }
  g_assert_true (pull (fixture, from_hub != NULL, NULL, NULL, &error));
  g_assert_cmpint (before, >, 1);
  g_assert_cmpint (after, <=, g_atomic_int_get (&fixture->server->n_blobs) + 12);
}

/* Through the public call, by a name that is known. */
static void
test_store (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr(ZimStore) store = zim_store_new (fixture->root);
  guint64 size, space;
  GError *error = NULL;

  /* The token of the hub is for the hub, and not for those who keep its files. */
  g_setenv ("HF_TOKEN", "secret", TRUE);
  g_setenv ("HF_ENDPOINT", fixture->server->base, TRUE);
  g_atomic_int_set (&fixture->server->fault, PULL_REDIRECT);
  g_assert_true (zim_store_pull (store, "z-image-turbo", NULL, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_atomic_int_get (&fixture->server->n_tokens), >, 100);
  g_assert_cmpint (g_atomic_int_get (&fixture->server->n_leaked), ==, 0);
  g_atomic_int_set (&fixture->server->fault, PULL_WELL);
  g_atomic_int_set (&fixture->server->n_tokens, 0);
  g_unsetenv ("HF_ENDPOINT");
  g_assert_true (zim_store_measure_pull (store, "m", fixture->server->base, &size, &space, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (size, ==, 0); /* the same tensors, and the same files beside them */
  g_assert_cmpuint (space, >, 0);
  g_assert_true (zim_store_pull (store, "m", fixture->server->base, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_atomic_int_get (&fixture->server->n_tokens), ==, 0);
  g_unsetenv ("HF_TOKEN");
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (store)), ==, 2);
  assert_model (fixture, "z-image-turbo");
  g_assert_false (zim_store_pull (store, "other", fixture->server->base, NULL, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_NOT_FOUND, "(404)");
  g_assert_false (zim_store_pull (store, "m", "nonsense", NULL, NULL, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
}

static const char missing[] = "layers.0.feed_forward.w2.weight";

static void
request_all_but_one (ZimComponent  component,
                     const char   *name,
                     guint         n_dims,
                     const gint64 *dims,
                     gpointer      checkpoint)
{
  if (strcmp (name, missing) != 0)
    request (component, name, n_dims, dims, checkpoint);
}

/* Servers that have all but one of the tensors: what came is no model, and what had the name before keeps it. */
static void
test_incomplete (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autofree char *source = folder_file (&world.folder, "incomplete");
  g_autofree char *origin = folder_file (&world.folder, "incomplete-origin");
  g_autofree char *listing = folder_file (&world.folder, "incomplete.json");
  g_autofree char *tokenizer = g_build_filename (world.source, "tokenizer", "tokenizer.json", NULL);
  g_autofree char *contents = NULL;
  g_autoptr(ZimCheckpoint) part = zim_checkpoint_new_generated (&world.config, NULL, ZIM_DTYPE_F32, fill_exact, NULL);
  g_autoptr(ZimCheckpoint) opened = NULL, kept = NULL;
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("m", NULL);
  g_autoptr(ZimStore) store = zim_store_new (fixture->root);
  const ZimReport report = { NULL };
  GError *error = NULL;

  foreach_tensor (&world.config, request_all_but_one, part);
  zim_checkpoint_write_folder (part, source, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (tokenizer, &contents, NULL, NULL));
  folder_write (&world.folder, "incomplete/tokenizer/tokenizer.json", contents, -1);
  write_listing (source, "incomplete.json", TRUE);
  opened = zim_checkpoint_open_folder (source, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (zim_create (origin, name, opened, NULL, &report, NULL, &error));

  g_assert_true (zim_store_pull (store, "m", fixture->server->base, NULL, NULL, &error));
  fixture->server->source = source;
  fixture->server->origin = origin;
  fixture->server->listing = listing;
  g_assert_false (zim_store_pull (store, "m", fixture->server->base, NULL, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_MISSING_TENSOR, missing);
  g_assert_false (zim_store_pull (store, "hf.co/owner/model", fixture->server->base, NULL, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_MISSING_TENSOR, missing);
  fixture->server->source = world.source;
  fixture->server->origin = world.origin;
  fixture->server->listing = world.listing;

  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (store)), ==, 1);
  kept = zim_open_checkpoint (fixture->root, name, NULL, &error);
  g_assert_no_error (error);
  assert_same_tensors (&world.config, world.checkpoint, kept);
}

int
main (int    argc,
      char **argv)
{
  static const char *const proxies[] = {
    "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
  };
  gpointer hub = GINT_TO_POINTER (1);
  g_autofree char *home = g_dir_make_tmp ("zimage-home-XXXXXX", NULL);
  int status;

  /* Neither the user's keys nor his proxies are ours. */
  g_setenv ("HOME", home, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (proxies); i++)
    g_unsetenv (proxies[i]);
  g_test_init (&argc, &argv, NULL);
  world_init ();

#define ADD(path, data, func) g_test_add (path, Fixture, data, fixture_init, func, fixture_clear)
  ADD ("/pull/registry", NULL, test_pull);
  ADD ("/pull/registry/recovers", NULL, test_recovers);
  ADD ("/pull/registry/gives-up", NULL, test_gives_up);
  ADD ("/pull/registry/statuses", NULL, test_statuses);
  ADD ("/pull/registry/token", NULL, test_token);
  ADD ("/pull/registry/handshake", NULL, test_handshake);
  ADD ("/pull/registry/own-token", NULL, test_own_token);
  ADD ("/pull/registry/given-token", NULL, test_given_token);
  ADD ("/pull/registry/password", NULL, test_password);
  ADD ("/pull/registry/bad-doors", NULL, test_bad_doors);
  ADD ("/pull/registry/key", NULL, test_key);
  ADD ("/pull/registry/bad-keys", NULL, test_bad_keys);
  ADD ("/pull/registry/retry-after", NULL, test_retry_after);
  ADD ("/pull/registry/proxy", NULL, test_proxy);
  ADD ("/pull/registry/lies", NULL, test_lies);
  ADD ("/pull/registry/resume", NULL, test_resume);
  ADD ("/pull/registry/together", NULL, test_together);
  ADD ("/pull/hub", hub, test_pull);
  ADD ("/pull/hub/recovers", hub, test_recovers);
  ADD ("/pull/hub/gives-up", hub, test_gives_up);
  ADD ("/pull/hub/statuses", hub, test_statuses);
  ADD ("/pull/hub/token", hub, test_token);
  ADD ("/pull/hub/no-digests", NULL, test_no_digests);
  ADD ("/pull/hub/lies", NULL, test_hub_lies);
  ADD ("/pull/hub/names", NULL, test_hub_names);
  ADD ("/pull/hub/together", hub, test_together);
  ADD ("/pull/hub/narrowed", NULL, test_narrowed);
  ADD ("/pull/hub/resume", hub, test_resume);
  ADD ("/pull/store", NULL, test_store);
  ADD ("/pull/incomplete", NULL, test_incomplete);
#undef ADD

  status = g_test_run ();
  world_clear ();
  return status;
}
