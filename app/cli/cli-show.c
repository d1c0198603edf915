/* cli-show.c: “zimage show”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "app-fields.h"
#include "app-format.h"
#include "app-json.h"
#include "cli.h"
#include "cli-remote.h"
#include "cli-text.h"
#include "cli-wait.h"

#define ARCHITECTURE "ZImagePipeline"

typedef struct
{
  char    **names;
  char     *text_encoder;
  char     *vae;
  char     *tokenizer;
  char     *variant;
  gboolean  verbose;
  gboolean  json;
} Options;

static void
options_clear (Options *options)
{
  g_strfreev (options->names);
  g_free (options->text_encoder);
  g_free (options->vae);
  g_free (options->tokenizer);
  g_free (options->variant);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static const char *
get_variant (ZimModel *model)
{
  return app_enum_nick (ZIM_TYPE_VARIANT, zim_model_get_variant (model));
}

/* “6.2B”, “14.6M” */
static char *
format_count (guint64 count)
{
  gboolean billions = count >= 1000000000;
  g_autofree char *number = app_format_number ((double) count / (billions ? 1e9 : 1e6), 1);

  return g_strconcat (number, billions ? "B" : "M", NULL);
}

static char *
format_shape (GVariant *shape)
{
  GString *text = g_string_new ("[");
  gsize n;
  const gint64 *dims = g_variant_get_fixed_array (shape, &n, sizeof *dims);

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", dims[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

static void
print_tensors (ZimModel *model)
{
  g_autoptr(GVariant) tensors = zim_model_list_tensors (model);
  g_autoptr(GPtrArray) table = cli_table_new ();
  GVariantIter iter;
  const char *name, *type;
  GVariant *shape;
  guint64 size;

  cli_table_add (table, _("TENSOR"), _("TYPE"), _("SHAPE"), _("\tSIZE"), NULL);
  g_variant_iter_init (&iter, tensors);
  while (g_variant_iter_loop (&iter, "(&s&s@axt)", &name, &type, &shape, &size))
    {
      g_autofree char *text = format_shape (shape);
      g_autofree char *memory = app_format_memory (size);
      g_autofree char *cell = g_strconcat ("\t", memory, NULL);

      cli_table_add (table, name, type, text, cell, NULL);
    }
  g_print ("\n");
  cli_table_print (table);
}

static void
print_table (ZimModel *model,
             gboolean  verbose)
{
  g_autoptr(GPtrArray) table = cli_table_new ();
  g_autofree char *parameters = format_count (zim_model_get_n_parameters (model));
  g_autofree char *size = app_format_memory (zim_model_get_size (model));
  g_autofree char *picture = g_strdup_printf ("%dx%d", zim_model_get_default_width (model),
                                              zim_model_get_default_height (model));
  g_autofree char *steps = g_strdup_printf ("%d", zim_model_get_default_steps (model));
  g_autofree char *guidance = app_format_number (zim_model_get_default_guidance (model), 1);

  cli_table_add (table, _("model"), zim_model_get_name (model), NULL);
  cli_table_add (table, _("architecture"), ARCHITECTURE, NULL);
  cli_table_add (table, _("variant"), get_variant (model), NULL);
  cli_table_add (table, _("parameters"), parameters, NULL);
  cli_table_add (table, _("quantization"), zim_model_get_quantization (model), NULL);
  cli_table_add (table, _("size"), size, NULL);
  cli_table_add (table, _("picture"), picture, NULL);
  cli_table_add (table, _("steps"), steps, NULL);
  cli_table_add (table, _("guidance"), guidance, NULL);
  cli_table_add (table, _("capabilities"), "image", NULL);
  cli_table_print (table);
  if (verbose)
    print_tensors (model);
}

static GVariant *
tensors_to_variant (ZimModel *model)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr(GVariant) tensors = zim_model_list_tensors (model);
  GVariantIter iter;
  const char *name, *type;
  GVariant *shape;
  guint64 size;

  g_variant_iter_init (&iter, tensors);
  while (g_variant_iter_loop (&iter, "(&s&s@axt)", &name, &type, &shape, &size))
    {
      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      g_variant_builder_add (&builder, "{sv}", "name", g_variant_new_string (name));
      g_variant_builder_add (&builder, "{sv}", "type", g_variant_new_string (type));
      g_variant_builder_add (&builder, "{sv}", "shape", shape);
      g_variant_builder_add (&builder, "{sv}", "size", g_variant_new_uint64 (size));
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}

static void
add_text (GVariantBuilder *builder,
          const char      *key,
          const char      *text)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_string (text));
}

