/* test-memory.c: what a pipeline does with little memory: modes, budgets, errors
 *
 * On the Vulkan device that tests run on, and what of it concerns the CPU there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "test-object.h"
#include "test-reference.h"
#include "test-vulkan.h"
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
  ZimPipeline   *pipeline; /* NULL on a machine without Vulkan's loader */
} Fixture;

/* On the CPU, or else on the Vulkan device. */
static const char on_cpu[] = "cpu";

static void
set_up (Fixture       *fixture,
        gconstpointer  where)
{
  g_autofree char *name = g_strdup_printf ("vulkan:%d", test_vulkan_find ());
  g_autoptr(ZimDevice) device = NULL;
  GError *error = NULL;

  fixture->test = test_case_load ("pipeline-turbo");
  fixture->checkpoint = test_case_checkpoint (fixture->test, ZIM_DTYPE_BF16);
  fixture->model = _zim_model_new_for_checkpoint (fixture->checkpoint, "test", &error);
  g_assert_no_error (error);
  if (where == NULL && test_vulkan_find () < 0)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return;
    }
  device = zim_device_find (where != NULL ? where : name, &error);
  g_assert_no_error (error);
  fixture->pipeline = zim_pipeline_new (fixture->model, device, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  if (fixture->pipeline != NULL)
    test_assert_finalizes (fixture->pipeline);
  test_assert_finalizes (fixture->model);
  zim_checkpoint_unref (fixture->checkpoint);
  test_case_free (fixture->test);
}

/* With guidance and two pictures each network is needed more than once. */
static ZimParams *
new_params (void)
{
  ZimParams *params = zim_params_new ("a sunset over mountains");

  zim_params_set_size (params, 32, 32);
  zim_params_set_steps (params, 1);
  zim_params_set_seed (params, 7);
  zim_params_set_negative_prompt (params, "rain");
  zim_params_set_guidance (params, 2);
  zim_params_set_n_images (params, 2);
  return params;
}

static void
wait_for (ZimJob *job)
{
  while (zim_job_get_state (job) == ZIM_JOB_STATE_QUEUED || zim_job_get_state (job) == ZIM_JOB_STATE_RUNNING)
    g_main_context_iteration (NULL, TRUE);
}

/* A job that has ended, on a budget */
static ZimJob *
run (Fixture   *fixture,
     ZimParams *params,
     guint64    budget)
{
  ZimJob *job;

  zim_pipeline_set_memory_budget (fixture->pipeline, budget);
  job = zim_pipeline_submit (fixture->pipeline, params);
  wait_for (job);
  return job;
}

static guint64
planned (ZimJob     *job,
         const char *key)
{
  guint64 bytes = 0;

  g_assert_nonnull (zim_job_get_memory_plan (job));
  g_assert_true (g_variant_lookup (zim_job_get_memory_plan (job), key, "t", &bytes));
  return bytes;
}

static const char *
mode_of (ZimJob *job)
{
  const char *mode = NULL;

  g_assert_nonnull (zim_job_get_memory_plan (job));
  g_assert_true (g_variant_lookup (zim_job_get_memory_plan (job), "mode", "&s", &mode));
  return mode;
}

static void
assert_pictures (ZimJob *job,
                 ZimJob *expected,
                 guint   n)
{
  g_assert_no_error (zim_job_get_error (job));
  g_assert_cmpuint (g_list_model_get_n_items (zim_job_get_images (job)), ==, n);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr(ZimImage) image = g_list_model_get_item (zim_job_get_images (job), i);
      g_autoptr(ZimImage) other = g_list_model_get_item (zim_job_get_images (expected), i);
      g_autoptr(GBytes) x = gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (image));
      g_autoptr(GBytes) y = gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (other));

      g_assert_true (g_bytes_equal (x, y));
    }
}

/* All weights are uploaded anew. */
static void
renew_pipeline (Fixture *fixture)
{
  g_autoptr(ZimDevice) device = g_object_ref (zim_pipeline_get_device (fixture->pipeline));

  test_assert_finalizes (fixture->pipeline);
  fixture->pipeline = zim_pipeline_new (fixture->model, device, NULL);
}

