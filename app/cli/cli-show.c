/* cli-show.c: “zimage show”
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "app-fields.h"
#include "app-format.h"
#include "app-json.h"
#include "app-lists.h"
#include "app-params.h"
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

/* What is told of a model, whoever has it. */
typedef struct
{
  char     *name;
  char     *variant;
  char     *quantization;
  gint64    n_parameters;
  gint64    size;     /* bytes */
  gint64    width;
  gint64    height;
  gint64    steps;
  double    guidance;
  GVariant *tensors;  /* a(ssaxt), or NULL */
} Facts;

static void
facts_clear (Facts *facts)
{
  g_free (facts->name);
  g_free (facts->variant);
  g_free (facts->quantization);
  g_clear_pointer (&facts->tensors, g_variant_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Facts, facts_clear)

/* --- Printing -------------------------------------------------------------------------------------- */

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
print_tensors (GVariant *tensors)
{
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
print_table (const Facts *facts)
{
  g_autoptr(GPtrArray) table = cli_table_new ();
  g_autofree char *parameters = format_count ((guint64) facts->n_parameters);
  g_autofree char *size = app_format_memory ((guint64) facts->size);
  g_autofree char *picture = g_strdup_printf ("%dx%d", (int) facts->width, (int) facts->height);
  g_autofree char *steps = g_strdup_printf ("%d", (int) facts->steps);
  g_autofree char *guidance = app_format_number (facts->guidance, 1);

  cli_table_add (table, _("model"), facts->name, NULL);
  cli_table_add (table, _("architecture"), ARCHITECTURE, NULL);
  cli_table_add (table, _("variant"), facts->variant, NULL);
  cli_table_add (table, _("parameters"), parameters, NULL);
  cli_table_add (table, _("quantization"), facts->quantization, NULL);
  cli_table_add (table, _("size"), size, NULL);
  cli_table_add (table, _("picture"), picture, NULL);
  cli_table_add (table, _("steps"), steps, NULL);
  cli_table_add (table, _("guidance"), guidance, NULL);
  cli_table_add (table, _("capabilities"), "image", NULL);
  cli_table_print (table);
  if (facts->tensors != NULL)
    print_tensors (facts->tensors);
}

static void
print_json (const Facts *facts)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autofree char *json = NULL;

  app_dict_add (&builder, "model", "s", facts->name);
  app_dict_add (&builder, "architecture", "s", ARCHITECTURE);
  app_dict_add (&builder, "variant", "s", facts->variant);
  app_dict_add (&builder, "parameters", "x", facts->n_parameters);
  app_dict_add (&builder, "quantization", "s", facts->quantization);
  app_dict_add (&builder, "size", "x", facts->size);
  app_dict_add (&builder, "width", "x", facts->width);
  app_dict_add (&builder, "height", "x", facts->height);
  app_dict_add (&builder, "steps", "x", facts->steps);
  app_dict_add (&builder, "guidance_scale", "d", facts->guidance);
  app_dict_add_value (&builder, "capabilities", g_variant_new_strv ((const char *[]) { "image" }, 1));
  if (facts->tensors != NULL)
    app_dict_add_value (&builder, "tensors", app_tensors_to_variant (facts->tensors));

  json = app_variant_to_json (g_variant_builder_end (&builder));
  g_print ("%s\n", json);
}

/* --- A model of this machine ----------------------------------------------------------------------- */

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
find_facts (const Options *options,
            Facts         *facts)
{
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimModel) model = open_model (options, wait, &error);

  if (model == NULL)
    return cli_wait_get_exit_code (wait, cli_report (error));

  facts->name = g_strdup (zim_model_get_name (model));
  facts->variant = g_strdup (app_enum_nick (ZIM_TYPE_VARIANT, zim_model_get_variant (model)));
  facts->quantization = g_strdup (zim_model_get_quantization (model));
  facts->n_parameters = (gint64) zim_model_get_n_parameters (model);
  facts->size = (gint64) zim_model_get_size (model);
  facts->width = zim_model_get_default_width (model);
  facts->height = zim_model_get_default_height (model);
  facts->steps = zim_model_get_default_steps (model);
  facts->guidance = zim_model_get_default_guidance (model);
  if (options->verbose)
    facts->tensors = zim_model_list_tensors (model);
  return CLI_EXIT_OK;
}

/* --- A model of a server --------------------------------------------------------------------------- */

static char *
read_text (GVariant   *dict,
           const char *name)
{
  char *text = NULL;

  app_dict_read_text (dict, name, &text, NULL);
  return text != NULL ? text : g_strdup ("");
}

