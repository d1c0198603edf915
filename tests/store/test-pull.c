/* test-pull.c: models from servers that speak both protocols and misbehave
 *
 * The servers are in this process, on the loopback interface; nothing leaves the machine.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gstdio.h>
#include <libsoup/soup.h>

#include "formats-util.h"
#include "store/zim-blobs-private.h"
#include "store/zim-create-private.h"
#include "store/zim-open-private.h"
#include "store/zim-pull-private.h"
#include "store/zim-tags-private.h"
#include "store/zim-upkeep-private.h"
#include "zim-error.h"
#include "zim-store.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

/* What is wrong with the server. */
typedef enum {
  WELL,
  CUT,         /* connections end in the middle of large answers */
  NO_RANGES,
  CUT_NO_RANGES,
  UNAVAILABLE, /* 503 */
  TOO_MANY,    /* 429, with a Retry-After */
  STALLED,     /* nothing comes */
  WRONG,       /* one byte of every blob is another */
  SHORT,       /* blobs are shorter than their manifest says */
  REDIRECT,    /* to another host, where everything is */
  CIRCLE,      /* redirects to itself */
} Fault;

typedef struct
{
  Folder         folder;
  char          *root;     /* the store that is filled */
  char          *origin;   /* the store that the server has */
  char          *source;   /* the folder that the server has */
  ZimConfig      config;
  ZimCheckpoint *checkpoint;

  SoupServer    *server;
  GThread       *thread;
  GMainContext  *context;
  GMainLoop     *loop;
  char          *base;     /* http://127.0.0.1:PORT */
  char          *other;    /* the same with another name */
  int            fault;    /* atomic */
  int            n_faults; /* atomic: requests that are still to go wrong */
  int            n_blobs;  /* atomic: answers that were blobs or files of weights */
  int            status;   /* atomic: for every request, if not 0 */
  int            n_leaked; /* atomic: tokens that came to the other host */
  int            n_tokens; /* atomic: and to the right one */
} Fixture;

static void
send_file (Fixture           *fixture,
           SoupServerMessage *message,
           const char        *path,
           gboolean           is_blob)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  int fault = g_atomic_int_get (&fixture->fault);
  char *contents;
  gsize size;

  if (!g_file_get_contents (path, &contents, &size, NULL))
    {
      soup_server_message_set_status (message, 404, NULL);
      return;
    }
  if (is_blob)
    g_atomic_int_inc (&fixture->n_blobs);
  if (is_blob && fault == WRONG && size > 0)
    contents[size - 1] ^= 1;
  if (is_blob && fault == SHORT && size > 0)
    size--;
  /* libsoup's server cannot answer for a range behind the end, either. */
  if (fault == NO_RANGES || fault == CUT_NO_RANGES || fault == SHORT)
    soup_message_headers_remove (headers, "Range");
  soup_server_message_set_status (message, 200, NULL);
  soup_server_message_set_response (message, "application/octet-stream", SOUP_MEMORY_TAKE, contents, size);
}

/* “/v2/library/m/blobs/sha256:…” and “…/manifests/latest”, or those of the hub. */
static void
serve (Fixture           *fixture,
       SoupServerMessage *message,
       const char        *path)
{
  const char *resolve = strstr (path, "/resolve/" COMMIT "/");
  const char *blob = strstr (path, "/blobs/sha256:");
  g_autofree char *file = NULL;

  if (g_str_has_prefix (path, "/api/models/owner/model/revision/main") || g_str_has_prefix (path, "/api/models/Tongyi"))
    file = g_build_filename (fixture->folder.path, "listing.json", NULL);
  else if (resolve != NULL)
    file = g_build_filename (fixture->source, resolve + strlen ("/resolve/" COMMIT "/"), NULL);
  else if (blob != NULL)
    file = zim_blobs_get_path (fixture->origin, blob + strlen ("/blobs/sha256:"));
  else if (g_str_has_suffix (path, "/m/manifests/latest"))
    file = g_build_filename (fixture->origin, "manifests-v2/ollama.com/library/m/latest", NULL);
  else
    file = g_strdup ("/nonexistent");
  send_file (fixture, message, file, blob != NULL || g_str_has_suffix (path, ".safetensors"));
}

