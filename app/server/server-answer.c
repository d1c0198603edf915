/* server-answer.c: what a client is told of a job, and of the models
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "server-answer.h"

#include <math.h>

#include "app-fields.h"
#include "app-listing.h"
#include "app-params.h"
#include "server-private.h"

#define NOTE "zimage-answer"

static void
answer_free (ServerAnswer *answer)
{
  g_clear_pointer (&answer->request, server_request_free);
  g_clear_object (&answer->job);
  g_free (answer);
}

/* (nullable): nobody is to be told any more. */
static ServerAnswer *
get_answer (ServerCall *call)
{
  return server_call_is_answered (call) ? NULL : g_object_get_data (G_OBJECT (call), NOTE);
}

static void
progress_cb (ServerCall *call,
             AppJob     *job)
{
  ServerAnswer *answer = get_answer (call);

  if (answer != NULL && answer->kind->progress != NULL)
    answer->kind->progress (answer);
}

static void
preview_encoded_cb (GObject      *source,
                    GAsyncResult *result,
                    gpointer      data)
{
  g_autoptr(ServerCall) call = data;
  g_autoptr(AppPreview) preview = app_job_encode_preview_finish (APP_JOB (source), result, NULL);
  ServerAnswer *answer = get_answer (call);

  if (answer == NULL)
    return;
  if (preview != NULL)
    answer->kind->preview (answer, preview);
  answer->n_encoding--;
}

static void
preview_cb (ServerCall *call,
            AppJob     *job)
{
  ServerAnswer *answer = get_answer (call);
  const char *format = NULL;

  /* Who reads slowly is sent what there is no way around. */
  if (answer != NULL && answer->kind->preview != NULL && !server_call_is_behind (call))
    format = answer->kind->want_preview (answer);
  if (format == NULL)
    return;

  answer->n_previews++;
  answer->n_encoding++;
  app_job_encode_preview_async (job, format, TRUE, preview_encoded_cb, g_object_ref (call));
}

static void
done_cb (ServerCall *call,
         AppJob     *job)
{
  ServerAnswer *answer = get_answer (call);

  if (answer == NULL)
    return;
  if (job->state == ZIM_JOB_STATE_DONE)
    answer->kind->done (answer);
  else
    server_call_fail (call, job->error);
}

static void
gone_cb (ServerCall *call,
         AppJob     *job)
{
  app_queue_cancel (server_call_get_server (call)->queue, job);
}

static void
follow (ServerAnswer *answer,
        AppJob       *job)
{
  answer->job = g_object_ref (job);
  server_call_set_job_id (answer->call, job->id);
  g_signal_connect_object (job, "progress", G_CALLBACK (progress_cb), answer->call, G_CONNECT_SWAPPED);
  g_signal_connect_object (job, "preview", G_CALLBACK (preview_cb), answer->call, G_CONNECT_SWAPPED);
  g_signal_connect_object (job, "done", G_CALLBACK (done_cb), answer->call, G_CONNECT_SWAPPED);
}

static ServerAnswer *
answer_new (ServerCall             *call,
            ServerRequest          *request,
            const ServerAnswerKind *kind)
{
  ServerAnswer *answer = g_new0 (ServerAnswer, 1);

  answer->kind = kind;
  answer->call = call;
  answer->request = request;
  answer->last_step = -1;
  g_object_set_data_full (G_OBJECT (call), NOTE, answer, (GDestroyNotify) answer_free);
  return answer;
}

void
server_answer_observe (ServerCall             *call,
                       AppJob                 *job,
                       const ServerAnswerKind *kind)
{
  ServerAnswer *answer = answer_new (call, NULL, kind);

  follow (answer, job);
  kind->begin (answer);
  if (app_job_is_over (job))
    done_cb (call, job);
}

/* --- Starting -------------------------------------------------------------------------------------- */

static AppJob *
make_job (ServerAnswer *answer,
          const char   *model)
{
  ServerRequest *request = answer->request;
  AppJob *job = app_job_new (server_call_get_client (answer->call), model, request->params);

  job->format = request->format;
  job->quality = request->quality;
  job->preview_interval = request->preview_interval;
  job->keep_alive = request->keep_alive;
  job->is_kept = answer->kind->is_observer || request->wants_url;
  /* The others are fetched as files. */
  job->as_text = !job->is_kept;
  return job;
}

static void
resolved_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  g_autoptr(ServerCall) call = data;
  ServerAnswer *answer = get_answer (call);
  AppServer *server = server_call_get_server (call);
  g_autoptr(GError) error = NULL;
  g_autofree char *model = app_models_resolve_finish (APP_MODELS (source), result, &error);
  g_autoptr(AppJob) job = NULL;

  if (answer == NULL)
    return;
  if (model == NULL)
    {
      server_call_set_field (call, "model");
      server_call_fail (call, error);
      return;
    }

  job = make_job (answer, model);
  follow (answer, job);
  if (!answer->kind->is_observer)
    g_signal_connect_object (call, "gone", G_CALLBACK (gone_cb), job, 0);
  if (!app_queue_add (server->queue, job, &error))
    server_call_fail (call, error);
  else if (answer->kind->begin != NULL)
    answer->kind->begin (answer);
}

void
server_answer_start (ServerCall             *call,
                     ServerRequest          *request,
                     const ServerAnswerKind *kind)
{
  AppServer *server = server_call_get_server (call);
  g_autoptr(GError) error = NULL;

  answer_new (call, request, kind);
  /* A full queue is told before anything is looked for. */
  if (!app_queue_check (server->queue, server_call_get_client (call), &error))
    {
      server_call_fail (call, error);
      return;
    }

  server_call_wait (call);
  app_models_resolve_async (server->models, request->model, resolved_cb, g_object_ref (call));
}

