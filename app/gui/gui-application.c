/* gui-application.c: the application
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-application.h"

#include <glib/gi18n.h>

#include "gui-preferences.h"
#include "gui-window.h"

struct _GuiApplication
{
  AdwApplication  parent_instance;

  GuiSession     *session;
  guint           inhibited; /* a cookie, or 0 */
};

G_DEFINE_FINAL_TYPE (GuiApplication, gui_application, ADW_TYPE_APPLICATION)

GuiSession *
gui_application_get_session (GuiApplication *self)
{
  return self->session;
}

static GuiWindow *
present_window (GuiApplication *self)
{
  GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (self));

  while (window != NULL && !GUI_IS_WINDOW (window))
    window = gtk_window_get_transient_for (window);
  if (window == NULL)
    window = GTK_WINDOW (gui_window_new (GTK_APPLICATION (self), self->session));
  gtk_window_present (window);
  return GUI_WINDOW (window);
}

/* Actions */

static void
new_image (GSimpleAction *action,
           GVariant      *parameter,
           gpointer       user_data)
{
  gui_window_new_image (present_window (user_data));
}

static void
show_studio (GSimpleAction *action,
             GVariant      *parameter,
             gpointer       user_data)
{
  gui_window_show_view (present_window (user_data), "studio");
}

static void
show_picture (GSimpleAction *action,
              GVariant      *parameter,
              gpointer       user_data)
{
  gui_window_show_picture (present_window (user_data), g_variant_get_string (parameter, NULL));
}

static void
preferences (GSimpleAction *action,
             GVariant      *parameter,
             gpointer       user_data)
{
  GuiApplication *self = user_data;
  GuiWindow *window = present_window (self);
  GtkWidget *dialog = gui_preferences_new (self->session);

  gtk_window_set_transient_for (GTK_WINDOW (dialog), GTK_WINDOW (window));
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
about (GSimpleAction *action,
       GVariant      *parameter,
       gpointer       user_data)
{
  const char *developers[] = { _("The libzimage developers"), NULL };

  adw_show_about_window (GTK_WINDOW (present_window (user_data)),
                         "application-name", _("Zimage"),
                         "application-icon", GUI_APPLICATION_ID,
                         "version", ZIM_VERSION_STRING,
                         "developer-name", _("The libzimage developers"),
                         "developers", developers,
                         "comments", _("Paints pictures from words, on your own machine."),
                         "license-type", GTK_LICENSE_GPL_3_0,
                         NULL);
}

static void
quit (GSimpleAction *action,
      GVariant      *parameter,
      gpointer       user_data)
{
  GuiApplication *self = user_data;
  GList *windows = g_list_copy (gtk_application_get_windows (GTK_APPLICATION (self)));

  for (GList *l = windows; l != NULL; l = l->next)
    gtk_window_close (l->data);
  g_list_free (windows);
}

static void
add_actions (GuiApplication *self)
{
  const GActionEntry entries[] = {
    { "new-image", new_image },
    { "show-studio", show_studio },
    { "show-picture", show_picture, "s" },
    { "preferences", preferences },
    { "about", about },
    { "quit", quit },
  };
  GtkApplication *application = GTK_APPLICATION (self);

  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
  gtk_application_set_accels_for_action (application, "app.new-image", (const char *[]) { "<Control>n", NULL });
  gtk_application_set_accels_for_action (application, "app.preferences", (const char *[]) { "<Control>comma", NULL });
  gtk_application_set_accels_for_action (application, "app.quit", (const char *[]) { "<Control>q", NULL });
  gui_window_set_accels (application);
}

/* Work */

/* A machine that sleeps paints nothing. */
static void
stay_awake (GuiApplication *self)
{
  gboolean is_busy = gui_queue_get_length (gui_session_get_queue (self->session)) > 0 &&
                     g_settings_get_boolean (gui_session_get_settings (self->session), "keep-awake");

  if (is_busy && self->inhibited == 0)
    self->inhibited = gtk_application_inhibit (GTK_APPLICATION (self),
                                               gtk_application_get_active_window (GTK_APPLICATION (self)),
                                               GTK_APPLICATION_INHIBIT_SUSPEND, _("A picture is being painted"));
  else if (!is_busy && self->inhibited != 0)
    {
      gtk_application_uninhibit (GTK_APPLICATION (self), self->inhibited);
      self->inhibited = 0;
    }
}

static gboolean
is_in_front (GuiApplication *self)
{
  GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (self));

  return window != NULL && gtk_window_is_active (window);
}

