/* zim-job.c: one run of a pipeline
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "zim-enum-types.h"
#include "zim-image.h"
#include "zim-job-private.h"
#include "zim-params.h"
#include "zim-pipeline.h"

/**
 * ZimJob:
 *
 * One run of a [class@ZImage.Pipeline], from the queue to its images.
 *
 * [method@ZImage.Pipeline.submit] makes a job and returns at once. What happens to the job is told by its properties
 * (`notify`) and, at the end, by [signal@ZImage.Job::done].
 *
 * A job belongs to the thread-default main context of the thread that submitted it: its properties change there
 * only, and its signals are emitted there. [method@ZImage.Job.cancel] can be called from any thread; everything else
 * is for that thread.
 */
struct _ZimJob {
  GObject       parent_instance;

  GMainContext *context;
  GCancellable *cancellable;
  GMutex        lock;
  ZimPipeline  *pipeline; /* under lock; NULL once the job has ended */
  gint          preview_interval; /* atomic */
  gint          preview_size;     /* atomic */

  ZimParams    *params;
  ZimJobState   state;
  ZimStage      stage;
  int           step;
  int           total;
  int           position;
  double        fraction;
  double        elapsed;
  double        remaining;
  char         *warning;
  GVariant     *memory_plan;
  GdkPixbuf    *preview;
  GListStore   *images; /* of ZimImage */
  GError       *error;
};

G_DEFINE_FINAL_TYPE (ZimJob, zim_job, G_TYPE_OBJECT)

