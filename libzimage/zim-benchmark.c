/* zim-benchmark.c: measures a model on a device
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <time.h>

#include "compute/cpu/zim-cpu-team-private.h"
#include "diffusion/zim-denoiser-private.h"
#include "diffusion/zim-preview-private.h"
#include "zim-benchmark.h"
#include "zim-device-private.h"
#include "zim-enum-types.h"
#include "zim-error.h"
#include "zim-memory-plan-private.h"
#include "zim-params.h"
#include "zim-synthetic-private.h"

/**
 * ZimBenchmark:
 *
 * Times the stages of a model, alone and as a share of what the device can do.
 *
 * The share is that of the peak measured in the same run: the best of five half-second loops of the widest dot
 * instruction of the precision, from registers alone, on all threads.
 *
 * A benchmark is used by one thread at a time.
 */
struct _ZimBenchmark {
  GObject       parent_instance;

  ZimModel     *model;
  ZimDevice    *device;
  int           width;
  int           height;
  ZimPrecision  precision;
  guint64       memory_budget; /* bytes; 0: what the device has */
  gboolean      tune;
};

G_DEFINE_FINAL_TYPE (ZimBenchmark, zim_benchmark, G_TYPE_OBJECT)

#define PROMPT_TOKENS 62 /* a prompt of usual length */
#define RUNS 3           /* the median counts */
#define LONG 60          /* seconds after which no further run of a stage begins */
#define CANCEL_AFTER 20  /* ms into a step */
#define PREVIEWS 10

static void
zim_benchmark_finalize (GObject *object)
{
  ZimBenchmark *self = ZIM_BENCHMARK (object);

  g_clear_object (&self->model);
  g_clear_object (&self->device);
  G_OBJECT_CLASS (zim_benchmark_parent_class)->finalize (object);
}

static void
zim_benchmark_class_init (ZimBenchmarkClass *class)
{
  G_OBJECT_CLASS (class)->finalize = zim_benchmark_finalize;
}

static void
zim_benchmark_init (ZimBenchmark *self)
{
  self->width = 512;
  self->height = 512;
}

/**
 * zim_benchmark_new:
 * @model: a model
 * @device: (nullable): a device, or %NULL for the best
 *
 * Creates a benchmark of a model.
 *
 * Returns: (transfer full): the benchmark
 */
ZimBenchmark *
zim_benchmark_new (ZimModel  *model,
                   ZimDevice *device)
{
  ZimBenchmark *self;

  g_return_val_if_fail (ZIM_IS_MODEL (model), NULL);
  g_return_val_if_fail (device == NULL || ZIM_IS_DEVICE (device), NULL);

  self = g_object_new (ZIM_TYPE_BENCHMARK, NULL);
  self->model = g_object_ref (model);
  g_set_object (&self->device, device);
  return self;
}

/**
 * zim_benchmark_new_synthetic:
 * @architecture: `z-image-turbo`, or `z-image` for short, or `z-image-base`
 * @device: (nullable): a device, or %NULL for the best
 * @error: return location for an error
 *
 * Creates a benchmark of the published model’s sizes with random weights.
 *
 * Fails with %ZIM_ERROR_NOT_FOUND if there is no such architecture.
 *
 * Returns: (transfer full): the benchmark
 */
