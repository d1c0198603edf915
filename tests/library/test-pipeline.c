/* test-pipeline.c: pipelines and jobs: queue, progress, previews, cancellation, errors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "test-object.h"
#include "test-reference.h"
#include "test-vulkan.h"
#include "test-weights.h"
#include "zim-device.h"
#include "zim-error.h"
#include "zim-image.h"
#include "zim-job.h"
#include "zim-model-private.h"
#include "zim-params.h"
#include "zim-pipeline.h"

typedef struct {
  TestCase      *test;
  ZimCheckpoint *checkpoint;
  ZimModel      *model;
  ZimPipeline   *pipeline;
} Fixture;

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  GError *error = NULL;

  fixture->test = test_case_load ("pipeline-turbo");
  fixture->checkpoint = test_case_checkpoint (fixture->test, ZIM_DTYPE_BF16);
  fixture->model = _zim_model_new_for_checkpoint (fixture->checkpoint, "test", &error);
  g_assert_no_error (error);
  fixture->pipeline = zim_pipeline_new (fixture->model, NULL, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  test_assert_finalizes (fixture->pipeline);
  test_assert_finalizes (fixture->model);
  zim_checkpoint_unref (fixture->checkpoint);
  test_case_free (fixture->test);
}

static ZimParams *
new_params (int steps)
{
  ZimParams *params = zim_params_new ("a sunset over mountains");

  zim_params_set_size (params, 64, 64);
  zim_params_set_steps (params, steps);
  zim_params_set_seed (params, 7);
  return params;
}

static GBytes *
pixels_of (GPtrArray *images,
           guint      i)
{
  GdkPixbuf *pixbuf = zim_image_get_pixbuf (g_ptr_array_index (images, i));

  return gdk_pixbuf_read_pixel_bytes (pixbuf);
}

static GBytes *
job_pixels (ZimJob *job,
            guint   i)
{
  g_autoptr(ZimImage) image = g_list_model_get_item (zim_job_get_images (job), i);

  return gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (image));
}

static void
assert_same_pixels (GPtrArray *a,
                    GPtrArray *b)
{
  g_autoptr(GBytes) x = pixels_of (a, 0);
  g_autoptr(GBytes) y = pixels_of (b, 0);

  g_assert_true (g_bytes_equal (x, y));
}

static GPtrArray *
generate (Fixture *fixture,
          int      steps)
{
  g_autoptr(ZimParams) params = new_params (steps);
  GError *error = NULL;
  GPtrArray *images = zim_pipeline_generate (fixture->pipeline, params, NULL, &error);

  g_assert_no_error (error);
  return images;
}

static void
wait_for (ZimJob *job)
{
  while (zim_job_get_state (job) == ZIM_JOB_STATE_QUEUED || zim_job_get_state (job) == ZIM_JOB_STATE_RUNNING)
    g_main_context_iteration (NULL, TRUE);
}

/* Progress */

typedef struct {
  GThread  *thread;
  guint     n_signals;
  ZimStage  stage;
  int       step;
  double    fraction;
} Progress;

static void
progress_cb (ZimPipeline *pipeline,
             ZimJob      *job,
             ZimStage     stage,
             int          step,
             int          total,
             Progress    *progress)
{
  g_assert_true (g_thread_self () == progress->thread);
  g_assert_cmpint (stage, >=, progress->stage);
  g_assert_cmpint (step, <=, total);
  if (stage == progress->stage)
    g_assert_cmpint (step, >=, progress->step);
  g_assert_cmpfloat (zim_job_get_fraction (job), >=, progress->fraction);
  progress->stage = stage;
  progress->step = step;
  progress->fraction = zim_job_get_fraction (job);
  progress->n_signals++;
}

static void
test_generate (Fixture       *fixture,
               gconstpointer  data)
{
  Progress progress = { g_thread_self () };
  g_autoptr(GPtrArray) images = NULL;
  g_autoptr(GPtrArray) again = NULL;
  ZimImage *image;

  g_signal_connect (fixture->pipeline, "progress", G_CALLBACK (progress_cb), &progress);
  images = generate (fixture, 8);
  g_assert_cmpint (progress.stage, ==, ZIM_STAGE_DECODE);
  /* Load, encode, each step and its end, decode and its end */
  g_assert_cmpuint (progress.n_signals, ==, 2 + 9 + 2);
  g_assert_cmpfloat_with_epsilon (progress.fraction, 1, 1e-9);
  g_signal_handlers_disconnect_by_func (fixture->pipeline, progress_cb, &progress);

  g_assert_cmpuint (images->len, ==, 1);
  image = g_ptr_array_index (images, 0);
  g_assert_cmpint (gdk_pixbuf_get_width (zim_image_get_pixbuf (image)), ==, 64);
  g_assert_cmpint (zim_image_get_seed (image), ==, 7);
  g_assert_cmpint (zim_params_get_steps (zim_image_get_params (image)), ==, 8);
  g_assert_cmpfloat (zim_params_get_guidance (zim_image_get_params (image)), ==, 0);
  again = generate (fixture, 8);
  assert_same_pixels (images, again);
}