static GVariant *
read_shape (GVariant *tensor)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("ax"));
  g_autoptr(GVariant) shape = g_variant_lookup_value (tensor, "shape", G_VARIANT_TYPE ("av"));

  for (gsize i = 0; shape != NULL && i < g_variant_n_children (shape); i++)
    {
      g_autoptr(GVariant) boxed = g_variant_get_child_value (shape, i);
      g_autoptr(GVariant) dim = g_variant_get_variant (boxed);

      g_variant_builder_add (&builder, "x", g_variant_is_of_type (dim, G_VARIANT_TYPE_INT64) ? g_variant_get_int64 (dim)
                                                                                           : (gint64) 0);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
read_tensors (GVariant *answer)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(ssaxt)"));
  g_autoptr(GVariant) tensors = g_variant_lookup_value (answer, "tensors", G_VARIANT_TYPE ("av"));

  for (gsize i = 0; tensors != NULL && i < g_variant_n_children (tensors); i++)
    {
      g_autoptr(GVariant) boxed = g_variant_get_child_value (tensors, i);
      g_autoptr(GVariant) tensor = g_variant_get_variant (boxed);
      g_autofree char *name = NULL;
      g_autofree char *type = NULL;
      gint64 size = 0;

      if (!g_variant_is_of_type (tensor, G_VARIANT_TYPE_VARDICT))
        continue;
      name = read_text (tensor, "name");
      type = read_text (tensor, "type");
      app_dict_read_whole (tensor, "size", 0, G_MAXINT64, &size, NULL);
      g_variant_builder_add (&builder, "(ss@axt)", name, type, read_shape (tensor), (guint64) size);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static void
read_facts (GVariant *answer,
            Facts    *facts)
{
  g_autoptr(GVariant) nothing = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  g_autoptr(GVariant) info = g_variant_lookup_value (answer, "model_info", G_VARIANT_TYPE_VARDICT);
  g_autoptr(GVariant) details = g_variant_lookup_value (answer, "details", G_VARIANT_TYPE_VARDICT);
  GVariant *dict = info != NULL ? info : nothing;

  facts->name = read_text (dict, "general.name");
  facts->variant = read_text (dict, "image.variant");
  facts->quantization = read_text (details != NULL ? details : nothing, "quantization_level");
  app_dict_read_whole (dict, "general.parameter_count", 0, G_MAXINT64, &facts->n_parameters, NULL);
  app_dict_read_whole (dict, "general.size", 0, G_MAXINT64, &facts->size, NULL);
  app_dict_read_whole (dict, "image.width", 0, G_MAXINT, &facts->width, NULL);
  app_dict_read_whole (dict, "image.height", 0, G_MAXINT, &facts->height, NULL);
  app_dict_read_whole (dict, "image.steps", 0, G_MAXINT, &facts->steps, NULL);
  g_variant_lookup (dict, "image.guidance_scale", "d", &facts->guidance);
}

static int
ask_server (AppClient     *client,
            const Options *options,
            Facts         *facts)
{
  GVariantBuilder body;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) answer = NULL;

  g_variant_builder_init (&body, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&body, "model", "s", options->names[0]);
  app_dict_add (&body, "verbose", "b", options->verbose);
  answer = app_client_ask (client, "POST", "/api/show", g_variant_builder_end (&body), &error);
  if (answer == NULL)
    return cli_report (error);

  read_facts (answer, facts);
  if (options->verbose)
    facts->tensors = read_tensors (answer);
  return CLI_EXIT_OK;
}

/* --- The command ----------------------------------------------------------------------------------- */

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
  g_auto(Facts) facts = { NULL };
  int code;

  g_option_context_set_summary (context,
    _("Tells what a model is: one of the store, a folder or a file, or one of the server in ZIMAGE_HOST."));
  g_option_context_add_main_entries (context, entries, NULL);
  if (!cli_parse (context, "show", &argc, &argv))
    return CLI_EXIT_USAGE;
  if (options.names == NULL || g_strv_length (options.names) != 1)
    return cli_usage_error ("show", _("one model is expected: zimage show z-image"));

  if (!cli_remote_wanted (&client, &code))
    code = find_facts (&options, &facts);
  else if (client != NULL)
    code = ask_server (client, &options, &facts);
  if (code != CLI_EXIT_OK)
    return code;

  if (options.json)
    print_json (&facts);
  else
    print_table (&facts);
  return CLI_EXIT_OK;
}