ZimBenchmark *
zim_benchmark_new_synthetic (const char  *architecture,
                             ZimDevice   *device,
                             GError     **error)
{
  g_autoptr(ZimModel) model = NULL;

  g_return_val_if_fail (architecture != NULL, NULL);
  g_return_val_if_fail (device == NULL || ZIM_IS_DEVICE (device), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  model = _zim_model_new_synthetic (architecture, error);
  return model != NULL ? zim_benchmark_new (model, device) : NULL;
}

/**
 * zim_benchmark_set_size:
 * @self: a benchmark
 * @width: pixels, a multiple of 16
 * @height: pixels, a multiple of 16
 *
 * Sets the size of the picture; 512 × 512 without this.
 */
void
zim_benchmark_set_size (ZimBenchmark *self,
                        int           width,
                        int           height)
{
  g_return_if_fail (ZIM_IS_BENCHMARK (self));

  self->width = width;
  self->height = height;
}

/**
 * zim_benchmark_set_precision:
 * @self: a benchmark
 * @precision: the operands of the matrix products
 *
 * Sets the precision; the device’s fastest without this.
 */
void
zim_benchmark_set_precision (ZimBenchmark *self,
                             ZimPrecision  precision)
{
  g_return_if_fail (ZIM_IS_BENCHMARK (self));

  self->precision = precision;
}

/**
 * zim_benchmark_set_memory_budget:
 * @self: a benchmark
 * @bytes: how much, or 0 for what the device has
 *
 * Sets how much of the device’s memory it may take: [property@ZImage.Pipeline:memory-budget].
 */
void
zim_benchmark_set_memory_budget (ZimBenchmark *self,
                                 guint64       bytes)
{
  g_return_if_fail (ZIM_IS_BENCHMARK (self));

  self->memory_budget = bytes;
}

/**
 * zim_benchmark_set_tune:
 * @self: a benchmark
 * @tune: whether to tune the device first
 *
 * Sets whether the device is tuned before it is measured: a Vulkan device makes matrix products and attention in
 * tiles, and which are the best is found by trying, once for each device, version of its driver and precision. What was
 * found is kept in the user’s cache and used by every later pipeline on that device. It takes a minute or two.
 */
void
zim_benchmark_set_tune (ZimBenchmark *self,
                        gboolean      tune)
{
  g_return_if_fail (ZIM_IS_BENCHMARK (self));

  self->tune = tune;
}

/* One measured run */

typedef struct {
  ZimBenchmark  *benchmark;
  ZimBackend    *backend;
  ZimPrecision   precision;
  double         peak;          /* FLOP/s */
  guint          latent_width, latent_height;
  GCancellable  *cancellable;
  ZimModulation  modulation;
  ZimDenoiser   *denoiser;
  ZimMemoryPlan  plan;
  float         *latents;
  float         *velocity;
  double         cancel_seconds;
  GVariant      *tuning;        /* NULL where it was not asked for */
} Bench;

static void
bench_clear (Bench *bench)
{
  g_clear_pointer (&bench->denoiser, zim_denoiser_free);
  zim_memory_plan_clear (&bench->plan);
  g_clear_object (&bench->backend);
  zim_modulation_clear (&bench->modulation);
  g_clear_pointer (&bench->tuning, g_variant_unref);
  g_free (bench->latents);
  g_free (bench->velocity);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

/* A stage: what is done before and how many operations it has; and what is measured. */
typedef struct {
  const char *name;
  gboolean  (*prepare) (Bench   *bench,
                        double  *flops,
                        GError **error);
  gboolean  (*run)     (Bench   *bench,
                        GError **error);
} Stage;

static double
program_flops (Bench        *bench,
               ZimPlanStage  stage)
{
  ZimExecutable *executable = g_ptr_array_index (bench->plan.executables[stage], 0);

  return zim_program_get_flops (zim_executable_get_program (executable));
}

static gboolean
prepare_text (Bench   *bench,
              double  *flops,
              GError **error)
{
  *flops = program_flops (bench, ZIM_PLAN_ENCODE);
  return zim_memory_plan_enter (&bench->plan, bench->backend, ZIM_PLAN_ENCODE, error);
}

static gboolean
run_text (Bench   *bench,
          GError **error)
{
  ZimTextEncoder *encoder = _zim_model_get_text_encoder (bench->benchmark->model);
  g_autofree float *features = NULL;
  gint32 ids[PROMPT_TOKENS];

  for (guint i = 0; i < PROMPT_TOKENS; i++)
    ids[i] = (gint32) i;
  features = zim_text_encoder_run (encoder, bench->backend, bench->precision, ids, PROMPT_TOKENS, NULL, NULL,
                                   bench->cancellable, error);
  return features != NULL;
}

static gboolean
prepare_step (Bench   *bench,
              double  *flops,
              GError **error)
{
  ZimTransformer *transformer = _zim_model_get_transformer (bench->benchmark->model);
  const ZimTransformerConfig *config = zim_transformer_get_config (transformer);
  gsize n = (gsize) config->in_channels * bench->latent_width * bench->latent_height;
  g_autofree float *features = g_new0 (float, (gsize) PROMPT_TOKENS * config->cap_feat_dim);
  const float time = 0;

  for (gsize i = 0; i < (gsize) PROMPT_TOKENS * config->cap_feat_dim; i++)
    features[i] = (float) (i % 17) / 17;
  bench->latents = g_new0 (float, n);
  bench->velocity = g_new0 (float, n);
  *flops = zim_denoiser_get_step_flops (bench->denoiser);
  return zim_memory_plan_enter (&bench->plan, bench->backend, ZIM_PLAN_DENOISE, error) &&
         zim_modulation_init (&bench->modulation, transformer, bench->backend, bench->precision, &time, 1, NULL, NULL,
                              bench->cancellable, error) &&
         zim_denoiser_set_caption (bench->denoiser, features, NULL, NULL, bench->cancellable, error);
}

static gboolean
run_step (Bench   *bench,
          GError **error)
{
  return zim_denoiser_run (bench->denoiser, &bench->modulation, 0, bench->latents, bench->velocity, NULL, NULL,
                           bench->cancellable, error);
}

static gboolean
prepare_decode (Bench   *bench,
                double  *flops,
                GError **error)
{
  *flops = program_flops (bench, ZIM_PLAN_DECODE);
  return zim_memory_plan_enter (&bench->plan, bench->backend, ZIM_PLAN_DECODE, error);
}

static gboolean
run_decode (Bench   *bench,
            GError **error)
{
  ZimAutoencoder *autoencoder = _zim_model_get_autoencoder (bench->benchmark->model);
  g_autofree float *image = NULL;

  image = zim_autoencoder_decode (autoencoder, bench->backend, bench->precision, bench->latents, bench->latent_height,
                                  bench->latent_width, bench->plan.tiling, NULL, NULL, bench->cancellable, error);
  return image != NULL;
}

static int
compare_doubles (gconstpointer a,
                 gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static void
add (GVariantBuilder *dict,
     const char      *key,
     GVariant        *value)
{
  g_variant_builder_add (dict, "{sv}", key, value);
}

static double
median (double *values,
        guint   n)
{
  qsort (values, n, sizeof *values, compare_doubles);
  return values[n / 2];
}

static double
cpu_seconds (void)
{
  struct timespec time;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double) time.tv_sec + time.tv_nsec / 1e9;
}

/* Runs a stage until its time is known: {"seconds","cpu_seconds","gflops","peak_percent"}. Adds to first the time to
 * the end of the first run, which also reads the weights from disk, and to later that of a run after it. */
static GVariant *
measure (Bench        *bench,
         const Stage  *stage,
         double       *first,
         double       *later,
         GError      **error)
{
  g_auto(GVariantBuilder) dict = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  gint64 begin = g_get_monotonic_time ();
  double wall[RUNS], cpu[RUNS], flops = 0, seconds;
  guint n = 0;

  if (!stage->prepare (bench, &flops, error) || !stage->run (bench, error))
    return NULL;
  *first += (g_get_monotonic_time () - begin) / 1e6;
  begin = g_get_monotonic_time ();
  do
    {
      gint64 start = g_get_monotonic_time ();
      double cpu_start = cpu_seconds ();

      if (!stage->run (bench, error))
        return NULL;
      wall[n] = (g_get_monotonic_time () - start) / 1e6;
      cpu[n++] = cpu_seconds () - cpu_start;
    }
  while (n < RUNS && g_get_monotonic_time () - begin < LONG * G_USEC_PER_SEC);
  seconds = median (wall, n);
  *later += seconds;
  add (&dict, "seconds", g_variant_new_double (seconds));
  add (&dict, "cpu_seconds", g_variant_new_double (median (cpu, n)));
  add (&dict, "gflops", g_variant_new_double (flops / seconds / 1e9));
  add (&dict, "peak_percent", g_variant_new_double (100 * flops / seconds / bench->peak));
  return g_variant_ref_sink (g_variant_builder_end (&dict));
}

/* Cancellation in the middle of a step */

static gpointer
cancel_later (gpointer data)
{
  Bench *bench = data;

  g_usleep (CANCEL_AFTER * 1000);
  bench->cancel_seconds = (double) g_get_monotonic_time ();
  g_cancellable_cancel (bench->cancellable);
  return NULL;
}

static void
measure_cancel (Bench *bench)
{
  GCancellable *outer = bench->cancellable;
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  g_autoptr(GError) error = NULL;
  GThread *thread;
  gboolean finished;

  bench->cancellable = cancellable;
  thread = g_thread_new ("zimage-cancel", cancel_later, bench);
  finished = run_step (bench, &error);
  g_thread_join (thread);
  /* A model so small that its step was over before: nothing was waited for. */
  bench->cancel_seconds = finished ? 0 : (g_get_monotonic_time () - bench->cancel_seconds) / 1e6;
  bench->cancellable = outer;
}

/* Seconds that one preview takes, beside the step that it follows. */
static double
measure_preview (Bench *bench)
{
  guint channels = zim_autoencoder_get_channels (_zim_model_get_autoencoder (bench->benchmark->model));
  guint width = 2 * bench->latent_width, height = 2 * bench->latent_height;
  g_autofree guint8 *rgb = g_malloc ((gsize) 3 * width * height);
  ZimPreview preview = { .n_channels = channels };
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < PREVIEWS; i++)
    zim_preview_render (&preview, bench->latents, bench->latent_height, bench->latent_width, height, width, rgb,
                        3 * width);
  return (g_get_monotonic_time () - start) / 1e6 / PREVIEWS;
}

/* A field of /proc/self/status in bytes: “VmHWM”, “RssAnon”. */
static guint64
read_status (const char *field)
{
  g_autofree char *text = NULL;
  g_autofree char *key = g_strconcat ("\n", field, ":", NULL);
  const char *found;

  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL) || (found = strstr (text, key)) == NULL)
    return 0;
  return g_ascii_strtoull (found + strlen (key), NULL, 10) * 1024;
}

