/* cli-run.c: “zimage run”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "app-bus-error.h"
#include "app-fields.h"
#include "cli.h"
#include "cli-generate.h"
#include "cli-inline.h"
#include "cli-interactive.h"
#include "cli-pull.h"
#include "cli-remote.h"
#include "cli-service-run.h"
#include "cli-text.h"
#include "cli-wait.h"

#define STDIN_MAX (1 << 20) /* bytes of a prompt */

typedef struct
{
  char      **arguments; /* the model and the words of the prompt */
  char       *text_encoder;
  char       *vae;
  char       *tokenizer;
  char       *variant;
  char       *host;
  char       *device;
  char       *precision;
  char       *memory_budget;
  char       *dump;
  char       *path;
  char       *format;
  int         quality;
  guint64     memory_bytes;
  gboolean    service;
  gboolean    quiet;
  gboolean    json;
} Options;

static void
options_clear (Options *options)
{
  g_strfreev (options->arguments);
  g_free (options->text_encoder);
  g_free (options->vae);
  g_free (options->tokenizer);
  g_free (options->variant);
  g_free (options->host);
  g_free (options->device);
  g_free (options->precision);
  g_free (options->memory_budget);
  g_free (options->dump);
  g_free (options->path);
  g_free (options->format);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* --- Options --------------------------------------------------------------------------------------- */

/* Text as the user typed it, in UTF-8 if it can be that. What cannot is left for zim_params_validate() to reject. */
static char *
typed_to_utf8 (const char *text)
{
  char *converted = NULL;

  if (!g_utf8_validate (text, -1, NULL))
    converted = g_locale_to_utf8 (text, -1, NULL, NULL, NULL);

  return converted != NULL ? converted : g_strdup (text);
}

static gboolean
field_cb (const char  *option,
          const char  *value,
          gpointer     params,
          GError     **error)
{
  const AppField *field = app_field_find (option + strspn (option, "-"));
  g_autofree char *text = typed_to_utf8 (value);

  return app_field_set (field, params, text, error);
}

/* The parameters come first: they are what people look for. */
static void
add_fields (GOptionGroup *group)
{
  guint n_fields;
  const AppField *fields = app_fields (&n_fields);

  for (guint i = 0; i < n_fields; i++)
    {
      GOptionEntry entries[] = {
        { fields[i].name, 0, G_OPTION_FLAG_FILENAME, G_OPTION_ARG_CALLBACK, field_cb,
          fields[i].help, fields[i].argument },
        G_OPTION_ENTRY_NULL
      };

      /* The prompt is the arguments. */
      if (g_str_equal (fields[i].name, "prompt"))
        continue;
      if (fields[i].name[1] == '\0')
        entries[0].short_name = fields[i].name[0];
      g_option_group_add_entries (group, entries);
    }
}

static GOptionContext *
make_context (Options   *options,
              ZimParams *params)
{
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options->path,
      N_("Where to save: a file, a folder, or - for standard output"), N_("FILE") },
    { "format", 0, 0, G_OPTION_ARG_STRING, &options->format,
      N_("File format, if not the one of the file’s name"), "png|jpeg|webp" },
    { "quality", 0, 0, G_OPTION_ARG_INT, &options->quality,
      N_("Quality of JPEG and WebP, 1 to 100 (default 90)"), N_("NUMBER") },
    { "host", 0, 0, G_OPTION_ARG_STRING, &options->host,
      N_("The server that does it (default: the environment’s ZIMAGE_HOST, or none)"), N_("ADDRESS") },
    { "service", 0, 0, G_OPTION_ARG_NONE, &options->service,
      N_("Let the generator of the session bus do it"), NULL },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options->device,
      N_("What computes; see “zimage devices” (default: the environment’s ZIM_DEVICE, or auto)"), N_("DEVICE") },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &options->precision,
      N_("Operands of the matrix products"), "auto|f32|bf16|f16" },
    { "memory-budget", 0, 0, G_OPTION_ARG_STRING, &options->memory_budget,
      N_("Most memory of the device, as 6GiB (default: ZIM_MEMORY_BUDGET, or what it has)"), N_("SIZE") },
    { "text-encoder", 0, 0, G_OPTION_ARG_FILENAME, &options->text_encoder,
      N_("Text encoder, if MODEL is only a transformer"), N_("FILE") },
    { "vae", 0, 0, G_OPTION_ARG_FILENAME, &options->vae,
      N_("Autoencoder, likewise"), N_("FILE") },
    { "tokenizer", 0, 0, G_OPTION_ARG_FILENAME, &options->tokenizer,
      N_("tokenizer.json, likewise"), N_("FILE") },
    { "variant", 0, 0, G_OPTION_ARG_STRING, &options->variant,
      N_("Which model the transformer is of"), "turbo|base" },
    { "dump", 0, 0, G_OPTION_ARG_FILENAME, &options->dump,
      N_("Save what the stages compute, as safetensors"), N_("FILE") },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet,
      N_("Print only the names of the files"), NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options->json,
      N_("Print JSON"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->arguments,
      NULL, N_("MODEL [PROMPT…]") },
    G_OPTION_ENTRY_NULL
  };
  GOptionContext *context = g_option_context_new (NULL);
  GOptionGroup *group = g_option_group_new ("run", "", "", params, NULL);

  add_fields (group);
  g_option_group_add_entries (group, entries);
  g_option_group_set_translation_domain (group, GETTEXT_PACKAGE);
  g_option_context_set_main_group (context, group);
  g_option_context_set_summary (context,
    _("Makes pictures from a prompt and saves them as PROMPT-DATE-TIME.png, with their parameters in them.\n"
      "MODEL is a folder, a .safetensors or .gguf file, or a name. The prompt is read from standard input if it is\n"
      "left out or “-”; on a terminal, prompts are asked for. After “--” words may start with “-”."));
  g_option_context_set_description (context,
    _("Exit codes: 0 done, 1 failed, 2 wrong command line, 3 no such model, 4 parameter out of range,\n"
      "130 cancelled with Ctrl+C (once more ends at once)."));

  return context;
}