/* Image b of several is the image of seed + b. */
static void
test_several_images (Fixture       *fixture,
                     gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (2);
  g_autoptr(GPtrArray) both = NULL;
  g_autoptr(GPtrArray) second = NULL;
  g_autoptr(GBytes) x = NULL;
  g_autoptr(GBytes) y = NULL;
  GError *error = NULL;

  zim_params_set_n_images (params, 2);
  both = zim_pipeline_generate (fixture->pipeline, params, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (both->len, ==, 2);
  g_assert_cmpint (zim_image_get_seed (g_ptr_array_index (both, 1)), ==, 8);
  zim_params_set_n_images (params, 1);
  zim_params_set_seed (params, 8);
  second = zim_pipeline_generate (fixture->pipeline, params, NULL, &error);
  g_assert_no_error (error);
  x = pixels_of (both, 1);
  y = pixels_of (second, 0);
  g_assert_true (g_bytes_equal (x, y));
}

static void
cancel_at_second_cb (GListModel *images,
                     guint       position,
                     guint       removed,
                     guint       added,
                     ZimJob     *job)
{
  if (g_list_model_get_n_items (images) == 2)
    zim_job_cancel (job);
}

/* Images come one by one, and those that are ready are kept when the rest is cancelled. */
static void
test_images_kept (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (1);
  g_autoptr(GPtrArray) expected = generate (fixture, 1);
  g_autoptr(ZimJob) job = NULL;
  g_autoptr(ZimImage) second = NULL;
  g_autoptr(GBytes) x = NULL;
  g_autoptr(GBytes) y = NULL;

  zim_params_set_n_images (params, 100);
  job = zim_pipeline_submit (fixture->pipeline, params);
  g_signal_connect (zim_job_get_images (job), "items-changed", G_CALLBACK (cancel_at_second_cb), job);
  wait_for (job);
  g_assert_cmpint (zim_job_get_state (job), ==, ZIM_JOB_STATE_CANCELLED);
  g_assert_error (zim_job_get_error (job), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (g_list_model_get_n_items (zim_job_get_images (job)), >=, 2);
  g_assert_cmpuint (g_list_model_get_n_items (zim_job_get_images (job)), <, 100);
  second = g_list_model_get_item (zim_job_get_images (job), 1);
  g_assert_cmpint (zim_image_get_seed (second), ==, 8);
  x = job_pixels (job, 0);
  y = pixels_of (expected, 0);
  g_assert_true (g_bytes_equal (x, y));
}

/* A drawn seed is told, and gives the same picture again. */
static void
test_random_seed (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (1);
  g_autoptr(ZimJob) job = NULL;
  g_autoptr(GPtrArray) again = NULL;
  g_autoptr(GBytes) x = NULL;
  g_autoptr(GBytes) y = NULL;
  GError *error = NULL;

  zim_params_set_seed (params, ZIM_SEED_RANDOM);
  job = zim_pipeline_submit (fixture->pipeline, params);
  g_assert_cmpint (zim_job_get_seed (job), >=, 0);
  wait_for (job);
  zim_params_set_seed (params, zim_job_get_seed (job));
  again = zim_pipeline_generate (fixture->pipeline, params, NULL, &error);
  g_assert_no_error (error);
  x = job_pixels (job, 0);
  y = pixels_of (again, 0);
  g_assert_true (g_bytes_equal (x, y));
}

/* Asynchronous */

static void
keep_result_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      user_data)
{
  GAsyncResult **kept = user_data;

  *kept = g_object_ref (result);
}

static void
test_async (Fixture       *fixture,
            gconstpointer  data)
{
  Progress progress = { g_thread_self () };
  g_autoptr(ZimParams) params = new_params (2);
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GPtrArray) images = NULL;
  GError *error = NULL;

  g_signal_connect (fixture->pipeline, "progress", G_CALLBACK (progress_cb), &progress);
  zim_pipeline_generate_async (fixture->pipeline, params, NULL, keep_result_cb, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  images = zim_pipeline_generate_finish (fixture->pipeline, result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (images->len, ==, 1);
  g_assert_cmpuint (progress.n_signals, >, 2);
  g_signal_handlers_disconnect_by_func (fixture->pipeline, progress_cb, &progress);
}

/* Queue */

#define N_JOBS 5

static void
count_done_cb (ZimJob *job,
               guint  *done)
{
  (*done)++;
}

static void
test_queue (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (2);
  ZimJob *jobs[N_JOBS];
  guint done[N_JOBS] = { 0 };

  for (guint i = 0; i < N_JOBS; i++)
    {
      jobs[i] = zim_pipeline_submit (fixture->pipeline, params);
      g_signal_connect (jobs[i], "done", G_CALLBACK (count_done_cb), &done[i]);
    }
  while (zim_job_get_position (jobs[N_JOBS - 1]) == 0 && done[N_JOBS - 1] == 0)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < N_JOBS; i++)
    {
      wait_for (jobs[i]);
      g_assert_cmpint (zim_job_get_state (jobs[i]), ==, ZIM_JOB_STATE_DONE);
      g_assert_cmpuint (done[i], ==, 1);
      for (guint j = i + 2; j < N_JOBS; j++)
        g_assert_cmpuint (done[j], ==, 0);
    }
  for (guint i = 0; i < N_JOBS; i++)
    test_assert_finalizes (jobs[i]);
}

/* Dropping one's references does not stop a job, and its end frees everything. */
static void
test_dropped_pipeline (Fixture       *fixture,
                       gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (2);
  GError *error = NULL;
  ZimPipeline *pipeline = zim_pipeline_new (fixture->model, NULL, &error);
  ZimJob *job = zim_pipeline_submit (pipeline, params);

  g_object_unref (pipeline);
  wait_for (job);
  g_assert_cmpint (zim_job_get_state (job), ==, ZIM_JOB_STATE_DONE);
  test_assert_finalizes (job);
}

static gpointer
generate_in_thread (gpointer data)
{
  return generate (data, 2);
}

/* Two threads on one pipeline, and a second pipeline of the same model beside them. */
static void
test_threads (Fixture       *fixture,
              gconstpointer  data)
{
  GError *error = NULL;
  Fixture other = *fixture;
  g_autoptr(GPtrArray) expected = generate (fixture, 2);
  GThread *threads[3];

  other.pipeline = zim_pipeline_new (fixture->model, NULL, &error);
  for (guint i = 0; i < 3; i++)
    threads[i] = g_thread_new ("generate", generate_in_thread, i < 2 ? fixture : &other);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr(GPtrArray) images = g_thread_join (threads[i]);

      assert_same_pixels (expected, images);
    }
  g_object_unref (other.pipeline);
}