enum {
  PROP_0,
  PROP_PARAMS,
  PROP_SEED,
  PROP_STATE,
  PROP_STAGE,
  PROP_STEP,
  PROP_TOTAL,
  PROP_FRACTION,
  PROP_ELAPSED,
  PROP_REMAINING,
  PROP_POSITION,
  PROP_WARNING,
  PROP_MEMORY_PLAN,
  PROP_PREVIEW,
  PROP_IMAGES,
  PROP_ERROR,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

enum {
  DONE,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
zim_job_finalize (GObject *object)
{
  ZimJob *self = ZIM_JOB (object);

  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->pipeline);
  g_mutex_clear (&self->lock);
  g_clear_object (&self->params);
  g_free (self->warning);
  g_clear_pointer (&self->memory_plan, g_variant_unref);
  g_clear_object (&self->preview);
  g_clear_object (&self->images);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (zim_job_parent_class)->finalize (object);
}

static void
zim_job_get_property (GObject    *object,
                      guint       prop_id,
                      GValue     *value,
                      GParamSpec *pspec)
{
  ZimJob *self = ZIM_JOB (object);

  switch (prop_id)
    {
    case PROP_PARAMS:
      g_value_set_object (value, self->params);
      break;
    case PROP_SEED:
      g_value_set_int64 (value, zim_job_get_seed (self));
      break;
    case PROP_STATE:
      g_value_set_enum (value, self->state);
      break;
    case PROP_STAGE:
      g_value_set_enum (value, self->stage);
      break;
    case PROP_STEP:
      g_value_set_int (value, self->step);
      break;
    case PROP_TOTAL:
      g_value_set_int (value, self->total);
      break;
    case PROP_FRACTION:
      g_value_set_double (value, self->fraction);
      break;
    case PROP_ELAPSED:
      g_value_set_double (value, self->elapsed);
      break;
    case PROP_REMAINING:
      g_value_set_double (value, self->remaining);
      break;
    case PROP_POSITION:
      g_value_set_int (value, self->position);
      break;
    case PROP_WARNING:
      g_value_set_string (value, self->warning);
      break;
    case PROP_MEMORY_PLAN:
      g_value_set_variant (value, self->memory_plan);
      break;
    case PROP_PREVIEW:
      g_value_set_object (value, self->preview);
      break;
    case PROP_IMAGES:
      g_value_set_object (value, self->images);
      break;
    case PROP_ERROR:
      g_value_set_boxed (value, self->error);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
install_progress_properties (GParamFlags flags)
{
  /**
   * ZimJob:stage:
   *
   * What the job is at.
   */
  properties[PROP_STAGE] = g_param_spec_enum ("stage", NULL, NULL, ZIM_TYPE_STAGE, ZIM_STAGE_WAIT, flags);

  /**
   * ZimJob:step:
   *
   * How many of the stage’s steps are done.
   */
  properties[PROP_STEP] = g_param_spec_int ("step", NULL, NULL, 0, G_MAXINT, 0, flags);

  /**
   * ZimJob:total:
   *
   * How many steps the stage has.
   */
  properties[PROP_TOTAL] = g_param_spec_int ("total", NULL, NULL, 0, G_MAXINT, 0, flags);

  /**
   * ZimJob:fraction:
   *
   * How much of the whole job is done, 0 to 1, by operations. It never falls.
   */
  properties[PROP_FRACTION] = g_param_spec_double ("fraction", NULL, NULL, 0, 1, 0, flags);

  /**
   * ZimJob:elapsed:
   *
   * Seconds since the job began to run.
   */
  properties[PROP_ELAPSED] = g_param_spec_double ("elapsed", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);

  /**
   * ZimJob:remaining:
   *
   * Estimated seconds to the end, or −1 as long as nothing is known.
   */
  properties[PROP_REMAINING] = g_param_spec_double ("remaining", NULL, NULL, -1, G_MAXDOUBLE, -1, flags);

  /**
   * ZimJob:position:
   *
   * How many jobs of the pipeline come before this one.
   */
  properties[PROP_POSITION] = g_param_spec_int ("position", NULL, NULL, 0, G_MAXINT, 0, flags);
}

static void
zim_job_class_init (ZimJobClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  object_class->finalize = zim_job_finalize;
  object_class->get_property = zim_job_get_property;

  /**
   * ZimJob:params:
   *
   * What is generated: the submitted parameters with the model’s defaults filled in and the seed drawn; sealed.
   */
  properties[PROP_PARAMS] = g_param_spec_object ("params", NULL, NULL, ZIM_TYPE_PARAMS, flags);

  /**
   * ZimJob:seed:
   *
   * The seed of the first image.
   */
  properties[PROP_SEED] = g_param_spec_int64 ("seed", NULL, NULL, G_MININT64, G_MAXINT64, 0, flags);

  /**
   * ZimJob:state:
   *
   * Where the job is in its life.
   */
  properties[PROP_STATE] = g_param_spec_enum ("state", NULL, NULL, ZIM_TYPE_JOB_STATE, ZIM_JOB_STATE_QUEUED, flags);

  install_progress_properties (flags);

  /**
   * ZimJob:warning:
   *
   * Something that the user should know although the job goes on: that the prompt was too long and was cut.
   */
  properties[PROP_WARNING] = g_param_spec_string ("warning", NULL, NULL, NULL, flags);

  /**
   * ZimJob:memory-plan:
   *
   * What the job takes of the device’s memory, told before anything is computed: a dictionary (`a{sv}`) of “mode”
   * (`mapped` where weights are read as they are mapped, `resident` where all weights stay on the device,
   * `text-released` where the text encoder goes once the prompt is read, `in-turn` where one network is there at a
   * time, `streamed` where weights come while they are computed with), and in bytes “planned_bytes” (the peak),
   * “minimum_bytes” (the least budget for this job), “budget_bytes” (0: none), “weights_bytes”, “streamed_bytes” (of
   * the weights, those that have no place of their own) and “arena_bytes” (intermediate results). “decoder” is `whole`,
   * or tells how it saves memory: `bands` of rows, of which little is there beside the largest of its intermediate
   * results, `bands-twice` if some are also computed twice. The picture is the same.
   *
   * What fits into the budget stays until its place is needed, so that more may be there than was planned for.
   */
  properties[PROP_MEMORY_PLAN] =
    g_param_spec_variant ("memory-plan", NULL, NULL, G_VARIANT_TYPE_VARDICT, NULL, flags);

  /**
   * ZimJob:preview:
   *
   * A small picture of what the latents will become, if [method@ZImage.Job.request_preview] asked for it.
   */
  properties[PROP_PREVIEW] = g_param_spec_object ("preview", NULL, NULL, GDK_TYPE_PIXBUF, flags);

  /**
   * ZimJob:images:
   *
   * The images, a list of [class@ZImage.Image] that grows by each one that is ready.
   *
   * A job that was cancelled or has failed keeps those that were ready before.
   */
  properties[PROP_IMAGES] = g_param_spec_object ("images", NULL, NULL, G_TYPE_LIST_MODEL, flags);

  /**
   * ZimJob:error:
   *
   * Why the job has not all its images, once it has failed or was cancelled.
   */
  properties[PROP_ERROR] = g_param_spec_boxed ("error", NULL, NULL, G_TYPE_ERROR, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);

  /**
   * ZimJob::done:
   * @self: the job
   *
   * Emitted once, when the job has its images, has failed or was cancelled.
   */
  signals[DONE] = g_signal_new ("done", ZIM_TYPE_JOB, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
zim_job_init (ZimJob *self)
{
  g_mutex_init (&self->lock);
  self->cancellable = g_cancellable_new ();
  self->images = g_list_store_new (ZIM_TYPE_IMAGE);
  self->remaining = -1;
}

ZimJob *
_zim_job_new (ZimPipeline  *pipeline,
              ZimParams    *params,
              GMainContext *context)
{
  ZimJob *self = g_object_new (ZIM_TYPE_JOB, NULL);

  self->pipeline = g_object_ref (pipeline);
  self->params = g_object_ref (params);
  self->context = context != NULL ? g_main_context_ref (context) : g_main_context_ref (g_main_context_default ());
  return self;
}

GCancellable *
_zim_job_get_cancellable (ZimJob *self)
{
  return self->cancellable;
}

/* Posts */

typedef struct {
  ZimJob      *job;
  ZimStage     stage;
  int          step;
  int          total;
  double       fraction;
  double       elapsed;
  double       remaining;
  int          position;
  char        *warning;
  GVariant    *memory_plan;
  GdkPixbuf   *preview;
  ZimImage    *image;
  GError      *error;
} Post;

static void
post_free (Post *post)
{
  g_object_unref (post->job);
  g_free (post->warning);
  g_clear_pointer (&post->memory_plan, g_variant_unref);
  g_clear_object (&post->preview);
  g_clear_object (&post->image);
  g_clear_error (&post->error);
  g_free (post);
}

static Post *
post_new (ZimJob *job)
{
  Post *post = g_new0 (Post, 1);

  post->job = g_object_ref (job);
  return post;
}

static void
post_send (Post        *post,
           GSourceFunc  func)
{
  g_autoptr(GSource) source = g_idle_source_new ();
  /* Once attached the source may run, and free the post with the last reference to the job, which holds the context. */
  g_autoptr(GMainContext) context = g_main_context_ref (post->job->context);

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, post, (GDestroyNotify) post_free);
  g_source_set_static_name (source, "[zimage] job");
  g_source_attach (source, context);
}

static void
set_int (ZimJob *self,
         int    *field,
         int     value,
         guint   property)
{
  if (*field == value)
    return;
  *field = value;
  g_object_notify_by_pspec (G_OBJECT (self), properties[property]);
}

static void
set_double (ZimJob *self,
            double *field,
            double  value,
            guint   property)
{
  if (*field == value)
    return;
  *field = value;
  g_object_notify_by_pspec (G_OBJECT (self), properties[property]);
}

static void
set_state (ZimJob      *self,
           ZimJobState  state)
{
  if (self->state == state)
    return;
  self->state = state;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATE]);
}

static void
set_stage (ZimJob   *self,
           ZimStage  stage)
{
  if (self->stage == stage)
    return;
  self->stage = stage;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STAGE]);
}

