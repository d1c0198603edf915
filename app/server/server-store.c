/* server-store.c: models that are fetched, copied and removed over the network
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>
#include <string.h>

#include "app-params.h"
#include "server-handlers.h"
#include "server-private.h"

#define TICK 200 /* milliseconds between two lines of progress */

static void
fail_missing (ServerCall *call,
              const char *field)
{
  g_autoptr(GError) error = g_error_new (ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Field “%s” is missing"), field);

  server_call_fail (call, error);
}

/* Reads a string that has to be there, under either of two names. Otherwise answers. */
static gboolean
need_text (ServerCall  *call,
           GVariant    *body,
           const char  *field,
           const char  *old_field,
           char       **text)
{
  g_autoptr(GError) error = NULL;

  if ((old_field != NULL && !app_dict_read_text (body, old_field, text, &error)) ||
      !app_dict_read_text (body, field, text, &error))
    {
      server_call_fail (call, error);
      return FALSE;
    }
  if (*text != NULL && **text != '\0')
    return TRUE;

  fail_missing (call, field);
  return FALSE;
}

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

/* --- Copying and creating -------------------------------------------------------------------------- */

/* A copy, and how its end is told. */
typedef struct
{
  ServerCall *call;
  char       *source;
  char       *destination;
  gboolean    is_creation; /* the answer has a status then */
  gboolean    wants_stream;
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
  else if (!copy->is_creation)
    server_call_reply_empty (copy->call, 200);
  else if (!copy->wants_stream)
    reply_status (copy->call, "success");
  else
    {
      server_call_begin_stream (copy->call, SERVER_STREAM_LINES);
      send_status (copy->call, "success");
      server_call_end_stream (copy->call);
    }
}

static void
start_copy (Copy *copy)
{
  ZimStore *store = server_models_get_store (server_call_get_server (copy->call)->models);

  server_call_wait (copy->call);
  zim_store_copy_async (store, copy->source, copy->destination, NULL, copied_cb, copy);
}

void
server_store_copy (ServerCall *call,
                   GVariant   *body)
{
  g_autoptr(Copy) copy = g_new0 (Copy, 1);

  copy->call = g_object_ref (call);
  if (need_text (call, body, "source", NULL, &copy->source) &&
      need_text (call, body, "destination", NULL, &copy->destination))
    start_copy (g_steal_pointer (&copy));
}

/* A model is made of one that is there. Folders and files are the command line's: no request names one. */
void
server_store_create (ServerCall *call,
                     GVariant   *body)
{
  static const char *const unsupported[] = { "files", "adapters", "quantize", "modelfile", "path" };
  g_autoptr(Copy) copy = g_new0 (Copy, 1);
  g_autoptr(GError) error = NULL;

  copy->call = g_object_ref (call);
  copy->is_creation = TRUE;
  copy->wants_stream = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (unsupported); i++)
    {
      g_autoptr(GVariant) value = app_dict_lookup (body, unsupported[i]);

      if (value == NULL)
        continue;
      error = g_error_new (ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
                           _("Field “%s” is not supported, expected “from”: a model of the store; “zimage create” on "
                             "the server's machine makes models of files"), unsupported[i]);
      server_call_fail (call, error);
      return;
    }
  if (!need_text (call, body, "model", "name", &copy->destination) ||
      !need_text (call, body, "from", NULL, &copy->source))
    return;
  if (!app_dict_read_flag (body, "stream", &copy->wants_stream, &error))
    server_call_fail (call, error);
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

  server_models_unload (server_call_get_server (removal->call)->models, removal->name);
  server_call_reply_empty (removal->call, 200);
}

void
server_store_delete (ServerCall *call,
                     GVariant   *body)
{
  g_autoptr(Removal) removal = g_new0 (Removal, 1);
  ZimStore *store = server_models_get_store (server_call_get_server (call)->models);
  const char *name;

  removal->call = g_object_ref (call);
  if (!need_text (call, body, "model", "name", &removal->name))
    return;

  name = removal->name;
  server_call_wait (call);
  zim_store_remove_async (store, name, NULL, removed_cb, g_steal_pointer (&removal));
}

/* --- Pulling --------------------------------------------------------------------------------------- */

typedef struct
{
  ServerCall   *call;
  ZimTransfer  *transfer;
  GCancellable *cancellable;
  guint64       completed; /* that was told last */
  guint         tick_id;
  gboolean      wants_stream;
} Pull;

static void
pull_free (Pull *pull)
{
  g_clear_handle_id (&pull->tick_id, g_source_remove);
  g_object_unref (pull->call);
  g_object_unref (pull->transfer);
  g_object_unref (pull->cancellable);
  g_free (pull);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Pull, pull_free)

static gboolean
tick_cb (gpointer data)
{
  Pull *pull = data;
  guint64 completed = zim_transfer_get_completed (pull->transfer);
  GVariantBuilder dict;

  if (completed == pull->completed)
    return G_SOURCE_CONTINUE;
  pull->completed = completed;
  if (!server_call_is_streaming (pull->call))
    {
      server_call_begin_stream (pull->call, SERVER_STREAM_LINES);
      send_status (pull->call, "pulling manifest");
    }

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "status", "s", "pulling model");
  app_dict_add (&dict, "digest", "s", "sha256:model");
  app_dict_add (&dict, "total", "t", zim_transfer_get_total (pull->transfer));
  app_dict_add (&dict, "completed", "t", completed);
  server_call_send (pull->call, NULL, g_variant_builder_end (&dict));
  return G_SOURCE_CONTINUE;
}

static void
pulled_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr(Pull) pull = data;
  g_autoptr(GError) error = NULL;

  if (!zim_store_pull_finish (ZIM_STORE (source), result, &error))
    {
      server_call_fail (pull->call, error);
      return;
    }
  if (!pull->wants_stream)
    {
      reply_status (pull->call, "success");
      return;
    }

  if (!server_call_is_streaming (pull->call))
    server_call_begin_stream (pull->call, SERVER_STREAM_LINES);
  send_status (pull->call, "writing manifest");
  send_status (pull->call, "success");
  server_call_end_stream (pull->call);
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

/* What has come is kept: who goes away and comes again goes on where it was. */
static void
start_pull (ServerCall *call,
            const char *name,
            gboolean    wants_stream)
{
  AppServer *server = server_call_get_server (call);
  Pull *pull = g_new0 (Pull, 1);

  pull->call = g_object_ref (call);
  pull->transfer = zim_transfer_new ();
  pull->cancellable = g_cancellable_new ();
  pull->wants_stream = wants_stream;
  g_signal_connect_object (call, "gone", G_CALLBACK (gone_cb), pull->cancellable, 0);
  g_signal_connect_object (server->stopped, "cancelled", G_CALLBACK (stopped_cb), pull->cancellable, 0);
  if (wants_stream)
    pull->tick_id = g_timeout_add (TICK, tick_cb, pull);
  server_call_wait (call);
  zim_store_pull_async (server_models_get_store (server->models), name, NULL, pull->transfer, pull->cancellable,
                        pulled_cb, pull);
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

  if (!need_text (call, body, "model", "name", &name))
    return;
  if (!is_known_host (name))
    error = g_error_new (ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
                         _("“%.200s” is on a host of its own; “zimage pull” on the server's machine gets it"), name);
  else
    app_dict_read_flag (body, "stream", &wants_stream, &error);

  if (error != NULL)
    server_call_fail (call, error);
  else
    start_pull (call, name, wants_stream);
}