static void
saved_cb (GuiApplication *self,
          GuiPicture     *picture,
          ZimImage       *image)
{
  g_autoptr(GNotification) notification = NULL;
  g_autoptr(GFile) file = gui_picture_get_file (picture);
  g_autoptr(GIcon) icon = g_file_icon_new (file);

  if (is_in_front (self) || !g_settings_get_boolean (gui_session_get_settings (self->session), "notify"))
    return;
  notification = g_notification_new (_("Picture Finished"));
  g_notification_set_body (notification, zim_params_get_prompt (zim_image_get_params (image)));
  g_notification_set_icon (notification, icon);
  g_notification_set_default_action_and_target (notification, "app.show-picture", "s",
                                                gui_picture_get_path (picture));
  g_application_send_notification (G_APPLICATION (self), "picture", notification);
}

static void
task_done_cb (GuiApplication *self,
              GuiTask        *task)
{
  g_autoptr(GNotification) notification = NULL;

  if (gui_task_get_state (task) != ZIM_JOB_STATE_FAILED || is_in_front (self) ||
      !g_settings_get_boolean (gui_session_get_settings (self->session), "notify"))
    return;
  notification = g_notification_new (_("No Picture Was Made"));
  g_notification_set_body (notification, gui_task_get_error (task)->message);
  g_notification_set_default_action (notification, "app.show-studio"); /* where the error is, and what to do */
  g_application_send_notification (G_APPLICATION (self), "picture", notification);
}

/* Life */

static void
gui_application_startup (GApplication *application)
{
  GuiApplication *self = GUI_APPLICATION (application);

  G_APPLICATION_CLASS (gui_application_parent_class)->startup (application);
  gtk_window_set_default_icon_name (GUI_APPLICATION_ID);
  self->session = gui_session_new ();
  add_actions (self);
  g_signal_connect_object (gui_session_get_queue (self->session), "items-changed", G_CALLBACK (stay_awake), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (gui_session_get_settings (self->session), "changed::keep-awake", G_CALLBACK (stay_awake),
                           self, G_CONNECT_SWAPPED);
  g_signal_connect_object (gui_session_get_queue (self->session), "task-done", G_CALLBACK (task_done_cb), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (self->session, "picture-saved", G_CALLBACK (saved_cb), self, G_CONNECT_SWAPPED);
}

static void
gui_application_shutdown (GApplication *application)
{
  GuiApplication *self = GUI_APPLICATION (application);

  gui_history_flush (gui_session_get_history (self->session));
  /* The session outlives this while a picture is being saved. */
  g_signal_handlers_disconnect_by_data (gui_session_get_queue (self->session), self);
  g_signal_handlers_disconnect_by_data (gui_session_get_settings (self->session), self);
  g_signal_handlers_disconnect_by_data (self->session, self);
  g_clear_object (&self->session);
  G_APPLICATION_CLASS (gui_application_parent_class)->shutdown (application);
}

static void
gui_application_activate (GApplication *application)
{
  present_window (GUI_APPLICATION (application));
}

static int
gui_application_command_line (GApplication            *application,
                              GApplicationCommandLine *command_line)
{
  GuiApplication *self = GUI_APPLICATION (application);
  GVariantDict *options = g_application_command_line_get_options_dict (command_line);
  g_autofree const char **words = NULL;
  g_autofree char *prompt = NULL;

  if (g_variant_dict_lookup (options, G_OPTION_REMAINING, "^a&s", &words))
    prompt = g_strjoinv (" ", (char **) words);
  if (prompt != NULL)
    gui_window_generate (present_window (self), prompt);
  else if (g_variant_dict_contains (options, "new"))
    gui_window_new_image (present_window (self));
  else
    present_window (self);
  return 0;
}

static int
gui_application_handle_local_options (GApplication *application,
                                      GVariantDict *options)
{
  if (!g_variant_dict_contains (options, "version"))
    return -1;
  g_print ("zimage-gtk %s\n", ZIM_VERSION_STRING);
  return 0;
}

static void
gui_application_class_init (GuiApplicationClass *class)
{
  GApplicationClass *application_class = G_APPLICATION_CLASS (class);

  application_class->startup = gui_application_startup;
  application_class->shutdown = gui_application_shutdown;
  application_class->activate = gui_application_activate;
  application_class->command_line = gui_application_command_line;
  application_class->handle_local_options = gui_application_handle_local_options;
}

static void
gui_application_init (GuiApplication *self)
{
  const GOptionEntry entries[] = {
    { "new", 'n', 0, G_OPTION_ARG_NONE, NULL, N_("Begin with an empty prompt"), NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, NULL, N_("Print the version"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, NULL, NULL, N_("[PROMPT]") },
    G_OPTION_ENTRY_NULL
  };

  g_application_add_main_option_entries (G_APPLICATION (self), entries);
  g_application_set_option_context_summary (G_APPLICATION (self),
                                            _("Paints pictures from words. With a prompt, it begins at once."));
}

GuiApplication *
gui_application_new (void)
{
  return g_object_new (GUI_TYPE_APPLICATION,
                       "application-id", GUI_APPLICATION_ID,
                       "flags", G_APPLICATION_HANDLES_COMMAND_LINE,
                       "resource-base-path", "/io/github/zimage/Zimage",
                       NULL);
}
