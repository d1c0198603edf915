/* app-json-parse.c: JSON that others wrote, read without trusting it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* json-glib's parser is not used: the one in Debian 12 overflows the stack on deep nesting, lets a second member of the
 * same name replace the first and wraps large integers around. */

#include "config.h"

#include "app-json.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

typedef struct
{
  const char *start;
  const char *at;
  const char *end;
  guint       depth;
  GError     *error;
} Parser;

static GVariant *parse_value (Parser *self);

static gboolean
fail (Parser     *self,
      const char *expected)
{
  if (self->error == NULL)
    self->error = g_error_new (G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("Not JSON at byte %lld: expected %s"),
                               (long long) (self->at - self->start), expected);
  return FALSE;
}

static void
skip_space (Parser *self)
{
  while (self->at < self->end && strchr (" \t\r\n", *self->at) != NULL)
    self->at++;
}

/* Whether the next character is this one; it is taken then. */
static gboolean
take (Parser *self,
      char    c)
{
  if (self->at == self->end || *self->at != c)
    return FALSE;
  self->at++;
  return TRUE;
}

static gboolean
take_word (Parser     *self,
           const char *word)
{
  gsize length = strlen (word);

  if ((gsize) (self->end - self->at) < length || memcmp (self->at, word, length) != 0)
    return FALSE;
  self->at += length;
  return TRUE;
}

static gboolean
parse_hex (Parser *self,
           guint  *unit)
{
  *unit = 0;
  for (int i = 0; i < 4; i++)
    {
      if (self->at == self->end || !g_ascii_isxdigit (*self->at))
        return fail (self, _("four hexadecimal digits"));
      *unit = *unit * 16 + (guint) g_ascii_xdigit_value (*self->at++);
    }
  return TRUE;
}

/* \uXXXX, or two of them that are a surrogate pair. */
static gboolean
parse_code_point (Parser  *self,
                  GString *text)
{
  guint unit, low;

  if (!parse_hex (self, &unit))
    return FALSE;
  if (unit >= 0xd800 && unit < 0xdc00)
    {
      if (!take_word (self, "\\u"))
        return fail (self, _("the second half of a surrogate pair"));
      if (!parse_hex (self, &low))
        return FALSE;
      if (low < 0xdc00 || low > 0xdfff)
        return fail (self, _("the second half of a surrogate pair"));
      unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
  if (unit == 0 || (unit >= 0xdc00 && unit < 0xe000))
    return fail (self, _("a character"));

  g_string_append_unichar (text, unit);
  return TRUE;
}

static gboolean
parse_escape (Parser  *self,
              GString *text)
{
  static const char names[] = "\"\\/bfnrt";
  static const char values[] = "\"\\/\b\f\n\r\t";
  const char *found = self->at < self->end && *self->at != '\0' ? strchr (names, *self->at) : NULL;

  if (take (self, 'u'))
    return parse_code_point (self, text);
  if (found == NULL)
    return fail (self, _("an escape sequence"));

  g_string_append_c (text, values[found - names]);
  self->at++;
  return TRUE;
}

/* (nullable) (transfer full) */
static char *
parse_text (Parser *self)
{
  g_autoptr(GString) text = g_string_new (NULL);

  if (!take (self, '"'))
    {
      fail (self, _("a string"));
      return NULL;
    }
  while (!take (self, '"'))
    {
      const char *run = self->at;

      while (self->at < self->end && *self->at != '"' && *self->at != '\\' && (guchar) *self->at >= 0x20)
        self->at++;
      g_string_append_len (text, run, self->at - run);
      if (take (self, '\\') ? !parse_escape (self, text) : self->at == self->end || *self->at != '"')
        {
          fail (self, _("the end of a string"));
          return NULL;
        }
    }

  return g_string_free (g_steal_pointer (&text), FALSE);
}

static gboolean
take_digits (Parser *self)
{
  const char *start = self->at;

  while (self->at < self->end && g_ascii_isdigit (*self->at))
    self->at++;
  return self->at > start;
}

/* Moves behind a number; whether it is written as a whole one. */
static gboolean
scan_number (Parser   *self,
             gboolean *is_whole)
{
  const char *first;

  take (self, '-');
  first = self->at;
  if (!take_digits (self) || (*first == '0' && self->at > first + 1))
    return FALSE;
  *is_whole = TRUE;
  if (take (self, '.'))
    {
      *is_whole = FALSE;
      if (!take_digits (self))
        return FALSE;
    }
  if (take (self, 'e') || take (self, 'E'))
    {
      *is_whole = FALSE;
      if (!take (self, '+'))
        take (self, '-');
      if (!take_digits (self))
        return FALSE;
    }
  return TRUE;
}

static GVariant *
parse_number (Parser *self)
{
  const char *start = self->at;
  g_autofree char *text = NULL;
  gboolean is_whole;
  gint64 whole;
  double real;

  if (!scan_number (self, &is_whole))
    {
      fail (self, _("a value"));
      return NULL;
    }

  text = g_strndup (start, (gsize) (self->at - start));
  /* Whole numbers beyond 64 bits become real ones, which no field that wants a whole one takes. */
  if (is_whole && g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &whole, NULL))
    return g_variant_new_int64 (whole);
  real = g_ascii_strtod (text, NULL);
  if (isfinite (real))
    return g_variant_new_double (real);

  fail (self, _("a number of less than 1e309"));
  return NULL;
}

