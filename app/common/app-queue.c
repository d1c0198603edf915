/* app-queue.c: the one queue of all jobs, and the results that wait to be fetched
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* Jobs of all models run one after another: two pipelines at once would take the device from each other. Clients take
 * turns, and the jobs of one run in the order in which they came. A job whose run was cancelled is over for whoever
 * waits for it at once; the next one begins when the device has let go of it. */

#include "config.h"

#include "app-queue.h"

#include <glib/gi18n.h>

#define RESULT_BYTES_MAX ((gsize) 1 << 30) /* of all pictures that wait to be fetched */

struct _AppQueue
{
  GObject        parent_instance;

  AppModels     *models;
  AppLimits      limits;
  GHashTable    *active;      /* the name of an AppJob that is not over to itself */
  GQueue         waiting;     /* of AppJob */
  AppJob        *running;     /* until its device is free again */
  GCancellable  *loading;     /* while the model of that job is opened */
  ZimJob        *run;
  GQueue         results;     /* of AppJob, the oldest first */
  gsize          result_bytes;
  guint          expiry_id;
  gboolean       is_closed;
  guint64        turn;        /* of the job that began last */
  double         rate;        /* seconds for a million pixels and a step, of the last jobs; 0 if nothing is known */
};

G_DEFINE_QUARK (app-queue-error-quark, app_queue_error)
G_DEFINE_FINAL_TYPE (AppQueue, app_queue, G_TYPE_OBJECT)

enum {
  IDLE,
  OVER,
  REFUSED,
  FORGOTTEN,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void start_next (AppQueue *self);

static void
app_queue_finalize (GObject *object)
{
  AppQueue *self = APP_QUEUE (object);

  g_clear_handle_id (&self->expiry_id, g_source_remove);
  g_hash_table_unref (self->active);
  g_queue_clear_full (&self->waiting, g_object_unref);
  g_queue_clear_full (&self->results, g_object_unref);
  g_clear_object (&self->running);
  g_clear_object (&self->run);
  g_clear_object (&self->loading);
  g_clear_object (&self->models);
  G_OBJECT_CLASS (app_queue_parent_class)->finalize (object);
}

static void
app_queue_class_init (AppQueueClass *class)
{
  static const struct { const char *name; guint n_arguments; } infos[] = {
    [IDLE] = { "idle", 0 },
    [OVER] = { "over", 1 },
    [REFUSED] = { "refused", 0 },
    [FORGOTTEN] = { "forgotten", 1 },
  };

  G_OBJECT_CLASS (class)->finalize = app_queue_finalize;
  for (guint i = 0; i < N_SIGNALS; i++)
    signals[i] = g_signal_new (infos[i].name, APP_TYPE_QUEUE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                               infos[i].n_arguments, APP_TYPE_JOB);
}

static void
app_queue_init (AppQueue *self)
{
  self->active = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_object_unref);
}

AppQueue *
app_queue_new (AppModels       *models,
               const AppLimits *limits)
{
  AppQueue *self = g_object_new (APP_TYPE_QUEUE, NULL);

  self->models = g_object_ref (models);
  self->limits = *limits;
  return self;
}

/* --- Estimates ------------------------------------------------------------------------------------- */

/* Millions of pixels, times steps, times pictures; what is left to the model counts if the model is known. */
static double
get_work (AppQueue *self,
          AppJob   *job)
{
  AppModel *model = app_models_find (self->models, job->model);
  double width = zim_params_get_width (job->params);
  double height = zim_params_get_height (job->params);
  double steps = zim_params_get_steps (job->params);

  if (width == 0 && model != NULL)
    width = zim_model_get_default_width (model->model);
  if (height == 0 && model != NULL)
    height = zim_model_get_default_height (model->model);
  if (steps == 0 && model != NULL)
    steps = zim_model_get_default_steps (model->model);

  return width * height * 1e-6 * steps * zim_params_get_n_images (job->params);
}

static void
learn_rate (AppQueue *self,
            AppJob   *job)
{
  double work = get_work (self, job);
  double seconds = (double) (job->ended - job->started) / G_TIME_SPAN_SECOND;

  if (job->state != ZIM_JOB_STATE_DONE || work <= 0)
    return;
  /* The last jobs count most. */
  self->rate = self->rate > 0 ? 0.5 * self->rate + 0.5 * seconds / work : seconds / work;
}

static double
estimate (AppQueue *self,
          AppJob   *job)
{
  double work = get_work (self, job);

  return self->rate > 0 && work > 0 ? self->rate * work : -1;
}