/* --- The prompt ------------------------------------------------------------------------------------ */

/* All of standard input, without the newline that ends it. */
static char *
read_stdin (GError **error)
{
  g_autoptr(GString) text = g_string_new (NULL);
  char buffer[4096];
  gssize n_read;

  while ((n_read = read (STDIN_FILENO, buffer, sizeof buffer)) != 0)
    {
      if (n_read < 0 && errno == EINTR)
        continue;
      if (n_read < 0)
        {
          int code = errno;

          g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
                       _("Failed to read the prompt from standard input: %s"), g_strerror (code));
          return NULL;
        }

      g_string_append_len (text, buffer, n_read);
      if (text->len > STDIN_MAX || memchr (text->str, '\0', text->len) != NULL)
        {
          g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
                       _("Standard input is not a prompt: it is longer than %d bytes or not a text"), STDIN_MAX);
          return NULL;
        }
    }

  if (g_str_has_suffix (text->str, "\n"))
    g_string_truncate (text, text->len - 1);
  if (g_str_has_suffix (text->str, "\r"))
    g_string_truncate (text, text->len - 1);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Whether prompts are asked for one after another. */
static gboolean
is_interactive (const Options *options)
{
  return options->arguments[1] == NULL && isatty (STDIN_FILENO);
}

static char *
get_prompt (const Options  *options,
            GError        **error)
{
  char **words = options->arguments + 1;

  if (words[0] == NULL || (g_str_equal (words[0], "-") && words[1] == NULL))
    return read_stdin (error);

  return g_strjoinv (" ", words);
}

static gboolean
set_prompt (const Options  *options,
            ZimParams      *params,
            GError        **error)
{
  g_autofree char *typed = get_prompt (options, error);
  g_autofree char *prompt = typed != NULL ? typed_to_utf8 (typed) : NULL;

  if (prompt == NULL)
    return FALSE;

  zim_params_set_prompt (params, prompt);
  return TRUE;
}

/* --- The model ------------------------------------------------------------------------------------- */

static gboolean
is_in_parts (const Options *options)
{
  return options->text_encoder != NULL || options->vae != NULL || options->tokenizer != NULL ||
         options->variant != NULL;
}

