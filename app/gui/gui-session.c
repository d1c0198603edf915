/* gui-session.c: what the windows share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-session.h"

#include <string.h>

#include "gui-shape.h"

#define LATEST ":latest"

struct _GuiSession
{
  GObject        parent_instance;

  GSettings     *settings;
  ZimStore      *store;
  GtkStringList *models;
  GListStore    *devices;
  GuiGenerator  *generator;
  GuiQueue      *queue;
  GuiHistory    *history;
  gboolean       has_demo;
};

G_DEFINE_FINAL_TYPE (GuiSession, gui_session, G_TYPE_OBJECT)

enum {
  MESSAGE,
  PICTURE_SAVED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
gui_session_dispose (GObject *object)
{
  GuiSession *self = GUI_SESSION (object);

  if (self->queue != NULL)
    gui_queue_cancel_all (self->queue);
  g_clear_object (&self->queue);
  g_clear_object (&self->generator);
  g_clear_object (&self->history);
  g_clear_object (&self->store);
  g_clear_object (&self->models);
  g_clear_object (&self->devices);
  g_clear_object (&self->settings);
  G_OBJECT_CLASS (gui_session_parent_class)->dispose (object);
}

static void
gui_session_class_init (GuiSessionClass *class)
{
  G_OBJECT_CLASS (class)->dispose = gui_session_dispose;

  signals[MESSAGE] = g_signal_new ("message", GUI_TYPE_SESSION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                   G_TYPE_STRING);
  signals[PICTURE_SAVED] = g_signal_new ("picture-saved", GUI_TYPE_SESSION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                         G_TYPE_NONE, 2, GUI_TYPE_PICTURE, ZIM_TYPE_IMAGE);
}

void
gui_session_tell (GuiSession *self,
                  const char *message)
{
  g_signal_emit (self, signals[MESSAGE], 0, message);
}

static void
history_failed_cb (GuiHistory *history,
                   const char *message,
                   GuiSession *self)
{
  gui_session_tell (self, message);
}

/* Models and devices */

static void
list_models (GuiSession *self)
{
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->store));
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new ();
  g_auto(GStrv) names = NULL;

  for (guint i = 0; i < n; i++)
    {
      g_autoptr(ZimStoredModel) model = g_list_model_get_item (G_LIST_MODEL (self->store), i);
      g_autofree char *name = g_strdup (zim_stored_model_get_name (model));

      /* What every name without a tag has need not be read. */
      if (g_str_has_suffix (name, LATEST))
        name[strlen (name) - strlen (LATEST)] = '\0';
      g_strv_builder_add (builder, name);
    }
  if (self->has_demo)
    g_strv_builder_add (builder, GUI_DEMO_MODEL);
  names = g_strv_builder_end (builder);
  gtk_string_list_splice (self->models, 0, g_list_model_get_n_items (G_LIST_MODEL (self->models)),
                          (const char *const *) names);
}

static void
refreshed_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr(GuiSession) self = user_data;
  g_autoptr(GError) error = NULL;

  if (!zim_store_refresh_finish (ZIM_STORE (source), result, &error))
    gui_session_tell (self, error->message);
}

static void
devices_in_thread (GTask        *task,
                   gpointer      source,
                   gpointer      task_data,
                   GCancellable *cancellable)
{
  g_task_return_pointer (task, zim_device_list (), g_object_unref);
}

static void
devices_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      user_data)
{
  GuiSession *self = GUI_SESSION (source);
  g_autoptr(GListModel) devices = g_task_propagate_pointer (G_TASK (result), NULL);

  for (guint i = 0; self->devices != NULL && i < g_list_model_get_n_items (devices); i++)
    {
      g_autoptr(ZimDevice) device = g_list_model_get_item (devices, i);

      g_list_store_append (self->devices, device);
    }
}

/* Asking for devices loads drivers, which takes its time. */
static void
list_devices (GuiSession *self)
{
  g_autoptr(GTask) task = g_task_new (self, NULL, devices_cb, NULL);

  g_task_set_source_tag (task, list_devices);
  g_task_run_in_thread (task, devices_in_thread);
}

static void
prepare (GuiSession *self)
{
  g_autofree char *model = g_settings_get_string (self->settings, "model");
  g_autofree char *device = g_settings_get_string (self->settings, "device");

  gui_generator_prepare (self->generator, *model != '\0' ? model : NULL, device);
}

/* The chosen model may be another now. */
static void
store_changed_cb (GuiSession *self)
{
  list_models (self);
  prepare (self);
}

static void
choice_changed_cb (GSettings  *settings,
                   const char *key,
                   GuiSession *self)
{
  prepare (self);
}

