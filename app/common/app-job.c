/* app-job.c: one job of a queue, from the queue to its encoded pictures
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-job.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/random.h>

#include "app-fault.h"

#define ID_BYTES 16
#define PREVIEW_SIZE 256      /* pixels */
#define PREVIEW_QUALITY "85"  /* of JPEG and WebP */
#define PROGRESS_INTERVAL (200 * G_TIME_SPAN_MILLISECOND) /* of what is less than a step */

G_DEFINE_FINAL_TYPE (AppJob, app_job, G_TYPE_OBJECT)

enum {
  PROGRESS,
  PREVIEW,
  DONE,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
app_job_finalize (GObject *object)
{
  AppJob *self = APP_JOB (object);

  g_free (self->id);
  g_free (self->client);
  g_free (self->model);
  g_free (self->warning);
  g_clear_object (&self->params);
  g_clear_object (&self->run);
  g_clear_pointer (&self->pictures, g_ptr_array_unref);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (app_job_parent_class)->finalize (object);
}

static void
app_job_class_init (AppJobClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  static const char *const names[] = { "progress", "preview", "done" };

  object_class->finalize = app_job_finalize;
  for (guint i = 0; i < N_SIGNALS; i++)
    signals[i] = g_signal_new (names[i], APP_TYPE_JOB, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
app_job_init (AppJob *self)
{
  self->format = "png";
  self->wait = -1;
  self->estimate = -1;
}

/* Who knows the name of a job may see its pictures and cancel it. */
static char *
make_id (void)
{
  guint8 bytes[ID_BYTES];
  GString *id = g_string_new (NULL);

  while (getrandom (bytes, sizeof bytes, 0) != (gssize) sizeof bytes)
    if (errno != EINTR)
      g_error ("no random numbers: %s", g_strerror (errno));
  for (guint i = 0; i < ID_BYTES; i++)
    g_string_append_printf (id, "%02x", bytes[i]);

  return g_string_free (id, FALSE);
}

AppJob *
app_job_new (const char *client,
                const char *model,
                ZimParams  *params)
{
  AppJob *self = g_object_new (APP_TYPE_JOB, NULL);

  self->id = make_id ();
  self->client = g_strdup (client);
  self->model = g_strdup (model);
  self->params = g_object_ref (params);
  self->created = g_get_real_time () / G_TIME_SPAN_SECOND;
  self->submitted = g_get_monotonic_time ();
  self->stage_at = self->submitted;
  return self;
}

/* --- What is known about it ------------------------------------------------------------------------ */

gboolean
app_job_is_over (AppJob *self)
{
  return self->state != ZIM_JOB_STATE_QUEUED && self->state != ZIM_JOB_STATE_RUNNING;
}

double
app_job_get_remaining (AppJob *self)
{
  if (app_job_is_over (self))
    return 0;
  if (self->state == ZIM_JOB_STATE_QUEUED)
    return self->wait >= 0 && self->estimate >= 0 ? self->wait + self->estimate : -1;
  if (self->run != NULL && zim_job_get_remaining (self->run) >= 0)
    return zim_job_get_remaining (self->run);

  return self->estimate;
}

gint64
app_job_get_seed (AppJob *self,
                  guint   index)
{
  gint64 seed = zim_params_get_seed (self->params);

  return seed != ZIM_SEED_RANDOM ? seed + index : seed;
}

/* --- Its life -------------------------------------------------------------------------------------- */

static void
set_stage (AppJob   *self,
           ZimStage  stage)
{
  gint64 now = g_get_monotonic_time ();

  self->stage_seconds[self->stage] += (double) (now - self->stage_at) / G_TIME_SPAN_SECOND;
  self->stage = stage;
  self->stage_at = now;
}

static void
emit_progress (AppJob *self)
{
  self->progress_at = g_get_monotonic_time ();
  g_signal_emit (self, signals[PROGRESS], 0);
}

/* What runs and its pixels go; the files stay. */
static void
end (AppJob      *self,
     ZimJobState  state)
{
  /* Who handles the signal may hold the last other reference. */
  g_autoptr(AppJob) kept = g_object_ref (self);

  set_stage (self, state == ZIM_JOB_STATE_DONE ? ZIM_STAGE_DONE : self->stage);
  self->ended = self->stage_at;
  self->state = state;
  self->position = 0;
  g_clear_object (&self->run);
  g_signal_emit (kept, signals[DONE], 0);
}

void
app_job_fail (AppJob *self,
              GError *error)
{
  gboolean is_cancelled = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  if (app_job_is_over (self))
    {
      g_error_free (error);
      return;
    }

  self->error = error;
  end (self, is_cancelled ? ZIM_JOB_STATE_CANCELLED : ZIM_JOB_STATE_FAILED);
}

void
app_job_set_place (AppJob *self,
                   int     position,
                   double  wait)
{
  gboolean moved = self->position != position;

  self->position = position;
  self->wait = wait;
  if (moved)
    emit_progress (self);
}

void
app_job_begin (AppJob *self)
{
  self->state = ZIM_JOB_STATE_RUNNING;
  self->n_faults = app_fault_get_n_faults ();
  self->started = g_get_monotonic_time ();
  self->position = 0;
  set_stage (self, ZIM_STAGE_LOAD);
  emit_progress (self);
}

gboolean
app_job_is_damaged (AppJob *self)
{
  return app_fault_get_n_faults () != self->n_faults;
}

/* --- Encoding -------------------------------------------------------------------------------------- */

/* None of it is the business of the thread that answers requests: a large picture would keep it for longer than it may
 * take for a request. */

static GBytes *
to_text (GBytes *file)
{
  gsize size;
  const guchar *data = g_bytes_get_data (file, &size);
  char *text = g_base64_encode (data, size);

  return g_bytes_new_take (text, strlen (text));
}

typedef struct
{
  GPtrArray  *images; /* of ZimImage */
  const char *format;
  int         quality;
  gboolean    as_text;
} Encode;

static void
encode_free (Encode *encode)
{
  g_ptr_array_unref (encode->images);
  g_free (encode);
}

static void
encode_in_thread (GTask        *task,
                  gpointer      source,
                  gpointer      data,
                  GCancellable *cancellable)
{
  Encode *encode = data;
  g_autoptr(GPtrArray) pictures = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  GError *error = NULL;

  for (guint i = 0; i < encode->images->len; i++)
    {
      g_autoptr(GBytes) file = zim_image_encode (encode->images->pdata[i], encode->format, encode->quality, &error);

      if (file == NULL)
        {
          g_task_return_error (task, error);
          return;
        }
      g_ptr_array_add (pictures, encode->as_text ? to_text (file) : g_bytes_ref (file));
    }
  g_task_return_pointer (task, g_steal_pointer (&pictures), (GDestroyNotify) g_ptr_array_unref);
}

static void
encoded_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  AppJob *self = APP_JOB (source);
  GError *error = NULL;
  g_autoptr(GPtrArray) pictures = g_task_propagate_pointer (G_TASK (result), &error);

  if (pictures == NULL)
    app_job_fail (self, error);
  else if (!app_job_is_over (self))
    {
      self->pictures = g_steal_pointer (&pictures);
      end (self, ZIM_JOB_STATE_DONE);
    }
}

static void
encode (AppJob *self)
{
  GListModel *images = zim_job_get_images (self->run);
  g_autoptr(GTask) task = g_task_new (self, NULL, encoded_cb, NULL);
  Encode *data = g_new0 (Encode, 1);

  data->images = g_ptr_array_new_with_free_func (g_object_unref);
  data->format = self->format;
  data->quality = self->quality;
  data->as_text = self->as_text;
  for (guint i = 0; i < g_list_model_get_n_items (images); i++)
    g_ptr_array_add (data->images, g_list_model_get_item (images, i));
  g_task_set_task_data (task, data, (GDestroyNotify) encode_free);
  g_task_run_in_thread (task, encode_in_thread);
}

/* --- Previews -------------------------------------------------------------------------------------- */

void
app_preview_free (AppPreview *preview)
{
  g_clear_pointer (&preview->data, g_bytes_unref);
  g_free (preview);
}

typedef struct
{
  GdkPixbuf  *pixbuf;
  const char *format;
  gboolean    as_text;
  int         step;
  int         total;
} EncodePreview;

static void
encode_preview_free (EncodePreview *encode)
{
  g_clear_object (&encode->pixbuf);
  g_free (encode);
}

static void
encode_preview_in_thread (GTask        *task,
                          gpointer      source,
                          gpointer      data,
                          GCancellable *cancellable)
{
  const EncodePreview *encode = data;
  const char *option = g_str_equal (encode->format, "png") ? NULL : "quality";
  g_autoptr(GBytes) file = NULL;
  AppPreview *preview;
  GError *error = NULL;
  char *bytes;
  gsize size;

  if (!gdk_pixbuf_save_to_buffer (encode->pixbuf, &bytes, &size, encode->format, &error, option, PREVIEW_QUALITY, NULL))
    {
      g_task_return_error (task, error);
      return;
    }

  file = g_bytes_new_take (bytes, size);
  preview = g_new0 (AppPreview, 1);
  preview->data = encode->as_text ? to_text (file) : g_steal_pointer (&file);
  preview->step = encode->step;
  preview->total = encode->total;
  g_task_return_pointer (task, preview, (GDestroyNotify) app_preview_free);
}

/* Whoever wanted it has been told. */
static void
preview_encoded_cb (AppJob *self)
{
  g_object_unref (g_queue_pop_head (&self->encodings));
  if (!g_queue_is_empty (&self->encodings))
    g_task_run_in_thread (g_queue_peek_head (&self->encodings), encode_preview_in_thread);
  else if (self->is_drawn && !app_job_is_over (self))
    encode (self);
}

void
app_job_encode_preview_async (AppJob              *self,
                              const char          *format,
                              gboolean             as_text,
                              GAsyncReadyCallback  callback,
                              gpointer             user_data)
{
  GdkPixbuf *pixbuf = self->run != NULL ? zim_job_get_preview (self->run) : NULL;
  GTask *task = g_task_new (self, NULL, callback, user_data);
  EncodePreview *data = g_new0 (EncodePreview, 1);

  g_assert (pixbuf != NULL);
  data->pixbuf = g_object_ref (pixbuf);
  data->format = format;
  data->as_text = as_text;
  data->step = self->step;
  data->total = self->total;
  g_task_set_task_data (task, data, (GDestroyNotify) encode_preview_free);
  g_signal_connect_object (task, "notify::completed", G_CALLBACK (preview_encoded_cb), self, G_CONNECT_SWAPPED);
  g_queue_push_tail (&self->encodings, task);
  if (self->encodings.length == 1)
    g_task_run_in_thread (task, encode_preview_in_thread);
}

AppPreview *
app_job_encode_preview_finish (AppJob        *self,
                               GAsyncResult  *result,
                               GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Running --------------------------------------------------------------------------------------- */

/* Whether there is news that nobody should wait for. */
static gboolean
read_run (AppJob *self)
{
  ZimStage stage = zim_job_get_stage (self->run);
  int step = zim_job_get_step (self->run);
  gboolean is_news;

  if (stage == ZIM_STAGE_WAIT)
    stage = ZIM_STAGE_LOAD;
  /* The library's last word comes before its pictures are encoded. */
  if (stage == ZIM_STAGE_DONE)
    stage = ZIM_STAGE_DECODE;
  is_news = stage != self->stage || step != self->step;

  if (stage != self->stage)
    set_stage (self, stage);
  self->step = step;
  self->total = zim_job_get_total (self->run);
  self->fraction = zim_job_get_fraction (self->run);
  return is_news;
}

static void
progress_cb (AppJob     *self,
             GParamSpec *pspec,
             ZimJob     *run)
{
  if (app_job_is_over (self))
    return;
  /* What is still to come would be wrong, too; run_done_cb () says why. */
  if (app_job_is_damaged (self))
    zim_job_cancel (run);
  if (read_run (self) || g_get_monotonic_time () - self->progress_at >= PROGRESS_INTERVAL)
    emit_progress (self);
}

static void
warning_cb (AppJob     *self,
            GParamSpec *pspec,
            ZimJob     *run)
{
  g_free (self->warning);
  self->warning = g_strdup (zim_job_get_warning (run));
}

static void
preview_cb (AppJob     *self,
            GParamSpec *pspec,
            ZimJob     *run)
{
  if (!app_job_is_over (self) && zim_job_get_preview (run) != NULL)
    g_signal_emit (self, signals[PREVIEW], 0);
}

static void
run_done_cb (AppJob *self,
             ZimJob *run)
{
  const GError *error = zim_job_get_error (run);

  if (app_job_is_damaged (self))
    app_job_fail (self, g_error_new (ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                                     _("A file of the model “%s” was cut off while it was in use"), self->model));
  else if (error != NULL)
    app_job_fail (self, g_error_copy (error));
  else if (!app_job_is_over (self))
    {
      self->is_drawn = TRUE;
      if (g_queue_is_empty (&self->encodings))
        encode (self);
    }
}

void
app_job_run (AppJob      *self,
             ZimPipeline *pipeline)
{
  self->run = zim_pipeline_submit (pipeline, self->params);
  g_set_object (&self->params, zim_job_get_params (self->run));
  if (self->preview_interval > 0)
    zim_job_request_preview (self->run, self->preview_interval, PREVIEW_SIZE);

  g_signal_connect_object (self->run, "notify::fraction", G_CALLBACK (progress_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->run, "notify::step", G_CALLBACK (progress_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->run, "notify::stage", G_CALLBACK (progress_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->run, "notify::warning", G_CALLBACK (warning_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->run, "notify::preview", G_CALLBACK (preview_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->run, "done", G_CALLBACK (run_done_cb), self, G_CONNECT_SWAPPED);
}
