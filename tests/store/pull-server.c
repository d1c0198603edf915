/* pull-server.c: a server that speaks the protocols of registries and of Hugging Face, and misbehaves
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "pull-server.h"

#include "store/zim-blobs-private.h"

/* Answering */

static GBytes *
get_file (PullServer *self,
          const char *path)
{
  GBytes *bytes = g_hash_table_lookup (self->files, path);
  g_autoptr(GMappedFile) file = NULL;

  if (bytes != NULL)
    return bytes;
  file = g_mapped_file_new (path, FALSE, NULL);
  if (file == NULL)
    return NULL;
  bytes = g_mapped_file_get_bytes (file);
  g_hash_table_insert (self->files, g_strdup (path), bytes);
  return bytes;
}

/* The file or a piece of it, without what libsoup would do: to copy all of it for every piece. */
static void
send_bytes (SoupServerMessage *message,
            GBytes            *bytes,
            gboolean           ranges)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  goffset size = (goffset) g_bytes_get_size (bytes);
  SoupRange *range = NULL;
  int n_ranges = 0;
  g_autoptr(GBytes) piece = NULL;

  if (ranges)
    soup_message_headers_get_ranges (soup_server_message_get_request_headers (message), size, &range, &n_ranges);
  if (n_ranges == 1)
    {
      piece = g_bytes_new_from_bytes (bytes, (gsize) range->start, (gsize) (range->end - range->start + 1));
      soup_message_headers_set_content_range (headers, range->start, range->end, size);
      soup_message_headers_free_ranges (soup_server_message_get_request_headers (message), range);
    }
  soup_server_message_set_status (message, n_ranges == 1 ? 206 : 200, NULL);
  /* A second range of libsoup's own would be one of the piece. */
  soup_message_headers_remove (soup_server_message_get_request_headers (message), "Range");
  soup_message_headers_set_content_type (headers, "application/octet-stream", NULL);
  soup_message_body_append_bytes (soup_server_message_get_response_body (message), piece != NULL ? piece : bytes);
}

static void
send_file (PullServer        *self,
           SoupServerMessage *message,
           const char        *path,
           gboolean           is_blob)
{
  int fault = g_atomic_int_get (&self->fault);
  GBytes *bytes = get_file (self, path);
  gsize size = bytes != NULL ? g_bytes_get_size (bytes) : 0;
  g_autoptr(GBytes) other = NULL;

  if (bytes == NULL)
    {
      soup_server_message_set_status (message, 404, NULL);
      return;
    }
  if (is_blob)
    g_atomic_int_inc (&self->n_blobs);
  if (is_blob && fault == PULL_WRONG && size > 0)
    {
      guint8 *copy = g_memdup2 (g_bytes_get_data (bytes, NULL), size);

      copy[size - 1] ^= 1;
      bytes = other = g_bytes_new_take (copy, size);
    }
  if (is_blob && fault == PULL_SHORT && size > 0)
    bytes = other = g_bytes_new_from_bytes (bytes, 0, size - 1);
  /* A range behind the end is nothing that a server can answer. */
  send_bytes (message, bytes, fault != PULL_NO_RANGES && fault != PULL_CUT_NO_RANGES && fault != PULL_SHORT);
}

/* “/v2/library/m/blobs/sha256:…” and “…/manifests/latest”, or those of the hub. */
static void
serve (PullServer        *self,
       SoupServerMessage *message,
       const char        *path)
{
  const char *resolve = strstr (path, "/resolve/" PULL_COMMIT "/");
  const char *blob = strstr (path, "/blobs/sha256:");
  g_autofree char *file = NULL;

  if (g_str_has_prefix (path, "/api/models/owner/model/revision/main") ||
      g_str_has_prefix (path, "/api/models/Tongyi-MAI/Z-Image"))
    file = g_strdup (self->listing);
  else if (resolve != NULL)
    file = g_build_filename (self->source, resolve + strlen ("/resolve/" PULL_COMMIT "/"), NULL);
  else if (blob != NULL)
    file = zim_blobs_get_path (self->origin, blob + strlen ("/blobs/sha256:"));
  else if (g_str_has_suffix (path, "/m/manifests/latest"))
    file = g_build_filename (self->origin, "manifests-v2/ollama.com/library/m/latest", NULL);
  else
    file = g_strdup ("/nonexistent");
  send_file (self, message, file, blob != NULL || g_str_has_suffix (path, ".safetensors"));
}

/* Tokens */

static void
grant (PullServer        *self,
       SoupServerMessage *message,
       const char        *proof)
{
  g_autofree char *text = g_strdup (self->answer);
  int n = g_atomic_int_add (&self->n_granted, 1) + 1;

  g_mutex_lock (&self->lock);
  g_free (self->proof);
  g_free (self->asked);
  self->proof = g_strdup (proof);
  self->asked = g_uri_to_string (soup_server_message_get_uri (message));
  g_mutex_unlock (&self->lock);

  self->n_used = 0;
  /* Docker's and others' call it differently. */
  if (text == NULL)
    text = g_strdup_printf ("{\"%s\":\"granted-%d\",\"expires_in\":60}", n % 2 == 1 ? "token" : "access_token", n);
  soup_server_message_set_status (message, 200, NULL);
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_COPY, text, strlen (text));
}