static ZimPipeline *
dup_pipeline (ZimJob *self)
{
  ZimPipeline *pipeline;

  g_mutex_lock (&self->lock);
  pipeline = self->pipeline != NULL ? g_object_ref (self->pipeline) : NULL;
  g_mutex_unlock (&self->lock);
  return pipeline;
}

static gboolean
on_progress (gpointer data)
{
  Post *post = data;
  ZimJob *self = post->job;
  g_autoptr(ZimPipeline) pipeline = dup_pipeline (self);

  g_object_freeze_notify (G_OBJECT (self));
  set_state (self, ZIM_JOB_STATE_RUNNING);
  set_stage (self, post->stage);
  set_int (self, &self->position, 0, PROP_POSITION);
  set_int (self, &self->step, post->step, PROP_STEP);
  set_int (self, &self->total, post->total, PROP_TOTAL);
  set_double (self, &self->fraction, MAX (self->fraction, post->fraction), PROP_FRACTION);
  set_double (self, &self->elapsed, post->elapsed, PROP_ELAPSED);
  set_double (self, &self->remaining, post->remaining, PROP_REMAINING);
  g_object_thaw_notify (G_OBJECT (self));
  if (pipeline != NULL)
    _zim_pipeline_emit_progress (pipeline, self);
  return G_SOURCE_REMOVE;
}