static ZimModel *
open_model (const Options  *options,
            CliWait        *wait,
            GError        **error)
{
  const char *name = options->arguments[0];
  g_autoptr(GAsyncResult) result = NULL;

  if (is_in_parts (options))
    {
      zim_model_open_parts_async (name, options->text_encoder, options->vae, options->tokenizer, options->variant,
                                  cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
      result = cli_wait_for_result (wait);
      return zim_model_open_parts_finish (result, error);
    }

  zim_model_open_async (name, cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  return zim_model_open_finish (result, error);
}

/* Whether there is somebody to ask, and something to ask for. */
static gboolean
can_offer (const Options *options)
{
  return !is_in_parts (options) && !options->quiet && !options->json && isatty (STDIN_FILENO) &&
         isatty (STDERR_FILENO) && zim_store_can_pull (options->arguments[0]);
}

/* A model that is absent is fetched, if whoever sits at the terminal wants that. */
static ZimModel *
open_or_fetch (const Options  *options,
               CliWait        *wait,
               GError        **error)
{
  g_autoptr(GError) local_error = NULL;
  g_autoptr(ZimModel) model = open_model (options, wait, &local_error);
  gboolean wanted = FALSE;

  if (g_error_matches (local_error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND) && can_offer (options) &&
      !cli_pull_offer (options->arguments[0], wait, &wanted, error))
    return NULL;
  if (wanted)
    return open_model (options, wait, error);
  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  return g_steal_pointer (&model);
}

static ZimPipeline *
make_pipeline (const Options  *options,
               ZimPrecision    precision,
               CliWait        *wait,
               GError        **error)
{
  g_autoptr(ZimDevice) device = app_find_device (options->device, error);
  g_autoptr(ZimModel) model = NULL;
  ZimPipeline *pipeline;

  if (device == NULL)
    return NULL;
  model = open_or_fetch (options, wait, error);
  if (model == NULL)
    return NULL;

  pipeline = zim_pipeline_new (model, device, error);
  if (pipeline != NULL)
    {
      zim_pipeline_set_precision (pipeline, precision);
      zim_pipeline_set_memory_budget (pipeline, options->memory_bytes);
      zim_pipeline_set_dump_file (pipeline, options->dump);
    }
  return pipeline;
}

/* Opening is over before a job starts, so that Ctrl+C then means the job. */
static ZimPipeline *
open_pipeline (const Options *options,
               ZimPrecision   precision,
               int           *code)
{
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(GError) error = NULL;
  ZimPipeline *pipeline = make_pipeline (options, precision, wait, &error);

  if (pipeline == NULL)
    *code = cli_wait_get_exit_code (wait, cli_report (error));
  return pipeline;
}

/* --- Prompt after prompt --------------------------------------------------------------------------- */

static int
generate_cb (gpointer         pipeline,
             ZimParams       *params,
             const CliOutput *output)
{
  return cli_generate (pipeline, params, output);
}

static void
describe_cb (gpointer   pipeline,
             GPtrArray *table)
{
  cli_table_add (table, _("Model"), zim_model_get_name (zim_pipeline_get_model (pipeline)), NULL);
  cli_table_add (table, _("Device"), zim_device_get_name (zim_pipeline_get_device (pipeline)), NULL);
  cli_table_add (table, _("Precision"), cli_precision_name (pipeline), NULL);
}

/* Whether prompts can be asked for. Otherwise says what is expected. */
static gboolean
can_ask (const Options   *options,
         const CliOutput *output)
{
  if (isatty (STDOUT_FILENO) && !options->json && !cli_output_is_stdout (output))
    return TRUE;
  cli_usage_error ("run", _("a prompt is expected: zimage run MODEL \"a sunset over mountains\""));
  return FALSE;
}

/* --- A server -------------------------------------------------------------------------------------- */

/* A server, and the model that it is asked for. */
typedef struct
{
  AppClient  *client;
  const char *model;
} Remote;

static int
remote_generate_cb (gpointer         data,
                    ZimParams       *params,
                    const CliOutput *output)
{
  const Remote *remote = data;

  return cli_remote_run (remote->client, remote->model, params, output);
}

static void
remote_describe_cb (gpointer   data,
                    GPtrArray *table)
{
  const Remote *remote = data;

  cli_table_add (table, _("Model"), remote->model, NULL);
  cli_table_add (table, _("Server"), app_client_get_url (remote->client), NULL);
}

/* What only the machine that computes can do or know. */
static gboolean
is_local (const Options *options)
{
  return options->device != NULL || options->precision != NULL || options->memory_budget != NULL ||
         options->dump != NULL ||
         options->text_encoder != NULL || options->vae != NULL || options->tokenizer != NULL ||
         options->variant != NULL;
}

/* One prompt or one after another, made by somebody else. */
static int
run_maker (const Options   *options,
           const CliMaker  *maker,
           ZimParams       *params,
           const CliOutput *output)
{
  g_autoptr(GError) error = NULL;
  int code;

  if (is_interactive (options))
    return can_ask (options, output) ? cli_interactive (maker, params, output) : CLI_EXIT_USAGE;
  if (!set_prompt (options, params, &error))
    return cli_report (error);
  code = cli_generate_check (params, output);
  return code == CLI_EXIT_OK ? maker->generate (maker->data, params, output) : code;
}

static int
run_remote (const Options   *options,
            AppClient       *client,
            ZimParams       *params,
            const CliOutput *output)
{
  Remote remote = { client, options->arguments[0] };
  const CliMaker maker = { remote_generate_cb, remote_describe_cb, &remote };

  if (is_local (options))
    return cli_usage_error ("run", _("a server decides on device, precision and files; without --host and ZIMAGE_HOST "
                                     "this machine does it"));
  return run_maker (options, &maker, params, output);
}

/* --- The generator on the session bus -------------------------------------------------------------- */

static int
service_generate_cb (gpointer         model,
                     ZimParams       *params,
                     const CliOutput *output)
{
  return cli_service_run (model, params, output);
}

static void
service_describe_cb (gpointer   model,
                     GPtrArray *table)
{
  cli_table_add (table, _("Model"), model, NULL);
  cli_table_add (table, _("Service"), APP_BUS_NAME, NULL);
}

static int
run_service (const Options   *options,
             ZimParams       *params,
             const CliOutput *output)
{
  const CliMaker maker = { service_generate_cb, service_describe_cb, options->arguments[0] };

  if (options->host != NULL)
    return cli_usage_error ("run", _("“--service” and “--host” cannot both do it"));
  if (is_local (options))
    return cli_usage_error ("run", _("the generator decides on device, precision and files; without --service this "
                                     "process does it"));
  return run_maker (options, &maker, params, output);
}

/* --- The command ----------------------------------------------------------------------------------- */

static int
run_once (const Options   *options,
          ZimParams       *params,
          ZimPrecision     precision,
          const CliOutput *output)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimPipeline) pipeline = NULL;
  int code;

  if (!set_prompt (options, params, &error))
    return cli_report (error);
  code = cli_generate_check (params, output);
  if (code != CLI_EXIT_OK)
    return code;

  pipeline = open_pipeline (options, precision, &code);
  return pipeline != NULL ? cli_generate (pipeline, params, output) : code;
}

