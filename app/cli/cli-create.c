/* cli-create.c: “zimage create”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "app-format.h"
#include "cli.h"
#include "cli-transfer.h"
#include "cli-wait.h"

typedef struct
{
  char    **names;
  char    **files;
  char     *transformer;
  char     *text_encoder;
  char     *vae;
  char     *tokenizer;
  char     *variant;
  char     *quantize;
  char    **keep;
  gboolean  quiet;
} Options;

static void
options_clear (Options *options)
{
  g_strfreev (options->names);
  g_strfreev (options->files);
  g_free (options->transformer);
  g_free (options->text_encoder);
  g_free (options->vae);
  g_free (options->tokenizer);
  g_free (options->variant);
  g_free (options->quantize);
  g_strfreev (options->keep);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* What the store is made from is always a path: here, a name would be one of the store itself. */
static GStrv
list_paths (const Options *options)
{
  g_autoptr(GStrvBuilder) paths = g_strv_builder_new ();

  for (guint i = 0; options->files != NULL && options->files[i] != NULL; i++)
    {
      g_autofree char *path = g_canonicalize_filename (options->files[i], NULL);

      g_strv_builder_add (paths, path);
    }
  if (options->transformer != NULL)
    g_strv_builder_add (paths, options->transformer);
  return g_strv_builder_end (paths);
}

static gboolean
has_others (const Options *options)
{
  return options->text_encoder != NULL || options->vae != NULL || options->tokenizer != NULL ||
         options->variant != NULL;
}

/* Several, of which the library sees for itself what they are. */
static ZimModel *
open_files (const Options  *options,
            char          **paths,
            CliWait        *wait,
            GError        **error)
{
  const char *const others[] = { options->text_encoder, options->vae, options->tokenizer };
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new ();
  g_auto(GStrv) all = NULL;
  g_autoptr(GAsyncResult) result = NULL;

  g_strv_builder_addv (builder, (const char **) paths);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    if (others[i] != NULL)
      g_strv_builder_add (builder, others[i]);
  all = g_strv_builder_end (builder);
  zim_model_open_files_async ((const char *const *) all, options->variant, cli_wait_get_cancellable (wait),
                              cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  return zim_model_open_files_finish (result, error);
}

static gboolean
is_whole_model (const char *path)
{
  g_autofree char *index = g_build_filename (path, "model_index.json", NULL);

  return g_file_test (index, G_FILE_TEST_EXISTS);
}

static ZimModel *
open_source (const Options  *options,
             CliWait        *wait,
             GError        **error)
{
  g_auto(GStrv) paths = list_paths (options);
  guint n = g_strv_length (paths);
  g_autoptr(GAsyncResult) result = NULL;

  if (n > 1 || (n == 1 && has_others (options) && is_whole_model (paths[0])))
    return open_files (options, paths, wait, error);
  if (has_others (options))
    {
      zim_model_open_parts_async (n == 1 ? paths[0] : ".", options->text_encoder, options->vae, options->tokenizer,
                                  options->variant, cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
      result = cli_wait_for_result (wait);
      return zim_model_open_parts_finish (result, error);
    }
  zim_model_open_async (n == 1 ? paths[0] : ".", cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  return zim_model_open_finish (result, error);
}

/* rate: bytes of the source in a second. */
static gboolean
store (const Options  *options,
       ZimStore       *models,
       ZimModel       *model,
       CliWait        *wait,
       double         *rate,
       GError        **error)
{
  const char *name = options->names[0];
  g_autofree char *title = g_strdup_printf (_("Creating %s"), name);
  g_autoptr(CliTransfer) transfer = cli_transfer_new (title);
  g_autoptr(GAsyncResult) result = NULL;
  gint64 start = g_get_monotonic_time ();

  zim_store_create_async (models, name, model, options->quantize, (const char **) options->keep,
                          cli_transfer_get (transfer), cli_wait_get_cancellable (wait),
                          cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  *rate = (double) zim_transfer_get_total (cli_transfer_get (transfer)) * G_USEC_PER_SEC /
          (double) MAX (1, g_get_monotonic_time () - start);
  return zim_store_create_finish (models, result, error);
}

static int
create (const Options *options)
{
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(ZimStore) models = zim_store_new (NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimModel) model = open_source (options, wait, &error);
  g_autoptr(ZimStoredModel) stored = NULL;
  double rate;

  if (model == NULL || !store (options, models, model, wait, &rate, &error))
    return cli_wait_get_exit_code (wait, cli_report (error));

  stored = zim_store_find (models, options->names[0]);
  if (stored != NULL && !options->quiet)
    {
      g_autofree char *size = app_format_memory (zim_stored_model_get_size (stored));
      g_autofree char *speed = app_format_memory ((guint64) rate);

      g_print (_("Created %s (%s) at %s/s\n"), zim_stored_model_get_name (stored), size, speed);
    }
  return CLI_EXIT_OK;
}

int
cli_create (int    argc,
            char **argv)
{
  g_auto(Options) options = { NULL };
  const GOptionEntry entries[] = {
    { "file", 'f', 0, G_OPTION_ARG_FILENAME_ARRAY, &options.files,
      N_("The folder of the weights, or a file of them; may be given several times (default: this folder)"),
      N_("FOLDER|FILE") },
    { "transformer", 0, 0, G_OPTION_ARG_FILENAME, &options.transformer,
      N_("Transformer, if there is no folder that has it"), N_("FILE") },
    { "text-encoder", 0, 0, G_OPTION_ARG_FILENAME, &options.text_encoder, N_("Text encoder, likewise"), N_("FILE") },
    { "vae", 0, 0, G_OPTION_ARG_FILENAME, &options.vae, N_("Autoencoder, likewise"), N_("FILE") },
    { "tokenizer", 0, 0, G_OPTION_ARG_FILENAME, &options.tokenizer, N_("tokenizer.json, likewise"), N_("FILE") },
    { "variant", 0, 0, G_OPTION_ARG_STRING, &options.variant, N_("Which model the transformer is of"), "turbo|base" },
    { "quantize", 'q', 0, G_OPTION_ARG_STRING, &options.quantize,
      N_("Make matrices of 16 bits smaller: fp8, q8_0, q4_0, q4_k, q6_k, int8 or int4"), N_("TYPE") },
    { "keep", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.keep,
      N_("Another type for tensors of such names, bf16 to leave them; the first such rule counts"), N_("REGEX=TYPE") },
    { "quiet", 0, 0, G_OPTION_ARG_NONE, &options.quiet, N_("Print nothing"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.names, NULL, N_("NAME") },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context,
    _("Puts a model into the store, from the folder or the files that it is in: cd Z-Image-Turbo && zimage create\n"
      "z-image. Weights that another model has already are stored once. If it is interrupted, the same command goes\n"
      "on where it was. The store is in $ZIMAGE_MODELS, or else in zimage/models in the user’s data folder."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "create", &argc, &argv))
    return CLI_EXIT_USAGE;
  if (options.names == NULL || g_strv_length (options.names) != 1)
    return cli_usage_error ("create", _("one name is expected: zimage create z-image -f ./Z-Image-Turbo"));

  return create (&options);
}
