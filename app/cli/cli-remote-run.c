/* cli-remote-run.c: “zimage run” and “zimage pull” when a server does the work
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* The connection is the job: when it ends, by Ctrl+C or with this process, the server cancels. */

#include "config.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

#include "app-fields.h"
#include "app-json.h"
#include "app-params.h"
#include "cli.h"
#include "cli-generate.h"
#include "cli-progress.h"
#include "cli-remote.h"
#include "cli-wait.h"

/* (nullable) (transfer full): what is answered, line by line */
static GDataInputStream *
open_lines (AppClient   *client,
            const char  *path,
            GVariant    *body,
            CliWait     *wait,
            GError     **error)
{
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GInputStream) stream = NULL;

  app_client_send_async (client, "POST", path, body, cli_wait_get_cancellable (wait), cli_wait_ready_cb, wait);
  result = cli_wait_for_result (wait);
  stream = app_client_send_finish (client, result, error);
  return stream != NULL ? g_data_input_stream_new (stream) : NULL;
}

/* NULL without an error at the end. (transfer full) */
static char *
read_line (GDataInputStream  *lines,
           CliWait           *wait,
           GError           **error)
{
  g_autoptr(GAsyncResult) result = NULL;

  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, cli_wait_get_cancellable (wait), cli_wait_ready_cb,
                                       wait);
  result = cli_wait_for_result (wait);
  return g_data_input_stream_read_line_finish (lines, result, NULL, error);
}