static void
update_places (AppQueue *self)
{
  g_autoptr(GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  double wait = 0;
  int position = self->running != NULL ? 1 : 0;

  if (self->running != NULL)
    wait = app_job_get_remaining (self->running);
  /* Who is told may cancel. */
  for (GList *l = self->waiting.head; l != NULL; l = l->next)
    g_ptr_array_add (jobs, g_object_ref (l->data));

  for (guint i = 0; i < jobs->len; i++)
    {
      AppJob *job = jobs->pdata[i];

      job->estimate = estimate (self, job);
      if (job->state == ZIM_JOB_STATE_QUEUED)
        app_job_set_place (job, position++, wait);
      wait = wait >= 0 && job->estimate >= 0 ? wait + job->estimate : -1;
    }
}

/* --- Results --------------------------------------------------------------------------------------- */

static gsize
get_size (AppJob *job)
{
  gsize size = 0;

  for (guint i = 0; job->pictures != NULL && i < job->pictures->len; i++)
    size += g_bytes_get_size (job->pictures->pdata[i]);
  return size;
}

static void
forget (AppQueue *self,
        AppJob   *job)
{
  if (!g_queue_remove (&self->results, job))
    return;
  self->result_bytes -= get_size (job);
  g_signal_emit (self, signals[FORGOTTEN], 0, job);
  g_object_unref (job);
}

double
app_queue_get_kept (AppQueue *self,
                    AppJob   *job)
{
  gint64 left = job->ended + self->limits.result_time - g_get_monotonic_time ();

  return (double) MAX (left, 0) / G_TIME_SPAN_SECOND;
}

static gboolean
expiry_cb (gpointer data)
{
  AppQueue *self = data;
  AppJob *oldest;

  while ((oldest = g_queue_peek_head (&self->results)) != NULL && app_queue_get_kept (self, oldest) <= 0)
    forget (self, oldest);

  self->expiry_id = 0;
  if (oldest != NULL)
    self->expiry_id = g_timeout_add ((guint) (app_queue_get_kept (self, oldest) * 1000) + 1, expiry_cb, self);
  return G_SOURCE_REMOVE;
}

static void
keep (AppQueue *self,
      AppJob   *job)
{
  g_queue_push_tail (&self->results, g_object_ref (job));
  self->result_bytes += get_size (job);
  while (self->results.length > self->limits.max_results ||
         (self->result_bytes > RESULT_BYTES_MAX && self->results.length > 1))
    forget (self, g_queue_peek_head (&self->results));
  if (self->expiry_id == 0)
    expiry_cb (self);
}

/* --- Running --------------------------------------------------------------------------------------- */

static void
check_idle (AppQueue *self)
{
  if (app_queue_is_idle (self))
    g_signal_emit (self, signals[IDLE], 0);
}

static void
over_cb (AppJob   *job,
         AppQueue *self)
{
  g_signal_emit (self, signals[OVER], 0, job);
  learn_rate (self, job);
  if (job->is_kept)
    keep (self, job);
  g_hash_table_remove (self->active, job->id);
  check_idle (self);
}

/* The device is free. */
static void
finish_running (AppQueue *self)
{
  g_autoptr(AppJob) job = g_steal_pointer (&self->running);

  g_clear_object (&self->run);
  start_next (self);
  check_idle (self);
}

static void
run_done_cb (AppQueue *self,
             ZimJob   *run)
{
  app_models_release (self->models, self->running->model, self->running->keep_alive);
  if (app_job_is_damaged (self->running))
    app_models_reopen (self->models, self->running->model);
  finish_running (self);
}

static gboolean
check_work (AppQueue  *self,
            AppJob    *job,
            GError   **error)
{
  double work = get_work (self, job);

  if (work <= self->limits.max_work)
    return TRUE;
  g_set_error (error, APP_QUEUE_ERROR, APP_QUEUE_ERROR_TOO_LARGE,
               _("Width × height × steps × n is %.6g million pixels, expected at most %.6g; ask for less at once"),
               work, self->limits.max_work);
  return FALSE;
}

static void
run (AppQueue    *self,
     ZimPipeline *pipeline)
{
  app_job_run (self->running, pipeline);
  self->run = g_object_ref (self->running->run);
  g_signal_connect_object (self->run, "done", G_CALLBACK (run_done_cb), self, G_CONNECT_SWAPPED);
}

static void
acquired_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  g_autoptr(AppQueue) self = data;
  AppJob *job = self->running;
  GError *error = NULL;
  g_autoptr(ZimPipeline) pipeline = app_models_acquire_finish (self->models, result, &error);

  g_clear_object (&self->loading);
  /* What the model's own size and steps make of it is only known now. */
  if (pipeline != NULL && !app_job_is_over (job) && check_work (self, job, &error))
    {
      run (self, pipeline);
      return;
    }

  if (pipeline != NULL)
    app_models_release (self->models, job->model, job->keep_alive);
  if (error != NULL)
    app_job_fail (job, error);
  finish_running (self);
}

static void
start_next (AppQueue *self)
{
  if (self->running != NULL || g_queue_is_empty (&self->waiting))
    return;

  self->running = g_queue_pop_head (&self->waiting);
  self->turn = self->running->turn;
  self->loading = g_cancellable_new ();
  self->running->estimate = estimate (self, self->running);
  app_job_begin (self->running);
  update_places (self);
  app_models_acquire_async (self->models, self->running->model, self->running->params, self->loading,
                               acquired_cb, g_object_ref (self));
}

/* --- From outside ---------------------------------------------------------------------------------- */

