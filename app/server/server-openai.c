/* server-openai.c: OpenAI's images API
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-fields.h"
#include "app-listing.h"
#include "app-params.h"
#include "server-answer.h"
#include "server-handlers.h"
#include "server-private.h"

#define OWNER "library"

static void
add_size (GVariantBuilder *dict,
          AppJob          *job)
{
  g_autofree char *size = g_strdup_printf ("%dx%d", zim_params_get_width (job->params),
                                           zim_params_get_height (job->params));

  app_dict_add (dict, "size", "s", size);
  app_dict_add (dict, "output_format", "s", job->format);
  app_dict_add (dict, "background", "s", "opaque");
  app_dict_add (dict, "quality", "s", "high");
}

static void
add_picture (ServerAnswer    *answer,
             GVariantBuilder *dict,
             guint            index)
{
  if (answer->request->wants_url)
    app_dict_add_value (dict, "url",
                                 g_variant_new_take_string (server_answer_picture_url (answer->call, answer->job,
                                                                                      index)));
  else
    app_dict_add_value (dict, "b64_json", server_answer_text (answer->job->pictures->pdata[index]));
  app_dict_add (dict, "seed", "x", app_job_get_seed (answer->job, index));
}

static GVariant *
make_response (ServerAnswer *answer)
{
  GVariantBuilder data = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantBuilder dict;

  for (guint i = 0; i < answer->job->pictures->len; i++)
    {
      GVariantBuilder picture;

      g_variant_builder_init (&picture, G_VARIANT_TYPE_VARDICT);
      add_picture (answer, &picture, i);
      g_variant_builder_add_value (&data, g_variant_builder_end (&picture));
    }

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "created", "x", answer->job->created);
  app_dict_add_value (&dict, "data", g_variant_builder_end (&data));
  add_size (&dict, answer->job);
  return g_variant_builder_end (&dict);
}

static void
done (ServerAnswer *answer)
{
  server_call_reply_json (answer->call, 200, make_response (answer));
}

/* --- Streams of our own ---------------------------------------------------------------------------- */

static void
begin_stream (ServerAnswer *answer)
{
  server_call_begin_stream (answer->call, SERVER_STREAM_EVENTS);
}

static void
send_progress (ServerAnswer *answer)
{
  if (server_call_is_streaming (answer->call))
    server_call_send_json (answer->call, "progress", server_answer_progress (answer->job));
}

static void
finish_stream (ServerAnswer *answer)
{
  server_call_send (answer->call, "done", make_response (answer));
  server_call_end_stream (answer->call);
}

/* --- Streams of partial images, as OpenAI has them ------------------------------------------------- */

/* The fields of both kinds of event. */
static void
init_event (GVariantBuilder *dict,
            ServerAnswer    *answer,
            const char      *type,
            GBytes          *picture)
{
  g_variant_builder_init (dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (dict, "type", "s", type);
  app_dict_add_value (dict, "b64_json", server_answer_text (picture));
  app_dict_add (dict, "created_at", "x", answer->job->created);
  add_size (dict, answer->job);
}

/* As many as were asked for, at equal distances. */
static const char *
want_partial (ServerAnswer *answer)
{
  AppJob *job = answer->job;
  int n = answer->request->partial_images;

  if (answer->n_previews >= n || job->step * (n + 1) < job->total * (answer->n_previews + 1))
    return NULL;
  return job->format;
}

static void
send_partial (ServerAnswer     *answer,
              const AppPreview *preview)
{
  const char *type = "image_generation.partial_image";
  GVariantBuilder dict;

  init_event (&dict, answer, type, preview->data);
  app_dict_add (&dict, "partial_image_index", "i", answer->n_previews - answer->n_encoding);
  server_call_send (answer->call, type, g_variant_builder_end (&dict));
}

/* Nothing is paid for by the token here, but the clients' types want the numbers. */
static GVariant *
make_usage (void)
{
  GVariantBuilder details;
  GVariantBuilder dict;

  g_variant_builder_init (&details, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&details, "text_tokens", "i", 0);
  app_dict_add (&details, "image_tokens", "i", 0);
  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "total_tokens", "i", 0);
  app_dict_add (&dict, "input_tokens", "i", 0);
  app_dict_add (&dict, "output_tokens", "i", 0);
  app_dict_add_value (&dict, "input_tokens_details", g_variant_builder_end (&details));
  return g_variant_builder_end (&dict);
}