static gboolean
make_plan (ZimBenchmark  *self,
           Bench         *bench,
           GError       **error)
{
  ZimPlanRequest request = {
    .model = self->model,
    .backend = bench->backend,
    .precision = bench->precision,
    .latent_height = bench->latent_height,
    .latent_width = bench->latent_width,
    .n_ids = PROMPT_TOKENS,
    .n_steps = 1,
  };

  bench->denoiser = zim_denoiser_new (_zim_model_get_transformer (self->model), bench->backend, bench->precision,
                                      bench->latent_height, bench->latent_width, PROMPT_TOKENS, FALSE, error);
  request.denoisers[0] = bench->denoiser;
  if (bench->denoiser == NULL || !zim_memory_plan_init (&bench->plan, &request, error) ||
      !zim_memory_plan_choose (&bench->plan, bench->backend, self->memory_budget, 0,
                               zim_device_get_name (self->device), error))
    return FALSE;
  zim_memory_plan_apply (&bench->plan, bench->backend);
  return TRUE;
}

static gboolean
check_size (ZimBenchmark  *self,
            GError       **error)
{
  g_autoptr(ZimParams) params = zim_params_new ("benchmark");

  zim_params_set_size (params, self->width, self->height);
  zim_params_set_steps (params, 1);
  return zim_params_validate (params, error);
}