static void
cut_cb (SoupServerMessage *message,
        guint              n_bytes,
        gpointer           data)
{
  g_socket_shutdown (soup_server_message_get_socket (message), TRUE, TRUE, NULL);
}

/* Whether this request is one of those that go wrong. */
static gboolean
take_fault (Fixture *fixture)
{
  return g_atomic_int_add (&fixture->n_faults, -1) > 0;
}

static void
request_cb (SoupServer        *server,
            SoupServerMessage *message,
            const char        *path,
            GHashTable        *query,
            gpointer           data)
{
  Fixture *fixture = data;
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  const char *host = soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Host");
  const char *token = soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Authorization");
  gboolean is_other = g_str_has_prefix (host, "localhost");
  int fault = g_atomic_int_get (&fixture->fault);
  g_autofree char *target = g_strconcat (fault == CIRCLE ? fixture->base : fixture->other, path, NULL);

  if (token != NULL)
    g_atomic_int_inc (is_other ? &fixture->n_leaked : &fixture->n_tokens);
  if (g_atomic_int_get (&fixture->status) != 0)
    {
      soup_server_message_set_status (message, (guint) g_atomic_int_get (&fixture->status), NULL);
      return;
    }
  if (fault == CIRCLE || (fault == REDIRECT && !is_other))
    {
      soup_server_message_set_redirect (message, 302, target);
      return;
    }
  if ((fault == UNAVAILABLE || fault == TOO_MANY) && take_fault (fixture))
    {
      soup_message_headers_replace (headers, "Retry-After", "0");
      soup_server_message_set_status (message, fault == TOO_MANY ? 429 : 503, NULL);
      return;
    }
  if (fault == STALLED && take_fault (fixture))
    {
      soup_server_message_pause (message);
      return;
    }
  if ((fault == CUT || fault == CUT_NO_RANGES) && take_fault (fixture))
    g_signal_connect (message, "wrote-body-data", G_CALLBACK (cut_cb), NULL);
  serve (fixture, message, path);
}

static gpointer
run_server (gpointer data)
{
  Fixture *fixture = data;

  g_main_context_push_thread_default (fixture->context);
  g_main_loop_run (fixture->loop);
  g_main_context_pop_thread_default (fixture->context);
  return NULL;
}

