/* service-generator.c: the generator as an object of the bus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* A job is on the bus as long as the queue knows it: while it waits and runs, and afterwards while its pictures are
 * kept. When its caller leaves the bus it ends and goes, unless it is detached. */

#include "config.h"

#include "service-generator.h"

#include "app-bus-error.h"
#include "app-bus.h"
#include "app-listing.h"
#include "app-lists.h"
#include "app-params.h"
#include "service-job.h"
#include "service-request.h"

struct _ServiceGenerator
{
  GObject                   parent_instance;

  GDBusConnection          *connection;
  GDBusObjectManagerServer *manager;
  AppBusGenerator          *skeleton;
  AppModels                *models;
  AppQueue                 *queue;
  GHashTable               *jobs;    /* AppJob to ServiceJob: those that are on the bus */
  GHashTable               *callers; /* the unique name of who has jobs there to a GUINT of its watch */
  guint                     n_calls; /* that are not answered yet */
};

G_DEFINE_FINAL_TYPE (ServiceGenerator, service_generator, G_TYPE_OBJECT)

enum {
  ACTIVITY,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
unwatch (gpointer watch)
{
  g_bus_unwatch_name (GPOINTER_TO_UINT (watch));
}

static void
service_generator_finalize (GObject *object)
{
  ServiceGenerator *self = SERVICE_GENERATOR (object);

  g_signal_handlers_disconnect_by_data (self->queue, self);
  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (self->skeleton));
  g_dbus_object_manager_server_set_connection (self->manager, NULL);
  g_hash_table_unref (self->callers);
  g_hash_table_unref (self->jobs);
  g_object_unref (self->manager);
  g_object_unref (self->skeleton);
  g_object_unref (self->models);
  g_object_unref (self->queue);
  g_object_unref (self->connection);
  G_OBJECT_CLASS (service_generator_parent_class)->finalize (object);
}

static void
service_generator_class_init (ServiceGeneratorClass *class)
{
  G_OBJECT_CLASS (class)->finalize = service_generator_finalize;
  signals[ACTIVITY] = g_signal_new ("activity", SERVICE_TYPE_GENERATOR, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                    G_TYPE_NONE, 0);
}

static void
service_generator_init (ServiceGenerator *self)
{
  self->jobs = g_hash_table_new_full (NULL, NULL, NULL, g_object_unref);
  self->callers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, unwatch);
  self->manager = g_dbus_object_manager_server_new (APP_BUS_PATH);
  self->skeleton = app_bus_generator_skeleton_new ();
}

gboolean
service_generator_is_idle (ServiceGenerator *self)
{
  return self->n_calls == 0 && g_hash_table_size (self->jobs) == 0 && app_queue_is_idle (self->queue);
}

static void
activity (ServiceGenerator *self)
{
  app_bus_generator_set_waiting (self->skeleton, app_queue_get_n_waiting (self->queue));
  app_bus_generator_set_running (self->skeleton, app_queue_get_n_running (self->queue));
  g_signal_emit (self, signals[ACTIVITY], 0);
}

static void
begin_call (ServiceGenerator *self)
{
  self->n_calls++;
  activity (self);
}

static void
end_call (ServiceGenerator *self)
{
  self->n_calls--;
  activity (self);
}

static void
return_error (GDBusMethodInvocation *invocation,
              const GError          *error)
{
  g_autofree char *message = g_utf8_make_valid (error->message, -1);

  g_dbus_method_invocation_return_dbus_error (invocation, app_bus_error_get_name (error), message);
}

/* --- Callers --------------------------------------------------------------------------------------- */

/* The jobs that go with their caller. (element-type ServiceJob) (transfer full) */
static GPtrArray *
list_jobs_of (ServiceGenerator *self,
              const char       *caller)
{
  GPtrArray *jobs = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer job;

  g_hash_table_iter_init (&iter, self->jobs);
  while (g_hash_table_iter_next (&iter, NULL, &job))
    if (!service_job_is_detached (job) && g_str_equal (service_job_get_job (job)->client, caller))
      g_ptr_array_add (jobs, g_object_ref (job));

  return jobs;
}