/* Cancellation */

typedef struct {
  ZimStage stage;
  int      step;
} Moment;

static void
cancel_at_cb (ZimJob       *job,
              GParamSpec   *pspec,
              const Moment *moment)
{
  if (zim_job_get_stage (job) == moment->stage && zim_job_get_step (job) >= moment->step)
    zim_job_cancel (job);
}

static void
assert_cancelled (ZimJob *job)
{
  wait_for (job);
  g_assert_cmpint (zim_job_get_state (job), ==, ZIM_JOB_STATE_CANCELLED);
  g_assert_error (zim_job_get_error (job), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (g_list_model_get_n_items (zim_job_get_images (job)), ==, 0);
}

/* Cancelled when a stage is told; larger pictures keep the worker busy with it meanwhile. */
static void
test_cancel_stages (Fixture       *fixture,
                    gconstpointer  data)
{
  static const Moment moments[] = {
    { ZIM_STAGE_LOAD, 0 }, { ZIM_STAGE_ENCODE, 0 }, { ZIM_STAGE_DENOISE, 0 }, { ZIM_STAGE_DENOISE, 2 },
    { ZIM_STAGE_DECODE, 0 },
  };
  g_autoptr(GPtrArray) before = generate (fixture, 2);

  for (guint i = 0; i < G_N_ELEMENTS (moments); i++)
    {
      g_autoptr(ZimParams) params = new_params (4);
      g_autoptr(ZimJob) job = NULL;
      g_autoptr(GPtrArray) after = NULL;

      zim_params_set_size (params, 512, 512);
      job = zim_pipeline_submit (fixture->pipeline, params);
      g_signal_connect (job, "notify", G_CALLBACK (cancel_at_cb), (gpointer) &moments[i]);
      assert_cancelled (job);
      after = generate (fixture, 2);
      assert_same_pixels (before, after);
    }
}

static void
test_cancel_queued (Fixture       *fixture,
                    gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (8);
  g_autoptr(ZimJob) running = zim_pipeline_submit (fixture->pipeline, params);
  g_autoptr(ZimJob) queued = zim_pipeline_submit (fixture->pipeline, params);
  g_autoptr(ZimJob) last = zim_pipeline_submit (fixture->pipeline, params);

  zim_job_cancel (queued);
  zim_job_cancel (queued);
  assert_cancelled (queued);
  wait_for (last);
  g_assert_cmpint (zim_job_get_state (running), ==, ZIM_JOB_STATE_DONE);
  g_assert_cmpint (zim_job_get_state (last), ==, ZIM_JOB_STATE_DONE);
  /* Too late: nothing happens. */
  zim_job_cancel (last);
  g_assert_cmpint (zim_job_get_state (last), ==, ZIM_JOB_STATE_DONE);
}

static gpointer
cancel_after (gpointer data)
{
  GCancellable *cancellable = data;

  g_usleep (g_random_int_range (0, 20000));
  g_cancellable_cancel (cancellable);
  return NULL;
}

/* From another thread, at any moment: before the first stage, inside operations, after the end. */
static void
test_cancel_anywhere (Fixture       *fixture,
                      gconstpointer  data)
{
  g_autoptr(GPtrArray) before = generate (fixture, 2);
  g_autoptr(GPtrArray) after = NULL;
  guint n_cancelled = 0;

  for (guint i = 0; i < 40; i++)
    {
      g_autoptr(GCancellable) cancellable = g_cancellable_new ();
      g_autoptr(ZimParams) params = new_params (2);
      g_autoptr(GError) error = NULL;
      g_autoptr(GPtrArray) images = NULL;
      GThread *thread = g_thread_new ("cancel", cancel_after, cancellable);

      images = zim_pipeline_generate (fixture->pipeline, params, cancellable, &error);
      g_thread_join (thread);
      if (images == NULL)
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      n_cancelled += images == NULL;
    }
  g_test_message ("%u of 40 were cancelled", n_cancelled);
  g_assert_cmpuint (n_cancelled, >, 0);
  after = generate (fixture, 2);
  assert_same_pixels (before, after);
}

/* Previews */

static void
count_preview_cb (ZimJob     *job,
                  GParamSpec *pspec,
                  guint      *n)
{
  g_assert_cmpint (gdk_pixbuf_get_width (zim_job_get_preview (job)), ==, 16);
  (*n)++;
}

static double
mean_difference (GdkPixbuf *a,
                 GdkPixbuf *b)
{
  int width = gdk_pixbuf_get_width (a), height = gdk_pixbuf_get_height (a);
  double sum = 0;

  for (int y = 0; y < height; y++)
    for (int i = 0; i < 3 * width; i++)
      sum += abs (gdk_pixbuf_read_pixels (a)[y * gdk_pixbuf_get_rowstride (a) + i] -
                  gdk_pixbuf_read_pixels (b)[y * gdk_pixbuf_get_rowstride (b) + i]);
  return sum / (3 * width * height);
}

static GdkPixbuf *
scaled_image (ZimJob *job)
{
  g_autoptr(ZimImage) image = g_list_model_get_item (zim_job_get_images (job), 0);

  return gdk_pixbuf_scale_simple (zim_image_get_pixbuf (image), 16, 16, GDK_INTERP_BILINEAR);
}

/* The last preview is of the clean picture: nearer to the result than to the picture of another seed. */
static void
test_preview (Fixture       *fixture,
              gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (8);
  g_autoptr(ZimJob) job = zim_pipeline_submit (fixture->pipeline, params);
  g_autoptr(ZimJob) other = NULL;
  g_autoptr(GdkPixbuf) result = NULL;
  g_autoptr(GdkPixbuf) different = NULL;
  guint n = 0;

  zim_job_request_preview (job, 2, 100);
  g_signal_connect (job, "notify::preview", G_CALLBACK (count_preview_cb), &n);
  wait_for (job);
  g_assert_cmpint (zim_job_get_state (job), ==, ZIM_JOB_STATE_DONE);
  g_assert_cmpuint (n, ==, 4);

  zim_params_set_seed (params, 8);
  other = zim_pipeline_submit (fixture->pipeline, params);
  wait_for (other);
  result = scaled_image (job);
  different = scaled_image (other);
  g_test_message ("preview and result differ by %.1f, preview and another by %.1f",
                  mean_difference (zim_job_get_preview (job), result),
                  mean_difference (zim_job_get_preview (job), different));
  g_assert_cmpfloat (mean_difference (zim_job_get_preview (job), result), <,
                     mean_difference (zim_job_get_preview (job), different));
}

/* Errors and warnings */

static void
test_invalid_params (Fixture       *fixture,
                     gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (2);
  g_autoptr(GPtrArray) images = NULL;
  g_autoptr(GError) error = NULL;

  zim_params_set_width (params, 65);
  images = zim_pipeline_generate (fixture->pipeline, params, NULL, &error);
  g_assert_null (images);
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS);
  g_assert_nonnull (strstr (error->message, "65"));
  g_assert_cmpuint (zim_pipeline_plan_memory (fixture->pipeline, params, NULL), ==, 0);
}

