/* app-bus-run.c: a job of the generator on the session bus, as its callers see it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-bus-run.h"

#include <glib/gi18n.h>
#include <unistd.h>

#include "app-bus-error.h"
#include "app-bus.h"
#include "app-fields.h"

#define CANCEL_TIMEOUT 1000 /* milliseconds */
#define SPAWN_ERROR "org.freedesktop.DBus.Error.Spawn."

struct _AppBusRun
{
  GObject             parent_instance;

  GTask              *task;    /* NULL when it is over */
  GSource            *source;  /* that hears of cancelling (nullable) */
  GVariant           *request;
  AppBusGeneratorJob *job;     /* NULL until it is known */
};

G_DEFINE_FINAL_TYPE (AppBusRun, app_bus_run, G_TYPE_OBJECT)

enum {
  PROGRESS,
  PREVIEW,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
app_bus_run_finalize (GObject *object)
{
  AppBusRun *self = APP_BUS_RUN (object);

  g_clear_pointer (&self->request, g_variant_unref);
  g_clear_object (&self->job);
  G_OBJECT_CLASS (app_bus_run_parent_class)->finalize (object);
}

static void
app_bus_run_class_init (AppBusRunClass *class)
{
  G_OBJECT_CLASS (class)->finalize = app_bus_run_finalize;

  signals[PROGRESS] =
    g_signal_new ("progress", APP_TYPE_BUS_RUN, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 5, ZIM_TYPE_STAGE,
                  G_TYPE_INT, G_TYPE_INT, G_TYPE_DOUBLE, G_TYPE_DOUBLE);
  signals[PREVIEW] = g_signal_new ("preview", APP_TYPE_BUS_RUN, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                   GDK_TYPE_PIXBUF);
}

static void
app_bus_run_init (AppBusRun *self)
{
}

AppBusRun *
app_bus_run_new (void)
{
  return g_object_new (APP_TYPE_BUS_RUN, NULL);
}

const char *
app_bus_run_get_model (AppBusRun *self)
{
  return self->job != NULL ? app_bus_generator_job_get_model (self->job) : NULL;
}

const char *
app_bus_run_get_warning (AppBusRun *self)
{
  const char *warning = self->job != NULL ? app_bus_generator_job_get_warning (self->job) : NULL;

  return warning != NULL && *warning != '\0' ? warning : NULL;
}

/* --- The end --------------------------------------------------------------------------------------- */

/* What a call ended with, in words for who wants a picture. Takes the error. (transfer full) */
static GError *
explain (GError *reason)
{
  g_autofree char *name = g_dbus_error_get_remote_error (reason);
  GError *error = NULL;

  if (g_error_matches (reason, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
      g_error_matches (reason, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    error = g_error_new (ZIM_ERROR, ZIM_ERROR_FAILED,
                         _("There is no generator on the session bus: nothing is installed that is called %s"),
                         APP_BUS_NAME);
  else if (g_error_matches (reason, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY))
    error = g_error_new_literal (ZIM_ERROR, ZIM_ERROR_FAILED, _("The generator went away"));
  else
    {
      reason = app_bus_error_convert (reason);
      g_dbus_error_strip_remote_error (reason);
      if (name == NULL || !g_str_has_prefix (name, SPAWN_ERROR))
        return reason;
      error = g_error_new (ZIM_ERROR, ZIM_ERROR_FAILED, _("The generator could not be started: %s"), reason->message);
    }

  g_error_free (reason);
  return error;
}

/* (nullable) if it is over already */
static GTask *
end (AppBusRun *self)
{
  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  if (self->job != NULL)
    g_signal_handlers_disconnect_by_data (self->job, self);
  return g_steal_pointer (&self->task);
}

/* Takes the error. */
static void
fail (AppBusRun *self,
      GError    *reason)
{
  g_autoptr(GTask) task = end (self);

  if (task != NULL)
    g_task_return_error (task, explain (reason));
  else
    g_error_free (reason);
}

/* --- Cancelling ------------------------------------------------------------------------------------ */

static void
cancelled_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr(AppBusRun) self = user_data;
  g_autoptr(GTask) task = end (self);

  app_bus_generator_job_call_cancel_finish (APP_BUS_GENERATOR_JOB (source), result, NULL);
  if (task != NULL)
    g_task_return_error_if_cancelled (task);
}

/* A job that is not known yet is cancelled when it is. */
static gboolean
cancel_cb (GCancellable *cancellable,
           gpointer      user_data)
{
  AppBusRun *self = user_data;
  g_autoptr(GTask) task = NULL;

  if (self->job != NULL)
    {
      g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (self->job), CANCEL_TIMEOUT);
      app_bus_generator_job_call_cancel (self->job, NULL, cancelled_cb, g_object_ref (self));
      return G_SOURCE_REMOVE;
    }
  task = end (self);
  g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

/* --- What the job tells ---------------------------------------------------------------------------- */

static void
progress_cb (AppBusRun          *self,
             const char         *nick,
             guint               step,
             guint               total,
             double              fraction,
             double              remaining,
             AppBusGeneratorJob *job)
{
  g_autoptr(GEnumClass) stages = g_type_class_ref (ZIM_TYPE_STAGE);
  const GEnumValue *stage = g_enum_get_value_by_nick (stages, nick);

  if (stage != NULL)
    g_signal_emit (self, signals[PROGRESS], 0, stage->value, (int) step, (int) total, fraction, remaining);
}

static void
preview_cb (AppBusRun          *self,
            guint               step,
            GVariant           *picture,
            AppBusGeneratorJob *job)
{
  g_autoptr(GBytes) bytes = g_variant_get_data_as_bytes (picture);
  g_autoptr(GInputStream) stream = g_memory_input_stream_new_from_bytes (bytes);
  g_autoptr(GdkPixbuf) pixbuf = gdk_pixbuf_new_from_stream (stream, NULL, NULL);

  if (pixbuf != NULL)
    g_signal_emit (self, signals[PREVIEW], 0, pixbuf);
}

static void
waited_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr(AppBusRun) self = user_data;
  g_autoptr(GUnixFDList) list = NULL;
  g_autoptr(GVariant) handles = NULL;
  g_autoptr(GTask) task = NULL;
  GError *error = NULL;

  if (!app_bus_generator_job_call_wait_finish (APP_BUS_GENERATOR_JOB (source), &handles, &list, result, &error))
    {
      fail (self, error);
      return;
    }
  task = end (self);
  if (task != NULL)
    g_task_return_pointer (task, g_steal_pointer (&list), g_object_unref);
}

/* --- Asking ---------------------------------------------------------------------------------------- */

/* What has happened before is in the properties. */
static void
job_cb (GObject      *source,
        GAsyncResult *result,
        gpointer      user_data)
{
  g_autoptr(AppBusRun) self = user_data;
  GError *error = NULL;
  g_autoptr(AppBusGeneratorJob) job = app_bus_generator_job_proxy_new_finish (result, &error);

  if (job == NULL)
    {
      fail (self, error);
      return;
    }
  if (self->task == NULL) /* cancelled */
    {
      app_bus_generator_job_call_cancel (job, NULL, NULL, NULL);
      return;
    }
  self->job = g_object_ref (job);
  g_signal_connect_object (job, "progress", G_CALLBACK (progress_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (job, "preview", G_CALLBACK (preview_cb), self, G_CONNECT_SWAPPED);
  progress_cb (self, app_bus_generator_job_get_stage (job), app_bus_generator_job_get_step (job),
               app_bus_generator_job_get_total (job), app_bus_generator_job_get_progress (job),
               app_bus_generator_job_get_remaining (job), job);
  g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (job), G_MAXINT);
  app_bus_generator_job_call_wait (job, NULL, NULL, waited_cb, g_object_ref (self));
}

static void
generated_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr(AppBusRun) self = user_data;
  GDBusConnection *connection = G_DBUS_CONNECTION (source);
  GError *error = NULL;
  g_autoptr(GVariant) answer = g_dbus_connection_call_finish (connection, result, &error);
  const char *path;

  if (answer == NULL)
    {
      fail (self, error);
      return;
    }
  g_variant_get (answer, "(&o)", &path);
  app_bus_generator_job_proxy_new (connection, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, APP_BUS_NAME, path, NULL, job_cb,
                                   g_object_ref (self));
}

static void
bus_cb (GObject      *source,
        GAsyncResult *result,
        gpointer      user_data)
{
  g_autoptr(AppBusRun) self = user_data;
  GError *error = NULL;
  g_autoptr(GDBusConnection) connection = g_bus_get_finish (result, &error);

  if (connection == NULL)
    {
      g_prefix_error (&error, "%s: ", _("There is no session bus"));
      fail (self, error);
      return;
    }
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  if (self->task != NULL)
    g_dbus_connection_call (connection, APP_BUS_NAME, APP_BUS_PATH, APP_BUS_NAME, "Generate",
                            g_variant_new ("(@a{sv})", self->request), G_VARIANT_TYPE ("(o)"), G_DBUS_CALL_FLAGS_NONE,
                            -1, NULL, generated_cb, g_object_ref (self));
}

static GVariant *
make_request (const char *model,
              ZimParams  *params,
              int         preview_interval)
{
  g_autoptr(GVariant) fields = g_variant_ref_sink (app_params_to_variant (params));
  GVariantDict request;

  g_variant_dict_init (&request, fields);
  g_variant_dict_insert (&request, "model", "s", model);
  g_variant_dict_insert (&request, "preview_interval", "i", preview_interval);
  return g_variant_ref_sink (g_variant_dict_end (&request));
}

void
app_bus_run_async (AppBusRun           *self,
                   const char          *model,
                   ZimParams           *params,
                   int                  preview_interval,
                   GCancellable        *cancellable,
                   GAsyncReadyCallback  callback,
                   gpointer             user_data)
{
  g_assert (self->request == NULL);

  self->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (self->task, app_bus_run_async);
  self->request = make_request (model, params, preview_interval);
  if (cancellable != NULL)
    {
      self->source = g_cancellable_source_new (cancellable);
      g_source_set_callback (self->source, G_SOURCE_FUNC (cancel_cb), self, NULL);
      g_source_attach (self->source, g_main_context_get_thread_default ());
    }
  g_bus_get (G_BUS_TYPE_SESSION, NULL, bus_cb, g_object_ref (self));
}

GUnixFDList *
app_bus_run_finish (AppBusRun     *self,
                    GAsyncResult  *result,
                    GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

ZimImage *
app_bus_run_load_picture (GUnixFDList  *list,
                          guint         index,
                          GError      **error)
{
  int fd = g_unix_fd_list_get (list, (int) index, error);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  ZimImage *image;

  if (fd < 0)
    return NULL;
  image = zim_image_load (path, error);
  close (fd);
  return image;
}
