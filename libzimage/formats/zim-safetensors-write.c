/* zim-safetensors-write.c: writing safetensors files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-safetensors-private.h"
#include "zim-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <unistd.h>

/* A file that takes its name only when it is whole and on the disk. */
typedef struct {
  const char *path;
  char       *temporary;
  int         fd;
} Output;

static gboolean
fail_errno (const char  *path,
            int          saved_errno,
            GError     **error)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved_errno),
               _("Could not write “%s”: %s"),
               path, g_strerror (saved_errno));
  return FALSE;
}

static gboolean
output_open (Output      *output,
             const char  *path,
             GError     **error)
{
  g_autofree char *temporary = g_strconcat (path, ".XXXXXX", NULL);

  output->path = path;
  output->fd = g_mkstemp_full (temporary, O_RDWR | O_CLOEXEC, 0666);
  if (output->fd < 0)
    return fail_errno (path, errno, error);
  output->temporary = g_steal_pointer (&temporary);
  return TRUE;
}

static gboolean
output_write (Output      *output,
              const void  *data,
              gsize        size,
              GError     **error)
{
  const char *p = data;

  while (size > 0)
    {
      gssize n = write (output->fd, p, MIN (size, 1 << 30));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return fail_errno (output->path, errno, error);
      p += n;
      size -= (gsize) n;
    }
  return TRUE;
}

/* The new name is on the disk only with its folder. Some file systems cannot sync one: the file
 * is whole then too, so that is no error. */
static void
sync_folder (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = g_open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

  if (fd < 0)
    return;
  fsync (fd);
  g_close (fd, NULL);
}

static gboolean
output_commit (Output  *output,
               GError **error)
{
  int fd = output->fd;

  if (fsync (fd) != 0)
    return fail_errno (output->path, errno, error);
  output->fd = -1;
  if (!g_close (fd, error))
    return FALSE;
  if (g_rename (output->temporary, output->path) != 0)
    return fail_errno (output->path, errno, error);
  g_clear_pointer (&output->temporary, g_free);
  sync_folder (output->path);
  return TRUE;
}

/* Removes what was not committed. */
static void
output_clear (Output *output)
{
  if (output->fd >= 0)
    g_close (output->fd, NULL);
  if (output->temporary != NULL)
    g_unlink (output->temporary);
  g_free (output->temporary);
}

static JsonObject *
describe (const ZimWeight *weight,
          gsize            begin)
{
  JsonObject *object = json_object_new ();
  JsonArray *shape = json_array_new ();
  JsonArray *offsets = json_array_new ();

  for (guint i = 0; i < weight->n_dims; i++)
    json_array_add_int_element (shape, weight->dims[i]);
  json_array_add_int_element (offsets, (gint64) begin);
  json_array_add_int_element (offsets, (gint64) (begin + weight->size));
  json_object_set_string_member (object, "dtype", zim_dtype_name (weight->dtype));
  json_object_set_array_member (object, "shape", shape);
  json_object_set_array_member (object, "data_offsets", offsets);
  return object;
}

static gboolean
check_weight (const char       *path,
              const ZimWeight  *weight,
              JsonObject       *header,
              GError          **error)
{
  gsize size = (gsize) zim_weight_n_elements (weight) * zim_dtype_size (weight->dtype);

  if (json_object_has_member (header, weight->name))
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_FAILED, _("%s: Tensor “%s” comes twice"),
                 path, weight->name);
  else if (size != weight->size)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_SHAPE,
                 _("%s: Tensor “%s” has %zu bytes, its shape asks for %zu"),
                 path, weight->name, weight->size, size);
  else
    return TRUE;
  return FALSE;
}

/* Padded with spaces so that the data starts at a multiple of 8 bytes. */
static GString *
make_header (const char       *path,
             const ZimWeight  *weights,
             guint             n_weights,
             GError          **error)
{
  g_autoptr(JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *header = json_object_new ();
  JsonObject *metadata = json_object_new ();
  g_autofree char *text = NULL;
  GString *padded;
  gsize at = 0;

  json_node_take_object (root, header);
  /* transformers refuses files without it. */
  json_object_set_string_member (metadata, "format", "pt");
  json_object_set_object_member (header, "__metadata__", metadata);
  for (guint i = 0; i < n_weights; at += weights[i].size, i++)
    {
      if (!check_weight (path, &weights[i], header, error))
        return NULL;
      json_object_set_object_member (header, weights[i].name, describe (&weights[i], at));
    }

  text = json_to_string (root, FALSE);
  padded = g_string_new (text);
  while (padded->len % 8 != 0)
    g_string_append_c (padded, ' ');
  return padded;
}

static gboolean
write_all (Output           *output,
           const GString    *header,
           const ZimWeight  *weights,
           guint             n_weights,
           GError          **error)
{
  guint64 length = GUINT64_TO_LE ((guint64) header->len);

  if (!output_write (output, &length, sizeof length, error) ||
      !output_write (output, header->str, header->len, error))
    return FALSE;
  for (guint i = 0; i < n_weights; i++)
    if (!output_write (output, weights[i].data, weights[i].size, error))
      return FALSE;
  return output_commit (output, error);
}

gboolean
zim_safetensors_write (const char       *path,
                       const ZimWeight  *weights,
                       guint             n_weights,
                       GError          **error)
{
  g_autoptr(GString) header = NULL;
  Output output = { .fd = -1 };
  gboolean ok;

  g_return_val_if_fail (path != NULL, FALSE);
  g_return_val_if_fail (weights != NULL || n_weights == 0, FALSE);

  header = make_header (path, weights, n_weights, error);
  if (header == NULL)
    return FALSE;
  ok = output_open (&output, path, error) &&
       write_all (&output, header, weights, n_weights, error);
  output_clear (&output);
  return ok;
}
