/* app-fields.c: the generation parameters as people and programs write them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-fields.h"

#include <glib/gi18n.h>
#include <string.h>

static const AppField fields[] = {
  { "prompt", NULL, "prompt", "prompt", APP_FIELD_TEXT,
    N_("TEXT"), N_("What the picture shows") },
  { "negative", "neg", "negative_prompt", "negative-prompt", APP_FIELD_TEXT,
    N_("TEXT"), N_("What it should not show; needs guidance") },
  { "size", NULL, NULL, NULL, APP_FIELD_SIZE,
    N_("WIDTHxHEIGHT"), N_("Size in pixels, multiples of 16") },
  { "width", "w", "width", "width", APP_FIELD_WHOLE,
    N_("PIXELS"), N_("Width alone") },
  { "height", "h", "height", "height", APP_FIELD_WHOLE,
    N_("PIXELS"), N_("Height alone") },
  { "steps", "s", "steps", "steps", APP_FIELD_WHOLE,
    N_("NUMBER"), N_("Number of steps") },
  { "seed", NULL, "seed", "seed", APP_FIELD_WHOLE,
    N_("NUMBER"), N_("Same seed, same picture; -1 is random") },
  { "n", NULL, "n", "n-images", APP_FIELD_WHOLE,
    N_("NUMBER"), N_("Number of pictures, with seeds that follow") },
  { "guidance", "g", "guidance_scale", "guidance", APP_FIELD_REAL,
    N_("NUMBER"), N_("Guidance as in diffusers, 0 is off") },
  { "cfg", NULL, NULL, "cfg", APP_FIELD_REAL,
    N_("NUMBER"), N_("The same plus 1, as in other programs") },
  { "cfg-normalization", NULL, "cfg_normalization", "cfg-normalization", APP_FIELD_REAL,
    N_("NUMBER"), N_("Limit of what guidance adds, 0 is none") },
  { "cfg-truncation", NULL, "cfg_truncation", "cfg-truncation", APP_FIELD_REAL,
    N_("NUMBER"), N_("Part of the steps with guidance, 0 to 1") },
  { "max-tokens", NULL, "max_tokens", "max-tokens", APP_FIELD_WHOLE,
    N_("NUMBER"), N_("Tokens of the prompt that are used") },
  { "rng", NULL, "rng", "rng", APP_FIELD_CHOICE,
    "cpu|cuda", N_("Noise of PyTorch’s CPU or CUDA generator") },
};

const AppField *
app_fields (guint *n_fields)
{
  *n_fields = G_N_ELEMENTS (fields);
  return fields;
}

const AppField *
app_field_find (const char *name_or_alias)
{
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (g_str_equal (name_or_alias, fields[i].name) || g_strcmp0 (name_or_alias, fields[i].alias) == 0)
      return &fields[i];

  return NULL;
}

static gboolean
bad_value (const char  *name,
           const char  *text,
           const char  *expected,
           GError     **error)
{
  g_autofree char *shown = g_utf8_make_valid (text, -1);

  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               _("Value of “%s” is “%s”, expected %s"), name, shown, expected);
  return FALSE;
}

static gboolean
read_whole (const AppField  *field,
            const char      *text,
            gint64           min,
            gint64           max,
            gint64          *number,
            GError         **error)
{
  g_autoptr(GError) reason = NULL;
  g_autofree char *expected = NULL;

  if (g_ascii_string_to_signed (text, 10, min, max, number, &reason))
    return TRUE;
  if (!g_error_matches (reason, G_NUMBER_PARSER_ERROR, G_NUMBER_PARSER_ERROR_OUT_OF_BOUNDS))
    return bad_value (field->name, text, _("a whole number"), error);

  expected = g_strdup_printf (_("a whole number from %lld to %lld"), (long long) min, (long long) max);
  return bad_value (field->name, text, expected, error);
}

static gboolean
read_real (const AppField  *field,
           const char      *text,
           double          *number,
           GError         **error)
{
  char *end;

  *number = g_ascii_strtod (text, &end);
  if (*text == '\0' || *end != '\0' || g_ascii_isspace (*text))
    return bad_value (field->name, text, _("a number"), error);

  return TRUE;
}

static char *
list_nicks (GEnumClass *klass)
{
  g_autoptr(GString) nicks = g_string_new (NULL);

  for (guint i = 0; i < klass->n_values; i++)
    g_string_append_printf (nicks, "%s%s", i > 0 ? ", " : "", klass->values[i].value_nick);

  return g_string_free (g_steal_pointer (&nicks), FALSE);
}

static gboolean
read_choice (const char  *name,
             GType        type,
             const char  *text,
             int         *value,
             GError     **error)
{
  g_autoptr(GEnumClass) klass = g_type_class_ref (type);
  const GEnumValue *found = g_enum_get_value_by_nick (klass, text);
  g_autofree char *nicks = NULL;
  g_autofree char *expected = NULL;

  if (found != NULL)
    {
      *value = found->value;
      return TRUE;
    }

  nicks = list_nicks (klass);
  expected = g_strdup_printf (_("one of: %s"), nicks);
  return bad_value (name, text, expected, error);
}

gboolean
app_parse_size (const char  *text,
                int         *width,
                int         *height,
                GError     **error)
{
  g_auto(GStrv) sides = g_strsplit (text, "x", 2);
  gint64 w, h;

  if (g_strv_length (sides) != 2 ||
      !g_ascii_string_to_signed (sides[0], 10, 0, G_MAXINT, &w, NULL) ||
      !g_ascii_string_to_signed (sides[1], 10, 0, G_MAXINT, &h, NULL))
    return bad_value ("size", text, _("width and height, like “1024x768”"), error);

  *width = (int) w;
  *height = (int) h;
  return TRUE;
}

gboolean
app_parse_precision (const char    *text,
                     ZimPrecision  *precision,
                     GError       **error)
{
  int value;

  if (!read_choice ("precision", ZIM_TYPE_PRECISION, text, &value, error))
    return FALSE;

  *precision = (ZimPrecision) value;
  return TRUE;
}

gboolean
app_parse_memory (const char  *text,
                  guint64     *bytes,
                  GError     **error)
{
  static const struct { const char *name; double factor; } units[] = {
    { "", 1 }, { "B", 1 },
    { "K", 1024.0 }, { "M", 1048576.0 }, { "G", 1073741824.0 }, { "T", 1099511627776.0 },
    { "KIB", 1024.0 }, { "MIB", 1048576.0 }, { "GIB", 1073741824.0 }, { "TIB", 1099511627776.0 },
    { "KB", 1e3 }, { "MB", 1e6 }, { "GB", 1e9 }, { "TB", 1e12 },
  };
  char *end = NULL;
  double number = g_ascii_isdigit (text[0]) ? g_ascii_strtod (text, &end) : -1.0;

  for (guint i = 0; end != NULL && i < G_N_ELEMENTS (units); i++)
    if (g_ascii_strcasecmp (end + strspn (end, " "), units[i].name) == 0)
      {
        double value = number * units[i].factor;

        /* Beyond 2⁵³ a double is not exact, and no machine is so large. */
        if (value < 1.0 || value > 9007199254740992.0)
          break;
        *bytes = (guint64) value;
        return TRUE;
      }

  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               _("“%s” is not an amount of memory; expected one like 6GiB, 512M or 1500000000"), text);
  return FALSE;
}

