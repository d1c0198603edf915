/* service-job.c: a job as an object of the bus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "service-job.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "app-bus-error.h"
#include "app-bus.h"
#include "app-fields.h"
#include "service-memory.h"

#define ENCODING_MAX 4 /* previews at a time: steps may come faster than they are encoded */

struct _ServiceJob
{
  GObject              parent_instance;

  AppJob              *job;
  char                *path;
  gboolean             is_detached;
  AppBusGeneratorJob  *skeleton;
  GDBusObjectSkeleton *object;
  GQueue               waiting; /* of GDBusMethodInvocation: Wait () */
  guint                n_encoding; /* previews */
};

G_DEFINE_FINAL_TYPE (ServiceJob, service_job, G_TYPE_OBJECT)

enum {
  CANCEL,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
service_job_finalize (GObject *object)
{
  ServiceJob *self = SERVICE_JOB (object);

  g_queue_clear_full (&self->waiting, g_object_unref);
  g_signal_handlers_disconnect_by_data (self->skeleton, self);
  g_object_unref (self->skeleton);
  g_object_unref (self->object);
  g_object_unref (self->job);
  g_free (self->path);
  G_OBJECT_CLASS (service_job_parent_class)->finalize (object);
}

static void
service_job_class_init (ServiceJobClass *class)
{
  G_OBJECT_CLASS (class)->finalize = service_job_finalize;
  signals[CANCEL] = g_signal_new ("cancel", SERVICE_TYPE_JOB, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
service_job_init (ServiceJob *self)
{
  self->skeleton = app_bus_generator_job_skeleton_new ();
}

AppJob *
service_job_get_job (ServiceJob *self)
{
  return self->job;
}

gboolean
service_job_is_detached (ServiceJob *self)
{
  return self->is_detached;
}

const char *
service_job_get_path (ServiceJob *self)
{
  return self->path;
}

GDBusObjectSkeleton *
service_job_get_object (ServiceJob *self)
{
  return self->object;
}

/* --- Properties ------------------------------------------------------------------------------------ */

/* Name and message of what it ended with. (transfer floating) */
static GVariant *
make_error (AppJob *job)
{
  g_autofree char *message = NULL;

  if (job->error == NULL)
    return g_variant_new ("(ss)", "", "");
  message = g_utf8_make_valid (job->error->message, -1);
  return g_variant_new ("(ss)", app_bus_error_get_name (job->error), message);
}

/* Those who listen are told of all changes in one message, before what is told next. */
static void
update_properties (ServiceJob *self)
{
  AppBusGeneratorJob *skeleton = self->skeleton;
  AppJob *job = self->job;

  app_bus_generator_job_set_state (skeleton, app_enum_nick (ZIM_TYPE_JOB_STATE, job->state));
  app_bus_generator_job_set_stage (skeleton, app_enum_nick (ZIM_TYPE_STAGE, job->stage));
  app_bus_generator_job_set_position (skeleton, (guint) job->position);
  /* Other stages count for themselves. */
  if (job->stage == ZIM_STAGE_DENOISE)
    {
      app_bus_generator_job_set_step (skeleton, (guint) job->step);
      app_bus_generator_job_set_total (skeleton, (guint) job->total);
    }
  app_bus_generator_job_set_progress (skeleton, job->state == ZIM_JOB_STATE_DONE ? 1.0 : job->fraction);
  app_bus_generator_job_set_remaining (skeleton, app_job_get_remaining (job));
  app_bus_generator_job_set_seed (skeleton, app_job_get_seed (job, 0));
  app_bus_generator_job_set_warning (skeleton, job->warning != NULL ? job->warning : "");
  app_bus_generator_job_set_error (skeleton, make_error (job));
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (skeleton));
}

/* --- Pictures -------------------------------------------------------------------------------------- */

/* Answers Wait () of a job that is done. */
static void
give_pictures (ServiceJob            *self,
               GDBusMethodInvocation *invocation)
{
  g_autoptr(GUnixFDList) list = g_unix_fd_list_new ();
  GVariantBuilder handles = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("ah"));
  GError *error = NULL;

  for (guint i = 0; i < self->job->pictures->len; i++)
    {
      int fd = service_memory_new (self->job->pictures->pdata[i], &error);
      int handle = fd >= 0 ? g_unix_fd_list_append (list, fd, &error) : -1;

      if (fd >= 0)
        close (fd);
      if (handle < 0)
        {
          g_variant_builder_clear (&handles);
          g_dbus_method_invocation_return_dbus_error (invocation, app_bus_error_get_name (error), error->message);
          g_error_free (error);
          return;
        }
      g_variant_builder_add (&handles, "h", handle);
    }

  app_bus_generator_job_complete_wait (self->skeleton, invocation, list, g_variant_builder_end (&handles));
}

/* Takes the invocation. */
static void
answer_wait (ServiceJob            *self,
             GDBusMethodInvocation *invocation)
{
  if (self->job->error != NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, app_bus_error_get_name (self->job->error),
                                                self->job->error->message);
  else
    give_pictures (self, invocation);
}

/* --- What the job does ----------------------------------------------------------------------------- */

static void
progress_cb (ServiceJob *self,
             AppJob     *job)
{
  update_properties (self);
  /* A place in the queue is no progress. */
  if (job->state == ZIM_JOB_STATE_RUNNING)
    app_bus_generator_job_emit_progress (self->skeleton, app_enum_nick (ZIM_TYPE_STAGE, job->stage),
                                         app_bus_generator_job_get_step (self->skeleton),
                                         app_bus_generator_job_get_total (self->skeleton), job->fraction,
                                         app_job_get_remaining (job));
}

/* A preview is for who may have the picture: the caller, or everybody. */
static void
emit_preview (ServiceJob *self,
              GVariant   *arguments)
{
  GDBusInterfaceSkeleton *skeleton = G_DBUS_INTERFACE_SKELETON (self->skeleton);
  g_autoptr(GVariant) owned = g_variant_ref_sink (arguments);
  GDBusConnection *connection = g_dbus_interface_skeleton_get_connection (skeleton);

  if (connection != NULL)
    g_dbus_connection_emit_signal (connection, self->is_detached ? NULL : self->job->client, self->path,
                                   g_dbus_interface_skeleton_get_info (skeleton)->name, "Preview", owned, NULL);
}

static void
preview_encoded_cb (GObject      *source,
                    GAsyncResult *result,
                    gpointer      data)
{
  g_autoptr(ServiceJob) self = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(AppPreview) preview = app_job_encode_preview_finish (APP_JOB (source), result, &error);

  self->n_encoding--;
  if (preview == NULL)
    g_warning ("a preview could not be encoded: %s", error->message);
  else if (!app_job_is_over (self->job))
    emit_preview (self, g_variant_new ("(u@ay)", (guint) preview->step,
                                       g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, preview->data, TRUE)));
}