void
_zim_job_post_progress (ZimJob   *self,
                        ZimStage  stage,
                        int       step,
                        int       total,
                        double    fraction,
                        double    elapsed,
                        double    remaining)
{
  Post *post = post_new (self);

  post->stage = stage;
  post->step = step;
  post->total = total;
  post->fraction = fraction;
  post->elapsed = elapsed;
  post->remaining = remaining;
  post_send (post, on_progress);
}

static gboolean
on_position (gpointer data)
{
  Post *post = data;

  set_int (post->job, &post->job->position, post->position, PROP_POSITION);
  return G_SOURCE_REMOVE;
}

void
_zim_job_post_position (ZimJob *self,
                        int     position)
{
  Post *post = post_new (self);

  post->position = position;
  post_send (post, on_position);
}

static gboolean
on_warning (gpointer data)
{
  Post *post = data;

  g_free (post->job->warning);
  post->job->warning = g_steal_pointer (&post->warning);
  g_object_notify_by_pspec (G_OBJECT (post->job), properties[PROP_WARNING]);
  return G_SOURCE_REMOVE;
}

void
_zim_job_post_warning (ZimJob     *self,
                       const char *warning)
{
  Post *post = post_new (self);

  post->warning = g_strdup (warning);
  post_send (post, on_warning);
}

static gboolean
on_memory_plan (gpointer data)
{
  Post *post = data;

  g_clear_pointer (&post->job->memory_plan, g_variant_unref);
  post->job->memory_plan = g_steal_pointer (&post->memory_plan);
  g_object_notify_by_pspec (G_OBJECT (post->job), properties[PROP_MEMORY_PLAN]);
  return G_SOURCE_REMOVE;
}

void
_zim_job_post_memory_plan (ZimJob   *self,
                           GVariant *memory_plan)
{
  Post *post = post_new (self);

  post->memory_plan = g_variant_ref_sink (memory_plan);
  post_send (post, on_memory_plan);
}

static gboolean
on_preview (gpointer data)
{
  Post *post = data;

  if (g_set_object (&post->job->preview, post->preview))
    g_object_notify_by_pspec (G_OBJECT (post->job), properties[PROP_PREVIEW]);
  return G_SOURCE_REMOVE;
}