static void
test_long_prompt (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (1);
  g_autoptr(ZimJob) job = NULL;

  zim_params_set_max_tokens (params, 9);
  job = zim_pipeline_submit (fixture->pipeline, params);
  wait_for (job);
  g_assert_cmpint (zim_job_get_state (job), ==, ZIM_JOB_STATE_DONE);
  g_assert_nonnull (zim_job_get_warning (job));
  g_assert_nonnull (strstr (zim_job_get_warning (job), "9"));
}

/* A checkpoint one of whose weights is not a number. */
typedef struct {
  const char *damaged;
  gpointer    shift;
} Damage;

static void
fill_damaged (const char   *name,
              guint         n_dims,
              const gint64 *dims,
              ZimDType      dtype,
              void         *data,
              gpointer      user_data)
{
  const Damage *damage = user_data;

  test_fill_weights (name, n_dims, dims, dtype, data, damage->shift);
  if (g_strcmp0 (name, damage->damaged) == 0)
    ((guint16 *) data)[5] = 0x7fc0;
}

static void
check_damaged (Fixture      *fixture,
               const char   *name,
               ZimDevice    *device,
               ZimPrecision  precision)
{
  Damage damage = { name, fixture->test->weight_shift };
  GBytes *tokenizer = zim_checkpoint_get_tokenizer (fixture->checkpoint);
  ZimCheckpoint *checkpoint =
    zim_checkpoint_new_generated (&fixture->test->config, tokenizer, ZIM_DTYPE_BF16, fill_damaged, &damage);
  g_autoptr(ZimModel) model = _zim_model_new_for_checkpoint (checkpoint, "damaged", NULL);
  g_autoptr(ZimPipeline) pipeline = zim_pipeline_new (model, device, NULL);
  g_autoptr(ZimParams) params = new_params (1);
  g_autoptr(GError) error = NULL;

  zim_pipeline_set_precision (pipeline, precision);
  g_assert_null (zim_pipeline_generate (pipeline, params, NULL, &error));
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_NON_FINITE);
  zim_checkpoint_unref (checkpoint);
}