/* --- Parts ----------------------------------------------------------------------------------------- */

static GVariant *
maybe_real (double   value,
            gboolean is_known)
{
  return g_variant_new_maybe (G_VARIANT_TYPE_DOUBLE,
                              is_known ? g_variant_new_double (round (value * 1000) / 1000) : NULL);
}

static GVariant *
maybe_text (const char *text)
{
  return g_variant_new_maybe (G_VARIANT_TYPE_STRING, text != NULL ? g_variant_new_string (text) : NULL);
}

static void
add_progress (GVariantBuilder *dict,
              AppJob          *job)
{
  double remaining = app_job_get_remaining (job);

  app_dict_add (dict, "state", "s", app_enum_nick (ZIM_TYPE_JOB_STATE, job->state));
  app_dict_add (dict, "stage", "s", app_enum_nick (ZIM_TYPE_STAGE, job->stage));
  app_dict_add (dict, "position", "i", job->position);
  app_dict_add (dict, "step", "i", job->step);
  app_dict_add (dict, "total", "i", job->total);
  app_dict_add_value (dict, "fraction", maybe_real (job->fraction, TRUE));
  app_dict_add_value (dict, "eta", maybe_real (remaining, remaining >= 0));
}

/* In thousandths; printf () would write a comma where the reader of the log does. */
static void
append_real (GString *text,
             double   value)
{
  gint64 n = llround (value * 1000);

  g_string_append_printf (text, "%" G_GINT64_FORMAT ".%03d", n / 1000, (int) (n % 1000));
}

/* What add_progress () says. It is said after each step of each job that is watched, while the processor has the
 * model's weights at hand and nothing of ours: a dictionary is a hundred small things to fetch for it. */
char *
server_answer_progress (AppJob *job)
{
  double remaining = app_job_get_remaining (job);
  GString *text = g_string_sized_new (192);

  g_string_append_printf (text, "{\"state\":\"%s\",\"stage\":\"%s\",\"position\":%d,\"step\":%d,\"total\":%d,"
                          "\"fraction\":", app_enum_nick (ZIM_TYPE_JOB_STATE, job->state),
                          app_enum_nick (ZIM_TYPE_STAGE, job->stage), job->position, job->step, job->total);
  append_real (text, job->fraction);
  g_string_append (text, ",\"eta\":");
  if (remaining >= 0)
    append_real (text, remaining);
  else
    g_string_append (text, "null");
  g_string_append_c (text, '}');
  return g_string_free (text, FALSE);
}

static void
add_params (GVariantBuilder *dict,
            AppJob          *job)
{
  g_autoptr(GVariant) params = g_variant_ref_sink (app_params_to_variant (job->params));
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, params);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    app_dict_add_value (dict, name, value);
}

static GVariant *
make_pictures (ServerCall *call,
               AppJob     *job)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; job->pictures != NULL && i < job->pictures->len; i++)
    {
      g_autofree char *url = server_answer_picture_url (call, job, i);

      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      g_variant_builder_add (&builder, "{sv}", "url", g_variant_new_string (url));
      g_variant_builder_add (&builder, "{sv}", "seed", g_variant_new_int64 (app_job_get_seed (job, i)));
      g_variant_builder_add (&builder, "{sv}", "output_format", g_variant_new_string (job->format));
      g_variant_builder_close (&builder);
    }

  return g_variant_builder_end (&builder);
}

GVariant *
server_answer_job (ServerCall *call,
                   AppJob     *job)
{
  AppQueue *queue = server_call_get_server (call)->queue;
  gboolean is_over = app_job_is_over (job);
  GVariantBuilder dict;

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "id", "s", job->id);
  app_dict_add (&dict, "model", "s", job->model);
  app_dict_add (&dict, "created", "x", job->created);
  add_progress (&dict, job);
  add_params (&dict, job);
  app_dict_add_value (&dict, "error", maybe_text (job->error != NULL ? job->error->message : NULL));
  app_dict_add_value (&dict, "warning", maybe_text (job->warning));
  app_dict_add_value (&dict, "images", make_pictures (call, job));
  app_dict_add_value (&dict, "expires_in",
                               maybe_real (is_over ? app_queue_get_kept (queue, job) : 0, is_over));
  return g_variant_builder_end (&dict);
}

GVariant *
server_answer_text (GBytes *text)
{
  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, text, TRUE);
}

char *
server_answer_picture_url (ServerCall *call,
                           AppJob     *job,
                           guint       index)
{
  g_autofree char *base = server_call_get_base (call);

  return g_strdup_printf ("%s/api/jobs/%s/image/%u", base, job->id, index);
}

/* --- Models ---------------------------------------------------------------------------------------- */

#define MAKE "zimage-make"

static void
listed_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr(ServerCall) call = data;
  ServerMakeListings make = g_object_get_data (G_OBJECT (call), MAKE);
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) listings = app_listings_finish (APP_MODELS (source), result, &error);

  if (listings != NULL)
    server_call_reply_json (call, 200, make (listings));
  else
    server_call_fail (call, error);
}

void
server_answer_listings (ServerCall         *call,
                        ServerMakeListings  make)
{
  g_object_set_data (G_OBJECT (call), MAKE, make);
  server_call_wait (call);
  app_listings_async (server_call_get_server (call)->models, listed_cb, g_object_ref (call));
}