void
_zim_job_post_preview (ZimJob    *self,
                       GdkPixbuf *preview)
{
  Post *post = post_new (self);

  post->preview = g_object_ref (preview);
  post_send (post, on_preview);
}

static gboolean
on_image (gpointer data)
{
  Post *post = data;

  g_list_store_append (post->job->images, post->image);
  return G_SOURCE_REMOVE;
}

void
_zim_job_post_image (ZimJob   *self,
                     ZimImage *image)
{
  Post *post = post_new (self);

  post->image = g_object_ref (image);
  post_send (post, on_image);
}

static ZimJobState
end_state (const GError *error)
{
  if (error == NULL)
    return ZIM_JOB_STATE_DONE;
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? ZIM_JOB_STATE_CANCELLED : ZIM_JOB_STATE_FAILED;
}

static gboolean
on_end (gpointer data)
{
  Post *post = data;
  ZimJob *self = post->job;
  g_autoptr(ZimPipeline) pipeline = NULL;

  g_mutex_lock (&self->lock);
  pipeline = g_steal_pointer (&self->pipeline);
  g_mutex_unlock (&self->lock);

  g_object_freeze_notify (G_OBJECT (self));
  self->error = g_steal_pointer (&post->error);
  set_state (self, end_state (self->error));
  if (self->error == NULL)
    {
      set_stage (self, ZIM_STAGE_DONE);
      set_double (self, &self->fraction, 1, PROP_FRACTION);
    }
  else
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ERROR]);
  set_int (self, &self->position, 0, PROP_POSITION);
  set_double (self, &self->remaining, 0, PROP_REMAINING);
  g_object_thaw_notify (G_OBJECT (self));
  g_signal_emit (self, signals[DONE], 0);
  return G_SOURCE_REMOVE;
}

void
_zim_job_post_end (ZimJob *self,
                   GError *error)
{
  Post *post = g_new0 (Post, 1);

  post->job = self;
  post->error = error;
  post_send (post, on_end);
}

gboolean
_zim_job_wants_preview (ZimJob *self,
                        guint   step,
                        guint  *size)
{
  int interval = g_atomic_int_get (&self->preview_interval);

  *size = (guint) g_atomic_int_get (&self->preview_size);
  return interval > 0 && step % (guint) interval == 0;
}

/* Public calls */

/**
 * zim_job_cancel:
 * @self: a job
 *
 * Cancels the job: it ends with %G_IO_ERROR_CANCELLED within a fraction of a step, or at once if it has not begun.
 *
 * Does nothing if the job has ended. Can be called from any thread.
 */
void
zim_job_cancel (ZimJob *self)
{
  g_autoptr(ZimPipeline) pipeline = NULL;

  g_return_if_fail (ZIM_IS_JOB (self));

  pipeline = dup_pipeline (self);
  g_cancellable_cancel (self->cancellable);
  /* The queue's reference is now the post's. */
  if (pipeline != NULL && _zim_pipeline_withdraw (pipeline, self))
    _zim_job_post_end (self, g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, _("The job was cancelled")));
}

/**
 * zim_job_request_preview:
 * @self: a job
 * @interval: a preview every this many steps, or 0 for none
 * @size: the longer side of the preview in pixels at most; previews are never larger than a quarter of the image
 *
 * Asks for [property@ZImage.Job:preview] while the job denoises.
 *
 * The first preview of a model takes a moment: its colours are fitted to the model’s own decoder once, and kept.
 * Can be called from any thread.
 */
void
zim_job_request_preview (ZimJob *self,
                         int     interval,
                         int     size)
{
  g_return_if_fail (ZIM_IS_JOB (self));
  g_return_if_fail (interval >= 0);
  g_return_if_fail (size > 0);

  g_atomic_int_set (&self->preview_size, size);
  g_atomic_int_set (&self->preview_interval, interval);
}

/**
 * zim_job_get_params:
 * @self: a job
 *
 * Gets what is generated, with the model’s defaults filled in and the seed drawn.
 *
 * Returns: (transfer none): sealed parameters
 */