static void
send_completed (ServerAnswer *answer)
{
  const char *type = "image_generation.completed";

  for (guint i = 0; i < answer->job->pictures->len; i++)
    {
      GVariantBuilder dict;

      init_event (&dict, answer, type, answer->job->pictures->pdata[i]);
      app_dict_add (&dict, "seed", "x", app_job_get_seed (answer->job, i));
      app_dict_add_value (&dict, "usage", make_usage ());
      server_call_send (answer->call, type, g_variant_builder_end (&dict));
    }
  server_call_end_stream (answer->call);
}

void
server_openai_generate (ServerCall *call,
                        GVariant   *body)
{
  static const ServerAnswerKind whole = { .done = done };
  static const ServerAnswerKind stream = {
    .begin = begin_stream, .progress = send_progress, .done = finish_stream
  };
  static const ServerAnswerKind partial = {
    .begin = begin_stream, .want_preview = want_partial, .preview = send_partial, .done = send_completed
  };
  gint64 keep_alive = app_models_get_keep_alive (server_call_get_server (call)->models);
  const char *bad_field;
  g_autoptr(GError) error = NULL;
  ServerRequest *request = server_request_read_openai (body, keep_alive, &bad_field, &error);

  if (request == NULL)
    {
      server_call_set_field (call, bad_field);
      server_call_fail (call, error);
      return;
    }

  if (!request->wants_stream)
    server_answer_start (call, request, &whole);
  else
    server_answer_start (call, request, request->partial_images >= 0 ? &partial : &stream);
}

/* --- Models ---------------------------------------------------------------------------------------- */

/* Only those of the store have a time; others are not stored (NULL). */
static GVariant *
make_model (const char     *name,
            ZimStoredModel *stored)
{
  GVariantBuilder dict;

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "id", "s", name);
  app_dict_add (&dict, "object", "s", "model");
  app_dict_add (&dict, "created", "x",
                stored != NULL ? g_date_time_to_unix (zim_stored_model_get_modified (stored)) : (gint64) 0);
  app_dict_add (&dict, "owned_by", "s", OWNER);
  return g_variant_builder_end (&dict);
}

static GVariant *
make_list (GPtrArray *listings)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantBuilder dict;

  for (guint i = 0; i < listings->len; i++)
    {
      const AppListing *listing = listings->pdata[i];

      g_variant_builder_add_value (&builder, make_model (listing->name, listing->stored));
    }
  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "object", "s", "list");
  app_dict_add_value (&dict, "data", g_variant_builder_end (&builder));
  return g_variant_builder_end (&dict);
}

void
server_openai_models (ServerCall *call,
                      GVariant   *body)
{
  server_answer_listings (call, make_list);
}

static void
resolved_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  AppModels *models = APP_MODELS (source);
  g_autoptr(ServerCall) call = data;
  g_autoptr(GError) error = NULL;
  g_autofree char *name = app_models_resolve_finish (models, result, &error);
  g_autoptr(ZimStoredModel) stored = name != NULL ? zim_store_find (app_models_get_store (models), name) : NULL;

  if (name != NULL)
    server_call_reply_json (call, 200, make_model (name, stored));
  else
    server_call_fail (call, error);
}

void
server_openai_model (ServerCall *call,
                     GVariant   *body)
{
  server_call_set_field (call, "model");
  server_call_wait (call);
  app_models_resolve_async (server_call_get_server (call)->models, server_call_get_argument (call, 0), resolved_cb,
                               g_object_ref (call));
}
