/* gui-generator.c: what paints: the library, in this process
 *
 * Nothing else of the application opens models or pipelines: another generator, in another process, only has to have
 * these calls.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-generator.h"

struct _GuiGenerator
{
  GObject       parent_instance;

  ZimPipeline  *pipeline;    /* (nullable) the last that was opened, */
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
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
gui_generator_class_init (GuiGeneratorClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = gui_generator_dispose;
  object_class->get_property = gui_generator_get_property;

  properties[PROP_MODEL] = g_param_spec_object ("model", NULL, NULL, ZIM_TYPE_MODEL,
                                                G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
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
  return self->pipeline != NULL ? zim_pipeline_get_model (self->pipeline) : NULL;
}

const GError *
gui_generator_get_error (GuiGenerator *self)
{
  return self->error;
}

/* Opening: files are mapped and a device is made, which may take long, so a thread does it. */

typedef struct
{
  char        *model;
  char        *device;
  char        *id;       /* (nullable) of what is opened, and before that of what is open: */
  ZimPipeline *pipeline; /* (nullable) for the same names */
} Opening;

static void
opening_free (Opening *opening)
{
  g_free (opening->model);
  g_free (opening->device);
  g_free (opening->id);
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

static ZimPipeline *
open_pipeline (const Opening  *opening,
               GCancellable   *cancellable,
               GError        **error)
{
  g_autoptr(ZimModel) model = zim_model_open (opening->model, cancellable, error);
  /* What is automatic may be set in the environment, as for every program of the library. */
  gboolean is_auto = g_str_equal (opening->device, "auto");
  g_autoptr(ZimDevice) device = model != NULL && !is_auto ? zim_device_find (opening->device, error) : NULL;

  return model != NULL && (is_auto || device != NULL) ? zim_pipeline_new (model, device, error) : NULL;
}

static void
open_in_thread (GTask        *task,
                gpointer      source,
                gpointer      task_data,
                GCancellable *cancellable)
{
  Opening *opening = task_data;
  g_autofree char *id = find_id (opening->model, cancellable);
  gboolean is_same = opening->pipeline != NULL && g_strcmp0 (opening->id, id) == 0;
  GError *error = NULL;
  ZimPipeline *pipeline =
    is_same ? g_object_ref (opening->pipeline) : open_pipeline (opening, cancellable, &error);

  g_free (opening->id);
  opening->id = g_steal_pointer (&id);
  if (pipeline != NULL)
    g_task_return_pointer (task, pipeline, g_object_unref);
  else
    g_task_return_error (task, error);
}

static void
open_async (GuiGenerator        *self,
            const char          *model,
            const char          *device,
            GCancellable        *cancellable,
            GAsyncReadyCallback  callback,
            gpointer             user_data)
{
  g_autoptr(GTask) task = g_task_new (self, cancellable, callback, user_data);
  Opening *opening = g_new0 (Opening, 1);

  opening->model = g_strdup (model);
  opening->device = g_strdup (device);
  if (self->pipeline != NULL && g_str_equal (self->model_name, model) && g_str_equal (self->device_name, device))
    {
      opening->pipeline = g_object_ref (self->pipeline);
      opening->id = g_strdup (self->model_id);
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

/* Keeps the pipeline for the next task. */
static ZimPipeline *
open_finish (GuiGenerator  *self,
             GAsyncResult  *result,
             GError       **error)
{
  const Opening *opening = g_task_get_task_data (G_TASK (result));
  g_autoptr(ZimPipeline) pipeline = g_task_propagate_pointer (G_TASK (result), error);

  if (pipeline != NULL && g_set_object (&self->pipeline, pipeline))
    {
      take_text (&self->model_name, opening->model);
      take_text (&self->device_name, opening->device);
      take_text (&self->model_id, opening->id);
      g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_MODEL]);
    }
  return g_steal_pointer (&pipeline);
}

static void
prepared_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  GuiGenerator *self = GUI_GENERATOR (source);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimPipeline) pipeline = open_finish (self, result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_error (&self->error);
  self->error = g_steal_pointer (&error);
  if (self->error == NULL)
    return;
  g_clear_object (&self->pipeline);
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

/* Running */

static void
opened_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr(GuiTask) task = user_data;
  GError *error = NULL;
  g_autoptr(ZimPipeline) pipeline = open_finish (GUI_GENERATOR (source), result, &error);
  g_autoptr(ZimJob) job = NULL;

  if (pipeline == NULL)
    {
      gui_task_fail (task, error);
      return;
    }
  gui_task_resolve (task, zim_pipeline_get_model (pipeline));
  job = zim_pipeline_submit (pipeline, gui_task_get_params (task));
  gui_task_follow (task, job);
}

void
gui_generator_run (GuiGenerator *self,
                   GuiTask      *task)
{
  gui_task_begin (task);
  open_async (self, gui_task_get_model (task), gui_task_get_device (task), gui_task_get_cancellable (task), opened_cb,
              g_object_ref (task));
}