static gboolean
may_enter (PullServer *self,
           const char *authorization)
{
  int n_uses = g_atomic_int_get (&self->n_uses);
  g_autofree char *expected = g_strdup_printf ("Bearer granted-%d", g_atomic_int_get (&self->n_granted));

  switch (g_atomic_int_get (&self->door))
    {
    case PULL_OPEN:
      return TRUE;
    case PULL_BASIC:
      return g_strcmp0 (authorization, "Basic bWU6c2VjcmV0") == 0; /* me:secret */
    default:
      return g_strcmp0 (authorization, expected) == 0 && (n_uses == 0 || self->n_used++ < n_uses);
    }
}

static void
refuse (PullServer        *self,
        SoupServerMessage *message)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  int door = g_atomic_int_get (&self->door);
  g_autofree char *text = g_strdup_printf ("Bearer realm=\"%s/token\",service=\"a registry\","
                                           "scope=\"repository:library/m:pull repository:x:pull\"",
                                           door == PULL_CHALLENGE_OTHER ? self->other : self->base);

  if (door == PULL_CHALLENGE_NONE)
    soup_message_headers_replace (headers, "WWW-Authenticate", "Bearer realm=\"file:///etc/passwd\"");
  else
    soup_message_headers_replace (headers, "WWW-Authenticate", door == PULL_BASIC ? "Basic realm=\"x\"" : text);
  soup_server_message_set_status (message, 401, NULL);
}

/* Requests */

static void
cut_cb (SoupServerMessage *message,
        guint              n_bytes,
        gpointer           data)
{
  g_socket_shutdown (soup_server_message_get_socket (message), TRUE, TRUE, NULL);
}

/* Whether this request is one of those that go wrong. */
static gboolean
take_fault (PullServer *self)
{
  return g_atomic_int_add (&self->n_faults, -1) > 0;
}

/* Whether there is nothing more to say. */
static gboolean
misbehave (PullServer        *self,
           SoupServerMessage *message,
           const char        *path,
           gboolean           is_other)
{
  int fault = g_atomic_int_get (&self->fault);
  g_autofree char *target = g_strconcat (fault == PULL_CIRCLE ? self->base : self->other, path, NULL);

  if (g_atomic_int_get (&self->status) != 0)
    {
      soup_server_message_set_status (message, (guint) g_atomic_int_get (&self->status), NULL);
      return TRUE;
    }
  if (fault == PULL_CIRCLE || (fault == PULL_REDIRECT && !is_other))
    {
      soup_server_message_set_redirect (message, 302, target);
      return TRUE;
    }
  if ((fault == PULL_UNAVAILABLE || fault == PULL_TOO_MANY) && take_fault (self))
    {
      if (self->retry_after != NULL)
        soup_message_headers_replace (soup_server_message_get_response_headers (message), "Retry-After",
                                      self->retry_after);
      soup_server_message_set_status (message, fault == PULL_TOO_MANY ? 429 : 503, NULL);
      return TRUE;
    }
  if (fault == PULL_STALLED && take_fault (self))
    {
      soup_server_message_pause (message);
      return TRUE;
    }
  if ((fault == PULL_CUT || fault == PULL_CUT_NO_RANGES) && take_fault (self))
    g_signal_connect (message, "wrote-body-data", G_CALLBACK (cut_cb), NULL);
  return FALSE;
}

static void
request_cb (SoupServer        *server,
            SoupServerMessage *message,
            const char        *path,
            GHashTable        *query,
            gpointer           data)
{
  PullServer *self = data;
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  const char *host = soup_message_headers_get_one (headers, "Host");
  const char *authorization = soup_message_headers_get_one (headers, "Authorization");
  gboolean is_other = g_str_has_prefix (host, "localhost");

  if (g_str_has_prefix (host, "models.invalid"))
    g_atomic_int_inc (&self->n_proxied);
  if (authorization != NULL)
    g_atomic_int_inc (is_other ? &self->n_leaked : &self->n_tokens);
  if (strcmp (path, "/token") == 0)
    grant (self, message, authorization);
  else if (!is_other && !may_enter (self, authorization))
    refuse (self, message);
  else if (!misbehave (self, message, path, is_other))
    serve (self, message, path);
}

/* Starting and ending */

static gpointer
run (gpointer data)
{
  PullServer *self = data;

  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

PullServer *
pull_server_new (const char *source,
                 const char *origin,
                 const char *listing)
{
  PullServer *self = g_new0 (PullServer, 1);
  GError *error = NULL;
  GSList *uris;
  int port;

  self->source = source;
  self->origin = origin;
  self->listing = listing;
  self->files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  g_mutex_init (&self->lock);
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  g_main_context_push_thread_default (self->context);
  self->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (self->server, NULL, request_cb, self, NULL);
  soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (self->server);
  port = g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  g_main_context_pop_thread_default (self->context);
  self->base = g_strdup_printf ("http://127.0.0.1:%d", port);
  self->other = g_strdup_printf ("http://localhost:%d", port);
  self->thread = g_thread_new ("server", run, self);
  return self;
}

void
pull_server_free (PullServer *self)
{
  g_main_loop_quit (self->loop);
  g_thread_join (self->thread);
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_hash_table_unref (self->files);
  g_mutex_clear (&self->lock);
  g_free (self->proof);
  g_free (self->asked);
  g_free (self->base);
  g_free (self->other);
  g_free (self);
}

void
pull_server_heal (PullServer *self)
{
  int *const counters[] = {
    &self->fault, &self->n_faults, &self->status, &self->door, &self->n_uses, &self->n_blobs, &self->n_tokens,
    &self->n_leaked, &self->n_granted, &self->n_proxied,
  };

  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    g_atomic_int_set (counters[i], 0);
  self->retry_after = NULL;
  self->answer = NULL;
}