static void
vanished_cb (GDBusConnection *connection,
             const char      *name,
             gpointer         data)
{
  ServiceGenerator *self = data;
  g_autofree char *caller = g_strdup (name);
  g_autoptr(GPtrArray) jobs = list_jobs_of (self, caller);

  g_hash_table_remove (self->callers, caller);
  for (guint i = 0; i < jobs->len; i++)
    {
      AppJob *job = service_job_get_job (jobs->pdata[i]);

      /* Nobody would fetch what it has made so far, or why there is nothing. */
      job->is_kept = FALSE;
      app_queue_cancel (self->queue, job);
    }
}

/* A caller that has left already is told of at once. */
static void
watch (ServiceGenerator *self,
       const char       *caller)
{
  guint id;

  if (g_hash_table_contains (self->callers, caller))
    return;
  id = g_bus_watch_name_on_connection (self->connection, caller, G_BUS_NAME_WATCHER_FLAGS_NONE, NULL, vanished_cb, self,
                                       NULL);
  g_hash_table_insert (self->callers, g_strdup (caller), GUINT_TO_POINTER (id));
}

static void
unwatch_unless_needed (ServiceGenerator *self,
                       const char       *caller)
{
  g_autoptr(GPtrArray) jobs = list_jobs_of (self, caller);

  if (jobs->len == 0)
    g_hash_table_remove (self->callers, caller);
}

/* --- Jobs on the bus ------------------------------------------------------------------------------- */

static void
remove_job (ServiceGenerator *self,
            AppJob           *job)
{
  ServiceJob *object = g_hash_table_lookup (self->jobs, job);

  if (object == NULL)
    return;
  g_dbus_object_manager_server_unexport (self->manager, service_job_get_path (object));
  g_hash_table_remove (self->jobs, job);
  unwatch_unless_needed (self, job->client);
}

/* Who called was told of the end before the queue was. */
static void
over_cb (ServiceGenerator *self,
         AppJob           *job)
{
  if (!job->is_kept)
    remove_job (self, job);
  activity (self);
}

static void
forgotten_cb (ServiceGenerator *self,
              AppJob           *job)
{
  remove_job (self, job);
  activity (self);
}

static void
cancel_cb (ServiceGenerator *self,
           ServiceJob       *object)
{
  app_queue_cancel (self->queue, service_job_get_job (object));
}

static void
add_job (ServiceGenerator *self,
         ServiceJob       *object)
{
  AppJob *job = service_job_get_job (object);

  g_hash_table_insert (self->jobs, job, g_object_ref (object));
  g_signal_connect_object (object, "cancel", G_CALLBACK (cancel_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (job, "progress", G_CALLBACK (activity), self, G_CONNECT_SWAPPED);
  g_dbus_object_manager_server_export (self->manager, service_job_get_object (object));
  if (!service_job_is_detached (object))
    watch (self, job->client);
}

/* --- Generate () ----------------------------------------------------------------------------------- */

typedef struct
{
  ServiceGenerator      *generator;
  GDBusMethodInvocation *invocation;
  ServiceRequest        *request;
} Call;

static void
call_free (Call *call)
{
  end_call (call->generator);
  service_request_free (call->request);
  g_object_unref (call->generator);
  g_free (call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_free)

static AppJob *
make_job (Call       *call,
          const char *model)
{
  AppJob *job = app_job_new (g_dbus_method_invocation_get_sender (call->invocation), model, call->request->params);

  job->preview_interval = call->request->preview_interval;
  job->keep_alive = call->request->keep_alive;
  job->is_kept = TRUE;
  return job;
}

static void
start (Call       *call,
       const char *model)
{
  ServiceGenerator *self = call->generator;
  g_autoptr(AppJob) job = make_job (call, model);
  g_autoptr(ServiceJob) object = service_job_new (job, call->request->is_detached);
  g_autoptr(GError) error = NULL;

  if (!app_queue_add (self->queue, job, &error))
    {
      return_error (call->invocation, error);
      return;
    }

  add_job (self, object);
  app_bus_generator_complete_generate (self->skeleton, call->invocation, service_job_get_path (object));
}

static void
resolved_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  g_autoptr(Call) call = data;
  g_autoptr(GError) error = NULL;
  g_autofree char *model = app_models_resolve_finish (APP_MODELS (source), result, &error);

  if (model != NULL)
    start (call, model);
  else
    return_error (call->invocation, error);
}

static gboolean
generate_cb (ServiceGenerator      *self,
             GDBusMethodInvocation *invocation,
             GVariant              *parameters)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ServiceRequest) request = service_request_read (parameters, app_models_get_keep_alive (self->models),
                                                            &error);
  Call *call;

  begin_call (self);
  if (request == NULL || !app_queue_check (self->queue, g_dbus_method_invocation_get_sender (invocation), &error))
    {
      return_error (invocation, error);
      end_call (self);
      return TRUE;
    }

  call = g_new0 (Call, 1);
  call->generator = g_object_ref (self);
  call->invocation = invocation;
  call->request = g_steal_pointer (&request);
  app_models_resolve_async (self->models, call->request->model, resolved_cb, call);
  return TRUE;
}