static void
start_server (Fixture *fixture)
{
  GError *error = NULL;
  GSList *uris;
  int port;

  fixture->context = g_main_context_new ();
  fixture->loop = g_main_loop_new (fixture->context, FALSE);
  g_main_context_push_thread_default (fixture->context);
  fixture->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (fixture->server, NULL, request_cb, fixture, NULL);
  soup_server_listen_local (fixture->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (fixture->server);
  port = g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  g_main_context_pop_thread_default (fixture->context);
  fixture->base = g_strdup_printf ("http://127.0.0.1:%d", port);
  fixture->other = g_strdup_printf ("http://localhost:%d", port);
  fixture->thread = g_thread_new ("server", run_server, fixture);
}

/* What the hub says that the repository has. */
static void
write_listing (Fixture *fixture)
{
  static const char *const names[] = {
    "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "text_encoder/model.safetensors",
    "tokenizer/tokenizer.json", "transformer/config.json", "transformer/diffusion_pytorch_model.safetensors",
    "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "zimage.json", "README.md", "../../../etc/passwd",
  };
  g_autoptr(GString) json = g_string_new ("{\"sha\":\"" COMMIT "\",\"siblings\":[");

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_string_append_printf (json, "%s{\"rfilename\":\"%s\"}", i > 0 ? "," : "", names[i]);
  g_string_append (json, "]}");
  folder_write (&fixture->folder, "listing.json", json->str, -1);
}

static void
fixture_init (Fixture       *fixture,
              gconstpointer  data)
{
  g_autofree char *tokenizer = g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", "bytes.json", NULL);
  g_autofree char *contents = NULL;
  g_autoptr(ZimStoreName) name = zim_store_name_parse ("m", NULL);
  g_autoptr(ZimCheckpoint) source = NULL;
  const ZimReport report = { NULL };
  GError *error = NULL;

  folder_init (&fixture->folder, NULL);
  fixture->root = folder_file (&fixture->folder, "store");
  fixture->origin = folder_file (&fixture->folder, "origin");
  fixture->source = folder_file (&fixture->folder, "source");
  tiny_config_init (&fixture->config);
  fixture->checkpoint = tiny_checkpoint_new (&fixture->config, ZIM_DTYPE_BF16);
  zim_checkpoint_write_folder (fixture->checkpoint, fixture->source, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (tokenizer, &contents, NULL, NULL));
  folder_write (&fixture->folder, "source/tokenizer/tokenizer.json", contents, -1);
  source = zim_checkpoint_open_folder (fixture->source, NULL, &error);
  g_assert_no_error (error);
  zim_create (fixture->origin, name, source, &report, NULL, &error);
  g_assert_no_error (error);
  write_listing (fixture);
  start_server (fixture);
}

static void
fixture_clear (Fixture       *fixture,
               gconstpointer  data)
{
  g_main_loop_quit (fixture->loop);
  g_thread_join (fixture->thread);
  soup_server_disconnect (fixture->server);
  g_object_unref (fixture->server);
  g_main_loop_unref (fixture->loop);
  g_main_context_unref (fixture->context);
  zim_checkpoint_unref (fixture->checkpoint);
  zim_config_clear (&fixture->config);
  g_free (fixture->root);
  g_free (fixture->origin);
  g_free (fixture->source);
  g_free (fixture->base);
  g_free (fixture->other);
  folder_clear (&fixture->folder, NULL);
}

static ZimServer *
make_server (Fixture    *fixture,
             const char *token)
{
  ZimServer *server = zim_server_new (fixture->base, token);

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
    return zim_pull_hub (fixture->root, name, "owner/model", "main", server, &report, cancellable, error);
  return zim_pull_registry (fixture->root, name, server, &report, cancellable, error);
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
  assert_same_tensors (&fixture->config, fixture->checkpoint, opened);
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
  n_blobs = g_atomic_int_get (&fixture->n_blobs);
  g_assert_cmpint (n_blobs, >, 100);

  /* What is there is not fetched again. */
  if (from_hub == NULL)
    {
      g_assert_true (pull (fixture, FALSE, NULL, NULL, &error));
      g_assert_cmpint (g_atomic_int_get (&fixture->n_blobs), ==, n_blobs);
    }
}

/* Faults that pass. */
static void
test_recovers (Fixture       *fixture,
               gconstpointer  from_hub)
{
  static const struct { Fault fault; int n; } faults[] = {
    { CUT, 20 }, { UNAVAILABLE, 5 }, { TOO_MANY, 5 }, { STALLED, 1 }, { REDIRECT, 0 }, { NO_RANGES, 0 },
    { CUT_NO_RANGES, 5 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autoptr(ZimStoreName) name = zim_store_name_parse (from_hub != NULL ? "hf.co/owner/model" : "m", NULL);
      GError *error = NULL;

      g_test_message ("fault %d", faults[i].fault);
      g_atomic_int_set (&fixture->fault, faults[i].fault);
      g_atomic_int_set (&fixture->n_faults, faults[i].n);
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
  static const struct { Fault fault; const char *message; } faults[] = {
    { UNAVAILABLE, "The server answers 503" },
    { TOO_MANY, "too many requests from here (429). Try again later" },
    { CIRCLE, "redirects too often" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      GError *error = NULL;

      g_atomic_int_set (&fixture->fault, faults[i].fault);
      g_atomic_int_set (&fixture->n_faults, G_MAXINT);
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

      g_atomic_int_set (&fixture->status, cases[i].status);
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

  g_atomic_int_set (&fixture->fault, REDIRECT);
  g_assert_true (pull (fixture, from_hub != NULL, "secret", NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_atomic_int_get (&fixture->n_tokens), >, 100);
  g_assert_cmpint (g_atomic_int_get (&fixture->n_leaked), ==, 0);
}

static void
test_lies (Fixture       *fixture,
           gconstpointer  data)
{
  GError *error = NULL;

  g_atomic_int_set (&fixture->fault, WRONG);
  g_assert_false (pull (fixture, FALSE, NULL, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_BAD_FILE, "the digest of its contents is sha256:");
  assert_nothing (fixture);

  g_atomic_int_set (&fixture->fault, SHORT);
  g_assert_false (pull (fixture, FALSE, NULL, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT);
  g_clear_error (&error);
  assert_nothing (fixture);

  g_atomic_int_set (&fixture->fault, WELL);
  g_assert_true (pull (fixture, FALSE, NULL, NULL, &error));
  g_assert_no_error (error);
  assert_model (fixture, "m");
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
  before = g_atomic_int_get (&fixture->n_blobs);
  g_assert_true (pull (fixture, from_hub != NULL, NULL, NULL, &error));
  g_assert_no_error (error);
  assert_model (fixture, from_hub != NULL ? "hf.co/owner/model" : "m");

  /* Both together asked for little more than one alone does. */
  after = g_atomic_int_get (&fixture->n_blobs);
  g_atomic_int_set (&fixture->n_blobs, 0);
  {
    g_autoptr(ZimStoreName) name = zim_store_name_parse (from_hub != NULL ? "hf.co/owner/model" : "m", NULL);

    g_assert_true (zim_remove (fixture->root, name, NULL));
  }
  g_assert_true (pull (fixture, from_hub != NULL, NULL, NULL, &error));
  g_assert_cmpint (before, >, 1);
  g_assert_cmpint (after, <=, g_atomic_int_get (&fixture->n_blobs) + 12);
}

/* Through the public call, by a name that is known. */
static void
test_store (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr(ZimStore) store = zim_store_new (fixture->root);
  GError *error = NULL;

  g_assert_true (zim_store_pull (store, "z-image-turbo", fixture->base, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (zim_store_pull (store, "m", fixture->base, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (store)), ==, 2);
  assert_model (fixture, "z-image-turbo");
  g_assert_false (zim_store_pull (store, "other", fixture->base, NULL, NULL, &error));
  assert_and_clear_error (&error, ZIM_ERROR_NOT_FOUND, "(404)");
  g_assert_false (zim_store_pull (store, "m", "nonsense", NULL, NULL, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
}

int
main (int    argc,
      char **argv)
{
  gpointer hub = GINT_TO_POINTER (1);

  g_test_init (&argc, &argv, NULL);

#define ADD(path, data, func) g_test_add (path, Fixture, data, fixture_init, func, fixture_clear)
  ADD ("/pull/registry", NULL, test_pull);
  ADD ("/pull/registry/recovers", NULL, test_recovers);
  ADD ("/pull/registry/gives-up", NULL, test_gives_up);
  ADD ("/pull/registry/statuses", NULL, test_statuses);
  ADD ("/pull/registry/token", NULL, test_token);
  ADD ("/pull/registry/lies", NULL, test_lies);
  ADD ("/pull/registry/resume", NULL, test_resume);
  ADD ("/pull/hub", hub, test_pull);
  ADD ("/pull/hub/recovers", hub, test_recovers);
  ADD ("/pull/hub/gives-up", hub, test_gives_up);
  ADD ("/pull/hub/statuses", hub, test_statuses);
  ADD ("/pull/hub/token", hub, test_token);
  ADD ("/pull/hub/resume", hub, test_resume);
  ADD ("/pull/store", NULL, test_store);
#undef ADD

  return g_test_run ();
}