/* A run on a budget, which it keeps to; the bytes that it takes at most, as planned */
static guint64
check_budget (Fixture    *fixture,
              ZimParams  *params,
              guint64     budget,
              const char *mode,
              ZimJob     *first)
{
  g_autoptr(ZimJob) job = run (fixture, params, budget);
  guint64 peak = zim_pipeline_get_peak_memory (fixture->pipeline), n_planned, n_streamed;

  assert_pictures (job, first, 2);
  n_planned = planned (job, "planned_bytes");
  n_streamed = planned (job, "streamed_bytes");
  g_test_message ("budget %" G_GUINT64_FORMAT ": %s, planned %" G_GUINT64_FORMAT ", streamed %" G_GUINT64_FORMAT
                  ", peak %" G_GUINT64_FORMAT, budget, mode_of (job), n_planned, n_streamed, peak);
  g_assert_cmpstr (mode_of (job), ==, mode);
  g_assert_cmpuint (planned (job, "budget_bytes"), ==, budget);
  g_assert_cmpuint (n_planned, <=, budget);
  /* What fits stays until its place is needed. */
  g_assert_cmpuint (peak, <=, g_str_equal (mode, "in-turn") ? budget : n_planned);
  g_assert_cmpuint (peak, >, n_planned / 2);
  g_assert_cmpint (n_streamed > 0, ==, g_str_equal (mode, "streamed"));
  return n_planned;
}

/* The same bytes in each mode, which begins a byte below what the one before takes; weights are streamed on budgets
 * from a byte too little for all of a network down to the least. */
static void
test_modes (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params ();
  g_autoptr(ZimJob) first = NULL;
  guint64 least, all;

  if (fixture->pipeline == NULL)
    return;
  first = run (fixture, params, 0);
  g_assert_no_error (zim_job_get_error (first));
  g_assert_cmpstr (mode_of (first), ==, "resident");
  all = planned (first, "planned_bytes");
  least = planned (first, "minimum_bytes");
  g_assert_cmpuint (least, <, all / 2);
  all = check_budget (fixture, params, all, "resident", first);
  all = check_budget (fixture, params, all - 1, "text-released", first);
  renew_pipeline (fixture);
  all = check_budget (fixture, params, all - 1, "in-turn", first);
  check_budget (fixture, params, all - 1, "streamed", first);
  renew_pipeline (fixture);
  check_budget (fixture, params, least + (all - least) / 2, "streamed", first);
  check_budget (fixture, params, least, "streamed", first);
  check_budget (fixture, params, all, "in-turn", first);
}

/* A byte less than the least is an error at the start, which says both; the pipeline works on. */
static void
test_too_little (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params ();
  g_autoptr(ZimJob) first = NULL;
  g_autoptr(ZimJob) failed = NULL;
  g_autoptr(ZimJob) after = NULL;
  g_autofree char *needed = NULL;
  g_autofree char *budget = NULL;
  g_autoptr(GError) error = NULL;
  guint64 least, before;

  if (fixture->pipeline == NULL)
    return;
  first = run (fixture, params, 0);
  least = planned (first, "minimum_bytes");
  before = zim_pipeline_get_peak_memory (fixture->pipeline);
  failed = run (fixture, params, least - 1);
  g_assert_error (zim_job_get_error (failed), ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY);
  g_test_message ("%s", zim_job_get_error (failed)->message);
  needed = g_format_size_full (least, G_FORMAT_SIZE_IEC_UNITS | G_FORMAT_SIZE_LONG_FORMAT);
  budget = g_format_size_full (least - 1, G_FORMAT_SIZE_IEC_UNITS | G_FORMAT_SIZE_LONG_FORMAT);
  g_assert_nonnull (strstr (zim_job_get_error (failed)->message, needed));
  g_assert_nonnull (strstr (zim_job_get_error (failed)->message, budget));
  g_assert_null (zim_job_get_memory_plan (failed));
  g_assert_cmpint (zim_job_get_stage (failed), <=, ZIM_STAGE_ENCODE);
  g_assert_cmpuint (zim_pipeline_get_peak_memory (fixture->pipeline), <=, before);
  g_assert_cmpuint (zim_pipeline_plan_memory (fixture->pipeline, params, &error), ==, 0);
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY);
  after = run (fixture, params, least);
  assert_pictures (after, first, 2);
  g_assert_cmpuint (zim_pipeline_plan_memory (fixture->pipeline, params, NULL), <=, least);
}