/* (nullable) (transfer full) */
static GVariant *
parse_object (const char  *json,
              GError     **error)
{
  g_autoptr(GVariant) value = app_json_parse (json, strlen (json), error);

  if (value == NULL || g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    return g_steal_pointer (&value);
  g_set_error_literal (error, ZIM_ERROR, ZIM_ERROR_FAILED, _("The server sent something that is no event"));
  return NULL;
}

static double
get_real (GVariant   *dict,
          const char *name,
          double      fallback)
{
  g_autoptr(GVariant) value = app_dict_lookup (dict, name);

  if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    return g_variant_get_double (value);
  return fallback;
}

static gint64
get_whole (GVariant   *dict,
           const char *name)
{
  gint64 whole = 0;

  app_dict_read_whole (dict, name, 0, G_MAXINT64, &whole, NULL);
  return whole;
}

static void
show_progress (CliProgress *progress,
               GVariant    *data)
{
  g_autoptr(GEnumClass) stages = g_type_class_ref (ZIM_TYPE_STAGE);
  g_autofree char *nick = NULL;
  const GEnumValue *stage;

  app_dict_read_text (data, "stage", &nick, NULL);
  stage = nick != NULL ? g_enum_get_value_by_nick (stages, nick) : NULL;
  if (progress != NULL && stage != NULL)
    cli_progress_update (progress, (ZimStage) stage->value, (int) get_whole (data, "step"),
                         (int) get_whole (data, "total"), get_real (data, "fraction", 0), get_real (data, "eta", -1));
}

static void
set_remote_error (GVariant  *data,
                  GError   **error)
{
  g_autoptr(GVariant) inner = app_dict_lookup (data, "error");
  g_autofree char *words = NULL;

  if (inner != NULL && g_variant_is_of_type (inner, G_VARIANT_TYPE_VARDICT))
    app_dict_read_text (inner, "message", &words, NULL);
  g_set_error_literal (error, ZIM_ERROR, ZIM_ERROR_FAILED, words != NULL ? words : _("The server failed"));
}

/* Reads events until one has the pictures, which it gives. (nullable) (transfer full) */
static GVariant *
wait_for_pictures (GDataInputStream  *lines,
                   CliProgress       *progress,
                   CliWait           *wait,
                   GError           **error)
{
  g_autofree char *event = NULL;
  char *line;

  while ((line = read_line (lines, wait, error)) != NULL)
    {
      g_autofree char *owned = line;
      g_autoptr(GVariant) data = NULL;

      if (g_str_has_prefix (line, "event: "))
        {
          g_free (event);
          event = g_strdup (line + strlen ("event: "));
        }
      if (!g_str_has_prefix (line, "data: "))
        continue;
      data = parse_object (line + strlen ("data: "), error);
      if (data == NULL)
        return NULL;
      if (g_strcmp0 (event, "progress") == 0)
        show_progress (progress, data);
      else if (g_strcmp0 (event, "done") == 0)
        return g_steal_pointer (&data);
      else if (g_strcmp0 (event, "error") == 0)
        {
          set_remote_error (data, error);
          return NULL;
        }
    }

  if (error != NULL && *error == NULL)
    g_set_error_literal (error, ZIM_ERROR, ZIM_ERROR_FAILED, _("The server went away"));
  return NULL;
}

/* --- Pictures -------------------------------------------------------------------------------------- */

/* Files are what the library reads pictures and their parameters from. */
static ZimImage *
decode (const char  *base64,
        GError     **error)
{
  g_autofree char *path = NULL;
  gsize size;
  g_autofree guchar *data = g_base64_decode (base64, &size);
  int fd = g_file_open_tmp ("zimage-XXXXXX.png", &path, error);
  ZimImage *image = NULL;

  if (fd < 0)
    return NULL;
  g_close (fd, NULL);
  if (g_file_set_contents (path, (const char *) data, (gssize) size, error))
    image = zim_image_load (path, error);
  g_unlink (path);
  return image;
}

static ZimImage *
load_picture (gpointer   pictures,
              guint      index,
              GError   **error)
{
  g_autoptr(GVariant) boxed = g_variant_get_child_value (pictures, index);
  g_autoptr(GVariant) picture = g_variant_get_variant (boxed);
  g_autofree char *base64 = NULL;

  if (g_variant_is_of_type (picture, G_VARIANT_TYPE_VARDICT))
    app_dict_read_text (picture, "b64_json", &base64, NULL);
  return decode (base64 != NULL ? base64 : "", error);
}

/* --- The commands ---------------------------------------------------------------------------------- */

static GVariant *
make_request (const char *model,
              ZimParams  *params)
{
  g_autoptr(GVariant) fields = g_variant_ref_sink (app_params_to_variant (params));
  GVariantDict body;

  g_variant_dict_init (&body, fields);
  g_variant_dict_insert (&body, "model", "s", model);
  g_variant_dict_insert (&body, "stream", "b", TRUE);
  return g_variant_dict_end (&body);
}

int
cli_remote_run (AppClient       *client,
                const char      *model,
                ZimParams       *params,
                const CliOutput *output)
{
  gint64 start = g_get_monotonic_time ();
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(GError) error = NULL;
  g_autoptr(CliProgress) progress = output->quiet ? NULL : cli_progress_new (NULL);
  g_autoptr(GDataInputStream) lines = open_lines (client, "/v1/images/generations", make_request (model, params), wait,
                                                  &error);
  g_autoptr(GVariant) answer = lines != NULL ? wait_for_pictures (lines, progress, wait, &error) : NULL;

  g_clear_pointer (&progress, cli_progress_free);
  if (answer != NULL)
    {
      g_autoptr(GVariant) pictures = g_variant_lookup_value (answer, "data", G_VARIANT_TYPE ("av"));
      const CliOrigin origin = { model, "server", app_client_get_url (client) };

      return cli_generate_save_all (load_picture, pictures, pictures != NULL ? g_variant_n_children (pictures) : 0,
                                    &origin, (double) (g_get_monotonic_time () - start) / G_TIME_SPAN_SECOND, output);
    }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_printerr (_("zimage: Cancelled\n"));
  return cli_wait_get_exit_code (wait, cli_report (error));
}

/* Whether a line told no error. Its words are printed if they are new. */
static gboolean
tell_status (GVariant  *data,
             char     **last,
             GError   **error)
{
  g_autofree char *status = NULL;
  g_autofree char *words = NULL;

  app_dict_read_text (data, "error", &words, NULL);
  if (words != NULL)
    {
      g_set_error_literal (error, ZIM_ERROR, ZIM_ERROR_FAILED, words);
      return FALSE;
    }

  app_dict_read_text (data, "status", &status, NULL);
  if (status != NULL && g_strcmp0 (status, *last) != 0)
    g_printerr ("%s\n", status);
  g_free (*last);
  *last = g_steal_pointer (&status);
  return TRUE;
}

int
cli_remote_pull (AppClient  *client,
                 const char *name)
{
  g_autoptr(CliWait) wait = cli_wait_new ();
  g_autoptr(GError) error = NULL;
  g_autofree char *last = NULL;
  g_autoptr(GDataInputStream) lines = NULL;
  GVariantBuilder body;
  char *line;

  g_variant_builder_init (&body, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&body, "model", "s", name);
  lines = open_lines (client, "/api/pull", g_variant_builder_end (&body), wait, &error);
  while (lines != NULL && error == NULL && (line = read_line (lines, wait, &error)) != NULL)
    {
      g_autofree char *owned = line;
      g_autoptr(GVariant) data = parse_object (line, &error);

      if (data != NULL)
        tell_status (data, &last, &error);
    }

  if (error == NULL && g_strcmp0 (last, "success") != 0)
    g_set_error_literal (&error, ZIM_ERROR, ZIM_ERROR_FAILED, _("The server went away"));
  return error == NULL ? CLI_EXIT_OK : cli_wait_get_exit_code (wait, cli_report (error));
}
