/* zim-pipeline.c: runs a model on a device
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "zim-device-private.h"
#include "zim-enum-types.h"
#include "zim-error.h"
#include "zim-image.h"
#include "zim-pipeline.h"
#include "zim-run-private.h"

/**
 * ZimPipeline:
 *
 * A [class@ZImage.Model] on a [class@ZImage.Device]: turns prompts into pictures.
 *
 * [method@ZImage.Pipeline.submit] gives a [class@ZImage.Job] to watch and to cancel;
 * [method@ZImage.Pipeline.generate_async] is the same as one asynchronous call, and [method@ZImage.Pipeline.generate]
 * as a blocking one. Jobs run one after another, in the order in which they were submitted.
 *
 * Making a pipeline touches no weights: they are read while the first job runs.
 *
 * A pipeline can be used from any thread. What belongs to a job, [signal@ZImage.Pipeline::progress] included, happens
 * in the thread-default main context of the thread that submitted it.
 */
struct _ZimPipeline {
  GObject          parent_instance;

  ZimModel        *model;
  ZimDevice       *device;

  GMutex           lock;      /* of what follows, up to the worker's part */
  ZimPrecision     precision; /* AUTO until set */
  char            *dump_file;
  guint64          memory_budget; /* bytes; 0: what the device has */
  guint64          peak_memory;   /* bytes, of the last job */
  GQueue           queue;     /* of ZimJob that have not begun */
  gboolean         has_worker;

  /* The worker's alone, and zim_pipeline_plan_memory ()'s under run_lock. */
  GMutex           run_lock;
  ZimBackend      *backend;
  ZimFeatureCache *features;
  ZimPreview       preview;
};

G_DEFINE_FINAL_TYPE (ZimPipeline, zim_pipeline, G_TYPE_OBJECT)