/* TRUE where it was not asked for. */
static gboolean
tune (ZimBenchmark  *self,
      Bench         *bench,
      GError       **error)
{
  if (!self->tune)
    return TRUE;
  bench->tuning = zim_backend_tune (bench->backend, bench->precision, bench->cancellable, error);
  if (bench->tuning == NULL || g_variant_n_children (bench->tuning) > 0)
    return bench->tuning != NULL;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
               _("The device “%s” has nothing to tune; choose a Vulkan device"), zim_device_get_name (self->device));
  return FALSE;
}

static gboolean
set_up (ZimBenchmark  *self,
        Bench         *bench,
        GError       **error)
{
  guint scale = zim_autoencoder_get_scale (_zim_model_get_autoencoder (self->model));

  if (self->device == NULL)
    self->device = zim_device_find (g_getenv ("ZIM_DEVICE"), error);
  if (self->device == NULL || !check_size (self, error))
    return FALSE;
  bench->benchmark = self;
  bench->backend = _zim_device_create_backend (self->device, error);
  if (bench->backend == NULL)
    return FALSE;
  bench->precision = self->precision != ZIM_PRECISION_AUTO ? self->precision : zim_device_get_precision (self->device);
  bench->latent_width = (guint) self->width / scale;
  bench->latent_height = (guint) self->height / scale;
  if (!tune (self, bench, error))
    return FALSE;
  bench->peak = zim_backend_measure_peak (bench->backend, bench->precision);
  return make_plan (self, bench, error);
}

static const char *
precision_name (ZimPrecision precision)
{
  g_autoptr(GEnumClass) class = g_type_class_ref (ZIM_TYPE_PRECISION);

  return g_enum_get_value (class, precision)->value_nick;
}

/**
 * zim_benchmark_run:
 * @self: a benchmark
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Measures. It takes about four times as long as a text encoding, a step and a decoding, and three seconds.
 *
 * The result is a dictionary (`a{sv}`) of “device”, “model”, “width”, “height”, “threads”, “precision”, “peak_gflops”,
 * “stages” (a dictionary of “text”, “step” and “decode”, each with “seconds”, “cpu_seconds” of all threads, “gflops”
 * and “peak_percent”), “memory_plan” ([property@ZImage.Job:memory-plan]), “device_memory_bytes” (the peak of what was
 * allocated of the device’s own memory, where it has some), “peak_memory_bytes”, “anonymous_memory_bytes” (both of
 * the process, the second without mapped files), “load_seconds” (what the first runs took beyond the later ones),
 * “preview_seconds” (of one preview) and “cancel_seconds” (from cancelling within a step to the return). Where it was
 * tuned, “tuning” is a dictionary of the kinds of products: “matmul-few”, “matmul-medium”, “matmul-large”, “conv-few”,
 * “conv-medium”, “conv-large”, “attention-few”, “attention-many” and “attention-wide”, each with the best “tile”, its
 * “gflops” and the “default_gflops” of that which would be taken otherwise.
 *
 * Fails with %ZIM_ERROR_INVALID_PARAMS if the size is out of range, with %ZIM_ERROR_UNSUPPORTED if there is nothing to
 * tune, and with %ZIM_ERROR_DEVICE, %ZIM_ERROR_OUT_OF_MEMORY and %G_IO_ERROR_CANCELLED.
 *
 * Returns: (transfer full): the result
 */
