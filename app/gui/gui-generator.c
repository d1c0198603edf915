/* gui-generator.c: what paints: the library, in this process, or the generator on the session bus
 *
 * Nothing else of the application opens models or pipelines, or knows which of them it is.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-generator.h"

#include <glib/gi18n.h>

#include "app-bus-run.h"

#define PREVIEW_SIZE 256 /* pixels of the longer side */

struct _GuiGenerator
{
  GObject       parent_instance;

  gboolean      is_remote;   /* the one on the bus shall paint */
  ZimModel     *model;       /* (nullable) the last that was opened, */
  ZimPipeline  *pipeline;    /* (nullable) and what paints with it here, */
  char         *model_name;  /* what it was opened for, */
  char         *device_name;
  char         *model_id;    /* and the store’s id of the model then (nullable) */
  GCancellable *preparing;   /* (nullable) */
  GError       *error;
};

G_DEFINE_FINAL_TYPE (GuiGenerator, gui_generator, G_TYPE_OBJECT)

enum {
  PROP_0,
  PROP_MODEL,
  PROP_REMOTE,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
gui_generator_dispose (GObject *object)
{
  GuiGenerator *self = GUI_GENERATOR (object);

  g_cancellable_cancel (self->preparing);
  g_clear_object (&self->preparing);
  g_clear_object (&self->pipeline);
  g_clear_object (&self->model);
  g_clear_pointer (&self->model_name, g_free);
  g_clear_pointer (&self->device_name, g_free);
  g_clear_pointer (&self->model_id, g_free);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (gui_generator_parent_class)->dispose (object);
}

static void
gui_generator_get_property (GObject    *object,
                            guint       prop_id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  switch (prop_id)
    {
    case PROP_MODEL:
      g_value_set_object (value, gui_generator_get_model (GUI_GENERATOR (object)));
      break;
    case PROP_REMOTE:
      g_value_set_boolean (value, GUI_GENERATOR (object)->is_remote);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

/* Who is not to paint any more lets go of the model’s weights. */
static void
set_remote (GuiGenerator *self,
            gboolean      is_remote)
{
  if (self->is_remote == is_remote)
    return;
  self->is_remote = is_remote;
  g_clear_object (&self->pipeline);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_REMOTE]);
}

static void
gui_generator_set_property (GObject      *object,
                            guint         prop_id,
                            const GValue *value,
                            GParamSpec   *pspec)
{
  switch (prop_id)
    {
    case PROP_REMOTE:
      set_remote (GUI_GENERATOR (object), g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
gui_generator_class_init (GuiGeneratorClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = gui_generator_dispose;
  object_class->get_property = gui_generator_get_property;
  object_class->set_property = gui_generator_set_property;

  properties[PROP_MODEL] = g_param_spec_object ("model", NULL, NULL, ZIM_TYPE_MODEL,
                                                G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  /* Whether the generator on the session bus paints, from the next task on */
  properties[PROP_REMOTE] = g_param_spec_boolean ("remote", NULL, NULL, FALSE,
                                                  G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
gui_generator_init (GuiGenerator *self)
{
}

GuiGenerator *
gui_generator_new (void)
{
  return g_object_new (GUI_TYPE_GENERATOR, NULL);
}

ZimModel *
gui_generator_get_model (GuiGenerator *self)
{
  return self->model;
}

const GError *
gui_generator_get_error (GuiGenerator *self)
{
  return self->error;
}

/* Opening: files are mapped and a device is made, which may take long, so a thread does it. */

typedef struct
{
  char        *name;
  char        *device;
  gboolean     is_remote;
  char        *id;       /* (nullable) of what is opened; before that, of what is open for the same names: */
  ZimModel    *model;    /* (nullable) */
  ZimPipeline *pipeline; /* (nullable) */
} Opening;

static void
opening_free (Opening *opening)
{
  g_free (opening->name);
  g_free (opening->device);
  g_free (opening->id);
  g_clear_object (&opening->model);
  g_clear_object (&opening->pipeline);
  g_free (opening);
}

/* The store’s id of a model, which is another when something else is put there under its name. Models elsewhere have
 * none. (nullable) (transfer full) */
static char *
find_id (const char   *name,
         GCancellable *cancellable)
{
  g_autoptr(ZimStore) store = zim_store_new (NULL);
  g_autoptr(ZimStoredModel) model = NULL;

  /* What is wrong with the store, opening tells. */
  if (zim_store_refresh (store, cancellable, NULL))
    model = zim_store_find (store, name);
  return model != NULL ? g_strdup (zim_stored_model_get_id (model)) : NULL;
}

static gboolean
open_model (Opening       *opening,
            const char    *id,
            GCancellable  *cancellable,
            GError       **error)
{
  if (opening->model != NULL && g_strcmp0 (opening->id, id) == 0)
    return TRUE;
  g_clear_object (&opening->model);
  g_clear_object (&opening->pipeline);
  g_free (opening->id);
  opening->id = g_strdup (id);
  opening->model = zim_model_open (opening->name, cancellable, error);
  return opening->model != NULL;
}

static gboolean
open_pipeline (Opening  *opening,
               GError  **error)
{
  /* What is automatic may be set in the environment, as for every program of the library. */
  gboolean is_auto = g_str_equal (opening->device, "auto");
  g_autoptr(ZimDevice) device = NULL;

  if (opening->is_remote || opening->pipeline != NULL)
    return TRUE;
  device = is_auto ? NULL : zim_device_find (opening->device, error);
  if (is_auto || device != NULL)
    opening->pipeline = zim_pipeline_new (opening->model, device, error);
  return opening->pipeline != NULL;
}

static void
open_in_thread (GTask        *task,
                gpointer      source,
                gpointer      task_data,
                GCancellable *cancellable)
{
  Opening *opening = task_data;
  g_autofree char *id = find_id (opening->name, cancellable);
  GError *error = NULL;

  if (open_model (opening, id, cancellable, &error) && open_pipeline (opening, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
open_async (GuiGenerator        *self,
            const char          *name,
            const char          *device,
            GCancellable        *cancellable,
            GAsyncReadyCallback  callback,
            gpointer             user_data)
{
  g_autoptr(GTask) task = g_task_new (self, cancellable, callback, user_data);
  Opening *opening = g_new0 (Opening, 1);

  opening->name = g_strdup (name);
  opening->device = g_strdup (device);
  opening->is_remote = self->is_remote;
  if (self->model != NULL && g_str_equal (self->model_name, name))
    {
      opening->id = g_strdup (self->model_id);
      opening->model = g_object_ref (self->model);
      if (!self->is_remote && self->pipeline != NULL && g_str_equal (self->device_name, device))
        opening->pipeline = g_object_ref (self->pipeline);
    }
  g_task_set_source_tag (task, open_async);
  g_task_set_task_data (task, opening, (GDestroyNotify) opening_free);
  g_task_run_in_thread (task, open_in_thread);
}

static void
take_text (char       **target,
           const char  *text)
{
  g_free (*target);
  *target = g_strdup (text);
}

/* Keeps what was opened for the next task. */
static gboolean
open_finish (GuiGenerator  *self,
             GAsyncResult  *result,
             GError       **error)
{
  const Opening *opening = g_task_get_task_data (G_TASK (result));

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return FALSE;
  take_text (&self->model_name, opening->name);
  take_text (&self->device_name, opening->device);
  take_text (&self->model_id, opening->id);
  g_clear_object (&self->pipeline);
  if (opening->pipeline != NULL && !self->is_remote)
    self->pipeline = g_object_ref (opening->pipeline);
  if (g_set_object (&self->model, opening->model))
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_MODEL]);
  return TRUE;
}

static void
prepared_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  GuiGenerator *self = GUI_GENERATOR (source);
  g_autoptr(GError) error = NULL;

  open_finish (self, result, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_error (&self->error);
  self->error = g_steal_pointer (&error);
  if (self->error == NULL)
    return;
  g_clear_object (&self->pipeline);
  g_clear_object (&self->model);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_MODEL]);
}

void
gui_generator_prepare (GuiGenerator *self,
                       const char   *model,
                       const char   *device)
{
  g_cancellable_cancel (self->preparing);
  g_clear_object (&self->preparing);
  if (model == NULL)
    return;
  self->preparing = g_cancellable_new ();
  open_async (self, model, device, self->preparing, prepared_cb, NULL);
}

/* Running here */

static void
progress_cb (GuiTask    *task,
             GParamSpec *pspec,
             ZimJob     *job)
{
  gui_task_set_progress (task, zim_job_get_stage (job), zim_job_get_step (job), zim_job_get_total (job),
                         zim_job_get_fraction (job), zim_job_get_remaining (job));
}

static void
preview_cb (GuiTask    *task,
            GParamSpec *pspec,
            ZimJob     *job)
{
  gui_task_set_preview (task, zim_job_get_preview (job));
}

static void
images_cb (GuiTask    *task,
           guint       position,
           guint       removed,
           guint       added,
           GListModel *images)
{
  for (guint i = position; i < position + added; i++)
    {
      g_autoptr(ZimImage) image = g_list_model_get_item (images, i);

      gui_task_add_image (task, image);
    }
}

static void
done_cb (GuiTask *task,
         ZimJob  *job)
{
  if (zim_job_get_error (job) != NULL)
    gui_task_fail (task, g_error_copy (zim_job_get_error (job)));
  else
    gui_task_finish (task, zim_job_get_warning (job));
}

static void
follow (GuiTask    *task,
        gpointer    object,
        const char *signal,
        GCallback   callback)
{
  g_signal_connect_object (object, signal, callback, task, G_CONNECT_SWAPPED);
}

/* The pipeline keeps the job until it is over. */
static void
run_here (ZimPipeline *pipeline,
          GuiTask     *task)
{
  GCancellable *cancellable = gui_task_get_cancellable (task);
  g_autoptr(ZimJob) job = zim_pipeline_submit (pipeline, gui_task_get_params (task));

  if (gui_task_wants_preview (task))
    zim_job_request_preview (job, 1, PREVIEW_SIZE);
  follow (task, job, "notify::fraction", G_CALLBACK (progress_cb));
  follow (task, job, "notify::stage", G_CALLBACK (progress_cb));
  follow (task, job, "notify::preview", G_CALLBACK (preview_cb));
  follow (task, zim_job_get_images (job), "items-changed", G_CALLBACK (images_cb));
  follow (task, job, "done", G_CALLBACK (done_cb));
  g_signal_connect_object (cancellable, "cancelled", G_CALLBACK (zim_job_cancel), job, G_CONNECT_SWAPPED);
  if (g_cancellable_is_cancelled (cancellable))
    zim_job_cancel (job);
}

/* Running there */

static void
remote_preview_cb (GuiTask   *task,
                   GdkPixbuf *preview,
                   AppBusRun *run)
{
  gui_task_set_preview (task, preview);
}

/* What came of a run: its pictures are files, which a thread reads. */
typedef struct
{
  GuiTask     *task;
  char        *warning;
  GUnixFDList *files;
} Outcome;

static void
outcome_free (Outcome *outcome)
{
  g_object_unref (outcome->task);
  g_free (outcome->warning);
  g_object_unref (outcome->files);
  g_free (outcome);
}

static void
load_in_thread (GTask        *task,
                gpointer      source,
                gpointer      task_data,
                GCancellable *cancellable)
{
  const Outcome *outcome = task_data;
  g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func (g_object_unref);
  GError *error = NULL;

  for (int i = 0; i < g_unix_fd_list_get_length (outcome->files) && error == NULL; i++)
    {
      ZimImage *image = app_bus_run_load_picture (outcome->files, (guint) i, &error);

      if (image != NULL)
        g_ptr_array_add (images, image);
    }
  if (error == NULL)
    g_task_return_pointer (task, g_steal_pointer (&images), (GDestroyNotify) g_ptr_array_unref);
  else
    g_task_return_error (task, error);
}

static void
loaded_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  const Outcome *outcome = g_task_get_task_data (G_TASK (result));
  GError *error = NULL;
  g_autoptr(GPtrArray) images = g_task_propagate_pointer (G_TASK (result), &error);

  if (images == NULL)
    {
      gui_task_fail (outcome->task, error);
      return;
    }
  for (guint i = 0; i < images->len; i++)
    gui_task_add_image (outcome->task, g_ptr_array_index (images, i));
  gui_task_finish (outcome->task, outcome->warning);
}

/* Says what can be done about it, too. Takes the error. (transfer full) */
static GError *
explain (GError *error)
{
  GError *explained;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return error;
  explained = g_error_new (error->domain, error->code,
                           _("%s. The preferences say whether the shared generator is used"),
                           error->message);
  g_error_free (error);
  return explained;
}

static void
ran_cb (GObject      *source,
        GAsyncResult *result,
        gpointer      user_data)
{
  g_autoptr(GuiTask) task = user_data;
  AppBusRun *run = APP_BUS_RUN (source);
  GError *error = NULL;
  GUnixFDList *files = app_bus_run_finish (run, result, &error);
  g_autoptr(GTask) loading = NULL;
  Outcome *outcome;

  if (files == NULL)
    {
      gui_task_fail (task, explain (error));
      return;
    }
  outcome = g_new0 (Outcome, 1);
  outcome->task = g_steal_pointer (&task);
  outcome->warning = g_strdup (app_bus_run_get_warning (run));
  outcome->files = files;
  loading = g_task_new (NULL, NULL, loaded_cb, NULL);
  g_task_set_source_tag (loading, ran_cb);
  g_task_set_task_data (loading, outcome, (GDestroyNotify) outcome_free);
  g_task_run_in_thread (loading, load_in_thread);
}

static void
run_there (GuiTask *task)
{
  g_autoptr(AppBusRun) run = app_bus_run_new ();

  follow (task, run, "progress", G_CALLBACK (gui_task_set_progress));
  follow (task, run, "preview", G_CALLBACK (remote_preview_cb));
  app_bus_run_async (run, gui_task_get_model (task), gui_task_get_params (task), gui_task_wants_preview (task) ? 1 : 0,
                     gui_task_get_cancellable (task), ran_cb, g_object_ref (task));
}

/* Running */

static void
opened_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  GuiGenerator *self = GUI_GENERATOR (source);
  g_autoptr(GuiTask) task = user_data;
  const Opening *opening = g_task_get_task_data (G_TASK (result));
  GError *error = NULL;

  if (!open_finish (self, result, &error))
    {
      gui_task_fail (task, error);
      return;
    }
  gui_task_resolve (task, opening->model);
  if (opening->is_remote)
    run_there (task);
  else
    run_here (opening->pipeline, task);
}

void
gui_generator_run (GuiGenerator *self,
                   GuiTask      *task)
{
  gui_task_begin (task);
  open_async (self, gui_task_get_model (task), gui_task_get_device (task), gui_task_get_cancellable (task), opened_cb,
              g_object_ref (task));
}
