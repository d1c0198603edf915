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

struct _GuiTask
{
  GObject       parent_instance;

  ZimParams    *params;
  char         *model;
  char         *device;
  gboolean      wants_preview;
  guint         shape;
  GCancellable *cancellable;
  ZimJobState   state;
  gboolean      is_known; /* how far it is, which is: */
  ZimStage      stage;
  int           step;
  int           total;
  double        fraction;
  double        remaining; /* seconds, or −1 */
  char         *warning;
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
  g_free (self->warning);
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
gui_task_class_init (GuiTaskClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
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
  return self->params;
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

gboolean
gui_task_wants_preview (GuiTask *self)
{
  return self->wants_preview;
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
  return self->fraction;
}

int
gui_task_get_step (GuiTask *self)
{
  return self->stage == ZIM_STAGE_DENOISE ? self->step : 0;
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
  return self->warning;
}

GCancellable *
gui_task_get_cancellable (GuiTask *self)
{
  return self->cancellable;
}

static char *
describe_stage (GuiTask *self)
{
  switch (self->stage)
    {
    case ZIM_STAGE_LOAD:
      return g_strdup (_("Loading the model"));
    case ZIM_STAGE_ENCODE:
      return g_strdup (_("Reading the prompt"));
    case ZIM_STAGE_DENOISE:
      return g_strdup_printf (_("Painting: step %d of %d"), MIN (self->step + 1, self->total), self->total);
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

  if (!self->is_known)
    return g_strdup (self->state == ZIM_JOB_STATE_RUNNING ? _("Opening the model") : _("Waiting"));
  stage = describe_stage (self);
  if (self->remaining < 1)
    return g_steal_pointer (&stage);
  time = app_format_remaining (self->remaining);
  /* Translators: what is done, and a time, as in “Painting: step 3 of 8, 12 s left” */
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
  if (self->state == ZIM_JOB_STATE_QUEUED)
    gui_task_fail (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, _("Cancelled")));
}

/* What generators tell */

void
gui_task_set_progress (GuiTask  *self,
                       ZimStage  stage,
                       int       step,
                       int       total,
                       double    fraction,
                       double    remaining)
{
  self->is_known = TRUE;
  self->stage = stage;
  self->step = step;
  self->total = total;
  self->fraction = fraction;
  self->remaining = remaining;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_FRACTION]);
}

void
gui_task_set_preview (GuiTask   *self,
                      GdkPixbuf *preview)
{
  g_clear_object (&self->preview);
  self->preview = gdk_texture_new_for_pixbuf (preview);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_PREVIEW]);
}

void
gui_task_add_image (GuiTask  *self,
                    ZimImage *image)
{
  g_list_store_append (self->images, image);
}

void
gui_task_finish (GuiTask    *self,
                 const char *warning)
{
  self->warning = g_strdup (warning);
  set_state (self, ZIM_JOB_STATE_DONE);
}
