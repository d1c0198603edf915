/* server-guard.c: who may ask for what
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* A browser on this machine shows pages of strangers. Such a page can send requests here, and with a name of its own
 * that it lets point to 127.0.0.1 it could even read the answers. The first is told by the Origin header, which has to
 * be this server's, the second by the Host header, which has to be an address or a name that we know. */

#include "config.h"

#include "server-guard.h"

#include <glib/gi18n.h>
#include <string.h>
#include <zimage.h>

#include "server-error.h"

#define DISCARD_MAX (64 * (gsize) SERVER_BODY_MAX) /* bytes that are read for the sake of a polite answer */
#define BEARER "Bearer "

/* Notes on a message. */
#define KNOWN_KEY "zimage-known-key"
#define TOO_LARGE "zimage-too-large"

struct _ServerGuard
{
  GPtrArray *hosts;
  GPtrArray *origins;
  GPtrArray *keys; /* hexadecimal SHA-256; NULL if none is needed */
};

ServerGuard *
server_guard_new (const char *const *hosts,
                  const char *const *origins)
{
  ServerGuard *self = g_new0 (ServerGuard, 1);

  self->hosts = g_ptr_array_new_with_free_func (g_free);
  self->origins = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; hosts != NULL && hosts[i] != NULL; i++)
    g_ptr_array_add (self->hosts, g_strdup (hosts[i]));
  for (guint i = 0; origins != NULL && origins[i] != NULL; i++)
    g_ptr_array_add (self->origins, g_strdup (origins[i]));
  return self;
}

void
server_guard_free (ServerGuard *self)
{
  g_ptr_array_unref (self->hosts);
  g_ptr_array_unref (self->origins);
  g_clear_pointer (&self->keys, g_ptr_array_unref);
  g_free (self);
}

void
server_guard_add_host (ServerGuard *self,
                       const char  *host)
{
  g_ptr_array_add (self->hosts, g_strdup (host));
}

/* --- Keys ------------------------------------------------------------------------------------------ */

gboolean
server_guard_read_keys (ServerGuard  *self,
                        const char   *path,
                        GError      **error)
{
  g_autofree char *contents = NULL;
  g_auto(GStrv) lines = NULL;

  if (!g_file_get_contents (path, &contents, NULL, error))
    return FALSE;

  self->keys = g_ptr_array_new_with_free_func (g_free);
  lines = g_strsplit (contents, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (*g_strstrip (lines[i]) != '\0' && *lines[i] != '#')
      g_ptr_array_add (self->keys, g_compute_checksum_for_string (G_CHECKSUM_SHA256, lines[i], -1));
  if (self->keys->len > 0)
    return TRUE;

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("“%s” has no key, expected one to a line"), path);
  return FALSE;
}

gboolean
server_guard_has_keys (ServerGuard *self)
{
  return self->keys != NULL;
}

static const char *
get_header (SoupServerMessage *message,
            const char        *name)
{
  return soup_message_headers_get_one (soup_server_message_get_request_headers (message), name);
}

/* (nullable) */
static const char *
get_key (SoupServerMessage *message)
{
  const char *header = get_header (message, "Authorization");

  if (header == NULL || g_ascii_strncasecmp (header, BEARER, strlen (BEARER)) != 0)
    return NULL;
  return header + strlen (BEARER);
}

/* Takes the same time wherever they differ; what is compared are digests of one length. */
static gboolean
is_same_digest (const char *a,
                const char *b)
{
  guint difference = 0;

  for (guint i = 0; i < 64; i++)
    difference |= (guint) (a[i] ^ b[i]);
  return difference == 0;
}

gboolean
server_guard_check_key (ServerGuard        *self,
                        SoupServerMessage  *message,
                        GError            **error)
{
  const char *key = get_key (message);
  g_autofree char *digest = NULL;
  gboolean is_known = FALSE;

  if (self->keys == NULL)
    return TRUE;

  digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, key != NULL ? key : "", -1);
  for (guint i = 0; i < self->keys->len; i++)
    is_known |= is_same_digest (self->keys->pdata[i], digest);
  if (key != NULL && is_known)
    {
      g_object_set_data (G_OBJECT (message), KNOWN_KEY, (gpointer) KNOWN_KEY);
      return TRUE;
    }

  soup_message_headers_replace (soup_server_message_get_response_headers (message), "WWW-Authenticate", "Bearer");
  g_set_error_literal (error, SERVER_ERROR, 401,
                       key == NULL ? _("An API key is needed: Authorization: Bearer KEY") : _("The API key is wrong"));
  return FALSE;
}

char *
server_guard_get_client (SoupServerMessage *message)
{
  const char *key = get_key (message);
  const char *host = soup_server_message_get_remote_host (message);
  g_autofree char *digest = NULL;

  /* Keys that nobody checks make no difference: whoever sends another each time would be many. */
  if (key == NULL || g_object_get_data (G_OBJECT (message), KNOWN_KEY) == NULL)
    return g_strdup (host != NULL ? host : "?");

  digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, key, -1);
  digest[8] = '\0';
  return g_strconcat ("key-", digest, NULL);
}

