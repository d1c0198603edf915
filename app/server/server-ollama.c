/* server-ollama.c: Ollama's API, as it was when it made pictures
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-fields.h"
#include "app-format.h"
#include "app-json.h"
#include "app-listing.h"
#include "app-lists.h"
#include "app-params.h"
#include "server-answer.h"
#include "server-handlers.h"
#include "server-private.h"

#define ARCHITECTURE "ZImagePipeline"
#define FORMAT "safetensors"

static char *
format_time (GDateTime *time)
{
  g_autoptr(GDateTime) local = g_date_time_to_local (time);

  return g_date_time_format_iso8601 (local);
}

/* --- Generating ------------------------------------------------------------------------------------ */

/* What every last line has. */
static void
init_last_line (GVariantBuilder *dict,
                const char      *model)
{
  g_autoptr(GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *text = format_time (now);

  g_variant_builder_init (dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (dict, "model", "s", model);
  app_dict_add (dict, "created_at", "s", text);
  app_dict_add (dict, "response", "s", "");
  app_dict_add (dict, "done", "b", TRUE);
}

static gint64
to_nanoseconds (double seconds)
{
  return (gint64) (seconds * 1e9);
}

static GVariant *
make_last_line (ServerAnswer *answer)
{
  AppJob *job = answer->job;
  GVariantBuilder dict;

  init_last_line (&dict, answer->request->model);
  app_dict_add (&dict, "done_reason", "s", "stop");
  app_dict_add_value (&dict, "image", server_answer_text (job->pictures->pdata[0]));
  app_dict_add (&dict, "seed", "x", app_job_get_seed (job, 0));
  app_dict_add (&dict, "total_duration", "x", (job->ended - job->submitted) * 1000);
  app_dict_add (&dict, "load_duration", "x", to_nanoseconds (job->stage_seconds[ZIM_STAGE_LOAD]));
  return g_variant_builder_end (&dict);
}

static void
done_whole (ServerAnswer *answer)
{
  server_call_reply_json (answer->call, 200, make_last_line (answer));
}

/* How far the job is. It is written at once, as server_answer_progress () is. */
static char *
make_step_line (ServerAnswer *answer)
{
  AppJob *job = answer->job;
  g_autoptr(GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format_iso8601 (now);
  g_autofree char *model = app_variant_to_json_line (g_variant_new_string (answer->request->model));

  return g_strdup_printf ("{\"model\":%s,\"created_at\":\"%s\",\"response\":\"\",\"done\":false,\"completed\":%d,"
                          "\"total\":%d}", model, time, job->step, job->total);
}

/* Headers are sent with the first line, so that what goes wrong before has a status of its own. */
static void
send_step (ServerAnswer *answer)
{
  AppJob *job = answer->job;

  if (job->stage != ZIM_STAGE_DENOISE || job->step == answer->last_step)
    return;
  answer->last_step = job->step;
  if (!server_call_is_streaming (answer->call))
    server_call_begin_stream (answer->call, SERVER_STREAM_LINES);
  server_call_send_json (answer->call, NULL, make_step_line (answer));
}

static void
done_stream (ServerAnswer *answer)
{
  if (!server_call_is_streaming (answer->call))
    server_call_begin_stream (answer->call, SERVER_STREAM_LINES);
  server_call_send (answer->call, NULL, make_last_line (answer));
  server_call_end_stream (answer->call);
}

/* --- Loading and unloading ------------------------------------------------------------------------- */

/* What an empty prompt asks for. */
typedef struct
{
  ServerCall    *call;
  ServerRequest *request;
  char          *model;
} Load;

static void
load_free (Load *load)
{
  g_object_unref (load->call);
  server_request_free (load->request);
  g_free (load->model);
  g_free (load);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Load, load_free)

static void
reply_loaded (Load       *load,
              const char *reason)
{
  GVariantBuilder dict;

  init_last_line (&dict, load->request->model);
  app_dict_add (&dict, "done_reason", "s", reason);
  server_call_reply_json (load->call, 200, g_variant_builder_end (&dict));
}

static void
loaded_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr(Load) load = data;
  AppModels *models = APP_MODELS (source);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimPipeline) pipeline = app_models_acquire_finish (models, result, &error);

  if (pipeline == NULL)
    {
      server_call_fail (load->call, error);
      return;
    }

  app_models_release (models, load->model, load->request->keep_alive);
  reply_loaded (load, "load");
}

static void
resolved_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  g_autoptr(Load) load = data;
  AppModels *models = APP_MODELS (source);
  g_autoptr(GError) error = NULL;

  load->model = app_models_resolve_finish (models, result, &error);
  if (load->model == NULL)
    server_call_fail (load->call, error);
  else if (load->request->keep_alive == 0)
    {
      app_models_unload (models, load->model);
      reply_loaded (load, "unload");
    }
  else
    {
      const char *model = load->model;

      app_models_acquire_async (models, model, NULL, NULL, loaded_cb, g_steal_pointer (&load));
    }
}

