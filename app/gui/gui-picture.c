/* gui-picture.c: one picture of the history
 *
 * It is made in a thread, together with thousands of others, and never changes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-picture.h"

#define THUMBNAIL_THREADS 2

struct _GuiPicture
{
  GObject  parent_instance;

  char    *path;
  gint64   modified;
};

G_DEFINE_FINAL_TYPE (GuiPicture, gui_picture, G_TYPE_OBJECT)

static void
gui_picture_finalize (GObject *object)
{
  g_free (GUI_PICTURE (object)->path);
  G_OBJECT_CLASS (gui_picture_parent_class)->finalize (object);
}

static void
gui_picture_class_init (GuiPictureClass *class)
{
  G_OBJECT_CLASS (class)->finalize = gui_picture_finalize;
}

static void
gui_picture_init (GuiPicture *self)
{
}

GuiPicture *
gui_picture_new (const char *path,
                 gint64      modified)
{
  GuiPicture *self = g_object_new (GUI_TYPE_PICTURE, NULL);

  self->path = g_strdup (path);
  self->modified = modified;
  return self;
}

const char *
gui_picture_get_path (GuiPicture *self)
{
  return self->path;
}

gint64
gui_picture_get_modified (GuiPicture *self)
{
  return self->modified;
}

GFile *
gui_picture_get_file (GuiPicture *self)
{
  return g_file_new_for_path (self->path);
}

int
gui_picture_compare (const GuiPicture *a,
                     const GuiPicture *b)
{
  if (a->modified != b->modified)
    return a->modified > b->modified ? -1 : 1;
  return g_strcmp0 (b->path, a->path);
}

/* Loading */

typedef struct
{
  GdkTexture *texture;
  ZimImage   *image;
} Loaded;

static void
loaded_free (Loaded *loaded)
{
  g_clear_object (&loaded->texture);
  g_clear_object (&loaded->image);
  g_free (loaded);
}

/* Pictures of other programs without parameters are shown as well. */
static void
load_in_thread (GTask        *task,
                gpointer      source,
                gpointer      task_data,
                GCancellable *cancellable)
{
  GuiPicture *self = source;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimImage) image = zim_image_load (self->path, &error);
  GdkTexture *texture = NULL;
  Loaded *loaded;

  if (image != NULL)
    texture = gdk_texture_new_for_pixbuf (zim_image_get_pixbuf (image));
  else if (g_error_matches (error, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE))
    {
      g_clear_error (&error);
      texture = gdk_texture_new_from_filename (self->path, &error);
    }
  if (texture == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  loaded = g_new0 (Loaded, 1);
  loaded->texture = texture;
  loaded->image = g_steal_pointer (&image);
  g_task_return_pointer (task, loaded, (GDestroyNotify) loaded_free);
}

void
gui_picture_load_async (GuiPicture          *self,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  g_autoptr(GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, gui_picture_load_async);
  g_task_run_in_thread (task, load_in_thread);
}

GdkTexture *
gui_picture_load_finish (GuiPicture    *self,
                         GAsyncResult  *result,
                         ZimImage     **image,
                         GError       **error)
{
  Loaded *loaded = g_task_propagate_pointer (G_TASK (result), error);
  GdkTexture *texture;

  *image = NULL;
  if (loaded == NULL)
    return NULL;
  texture = g_steal_pointer (&loaded->texture);
  *image = g_steal_pointer (&loaded->image);
  loaded_free (loaded);
  return texture;
}

/* Thumbnails */

typedef struct
{
  int   size;
  guint order; /* the later it was asked for, the greater */
} Thumbnail;

static void
read_thumbnail (gpointer data,
                gpointer user_data)
{
  g_autoptr(GTask) task = data;
  GuiPicture *self = g_task_get_source_object (task);
  int size = ((Thumbnail *) g_task_get_task_data (task))->size;
  g_autoptr(GdkPixbuf) pixbuf = NULL;
  GError *error = NULL;

  if (g_task_return_error_if_cancelled (task))
    return;
  pixbuf = gdk_pixbuf_new_from_file_at_scale (self->path, size, size, TRUE, &error);
  if (pixbuf != NULL)
    g_task_return_pointer (task, gdk_texture_new_for_pixbuf (pixbuf), g_object_unref);
  else
    g_task_return_error (task, error);
}

static int
newest_first (gconstpointer a,
              gconstpointer b,
              gpointer      user_data)
{
  const Thumbnail *first = g_task_get_task_data ((GTask *) a);
  const Thumbnail *second = g_task_get_task_data ((GTask *) b);

  return first->order > second->order ? -1 : first->order < second->order;
}

static GThreadPool *
get_pool (void)
{
  static GThreadPool *pool;

  if (g_once_init_enter (&pool))
    {
      GThreadPool *made = g_thread_pool_new (read_thumbnail, NULL, THUMBNAIL_THREADS, FALSE, NULL);

      /* What was scrolled to last is what is looked at. */
      g_thread_pool_set_sort_function (made, newest_first, NULL);
      g_once_init_leave (&pool, made);
    }
  return pool;
}

void
gui_picture_thumbnail_async (GuiPicture          *self,
                             int                  size,
                             GCancellable        *cancellable,
                             GAsyncReadyCallback  callback,
                             gpointer             user_data)
{
  static guint n_asked;
  g_autoptr(GTask) task = g_task_new (self, cancellable, callback, user_data);
  Thumbnail *thumbnail = g_new0 (Thumbnail, 1);

  thumbnail->size = size;
  thumbnail->order = n_asked++;
  g_task_set_source_tag (task, gui_picture_thumbnail_async);
  g_task_set_task_data (task, thumbnail, g_free);
  g_thread_pool_push (get_pool (), g_object_ref (task), NULL);
}

GdkTexture *
gui_picture_thumbnail_finish (GuiPicture    *self,
                              GAsyncResult  *result,
                              GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

GdkContentProvider *
gui_picture_get_content (GuiPicture *self,
                         GdkTexture *texture)
{
  g_autoptr(GFile) file = gui_picture_get_file (self);
  g_autoptr(GSList) files = g_slist_append (NULL, file);
  GdkFileList *list = gdk_file_list_new_from_list (files);
  GdkContentProvider *providers[2];
  gsize n = 0;

  providers[n++] = gdk_content_provider_new_typed (GDK_TYPE_FILE_LIST, list);
  g_boxed_free (GDK_TYPE_FILE_LIST, list);
  if (texture != NULL)
    providers[n++] = gdk_content_provider_new_typed (GDK_TYPE_TEXTURE, texture);
  return gdk_content_provider_new_union (providers, n);
}
