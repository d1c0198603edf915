/* zim-http.c: asking a server: connections, proxies, redirects, refusals
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-http-internal.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define MAX_REDIRECTS 10
#define TOO_MANY_REQUESTS 429 /* libsoup has no name for it */

ZimServer *
zim_server_new (const char *base,
                const char *token)
{
  ZimServer *self = g_new0 (ZimServer, 1);
  gsize length = strlen (base);

  while (length > 0 && base[length - 1] == '/')
    length--;
  self->base = g_strndup (base, length);
  self->token = token != NULL && *token != '\0' ? g_strdup (token) : NULL;
  self->pause = 500;
  self->stall = 30;
  g_mutex_init (&self->lock);
  return self;
}

void
zim_server_free (ZimServer *self)
{
  g_mutex_clear (&self->lock);
  g_free (self->base);
  g_free (self->token);
  g_free (self->granted);
  g_free (self);
}

/* Sessions */

static const char *
get_variable (const char *lower,
              const char *upper)
{
  const char *value = g_getenv (lower);

  if (value == NULL || *value == '\0')
    value = g_getenv (upper);
  return value != NULL && *value != '\0' ? value : NULL;
}

/* “proxy.example:3128” is one as well. (transfer full) (nullable) */
static char *
get_proxy (const char *lower,
           const char *upper)
{
  const char *value = get_variable (lower, upper);

  return value == NULL || strstr (value, "://") != NULL ? g_strdup (value) : g_strconcat ("http://", value, NULL);
}

/* Hosts that are asked without one, with commas between them. */
static GStrv
list_ignored (void)
{
  const char *value = get_variable ("no_proxy", "NO_PROXY");
  g_auto(GStrv) parts = g_strsplit (value != NULL ? value : "", ",", -1);
  g_autoptr(GStrvBuilder) hosts = g_strv_builder_new ();

  for (guint i = 0; parts[i] != NULL; i++)
    if (*g_strstrip (parts[i]) != '\0')
      g_strv_builder_add (hosts, parts[i]);
  return g_strv_builder_end (hosts);
}

/* The proxies of the environment, which systems without a desktop have nobody else to read; NULL if there are none, so
 * that those of the system count. */
static GProxyResolver *
make_resolver (void)
{
  g_autofree char *all = get_proxy ("all_proxy", "ALL_PROXY");
  g_autofree char *http = get_proxy ("http_proxy", "HTTP_PROXY");
  g_autofree char *https = get_proxy ("https_proxy", "HTTPS_PROXY");
  g_auto(GStrv) ignored = list_ignored ();
  GProxyResolver *resolver;

  if (all == NULL && http == NULL && https == NULL)
    return NULL;
  resolver = g_simple_proxy_resolver_new (all, ignored);
  if (http != NULL)
    g_simple_proxy_resolver_set_uri_proxy (G_SIMPLE_PROXY_RESOLVER (resolver), "http", http);
  if (https != NULL)
    g_simple_proxy_resolver_set_uri_proxy (G_SIMPLE_PROXY_RESOLVER (resolver), "https", https);
  return resolver;
}

/* A session keeps connections open for the next request, and is used in the thread that made it alone. */
static SoupSession *
get_session (const ZimServer *self)
{
  static GPrivate key = G_PRIVATE_INIT (g_object_unref);
  SoupSession *session = g_private_get (&key);

  if (session == NULL)
    {
      g_autoptr(GProxyResolver) resolver = make_resolver ();

      session = soup_session_new_with_options ("user-agent", "zimage/" ZIM_VERSION_STRING, NULL);
      if (resolver != NULL)
        soup_session_set_proxy_resolver (session, resolver);
      g_private_set (&key, session);
    }
  soup_session_set_timeout (session, self->stall);
  return session;
}

void
zim_answer_clear (ZimAnswer *self)
{
  g_clear_object (&self->body);
  g_clear_object (&self->message);
}

/* Failures */

static ZimOutcome
fail_refused (ZimServer   *self,
              const char  *uri,
              guint        status,
              GError     **error)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
               self->token != NULL
                 ? _("%s: The server refuses (%u): the token does not give access to this model")
                 : _("%s: The server refuses (%u): the model does not exist or needs a token. Put yours into the "
                     "environment as HF_TOKEN for hf.co, or else as ZIMAGE_TOKEN"),
               uri, status);
  return ZIM_OUTCOME_FAILED;
}

static ZimOutcome
fail_status (ZimServer    *self,
             SoupMessage  *message,
             GError      **error)
{
  g_autofree char *uri = g_uri_to_string_partial (soup_message_get_uri (message),
                                                  G_URI_HIDE_PASSWORD | G_URI_HIDE_QUERY);
  guint status = soup_message_get_status (message);

  switch (status)
    {
    case SOUP_STATUS_UNAUTHORIZED:
    case SOUP_STATUS_FORBIDDEN:
      return fail_refused (self, uri, status, error);
    case SOUP_STATUS_NOT_FOUND:
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("%s: The server does not have it (404)"), uri);
      return ZIM_OUTCOME_FAILED;
    case SOUP_STATUS_PROXY_AUTHENTICATION_REQUIRED:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_PROXY_NEED_AUTH,
                   _("%s: The proxy refuses (407): it wants a name and a password. Put them into its address, "
                     "http://NAME:PASSWORD@HOST"), uri);
      return ZIM_OUTCOME_FAILED;
    case TOO_MANY_REQUESTS:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                   _("%s: The server has too many requests from here (429). Try again later; what has come is kept"),
                   uri);
      return ZIM_OUTCOME_AGAIN;
    default:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _("%s: The server answers %u %s"),
                   uri, status, soup_status_get_phrase (status));
      return status >= 500 || status == SOUP_STATUS_REQUEST_TIMEOUT ? ZIM_OUTCOME_AGAIN : ZIM_OUTCOME_FAILED;
    }
}