static void
test_damaged_weights (Fixture       *fixture,
                      gconstpointer  data)
{
  static const char *const names[] = {
    "text_encoder/layers.1.mlp.down_proj.weight",
    "text_encoder/layers.0.input_layernorm.weight",
    "transformer/layers.1.feed_forward.w2.weight",
    "transformer/layers.0.attention.to_k.weight",
    "transformer/all_final_layer.2-1.linear.bias",
    "vae/decoder.conv_in.weight",
    "vae/decoder.mid_block.resnets.0.norm1.weight",
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    for (ZimPrecision precision = ZIM_PRECISION_F32; precision <= ZIM_PRECISION_F16; precision++)
      check_damaged (fixture, names[i], NULL, precision);
}

/* One weight of each network is enough: the operations have cases of their own. */
static void
test_damaged_weights_on_vulkan (Fixture       *fixture,
                                gconstpointer  data)
{
  g_autofree char *name = g_strdup_printf ("vulkan:%d", test_vulkan_find ());
  g_autoptr(ZimDevice) device = NULL;

  if (test_vulkan_find () < 0)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return;
    }
  device = zim_device_find (name, NULL);
  check_damaged (fixture, "text_encoder/layers.1.mlp.down_proj.weight", device, ZIM_PRECISION_F32);
  check_damaged (fixture, "transformer/layers.1.feed_forward.w2.weight", device, ZIM_PRECISION_F16);
  check_damaged (fixture, "vae/decoder.conv_in.weight", device, ZIM_PRECISION_F32);
}

