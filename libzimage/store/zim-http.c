/* zim-http.c: getting bytes from a server that may not feel well
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-http-private.h"
#include "zim-error.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <libsoup/soup.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 262144
#define MAX_REDIRECTS 10
#define TOO_MANY_REQUESTS 429 /* libsoup has no name for it */
#define MAX_TRIES 6                  /* in a row that bring nothing */
#define MAX_PAUSE 60000              /* milliseconds */
#define MAX_SKIP ((guint64) 1 << 24) /* bytes before a piece that are read for nothing if there are no ranges */

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
  return self;
}

void
zim_server_free (ZimServer *self)
{
  g_free (self->base);
  g_free (self->token);
  g_free (self);
}

/* A session keeps connections open for the next request, and is used in the thread that made it alone. */
static SoupSession *
get_session (const ZimServer *self)
{
  static GPrivate key = G_PRIVATE_INIT (g_object_unref);
  SoupSession *session = g_private_get (&key);

  if (session == NULL)
    {
      session = soup_session_new_with_options ("user-agent", "zimage/" ZIM_VERSION_STRING, NULL);
      g_private_set (&key, session);
    }
  soup_session_set_timeout (session, self->stall);
  return session;
}

/* One answer: its headers have come, its body has not. */
typedef struct {
  SoupMessage  *message;
  GInputStream *body;
} Answer;

static void
answer_clear (Answer *self)
{
  g_clear_object (&self->body);
  g_clear_object (&self->message);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

/* Failures */

typedef enum {
  OUTCOME_OK,
  OUTCOME_AGAIN, /* there is hope */
  OUTCOME_FAILED,
} Outcome;

static Outcome
fail_status (const ZimServer  *self,
             SoupMessage      *message,
             GError          **error)
{
  g_autofree char *uri = g_uri_to_string_partial (soup_message_get_uri (message),
                                                  G_URI_HIDE_PASSWORD | G_URI_HIDE_QUERY);
  guint status = soup_message_get_status (message);

  switch (status)
    {
    case SOUP_STATUS_UNAUTHORIZED:
    case SOUP_STATUS_FORBIDDEN:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                   self->token != NULL
                     ? _("%s: The server refuses (%u): the token does not give access to this model")
                     : _("%s: The server refuses (%u): the model does not exist or needs a token. Put yours into the "
                         "environment as HF_TOKEN for hf.co, or else as ZIMAGE_TOKEN"),
                   uri, status);
      return OUTCOME_FAILED;
    case SOUP_STATUS_NOT_FOUND:
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("%s: The server does not have it (404)"), uri);
      return OUTCOME_FAILED;
    case TOO_MANY_REQUESTS:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                   _("%s: The server has too many requests from here (429). Try again later; what has come is kept"),
                   uri);
      return OUTCOME_AGAIN;
    default:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _("%s: The server answers %u %s"),
                   uri, status, soup_status_get_phrase (status));
      return status >= 500 || status == SOUP_STATUS_REQUEST_TIMEOUT ? OUTCOME_AGAIN : OUTCOME_FAILED;
    }
}

/* A connection that fails or stalls may work the next time. */
static Outcome
fail_connection (const char  *uri,
                 GError      *failure, /* taken */
                 GError     **error)
{
  Outcome outcome = OUTCOME_AGAIN;

  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_CANCELLED) || failure->domain == G_TLS_ERROR)
    outcome = OUTCOME_FAILED;
  g_propagate_prefixed_error (error, failure, "%s: ", uri);
  return outcome;
}

/* Requests */