ZimOutcome
zim_http_fail (const char  *what,
               GError      *failure,
               GError     **error)
{
  ZimOutcome outcome = ZIM_OUTCOME_AGAIN;

  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_CANCELLED) || failure->domain == G_TLS_ERROR)
    outcome = ZIM_OUTCOME_FAILED;
  g_propagate_prefixed_error (error, failure, "%s: ", what);
  return outcome;
}

/* Requests */

gboolean
zim_http_is_same_host (GUri *a,
                       GUri *b)
{
  return g_strcmp0 (g_uri_get_scheme (a), g_uri_get_scheme (b)) == 0 &&
         g_strcmp0 (g_uri_get_host (a), g_uri_get_host (b)) == 0 && g_uri_get_port (a) == g_uri_get_port (b);
}

/* Where a redirect leads, or NULL if it must not be followed. */
static GUri *
find_target (SoupMessage *message)
{
  const char *location = soup_message_headers_get_one (soup_message_get_response_headers (message), "Location");
  GUri *from = soup_message_get_uri (message);
  g_autoptr(GUri) to = location != NULL ? g_uri_parse_relative (from, location, SOUP_HTTP_URI_FLAGS, NULL) : NULL;
  const char *scheme = to != NULL ? g_uri_get_scheme (to) : NULL;

  /* Never from a safe connection to an open one. */
  if (g_strcmp0 (scheme, "https") == 0 ||
      (g_strcmp0 (scheme, "http") == 0 && strcmp (g_uri_get_scheme (from), "http") == 0))
    return g_steal_pointer (&to);
  return NULL;
}

static SoupMessage *
make_message (GUri          *uri,
              const char    *authorization,
              const ZimWish *wish)
{
  SoupMessage *message = soup_message_new_from_uri ("GET", uri);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  if (wish->accept != NULL)
    soup_message_headers_replace (headers, "Accept", wish->accept);
  if (wish->end > 0)
    soup_message_headers_set_range (headers, (goffset) wish->begin, (goffset) wish->end - 1);
  if (authorization != NULL)
    soup_message_headers_replace (headers, "Authorization", authorization);
  return message;
}

ZimOutcome
zim_http_ask_uri (ZimServer      *self,
                  GUri           *home,
                  const char     *authorization,
                  const ZimWish  *wish,
                  ZimAnswer      *answer,
                  GCancellable   *cancellable,
                  GError        **error)
{
  g_autofree char *text = g_uri_to_string_partial (home, G_URI_HIDE_PASSWORD | G_URI_HIDE_QUERY);
  g_autoptr(GUri) uri = g_uri_ref (home);

  for (guint i = 0; i < MAX_REDIRECTS; i++)
    {
      g_autoptr(GUri) target = NULL;
      GError *failure = NULL;
      guint status;

      zim_answer_clear (answer);
      answer->message = make_message (uri, zim_http_is_same_host (uri, home) ? authorization : NULL, wish);
      answer->body = soup_session_send (get_session (self), answer->message, cancellable, &failure);
      if (answer->body == NULL)
        return zim_http_fail (text, failure, error);
      status = soup_message_get_status (answer->message);
      if (SOUP_STATUS_IS_SUCCESSFUL (status))
        return ZIM_OUTCOME_OK;
      target = SOUP_STATUS_IS_REDIRECTION (status) ? find_target (answer->message) : NULL;
      if (target == NULL)
        return fail_status (self, answer->message, error);
      g_clear_pointer (&uri, g_uri_unref);
      uri = g_steal_pointer (&target);
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _("%s: The server redirects too often"), text);
  return ZIM_OUTCOME_FAILED;
}

/* What the server itself, and no other that it redirects to, wants to see first. */
static const char *
get_challenge (const ZimAnswer *answer,
               GUri            *home)
{
  if (answer->body == NULL || soup_message_get_status (answer->message) != SOUP_STATUS_UNAUTHORIZED ||
      !zim_http_is_same_host (soup_message_get_uri (answer->message), home))
    return NULL;
  return soup_message_headers_get_list (soup_message_get_response_headers (answer->message), "WWW-Authenticate");
}

ZimOutcome
zim_http_ask (ZimServer      *self,
              const char     *path,
              const ZimWish  *wish,
              ZimAnswer      *answer,
              GCancellable   *cancellable,
              GError        **error)
{
  g_autofree char *text = g_strconcat (self->base, path, NULL);
  g_autoptr(GUri) home = g_uri_parse (text, SOUP_HTTP_URI_FLAGS, error);
  g_autofree char *used = home != NULL ? zim_http_token_get (self) : NULL;
  g_autofree char *renewed = NULL;
  g_autoptr(GError) local_error = NULL;
  const char *challenge;
  ZimOutcome outcome;

  if (home == NULL)
    return ZIM_OUTCOME_FAILED;
  outcome = zim_http_ask_uri (self, home, used, wish, answer, cancellable, &local_error);
  if (outcome == ZIM_OUTCOME_OK)
    return outcome;
  challenge = get_challenge (answer, home);
  if (challenge == NULL || !zim_http_token_can_renew (home, challenge))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return outcome;
    }
  outcome = zim_http_token_renew (self, home, challenge, used, cancellable, error);
  if (outcome != ZIM_OUTCOME_OK)
    return outcome;
  renewed = zim_http_token_get (self);
  return zim_http_ask_uri (self, home, renewed, wish, answer, cancellable, error);
}
