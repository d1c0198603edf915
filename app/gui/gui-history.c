/* gui-history.c: the pictures in the user's folder
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-history.h"

#include <glib/gi18n.h>

#include "app-file-names.h"

struct _GuiHistory
{
  GObject       parent_instance;

  char         *folder;
  GListStore   *list;     /* of GuiPicture */
  GHashTable   *by_path;  /* path → GuiPicture, those in the list */
  GHashTable   *removed;  /* the same, those that are not any more, but still on disk */
  GFileMonitor *monitor;
  GCancellable *loading;  /* NULL once the folder is read */
};

G_DEFINE_FINAL_TYPE (GuiHistory, gui_history, G_TYPE_OBJECT)

enum {
  LOADED,
  FAILED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
gui_history_dispose (GObject *object)
{
  GuiHistory *self = GUI_HISTORY (object);

  gui_history_flush (self);
  g_cancellable_cancel (self->loading);
  g_clear_object (&self->loading);
  g_clear_object (&self->monitor);
  G_OBJECT_CLASS (gui_history_parent_class)->dispose (object);
}

static void
gui_history_finalize (GObject *object)
{
  GuiHistory *self = GUI_HISTORY (object);

  g_free (self->folder);
  g_object_unref (self->list);
  g_hash_table_unref (self->by_path);
  g_hash_table_unref (self->removed);
  G_OBJECT_CLASS (gui_history_parent_class)->finalize (object);
}

static void
gui_history_class_init (GuiHistoryClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = gui_history_dispose;
  object_class->finalize = gui_history_finalize;

  signals[LOADED] =
    g_signal_new ("loaded", GUI_TYPE_HISTORY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[FAILED] =
    g_signal_new ("failed", GUI_TYPE_HISTORY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
gui_history_init (GuiHistory *self)
{
  self->list = g_list_store_new (GUI_TYPE_PICTURE);
  self->by_path = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_object_unref);
  self->removed = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_object_unref);
}

GuiHistory *
gui_history_new (void)
{
  return g_object_new (GUI_TYPE_HISTORY, NULL);
}

GListModel *
gui_history_get_list (GuiHistory *self)
{
  return G_LIST_MODEL (self->list);
}

const char *
gui_history_get_folder (GuiHistory *self)
{
  return self->folder;
}

gboolean
gui_history_is_loading (GuiHistory *self)
{
  return self->loading != NULL;
}

char *
gui_history_default_folder (void)
{
  const char *pictures = g_get_user_special_dir (G_USER_DIRECTORY_PICTURES);

  return g_build_filename (pictures != NULL ? pictures : g_get_home_dir (), "Zimage", NULL);
}

/* The list */

static int
compare (gconstpointer a,
         gconstpointer b,
         gpointer      user_data)
{
  return gui_picture_compare (a, b);
}

static void
add (GuiHistory *self,
     GuiPicture *picture)
{
  char *path = (char *) gui_picture_get_path (picture);

  if (g_hash_table_contains (self->by_path, path) || g_hash_table_contains (self->removed, path))
    return;
  g_hash_table_insert (self->by_path, path, g_object_ref (picture));
  g_list_store_insert_sorted (self->list, picture, compare, NULL);
}

/* The picture of a path is no longer in the list. (transfer full) (nullable) */
static GuiPicture *
take (GuiHistory *self,
      const char *path)
{
  GuiPicture *picture = g_hash_table_lookup (self->by_path, path);
  guint position;

  if (picture == NULL)
    return NULL;
  g_object_ref (picture);
  g_hash_table_remove (self->by_path, path);
  if (g_list_store_find (self->list, picture, &position))
    g_list_store_remove (self->list, position);
  return picture;
}

/* Reading the folder */

static gboolean
is_picture (const char *name)
{
  static const char *const extensions[] = { ".png", ".jpg", ".jpeg", ".webp" };

  for (guint i = 0; i < G_N_ELEMENTS (extensions); i++)
    if (*name != '.' && g_str_has_suffix (name, extensions[i]))
      return TRUE;
  return FALSE;
}

/* Files of no bytes are names that somebody has reserved. */
static GuiPicture *
make_picture (const char *path,
              GFileInfo  *info)
{
  g_autoptr(GDateTime) time = g_file_info_get_modification_date_time (info);

  if (g_file_info_get_file_type (info) != G_FILE_TYPE_REGULAR || g_file_info_get_size (info) == 0 || time == NULL)
    return NULL;
  return gui_picture_new (path, g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time));
}

static int
compare_pointers (gconstpointer a,
                  gconstpointer b)
{
  return gui_picture_compare (*(GuiPicture *const *) a, *(GuiPicture *const *) b);
}

#define ATTRIBUTES                                                                                               \
  G_FILE_ATTRIBUTE_STANDARD_NAME "," G_FILE_ATTRIBUTE_STANDARD_TYPE "," G_FILE_ATTRIBUTE_STANDARD_SIZE ","       \
  G_FILE_ATTRIBUTE_TIME_MODIFIED "," G_FILE_ATTRIBUTE_TIME_MODIFIED_USEC

static void
read_in_thread (GTask        *task,
                gpointer      source,
                gpointer      folder,
                GCancellable *cancellable)
{
  g_autoptr(GPtrArray) pictures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr(GFile) file = g_file_new_for_path (folder);
  g_autoptr(GFileEnumerator) files =
    g_file_enumerate_children (file, ATTRIBUTES, G_FILE_QUERY_INFO_NONE, cancellable, NULL);
  GFileInfo *info;

  while (files != NULL && g_file_enumerator_iterate (files, &info, NULL, cancellable, NULL) && info != NULL)
    {
      g_autofree char *path = g_build_filename (folder, g_file_info_get_name (info), NULL);
      GuiPicture *picture = is_picture (g_file_info_get_name (info)) ? make_picture (path, info) : NULL;

      if (picture != NULL)
        g_ptr_array_add (pictures, picture);
    }
  g_ptr_array_sort (pictures, compare_pointers);
  g_task_return_pointer (task, g_steal_pointer (&pictures), (GDestroyNotify) g_ptr_array_unref);
}

static void
read_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  GuiHistory *self = GUI_HISTORY (source);
  g_autoptr(GPtrArray) pictures = g_task_propagate_pointer (G_TASK (result), NULL);
  g_autolist(GuiPicture) early = NULL; /* saved while the folder was read */

