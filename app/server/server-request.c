/* server-request.c: what a request asks to be made
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "server-request.h"

#include <glib/gi18n.h>

#include "app-params.h"

#define PARTIAL_IMAGES_MAX 3

/* Where we are in a request, and what is wrong with it. */
typedef struct
{
  ServerRequest  *request;
  GVariant       *body;
  const char    **bad_field;
  GError        **error;
} Reader;

void
server_request_free (ServerRequest *self)
{
  g_free (self->model);
  g_object_unref (self->params);
  g_free (self);
}

static gboolean
bad (Reader     *reader,
     const char *field)
{
  *reader->bad_field = field;
  return FALSE;
}

static gboolean
refuse (Reader     *reader,
        const char *field,
        const char *found,
        const char *expected)
{
  g_set_error (reader->error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Field “%s” is “%.200s”, expected %s"),
               field, found, expected);
  return bad (reader, field);
}

static gboolean
read_text (Reader      *reader,
           const char  *field,
           char       **text)
{
  return app_dict_read_text (reader->body, field, text, reader->error) || bad (reader, field);
}

static gboolean
read_flag (Reader     *reader,
           const char *field,
           gboolean   *flag)
{
  return app_dict_read_flag (reader->body, field, flag, reader->error) || bad (reader, field);
}

static gboolean
read_int (Reader     *reader,
          const char *field,
          int         min,
          int         max,
          int        *number)
{
  gint64 whole = *number;

  if (!app_dict_read_whole (reader->body, field, min, max, &whole, reader->error))
    return bad (reader, field);
  *number = (int) whole;
  return TRUE;
}

/* --- Fields of several APIs ------------------------------------------------------------------------ */

static gboolean
read_size (Reader *reader)
{
  return app_params_read_size (reader->request->params, reader->body, reader->error) || bad (reader, "size");
}