static void
cancel_cb (ZimJob     *job,
           GParamSpec *pspec,
           int        *step)
{
  if (zim_job_get_stage (job) == ZIM_STAGE_DENOISE && zim_job_get_step (job) >= *step)
    zim_job_cancel (job);
}

static gpointer
cancel_after (gpointer data)
{
  g_usleep ((gulong) g_random_int_range (0, 200000));
  zim_job_cancel (data);
  return NULL;
}

/* Cancelled while weights are streamed, at a step and at any moment: the next picture is the same. */
static void
test_cancel (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params ();
  g_autoptr(ZimJob) first = NULL;
  g_autoptr(ZimJob) after = NULL;
  guint64 least;

  if (fixture->pipeline == NULL)
    return;
  first = run (fixture, params, 0);
  least = planned (first, "minimum_bytes");
  after = run (fixture, params, least);
  assert_pictures (after, first, 2);
  g_clear_object (&after);
  for (int i = 0; i < 8; i++)
    {
      g_autoptr(ZimJob) job = zim_pipeline_submit (fixture->pipeline, params);
      GThread *thread = i < 2 ? NULL : g_thread_new ("cancel", cancel_after, job);

      if (thread == NULL)
        g_signal_connect (job, "notify", G_CALLBACK (cancel_cb), &i);
      wait_for (job);
      if (thread != NULL)
        g_thread_join (thread);
      if (zim_job_get_state (job) != ZIM_JOB_STATE_DONE)
        g_assert_error (zim_job_get_error (job), G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpuint (zim_pipeline_get_peak_memory (fixture->pipeline), <=, least);
    }
  after = run (fixture, params, least);
  assert_pictures (after, first, 2);
}

static void
count_cb (ZimJob     *job,
          GParamSpec *pspec,
          guint      *n)
{
  (*n)++;
}

/* Fitting the previews takes the decoder in the middle of the steps. */
static void
test_preview (Fixture       *fixture,
              gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params ();
  g_autoptr(ZimJob) first = NULL;
  g_autoptr(ZimJob) job = NULL;
  guint64 least;
  guint n = 0;

  if (fixture->pipeline == NULL)
    return;
  first = run (fixture, params, 0);
  least = planned (first, "minimum_bytes");
  zim_pipeline_set_memory_budget (fixture->pipeline, least);
  job = zim_pipeline_submit (fixture->pipeline, params);
  zim_job_request_preview (job, 1, 100);
  g_signal_connect (job, "notify::preview", G_CALLBACK (count_cb), &n);
  wait_for (job);
  assert_pictures (job, first, 2);
  g_assert_cmpuint (n, >, 0);
  g_assert_cmpuint (zim_pipeline_get_peak_memory (fixture->pipeline), <=, least);
}

/* A larger picture in between has another plan, and another place for every weight. */
static void
test_sizes (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params ();
  g_autoptr(ZimParams) large = new_params ();
  g_autoptr(ZimJob) first = NULL;
  guint64 budget;

  if (fixture->pipeline == NULL)
    return;
  zim_params_set_size (large, 64, 96);
  zim_params_set_n_images (large, 1);
  first = run (fixture, params, 0);
  zim_pipeline_set_memory_budget (fixture->pipeline, 1);
  budget = planned (first, "minimum_bytes") + planned (first, "minimum_bytes") / 2;
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr(ZimJob) middle = run (fixture, large, budget);
      g_autoptr(ZimJob) job = NULL;

      g_assert_no_error (zim_job_get_error (middle));
      g_assert_cmpuint (zim_pipeline_get_peak_memory (fixture->pipeline), <=, budget);
      job = run (fixture, params, budget);
      assert_pictures (job, first, 2);
      g_assert_cmpuint (zim_pipeline_get_peak_memory (fixture->pipeline), <=, budget);
    }
}