static void
print_json (ZimModel *model,
            gboolean  verbose)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autofree char *json = NULL;

  add_text (&builder, "model", zim_model_get_name (model));
  add_text (&builder, "architecture", ARCHITECTURE);
  add_text (&builder, "variant", get_variant (model));
  g_variant_builder_add (&builder, "{sv}", "parameters", g_variant_new_uint64 (zim_model_get_n_parameters (model)));
  add_text (&builder, "quantization", zim_model_get_quantization (model));
  g_variant_builder_add (&builder, "{sv}", "size", g_variant_new_uint64 (zim_model_get_size (model)));
  g_variant_builder_add (&builder, "{sv}", "width", g_variant_new_int32 (zim_model_get_default_width (model)));
  g_variant_builder_add (&builder, "{sv}", "height", g_variant_new_int32 (zim_model_get_default_height (model)));
  g_variant_builder_add (&builder, "{sv}", "steps", g_variant_new_int32 (zim_model_get_default_steps (model)));
  g_variant_builder_add (&builder, "{sv}", "guidance_scale",
                         g_variant_new_double (zim_model_get_default_guidance (model)));
  g_variant_builder_add (&builder, "{sv}", "capabilities", g_variant_new_strv ((const char *[]) { "image" }, 1));
  if (verbose)
    g_variant_builder_add (&builder, "{sv}", "tensors", tensors_to_variant (model));

  json = app_variant_to_json (g_variant_builder_end (&builder));
  g_print ("%s\n", json);
}

static ZimModel *
open_model (const Options  *options,
            CliWait        *wait,
            GError        **error)
{
  g_autoptr(GAsyncResult) result = NULL;

  if (options->text_encoder != NULL || options->vae != NULL || options->tokenizer != NULL || options->variant != NULL)
    {
      zim_model_open_parts_async (options->names[0], options->text_encoder, options->vae, options->tokenizer,
                                  options->variant, cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
      result = cli_wait_for_result (wait);
      return zim_model_open_parts_finish (result, error);
    }

  zim_model_open_async (options->names[0], cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  return zim_model_open_finish (result, error);
}

static int
show (const Options *options)
{
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimModel) model = open_model (options, wait, &error);

  if (model == NULL)
    return cli_wait_get_exit_code (wait, cli_report (error));

  if (options->json)
    print_json (model, options->verbose);
  else
    print_table (model, options->verbose);
  return CLI_EXIT_OK;
}

int
cli_show (int    argc,
          char **argv)
{
  g_auto(Options) options = { NULL };
  const GOptionEntry entries[] = {
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options.verbose, N_("List the tensors too"), NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, N_("Print JSON"), NULL },
    { "text-encoder", 0, 0, G_OPTION_ARG_FILENAME, &options.text_encoder,
      N_("Text encoder, if MODEL is only a transformer"), N_("FILE") },
    { "vae", 0, 0, G_OPTION_ARG_FILENAME, &options.vae, N_("Autoencoder, likewise"), N_("FILE") },
    { "tokenizer", 0, 0, G_OPTION_ARG_FILENAME, &options.tokenizer, N_("tokenizer.json, likewise"), N_("FILE") },
    { "variant", 0, 0, G_OPTION_ARG_STRING, &options.variant, N_("Which model the transformer is of"), "turbo|base" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.names, NULL, N_("MODEL") },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  g_autoptr(AppClient) client = NULL;
  int code;

  g_option_context_set_summary (context,
    _("Tells what a model is: one of the store, a folder or a file. The server in ZIMAGE_HOST tells it as JSON."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "show", &argc, &argv))
    return CLI_EXIT_USAGE;
  if (options.names == NULL || g_strv_length (options.names) != 1)
    return cli_usage_error ("show", _("one model is expected: zimage show z-image"));

  if (cli_remote_wanted (&client, &code))
    return client != NULL ? cli_remote_show (client, options.names[0], options.verbose) : code;
  return show (&options);
}
