/* gui-task.c: one prompt in the queue of the application
 *
 * A task is there before the generator has its model open, and the same for every generator.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-task.h"

#include <glib/gi18n.h>
#include <math.h>

#include "app-format.h"
#include "gui-shape.h"

#define PREVIEW_SIZE 256 /* pixels of the longer side */

struct _GuiTask
{
  GObject       parent_instance;

  ZimParams    *params;
  char         *model;
  char         *device;
  gboolean      wants_preview;
  guint         shape;
  GCancellable *cancellable;
  ZimJob       *job;     /* NULL until the generator has begun */
  ZimJobState   state;
  GdkTexture   *preview;
  GListStore   *images;
  GError       *error;
};

G_DEFINE_FINAL_TYPE (GuiTask, gui_task, G_TYPE_OBJECT)

enum {
  PROP_0,
  PROP_STATE,
  PROP_FRACTION,
  PROP_PREVIEW,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
gui_task_finalize (GObject *object)
{
  GuiTask *self = GUI_TASK (object);

  g_object_unref (self->params);
  g_free (self->model);
  g_free (self->device);
  g_object_unref (self->cancellable);
  g_clear_object (&self->job);
  g_clear_object (&self->preview);
  g_object_unref (self->images);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (gui_task_parent_class)->finalize (object);
}

static void
gui_task_get_property (GObject    *object,
                       guint       prop_id,
                       GValue     *value,
                       GParamSpec *pspec)
{
  GuiTask *self = GUI_TASK (object);

  switch (prop_id)
    {
    case PROP_STATE:
      g_value_set_enum (value, self->state);
      break;
    case PROP_FRACTION:
      g_value_set_double (value, gui_task_get_fraction (self));
      break;
    case PROP_PREVIEW:
      g_value_set_object (value, self->preview);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
gui_task_class_init (GuiTaskClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  object_class->finalize = gui_task_finalize;
  object_class->get_property = gui_task_get_property;

  properties[PROP_STATE] = g_param_spec_enum ("state", NULL, NULL, ZIM_TYPE_JOB_STATE, ZIM_JOB_STATE_QUEUED, flags);
  /* Notified with every step, whether it changes the fraction or what is left. */
  properties[PROP_FRACTION] = g_param_spec_double ("fraction", NULL, NULL, 0, 1, 0, flags);
  properties[PROP_PREVIEW] = g_param_spec_object ("preview", NULL, NULL, GDK_TYPE_TEXTURE, flags);
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
gui_task_init (GuiTask *self)
{
  self->cancellable = g_cancellable_new ();
  self->images = g_list_store_new (ZIM_TYPE_IMAGE);
}

GuiTask *
gui_task_new (ZimParams  *params,
              const char *model,
              const char *device,
              gboolean    wants_preview)
{
  GuiTask *self = g_object_new (GUI_TYPE_TASK, NULL);

  self->params = g_object_ref (params);
  self->model = g_strdup (model);
  self->device = g_strdup (device);
  self->wants_preview = wants_preview;
  return self;
}

ZimParams *
gui_task_get_params (GuiTask *self)
{
  return self->job != NULL ? zim_job_get_params (self->job) : self->params;
}

const char *
gui_task_get_model (GuiTask *self)
{
  return self->model;
}

const char *
gui_task_get_device (GuiTask *self)
{
  return self->device;
}

ZimJobState
gui_task_get_state (GuiTask *self)
{
  return self->state;
}

gboolean
gui_task_is_over (GuiTask *self)
{
  return self->state != ZIM_JOB_STATE_QUEUED && self->state != ZIM_JOB_STATE_RUNNING;
}

double
gui_task_get_fraction (GuiTask *self)
{
  return self->job != NULL ? zim_job_get_fraction (self->job) : 0;
}

int
gui_task_get_step (GuiTask *self)
{
  return self->job != NULL && zim_job_get_stage (self->job) == ZIM_STAGE_DENOISE ? zim_job_get_step (self->job) : 0;
}

GdkTexture *
gui_task_get_preview (GuiTask *self)
{
  return self->preview;
}

GListModel *
gui_task_get_images (GuiTask *self)
{
  return G_LIST_MODEL (self->images);
}

const GError *
gui_task_get_error (GuiTask *self)
{
  return self->error;
}

const char *
gui_task_get_warning (GuiTask *self)
{
  return self->job != NULL ? zim_job_get_warning (self->job) : NULL;
}

GCancellable *
gui_task_get_cancellable (GuiTask *self)
{
  return self->cancellable;
}

static char *
describe_stage (ZimJob *job)
{
  switch (zim_job_get_stage (job))
    {
    case ZIM_STAGE_LOAD:
      return g_strdup (_("Loading the model"));
    case ZIM_STAGE_ENCODE:
      return g_strdup (_("Reading the prompt"));
    case ZIM_STAGE_DENOISE:
      return g_strdup_printf (_("Painting: step %d of %d"), MIN (zim_job_get_step (job) + 1, zim_job_get_total (job)),
                              zim_job_get_total (job));
    case ZIM_STAGE_DECODE:
      return g_strdup (_("Finishing"));
    case ZIM_STAGE_WAIT:
    case ZIM_STAGE_DONE:
    default:
      return g_strdup (_("Waiting"));
    }
}

char *
gui_task_describe (GuiTask *self)
{
  g_autofree char *stage = NULL;
  g_autofree char *time = NULL;

  if (self->job == NULL)
    return g_strdup (self->state == ZIM_JOB_STATE_RUNNING ? _("Opening the model") : _("Waiting"));
  stage = describe_stage (self->job);
  if (zim_job_get_remaining (self->job) < 1)
    return g_steal_pointer (&stage);
  time = app_format_duration (zim_job_get_remaining (self->job));
  /* Translators: what is done, and a time, as in “Painting: step 3 of 8, 12.0 s left” */
  return g_strdup_printf (_("%s, %s left"), stage, time);
}

static void
set_state (GuiTask     *self,
           ZimJobState  state)
{
  if (self->state == state)
    return;
  self->state = state;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATE]);
}

void
gui_task_set_shape (GuiTask *self,
                    guint    shape)
{
  self->shape = shape;
}

void
gui_task_resolve (GuiTask  *self,
                  ZimModel *model)
{
  double side = sqrt ((double) zim_model_get_default_width (model) * zim_model_get_default_height (model));
  int width, height;

  if (zim_params_get_width (self->params) > 0)
    return;
  gui_shape_measure (self->shape, side, &width, &height);
  zim_params_set_size (self->params, width, height);
}

void
gui_task_begin (GuiTask *self)
{
  set_state (self, ZIM_JOB_STATE_RUNNING);
}

void
gui_task_fail (GuiTask *self,
               GError  *error)
{
  g_assert (self->error == NULL);

  self->error = error;
  set_state (self, g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? ZIM_JOB_STATE_CANCELLED
                                                                            : ZIM_JOB_STATE_FAILED);
}

void
gui_task_cancel (GuiTask *self)
{
  g_cancellable_cancel (self->cancellable);
  if (self->job != NULL)
    zim_job_cancel (self->job);
  else if (self->state == ZIM_JOB_STATE_QUEUED)
    gui_task_fail (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, _("Cancelled")));
}

/* Following a job */

static void
progress_cb (ZimJob     *job,
             GParamSpec *pspec,
             GuiTask    *self)
{
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_FRACTION]);
}

