/* server-store.c: models that are fetched, copied and removed over the network
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>
#include <string.h>

#include "app-params.h"
#include "server-error.h"
#include "server-handlers.h"
#include "server-private.h"

#define TICK 200       /* milliseconds between two lines of progress */
#define ARRIVALS_MAX 4 /* each has threads, connections and tensors of its own */

/* How the end of something is told. */
typedef enum
{
  END_EMPTY,  /* by the answer's status alone */
  END_STATUS, /* as an object */
  END_LINES,  /* in lines, the progress before it */
} End;

static void
send_status (ServerCall *call,
             const char *status)
{
  GVariantBuilder dict;

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "status", "s", status);
  server_call_send (call, NULL, g_variant_builder_end (&dict));
}

static void
reply_status (ServerCall *call,
              const char *status)
{
  GVariantBuilder dict;

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "status", "s", status);
  server_call_reply_json (call, 200, g_variant_builder_end (&dict));
}

static void
tell_end (ServerCall *call,
          End         end)
{
  switch (end)
    {
    case END_EMPTY:
      server_call_reply_empty (call, 200);
      break;
    case END_STATUS:
      reply_status (call, "success");
      break;
    case END_LINES:
      if (!server_call_is_streaming (call))
        server_call_begin_stream (call, SERVER_STREAM_LINES);
      send_status (call, "writing manifest");
      send_status (call, "success");
      server_call_end_stream (call);
      break;
    }
}

/* --- What takes long ------------------------------------------------------------------------------- */

/* A model on its way into the store. */
typedef struct
{
  ServerCall   *call;
  ZimTransfer  *transfer;
  GCancellable *cancellable;
  char         *name;      /* of the model */
  char         *quantize;  /* what its matrices become, or NULL */
  const char   *status;    /* what lines of progress say */
  guint64       completed; /* that was told last */
  guint         tick_id;
  End           end;
} Arrival;

static void
arrival_free (Arrival *arrival)
{
  g_clear_handle_id (&arrival->tick_id, g_source_remove);
  server_call_get_server (arrival->call)->n_arrivals--;
  g_object_unref (arrival->call);
  g_object_unref (arrival->transfer);
  g_object_unref (arrival->cancellable);
  g_free (arrival->name);
  g_free (arrival->quantize);
  g_free (arrival);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Arrival, arrival_free)

static gboolean
tick_cb (gpointer data)
{
  Arrival *arrival = data;
  guint64 completed = zim_transfer_get_completed (arrival->transfer);
  GVariantBuilder dict;

  if (completed == arrival->completed)
    return G_SOURCE_CONTINUE;
  arrival->completed = completed;
  if (!server_call_is_streaming (arrival->call))
    server_call_begin_stream (arrival->call, SERVER_STREAM_LINES);

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "status", "s", arrival->status);
  app_dict_add (&dict, "digest", "s", "sha256:model");
  app_dict_add (&dict, "total", "t", zim_transfer_get_total (arrival->transfer));
  app_dict_add (&dict, "completed", "t", completed);
  server_call_send (arrival->call, NULL, g_variant_builder_end (&dict));
  return G_SOURCE_CONTINUE;
}

/* Whoever waits is told the end. Takes the arrival; error may be NULL. */
static void
finish_arrival (Arrival      *taken,
                const GError *error)
{
  g_autoptr(Arrival) arrival = taken;

  if (error != NULL)
    server_call_fail (arrival->call, error);
  else
    tell_end (arrival->call, arrival->end);
}

static void
gone_cb (ServerCall   *call,
         GCancellable *cancellable)
{
  g_cancellable_cancel (cancellable);
}

static void
stopped_cb (GCancellable *stopped,
            GCancellable *cancellable)
{
  g_cancellable_cancel (cancellable);
}

/* Whether there is room for one more. Otherwise answers. */
static gboolean
check_arrivals (ServerCall *call)
{
  guint n_arrivals = server_call_get_server (call)->n_arrivals;
  g_autoptr(GError) error = NULL;

  if (n_arrivals < ARRIVALS_MAX)
    return TRUE;
  error = g_error_new (SERVER_ERROR, 503, _("%u models are on their way already; try again later"), n_arrivals);
  server_call_fail (call, error);
  return FALSE;
}

