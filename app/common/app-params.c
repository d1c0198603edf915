/* app-params.c: the generation parameters from JSON and from the bus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-params.h"

#include <glib/gi18n.h>

#include "app-duration.h"
#include "app-fields.h"

static gboolean
is_null (GVariant *value)
{
  g_autoptr(GVariant) inner = NULL;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_MAYBE))
    return FALSE;
  inner = g_variant_get_maybe (value);
  return inner == NULL;
}

GVariant *
app_dict_lookup (GVariant   *dict,
                 const char *name)
{
  g_autoptr(GVariant) value = g_variant_lookup_value (dict, name, NULL);

  return value != NULL && !is_null (value) ? g_steal_pointer (&value) : NULL;
}

static gboolean
wrong_type (const char  *name,
            const char  *expected,
            GError     **error)
{
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Field “%s” is not %s"), name, expected);
  return FALSE;
}

gboolean
app_dict_read_text (GVariant    *dict,
                    const char  *name,
                    char       **text,
                    GError     **error)
{
  g_autoptr(GVariant) value = app_dict_lookup (dict, name);

  if (value == NULL)
    return TRUE;
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return wrong_type (name, _("a string"), error);

  g_free (*text);
  *text = g_variant_dup_string (value, NULL);
  return TRUE;
}

gboolean
app_dict_read_flag (GVariant    *dict,
                    const char  *name,
                    gboolean    *flag,
                    GError     **error)
{
  g_autoptr(GVariant) value = app_dict_lookup (dict, name);

  if (value == NULL)
    return TRUE;
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return wrong_type (name, _("true or false"), error);

  *flag = g_variant_get_boolean (value);
  return TRUE;
}

static gboolean
get_whole_of_real (double  real,
                   gint64 *whole)
{
  if (!(real >= -ZIM_SEED_MAX && real <= ZIM_SEED_MAX) || real != (double) (gint64) real)
    return FALSE;

  *whole = (gint64) real;
  return TRUE;
}

/* Whole numbers from the bus may be narrower or without a sign, and those of a script may be real ones: 8.0. */
static gboolean
get_whole (GVariant *value,
           gint64   *whole)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_INT64:
      *whole = g_variant_get_int64 (value);
      return TRUE;
    case G_VARIANT_CLASS_INT32:
      *whole = g_variant_get_int32 (value);
      return TRUE;
    case G_VARIANT_CLASS_INT16:
      *whole = g_variant_get_int16 (value);
      return TRUE;
    case G_VARIANT_CLASS_BYTE:
      *whole = g_variant_get_byte (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT16:
      *whole = g_variant_get_uint16 (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT32:
      *whole = g_variant_get_uint32 (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT64:
      *whole = (gint64) MIN (g_variant_get_uint64 (value), G_MAXINT64);
      return TRUE;
    case G_VARIANT_CLASS_DOUBLE:
      return get_whole_of_real (g_variant_get_double (value), whole);
    default:
      return FALSE;
    }
}

gboolean
app_dict_read_whole (GVariant    *dict,
                     const char  *name,
                     gint64       min,
                     gint64       max,
                     gint64      *whole,
                     GError     **error)
{
  g_autoptr(GVariant) value = app_dict_lookup (dict, name);
  gint64 read;

  if (value == NULL)
    return TRUE;
  if (!get_whole (value, &read))
    return wrong_type (name, _("a whole number"), error);
  if (read < min || read > max)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Field “%s” is %lld, expected %lld to %lld"),
                   name, (long long) read, (long long) min, (long long) max);
      return FALSE;
    }

  *whole = read;
  return TRUE;
}

static gboolean
wrong_value (const char  *name,
             const char  *found,
             const char  *expected,
             GError     **error)
{
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Field “%s” is “%.200s”, expected %s"),
               name, found, expected);
  return FALSE;
}

