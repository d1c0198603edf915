/* server-jobs.c: jobs that are watched, fetched and cancelled by their names
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "app-params.h"
#include "server-answer.h"
#include "server-error.h"
#include "server-handlers.h"
#include "server-private.h"

/* The job of the path; otherwise answers that there is none. (nullable) */
static AppJob *
find_job (ServerCall *call)
{
  AppJob *job = app_queue_find (server_call_get_server (call)->queue, server_call_get_argument (call, 0));
  g_autoptr(GError) error = NULL;

  if (job != NULL)
    {
      server_call_set_job_id (call, job->id);
      return job;
    }

  error = g_error_new (SERVER_ERROR, 404, _("There is no job “%.200s”; results are kept for a while only"),
                       server_call_get_argument (call, 0));
  server_call_fail (call, error);
  return NULL;
}

/* --- Making ---------------------------------------------------------------------------------------- */

static void
accepted (ServerAnswer *answer)
{
  SoupServerMessage *message = server_call_get_message (answer->call);
  g_autofree char *location = g_strconcat ("/api/jobs/", answer->job->id, NULL);

  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Location", location);
  server_call_reply_json (answer->call, 202, server_answer_job (answer->call, answer->job));
}

void
server_jobs_create (ServerCall *call,
                    GVariant   *body)
{
  /* It may be over before anybody is told. */
  static const ServerAnswerKind kind = { .begin = accepted, .done = accepted, .is_observer = TRUE };
  gint64 keep_alive = app_models_get_keep_alive (server_call_get_server (call)->models);
  const char *bad_field;
  g_autoptr(GError) error = NULL;
  ServerRequest *request = server_request_read_job (body, keep_alive, &bad_field, &error);

  if (request != NULL)
    server_answer_start (call, request, &kind);
  else
    server_call_fail (call, error);
}

/* --- Watching -------------------------------------------------------------------------------------- */

void
server_jobs_get (ServerCall *call,
                 GVariant   *body)
{
  AppJob *job = find_job (call);

  if (job != NULL)
    server_call_reply_json (call, 200, server_answer_job (call, job));
}

static void
send_progress (ServerAnswer *answer)
{
  server_call_send_json (answer->call, "progress", server_answer_progress (answer->job));
}

static void
begin_events (ServerAnswer *answer)
{
  server_call_begin_stream (answer->call, SERVER_STREAM_EVENTS);
  if (!app_job_is_over (answer->job))
    send_progress (answer);
}

/* One at a time: who watches wants the newest. */
static const char *
want_preview (ServerAnswer *answer)
{
  return answer->n_encoding == 0 ? "jpeg" : NULL;
}

static void
send_preview (ServerAnswer     *answer,
              const AppPreview *preview)
{
  GVariantBuilder dict;

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "step", "i", preview->step);
  app_dict_add (&dict, "total", "i", preview->total);
  app_dict_add (&dict, "output_format", "s", "jpeg");
  app_dict_add_value (&dict, "b64_json", server_answer_text (preview->data));
  server_call_send (answer->call, "preview", g_variant_builder_end (&dict));
}

static void
send_done (ServerAnswer *answer)
{
  server_call_send (answer->call, "done", server_answer_job (answer->call, answer->job));
  server_call_end_stream (answer->call);
}

void
server_jobs_events (ServerCall *call,
                    GVariant   *body)
{
  static const ServerAnswerKind kind = {
    .begin = begin_events, .progress = send_progress, .want_preview = want_preview, .preview = send_preview,
    .done = send_done, .is_observer = TRUE
  };
  AppJob *job = find_job (call);

  if (job != NULL)
    server_answer_observe (call, job, &kind);
}

/* --- Ending ---------------------------------------------------------------------------------------- */

void
server_jobs_delete (ServerCall *call,
                    GVariant   *body)
{
  AppJob *job = find_job (call);
  g_autoptr(AppJob) kept = NULL;

  if (job == NULL)
    return;
  kept = g_object_ref (job);
  app_queue_cancel (server_call_get_server (call)->queue, kept);
  server_call_reply_json (call, 200, server_answer_job (call, kept));
}

/* --- Fetching -------------------------------------------------------------------------------------- */

static const char *
get_mime_type (const char *format)
{
  if (g_str_equal (format, "jpeg"))
    return "image/jpeg";
  return g_str_equal (format, "webp") ? "image/webp" : "image/png";
}

void
server_jobs_image (ServerCall *call,
                   GVariant   *body)
{
  AppJob *job = find_job (call);
  SoupMessageHeaders *headers;
  g_autoptr(GError) error = NULL;
  guint64 index;

  if (job == NULL)
    return;
  if (!g_ascii_string_to_unsigned (server_call_get_argument (call, 1), 10, 0, G_MAXUINT, &index, NULL) ||
      job->pictures == NULL || index >= job->pictures->len)
    {
      error = g_error_new (SERVER_ERROR, 404, _("The job has no picture “%.20s”, or not yet"),
                           server_call_get_argument (call, 1));
      server_call_fail (call, error);
      return;
    }

  headers = soup_server_message_get_response_headers (server_call_get_message (call));
  soup_message_headers_replace (headers, "Cache-Control", "private, max-age=31536000, immutable");
  server_call_reply_bytes (call, 200, get_mime_type (job->format), job->pictures->pdata[index]);
}
