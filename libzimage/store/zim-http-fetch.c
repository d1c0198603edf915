/* zim-http-fetch.c: getting all that was wanted, however often it takes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-http-internal.h"
#include "zim-error.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 262144
#define MAX_TRIES 6                  /* in a row that bring nothing */
#define MAX_PAUSE 60000              /* milliseconds */
#define MAX_WISH 600                 /* seconds that a server may want to be left alone */
#define MAX_SKIP ((guint64) 1 << 24) /* bytes before a piece that are read for nothing if there are no ranges */

/* The seconds that the server wants to be left alone, or 0: a number of them, or a date. */
static guint64
get_wish (const ZimAnswer *answer)
{
  const char *text = answer->message != NULL
    ? soup_message_headers_get_one (soup_message_get_response_headers (answer->message), "Retry-After") : NULL;
  g_autoptr(GDateTime) now = NULL;
  g_autoptr(GDateTime) date = NULL;
  guint64 seconds;

  if (text == NULL)
    return 0;
  if (g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &seconds, NULL))
    return seconds;
  now = g_date_time_new_now_utc ();
  date = soup_date_time_new_from_http_string (text);
  if (date == NULL || g_date_time_compare (date, now) <= 0)
    return 0;
  return (guint64) (g_date_time_difference (date, now) / G_TIME_SPAN_SECOND + 1);
}

/* Milliseconds: what the server wants, or a pause that grows. Several that failed at once should not come back at
 * once. */
static guint
get_pause (ZimServer *self,
           guint64          wish,
           guint            n_failures)
{
  guint pause = wish > 0 ? (guint) wish * 1000 : MIN (self->pause << MIN (n_failures, 10), MAX_PAUSE);

  return pause + (guint) g_random_int_range (0, (gint32) self->pause + 1);
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
  ZimServer     *server;
  const char    *path;
  const char    *accept;
  guint64        begin;    /* in the file */
  guint64        end;      /* 0: to its end */
  guint64        done;     /* bytes that have come */
  guint64        total;    /* of the file; 0: unknown */
  gboolean       complete;
  gboolean     (*sink) (gpointer user_data, const void *data, gsize size, GError **error);
  gpointer       user_data;
  GCancellable  *cancellable;
} Fetch;

/* Reads a body until there is what was wanted of it. */
static ZimOutcome
read_body (Fetch      *self,
           ZimAnswer  *answer,
           guint64     skip,
           GError    **error)
{
  g_autofree guint8 *buffer = g_malloc (CHUNK);

  while (self->end == 0 || self->done < self->end - self->begin)
    {
      gsize want = skip > 0 ? MIN (CHUNK, skip)
                            : self->end == 0 ? CHUNK : MIN (CHUNK, self->end - self->begin - self->done);
      GError *failure = NULL;
      gssize n = g_input_stream_read (answer->body, buffer, want, self->cancellable, &failure);

      if (n < 0)
        return zim_http_fail (self->path, failure, error);
      if (n == 0)
        break;
      if (skip > 0)
        {
          skip -= (guint64) n;
          continue;
        }
      if (!self->sink (self->user_data, buffer, (gsize) n, error))
        return ZIM_OUTCOME_FAILED;
      self->done += (guint64) n;
    }
  self->complete = self->end == 0 || self->done == self->end - self->begin ||
                   (self->total > 0 && self->begin + self->done >= self->total);
  if (self->complete)
    return ZIM_OUTCOME_OK;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT, _("%s: The connection was cut"), self->path);
  return ZIM_OUTCOME_AGAIN;
}

static ZimOutcome
try_once (Fetch      *self,
          ZimAnswer  *answer,
          GError    **error)
{
  guint64 wanted = self->begin + self->done;
  guint64 begin, total;
  const ZimWish wish = { self->accept, wanted, self->end };
  ZimOutcome outcome = zim_http_ask (self->server, self->path, &wish, answer, self->cancellable, error);

  if (outcome != ZIM_OUTCOME_OK)
    return outcome;
  /* A file that is wanted whole can as well be sent again from its begin. */
  if (!get_begin (answer->message, wanted, &begin, &total) || (self->begin > 0 && wanted - begin > MAX_SKIP))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("%s: The server does not give parts of a file, which is needed here"), self->path);
      return ZIM_OUTCOME_FAILED;
    }
  if (total > 0)
    self->total = total;
  return read_body (self, answer, wanted - begin, error);
}

/* Nobody watches a bar for an hour that does not move. */
static gboolean
fail_wish (guint64   wish,
           GError   *failure, /* taken */
           GError  **error)
{
  g_propagate_error (error, failure);
  g_prefix_error (error, _("To be asked again in %llu minutes: "), (unsigned long long) (wish + 59) / 60);
  return FALSE;
}

static gboolean
fetch (Fetch   *self,
       GError **error)
{
  guint n_failures = 0;

  while (TRUE)
    {
      g_auto(ZimAnswer) answer = { NULL };
      g_autoptr(GError) local_error = NULL;
      guint64 before = self->done;
      ZimOutcome outcome = try_once (self, &answer, &local_error);
      guint64 wish = get_wish (&answer);

      if (outcome == ZIM_OUTCOME_OK)
        return TRUE;
      n_failures = self->done > before ? 0 : n_failures + 1;
      if (outcome == ZIM_OUTCOME_FAILED || n_failures == MAX_TRIES)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      if (wish > MAX_WISH)
        return fail_wish (wish, g_steal_pointer (&local_error), error);
      if (!wait_for (get_pause (self->server, wish, n_failures), self->cancellable, error))
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
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: It is larger than %zu bytes"),
                   memory->path, memory->max_size);
      return FALSE;
    }
  g_byte_array_append (memory->bytes, data, (guint) size);
  return TRUE;
}

static GBytes *
fetch_bytes (ZimServer        *self,
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
zim_http_get (ZimServer  *self,
              const char       *path,
              const char       *accept,
              gsize             max_size,
              GCancellable     *cancellable,
              GError          **error)
{
  return fetch_bytes (self, path, accept, 0, 0, max_size, NULL, cancellable, error);
}

GBytes *
zim_http_get_range (ZimServer  *self,
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
zim_http_fill_file (ZimServer  *self,
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
