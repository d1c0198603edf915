/* zim-image-async.c: loading, saving and encoding pictures without blocking
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-image.h"

/* --- Loading --------------------------------------------------------------------------------------- */

static void
load_in_thread (GTask        *task,
                gpointer      source,
                gpointer      path,
                GCancellable *cancellable)
{
  GError *error = NULL;
  ZimImage *image = zim_image_load (path, &error);

  if (image != NULL)
    g_task_return_pointer (task, image, g_object_unref);
  else
    g_task_return_error (task, error);
}

/**
 * zim_image_load_async:
 * @path: (type filename): a PNG, JPEG or WebP file
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the image is loaded
 * @user_data: data for @callback
 *
 * Reads a picture and the parameters that are saved in it without blocking: [func@ZImage.Image.load].
 */
void
zim_image_load_async (const char          *path,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  g_autoptr(GTask) task = NULL;

  g_return_if_fail (path != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_source_tag (task, zim_image_load_async);
  g_task_set_task_data (task, g_strdup (path), g_free);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, load_in_thread);
}

/**
 * zim_image_load_finish: (constructor)
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [func@ZImage.Image.load_async].
 *
 * Returns: (transfer full): the image
 */
ZimImage *
zim_image_load_finish (GAsyncResult  *result,
                       GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Saving and encoding --------------------------------------------------------------------------- */

/* How a picture is written: into a file, or into memory without a path. */
typedef struct
{
  char *path;   /* (nullable) */
  char *format; /* (nullable) */
  int   quality;
} Write;

static void
write_free (Write *write)
{
  g_free (write->path);
  g_free (write->format);
  g_free (write);
}

static void
save_in_thread (GTask        *task,
                gpointer      self,
                gpointer      task_data,
                GCancellable *cancellable)
{
  Write *write = task_data;
  GError *error = NULL;

  if (g_task_return_error_if_cancelled (task))
    return;
  if (zim_image_save_as (self, write->path, write->format, write->quality, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
encode_in_thread (GTask        *task,
                  gpointer      self,
                  gpointer      task_data,
                  GCancellable *cancellable)
{
  Write *write = task_data;
  GError *error = NULL;
  GBytes *bytes = zim_image_encode (self, write->format, write->quality, &error);

  if (bytes != NULL)
    g_task_return_pointer (task, bytes, (GDestroyNotify) g_bytes_unref);
  else
    g_task_return_error (task, error);
}

static GTask *
new_write (ZimImage            *self,
           const char          *path,
           const char          *format,
           int                  quality,
           GCancellable        *cancellable,
           GAsyncReadyCallback  callback,
           gpointer             user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Write *write = g_new0 (Write, 1);

  write->path = g_strdup (path);
  write->format = g_strdup (format);
  write->quality = quality;
  g_task_set_task_data (task, write, (GDestroyNotify) write_free);
  return task;
}

/**
 * zim_image_save_async:
 * @self: an image
 * @path: (type filename): a file name that ends in .png, .jpg, .jpeg or .webp
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the file is complete on disk
 * @user_data: data for @callback
 *
 * Saves the picture with its parameters without blocking: [method@ZImage.Image.save].
 */
void
zim_image_save_async (ZimImage            *self,
                      const char          *path,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  zim_image_save_as_async (self, path, NULL, 0, cancellable, callback, user_data);
}

/**
 * zim_image_save_finish:
 * @self: an image
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Image.save_async].
 *
 * Returns: %TRUE if the file is complete on disk
 */
gboolean
zim_image_save_finish (ZimImage      *self,
                       GAsyncResult  *result,
                       GError       **error)
{
  return zim_image_save_as_finish (self, result, error);
}

/**
 * zim_image_save_as_async:
 * @self: an image
 * @path: (type filename): a file name
 * @format: (nullable): “png”, “jpeg” (or “jpg”) or “webp”; %NULL takes the name’s extension
 * @quality: 1 to 100 for JPEG and WebP, or 0 for the default, 90
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the file is complete on disk
 * @user_data: data for @callback
 *
 * Saves the picture with its parameters without blocking: [method@ZImage.Image.save_as]. It can be cancelled until
 * the writing begins; afterwards the call ends with the complete file.
 */
void
zim_image_save_as_async (ZimImage            *self,
                         const char          *path,
                         const char          *format,
                         int                  quality,
                         GCancellable        *cancellable,
                         GAsyncReadyCallback  callback,
                         gpointer             user_data)
{
  g_autoptr(GTask) task = NULL;

  g_return_if_fail (ZIM_IS_IMAGE (self));
  g_return_if_fail (path != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = new_write (self, path, format, quality, cancellable, callback, user_data);
  g_task_set_source_tag (task, zim_image_save_as_async);
  /* A file that is there is not called cancelled. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_run_in_thread (task, save_in_thread);
}

/**
 * zim_image_save_as_finish:
 * @self: an image
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Image.save_as_async].
 *
 * Returns: %TRUE if the file is complete on disk
 */
gboolean
zim_image_save_as_finish (ZimImage      *self,
                          GAsyncResult  *result,
                          GError       **error)
{
  g_return_val_if_fail (ZIM_IS_IMAGE (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * zim_image_encode_async:
 * @self: an image
 * @format: “png”, “jpeg” (or “jpg”) or “webp”
 * @quality: 1 to 100 for JPEG and WebP, or 0 for the default, 90
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the bytes are there
 * @user_data: data for @callback
 *
 * Makes the bytes of a file without blocking: [method@ZImage.Image.encode].
 */
void
zim_image_encode_async (ZimImage            *self,
                        const char          *format,
                        int                  quality,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  g_autoptr(GTask) task = NULL;

  g_return_if_fail (ZIM_IS_IMAGE (self));
  g_return_if_fail (format != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = new_write (self, NULL, format, quality, cancellable, callback, user_data);
  g_task_set_source_tag (task, zim_image_encode_async);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, encode_in_thread);
}

/**
 * zim_image_encode_finish:
 * @self: an image
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Image.encode_async].
 *
 * Returns: (transfer full): the bytes
 */
GBytes *
zim_image_encode_finish (ZimImage      *self,
                         GAsyncResult  *result,
                         GError       **error)
{
  g_return_val_if_fail (ZIM_IS_IMAGE (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