static void
folder_changed_cb (GSettings  *settings,
                   const char *key,
                   GuiSession *self)
{
  g_autofree char *folder = g_settings_get_string (settings, "folder");
  g_autofree char *standard = gui_history_default_folder ();

  gui_history_set_folder (self->history, *folder != '\0' ? folder : standard);
}

/* Tasks */

typedef struct
{
  GuiSession *session;
  ZimImage   *image;
} Saving;

static void
saved_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  Saving *saving = user_data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GuiPicture) picture = gui_history_save_finish (GUI_HISTORY (source), result, &error);

  if (picture != NULL)
    g_signal_emit (saving->session, signals[PICTURE_SAVED], 0, picture, saving->image);
  else
    gui_session_tell (saving->session, error->message);
  g_object_unref (saving->session);
  g_object_unref (saving->image);
  g_free (saving);
}

static void
images_cb (GListModel *images,
           guint       position,
           guint       removed,
           guint       added,
           GuiSession *self)
{
  for (guint i = position; i < position + added && self->history != NULL; i++)
    {
      Saving *saving = g_new0 (Saving, 1);

      saving->session = g_object_ref (self);
      saving->image = g_list_model_get_item (images, i);
      gui_history_save_async (self->history, saving->image, saved_cb, saving);
    }
}

void
gui_session_add_task (GuiSession *self,
                      ZimParams  *params,
                      const char *model)
{
  g_autofree char *device = g_settings_get_string (self->settings, "device");
  g_autofree char *shape = g_settings_get_string (self->settings, "shape");
  g_autoptr(GuiTask) task = gui_task_new (params, model, device, g_settings_get_boolean (self->settings, "preview"));

  gui_task_set_shape (task, gui_shape_find (shape));
  g_signal_connect_object (gui_task_get_images (task), "items-changed", G_CALLBACK (images_cb), self, 0);
  gui_queue_add (self->queue, task);
}

static void
gui_session_init (GuiSession *self)
{
  self->settings = g_settings_new (GUI_APPLICATION_ID);
  self->store = zim_store_new (NULL);
  self->models = gtk_string_list_new (NULL);
  self->devices = g_list_store_new (ZIM_TYPE_DEVICE);
  self->generator = gui_generator_new ();
  self->queue = gui_queue_new (self->generator);
  self->history = gui_history_new ();
  self->has_demo = zim_model_is_installed (GUI_DEMO_MODEL);

  g_settings_bind (self->settings, "use-service", self->generator, "remote", G_SETTINGS_BIND_GET);
  g_signal_connect_object (self->history, "failed", G_CALLBACK (history_failed_cb), self, 0);
  g_signal_connect_object (self->store, "items-changed", G_CALLBACK (store_changed_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->settings, "changed::model", G_CALLBACK (choice_changed_cb), self, 0);
  g_signal_connect_object (self->settings, "changed::device", G_CALLBACK (choice_changed_cb), self, 0);
  g_signal_connect_object (self->settings, "changed::folder", G_CALLBACK (folder_changed_cb), self, 0);
}

GuiSession *
gui_session_new (void)
{
  GuiSession *self = g_object_new (GUI_TYPE_SESSION, NULL);

  list_models (self);
  list_devices (self);
  zim_store_refresh_async (self->store, NULL, refreshed_cb, g_object_ref (self));
  folder_changed_cb (self->settings, "folder", self);
  prepare (self);
  return self;
}

GSettings *
gui_session_get_settings (GuiSession *self)
{
  return self->settings;
}

ZimStore *
gui_session_get_store (GuiSession *self)
{
  return self->store;
}

GListModel *
gui_session_get_models (GuiSession *self)
{
  return G_LIST_MODEL (self->models);
}

GListModel *
gui_session_get_devices (GuiSession *self)
{
  return G_LIST_MODEL (self->devices);
}

GuiGenerator *
gui_session_get_generator (GuiSession *self)
{
  return self->generator;
}

GuiQueue *
gui_session_get_queue (GuiSession *self)
{
  return self->queue;
}

GuiHistory *
gui_session_get_history (GuiSession *self)
{
  return self->history;
}

gboolean
gui_session_has_demo (GuiSession *self)
{
  return self->has_demo;
}

char *
gui_session_choose_model (GuiSession *self)
{
  g_autofree char *model = g_settings_get_string (self->settings, "model");

  if (*model != '\0')
    return g_steal_pointer (&model);
  if (g_list_model_get_n_items (G_LIST_MODEL (self->models)) == 0)
    return NULL;
  g_settings_set_string (self->settings, "model", gtk_string_list_get_string (self->models, 0));
  return g_settings_get_string (self->settings, "model");
}