/* --- Hosts and origins ----------------------------------------------------------------------------- */

char *
server_guard_get_base (SoupServerMessage *message)
{
  GUri *uri = soup_server_message_get_uri (message);
  const char *scheme = g_uri_get_scheme (uri);
  const char *host = g_uri_get_host (uri);
  int port = g_uri_get_port (uri);
  gboolean is_numeric = strchr (host, ':') != NULL;
  g_autoptr(GString) base = g_string_new (NULL);

  g_string_printf (base, "%s://%s%s%s", scheme, is_numeric ? "[" : "", host, is_numeric ? "]" : "");
  if (port > 0 && port != (g_str_equal (scheme, "https") ? 443 : 80))
    g_string_append_printf (base, ":%d", port);
  return g_string_free (g_steal_pointer (&base), FALSE);
}

static gboolean
is_known_name (ServerGuard *self,
               const char  *name)
{
  if (g_hostname_is_ip_address (name) || g_ascii_strcasecmp (name, "localhost") == 0)
    return TRUE;
  for (guint i = 0; i < self->hosts->len; i++)
    if (g_ascii_strcasecmp (name, self->hosts->pdata[i]) == 0)
      return TRUE;

  return FALSE;
}

static gboolean
is_listed_origin (ServerGuard *self,
                  const char  *origin)
{
  for (guint i = 0; i < self->origins->len; i++)
    if (g_ascii_strcasecmp (origin, self->origins->pdata[i]) == 0 || g_str_equal (self->origins->pdata[i], "*"))
      return TRUE;

  return FALSE;
}

static gboolean
is_own_origin (SoupServerMessage *message,
               const char        *origin)
{
  g_autofree char *own = server_guard_get_base (message);

  return g_ascii_strcasecmp (own, origin) == 0;
}

static void
allow_origin (SoupServerMessage *message,
              const char        *origin)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  soup_message_headers_replace (headers, "Access-Control-Allow-Origin", origin);
  soup_message_headers_replace (headers, "Access-Control-Allow-Methods", "GET, POST, DELETE");
  soup_message_headers_replace (headers, "Access-Control-Allow-Headers", "Authorization, Content-Type");
  soup_message_headers_replace (headers, "Access-Control-Max-Age", "600");
  soup_message_headers_append (headers, "Vary", "Origin");
}

gboolean
server_guard_check_origin (ServerGuard        *self,
                           SoupServerMessage  *message,
                           GError            **error)
{
  const char *origin = get_header (message, "Origin");
  const char *name = g_uri_get_host (soup_server_message_get_uri (message));

  if (name == NULL || !is_known_name (self, name))
    {
      g_set_error (error, SERVER_ERROR, 403, _("This server is not called “%.200s”; --allow-host would make it so"),
                   name != NULL ? name : "");
      return FALSE;
    }
  if (origin == NULL || is_own_origin (message, origin))
    return TRUE;
  if (!is_listed_origin (self, origin))
    {
      g_set_error (error, SERVER_ERROR, 403,
                   _("Pages of “%.200s” may not use this server; --allow-origin would let them"), origin);
      return FALSE;
    }

  allow_origin (message, origin);
  return TRUE;
}

/* --- Sizes ----------------------------------------------------------------------------------------- */

static void
got_chunk_cb (SoupServerMessage *message,
              GBytes            *chunk,
              gpointer           data)
{
  gsize *n_bytes = data;

  *n_bytes += g_bytes_get_size (chunk);
  if (*n_bytes > SERVER_BODY_MAX)
    {
      SoupMessageBody *body = soup_server_message_get_request_body (message);

      soup_message_body_set_accumulate (body, FALSE);
      soup_message_body_truncate (body);
      g_object_set_data (G_OBJECT (message), TOO_LARGE, (gpointer) TOO_LARGE);
    }
  if (*n_bytes > DISCARD_MAX)
    g_socket_shutdown (soup_server_message_get_socket (message), TRUE, TRUE, NULL);
}

static void
free_count (gpointer  data,
            GClosure *closure)
{
  g_free (data);
}

void
server_guard_limit_body (SoupServerMessage *message)
{
  goffset length = soup_message_headers_get_content_length (soup_server_message_get_request_headers (message));

  if (length > SERVER_BODY_MAX)
    soup_message_body_set_accumulate (soup_server_message_get_request_body (message), FALSE);
  g_signal_connect_data (message, "got-chunk", G_CALLBACK (got_chunk_cb), g_new0 (gsize, 1), free_count, 0);
}

gboolean
server_guard_check_body (SoupServerMessage  *message,
                         GError            **error)
{
  goffset length = soup_message_headers_get_content_length (soup_server_message_get_request_headers (message));

  if (length <= SERVER_BODY_MAX && g_object_get_data (G_OBJECT (message), TOO_LARGE) == NULL)
    return TRUE;
  g_set_error (error, SERVER_ERROR, 413, _("The request has more than %d bytes"), SERVER_BODY_MAX);
  return FALSE;
}
