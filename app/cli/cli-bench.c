/* cli-bench.c: “zimage bench”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "app-fields.h"
#include "app-format.h"
#include "app-json.h"
#include "cli.h"
#include "cli-text.h"
#include "cli-wait.h"

typedef struct
{
  char     *synthetic;
  char     *size;
  char     *precision;
  char     *device;
  char     *memory_budget;
  char    **models;
  gboolean  tune;
  gboolean  json;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->synthetic);
  g_free (options->size);
  g_free (options->precision);
  g_free (options->device);
  g_free (options->memory_budget);
  g_strfreev (options->models);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static const struct { const char *name, *title; } stages[] = {
  { "text", N_("text encoder") },
  { "step", N_("one step") },
  { "decode", N_("decoder") },
};

/* A number of the results under a key, in whatever type it is. */
static gboolean
lookup_number (GVariant   *dict,
               const char *key,
               double     *number)
{
  g_autoptr(GVariant) value = g_variant_lookup_value (dict, key, NULL);

  if (value == NULL)
    return FALSE;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_DOUBLE:
      *number = g_variant_get_double (value);
      return TRUE;
    case G_VARIANT_CLASS_INT32:
      *number = g_variant_get_int32 (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT32:
      *number = g_variant_get_uint32 (value);
      return TRUE;
    case G_VARIANT_CLASS_INT64:
      *number = (double) g_variant_get_int64 (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT64:
      *number = (double) g_variant_get_uint64 (value);
      return TRUE;
    default:
      return FALSE;
    }
}

static char *
number_cell (GVariant   *dict,
             const char *key,
             guint       places)
{
  double number;
  g_autofree char *text = NULL;

  if (!lookup_number (dict, key, &number))
    return g_strdup ("\t–");

  text = app_format_number (number, places);
  return g_strconcat ("\t", text, NULL);
}

static void
print_stages (GVariant *results)
{
  g_autoptr(GVariant) all = g_variant_lookup_value (results, "stages", G_VARIANT_TYPE_VARDICT);
  g_autoptr(GPtrArray) table = cli_table_new ();

  if (all == NULL)
    return;

  cli_table_add (table, _("STAGE"), _("\tSECONDS"), _("\tCPU SECONDS"), _("\tGFLOP/S"), _("\t% OF PEAK"), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (stages); i++)
    {
      g_autoptr(GVariant) stage = g_variant_lookup_value (all, stages[i].name, G_VARIANT_TYPE_VARDICT);
      g_autofree char *seconds = NULL;
      g_autofree char *cpu = NULL;
      g_autofree char *speed = NULL;
      g_autofree char *percent = NULL;

      if (stage == NULL)
        continue;
      seconds = number_cell (stage, "seconds", 3);
      cpu = number_cell (stage, "cpu_seconds", 3);
      speed = number_cell (stage, "gflops", 0);
      percent = number_cell (stage, "peak_percent", 1);
      cli_table_add (table, _(stages[i].title), seconds, cpu, speed, percent, NULL);
    }
  cli_table_print (table);
}

static void
add_text (CliTable   *table,
          const char *title,
          GVariant   *results,
          const char *key)
{
  const char *text;

  if (g_variant_lookup (results, key, "&s", &text))
    cli_table_add (table, title, text, NULL);
}

static void
add_duration (CliTable   *table,
              const char *title,
              GVariant   *results,
              const char *key)
{
  double seconds;
  g_autofree char *text = NULL;

  if (!lookup_number (results, key, &seconds))
    return;

  text = app_format_duration (seconds);
  cli_table_add (table, title, text, NULL);
}

static void
add_number (CliTable   *table,
            const char *title,
            GVariant   *results,
            const char *key,
            const char *unit)
{
  double number;
  g_autofree char *digits = NULL;
  g_autofree char *text = NULL;

  if (!lookup_number (results, key, &number))
    return;

  digits = app_format_number (number, 0);
  text = g_strconcat (digits, unit, NULL);
  cli_table_add (table, title, text, NULL);
}

static void
add_memory (CliTable   *table,
            const char *title,
            GVariant   *results,
            const char *key)
{
  double bytes;
  g_autofree char *text = NULL;

  if (!lookup_number (results, key, &bytes))
    return;

  text = app_format_memory ((guint64) bytes);
  cli_table_add (table, title, text, NULL);
}

static void
add_size (CliTable   *table,
          const char *title,
          GVariant   *results)
{
  double width, height;
  g_autofree char *text = NULL;

  if (!lookup_number (results, "width", &width) || !lookup_number (results, "height", &height))
    return;

  text = g_strdup_printf ("%dx%d", (int) width, (int) height);
  cli_table_add (table, title, text, NULL);
}

static const struct { const char *name, *title; } products[] = {
  { "matmul-few", N_("product, few rows") },
  { "matmul-medium", N_("product, few tiles") },
  { "matmul-large", N_("product") },
  { "conv-few", N_("convolution, few channels") },
  { "conv-medium", N_("convolution, few tiles") },
  { "conv-large", N_("convolution") },
  { "attention-few", N_("attention, few rows") },
  { "attention-many", N_("attention") },
  { "attention-wide", N_("attention, wide heads") },
};

/* What was found, if anything was looked for. */
static void
print_tuning (GVariant *results)
{
  g_autoptr(GVariant) all = g_variant_lookup_value (results, "tuning", G_VARIANT_TYPE_VARDICT);
  g_autoptr(GPtrArray) table = cli_table_new ();

  if (all == NULL)
    return;

  cli_table_add (table, _("TUNED"), _("TILE"), _("\tGFLOP/S"), _("\tDEFAULT"), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (products); i++)
    {
      g_autoptr(GVariant) product = g_variant_lookup_value (all, products[i].name, G_VARIANT_TYPE_VARDICT);
      g_autofree char *speed = NULL;
      g_autofree char *before = NULL;
      const char *tile = "";

      if (product == NULL)
        continue;
      g_variant_lookup (product, "tile", "&s", &tile);
      speed = number_cell (product, "gflops", 0);
      before = number_cell (product, "default_gflops", 0);
      cli_table_add (table, _(products[i].title), tile, speed, before, NULL);
    }
  cli_table_print (table);
  g_print ("\n");
}

static void
print_results (GVariant *results)
{
  g_autoptr(GPtrArray) table = cli_table_new ();

  add_text (table, _("model"), results, "model");
  add_size (table, _("size"), results);
  add_text (table, _("device"), results, "device");
  add_number (table, _("threads"), results, "threads", "");
  add_text (table, _("precision"), results, "precision");
  add_number (table, _("peak"), results, "peak_gflops", " GFLOP/s");
  add_memory (table, _("device memory"), results, "device_memory_bytes");
  add_memory (table, _("memory"), results, "peak_memory_bytes");
  add_memory (table, _("not mapped"), results, "anonymous_memory_bytes");
  add_duration (table, _("load"), results, "load_seconds");
  add_duration (table, _("cancel"), results, "cancel_seconds");
  add_duration (table, _("preview"), results, "preview_seconds");
  cli_table_print (table);

  g_print ("\n");
  print_tuning (results);
  print_stages (results);
}

/* Some systems set these for other programs, and half of the speed is gone. */
static void
warn_about_environment (void)
{
  static const char *const names[] = { "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *value = g_getenv (names[i]);
      g_autofree char *message = NULL;

      if (value == NULL)
        continue;
      message = g_strdup_printf (_("%s is set to “%s”, which may slow OpenBLAS down; unset it to measure"),
                                 names[i], value);
      cli_warn (message);
    }
}

static void
run_in_thread (GTask        *task,
               gpointer      source,
               gpointer      data,
               GCancellable *cancellable)
{
  g_autoptr(GError) error = NULL;
  GVariant *results = zim_benchmark_run (source, cancellable, &error);

  if (results == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_pointer (task, g_variant_take_ref (results), (GDestroyNotify) g_variant_unref);
}

static GVariant *
run (ZimBenchmark  *benchmark,
     CliWait       *wait,
     GError       **error)
{
  g_autoptr(GTask) task = g_task_new (benchmark, cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  g_autoptr(GAsyncResult) result = NULL;

  g_task_run_in_thread (task, run_in_thread);
  result = cli_wait_for_result (wait);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static ZimBenchmark *
make_benchmark (const Options  *options,
                CliWait        *wait,
                GError        **error)
{
  g_autoptr(ZimDevice) device = app_find_device (options->device, error);
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(ZimModel) model = NULL;

  if (device == NULL)
    return NULL;
  if (options->synthetic != NULL)
    return zim_benchmark_new_synthetic (options->synthetic, device, error);

  zim_model_open_async (options->models[0], cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  model = zim_model_open_finish (result, error);
  return model != NULL ? zim_benchmark_new (model, device) : NULL;
}

static gboolean
configure (ZimBenchmark   *benchmark,
           const Options  *options,
           GError        **error)
{
  ZimPrecision precision;
  guint64 memory_budget;
  int width, height;

  if (!app_find_memory_budget ("--memory-budget", options->memory_budget, &memory_budget, error))
    return FALSE;
  zim_benchmark_set_memory_budget (benchmark, memory_budget);
  zim_benchmark_set_tune (benchmark, options->tune);
  if (options->size != NULL)
    {
      if (!app_parse_size (options->size, &width, &height, error))
        return FALSE;
      zim_benchmark_set_size (benchmark, width, height);
    }
  if (options->precision != NULL)
    {
      if (!app_parse_precision (options->precision, &precision, error))
        return FALSE;
      zim_benchmark_set_precision (benchmark, precision);
    }

  return TRUE;
}

static int
measure (const Options *options)
{
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimBenchmark) benchmark = make_benchmark (options, wait, &error);
  g_autoptr(GVariant) results = NULL;

  if (benchmark == NULL)
    return cli_wait_get_exit_code (wait, cli_report (error));
  if (!configure (benchmark, options, &error))
    return cli_usage_error ("bench", error->message);

  warn_about_environment ();
  results = run (benchmark, wait, &error);
  if (results == NULL)
    return cli_wait_get_exit_code (wait, cli_report (error));

  if (options->json)
    {
      g_autofree char *json = app_variant_to_json (results);

      g_print ("%s\n", json);
    }
  else
    print_results (results);
  return CLI_EXIT_OK;
}

int
cli_bench (int    argc,
           char **argv)
{
  g_auto(Options) options = { NULL };
  const GOptionEntry entries[] = {
    { "synthetic", 0, 0, G_OPTION_ARG_STRING, &options.synthetic,
      N_("Random weights in this architecture’s real shapes: z-image-turbo or z-image-base"), N_("NAME") },
    { "size", 0, 0, G_OPTION_ARG_STRING, &options.size, N_("Size in pixels, multiples of 16"), N_("WIDTHxHEIGHT") },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &options.precision,
      N_("Operands of the matrix products"), "auto|f32|bf16|f16" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options.device, N_("What computes; see “zimage devices”"), N_("DEVICE") },
    { "memory-budget", 0, 0, G_OPTION_ARG_STRING, &options.memory_budget,
      N_("Most memory of the device, as 6GiB (default: ZIM_MEMORY_BUDGET, or what it has)"), N_("SIZE") },
    { "tune", 0, 0, G_OPTION_ARG_NONE, &options.tune,
      N_("Find how a Vulkan device is fastest, and keep it for later runs"), NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, N_("Print JSON"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.models, NULL, N_("[MODEL]") },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  guint n_models;

  g_option_context_set_summary (context, _("Measures each stage of a model, against the best that this processor’s "
                                           "dot products reach."));
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!cli_parse (context, "bench", &argc, &argv))
    return CLI_EXIT_USAGE;

  n_models = options.models != NULL ? g_strv_length (options.models) : 0;
  if (n_models + (options.synthetic != NULL) != 1)
    return cli_usage_error ("bench", _("expected one model, or “--synthetic z-image-turbo”"));

  return measure (&options);
}