static gboolean
read_format (Reader *reader)
{
  static const char *const formats[] = { "png", "jpeg", "webp" };
  g_autofree char *format = NULL;
  int compression = -1;

  if (!read_text (reader, "output_format", &format) ||
      !read_int (reader, "output_compression", 0, 100, &compression))
    return FALSE;

  /* A quality of 0 is the encoder's own. */
  if (compression >= 0)
    reader->request->quality = MAX (compression, 1);
  if (format == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (g_str_equal (format, formats[i]))
      {
        reader->request->format = formats[i];
        return TRUE;
      }
  return refuse (reader, "output_format", format, "png, jpeg, webp");
}

static gboolean
read_keep_alive (Reader *reader)
{
  return app_dict_read_duration (reader->body, "keep_alive", &reader->request->keep_alive, reader->error) ||
         bad (reader, "keep_alive");
}

static gboolean
read_params (Reader *reader)
{
  const char *bad_field = NULL;

  if (!app_params_from_variant (reader->request->params, reader->body, &bad_field, reader->error))
    return bad (reader, bad_field);
  return TRUE;
}

static gboolean
require_prompt (Reader *reader)
{
  if (*zim_params_get_prompt (reader->request->params) != '\0')
    return TRUE;
  g_set_error_literal (reader->error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Field “prompt” is missing"));
  return bad (reader, "prompt");
}

/* A prompt that has to be there was found missing before. */
static gboolean
validate (Reader *reader)
{
  if (*zim_params_get_prompt (reader->request->params) == '\0')
    return TRUE;
  return zim_params_validate (reader->request->params, reader->error);
}

/* --- OpenAI ---------------------------------------------------------------------------------------- */

/* Fields that are understood and change nothing. */
static gboolean
check_ignored (Reader *reader)
{
  static const char *const fields[] = { "quality", "background", "user", "style", "moderation" };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      g_autofree char *text = NULL;

      if (!read_text (reader, fields[i], &text))
        return FALSE;
    }

  return TRUE;
}

static gboolean
read_response_format (Reader *reader)
{
  g_autofree char *format = NULL;

  if (!read_text (reader, "response_format", &format))
    return FALSE;
  if (format != NULL && !g_str_equal (format, "url") && !g_str_equal (format, "b64_json"))
    return refuse (reader, "response_format", format, "url, b64_json");

  reader->request->wants_url = g_strcmp0 (format, "url") == 0;
  return TRUE;
}

static gboolean
read_partial_images (Reader *reader)
{
  ServerRequest *request = reader->request;

  if (!read_int (reader, "partial_images", 0, PARTIAL_IMAGES_MAX, &request->partial_images))
    return FALSE;
  request->preview_interval = request->wants_stream && request->partial_images > 0 ? 1 : 0;
  return TRUE;
}

static gboolean
read_openai (Reader *reader)
{
  ServerRequest *request = reader->request;

  return read_text (reader, "model", &request->model) && read_params (reader) && read_size (reader) &&
         read_format (reader) && read_response_format (reader) &&
         read_flag (reader, "stream", &request->wants_stream) && read_partial_images (reader) &&
         check_ignored (reader) && read_keep_alive (reader) && require_prompt (reader) && validate (reader);
}

/* --- Ollama ---------------------------------------------------------------------------------------- */

/* What is not positive means the model's own. */
static gboolean
forgive (Reader *reader)
{
  ZimParams *params = reader->request->params;

  zim_params_set_width (params, MAX (zim_params_get_width (params), 0));
  zim_params_set_height (params, MAX (zim_params_get_height (params), 0));
  zim_params_set_steps (params, MAX (zim_params_get_steps (params), 0));
  if (zim_params_get_seed (params) <= 0)
    zim_params_set_seed (params, ZIM_SEED_RANDOM);
  return TRUE;
}

static gboolean
read_options (Reader *reader)
{
  g_autoptr(GVariant) options = app_dict_lookup (reader->body, "options");
  gint64 seed = zim_params_get_seed (reader->request->params);

  if (options == NULL)
    return TRUE;
  if (!g_variant_is_of_type (options, G_VARIANT_TYPE_VARDICT))
    {
      g_set_error_literal (reader->error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Field “options” is not an object"));
      return bad (reader, "options");
    }
  if (!app_dict_read_whole (options, "seed", G_MININT64, ZIM_SEED_MAX, &seed, reader->error))
    return bad (reader, "options.seed");

  zim_params_set_seed (reader->request->params, seed);
  return TRUE;
}

/* A picture that is made without looking at those that came with the prompt would be a wrong one. */
static gboolean
check_no_images (Reader *reader)
{
  g_autoptr(GVariant) images = app_dict_lookup (reader->body, "images");

  if (images == NULL || (g_variant_is_container (images) && g_variant_n_children (images) == 0))
    return TRUE;
  g_set_error_literal (reader->error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
                       _("Field “images” is not empty, but the model makes pictures of words alone"));
  return bad (reader, "images");
}

static gboolean
read_ollama (Reader *reader)
{
  ServerRequest *request = reader->request;

  request->wants_stream = TRUE;
  if (!read_text (reader, "model", &request->model) || !read_params (reader) || !read_options (reader) ||
      !forgive (reader) || !check_no_images (reader) || !read_flag (reader, "stream", &request->wants_stream) ||
      !read_keep_alive (reader) || !validate (reader))
    return FALSE;
  if (request->model != NULL && *request->model != '\0')
    return TRUE;

  g_set_error_literal (reader->error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Field “model” is missing"));
  return bad (reader, "model");
}

/* --- Jobs ------------------------------------------------------------------------------------------ */

static gboolean
read_job (Reader *reader)
{
  ServerRequest *request = reader->request;

  request->preview_interval = 1;
  return read_text (reader, "model", &request->model) && read_params (reader) && read_size (reader) &&
         read_format (reader) &&
         read_int (reader, "preview_interval", 0, ZIM_STEPS_MAX, &request->preview_interval) &&
         read_keep_alive (reader) && require_prompt (reader) && validate (reader);
}

static ServerRequest *
read_with (gboolean   (*read) (Reader *reader),
           GVariant     *body,
           gint64        keep_alive,
           const char  **bad_field,
           GError      **error)
{
  g_autoptr(ServerRequest) request = g_new0 (ServerRequest, 1);
  Reader reader = { request, body, bad_field, error };

  request->params = zim_params_new (NULL);
  request->format = "png";
  request->partial_images = -1;
  request->keep_alive = keep_alive;
  *bad_field = NULL;
  return read (&reader) ? g_steal_pointer (&request) : NULL;
}

ServerRequest *
server_request_read_openai (GVariant    *body,
                            gint64       keep_alive,
                            const char **bad_field,
                            GError     **error)
{
  return read_with (read_openai, body, keep_alive, bad_field, error);
}

ServerRequest *
server_request_read_ollama (GVariant    *body,
                            gint64       keep_alive,
                            const char **bad_field,
                            GError     **error)
{
  return read_with (read_ollama, body, keep_alive, bad_field, error);
}

ServerRequest *
server_request_read_job (GVariant    *body,
                         gint64       keep_alive,
                         const char **bad_field,
                         GError     **error)
{
  return read_with (read_job, body, keep_alive, bad_field, error);
}