/* What has come is kept: who goes away and comes again goes on where it was. */
static Arrival *
start_arrival (ServerCall *call,
               const char *name,
               const char *status,
               End         end)
{
  AppServer *server = server_call_get_server (call);
  Arrival *arrival = g_new0 (Arrival, 1);

  server->n_arrivals++;
  arrival->call = g_object_ref (call);
  arrival->transfer = zim_transfer_new ();
  arrival->cancellable = g_cancellable_new ();
  arrival->name = g_strdup (name);
  arrival->status = status;
  arrival->end = end;
  g_signal_connect_object (call, "gone", G_CALLBACK (gone_cb), arrival->cancellable, 0);
  g_signal_connect_object (server->stopped, "cancelled", G_CALLBACK (stopped_cb), arrival->cancellable, 0);
  if (end == END_LINES)
    arrival->tick_id = g_timeout_add (TICK, tick_cb, arrival);
  server_call_wait (call);
  return arrival;
}

/* --- Copying and creating -------------------------------------------------------------------------- */

/* A model under another name. */
typedef struct
{
  ServerCall *call;
  char       *source;
  char       *destination;
  End         end;
} Copy;

static void
copy_free (Copy *copy)
{
  g_object_unref (copy->call);
  g_free (copy->source);
  g_free (copy->destination);
  g_free (copy);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Copy, copy_free)

static void
copied_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr(Copy) copy = data;
  g_autoptr(GError) error = NULL;

  if (!zim_store_copy_finish (ZIM_STORE (source), result, &error))
    server_call_fail (copy->call, error);
  else
    tell_end (copy->call, copy->end);
}

static void
created_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  g_autoptr(GError) error = NULL;

  zim_store_create_finish (ZIM_STORE (source), result, &error);
  finish_arrival (data, error);
}

static void
source_opened_cb (GObject      *source,
                  GAsyncResult *result,
                  gpointer      data)
{
  AppModels *models = APP_MODELS (source);
  Arrival *arrival = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimModel) model = app_models_open_finish (models, result, &error);

  if (model == NULL)
    finish_arrival (arrival, error);
  else
    zim_store_create_async (app_models_get_store (models), arrival->name, model, arrival->quantize, NULL,
                            arrival->transfer, arrival->cancellable, created_cb, arrival);
}

static void
source_resolved_cb (GObject      *source,
                    GAsyncResult *result,
                    gpointer      data)
{
  AppModels *models = APP_MODELS (source);
  Arrival *arrival = data;
  g_autoptr(GError) error = NULL;
  g_autofree char *name = app_models_resolve_finish (models, result, &error);

  if (name == NULL)
    finish_arrival (arrival, error);
  else
    app_models_open_async (models, name, arrival->cancellable, source_opened_cb, arrival);
}

/* Takes the copy. */
static void
copy_stored (ZimStore *store,
             Copy     *copy)
{
  zim_store_copy_async (store, copy->source, copy->destination, NULL, copied_cb, copy);
}

/* The weights are computed or written again, which may take minutes; a copy takes no time. */
static void
start_creation (const Copy *copy,
                const char *quantize)
{
  const char *status = quantize != NULL ? "quantizing model" : "creating model";
  Arrival *arrival;

  if (!check_arrivals (copy->call))
    return;
  arrival = start_arrival (copy->call, copy->destination, status, copy->end);
  arrival->quantize = g_strdup (quantize);
  app_models_resolve_async (server_call_get_server (copy->call)->models, copy->source, source_resolved_cb, arrival);
}

/* One that was named when the server was started, or that is installed, has to come into the store. */
static void
copy_resolved_cb (GObject      *source,
                  GAsyncResult *result,
                  gpointer      data)
{
  AppModels *models = APP_MODELS (source);
  ZimStore *store = app_models_get_store (models);
  g_autoptr(Copy) copy = data;
  g_autoptr(GError) error = NULL;
  g_autofree char *name = app_models_resolve_finish (models, result, &error);
  g_autoptr(ZimStoredModel) stored = name != NULL ? zim_store_find (store, name) : NULL;

  if (name == NULL)
    server_call_fail (copy->call, error);
  else if (stored == NULL)
    start_creation (copy, NULL);
  else
    copy_stored (store, g_steal_pointer (&copy));
}

/* Takes the copy. */
static void
start_copy (Copy *copy)
{
  server_call_wait (copy->call);
  app_models_resolve_async (server_call_get_server (copy->call)->models, copy->source, copy_resolved_cb, copy);
}

void
server_store_copy (ServerCall *call,
                   GVariant   *body)
{
  g_autoptr(Copy) copy = g_new0 (Copy, 1);

  copy->call = g_object_ref (call);
  copy->end = END_EMPTY;
  if (server_call_need_text (call, body, "source", NULL, &copy->source) &&
      server_call_need_text (call, body, "destination", NULL, &copy->destination))
    start_copy (g_steal_pointer (&copy));
}