static guint
count_of_client (AppQueue   *self,
                 const char *client)
{
  guint n = self->running != NULL && g_str_equal (self->running->client, client) ? 1 : 0;

  for (GList *l = self->waiting.head; l != NULL; l = l->next)
    n += g_str_equal (((AppJob *) l->data)->client, client);
  return n;
}

static GError *
make_stop_error (void)
{
  return g_error_new_literal (APP_QUEUE_ERROR, APP_QUEUE_ERROR_CLOSED,
                              _("No more jobs are done: the program is being stopped"));
}

gboolean
app_queue_check (AppQueue    *self,
                 const char  *client,
                 GError     **error)
{
  if (self->is_closed)
    g_propagate_error (error, make_stop_error ());
  else if (self->waiting.length >= self->limits.max_waiting)
    g_set_error (error, APP_QUEUE_ERROR, APP_QUEUE_ERROR_FULL, _("%u jobs are waiting already; try again later"),
                 self->waiting.length);
  else if (count_of_client (self, client) >= self->limits.max_per_client)
    g_set_error (error, APP_QUEUE_ERROR, APP_QUEUE_ERROR_TOO_MANY,
                 _("You have %u jobs already, which is as many as one may have"), self->limits.max_per_client);
  else
    return TRUE;

  g_signal_emit (self, signals[REFUSED], 0);
  return FALSE;
}

/* A client's job is a turn later than its last one; who has none comes in the present turn. */
static guint64
get_turn (AppQueue   *self,
          const char *client)
{
  guint64 turn = self->turn;

  if (self->running != NULL && g_str_equal (self->running->client, client))
    turn = self->running->turn + 1;
  for (GList *l = self->waiting.head; l != NULL; l = l->next)
    {
      AppJob *job = l->data;

      if (g_str_equal (job->client, client))
        turn = MAX (turn, job->turn + 1);
    }

  return turn;
}

static void
enqueue (AppQueue *self,
         AppJob   *job)
{
  GList *next = self->waiting.head;

  job->turn = get_turn (self, job->client);
  while (next != NULL && ((AppJob *) next->data)->turn <= job->turn)
    next = next->next;
  /* Before nothing is at the end. */
  g_queue_insert_before (&self->waiting, next, g_object_ref (job));
}

gboolean
app_queue_add (AppQueue  *self,
               AppJob    *job,
               GError   **error)
{
  if (!check_work (self, job, error) || !app_queue_check (self, job->client, error))
    return FALSE;

  g_signal_connect_object (job, "done", G_CALLBACK (over_cb), self, 0);
  g_hash_table_insert (self->active, job->id, g_object_ref (job));
  enqueue (self, job);
  update_places (self);
  start_next (self);
  return TRUE;
}

static int
compare_id (gconstpointer job,
            gconstpointer id)
{
  return g_strcmp0 (((const AppJob *) job)->id, id);
}

AppJob *
app_queue_find (AppQueue   *self,
                const char *id)
{
  AppJob *job = g_hash_table_lookup (self->active, id);
  GList *found = job == NULL ? g_queue_find_custom (&self->results, id, compare_id) : NULL;

  return found != NULL ? found->data : job;
}

/* Takes the error. */
static void
end_job (AppQueue *self,
         AppJob   *job,
         GError   *error)
{
  g_autoptr(ZimJob) library_job = self->running == job && self->run != NULL ? g_object_ref (self->run) : NULL;
  gboolean was_waiting = g_queue_remove (&self->waiting, job);

  app_job_fail (job, error);
  if (library_job != NULL)
    zim_job_cancel (library_job);
  else if (self->running == job)
    g_cancellable_cancel (self->loading);
  if (was_waiting)
    {
      update_places (self);
      g_object_unref (job);
    }
}

void
app_queue_cancel (AppQueue *self,
                  AppJob   *job)
{
  g_autoptr(AppJob) kept = g_object_ref (job);

  if (app_job_is_over (job))
    forget (self, job);
  else
    end_job (self, job, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, _("The job was cancelled")));
}

void
app_queue_close (AppQueue *self)
{
  self->is_closed = TRUE;
}

void
app_queue_cancel_all (AppQueue *self)
{
  g_autoptr(AppJob) running = self->running != NULL ? g_object_ref (self->running) : NULL;

  while (!g_queue_is_empty (&self->waiting))
    {
      g_autoptr(AppJob) job = g_object_ref (g_queue_peek_head (&self->waiting));

      end_job (self, job, make_stop_error ());
    }
  /* One whose pictures are being encoded is as good as done. */
  if (running != NULL && !app_job_is_over (running))
    end_job (self, running, make_stop_error ());
}

gboolean
app_queue_is_idle (AppQueue *self)
{
  return self->running == NULL && g_hash_table_size (self->active) == 0;
}

guint
app_queue_get_n_waiting (AppQueue *self)
{
  return self->waiting.length;
}

guint
app_queue_get_n_running (AppQueue *self)
{
  return self->running != NULL ? 1 : 0;
}