static gboolean
is_same_host (GUri *a,
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
make_message (const ZimServer *self,
              GUri            *uri,
              gboolean         is_home,
              const char      *accept,
              guint64          begin,
              guint64          end)
{
  SoupMessage *message = soup_message_new_from_uri ("GET", uri);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  if (accept != NULL)
    soup_message_headers_replace (headers, "Accept", accept);
  if (end > 0)
    soup_message_headers_set_range (headers, (goffset) begin, (goffset) end - 1);
  if (is_home && self->token != NULL)
    {
      g_autofree char *value = g_strconcat ("Bearer ", self->token, NULL);

      soup_message_headers_replace (headers, "Authorization", value);
    }
  return message;
}

/* The first answer that is no redirect. end 0: all of it. */
static Outcome
ask (const ZimServer  *self,
     const char       *path,
     const char       *accept,
     guint64           begin,
     guint64           end,
     Answer           *answer,
     GCancellable     *cancellable,
     GError          **error)
{
  g_autofree char *text = g_strconcat (self->base, path, NULL);
  g_autoptr(GUri) home = g_uri_parse (text, SOUP_HTTP_URI_FLAGS, error);
  g_autoptr(GUri) uri = home != NULL ? g_uri_ref (home) : NULL;

  if (uri == NULL)
    return OUTCOME_FAILED;
  for (guint i = 0; i < MAX_REDIRECTS; i++)
    {
      g_autoptr(GUri) target = NULL;
      GError *failure = NULL;
      guint status;

      g_clear_object (&answer->body);
      g_clear_object (&answer->message);
      answer->message = make_message (self, uri, is_same_host (uri, home), accept, begin, end);
      answer->body = soup_session_send (get_session (self), answer->message, cancellable, &failure);
      if (answer->body == NULL)
        return fail_connection (text, failure, error);
      status = soup_message_get_status (answer->message);
      if (SOUP_STATUS_IS_SUCCESSFUL (status))
        return OUTCOME_OK;
      target = SOUP_STATUS_IS_REDIRECTION (status) ? find_target (answer->message) : NULL;
      if (target == NULL)
        return fail_status (self, answer->message, error);
      g_clear_pointer (&uri, g_uri_unref);
      uri = g_steal_pointer (&target);
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _("%s: The server redirects too often"), text);
  return OUTCOME_FAILED;
}

/* How long the server wants to be left alone, or the growing pause. */
static guint
get_pause (const ZimServer *self,
           const Answer    *answer,
           guint            n_failures)
{
  const char *text = answer->message != NULL
    ? soup_message_headers_get_one (soup_message_get_response_headers (answer->message), "Retry-After") : NULL;
  guint64 seconds;
  guint pause = self->pause << MIN (n_failures, 10);

  if (text != NULL && g_ascii_string_to_unsigned (text, 10, 0, 3600, &seconds, NULL))
    pause = (guint) seconds * 1000;
  /* Several that failed at once should not come back at once. */
  return MIN (pause, MAX_PAUSE) + (guint) g_random_int_range (0, (gint32) self->pause + 1);
}

static gboolean
wait_for (guint          milliseconds,
          GCancellable  *cancellable,
          GError       **error)
{
  gint64 end = g_get_monotonic_time () + milliseconds * G_TIME_SPAN_MILLISECOND;

  while (g_get_monotonic_time () < end)
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      g_usleep ((gulong) MIN (50 * G_TIME_SPAN_MILLISECOND, MAX (end - g_get_monotonic_time (), 1)));
    }
  return TRUE;
}

/* Where in the file the body begins: ranges are a wish. FALSE if the answer makes no sense. */
static gboolean
get_begin (SoupMessage *message,
           guint64      wanted,
           guint64     *begin,
           guint64     *total)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (message);
  goffset first, last, length;

  if (soup_message_get_status (message) == SOUP_STATUS_PARTIAL_CONTENT)
    {
      if (!soup_message_headers_get_content_range (headers, &first, &last, &length) || first < 0 ||
          (guint64) first != wanted)
        return FALSE;
      *begin = (guint64) first;
      *total = length > 0 ? (guint64) length : 0;
      return TRUE;
    }
  *begin = 0;
  *total = (guint64) MAX (soup_message_headers_get_content_length (headers), 0);
  return TRUE;
}

/* A piece of a file on the way to some place. */
typedef struct {
  const ZimServer *server;
  const char      *path;
  const char      *accept;
  guint64          begin;    /* in the file */
  guint64          end;      /* 0: to its end */
  guint64          done;     /* bytes that have come */
  guint64          total;    /* of the file; 0: unknown */
  gboolean         complete;
  gboolean       (*sink) (gpointer user_data, const void *data, gsize size, GError **error);
  gpointer         user_data;
  GCancellable    *cancellable;
} Fetch;

/* Reads a body until there is what was wanted of it. */
static Outcome
read_body (Fetch   *self,
           Answer  *answer,
           guint64  skip,
           GError **error)
{
  g_autofree guint8 *buffer = g_malloc (CHUNK);

  while (self->end == 0 || self->done < self->end - self->begin)
    {
      gsize want = skip > 0 ? MIN (CHUNK, skip)
                            : self->end == 0 ? CHUNK : MIN (CHUNK, self->end - self->begin - self->done);
      GError *failure = NULL;
      gssize n = g_input_stream_read (answer->body, buffer, want, self->cancellable, &failure);

      if (n < 0)
        return fail_connection (self->path, failure, error);
      if (n == 0)
        break;
      if (skip > 0)
        {
          skip -= (guint64) n;
          continue;
        }
      if (!self->sink (self->user_data, buffer, (gsize) n, error))
        return OUTCOME_FAILED;
      self->done += (guint64) n;
    }
  self->complete = self->end == 0 || self->done == self->end - self->begin ||
                   (self->total > 0 && self->begin + self->done >= self->total);
  if (self->complete)
    return OUTCOME_OK;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT, _("%s: The connection was cut"), self->path);
  return OUTCOME_AGAIN;
}