/* A model is made of one that is there. Folders and files are the command line's: no request names one. */
void
server_store_create (ServerCall *call,
                     GVariant   *body)
{
  static const char *const unsupported[] = { "files", "adapters", "modelfile", "path" };
  g_autofree char *quantize = NULL;
  g_autoptr(Copy) copy = g_new0 (Copy, 1);
  g_autoptr(GError) error = NULL;
  gboolean wants_stream = TRUE;

  copy->call = g_object_ref (call);
  for (guint i = 0; i < G_N_ELEMENTS (unsupported); i++)
    {
      g_autoptr(GVariant) value = app_dict_lookup (body, unsupported[i]);

      if (value == NULL)
        continue;
      error = g_error_new (ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
                           _("Field “%s” is not supported, expected “from”: a model of the store; “zimage create” on "
                             "the server’s machine makes models of files"), unsupported[i]);
      server_call_fail (call, error);
      return;
    }
  if (!server_call_need_text (call, body, "model", "name", &copy->destination) ||
      !server_call_need_text (call, body, "from", NULL, &copy->source))
    return;
  if (!app_dict_read_flag (body, "stream", &wants_stream, &error) ||
      !app_dict_read_text (body, "quantize", &quantize, &error))
    {
      server_call_fail (call, error);
      return;
    }
  copy->end = wants_stream ? END_LINES : END_STATUS;
  if (quantize != NULL && *quantize != '\0')
    start_creation (copy, quantize);
  else
    start_copy (g_steal_pointer (&copy));
}

/* --- Removing -------------------------------------------------------------------------------------- */

typedef struct
{
  ServerCall *call;
  char       *name;
} Removal;

static void
removal_free (Removal *removal)
{
  g_object_unref (removal->call);
  g_free (removal->name);
  g_free (removal);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Removal, removal_free)

static void
removed_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  g_autoptr(Removal) removal = data;
  g_autoptr(GError) error = NULL;

  if (!zim_store_remove_finish (ZIM_STORE (source), result, &error))
    {
      server_call_fail (removal->call, error);
      return;
    }

  app_models_unload (server_call_get_server (removal->call)->models, removal->name);
  server_call_reply_empty (removal->call, 200);
}

void
server_store_delete (ServerCall *call,
                     GVariant   *body)
{
  g_autoptr(Removal) removal = g_new0 (Removal, 1);
  ZimStore *store = app_models_get_store (server_call_get_server (call)->models);
  const char *name;

  removal->call = g_object_ref (call);
  if (!server_call_need_text (call, body, "model", "name", &removal->name))
    return;

  name = removal->name;
  server_call_wait (call);
  zim_store_remove_async (store, name, NULL, removed_cb, g_steal_pointer (&removal));
}

/* --- Pulling --------------------------------------------------------------------------------------- */

static void
pulled_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr(GError) error = NULL;

  zim_store_pull_finish (ZIM_STORE (source), result, &error);
  finish_arrival (data, error);
}

static void
pull (ServerCall *call,
      const char *name,
      End         end)
{
  ZimStore *store = app_models_get_store (server_call_get_server (call)->models);
  Arrival *arrival;

  if (!check_arrivals (call))
    return;
  arrival = start_arrival (call, name, "pulling model", end);
  zim_store_pull_async (store, name, NULL, arrival->transfer, arrival->cancellable, pulled_cb, arrival);
}

/* Whether a name asks a server that is known to the library. Whoever may pull must not make this machine speak to any
 * other, such as one of the network that only this machine sees. */
static gboolean
is_known_host (const char *name)
{
  const char *first = strchr (name, '/');
  const char *second = first != NULL ? strchr (first + 1, '/') : NULL;
  static const char *const hosts[] = { "hf.co/", "huggingface.co/", "ollama.com/", "registry.ollama.ai/" };

  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    if (g_str_has_prefix (name, hosts[i]))
      return TRUE;
  return second == NULL;
}

void
server_store_pull (ServerCall *call,
                   GVariant   *body)
{
  g_autofree char *name = NULL;
  gboolean wants_stream = TRUE;
  g_autoptr(GError) error = NULL;

  if (!server_call_need_text (call, body, "model", "name", &name))
    return;
  if (!is_known_host (name))
    error = g_error_new (ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
                         _("“%.200s” is on a host of its own; “zimage pull” on the server’s machine gets it"), name);
  else
    app_dict_read_flag (body, "stream", &wants_stream, &error);

  if (error == NULL)
    pull (call, name, wants_stream ? END_LINES : END_STATUS);
  else
    server_call_fail (call, error);
}
