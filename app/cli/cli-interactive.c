/* cli-interactive.c: prompts typed one after another
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-interactive.h"

#include <glib/gi18n.h>
#include <string.h>

#include "app-fields.h"
#include "cli.h"
#include "cli-generate.h"
#include "cli-line.h"
#include "cli-text.h"

typedef struct
{
  const CliMaker  *maker;
  ZimParams       *params;
  const CliOutput *output;
  gboolean         is_over;
} Session;

typedef struct
{
  const char *name;
  const char *alias;
  const char *arguments;                              /* untranslated */
  const char *help;                                   /* untranslated */
  void      (*run) (Session *self, char *arguments);  /* stripped of blanks, perhaps empty */
} Command;

static void run_set  (Session *self, char *arguments);
static void run_show (Session *self, char *arguments);
static void run_help (Session *self, char *arguments);
static void run_bye  (Session *self, char *arguments);

static const Command commands[] = {
  { "/set", NULL, N_("NAME [VALUE]"), N_("Change a setting; without a value, set it back"), run_set },
  { "/show", NULL, NULL, N_("Show the model and the settings"), run_show },
  { "/help", "/?", NULL, N_("Show this list"), run_help },
  { "/bye", NULL, NULL, N_("Leave; Ctrl+D does the same"), run_bye },
};

/* The prompt is what is typed without a command, and no setting. */
static gboolean
is_setting (const AppField *field)
{
  return !g_str_equal (field->name, "prompt");
}

/* --- Commands -------------------------------------------------------------------------------------- */

static void
print_settings (Session *self)
{
  g_autoptr(GPtrArray) table = cli_table_new ();
  guint n_fields;
  const AppField *fields = app_fields (&n_fields);

  for (guint i = 0; i < n_fields; i++)
    {
      g_autofree char *name = g_strconcat ("  ", fields[i].name, NULL);
      g_autofree char *value = NULL;

      if (!is_setting (&fields[i]))
        continue;
      value = app_field_describe (&fields[i], self->params);
      cli_table_add (table, name, value, NULL);
    }
  cli_table_print (table);
}

static void
print_setting_help (void)
{
  g_autoptr(GPtrArray) table = cli_table_new ();
  guint n_fields;
  const AppField *fields = app_fields (&n_fields);

  for (guint i = 0; i < n_fields; i++)
    {
      g_autofree char *text = NULL;

      if (!is_setting (&fields[i]))
        continue;
      text = g_strdup_printf ("  %s %s", fields[i].name, _(fields[i].argument));
      cli_table_add (table, text, _(fields[i].help), NULL);
    }
  cli_table_print (table);
}

/* A setting that no picture can be made with is refused when it is typed, not when it is used. */
static gboolean
try_setting (Session         *self,
             const AppField  *field,
             const char      *value,
             GError         **error)
{
  g_autoptr(ZimParams) trial = zim_params_copy (self->params);

  zim_params_set_prompt (trial, "?");
  return app_field_set (field, trial, value, error) &&
         zim_params_validate (trial, error) &&
         app_field_set (field, self->params, value, error);
}

static void
run_set (Session *self,
         char    *arguments)
{
  gsize name_length = strcspn (arguments, " \t");
  g_autofree char *name = g_strndup (arguments, name_length);
  const char *value = g_strstrip (arguments + name_length);
  const AppField *field = *name != '\0' ? app_field_find (name) : NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *shown = NULL;

  if (field == NULL || !is_setting (field))
    {
      if (*name == '\0')
        g_printerr (_("Usage: /set NAME [VALUE]\n"));
      else
        g_printerr (_("Unknown setting “%s”; “/help” lists them\n"), name);
      return;
    }

  if (*value == '\0')
    app_field_reset (field, self->params);
  else if (!try_setting (self, field, value, &error))
    {
      g_printerr ("%s\n", error->message);
      return;
    }

  shown = app_field_describe (field, self->params);
  g_printerr (_("Set %s to: %s\n"), field->name, shown);
}

