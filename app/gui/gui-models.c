/* gui-models.c: the page of the models
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-models.h"

#include <glib/gi18n.h>

#include "app-file-names.h"
#include "app-format.h"
#include "gui-machine.h"
#include "gui-transfer-row.h"

struct _GuiModels
{
  AdwBin               parent_instance;

  AdwPreferencesGroup *transfers_group;
  AdwPreferencesGroup *get_group;
  GtkListBox          *list;
  GtkEditable         *name_row;

  GuiSession          *session;
  guint                n_transfers;
};

G_DEFINE_FINAL_TYPE (GuiModels, gui_models, ADW_TYPE_BIN)

/* Several things at once are asked and done; each has its own state. */
typedef struct
{
  GuiModels      *models;
  char           *name;
  GuiTransferRow *row; /* (nullable) */
} Work;

static Work *
work_new (GuiModels  *models,
          const char *name)
{
  Work *work = g_new0 (Work, 1);

  work->models = g_object_ref (models);
  work->name = g_strdup (name);
  return work;
}

static void
work_free (Work *work)
{
  g_object_unref (work->models);
  g_free (work->name);
  g_free (work);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Work, work_free)

static GtkWindow *
get_window (GuiModels *self)
{
  return GTK_WINDOW (gtk_widget_get_root (GTK_WIDGET (self)));
}

static ZimStore *
get_store (GuiModels *self)
{
  return gui_session_get_store (self->session);
}

static void
begin (Work       *work,
       const char *title)
{
  GuiModels *self = work->models;

  work->row = GUI_TRANSFER_ROW (gui_transfer_row_new (title));
  adw_preferences_group_add (self->transfers_group, GTK_WIDGET (work->row));
  self->n_transfers++;
  gtk_widget_set_visible (GTK_WIDGET (self->transfers_group), TRUE);
}

/* A model that is the first one is chosen. */
static void
end (Work         *work,
     const GError *error)
{
  GuiModels *self = work->models;
  g_autofree char *chosen = NULL;

  adw_preferences_group_remove (self->transfers_group, GTK_WIDGET (work->row));
  self->n_transfers--;
  gtk_widget_set_visible (GTK_WIDGET (self->transfers_group), self->n_transfers > 0);
  if (error == NULL)
    chosen = gui_session_choose_model (self->session);
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    gui_session_tell (self->session, error->message);
}

/* Pulling */

static void
pulled_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr(Work) work = user_data;
  g_autoptr(GError) error = NULL;

  zim_store_pull_finish (ZIM_STORE (source), result, &error);
  end (work, error);
}

static void
pull_agreed_cb (AdwMessageDialog *dialog,
                const char       *response,
                gpointer          user_data)
{
  Work *work = user_data;
  g_autofree char *title = g_strdup_printf (_("Getting %s"), work->name);

  if (!g_str_equal (response, "get"))
    {
      work_free (work);
      return;
    }
  begin (work, title);
  zim_store_pull_async (get_store (work->models), work->name, NULL, gui_transfer_row_get_transfer (work->row),
                        gui_transfer_row_get_cancellable (work->row), pulled_cb, work);
}

static char *
describe_pull (guint64 size,
               guint64 space)
{
  g_autofree char *needed = app_format_memory (size);
  g_autofree char *there = app_format_memory (space);
  g_autofree char *memory = app_format_memory (gui_machine_get_memory ());
  const char *verdict = size > space ? _("That is not enough space.")
                        : size > gui_machine_get_memory ()
                          ? _("It is larger than the memory: without a graphics card it will be slow.")
                          : _("That is enough.");

  return g_strdup_printf (_("There are %s to fetch. This machine has %s of free space and %s of memory. %s"), needed,
                          there, memory, verdict);
}

static void
measured_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr(Work) work = user_data;
  g_autoptr(GError) error = NULL;
  g_autofree char *title = g_strdup_printf (_("Get %s?"), work->name);
  g_autofree char *body = NULL;
  GtkWidget *dialog;
  guint64 size, space;

  if (!zim_store_measure_pull_finish (ZIM_STORE (source), result, &size, &space, &error))
    {
      gui_session_tell (work->models->session, error->message);
      return;
    }
  body = describe_pull (size, space);
  dialog = adw_message_dialog_new (get_window (work->models), title, body);
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _("_Cancel"), "get", _("_Get"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "get", ADW_RESPONSE_SUGGESTED);
  adw_message_dialog_set_response_enabled (ADW_MESSAGE_DIALOG (dialog), "get", size <= space);
  g_signal_connect (dialog, "response", G_CALLBACK (pull_agreed_cb), g_steal_pointer (&work));
  gtk_window_present (GTK_WINDOW (dialog));
}

