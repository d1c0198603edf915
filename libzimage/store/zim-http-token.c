/* zim-http-token.c: tokens of servers that send their clients elsewhere for them
 *
 * A registry of Docker's protocol answers 401 with the address of a server of tokens and with what to ask it for. What
 * that gives is for this model and a short time. Whoever has a token of his own, or a key of Ollama's, shows it there
 * as well, but only if that is the host that it is for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-json-private.h"
#include "store/zim-http-internal.h"
#include "store/zim-ollama-key-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define MAX_ANSWER 65536

/* A name and a password, or a token. */
static char *
make_authorization (const char *token)
{
  g_autofree char *encoded = NULL;

  if (strchr (token, ':') == NULL)
    return g_strconcat ("Bearer ", token, NULL);
  encoded = g_base64_encode ((const guchar *) token, strlen (token));
  return g_strconcat ("Basic ", encoded, NULL);
}

/* Under the lock. */
static char *
get_current (ZimServer *self)
{
  if (self->granted != NULL)
    return g_strconcat ("Bearer ", self->granted, NULL);
  return self->token != NULL ? make_authorization (self->token) : NULL;
}

char *
zim_http_token_get (ZimServer *self)
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  return get_current (self);
}

static void
add_parameter (GString    *query,
               const char *name,
               const char *value)
{
  g_autofree char *escaped = g_uri_escape_string (value, NULL, FALSE);

  g_string_append_printf (query, "%s%s=%s", query->len > 0 ? "&" : "", name, escaped);
}

/* What is signed has a time and a number that nobody used before, so that nobody can use the signature again. */
static char *
make_query (GHashTable *fields,
            gboolean    is_signed)
{
  g_autoptr(GString) query = g_string_new (NULL);
  const char *service = g_hash_table_lookup (fields, "service");
  const char *scope = g_hash_table_lookup (fields, "scope");
  g_auto(GStrv) scopes = g_strsplit (scope != NULL ? scope : "", " ", -1);

  if (service != NULL)
    add_parameter (query, "service", service);
  for (guint i = 0; scopes[i] != NULL; i++)
    if (*scopes[i] != '\0')
      add_parameter (query, "scope", scopes[i]);
  if (is_signed)
    {
      g_autofree char *nonce = g_uuid_string_random ();
      g_autofree char *now = g_strdup_printf ("%" G_GINT64_FORMAT, g_get_real_time () / G_TIME_SPAN_SECOND);

      add_parameter (query, "ts", now);
      add_parameter (query, "nonce", nonce);
    }
  return g_strdup (query->str);
}

/* Who may see the user's own token or name: the server itself, and where Ollama's sends its clients. */
static gboolean
is_trusted (GUri *home,
            GUri *realm)
{
  return zim_http_is_same_host (home, realm) ||
         (g_strcmp0 (g_uri_get_scheme (realm), "https") == 0 && g_strcmp0 (g_uri_get_host (realm), "ollama.com") == 0 &&
          g_strcmp0 (g_uri_get_host (home), "registry.ollama.ai") == 0);
}

/* “Bearer realm="https://…",service="…",scope="…"” as the fields after the first word. NULL if it is anything else. */
static GHashTable *
parse_challenge (const char *challenge)
{
  static const char scheme[] = "Bearer ";

  return g_ascii_strncasecmp (challenge, scheme, strlen (scheme)) == 0
    ? soup_header_parse_param_list (challenge + strlen (scheme)) : NULL;
}

/* NULL if it is none to be asked: never go from a safe connection to an open one. */
static GUri *
parse_realm (GUri       *home,
             GHashTable *fields)
{
  const char *text = g_hash_table_lookup (fields, "realm");
  g_autoptr(GUri) realm = text != NULL ? g_uri_parse (text, SOUP_HTTP_URI_FLAGS, NULL) : NULL;

  if (realm == NULL || (g_strcmp0 (g_uri_get_scheme (realm), "https") != 0 &&
                        g_strcmp0 (g_uri_get_scheme (realm), g_uri_get_scheme (home)) != 0))
    return NULL;
  return g_steal_pointer (&realm);
}