static void
start_load (ServerCall    *call,
            ServerRequest *request)
{
  Load *load = g_new0 (Load, 1);

  load->call = g_object_ref (call);
  load->request = request;
  server_call_wait (call);
  app_models_resolve_async (server_call_get_server (call)->models, request->model, resolved_cb, load);
}

void
server_ollama_generate (ServerCall *call,
                        GVariant   *body)
{
  static const ServerAnswerKind whole = { .done = done_whole };
  static const ServerAnswerKind stream = { .progress = send_step, .done = done_stream };
  gint64 keep_alive = app_models_get_keep_alive (server_call_get_server (call)->models);
  const char *bad_field;
  g_autoptr(GError) error = NULL;
  ServerRequest *request = server_request_read_ollama (body, keep_alive, &bad_field, &error);

  if (request == NULL)
    server_call_fail (call, error);
  else if (*zim_params_get_prompt (request->params) == '\0')
    start_load (call, request);
  else
    server_answer_start (call, request, request->wants_stream ? &stream : &whole);
}

/* --- What there is --------------------------------------------------------------------------------- */

static void
add_details (GVariantBuilder *dict,
             ZimModel        *model)
{
  guint64 n = model != NULL ? zim_model_get_n_parameters (model) : 0;
  g_autofree char *number = app_format_number ((double) n / (n >= 1000000000 ? 1e9 : 1e6), 1);
  g_autofree char *size = model != NULL ? g_strconcat (number, n >= 1000000000 ? "B" : "M", NULL) : g_strdup ("");
  GVariantBuilder details;

  g_variant_builder_init (&details, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&details, "parent_model", "s", "");
  app_dict_add (&details, "format", "s", FORMAT);
  app_dict_add (&details, "family", "s", ARCHITECTURE);
  app_dict_add_value (&details, "families", g_variant_new_strv ((const char *[]) { ARCHITECTURE }, 1));
  app_dict_add (&details, "parameter_size", "s", size);
  app_dict_add (&details, "quantization_level", "s",
                         model != NULL ? zim_model_get_quantization (model) : "");
  app_dict_add_value (dict, "details", g_variant_builder_end (&details));
}

static void
init_model (GVariantBuilder *dict,
            const char      *name,
            guint64          size,
            const char      *digest,
            ZimModel        *model)
{
  g_variant_builder_init (dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (dict, "name", "s", name);
  app_dict_add (dict, "model", "s", name);
  app_dict_add (dict, "size", "t", size);
  app_dict_add (dict, "digest", "s", digest);
  add_details (dict, model);
}

/* One that is none of the store has no digest and no time. */
static GVariant *
make_tag (const AppListing *listing)
{
  ZimStoredModel *stored = listing->stored;
  g_autofree char *modified = stored != NULL ? format_time (zim_stored_model_get_modified (stored))
                                             : g_strdup ("1970-01-01T00:00:00Z");
  GVariantBuilder dict;

  init_model (&dict, listing->name, app_listing_get_size (listing),
              stored != NULL ? zim_stored_model_get_id (stored) : "", listing->model);
  app_dict_add (&dict, "modified_at", "s", modified);
  return g_variant_builder_end (&dict);
}

static GVariant *
make_tags (GPtrArray *listings)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantBuilder dict;

  for (guint i = 0; i < listings->len; i++)
    g_variant_builder_add_value (&builder, make_tag (listings->pdata[i]));
  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add_value (&dict, "models", g_variant_builder_end (&builder));
  return g_variant_builder_end (&dict);
}

void
server_ollama_tags (ServerCall *call,
                    GVariant   *body)
{
  server_answer_listings (call, make_tags);
}