ZimDevice *
app_find_device (const char  *option,
                 GError     **error)
{
  const char *name = option != NULL ? option : g_getenv ("ZIM_DEVICE");

  return zim_device_find (name != NULL && *name != '\0' ? name : "auto", error);
}

gboolean
app_find_memory_budget (const char  *option,
                        const char  *text,
                        guint64     *bytes,
                        GError     **error)
{
  const char *value = text != NULL ? text : g_getenv ("ZIM_MEMORY_BUDGET");

  *bytes = 0;
  if (value == NULL || (text == NULL && value[0] == '\0') || app_parse_memory (value, bytes, error))
    return TRUE;

  g_prefix_error (error, "%s: ", text != NULL ? option : "ZIM_MEMORY_BUDGET");
  return FALSE;
}

const char *
app_enum_nick (GType type,
               int   value)
{
  g_autoptr(GEnumClass) klass = g_type_class_ref (type);
  const GEnumValue *found = g_enum_get_value (klass, value);

  /* The nicks are literals, which outlive the class. */
  return found != NULL ? found->value_nick : "?";
}

static GParamSpec *
find_pspec (const AppField *field,
            ZimParams      *params)
{
  return g_object_class_find_property (G_OBJECT_GET_CLASS (params), field->property);
}

static gboolean
set_whole (const AppField  *field,
           ZimParams       *params,
           const char      *text,
           GError         **error)
{
  gboolean is_long = find_pspec (field, params)->value_type == G_TYPE_INT64;
  gint64 number;

  if (!read_whole (field, text,
                   is_long ? G_MININT64 : G_MININT, is_long ? G_MAXINT64 : G_MAXINT,
                   &number, error))
    return FALSE;

  if (is_long)
    g_object_set (params, field->property, number, NULL);
  else
    g_object_set (params, field->property, (int) number, NULL);
  return TRUE;
}

static gboolean
set_size (ZimParams   *params,
          const char  *text,
          GError     **error)
{
  int width, height;

  if (!app_parse_size (text, &width, &height, error))
    return FALSE;

  zim_params_set_size (params, width, height);
  return TRUE;
}