/* Letters and signs alone: what comes goes into a header as it is. */
static gboolean
is_token (const char *text)
{
  for (const char *p = text; p != NULL && *p != '\0'; p++)
    if (!g_ascii_isgraph (*p))
      return FALSE;
  return text != NULL && *text != '\0';
}

static char *
parse_answer (const char  *data,
              gsize        size,
              const char  *source,
              GError     **error)
{
  g_autoptr(JsonNode) node = zim_json_parse (data, size, source, error);
  ZimJsonReader reader = { .source = source, .code = ZIM_ERROR_BAD_FILE };
  JsonObject *root;
  const char *token;

  if (node == NULL)
    return NULL;
  root = zim_json_read_root (&reader, node);
  token = zim_json_read_string (&reader, root, "token", NULL);
  if (token == NULL)
    token = zim_json_read_string (&reader, root, "access_token", NULL);
  if (reader.error == NULL && !is_token (token))
    zim_json_reader_fail (&reader, ZIM_ERROR_BAD_FILE, _("Field “%s” is no token"), "token");
  return zim_json_reader_finish (&reader, error) ? g_strdup (token) : NULL;
}

static ZimOutcome
fetch_token (ZimServer     *self,
             GUri          *uri,
             const char    *authorization,
             GCancellable  *cancellable,
             GError       **error)
{
  g_autofree char *source = g_uri_to_string_partial (uri, G_URI_HIDE_PASSWORD | G_URI_HIDE_QUERY);
  g_autofree char *data = g_malloc (MAX_ANSWER);
  g_auto(ZimAnswer) answer = { NULL };
  const ZimWish wish = { NULL };
  GError *failure = NULL;
  ZimOutcome outcome = zim_http_ask_uri (self, uri, authorization, &wish, &answer, cancellable, error);
  gsize size;

  if (outcome != ZIM_OUTCOME_OK)
    return outcome;
  if (!g_input_stream_read_all (answer.body, data, MAX_ANSWER, &size, cancellable, &failure))
    return zim_http_fail (source, failure, error);
  g_free (self->granted);
  self->granted = parse_answer (data, size, source, error);
  return self->granted != NULL ? ZIM_OUTCOME_OK : ZIM_OUTCOME_FAILED;
}

/* The user's token, or else the signature of his key of Ollama's, if this server may see it. (nullable) */
static char *
make_proof (ZimServer *self,
            GUri      *uri,
            gboolean   is_trusted_host)
{
  g_autofree char *text = g_uri_to_string (uri);

  if (!is_trusted_host)
    return NULL;
  return self->token != NULL ? make_authorization (self->token) : zim_ollama_key_sign (text);
}

gboolean
zim_http_token_can_renew (GUri       *home,
                          const char *challenge)
{
  g_autoptr(GHashTable) fields = parse_challenge (challenge);
  g_autoptr(GUri) realm = fields != NULL ? parse_realm (home, fields) : NULL;

  return realm != NULL;
}

ZimOutcome
zim_http_token_renew (ZimServer     *self,
                      GUri          *home,
                      const char    *challenge,
                      const char    *used,
                      GCancellable  *cancellable,
                      GError       **error)
{
  g_autoptr(GHashTable) fields = parse_challenge (challenge);
  g_autoptr(GUri) realm = parse_realm (home, fields);
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  g_autofree char *current = get_current (self);
  g_autofree char *query = NULL;
  g_autofree char *proof = NULL;
  g_autoptr(GUri) uri = NULL;

  if (g_strcmp0 (current, used) != 0)
    return ZIM_OUTCOME_OK;
  query = make_query (fields, self->token == NULL && is_trusted (home, realm));
  uri = soup_uri_copy (realm, SOUP_URI_QUERY, query, SOUP_URI_NONE);
  proof = make_proof (self, uri, is_trusted (home, realm));
  return fetch_token (self, uri, proof, cancellable, error);
}