/* --- Lists ----------------------------------------------------------------------------------------- */

static void
add_listing (GVariantBuilder  *list,
             const AppListing *listing)
{
  g_variant_builder_open (list, G_VARIANT_TYPE_VARDICT);
  if (listing->stored != NULL)
    app_stored_model_add (listing->stored, list);
  else
    {
      app_dict_add (list, "name", "s", listing->name);
      app_dict_add (list, "size", "t", app_listing_get_size (listing));
    }
  app_dict_add (list, "loaded", "b", listing->is_loaded);
  g_variant_builder_close (list);
}

static void
listed_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr(GDBusMethodInvocation) invocation = data;
  ServiceGenerator *self = g_object_get_data (G_OBJECT (invocation), "generator");
  GVariantBuilder list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) listings = app_listings_finish (APP_MODELS (source), result, &error);

  if (listings != NULL)
    {
      for (guint i = 0; i < listings->len; i++)
        add_listing (&list, listings->pdata[i]);
      app_bus_generator_complete_list_models (self->skeleton, g_object_ref (invocation), g_variant_builder_end (&list));
    }
  else
    return_error (g_object_ref (invocation), error);
  end_call (self);
}

static gboolean
list_models_cb (ServiceGenerator      *self,
                GDBusMethodInvocation *invocation)
{
  begin_call (self);
  g_object_set_data_full (G_OBJECT (invocation), "generator", g_object_ref (self), g_object_unref);
  app_listings_async (self->models, listed_cb, invocation);
  return TRUE;
}

static gboolean
list_devices_cb (ServiceGenerator      *self,
                 GDBusMethodInvocation *invocation)
{
  g_autoptr(GListModel) devices = zim_device_list ();

  app_bus_generator_complete_list_devices (self->skeleton, invocation, app_devices_to_variant (devices));
  activity (self);
  return TRUE;
}

/* --- Appearing ------------------------------------------------------------------------------------- */

static void
connect_signals (ServiceGenerator *self)
{
  g_signal_connect_swapped (self->skeleton, "handle-generate", G_CALLBACK (generate_cb), self);
  g_signal_connect_swapped (self->skeleton, "handle-list-models", G_CALLBACK (list_models_cb), self);
  g_signal_connect_swapped (self->skeleton, "handle-list-devices", G_CALLBACK (list_devices_cb), self);
  g_signal_connect_swapped (self->queue, "over", G_CALLBACK (over_cb), self);
  g_signal_connect_swapped (self->queue, "forgotten", G_CALLBACK (forgotten_cb), self);
  g_signal_connect_swapped (self->queue, "idle", G_CALLBACK (activity), self);
}

ServiceGenerator *
service_generator_new (GDBusConnection  *connection,
                       AppModels        *models,
                       AppQueue         *queue,
                       GError          **error)
{
  g_autoptr(ServiceGenerator) self = g_object_new (SERVICE_TYPE_GENERATOR, NULL);

  self->connection = g_object_ref (connection);
  self->models = g_object_ref (models);
  self->queue = g_object_ref (queue);
  app_bus_generator_set_version (self->skeleton, ZIM_VERSION_STRING);
  app_bus_generator_set_device (self->skeleton, zim_device_get_id (app_models_get_device (models)));
  connect_signals (self);

  g_dbus_object_manager_server_set_connection (self->manager, connection);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->skeleton), connection, APP_BUS_PATH, error))
    return NULL;
  return g_steal_pointer (&self);
}