GVariant *
zim_benchmark_run (ZimBenchmark  *self,
                   GCancellable  *cancellable,
                   GError       **error)
{
  static const Stage stages[] = {
    { "text", prepare_text, run_text },
    { "step", prepare_step, run_step },
    { "decode", prepare_decode, run_decode },
  };
  g_auto(GVariantBuilder) dict = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_auto(GVariantBuilder) stage_dict = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_auto(Bench) bench = { NULL };
  double first = 0, later = 0;

  g_return_val_if_fail (ZIM_IS_BENCHMARK (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  bench.cancellable = cancellable;
  if (!set_up (self, &bench, error))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (stages); i++)
    {
      GVariant *stage = measure (&bench, &stages[i], &first, &later, error);

      if (stage == NULL)
        return NULL;
      add (&stage_dict, stages[i].name, stage);
      g_variant_unref (stage);
      if (stages[i].run == run_step)
        measure_cancel (&bench);
    }
  add (&dict, "device", g_variant_new_string (zim_device_get_name (self->device)));
  add (&dict, "model", g_variant_new_string (zim_model_get_name (self->model)));
  add (&dict, "width", g_variant_new_int32 (self->width));
  add (&dict, "height", g_variant_new_int32 (self->height));
  add (&dict, "threads", g_variant_new_uint32 (zim_cpu_n_threads ()));
  add (&dict, "precision", g_variant_new_string (precision_name (bench.precision)));
  add (&dict, "peak_gflops", g_variant_new_double (bench.peak / 1e9));
  add (&dict, "stages", g_variant_builder_end (&stage_dict));
  add (&dict, "memory_plan", zim_memory_plan_describe (&bench.plan));
  if (bench.tuning != NULL)
    add (&dict, "tuning", bench.tuning);
  if (zim_backend_get_peak (bench.backend) > 0)
    add (&dict, "device_memory_bytes", g_variant_new_uint64 (zim_backend_get_peak (bench.backend)));
  add (&dict, "peak_memory_bytes", g_variant_new_uint64 (read_status ("VmHWM")));
  add (&dict, "anonymous_memory_bytes", g_variant_new_uint64 (read_status ("RssAnon")));
  add (&dict, "load_seconds", g_variant_new_double (MAX (0, first - later)));
  add (&dict, "preview_seconds", g_variant_new_double (measure_preview (&bench)));
  add (&dict, "cancel_seconds", g_variant_new_double (bench.cancel_seconds));
  return g_variant_ref_sink (g_variant_builder_end (&dict));
}

static void
run_in_thread (GTask        *task,
               gpointer      source,
               gpointer      task_data,
               GCancellable *cancellable)
{
  GError *error = NULL;
  GVariant *result = zim_benchmark_run (source, cancellable, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

/**
 * zim_benchmark_run_async:
 * @self: a benchmark
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when it has measured
 * @user_data: data for @callback
 *
 * Measures without blocking: [method@ZImage.Benchmark.run]. Until @callback is called nothing else may be done with
 * the benchmark.
 */
void
zim_benchmark_run_async (ZimBenchmark        *self,
                         GCancellable        *cancellable,
                         GAsyncReadyCallback  callback,
                         gpointer             user_data)
{
  g_autoptr(GTask) task = NULL;

  g_return_if_fail (ZIM_IS_BENCHMARK (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, zim_benchmark_run_async);
  g_task_run_in_thread (task, run_in_thread);
}

/**
 * zim_benchmark_run_finish:
 * @self: a benchmark
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Benchmark.run_async].
 *
 * Returns: (transfer full): what [method@ZImage.Benchmark.run] gives
 */
GVariant *
zim_benchmark_run_finish (ZimBenchmark  *self,
                          GAsyncResult  *result,
                          GError       **error)
{
  g_return_val_if_fail (ZIM_IS_BENCHMARK (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
