/* gui-preferences.c: the window of the preferences
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-preferences.h"

#include <glib/gi18n.h>

#include "gui-mnemonics.h"

struct _GuiPreferences
{
  AdwPreferencesWindow  parent_instance;

  AdwActionRow         *folder_row;
  GtkButton            *folder_button;
  GtkSwitch            *preview_switch;
  GtkSwitch            *notify_switch;
  GtkSwitch            *awake_switch;
  GtkSwitch            *service_switch;

  GuiSession           *session;
};

G_DEFINE_FINAL_TYPE (GuiPreferences, gui_preferences, ADW_TYPE_PREFERENCES_WINDOW)

static void
show_folder (GuiPreferences *self)
{
  const char *folder = gui_history_get_folder (gui_session_get_history (self->session));
  g_autofree char *shown = g_filename_display_name (folder);
  g_autofree char *text = g_markup_escape_text (shown, -1);

  adw_action_row_set_subtitle (self->folder_row, text);
}

static void
chosen_cb (GtkNativeDialog *dialog,
           int              response,
           GuiPreferences  *self)
{
  g_autoptr(GFile) folder = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));

  if (response == GTK_RESPONSE_ACCEPT && folder != NULL && g_file_peek_path (folder) != NULL)
    g_settings_set_string (gui_session_get_settings (self->session), "folder", g_file_peek_path (folder));
  g_object_unref (dialog);
}

static void
choose_cb (GtkButton      *button,
           GuiPreferences *self)
{
  GtkFileChooserNative *dialog = gtk_file_chooser_native_new (_("Folder of the Pictures"), GTK_WINDOW (self),
                                                              GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER, NULL, NULL);

  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (chosen_cb), self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

static void
gui_preferences_dispose (GObject *object)
{
  g_clear_object (&GUI_PREFERENCES (object)->session);
  G_OBJECT_CLASS (gui_preferences_parent_class)->dispose (object);
}

static void
gui_preferences_class_init (GuiPreferencesClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = gui_preferences_dispose;

  gtk_widget_class_set_template_from_resource (widget_class, "/io/github/zimage/Zimage/gui-preferences.ui");
  gtk_widget_class_bind_template_child (widget_class, GuiPreferences, folder_row);
  gtk_widget_class_bind_template_child (widget_class, GuiPreferences, folder_button);
  gtk_widget_class_bind_template_child (widget_class, GuiPreferences, preview_switch);
  gtk_widget_class_bind_template_child (widget_class, GuiPreferences, notify_switch);
  gtk_widget_class_bind_template_child (widget_class, GuiPreferences, awake_switch);
  gtk_widget_class_bind_template_child (widget_class, GuiPreferences, service_switch);
}

static void
gui_preferences_init (GuiPreferences *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  gui_mnemonics_hide (GTK_WIDGET (self));
  g_signal_connect (self->folder_button, "clicked", G_CALLBACK (choose_cb), self);
}

GtkWidget *
gui_preferences_new (GuiSession *session)
{
  GuiPreferences *self = g_object_new (GUI_TYPE_PREFERENCES, NULL);
  GSettings *settings = gui_session_get_settings (session);

  self->session = g_object_ref (session);
  g_settings_bind (settings, "preview", self->preview_switch, "active", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "notify", self->notify_switch, "active", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "keep-awake", self->awake_switch, "active", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "use-service", self->service_switch, "active", G_SETTINGS_BIND_DEFAULT);
  /* After the session’s own handler, so that the history has the new folder. */
  g_signal_connect_object (settings, "changed::folder", G_CALLBACK (show_folder), self,
                           G_CONNECT_SWAPPED | G_CONNECT_AFTER);
  show_folder (self);
  return GTK_WIDGET (self);
}