gboolean
app_dict_read_duration (GVariant    *dict,
                        const char  *name,
                        gint64      *duration,
                        GError     **error)
{
  g_autoptr(GVariant) value = app_dict_lookup (dict, name);
  g_autofree char *text = NULL;

  if (value == NULL)
    return TRUE;
  text = g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ? g_variant_dup_string (value, NULL)
                                                            : g_variant_print (value, FALSE);
  if (app_parse_duration (text, duration))
    return TRUE;
  return wrong_value (name, text, _("seconds, or a time like “5m”"), error);
}

gboolean
app_params_read_size (ZimParams  *params,
                      GVariant   *dict,
                      GError    **error)
{
  g_autofree char *size = NULL;
  int width, height;

  if (!app_dict_read_text (dict, "size", &size, error))
    return FALSE;
  if (size == NULL || g_str_equal (size, "auto") || *size == '\0')
    return TRUE;
  if (!app_parse_size (size, &width, &height, NULL))
    return wrong_value ("size", size, _("width and height, like “1024x768”"), error);

  zim_params_set_size (params, width, height);
  return TRUE;
}

static gboolean
set_whole (ZimParams       *params,
           const AppField  *field,
           GVariant        *dict,
           GError         **error)
{
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (params), field->property);
  gboolean is_long = pspec->value_type == G_TYPE_INT64;
  gint64 whole = 0;

  if (!app_dict_read_whole (dict, field->json_name, is_long ? G_MININT64 : G_MININT, is_long ? G_MAXINT64 : G_MAXINT,
                            &whole, error))
    return FALSE;

  if (is_long)
    g_object_set (params, field->property, whole, NULL);
  else
    g_object_set (params, field->property, (int) whole, NULL);
  return TRUE;
}

static gboolean
set_real (ZimParams       *params,
          const AppField  *field,
          GVariant        *value,
          GError         **error)
{
  gint64 whole;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    g_object_set (params, field->property, g_variant_get_double (value), NULL);
  else if (get_whole (value, &whole))
    g_object_set (params, field->property, (double) whole, NULL);
  else
    return wrong_type (field->json_name, _("a number"), error);

  return TRUE;
}

static gboolean
set_text (ZimParams       *params,
          const AppField  *field,
          GVariant        *value,
          GError         **error)
{
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return wrong_type (field->json_name, _("a string"), error);

  return app_field_set (field, params, g_variant_get_string (value, NULL), error);
}

static gboolean
set_field (ZimParams       *params,
           const AppField  *field,
           GVariant        *dict,
           GError         **error)
{
  g_autoptr(GVariant) value = app_dict_lookup (dict, field->json_name);

  if (value == NULL)
    return TRUE;

  switch (field->kind)
    {
    case APP_FIELD_WHOLE:
      return set_whole (params, field, dict, error);
    case APP_FIELD_REAL:
      return set_real (params, field, value, error);
    case APP_FIELD_TEXT:
    case APP_FIELD_CHOICE:
    default:
      return set_text (params, field, value, error);
    }
}

gboolean
app_params_from_variant (ZimParams   *params,
                         GVariant    *dict,
                         const char **bad_field,
                         GError     **error)
{
  guint n_fields;
  const AppField *fields = app_fields (&n_fields);

  for (guint i = 0; i < n_fields; i++)
    if (fields[i].json_name != NULL && !set_field (params, &fields[i], dict, error))
      {
        *bad_field = fields[i].json_name;
        return FALSE;
      }

  return TRUE;
}

void
app_dict_add (GVariantBuilder *dict,
              const char      *name,
              const char      *format,
              ...)
{
  va_list values;

  va_start (values, format);
  app_dict_add_value (dict, name, g_variant_new_va (format, NULL, &values));
  va_end (values);
}

void
app_dict_add_value (GVariantBuilder *dict,
                    const char      *name,
                    GVariant        *value)
{
  g_variant_builder_add (dict, "{sv}", name, value);
}