ZimParams *
zim_job_get_params (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), NULL);

  return self->params;
}

/**
 * zim_job_get_seed:
 * @self: a job
 *
 * Gets the seed of the first image; image b has this plus b.
 *
 * Returns: the seed
 */
gint64
zim_job_get_seed (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), 0);

  return zim_params_get_seed (self->params);
}

/**
 * zim_job_get_state:
 * @self: a job
 *
 * Gets where the job is in its life.
 *
 * Returns: the state
 */
ZimJobState
zim_job_get_state (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), ZIM_JOB_STATE_FAILED);

  return self->state;
}

/**
 * zim_job_get_stage:
 * @self: a job
 *
 * Gets what the job is at.
 *
 * Returns: the stage
 */
ZimStage
zim_job_get_stage (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), ZIM_STAGE_WAIT);

  return self->stage;
}

/**
 * zim_job_get_step:
 * @self: a job
 *
 * Gets how many of the stage’s steps are done.
 *
 * Returns: the number of steps
 */
int
zim_job_get_step (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), 0);

  return self->step;
}

/**
 * zim_job_get_total:
 * @self: a job
 *
 * Gets how many steps the stage has.
 *
 * Returns: the number of steps
 */
int
zim_job_get_total (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), 0);

  return self->total;
}

/**
 * zim_job_get_fraction:
 * @self: a job
 *
 * Gets how much of the whole job is done.
 *
 * Returns: 0 to 1
 */
double
zim_job_get_fraction (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), 0);

  return self->fraction;
}

/**
 * zim_job_get_elapsed:
 * @self: a job
 *
 * Gets the time since the job began to run, as of the last progress.
 *
 * Returns: seconds
 */
double
zim_job_get_elapsed (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), 0);

  return self->elapsed;
}

/**
 * zim_job_get_remaining:
 * @self: a job
 *
 * Gets the estimated time to the end, as of the last progress.
 *
 * Returns: seconds, or −1 as long as nothing is known
 */
double
zim_job_get_remaining (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), -1);

  return self->remaining;
}

/**
 * zim_job_get_position:
 * @self: a job
 *
 * Gets how many jobs of the pipeline come before this one.
 *
 * Returns: the number of jobs
 */
int
zim_job_get_position (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), 0);

  return self->position;
}

/**
 * zim_job_get_warning:
 * @self: a job
 *
 * Gets what the user should know although the job goes on.
 *
 * Returns: (nullable): the warning
 */
const char *
zim_job_get_warning (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), NULL);

  return self->warning;
}

/**
 * zim_job_get_memory_plan:
 * @self: a job
 *
 * Gets what the job takes of the device’s memory: [property@ZImage.Job:memory-plan].
 *
 * Returns: (transfer none) (nullable): the plan, or %NULL before it is made
 */
GVariant *
zim_job_get_memory_plan (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), NULL);

  return self->memory_plan;
}

/**
 * zim_job_get_preview:
 * @self: a job
 *
 * Gets the last preview.
 *
 * Returns: (transfer none) (nullable): a pixbuf
 */
GdkPixbuf *
zim_job_get_preview (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), NULL);

  return self->preview;
}

/**
 * zim_job_get_images:
 * @self: a job
 *
 * Gets the images, a list that grows by each one that is ready.
 *
 * Returns: (transfer none): a list of [class@ZImage.Image]
 */
GListModel *
zim_job_get_images (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), NULL);

  return G_LIST_MODEL (self->images);
}

/**
 * zim_job_get_error:
 * @self: a job
 *
 * Gets why the job has not all its images, once it has failed or was cancelled.
 *
 * Returns: (transfer none) (nullable): the error
 */
const GError *
zim_job_get_error (ZimJob *self)
{
  g_return_val_if_fail (ZIM_IS_JOB (self), NULL);

  return self->error;
}
