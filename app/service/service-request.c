/* service-request.c: what a caller asks to be made
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "service-request.h"

#include <glib/gi18n.h>

#include "app-fields.h"
#include "app-params.h"

/* Those that are no properties of ZimParams. */
static const char *const own_names[] = { "model", "size", "preview_interval", "keep_alive", "detached", NULL };

void
service_request_free (ServiceRequest *self)
{
  g_free (self->model);
  g_object_unref (self->params);
  g_free (self);
}

static gboolean
is_known (const char *name)
{
  guint n_fields;
  const AppField *fields = app_fields (&n_fields);

  for (guint i = 0; i < n_fields; i++)
    if (g_strcmp0 (fields[i].json_name, name) == 0)
      return TRUE;

  return g_strv_contains (own_names, name);
}

/* A name that is misspelt would change nothing, and nobody would know. */
static gboolean
check_names (GVariant  *parameters,
             GError   **error)
{
  GVariantIter iter;
  const char *name;

  g_variant_iter_init (&iter, parameters);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, NULL))
    if (!is_known (name))
      {
        g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("There is no parameter “%.200s”"), name);
        return FALSE;
      }

  return TRUE;
}

static gboolean
require_prompt (ZimParams  *params,
                GError    **error)
{
  if (*zim_params_get_prompt (params) != '\0')
    return TRUE;
  g_set_error_literal (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Field “prompt” is missing"));
  return FALSE;
}

static gboolean
read_all (ServiceRequest  *self,
          GVariant        *parameters,
          GError         **error)
{
  const char *bad_field;
  gint64 interval = self->preview_interval;

  if (!check_names (parameters, error) ||
      !app_params_from_variant (self->params, parameters, &bad_field, error) ||
      !app_params_read_size (self->params, parameters, error) ||
      !app_dict_read_text (parameters, "model", &self->model, error) ||
      !app_dict_read_whole (parameters, "preview_interval", 0, ZIM_STEPS_MAX, &interval, error) ||
      !app_dict_read_duration (parameters, "keep_alive", &self->keep_alive, error) ||
      !app_dict_read_flag (parameters, "detached", &self->is_detached, error))
    return FALSE;

  self->preview_interval = (int) interval;
  return require_prompt (self->params, error) && zim_params_validate (self->params, error);
}

ServiceRequest *
service_request_read (GVariant  *parameters,
                      gint64     keep_alive,
                      GError   **error)
{
  g_autoptr(ServiceRequest) self = g_new0 (ServiceRequest, 1);

  self->params = zim_params_new (NULL);
  self->preview_interval = 1;
  self->keep_alive = keep_alive;
  return read_all (self, parameters, error) ? g_steal_pointer (&self) : NULL;
}