static char *
format_expiry (gint64 expires_at)
{
  gint64 left = expires_at - g_get_monotonic_time ();
  g_autoptr(GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr(GDateTime) end = NULL;

  /* Ollama's “for ever” is a few hundred years, too. */
  end = expires_at == G_MAXINT64 ? g_date_time_add_years (now, 200) : g_date_time_add (now, left);
  return format_time (end);
}

void
server_ollama_ps (ServerCall *call,
                  GVariant   *body)
{
  AppModels *models = server_call_get_server (call)->models;
  GPtrArray *known = app_models_get_list (models);
  gboolean is_gpu = zim_device_get_kind (app_models_get_device (models)) == ZIM_DEVICE_KIND_VULKAN;
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantBuilder dict;

  for (guint i = 0; i < known->len; i++)
    {
      AppModel *model = known->pdata[i];
      g_autofree char *expiry = format_expiry (model->expires_at);
      guint64 size = zim_model_get_size (model->model);

      if (model->pipeline == NULL)
        continue;
      init_model (&dict, model->name, size, "", model->model);
      app_dict_add (&dict, "expires_at", "s", expiry);
      app_dict_add (&dict, "size_vram", "t", is_gpu ? size : 0);
      app_dict_add (&dict, "context_length", "i", 0);
      app_dict_add (&dict, "device", "s", zim_device_get_name (app_models_get_device (models)));
      g_variant_builder_add_value (&builder, g_variant_builder_end (&dict));
    }

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add_value (&dict, "models", g_variant_builder_end (&builder));
  server_call_reply_json (call, 200, g_variant_builder_end (&dict));
}

void
server_ollama_version (ServerCall *call,
                       GVariant   *body)
{
  GVariantBuilder dict;

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "version", "s", ZIM_VERSION_STRING);
  server_call_reply_json (call, 200, g_variant_builder_end (&dict));
}

/* --- What a model is ------------------------------------------------------------------------------- */

typedef struct
{
  ServerCall *call;
  char       *name;
  gboolean    is_verbose;
} Show;

static void
show_free (Show *show)
{
  g_object_unref (show->call);
  g_free (show->name);
  g_free (show);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Show, show_free)

static GVariant *
make_model_info (ZimModel *model)
{
  GVariantBuilder dict;

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "general.architecture", "s", ARCHITECTURE);
  app_dict_add (&dict, "general.name", "s", zim_model_get_name (model));
  app_dict_add (&dict, "general.size", "t", zim_model_get_size (model));
  app_dict_add (&dict, "general.parameter_count", "t", zim_model_get_n_parameters (model));
  app_dict_add (&dict, "image.variant", "s", app_enum_nick (ZIM_TYPE_VARIANT, zim_model_get_variant (model)));
  app_dict_add (&dict, "image.width", "i", zim_model_get_default_width (model));
  app_dict_add (&dict, "image.height", "i", zim_model_get_default_height (model));
  app_dict_add (&dict, "image.steps", "i", zim_model_get_default_steps (model));
  app_dict_add (&dict, "image.guidance_scale", "d", zim_model_get_default_guidance (model));
  return g_variant_builder_end (&dict);
}

static void
show_opened_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      data)
{
  g_autoptr(Show) show = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimModel) model = app_models_open_finish (APP_MODELS (source), result, &error);
  GVariantBuilder dict;

  if (model == NULL)
    {
      server_call_fail (show->call, error);
      return;
    }

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "modelfile", "s", "");
  add_details (&dict, model);
  app_dict_add_value (&dict, "model_info", make_model_info (model));
  app_dict_add_value (&dict, "capabilities", g_variant_new_strv ((const char *[]) { "image" }, 1));
  if (show->is_verbose)
    {
      g_autoptr(GVariant) tensors = zim_model_list_tensors (model);

      app_dict_add_value (&dict, "tensors", app_tensors_to_variant (tensors));
    }
  server_call_reply_json (show->call, 200, g_variant_builder_end (&dict));
}

static void
show_resolved_cb (GObject      *source,
                  GAsyncResult *result,
                  gpointer      data)
{
  g_autoptr(Show) show = data;
  g_autoptr(GError) error = NULL;
  const char *name;

  show->name = app_models_resolve_finish (APP_MODELS (source), result, &error);
  if (show->name == NULL)
    {
      server_call_fail (show->call, error);
      return;
    }

  name = show->name;
  app_models_open_async (APP_MODELS (source), name, NULL, show_opened_cb, g_steal_pointer (&show));
}

void
server_ollama_show (ServerCall *call,
                    GVariant   *body)
{
  g_autofree char *name = NULL;
  gboolean is_verbose = FALSE;
  g_autoptr(GError) error = NULL;
  Show *show;

  if (!server_call_need_text (call, body, "model", "name", &name))
    return;
  if (!app_dict_read_flag (body, "verbose", &is_verbose, &error))
    {
      server_call_fail (call, error);
      return;
    }

  show = g_new0 (Show, 1);
  show->call = g_object_ref (call);
  show->is_verbose = is_verbose;
  server_call_wait (call);
  app_models_resolve_async (server_call_get_server (call)->models, name, show_resolved_cb, show);
}