  if (pictures == NULL || g_task_get_cancellable (G_TASK (result)) != self->loading)
    return; /* another folder has been chosen */
  g_clear_object (&self->loading);
  early = g_hash_table_get_values (self->by_path);
  g_list_foreach (early, (GFunc) (void *) g_object_ref, NULL);
  g_hash_table_remove_all (self->by_path);
  for (guint i = 0; i < pictures->len; i++)
    {
      GuiPicture *picture = g_ptr_array_index (pictures, i);

      g_hash_table_insert (self->by_path, (char *) gui_picture_get_path (picture), g_object_ref (picture));
    }
  g_list_store_splice (self->list, 0, g_list_model_get_n_items (G_LIST_MODEL (self->list)), pictures->pdata,
                       pictures->len);
  for (GList *l = early; l != NULL; l = l->next)
    add (self, l->data);
  g_signal_emit (self, signals[LOADED], 0);
}

/* Hearing of changes */

static void
info_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr(GuiHistory) self = user_data;
  g_autoptr(GFileInfo) info = g_file_query_info_finish (G_FILE (source), result, NULL);
  const char *path = g_file_peek_path (G_FILE (source));
  g_autoptr(GuiPicture) picture = info != NULL ? make_picture (path, info) : NULL;
  g_autofree char *folder = g_path_get_dirname (path);

  if (picture != NULL && g_strcmp0 (folder, self->folder) == 0)
    add (self, picture);
}

static void
changed_cb (GFileMonitor      *monitor,
            GFile             *file,
            GFile             *other,
            GFileMonitorEvent  event,
            GuiHistory        *self)
{
  GFile *arrived = event == G_FILE_MONITOR_EVENT_RENAMED ? other : file;
  g_autofree char *name = arrived != NULL ? g_file_get_basename (arrived) : NULL;

  if (event == G_FILE_MONITOR_EVENT_DELETED || event == G_FILE_MONITOR_EVENT_MOVED_OUT ||
      event == G_FILE_MONITOR_EVENT_RENAMED)
    {
      g_autoptr(GuiPicture) gone = take (self, g_file_peek_path (file));

      if (gone == NULL)
        g_hash_table_remove (self->removed, g_file_peek_path (file));
    }
  if (name != NULL && is_picture (name) &&
      (event == G_FILE_MONITOR_EVENT_CHANGES_DONE_HINT || event == G_FILE_MONITOR_EVENT_MOVED_IN ||
       event == G_FILE_MONITOR_EVENT_RENAMED))
    g_file_query_info_async (arrived, ATTRIBUTES, G_FILE_QUERY_INFO_NONE, G_PRIORITY_DEFAULT, NULL, info_cb,
                             g_object_ref (self));
}

void
gui_history_set_folder (GuiHistory *self,
                        const char *folder)
{
  g_autoptr(GTask) task = NULL;
  g_autoptr(GFile) file = g_file_new_for_path (folder);

  if (g_strcmp0 (self->folder, folder) == 0)
    return;
  gui_history_flush (self);
  g_free (self->folder);
  self->folder = g_strdup (folder);
  g_cancellable_cancel (self->loading);
  g_clear_object (&self->loading);
  self->loading = g_cancellable_new ();
  g_list_store_remove_all (self->list);
  g_hash_table_remove_all (self->by_path);

  g_clear_object (&self->monitor);
  self->monitor = g_file_monitor_directory (file, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);
  if (self->monitor != NULL)
    g_signal_connect_object (self->monitor, "changed", G_CALLBACK (changed_cb), self, 0);

  task = g_task_new (self, self->loading, read_cb, NULL);
  g_task_set_source_tag (task, gui_history_set_folder);
  g_task_set_task_data (task, g_strdup (folder), g_free);
  g_task_run_in_thread (task, read_in_thread);
}