static GVariant *
parse_array (Parser *self)
{
  g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));

  skip_space (self);
  if (take (self, ']'))
    return g_variant_builder_end (&builder);
  do
    {
      GVariant *value = parse_value (self);

      if (value == NULL)
        return NULL;
      g_variant_builder_add (&builder, "v", value);
    }
  while (take (self, ','));
  if (!take (self, ']'))
    {
      fail (self, _("“,” or “]”"));
      return NULL;
    }

  return g_variant_builder_end (&builder);
}

/* (nullable) (transfer full): a name that the object does not have already */
static char *
parse_name (Parser     *self,
            GHashTable *names)
{
  g_autofree char *name = NULL;

  skip_space (self);
  name = parse_text (self);
  skip_space (self);
  if (name == NULL)
    return NULL;
  if (!take (self, ':'))
    {
      fail (self, _("“:”"));
      return NULL;
    }
  if (!g_hash_table_add (names, g_strdup (name)))
    {
      fail (self, _("each name in an object once"));
      return NULL;
    }

  return g_steal_pointer (&name);
}

static GVariant *
parse_object (Parser *self)
{
  g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr(GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  skip_space (self);
  if (take (self, '}'))
    return g_variant_builder_end (&builder);
  do
    {
      g_autofree char *name = parse_name (self, names);
      GVariant *value = name != NULL ? parse_value (self) : NULL;

      if (value == NULL)
        return NULL;
      g_variant_builder_add (&builder, "{sv}", name, value);
    }
  while (take (self, ','));
  if (!take (self, '}'))
    {
      fail (self, _("“,” or “}”"));
      return NULL;
    }

  return g_variant_builder_end (&builder);
}

static GVariant *
parse_container (Parser *self)
{
  GVariant *value;

  if (self->depth == APP_JSON_MAX_DEPTH)
    {
      fail (self, _("less nesting"));
      return NULL;
    }

  self->depth++;
  value = take (self, '{') ? parse_object (self) : (self->at++, parse_array (self));
  self->depth--;
  return value;
}

static GVariant *
parse_bare (Parser *self)
{
  g_autofree char *text = NULL;

  if (self->at < self->end && *self->at == '"')
    {
      text = parse_text (self);
      return text != NULL ? g_variant_new_take_string (g_steal_pointer (&text)) : NULL;
    }
  if (take_word (self, "true"))
    return g_variant_new_boolean (TRUE);
  if (take_word (self, "false"))
    return g_variant_new_boolean (FALSE);
  if (take_word (self, "null"))
    return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);

  return parse_number (self);
}

/* (nullable) (transfer floating) */
static GVariant *
parse_value (Parser *self)
{
  GVariant *value;

  skip_space (self);
  if (self->at < self->end && (*self->at == '{' || *self->at == '['))
    value = parse_container (self);
  else
    value = parse_bare (self);
  skip_space (self);

  return value;
}

GVariant *
app_json_parse (const char  *data,
                gsize        length,
                GError     **error)
{
  Parser self = { data, data, data + length, 0, NULL };
  g_autoptr(GVariant) value = NULL;

  /* It stops at a NUL, too. */
  if (!g_utf8_validate_len (data, length, &self.at))
    fail (&self, _("UTF-8"));
  else
    {
      self.at = data;
      value = parse_value (&self);
      if (value != NULL)
        g_variant_ref_sink (value);
      if (value != NULL && self.at < self.end)
        fail (&self, _("the end"));
    }
  if (self.error == NULL)
    return g_steal_pointer (&value);

  g_propagate_error (error, self.error);
  return NULL;
}
