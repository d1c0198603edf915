/* cli-output.c: where pictures go
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-output.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app-file-names.h"

#define DEFAULT_FORMAT "png"

gboolean
cli_output_is_stdout (const CliOutput *self)
{
  return g_strcmp0 (self->path, "-") == 0;
}

static gboolean
is_folder (const CliOutput *self)
{
  return self->path == NULL ||
         g_str_has_suffix (self->path, G_DIR_SEPARATOR_S) ||
         g_file_test (self->path, G_FILE_TEST_IS_DIR);
}

static const char *
get_folder (const CliOutput *self)
{
  return self->path != NULL ? self->path : ".";
}

/* The dot of the file name's extension, or NULL. */
static const char *
find_extension (const char *path)
{
  const char *slash = strrchr (path, G_DIR_SEPARATOR);
  const char *name = slash != NULL ? slash + 1 : path;
  const char *dot = strrchr (name, '.');

  return dot != name ? dot : NULL;
}

static const char *
get_format (const CliOutput *self)
{
  const char *extension;

  if (self->format != NULL)
    return self->format;
  if (is_folder (self) || cli_output_is_stdout (self))
    return DEFAULT_FORMAT;

  extension = find_extension (self->path);
  return extension != NULL ? extension + 1 : "";
}

/* What the library says about a format and a quality, asked with one pixel. */
static gboolean
check_format (const CliOutput  *self,
              GError          **error)
{
  g_autoptr(GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, 1, 1);
  g_autoptr(ZimParams) params = zim_params_new (NULL);
  g_autoptr(ZimImage) image = zim_image_new (pixbuf, params, NULL);
  g_autoptr(GBytes) bytes = NULL;

  gdk_pixbuf_fill (pixbuf, 0);
  bytes = zim_image_encode (image, get_format (self), self->quality, error);
  return bytes != NULL;
}

static gboolean
check_folder (const char  *folder,
              GError     **error)
{
  g_autofree char *shown = NULL;
  int code = 0;

  if (g_file_test (folder, G_FILE_TEST_EXISTS) && !g_file_test (folder, G_FILE_TEST_IS_DIR))
    code = ENOTDIR;
  else if (g_access (folder, W_OK | X_OK) != 0)
    code = errno;
  if (code == 0)
    return TRUE;

  shown = g_filename_display_name (folder);
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
               _("Pictures cannot be saved in “%s”: %s"), shown, g_strerror (code));
  return FALSE;
}

static gboolean
check_stdout (int       n_images,
              GError  **error)
{
  if (n_images > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   _("Standard output takes one picture, and %d were asked for"), n_images);
      return FALSE;
    }
  if (isatty (STDOUT_FILENO))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   _("Standard output is a terminal, expected a file or a pipe"));
      return FALSE;
    }

  return TRUE;
}

gboolean
cli_output_check (const CliOutput  *self,
                  int               n_images,
                  GError          **error)
{
  g_autofree char *folder = NULL;

  if (!check_format (self, error))
    return FALSE;
  if (cli_output_is_stdout (self))
    return check_stdout (n_images, error);
  if (is_folder (self))
    return check_folder (get_folder (self), error);

  folder = g_path_get_dirname (self->path);
  return g_file_test (self->path, G_FILE_TEST_EXISTS) || check_folder (folder, error);
}

static char *
save_to_stdout (const CliOutput  *self,
                ZimImage         *image,
                GError          **error)
{
  g_autoptr(GBytes) bytes = zim_image_encode (image, get_format (self), self->quality, error);
  gconstpointer data;
  gsize size;

  if (bytes == NULL)
    return NULL;

  data = g_bytes_get_data (bytes, &size);
  if (fwrite (data, 1, size, stdout) != size || fflush (stdout) != 0)
    {
      int code = errno;

      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
                   _("Failed to write to standard output: %s"), g_strerror (code));
      /* Said once is enough: cli_finish() has nothing to add. */
      clearerr (stdout);
      return NULL;
    }

  return g_strdup ("-");
}

static char *
save_in_folder (const CliOutput  *self,
                ZimImage         *image,
                GError          **error)
{
  g_autofree char *format = g_ascii_strdown (get_format (self), -1);
  const char *extension = g_str_equal (format, "jpeg") ? "jpg" : format;
  const char *prompt = zim_params_get_prompt (zim_image_get_params (image));
  g_autofree char *path = app_reserve_file (get_folder (self), prompt, extension, error);

  if (path == NULL)
    return NULL;
  if (!zim_image_save_as (image, path, format, self->quality, error))
    {
      g_unlink (path);
      return NULL;
    }

  return g_steal_pointer (&path);
}

/* “name.png”, or “name-2.png” for the second of several. */
static char *
number_path (const char *path,
             guint       index,
             guint       n_images)
{
  const char *extension = find_extension (path);
  g_autofree char *stem = NULL;

  if (n_images == 1)
    return g_strdup (path);
  if (extension == NULL)
    return g_strdup_printf ("%s-%u", path, index + 1);

  stem = g_strndup (path, (gsize) (extension - path));
  return g_strdup_printf ("%s-%u%s", stem, index + 1, extension);
}

char *
cli_output_save (const CliOutput  *self,
                 ZimImage         *image,
                 guint             index,
                 guint             n_images,
                 GError          **error)
{
  g_autofree char *path = NULL;

  if (cli_output_is_stdout (self))
    return save_to_stdout (self, image, error);
  if (is_folder (self))
    return save_in_folder (self, image, error);

  path = number_path (self->path, index, n_images);
  if (!zim_image_save_as (image, path, get_format (self), self->quality, error))
    return NULL;

  return g_steal_pointer (&path);
}