/* Memory */

static guint64
anonymous_memory (void)
{
  g_autofree char *text = NULL;
  const char *found;

  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL) || (found = strstr (text, "\nRssAnon:")) == NULL)
    return 0;
  return g_ascii_strtoull (found + strlen ("\nRssAnon:"), NULL, 10) * 1024;
}

/* What a run takes is what was planned: the arena stays as it was at its largest. */
static void
test_planned_memory (Fixture       *fixture,
                     gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (1);
  g_autoptr(GPtrArray) small = generate (fixture, 1);
  g_autoptr(GPtrArray) images = NULL;
  guint64 planned, before, after;
  GError *error = NULL;

  zim_params_set_size (params, 768, 768);
  planned = zim_pipeline_plan_memory (fixture->pipeline, params, &error);
  g_assert_no_error (error);
  before = anonymous_memory ();
  images = zim_pipeline_generate (fixture->pipeline, params, NULL, &error);
  g_assert_no_error (error);
  after = anonymous_memory ();
  g_test_message ("planned %.1f MB, took %.1f MB", planned / 1e6, (after - before) / 1e6);
  g_assert_cmpuint (planned, >, 20 * 1000 * 1000);
  /* The allocator and OpenBLAS keep some memory of their own. */
  g_assert_cmpuint (after - before, <=, planned + 48 * 1000 * 1000);
}

/* The same plan, also while a job runs; cancelling does not wait for that. */
static void
test_planned_memory_async (Fixture       *fixture,
                           gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params (1);
  g_autoptr(ZimParams) wrong = new_params (1);
  g_autoptr(ZimJob) job = NULL;
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GAsyncResult) failed = NULL;
  g_autoptr(GAsyncResult) cancelled = NULL;
  g_autoptr(GError) error = NULL;
  guint64 expected = zim_pipeline_plan_memory (fixture->pipeline, params, NULL);

  zim_params_set_width (wrong, 65);
  zim_params_set_steps (params, 1000);
  job = zim_pipeline_submit (fixture->pipeline, params);
  while (zim_job_get_state (job) != ZIM_JOB_STATE_RUNNING)
    g_main_context_iteration (NULL, TRUE);
  zim_pipeline_plan_memory_async (fixture->pipeline, params, cancellable, keep_result_cb, &cancelled);
  g_cancellable_cancel (cancellable);
  while (cancelled == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (zim_pipeline_plan_memory_finish (fixture->pipeline, cancelled, &error), ==, 0);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_cmpint (zim_job_get_state (job), ==, ZIM_JOB_STATE_RUNNING);

  zim_params_set_steps (params, 1);
  zim_pipeline_plan_memory_async (fixture->pipeline, params, NULL, keep_result_cb, &result);
  zim_pipeline_plan_memory_async (fixture->pipeline, wrong, NULL, keep_result_cb, &failed);
  zim_job_cancel (job);
  while (result == NULL || failed == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (zim_pipeline_plan_memory_finish (fixture->pipeline, result, &error), ==, expected);
  g_assert_no_error (error);
  g_assert_cmpuint (zim_pipeline_plan_memory_finish (fixture->pipeline, failed, &error), ==, 0);
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS);
  wait_for (job);
}

#define ADD(name, func) g_test_add ("/pipeline/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  ADD ("generate", test_generate);
  ADD ("several-images", test_several_images);
  ADD ("images-kept", test_images_kept);
  ADD ("random-seed", test_random_seed);
  ADD ("async", test_async);
  ADD ("queue", test_queue);
  ADD ("dropped-pipeline", test_dropped_pipeline);
  ADD ("threads", test_threads);
  ADD ("cancel/stages", test_cancel_stages);
  ADD ("cancel/queued", test_cancel_queued);
  ADD ("cancel/anywhere", test_cancel_anywhere);
  ADD ("preview", test_preview);
  ADD ("invalid-params", test_invalid_params);
  ADD ("long-prompt", test_long_prompt);
  ADD ("damaged-weights", test_damaged_weights);
  ADD ("damaged-weights-on-vulkan", test_damaged_weights_on_vulkan);
  ADD ("planned-memory", test_planned_memory);
  ADD ("planned-memory/async", test_planned_memory_async);
  return g_test_run ();
}