static void
preview_cb (ZimJob     *job,
            GParamSpec *pspec,
            GuiTask    *self)
{
  g_clear_object (&self->preview);
  self->preview = gdk_texture_new_for_pixbuf (zim_job_get_preview (job));
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_PREVIEW]);
}

static void
images_cb (GListModel *images,
           guint       position,
           guint       removed,
           guint       added,
           GuiTask    *self)
{
  for (guint i = position; i < position + added; i++)
    {
      g_autoptr(ZimImage) image = g_list_model_get_item (images, i);

      g_list_store_append (self->images, image);
    }
}

static void
done_cb (ZimJob  *job,
         GuiTask *self)
{
  if (zim_job_get_error (job) != NULL)
    gui_task_fail (self, g_error_copy (zim_job_get_error (job)));
  else
    set_state (self, ZIM_JOB_STATE_DONE);
}

void
gui_task_follow (GuiTask *self,
                 ZimJob  *job)
{
  g_assert (self->job == NULL);

  self->job = g_object_ref (job);
  if (self->wants_preview)
    zim_job_request_preview (job, 1, PREVIEW_SIZE);
  g_signal_connect_object (job, "notify::fraction", G_CALLBACK (progress_cb), self, 0);
  g_signal_connect_object (job, "notify::stage", G_CALLBACK (progress_cb), self, 0);
  g_signal_connect_object (job, "notify::preview", G_CALLBACK (preview_cb), self, 0);
  g_signal_connect_object (zim_job_get_images (job), "items-changed", G_CALLBACK (images_cb), self, 0);
  g_signal_connect_object (job, "done", G_CALLBACK (done_cb), self, 0);
  if (g_cancellable_is_cancelled (self->cancellable))
    zim_job_cancel (job);
}