static void
run_show (Session *self,
          char    *arguments)
{
  g_autoptr(GPtrArray) table = cli_table_new ();

  self->maker->describe (self->maker->data, table);
  cli_table_print (table);

  g_print (_("Settings\n"));
  print_settings (self);
}

static void
run_help (Session *self,
          char    *arguments)
{
  g_autoptr(GPtrArray) table = cli_table_new ();

  g_print (_("Type what the picture should show, or a command:\n"));
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      const Command *command = &commands[i];
      g_autofree char *usage = g_strconcat ("  ", command->name,
                                            command->alias != NULL ? ", " : "",
                                            command->alias != NULL ? command->alias : "",
                                            command->arguments != NULL ? " " : "",
                                            command->arguments != NULL ? _(command->arguments) : "",
                                            NULL);

      cli_table_add (table, usage, _(command->help), NULL);
    }
  cli_table_print (table);

  g_print (_("Settings:\n"));
  print_setting_help ();
}

static void
run_bye (Session *self,
         char    *arguments)
{
  self->is_over = TRUE;
}

static void
run_command (Session *self,
             char    *text)
{
  gsize name_length = strcspn (text, " \t");
  g_autofree char *name = g_strndup (text, name_length);

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (name, commands[i].name) || g_strcmp0 (name, commands[i].alias) == 0)
      {
        commands[i].run (self, g_strstrip (text + name_length));
        return;
      }

  g_printerr (_("Unknown command “%s”; “/help” lists them\n"), name);
}

/* --- Completion ------------------------------------------------------------------------------------ */

static const char *const *
list_commands (void)
{
  static const char *names[G_N_ELEMENTS (commands) + 1];

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    names[i] = commands[i].name;
  return names;
}

static const char *const *
list_settings (void)
{
  static const char *names[32];
  guint n_fields, n = 0;
  const AppField *fields = app_fields (&n_fields);

  for (guint i = 0; i < n_fields && n < G_N_ELEMENTS (names) - 1; i++)
    if (is_setting (&fields[i]))
      names[n++] = fields[i].name;
  return names;
}

static const char *const *
complete (const char *before)
{
  static const char *const rngs[] = { "cpu", "cuda", NULL };

  if (*before == '\0')
    return list_commands ();
  if (g_str_equal (before, "/set "))
    return list_settings ();
  if (g_str_equal (before, "/set rng "))
    return rngs;
  return NULL;
}

/* --- Session --------------------------------------------------------------------------------------- */

static char *
get_history_file (void)
{
  const char *no_history = g_getenv ("ZIMAGE_NOHISTORY");

  if (no_history != NULL && *no_history != '\0' && !g_str_equal (no_history, "0"))
    return NULL;

  return g_build_filename (g_get_user_state_dir (), "zimage", "history", NULL);
}

static void
run_prompt (Session    *self,
            const char *prompt)
{
  g_autoptr(ZimParams) params = zim_params_copy (self->params);

  zim_params_set_prompt (params, prompt);
  if (cli_generate_check (params, self->output) == CLI_EXIT_OK)
    self->maker->generate (self->maker->data, params, self->output);
}

static void
run_line (Session *self,
          char    *text)
{
  char *stripped = g_strstrip (text);

  if (*stripped == '/')
    run_command (self, stripped);
  else if (*stripped != '\0')
    run_prompt (self, stripped);
}

int
cli_interactive (const CliMaker  *maker,
                 ZimParams       *params,
                 const CliOutput *output)
{
  g_autofree char *history_file = get_history_file ();
  Session self = { maker, params, output, FALSE };

  cli_line_begin (complete, history_file);
  g_print (_("Describe a picture; “/help” lists the commands.\n"));
  while (!self.is_over)
    {
      g_autofree char *text = cli_line_read (">>> ", _("“/bye” or Ctrl+D leaves."));

      if (text == NULL)
        {
          g_print ("\n");
          break;
        }
      run_line (&self, text);
    }
  cli_line_end ();

  return CLI_EXIT_OK;
}