static void
preview_cb (ServiceJob *self,
            AppJob     *job)
{
  if (self->n_encoding >= ENCODING_MAX)
    return;
  self->n_encoding++;
  app_job_encode_preview_async (job, "jpeg", FALSE, preview_encoded_cb, g_object_ref (self));
}

static void
done_cb (ServiceJob *self,
         AppJob     *job)
{
  GDBusMethodInvocation *invocation;

  update_properties (self);
  app_bus_generator_job_emit_finished (self->skeleton, app_enum_nick (ZIM_TYPE_JOB_STATE, job->state),
                                       make_error (job));
  while ((invocation = g_queue_pop_head (&self->waiting)) != NULL)
    answer_wait (self, invocation);
}

/* --- What callers ask ------------------------------------------------------------------------------ */

/* Whether a call is its caller's. Otherwise answers it. */
static gboolean
check_caller (ServiceJob            *self,
              GDBusMethodInvocation *invocation)
{
  if (self->is_detached || g_strcmp0 (g_dbus_method_invocation_get_sender (invocation), self->job->client) == 0)
    return TRUE;
  g_dbus_method_invocation_return_error_literal (invocation, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                                                 _("The job is another caller’s"));
  return FALSE;
}

static gboolean
cancel_cb (ServiceJob            *self,
           GDBusMethodInvocation *invocation)
{
  /* Its end, which is told first, may take it off the bus. */
  g_autoptr(ServiceJob) kept = g_object_ref (self);

  if (!check_caller (self, invocation))
    return TRUE;
  g_signal_emit (self, signals[CANCEL], 0);
  app_bus_generator_job_complete_cancel (kept->skeleton, invocation);
  return TRUE;
}

static gboolean
wait_cb (ServiceJob            *self,
         GDBusMethodInvocation *invocation,
         GUnixFDList           *list)
{
  if (!check_caller (self, invocation))
    return TRUE;
  if (app_job_is_over (self->job))
    answer_wait (self, invocation);
  else
    g_queue_push_tail (&self->waiting, invocation);
  return TRUE;
}

ServiceJob *
service_job_new (AppJob   *job,
                 gboolean  is_detached)
{
  ServiceJob *self = g_object_new (SERVICE_TYPE_JOB, NULL);

  self->job = g_object_ref (job);
  self->is_detached = is_detached;
  self->path = g_strconcat (APP_BUS_PATH "/jobs/", job->id, NULL);
  self->object = g_dbus_object_skeleton_new (self->path);
  g_dbus_object_skeleton_add_interface (self->object, G_DBUS_INTERFACE_SKELETON (self->skeleton));

  app_bus_generator_job_set_model (self->skeleton, job->model);
  app_bus_generator_job_set_detached (self->skeleton, is_detached);
  update_properties (self);
  g_signal_connect_swapped (self->skeleton, "handle-cancel", G_CALLBACK (cancel_cb), self);
  g_signal_connect_swapped (self->skeleton, "handle-wait", G_CALLBACK (wait_cb), self);
  g_signal_connect_object (job, "progress", G_CALLBACK (progress_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (job, "preview", G_CALLBACK (preview_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (job, "done", G_CALLBACK (done_cb), self, G_CONNECT_SWAPPED);
  return self;
}