void
gui_models_pull (GuiModels  *self,
                 const char *name)
{
  g_autofree char *text = g_strdup_printf (_("“%s” is no name of a model on the network"), name);

  if (zim_store_can_pull (name))
    zim_store_measure_pull_async (get_store (self), name, NULL, NULL, measured_cb, work_new (self, name));
  else
    gui_session_tell (self->session, text);
}

static void
apply_cb (GtkEditable *row,
          GuiModels   *self)
{
  g_autofree char *name = g_strstrip (g_strdup (gtk_editable_get_text (row)));

  if (*name != '\0')
    gui_models_pull (self, name);
  gtk_editable_set_text (row, "");
}

/* Creating */

static void
created_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr(Work) work = user_data;
  g_autoptr(GError) error = NULL;

  zim_store_create_finish (ZIM_STORE (source), result, &error);
  end (work, error);
}

static void
create_from (Work     *work,
             ZimModel *model,
             GError   *error)
{
  if (model == NULL)
    {
      end (work, error);
      work_free (work);
      return;
    }
  zim_store_create_async (get_store (work->models), work->name, model, NULL, NULL,
                          gui_transfer_row_get_transfer (work->row), gui_transfer_row_get_cancellable (work->row),
                          created_cb, work);
}

static void
folder_opened_cb (GObject      *source,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimModel) model = zim_model_open_finish (result, &error);

  create_from (user_data, model, error);
}

static void
files_opened_cb (GObject      *source,
                 GAsyncResult *result,
                 gpointer      user_data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimModel) model = zim_model_open_files_finish (result, &error);

  create_from (user_data, model, error);
}

void
gui_models_create (GuiModels         *self,
                   const char        *name,
                   const char *const *paths)
{
  Work *work = work_new (self, name);
  g_autofree char *title = g_strdup_printf (_("Adding %s"), name);
  GCancellable *cancellable;

  begin (work, title);
  cancellable = gui_transfer_row_get_cancellable (work->row);
  if (paths[1] == NULL)
    zim_model_open_async (paths[0], cancellable, folder_opened_cb, work);
  else
    zim_model_open_files_async (paths, NULL, cancellable, files_opened_cb, work);
}

/* Asking for a name */

static void
named_cb (AdwMessageDialog *dialog,
          const char       *response,
          GuiModels        *self)
{
  GtkEditable *entry = GTK_EDITABLE (adw_message_dialog_get_extra_child (dialog));
  const char *const *paths = g_object_get_data (G_OBJECT (dialog), "paths");
  g_autofree char *name = g_strstrip (g_strdup (gtk_editable_get_text (entry)));

  if (g_str_equal (response, "add") && *name != '\0')
    gui_models_create (self, name, paths);
}