enum {
  PROP_0,
  PROP_MODEL,
  PROP_DEVICE,
  PROP_PRECISION,
  PROP_DUMP_FILE,
  PROP_MEMORY_BUDGET,
  PROP_PEAK_MEMORY,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

enum {
  PROGRESS,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
zim_pipeline_finalize (GObject *object)
{
  ZimPipeline *self = ZIM_PIPELINE (object);

  g_assert (self->queue.length == 0);
  g_clear_object (&self->backend);
  g_clear_object (&self->model);
  g_clear_object (&self->device);
  g_free (self->dump_file);
  zim_feature_cache_free (self->features);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->run_lock);
  G_OBJECT_CLASS (zim_pipeline_parent_class)->finalize (object);
}

static void
zim_pipeline_get_property (GObject    *object,
                           guint       prop_id,
                           GValue     *value,
                           GParamSpec *pspec)
{
  ZimPipeline *self = ZIM_PIPELINE (object);

  switch (prop_id)
    {
    case PROP_MODEL:
      g_value_set_object (value, self->model);
      break;
    case PROP_DEVICE:
      g_value_set_object (value, self->device);
      break;
    case PROP_PRECISION:
      g_value_set_enum (value, zim_pipeline_get_precision (self));
      break;
    case PROP_DUMP_FILE:
      g_value_set_string (value, zim_pipeline_get_dump_file (self));
      break;
    case PROP_MEMORY_BUDGET:
      g_value_set_uint64 (value, zim_pipeline_get_memory_budget (self));
      break;
    case PROP_PEAK_MEMORY:
      g_value_set_uint64 (value, zim_pipeline_get_peak_memory (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_pipeline_set_property (GObject      *object,
                           guint         prop_id,
                           const GValue *value,
                           GParamSpec   *pspec)
{
  ZimPipeline *self = ZIM_PIPELINE (object);

  switch (prop_id)
    {
    case PROP_PRECISION:
      zim_pipeline_set_precision (self, g_value_get_enum (value));
      break;
    case PROP_DUMP_FILE:
      zim_pipeline_set_dump_file (self, g_value_get_string (value));
      break;
    case PROP_MEMORY_BUDGET:
      zim_pipeline_set_memory_budget (self, g_value_get_uint64 (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_pipeline_class_init (ZimPipelineClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->finalize = zim_pipeline_finalize;
  object_class->get_property = zim_pipeline_get_property;
  object_class->set_property = zim_pipeline_set_property;

  /**
   * ZimPipeline:model:
   *
   * What is run.
   */
  properties[PROP_MODEL] =
    g_param_spec_object ("model", NULL, NULL, ZIM_TYPE_MODEL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ZimPipeline:device:
   *
   * What it is run on.
   */
  properties[PROP_DEVICE] =
    g_param_spec_object ("device", NULL, NULL, ZIM_TYPE_DEVICE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ZimPipeline:precision:
   *
   * The operands of the matrix products, for jobs that begin from now on.
   */
  properties[PROP_PRECISION] =
    g_param_spec_enum ("precision", NULL, NULL, ZIM_TYPE_PRECISION, ZIM_PRECISION_AUTO,
                       G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ZimPipeline:dump-file:
   *
   * A safetensors file that each job that begins from now on writes its intermediate results to: token ids, features,
   * every named tensor of every step. For comparisons with a reference; it takes much memory with a large model.
   */
  properties[PROP_DUMP_FILE] =
    g_param_spec_string ("dump-file", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ZimPipeline:memory-budget:
   *
   * How many bytes of the device’s memory a job that begins from now on may take; 0 is what the device has.
   *
   * Each job is planned before it computes anything: everything stays on the device if it fits; else the text encoder
   * goes once the prompt is read, else only one network is there at a time, else weights are streamed while they are
   * computed with. The picture is the same. If that is not enough either the job fails at its start, with
   * %ZIM_ERROR_OUT_OF_MEMORY and what it needs. [property@ZImage.Job:memory-plan] tells what was chosen.
   *
   * The CPU reads weights where they are mapped, and the system drops them when memory is short: there the budget is
   * for intermediate results alone, which must fit.
   */
  properties[PROP_MEMORY_BUDGET] =
    g_param_spec_uint64 ("memory-budget", NULL, NULL, 0, G_MAXUINT64, 0,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ZimPipeline:peak-memory:
   *
   * The most bytes of the device’s own memory that the last job had allocated; 0 on the CPU. Changes are not notified.
   */
  properties[PROP_PEAK_MEMORY] =
    g_param_spec_uint64 ("peak-memory", NULL, NULL, 0, G_MAXUINT64, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);

  /**
   * ZimPipeline::progress:
   * @self: the pipeline
   * @job: the job that went on
   * @stage: what it is at
   * @step: how many of the stage’s steps are done
   * @total: how many steps the stage has
   *
   * Emitted when a job goes on, in the thread-default main context of the thread that submitted it.
   */
  signals[PROGRESS] = g_signal_new ("progress", ZIM_TYPE_PIPELINE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                    4, ZIM_TYPE_JOB, ZIM_TYPE_STAGE, G_TYPE_INT, G_TYPE_INT);
}

static void
zim_pipeline_init (ZimPipeline *self)
{
  g_mutex_init (&self->lock);
  g_mutex_init (&self->run_lock);
  self->features = zim_feature_cache_new ();
}

/**
 * zim_pipeline_new:
 * @model: a model
 * @device: (nullable): a device, or %NULL for the one that the environment variable `ZIM_DEVICE` names, else the best
 * @error: return location for an error
 *
 * Creates a pipeline. It touches no weights.
 *
 * Fails with %ZIM_ERROR_DEVICE if there is no such device.
 *
 * Returns: (transfer full): the pipeline
 */
ZimPipeline *
zim_pipeline_new (ZimModel   *model,
                  ZimDevice  *device,
                  GError    **error)
{
  g_autoptr(ZimDevice) found = NULL;
  ZimPipeline *self;

  g_return_val_if_fail (ZIM_IS_MODEL (model), NULL);
  g_return_val_if_fail (device == NULL || ZIM_IS_DEVICE (device), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  found = device != NULL ? g_object_ref (device) : zim_device_find (g_getenv ("ZIM_DEVICE"), error);
  if (found == NULL)
    return NULL;
  self = g_object_new (ZIM_TYPE_PIPELINE, NULL);
  self->model = g_object_ref (model);
  self->device = g_steal_pointer (&found);
  return self;
}

/**
 * zim_pipeline_get_model:
 * @self: a pipeline
 *
 * Gets what is run.
 *
 * Returns: (transfer none): the model
 */
ZimModel *
zim_pipeline_get_model (ZimPipeline *self)
{
  g_return_val_if_fail (ZIM_IS_PIPELINE (self), NULL);

  return self->model;
}

/**
 * zim_pipeline_get_device:
 * @self: a pipeline
 *
 * Gets what the model is run on.
 *
 * Returns: (transfer none): the device
 */
ZimDevice *
zim_pipeline_get_device (ZimPipeline *self)
{
  g_return_val_if_fail (ZIM_IS_PIPELINE (self), NULL);

  return self->device;
}

/**
 * zim_pipeline_get_precision:
 * @self: a pipeline
 *
 * Gets the operands of the matrix products, as set: [method@ZImage.Device.get_precision] tells what
 * %ZIM_PRECISION_AUTO stands for.
 *
 * Returns: the precision
 */
ZimPrecision
zim_pipeline_get_precision (ZimPipeline *self)
{
  ZimPrecision precision;

  g_return_val_if_fail (ZIM_IS_PIPELINE (self), ZIM_PRECISION_AUTO);

  g_mutex_lock (&self->lock);
  precision = self->precision;
  g_mutex_unlock (&self->lock);
  return precision;
}

/**
 * zim_pipeline_set_precision:
 * @self: a pipeline
 * @precision: the operands of the matrix products
 *
 * Sets the precision of the jobs that begin from now on.
 */
void
zim_pipeline_set_precision (ZimPipeline  *self,
                            ZimPrecision  precision)
{
  gboolean changed;

  g_return_if_fail (ZIM_IS_PIPELINE (self));

  g_mutex_lock (&self->lock);
  changed = self->precision != precision;
  self->precision = precision;
  g_mutex_unlock (&self->lock);
  if (changed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_PRECISION]);
}

/**
 * zim_pipeline_get_dump_file:
 * @self: a pipeline
 *
 * Gets the file that intermediate results are written to.
 *
 * Returns: (nullable): the path
 */
const char *
zim_pipeline_get_dump_file (ZimPipeline *self)
{
  g_return_val_if_fail (ZIM_IS_PIPELINE (self), NULL);

  return self->dump_file;
}

/**
 * zim_pipeline_set_dump_file:
 * @self: a pipeline
 * @path: (nullable): a path, or %NULL for none
 *
 * Sets the safetensors file that each job that begins from now on writes its intermediate results to.
 */
void
zim_pipeline_set_dump_file (ZimPipeline *self,
                            const char  *path)
{
  g_return_if_fail (ZIM_IS_PIPELINE (self));

  if (g_strcmp0 (self->dump_file, path) == 0)
    return;
  g_mutex_lock (&self->lock);
  g_free (self->dump_file);
  self->dump_file = g_strdup (path);
  g_mutex_unlock (&self->lock);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_DUMP_FILE]);
}

/**
 * zim_pipeline_get_memory_budget:
 * @self: a pipeline
 *
 * Gets how much of the device’s memory jobs may take.
 *
 * Returns: bytes, or 0 for what the device has
 */
guint64
zim_pipeline_get_memory_budget (ZimPipeline *self)
{
  guint64 bytes;

  g_return_val_if_fail (ZIM_IS_PIPELINE (self), 0);

  g_mutex_lock (&self->lock);
  bytes = self->memory_budget;
  g_mutex_unlock (&self->lock);
  return bytes;
}

/**
 * zim_pipeline_set_memory_budget:
 * @self: a pipeline
 * @bytes: how much, or 0 for what the device has
 *
 * Sets how much of the device’s memory jobs that begin from now on may take: [property@ZImage.Pipeline:memory-budget].
 */
void
zim_pipeline_set_memory_budget (ZimPipeline *self,
                                guint64      bytes)
{
  gboolean changed;

  g_return_if_fail (ZIM_IS_PIPELINE (self));

  g_mutex_lock (&self->lock);
  changed = self->memory_budget != bytes;
  self->memory_budget = bytes;
  g_mutex_unlock (&self->lock);
  if (changed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_MEMORY_BUDGET]);
}

/**
 * zim_pipeline_get_peak_memory:
 * @self: a pipeline
 *
 * Gets the most of the device’s own memory that the last job had allocated.
 *
 * Returns: bytes; 0 on the CPU
 */
guint64
zim_pipeline_get_peak_memory (ZimPipeline *self)
{
  guint64 bytes;

  g_return_val_if_fail (ZIM_IS_PIPELINE (self), 0);

  g_mutex_lock (&self->lock);
  bytes = self->peak_memory;
  g_mutex_unlock (&self->lock);
  return bytes;
}

void
_zim_pipeline_emit_progress (ZimPipeline *self,
                             ZimJob      *job)
{
  g_signal_emit (self, signals[PROGRESS], 0, job, zim_job_get_stage (job), zim_job_get_step (job),
                 zim_job_get_total (job));
}

/* Worker */

/* Under run_lock. The dump file's name is the caller's. */
static gboolean
get_context (ZimPipeline    *self,
             ZimRunContext  *context,
             char          **dump_file,
             GError        **error)
{
  if (self->backend == NULL)
    self->backend = _zim_device_create_backend (self->device, error);
  if (self->backend == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  context->precision = self->precision;
  context->memory_budget = self->memory_budget;
  *dump_file = g_strdup (self->dump_file);
  g_mutex_unlock (&self->lock);
  if (context->precision == ZIM_PRECISION_AUTO)
    context->precision = zim_device_get_precision (self->device);
  context->model = self->model;
  context->backend = self->backend;
  context->device_name = zim_device_get_name (self->device);
  context->dump_file = *dump_file;
  context->features = self->features;
  context->preview = &self->preview;
  return TRUE;
}

static void
keep_peak (ZimPipeline *self)
{
  g_mutex_lock (&self->lock);
  self->peak_memory = zim_backend_get_peak (self->backend);
  g_mutex_unlock (&self->lock);
}

/* Takes the job. */
static void
run_job (ZimPipeline *self,
         ZimJob      *job)
{
  g_autofree char *dump_file = NULL;
  ZimRunContext context;
  GError *error = NULL;

  g_mutex_lock (&self->run_lock);
  if (zim_params_validate (zim_job_get_params (job), &error) && get_context (self, &context, &dump_file, &error))
    zim_run_job (&context, job, &error);
  if (self->backend != NULL)
    keep_peak (self);
  /* Nothing of a lost device works again: the next job gets a new one. */
  if (g_error_matches (error, ZIM_ERROR, ZIM_ERROR_DEVICE))
    g_clear_object (&self->backend);
  g_mutex_unlock (&self->run_lock);
  _zim_job_post_end (job, error);
}

/* The next job, and news of their positions for those behind it; NULL ends the worker. */
static ZimJob *
take_job (ZimPipeline *self)
{
  ZimJob *job;
  int position = 1;

  g_mutex_lock (&self->lock);
  job = g_queue_pop_head (&self->queue);
  self->has_worker = job != NULL;
  for (GList *l = self->queue.head; l != NULL; l = l->next)
    _zim_job_post_position (l->data, position++);
  g_mutex_unlock (&self->lock);
  return job;
}

static gpointer
worker_main (gpointer data)
{
  g_autoptr(ZimPipeline) self = data;
  ZimJob *job;

  while ((job = take_job (self)) != NULL)
    run_job (self, job);
  return NULL;
}

gboolean
_zim_pipeline_withdraw (ZimPipeline *self,
                        ZimJob      *job)
{
  gboolean found;

  g_mutex_lock (&self->lock);
  found = g_queue_remove (&self->queue, job);
  g_mutex_unlock (&self->lock);
  return found;
}

/* Parameters with the model's defaults filled in and the seed drawn; sealed. */
static ZimParams *
resolve_params (ZimPipeline *self,
                ZimParams   *params)
{
  ZimParams *resolved = zim_params_copy (params);

  if (zim_params_get_width (resolved) == 0)
    zim_params_set_width (resolved, zim_model_get_default_width (self->model));
  if (zim_params_get_height (resolved) == 0)
    zim_params_set_height (resolved, zim_model_get_default_height (self->model));
  if (zim_params_get_steps (resolved) == 0)
    zim_params_set_steps (resolved, zim_model_get_default_steps (self->model));
  if (zim_params_get_guidance (resolved) == -1)
    zim_params_set_guidance (resolved, zim_model_get_default_guidance (self->model));
  /* PyTorch's CPU generator uses 32 bits of a seed: more would only look different. */
  if (zim_params_get_seed (resolved) == ZIM_SEED_RANDOM)
    zim_params_set_seed (resolved, g_random_int ());
  zim_params_seal (resolved);
  return resolved;
}

/**
 * zim_pipeline_submit:
 * @self: a pipeline
 * @params: what to generate; they are copied
 *
 * Puts a job into the queue and returns at once.
 *
 * Mistakes in the parameters are told as the job’s error.
 *
 * Returns: (transfer full): the job
 */
ZimJob *
zim_pipeline_submit (ZimPipeline *self,
                     ZimParams   *params)
{
  g_autoptr(ZimParams) resolved = NULL;
  ZimJob *job;
  gboolean start;

  g_return_val_if_fail (ZIM_IS_PIPELINE (self), NULL);
  g_return_val_if_fail (ZIM_IS_PARAMS (params), NULL);

  resolved = resolve_params (self, params);
  job = _zim_job_new (self, resolved, g_main_context_get_thread_default ());
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->queue, g_object_ref (job));
  _zim_job_post_position (job, (int) self->queue.length - 1 + (self->has_worker ? 1 : 0));
  start = !self->has_worker;
  self->has_worker = TRUE;
  g_mutex_unlock (&self->lock);
  if (start)
    g_thread_unref (g_thread_new ("zimage-worker", worker_main, g_object_ref (self)));
  return job;
}

/* Memory */

/* Bytes, or 0 with an error. */
static guint64
plan_memory (ZimPipeline  *self,
             ZimParams    *resolved,
             GError      **error)
{
  g_autofree char *dump_file = NULL;
  ZimRunContext context;
  guint64 memory = 0;

  if (!zim_params_validate (resolved, error))
    return 0;
  g_mutex_lock (&self->run_lock);
  if (get_context (self, &context, &dump_file, error) && !zim_run_plan (&context, resolved, &memory, error))
    memory = 0;
  g_mutex_unlock (&self->run_lock);
  return memory;
}

/**
 * zim_pipeline_plan_memory:
 * @self: a pipeline
 * @params: what would be generated
 * @error: return location for an error
 *
 * Computes how much memory a run takes, without running it: of the device’s own memory at the peak, weights included;
 * on the CPU what it takes beside the mapped weights.
 *
 * Fails with %ZIM_ERROR_INVALID_PARAMS if the parameters are out of range, and with %ZIM_ERROR_OUT_OF_MEMORY if the
 * budget is too small for every plan. Waits for a job that runs.
 *
 * Returns: bytes, or 0 with an error
 */
guint64
zim_pipeline_plan_memory (ZimPipeline  *self,
                          ZimParams    *params,
                          GError      **error)
{
  g_autoptr(ZimParams) resolved = NULL;

  g_return_val_if_fail (ZIM_IS_PIPELINE (self), 0);
  g_return_val_if_fail (ZIM_IS_PARAMS (params), 0);
  g_return_val_if_fail (error == NULL || *error == NULL, 0);

  resolved = resolve_params (self, params);
  return plan_memory (self, resolved, error);
}

static void
plan_in_thread (GTask        *task,
                gpointer      source,
                gpointer      resolved,
                GCancellable *cancellable)
{
  GValue value = G_VALUE_INIT;
  GError *error = NULL;

  g_value_init (&value, G_TYPE_UINT64);
  g_value_set_uint64 (&value, plan_memory (source, resolved, &error));
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_value (task, &value);
}

/**
 * zim_pipeline_plan_memory_async:
 * @self: a pipeline
 * @params: what would be generated; they are copied
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the plan is made
 * @user_data: data for @callback
 *
 * Computes without blocking how much memory a run takes: [method@ZImage.Pipeline.plan_memory]. A job that runs delays
 * it; cancelling ends that wait at once.
 */
void
zim_pipeline_plan_memory_async (ZimPipeline         *self,
                                ZimParams           *params,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  g_autoptr(GTask) task = NULL;

  g_return_if_fail (ZIM_IS_PIPELINE (self));
  g_return_if_fail (ZIM_IS_PARAMS (params));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, zim_pipeline_plan_memory_async);
  g_task_set_task_data (task, resolve_params (self, params), g_object_unref);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, plan_in_thread);
}

/**
 * zim_pipeline_plan_memory_finish:
 * @self: a pipeline
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Pipeline.plan_memory_async].
 *
 * Returns: bytes, or 0 with an error
 */
guint64
zim_pipeline_plan_memory_finish (ZimPipeline   *self,
                                 GAsyncResult  *result,
                                 GError       **error)
{
  GValue value = G_VALUE_INIT;

  g_return_val_if_fail (ZIM_IS_PIPELINE (self), 0);
  g_return_val_if_fail (g_task_is_valid (result, self), 0);
  g_return_val_if_fail (error == NULL || *error == NULL, 0);

  return g_task_propagate_value (G_TASK (result), &value, error) ? g_value_get_uint64 (&value) : 0;
}

/* Asynchronous and blocking calls */

static void
cancel_job_cb (GCancellable *cancellable,
               ZimJob       *job)
{
  zim_job_cancel (job);
}

typedef struct {
  ZimJob       *job;
  GCancellable *cancellable;
  gulong        cancelled_id;
} Generate;

static void
generate_free (Generate *generate)
{
  g_cancellable_disconnect (generate->cancellable, generate->cancelled_id);
  g_clear_object (&generate->cancellable);
  g_object_unref (generate->job);
  g_free (generate);
}

static void
unref_closure_data (gpointer  data,
                    GClosure *closure)
{
  g_object_unref (data);
}

static GPtrArray *
list_to_array (GListModel *list)
{
  guint n = g_list_model_get_n_items (list);
  GPtrArray *array = g_ptr_array_new_full (n, g_object_unref);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (array, g_list_model_get_item (list, i));
  return array;
}

static void
job_done_cb (ZimJob *job,
             GTask  *task)
{
  const GError *error = zim_job_get_error (job);

  if (error != NULL)
    g_task_return_error (task, g_error_copy (error));
  else
    g_task_return_pointer (task, list_to_array (zim_job_get_images (job)), (GDestroyNotify) g_ptr_array_unref);
  /* The handler keeps the task, which keeps the job. */
  g_signal_handlers_disconnect_by_func (job, job_done_cb, task);
}

/**
 * zim_pipeline_generate_async:
 * @self: a pipeline
 * @params: what to generate; they are copied
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the images are there
 * @user_data: data for @callback
 *
 * Generates images without blocking. [signal@ZImage.Pipeline::progress] tells how far it is.
 */
void
zim_pipeline_generate_async (ZimPipeline         *self,
                             ZimParams           *params,
                             GCancellable        *cancellable,
                             GAsyncReadyCallback  callback,
                             gpointer             user_data)
{
  GTask *task;
  Generate *generate;

  g_return_if_fail (ZIM_IS_PIPELINE (self));
  g_return_if_fail (ZIM_IS_PARAMS (params));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, zim_pipeline_generate_async);
  generate = g_new0 (Generate, 1);
  generate->job = zim_pipeline_submit (self, params);
  g_task_set_task_data (task, generate, (GDestroyNotify) generate_free);
  g_signal_connect_data (generate->job, "done", G_CALLBACK (job_done_cb), task, unref_closure_data, 0);
  if (cancellable != NULL)
    {
      generate->cancellable = g_object_ref (cancellable);
      generate->cancelled_id =
        g_cancellable_connect (cancellable, G_CALLBACK (cancel_job_cb), g_object_ref (generate->job), g_object_unref);
    }
}

/**
 * zim_pipeline_generate_finish:
 * @self: a pipeline
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Pipeline.generate_async].
 *
 * Returns: (transfer container) (element-type ZimImage): the images
 */
GPtrArray *
zim_pipeline_generate_finish (ZimPipeline   *self,
                              GAsyncResult  *result,
                              GError       **error)
{
  g_return_val_if_fail (ZIM_IS_PIPELINE (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
keep_result_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      user_data)
{
  GAsyncResult **kept = user_data;

  *kept = g_object_ref (result);
}

/**
 * zim_pipeline_generate:
 * @self: a pipeline
 * @params: what to generate; they are copied
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Generates images and returns when they are there.
 *
 * Meanwhile it iterates a main context of its own, so [signal@ZImage.Pipeline::progress] is emitted in the calling
 * thread, and nothing else happens there.
 *
 * Fails with %ZIM_ERROR_INVALID_PARAMS if the parameters are out of range, with %ZIM_ERROR_NON_FINITE if the
 * computation gives no numbers, with %ZIM_ERROR_OUT_OF_MEMORY, and with %G_IO_ERROR_CANCELLED.
 *
 * Returns: (transfer container) (element-type ZimImage): the images
 */
GPtrArray *
zim_pipeline_generate (ZimPipeline   *self,
                       ZimParams     *params,
                       GCancellable  *cancellable,
                       GError       **error)
{
  g_autoptr(GMainContext) context = NULL;
  g_autoptr(GAsyncResult) result = NULL;

  g_return_val_if_fail (ZIM_IS_PIPELINE (self), NULL);
  g_return_val_if_fail (ZIM_IS_PARAMS (params), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  context = g_main_context_new ();
  g_main_context_push_thread_default (context);
  zim_pipeline_generate_async (self, params, cancellable, keep_result_cb, &result);
  while (result == NULL)
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);
  return zim_pipeline_generate_finish (self, result, error);
}