static void
assert_decoder (ZimJob     *job,
                const char *expected)
{
  const char *decoder = NULL;

  g_assert_no_error (zim_job_get_error (job));
  g_assert_true (g_variant_lookup (zim_job_get_memory_plan (job), "decoder", "&s", &decoder));
  g_assert_cmpstr (decoder, ==, expected);
}

/* Where decoding takes the most, a byte less than all has the picture tiled, and tiled finer, before any weights go.
 * The picture is the same. */
static void
test_tiling (Fixture       *fixture,
             gconstpointer  data)
{
  static const char *const decoders[] = { "whole", "bands", "bands-twice" };
  g_autoptr(ZimParams) params = zim_params_new ("a sunset over mountains");
  g_autoptr(ZimJob) first = NULL;
  guint64 budget = 0;

  zim_params_set_size (params, 272, 240); /* larger than what previews are fitted with */
  zim_params_set_steps (params, 1);
  zim_params_set_seed (params, 7);
  for (guint i = 0; i < G_N_ELEMENTS (decoders); i++)
    {
      g_autoptr(ZimJob) job = NULL;

      renew_pipeline (fixture);
      job = run (fixture, params, budget);
      assert_decoder (job, decoders[i]);
      g_assert_cmpstr (mode_of (job), ==, first != NULL ? mode_of (first) : mode_of (job));
      g_test_message ("%s: planned %" G_GUINT64_FORMAT ", peak %" G_GUINT64_FORMAT, decoders[i],
                      planned (job, "planned_bytes"), zim_pipeline_get_peak_memory (fixture->pipeline));
      g_assert_true (budget == 0 || planned (job, "planned_bytes") <= budget);
      g_assert_cmpuint (zim_pipeline_get_peak_memory (fixture->pipeline), <=, planned (job, "planned_bytes"));
      if (first == NULL)
        first = g_object_ref (job);
      assert_pictures (job, first, 1);
      budget = planned (job, "planned_bytes") - 1;
    }
}

/* Where weights are mapped the budget is for the rest. */
static void
test_mapped (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr(ZimParams) params = new_params ();
  g_autoptr(ZimJob) first = run (fixture, params, 0);
  g_autoptr(ZimJob) failed = NULL;
  g_autoptr(ZimJob) after = NULL;
  guint64 least;

  g_assert_no_error (zim_job_get_error (first));
  g_assert_cmpstr (mode_of (first), ==, "mapped");
  g_assert_cmpuint (planned (first, "weights_bytes"), ==, 0);
  g_assert_cmpuint (zim_pipeline_get_peak_memory (fixture->pipeline), ==, 0);
  least = zim_pipeline_plan_memory (fixture->pipeline, params, NULL);
  g_assert_cmpuint (least, ==, planned (first, "minimum_bytes"));
  failed = run (fixture, params, least - 1);
  g_assert_error (zim_job_get_error (failed), ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY);
  after = run (fixture, params, least);
  assert_pictures (after, first, 2);
}

static void
test_property (Fixture       *fixture,
               gconstpointer  data)
{
  guint64 value = 0;
  guint n = 0;

  g_signal_connect (fixture->pipeline, "notify::memory-budget", G_CALLBACK (count_cb), &n);
  g_object_set (fixture->pipeline, "memory-budget", (guint64) 5, NULL);
  zim_pipeline_set_memory_budget (fixture->pipeline, 5);
  g_object_get (fixture->pipeline, "memory-budget", &value, NULL);
  g_assert_cmpuint (value, ==, 5);
  g_assert_cmpuint (n, ==, 1);
  g_object_get (fixture->pipeline, "peak-memory", &value, NULL);
  g_assert_cmpuint (value, ==, 0);
}

#define ADD(name, where, func) g_test_add ("/memory/" name, Fixture, where, set_up, func, tear_down)

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  ADD ("modes", NULL, test_modes);
  ADD ("too-little", NULL, test_too_little);
  ADD ("cancel", NULL, test_cancel);
  ADD ("preview", NULL, test_preview);
  ADD ("sizes", NULL, test_sizes);
  ADD ("tiling", on_cpu, test_tiling);
  ADD ("mapped", on_cpu, test_mapped);
  ADD ("property", on_cpu, test_property);
  return g_test_run ();
}