/* Saving */

typedef struct
{
  char     *folder;
  ZimImage *image;
} Save;

static void
save_free (Save *save)
{
  g_free (save->folder);
  g_object_unref (save->image);
  g_free (save);
}

static GuiPicture *
save_image (const Save  *save,
            GError     **error)
{
  const char *prompt = zim_params_get_prompt (zim_image_get_params (save->image));
  g_autofree char *path = NULL;

  g_mkdir_with_parents (save->folder, 0777); /* what is wrong with it, the next call tells */
  path = app_reserve_file (save->folder, prompt, "png", error);
  if (path == NULL)
    return NULL;
  if (!zim_image_save (save->image, path, error))
    {
      g_autoptr(GFile) file = g_file_new_for_path (path);

      g_file_delete (file, NULL, NULL);
      return NULL;
    }
  return gui_picture_new (path, g_get_real_time ());
}

static void
save_in_thread (GTask        *task,
                gpointer      source,
                gpointer      task_data,
                GCancellable *cancellable)
{
  GError *error = NULL;
  GuiPicture *picture = save_image (task_data, &error);

  if (picture != NULL)
    g_task_return_pointer (task, picture, g_object_unref);
  else
    g_task_return_error (task, error);
}

void
gui_history_save_async (GuiHistory          *self,
                        ZimImage            *image,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  g_autoptr(GTask) task = g_task_new (self, NULL, callback, user_data);
  Save *save = g_new0 (Save, 1);

  save->folder = g_strdup (self->folder);
  save->image = g_object_ref (image);
  g_task_set_source_tag (task, gui_history_save_async);
  g_task_set_task_data (task, save, (GDestroyNotify) save_free);
  g_task_run_in_thread (task, save_in_thread);
}

GuiPicture *
gui_history_save_finish (GuiHistory    *self,
                         GAsyncResult  *result,
                         GError       **error)
{
  g_autoptr(GuiPicture) picture = g_task_propagate_pointer (G_TASK (result), error);
  g_autofree char *folder = NULL;

  if (picture == NULL)
    return NULL;
  folder = g_path_get_dirname (gui_picture_get_path (picture));
  if (g_strcmp0 (folder, self->folder) == 0)
    add (self, picture);
  return g_steal_pointer (&picture);
}

/* Removing */

void
gui_history_remove (GuiHistory *self,
                    GuiPicture *picture)
{
  GuiPicture *taken = take (self, gui_picture_get_path (picture));

  if (taken != NULL)
    g_hash_table_insert (self->removed, (char *) gui_picture_get_path (taken), taken);
}

void
gui_history_restore (GuiHistory *self,
                     GuiPicture *picture)
{
  g_autoptr(GuiPicture) kept = g_object_ref (picture);

  if (g_hash_table_remove (self->removed, gui_picture_get_path (kept)))
    add (self, kept);
}

static void
trash_failed (GuiHistory   *self,
              GuiPicture   *picture,
              const GError *error)
{
  g_autofree char *message = g_strdup_printf (_("Could not move to the trash: %s"), error->message);

  add (self, picture);
  g_signal_emit (self, signals[FAILED], 0, message);
}

typedef struct
{
  GuiHistory *history;
  GuiPicture *picture;
} Discard;

static void
trash_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  Discard *discard = user_data;
  g_autoptr(GError) error = NULL;

  if (!g_file_trash_finish (G_FILE (source), result, &error) &&
      !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    trash_failed (discard->history, discard->picture, error);
  g_object_unref (discard->history);
  g_object_unref (discard->picture);
  g_free (discard);
}

void
gui_history_discard (GuiHistory *self,
                     GuiPicture *picture)
{
  g_autoptr(GuiPicture) kept = g_object_ref (picture);
  g_autoptr(GFile) file = gui_picture_get_file (kept);
  Discard *discard;

  if (!g_hash_table_remove (self->removed, gui_picture_get_path (kept)))
    return;
  discard = g_new0 (Discard, 1);
  discard->history = g_object_ref (self);
  discard->picture = g_object_ref (kept);
  g_file_trash_async (file, G_PRIORITY_DEFAULT, NULL, trash_cb, discard);
}

void
gui_history_flush (GuiHistory *self)
{
  g_autoptr(GList) pictures = g_hash_table_get_values (self->removed);

  for (GList *l = pictures; l != NULL; l = l->next)
    {
      g_autoptr(GFile) file = gui_picture_get_file (l->data);
      g_autoptr(GError) error = NULL;

      if (!g_file_trash (file, NULL, &error))
        g_debug ("%s stays: %s", gui_picture_get_path (l->data), error->message);
    }
  g_hash_table_remove_all (self->removed);
}