gboolean
app_field_set (const AppField  *field,
               ZimParams       *params,
               const char      *text,
               GError         **error)
{
  double real;
  int choice;

  switch (field->kind)
    {
    case APP_FIELD_SIZE:
      return set_size (params, text, error);

    case APP_FIELD_WHOLE:
      return set_whole (field, params, text, error);

    case APP_FIELD_REAL:
      if (!read_real (field, text, &real, error))
        return FALSE;
      g_object_set (params, field->property, real, NULL);
      return TRUE;

    case APP_FIELD_CHOICE:
      if (!read_choice (field->name, find_pspec (field, params)->value_type, text, &choice, error))
        return FALSE;
      g_object_set (params, field->property, choice, NULL);
      return TRUE;

    case APP_FIELD_TEXT:
    default:
      g_object_set (params, field->property, text, NULL);
      return TRUE;
    }
}

void
app_field_reset (const AppField *field,
                 ZimParams      *params)
{
  g_auto(GValue) value = G_VALUE_INIT;
  GParamSpec *pspec;

  if (field->kind == APP_FIELD_SIZE)
    {
      zim_params_set_size (params, 0, 0);
      return;
    }

  pspec = find_pspec (field, params);
  g_value_init (&value, pspec->value_type);
  g_param_value_set_default (pspec, &value);
  g_object_set_property (G_OBJECT (params), field->property, &value);
}

/* The values that stand for something else than themselves. */
static const char *
describe_default (const AppField *field,
                  ZimParams      *params)
{
  if (field->kind == APP_FIELD_SIZE)
    return zim_params_get_width (params) == 0 && zim_params_get_height (params) == 0 ? _("the model’s own") : NULL;

  if ((g_str_equal (field->name, "width") && zim_params_get_width (params) == 0) ||
      (g_str_equal (field->name, "height") && zim_params_get_height (params) == 0) ||
      (g_str_equal (field->name, "steps") && zim_params_get_steps (params) == 0) ||
      (g_str_equal (field->name, "guidance") && zim_params_get_guidance (params) == -1.0) ||
      (g_str_equal (field->name, "cfg") && zim_params_get_cfg (params) == -1.0))
    return _("the model’s own");

  if (g_str_equal (field->name, "seed") && zim_params_get_seed (params) == ZIM_SEED_RANDOM)
    return _("random");
  if (g_str_equal (field->name, "negative") && *zim_params_get_negative_prompt (params) == '\0')
    return _("none");

  return NULL;
}

static char *
describe_real (double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  return g_strdup (g_ascii_formatd (buffer, sizeof buffer, "%.10g", value));
}

char *
app_field_describe (const AppField *field,
                    ZimParams      *params)
{
  const char *text = describe_default (field, params);
  g_auto(GValue) value = G_VALUE_INIT;

  if (text != NULL)
    return g_strdup (text);
  if (field->kind == APP_FIELD_SIZE)
    return g_strdup_printf ("%dx%d", zim_params_get_width (params), zim_params_get_height (params));

  g_object_get_property (G_OBJECT (params), field->property, &value);
  switch (field->kind)
    {
    case APP_FIELD_REAL:
      return describe_real (g_value_get_double (&value));
    case APP_FIELD_CHOICE:
      return g_strdup (app_enum_nick (G_VALUE_TYPE (&value), g_value_get_enum (&value)));
    case APP_FIELD_WHOLE:
      if (G_VALUE_HOLDS_INT64 (&value))
        return g_strdup_printf ("%" G_GINT64_FORMAT, g_value_get_int64 (&value));
      return g_strdup_printf ("%d", g_value_get_int (&value));
    default:
      return g_value_dup_string (&value);
    }
}

static GVariant *
field_to_variant (const AppField *field,
                  ZimParams      *params)
{
  g_auto(GValue) value = G_VALUE_INIT;

  g_object_get_property (G_OBJECT (params), field->property, &value);
  switch (field->kind)
    {
    case APP_FIELD_REAL:
      return g_variant_new_double (g_value_get_double (&value));
    case APP_FIELD_CHOICE:
      return g_variant_new_string (app_enum_nick (G_VALUE_TYPE (&value), g_value_get_enum (&value)));
    case APP_FIELD_WHOLE:
      if (G_VALUE_HOLDS_INT64 (&value))
        return g_variant_new_int64 (g_value_get_int64 (&value));
      return g_variant_new_int32 (g_value_get_int (&value));
    default:
      return g_variant_new_take_string (g_utf8_make_valid (g_value_get_string (&value), -1));
    }
}

GVariant *
app_params_to_variant (ZimParams *params)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      const char *text = describe_default (&fields[i], params);

      if (fields[i].json_name != NULL && (text == NULL || fields[i].kind == APP_FIELD_TEXT))
        g_variant_builder_add (&builder, "{sv}", fields[i].json_name, field_to_variant (&fields[i], params));
    }

  return g_variant_builder_end (&builder);
}