static void
ask_name (GuiModels *self,
          GStrv      paths)
{
  g_autofree char *base = g_path_get_basename (paths[0]);
  g_autofree char *name = app_slug (base);
  GtkWidget *entry = gtk_entry_new ();
  GtkWidget *dialog = adw_message_dialog_new (get_window (self), _("Name the Model"), NULL);

  gtk_editable_set_text (GTK_EDITABLE (entry), name);
  gtk_entry_set_activates_default (GTK_ENTRY (entry), TRUE);
  gtk_accessible_update_property (GTK_ACCESSIBLE (entry), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Name"), -1);
  adw_message_dialog_set_extra_child (ADW_MESSAGE_DIALOG (dialog), entry);
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _("_Cancel"), "add", _("_Add"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "add", ADW_RESPONSE_SUGGESTED);
  adw_message_dialog_set_default_response (ADW_MESSAGE_DIALOG (dialog), "add");
  g_object_set_data_full (G_OBJECT (dialog), "paths", paths, (GDestroyNotify) g_strfreev);
  g_signal_connect_object (dialog, "response", G_CALLBACK (named_cb), self, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
chosen_cb (GtkNativeDialog *dialog,
           int              response,
           GuiModels       *self)
{
  g_autoptr(GListModel) files = gtk_file_chooser_get_files (GTK_FILE_CHOOSER (dialog));
  g_autoptr(GStrvBuilder) paths = g_strv_builder_new ();

  for (guint i = 0; response == GTK_RESPONSE_ACCEPT && i < g_list_model_get_n_items (files); i++)
    {
      g_autoptr(GFile) file = g_list_model_get_item (files, i);

      if (g_file_peek_path (file) != NULL)
        g_strv_builder_add (paths, g_file_peek_path (file));
    }
  if (response == GTK_RESPONSE_ACCEPT && g_list_model_get_n_items (files) > 0)
    ask_name (self, g_strv_builder_end (paths));
  g_object_unref (dialog);
}

void
gui_models_choose (GuiModels *self,
                   gboolean   is_folder)
{
  GtkFileChooserNative *dialog =
    gtk_file_chooser_native_new (is_folder ? _("Folder of a Model") : _("Files of a Model"), get_window (self),
                                 is_folder ? GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER : GTK_FILE_CHOOSER_ACTION_OPEN,
                                 NULL, NULL);

  gtk_file_chooser_set_select_multiple (GTK_FILE_CHOOSER (dialog), !is_folder);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (chosen_cb), self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

/* Removing */

static void
removed_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr(Work) work = user_data;
  g_autoptr(GError) error = NULL;
  GSettings *settings = gui_session_get_settings (work->models->session);
  g_autofree char *chosen = g_settings_get_string (settings, "model");

  if (!zim_store_remove_finish (ZIM_STORE (source), result, &error))
    gui_session_tell (work->models->session, error->message);
  else if (g_str_equal (chosen, work->name))
    g_settings_reset (settings, "model");
}

static void
remove_agreed_cb (AdwMessageDialog *dialog,
                  const char       *response,
                  gpointer          user_data)
{
  Work *work = user_data;

  if (g_str_equal (response, "remove"))
    zim_store_remove_async (get_store (work->models), work->name, NULL, removed_cb, work);
  else
    work_free (work);
}

void
gui_models_remove (GuiModels  *self,
                   const char *name)
{
  g_autofree char *title = g_strdup_printf (_("Remove %s?"), name);
  GtkWidget *dialog = adw_message_dialog_new (get_window (self), title,
                                              _("It has to be fetched or added again to be used."));

  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _("_Cancel"), "remove", _("_Remove"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "remove", ADW_RESPONSE_DESTRUCTIVE);
  g_signal_connect (dialog, "response", G_CALLBACK (remove_agreed_cb), work_new (self, name));
  gtk_window_present (GTK_WINDOW (dialog));
}

/* The list */

static GtkWidget *
create_remove_button (const char *name)
{
  GtkWidget *button = gtk_button_new_from_icon_name ("user-trash-symbolic");
  g_autofree char *label = g_strdup_printf (_("Remove %s"), name);

  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_tooltip_text (button, label);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, label, -1);
  gtk_actionable_set_action_name (GTK_ACTIONABLE (button), "win.remove-model");
  gtk_actionable_set_action_target (GTK_ACTIONABLE (button), "s", name);
  return button;
}

static GtkWidget *
create_row (gpointer item,
            gpointer user_data)
{
  GuiModels *self = user_data;
  const char *name = gtk_string_object_get_string (item);
  g_autoptr(ZimStoredModel) stored = zim_store_find (get_store (self), name);
  g_autofree char *size = stored != NULL ? app_format_memory (zim_stored_model_get_size (stored)) : NULL;
  GtkWidget *row = adw_action_row_new ();
  GtkWidget *check = gtk_check_button_new ();

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), name);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), size != NULL ? size : _("Installed with the application"));
  gtk_actionable_set_action_name (GTK_ACTIONABLE (check), "settings.model");
  gtk_actionable_set_action_target (GTK_ACTIONABLE (check), "s", name);
  gtk_widget_set_valign (check, GTK_ALIGN_CENTER);
  adw_action_row_add_prefix (ADW_ACTION_ROW (row), check);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), check);
  if (stored != NULL)
    adw_action_row_add_suffix (ADW_ACTION_ROW (row), create_remove_button (name));
  return row;
}

static void
show_machine (GuiModels *self)
{
  g_autofree char *memory = app_format_memory (gui_machine_get_memory ());
  g_autofree char *space = app_format_memory (gui_machine_get_space (zim_store_get_path (get_store (self))));
  g_autofree char *text = g_strdup_printf (_("This machine has %s of memory and %s of free space."), memory, space);

  adw_preferences_group_set_description (self->get_group, text);
}

void
gui_models_set_session (GuiModels  *self,
                        GuiSession *session)
{
  self->session = g_object_ref (session);
  gtk_list_box_bind_model (self->list, gui_session_get_models (session), create_row, self, NULL);
  show_machine (self);
}

static void
gui_models_dispose (GObject *object)
{
  g_clear_object (&GUI_MODELS (object)->session);
  G_OBJECT_CLASS (gui_models_parent_class)->dispose (object);
}

static void
gui_models_class_init (GuiModelsClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = gui_models_dispose;

  gtk_widget_class_set_template_from_resource (widget_class, "/io/github/zimage/Zimage/gui-models.ui");
  gtk_widget_class_bind_template_child (widget_class, GuiModels, transfers_group);
  gtk_widget_class_bind_template_child (widget_class, GuiModels, get_group);
  gtk_widget_class_bind_template_child (widget_class, GuiModels, list);
  gtk_widget_class_bind_template_child (widget_class, GuiModels, name_row);
}

static void
gui_models_init (GuiModels *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect (self->name_row, "apply", G_CALLBACK (apply_cb), self);
}