static Outcome
try_once (Fetch   *self,
          Answer  *answer,
          GError **error)
{
  guint64 wanted = self->begin + self->done;
  guint64 begin, total;
  Outcome outcome = ask (self->server, self->path, self->accept, wanted, self->end, answer, self->cancellable, error);

  if (outcome != OUTCOME_OK)
    return outcome;
  /* A file that is wanted whole can as well be sent again from its begin. */
  if (!get_begin (answer->message, wanted, &begin, &total) || (self->begin > 0 && wanted - begin > MAX_SKIP))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("%s: The server does not give parts of a file, which is needed here"), self->path);
      return OUTCOME_FAILED;
    }
  if (total > 0)
    self->total = total;
  return read_body (self, answer, wanted - begin, error);
}

static gboolean
fetch (Fetch   *self,
       GError **error)
{
  guint n_failures = 0;

  while (TRUE)
    {
      g_auto(Answer) answer = { NULL };
      g_autoptr(GError) local_error = NULL;
      guint64 before = self->done;
      Outcome outcome = try_once (self, &answer, &local_error);

      if (outcome == OUTCOME_OK)
        return TRUE;
      n_failures = self->done > before ? 0 : n_failures + 1;
      if (outcome == OUTCOME_FAILED || n_failures == MAX_TRIES)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      if (!wait_for (get_pause (self->server, &answer, n_failures), self->cancellable, error))
        return FALSE;
    }
}

/* Into memory */

typedef struct {
  GByteArray *bytes;
  gsize       max_size;
  const char *path;
} Memory;

static gboolean
memory_sink (gpointer      user_data,
             const void   *data,
             gsize         size,
             GError      **error)
{
  Memory *memory = user_data;

  if (size > memory->max_size - memory->bytes->len)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: It is larger than %" G_GSIZE_FORMAT " bytes"),
                   memory->path, memory->max_size);
      return FALSE;
    }
  g_byte_array_append (memory->bytes, data, (guint) size);
  return TRUE;
}

static GBytes *
fetch_bytes (const ZimServer  *self,
             const char       *path,
             const char       *accept,
             guint64           begin,
             guint64           end,
             gsize             max_size,
             guint64          *total,
             GCancellable     *cancellable,
             GError          **error)
{
  Memory memory = { g_byte_array_new (), max_size, path };
  Fetch state = {
    .server = self, .path = path, .accept = accept, .begin = begin, .end = end,
    .sink = memory_sink, .user_data = &memory, .cancellable = cancellable,
  };

  if (!fetch (&state, error))
    {
      g_byte_array_unref (memory.bytes);
      return NULL;
    }
  if (total != NULL)
    *total = state.total;
  return g_byte_array_free_to_bytes (memory.bytes);
}

GBytes *
zim_http_get (const ZimServer  *self,
              const char       *path,
              const char       *accept,
              gsize             max_size,
              GCancellable     *cancellable,
              GError          **error)
{
  return fetch_bytes (self, path, accept, 0, 0, max_size, NULL, cancellable, error);
}

GBytes *
zim_http_get_range (const ZimServer  *self,
                    const char       *path,
                    guint64           begin,
                    guint64           end,
                    guint64          *total,
                    GCancellable     *cancellable,
                    GError          **error)
{
  return fetch_bytes (self, path, NULL, begin, end, (gsize) (end - begin), total, cancellable, error);
}

/* Into a file */

typedef struct {
  int          fd;
  ZimHttpFunc  func;
  gpointer     user_data;
  const char  *path;
} File;

static gboolean
file_sink (gpointer      user_data,
           const void   *data,
           gsize         size,
           GError      **error)
{
  File *file = user_data;
  const char *p = data;
  gsize left = size;

  while (left > 0)
    {
      gssize n = write (file->fd, p, left);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return zim_blobs_fail (file->path, errno, error);
      p += n;
      left -= (gsize) n;
    }
  file->func ((gint64) size, file->user_data);
  return TRUE;
}

gboolean
zim_http_fill_file (const ZimServer  *self,
                    const char       *path,
                    guint64           begin,
                    int               fd,
                    guint64           size,
                    ZimHttpFunc       func,
                    gpointer          user_data,
                    GCancellable     *cancellable,
                    GError          **error)
{
  File file = { fd, func, user_data, path };
  struct stat info;
  Fetch state = {
    .server = self, .path = path, .begin = begin, .end = begin + size,
    .sink = file_sink, .user_data = &file, .cancellable = cancellable,
  };

  if (fstat (fd, &info) != 0 || lseek (fd, 0, SEEK_END) < 0)
    return zim_blobs_fail (path, errno, error);
  state.done = MIN ((guint64) info.st_size, size);
  if ((guint64) info.st_size > size && (ftruncate (fd, 0) != 0 || lseek (fd, 0, SEEK_SET) < 0))
    return zim_blobs_fail (path, errno, error);
  if ((guint64) info.st_size > size)
    state.done = 0;
  func ((gint64) state.done, user_data);
  if (state.done == size)
    return TRUE;
  if (!fetch (&state, error))
    {
      func (-(gint64) state.done, user_data);
      return FALSE;
    }
  if (state.done == size)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT, _("%s: The file on the server is shorter than expected"),
               path);
  return FALSE;
}