static int
run_interactive (const Options   *options,
                 ZimParams       *params,
                 ZimPrecision     precision,
                 const CliOutput *output)
{
  g_autoptr(ZimPipeline) pipeline = NULL;
  CliMaker maker = { generate_cb, describe_cb, NULL };
  int code;

  if (!can_ask (options, output))
    return CLI_EXIT_USAGE;

  pipeline = open_pipeline (options, precision, &code);
  maker.data = pipeline;
  return pipeline != NULL ? cli_interactive (&maker, params, output) : code;
}

static int
run (Options   *options,
     ZimParams *params)
{
  const CliOutput output = { options->path, options->format, options->quality, options->quiet, options->json };
  ZimPrecision precision = ZIM_PRECISION_AUTO;
  g_autoptr(GError) error = NULL;
  g_autoptr(AppClient) client = NULL;

  if (options->arguments == NULL || options->arguments[0] == NULL)
    return cli_usage_error ("run", _("a model is expected: zimage run MODEL \"a sunset over mountains\""));
  if (options->json && cli_output_is_stdout (&output))
    return cli_usage_error ("run", _("“--json” and “-o -” cannot both have standard output"));
  if (options->precision != NULL && !app_parse_precision (options->precision, &precision, &error))
    return cli_usage_error ("run", error->message);
  if (!app_find_memory_budget ("--memory-budget", options->memory_budget, &options->memory_bytes, &error))
    return cli_usage_error ("run", error->message);

  if (!options->quiet && !options->json && !cli_output_is_stdout (&output))
    cli_inline_prepare ();
  if (options->service)
    return run_service (options, params, &output);
  client = cli_remote_find (options->host, &error);
  if (error != NULL)
    return cli_usage_error ("run", error->message);
  if (client != NULL)
    return run_remote (options, client, params, &output);
  return is_interactive (options) ? run_interactive (options, params, precision, &output)
                                  : run_once (options, params, precision, &output);
}

int
cli_run (int    argc,
         char **argv)
{
  g_auto(Options) options = { NULL };
  g_autoptr(ZimParams) params = zim_params_new (NULL);
  g_autoptr(GOptionContext) context = make_context (&options, params);

  if (!cli_parse (context, "run", &argc, &argv))
    return CLI_EXIT_USAGE;

  return run (&options, params);
}
