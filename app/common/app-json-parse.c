/* app-json-parse.c: JSON that others wrote, read without trusting it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* json-glib reads it, behind a guard: the version in Debian 12 overflows the stack on deep nesting, takes more than
 * JSON, lets a second member of the same name replace the first and wraps large integers around. */

#include "config.h"

#include "app-json.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <json-glib/json-glib.h>
#include <math.h>

#define HEX "[0-9A-Fa-f]"

/* One token. Whole numbers have as many digits as always fit 64 bits, and what is escaped is a character: neither NUL
 * nor half of a surrogate pair. */
#define TOKEN \
  "[ \\t\\r\\n]++" \
  "|[][{},:]" \
  "|(?:true|false|null)\\b" \
  "|-?(?:0|[1-9][0-9]*+)(?:\\.[0-9]++(?:[eE][-+]?[0-9]++)?|[eE][-+]?[0-9]++|(?<![0-9]{19}))(?![-+.0-9A-Za-z])" \
  "|\"(?:[^\"\\\\\\x00-\\x1f]++|\\\\(?:[\"\\\\/bfnrt]" \
  "|u(?!0000)(?:[0-9A-CEFa-cef]" HEX "{3}|[Dd][0-7]" HEX "{2}|[Dd][89ABab]" HEX "{2}\\\\u[Dd][C-Fc-f]" HEX "{2})))*+\""

typedef struct
{
  guint    depth;
  guint    n_roots;
  guint    n_tokens;
  guint    n_members;   /* colons, of which each member has one, less the members that were read */
  gboolean is_infinite; /* a number */
} Scan;

static GVariant *to_variant (JsonNode *node,
                             Scan     *scan);

static gboolean
fail (gsize    at,
      GError **error)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("Not JSON, or too deep or too long, at byte %lld"),
               (long long) at);
  return FALSE;
}

static gboolean
add_token (Scan *self,
           char  first)
{
  if (g_ascii_isspace (first))
    return TRUE;
  if (first == ']' || first == '}')
    return self->depth-- > 0;
  if (self->depth == 0 && ++self->n_roots > 1)
    return FALSE;

  self->n_members += first == ':';
  self->depth += first == '[' || first == '{';
  return ++self->n_tokens <= APP_JSON_MAX_TOKENS && self->depth <= APP_JSON_MAX_DEPTH;
}

/* Finds the end of the token at a byte. */
static gboolean
find_end (const char *data,
          gsize       length,
          gsize       at,
          gsize      *end)
{
  static GRegex *regex;
  g_autoptr(GMatchInfo) match = NULL;
  int last;

  if (g_once_init_enter (&regex))
    g_once_init_leave (&regex, g_regex_new (TOKEN, G_REGEX_RAW | G_REGEX_OPTIMIZE, G_REGEX_MATCH_ANCHORED, NULL));
  if (!g_regex_match_full (regex, data, (gssize) length, (int) at, 0, &match, NULL))
    return FALSE;

  g_match_info_fetch_pos (match, 0, NULL, &last);
  *end = (gsize) last;
  return TRUE;
}

static gboolean
scan_tokens (Scan        *self,
             const char  *data,
             gsize        length,
             GError     **error)
{
  gsize end;

  for (gsize at = 0; at < length; at = end)
    if (!find_end (data, length, at, &end) || !add_token (self, data[at]))
      return fail (at, error);

  return self->n_roots == 1 && self->depth == 0 ? TRUE : fail (length, error);
}

/* --- What json-glib read --------------------------------------------------------------------------- */

static GVariant *
array_to_variant (JsonArray *array,
                  Scan      *scan)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));

  for (guint i = 0; i < json_array_get_length (array); i++)
    g_variant_builder_add (&builder, "v", to_variant (json_array_get_element (array, i), scan));

  return g_variant_builder_end (&builder);
}

static GVariant *
object_to_variant (JsonObject *object,
                   Scan       *scan)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    {
      scan->n_members--;
      g_variant_builder_add (&builder, "{sv}", name, to_variant (node, scan));
    }

  return g_variant_builder_end (&builder);
}

/* json-glib's own conversion takes a time that grows with the square of an array's length. (transfer floating) */
static GVariant *
to_variant (JsonNode *node,
            Scan     *scan)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    return object_to_variant (json_node_get_object (node), scan);
  if (JSON_NODE_HOLDS_ARRAY (node))
    return array_to_variant (json_node_get_array (node), scan);
  if (JSON_NODE_HOLDS_NULL (node))
    return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);

  switch (json_node_get_value_type (node))
    {
    case G_TYPE_STRING:
      return g_variant_new_string (json_node_get_string (node));
    case G_TYPE_BOOLEAN:
      return g_variant_new_boolean (json_node_get_boolean (node));
    case G_TYPE_INT64:
      return g_variant_new_int64 (json_node_get_int (node));
    default:
      scan->is_infinite |= !isfinite (json_node_get_double (node));
      return g_variant_new_double (json_node_get_double (node));
    }
}

static GVariant *
read_tokens (const char  *data,
             gsize        length,
             Scan        *scan,
             GError     **error)
{
  g_autoptr(JsonParser) parser = json_parser_new_immutable ();
  g_autoptr(GError) reason = NULL;
  g_autoptr(GVariant) value = NULL;

  if (!json_parser_load_from_data (parser, data, (gssize) length, &reason))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("Not JSON: %s"), reason->message);
      return NULL;
    }
  value = g_variant_ref_sink (to_variant (json_parser_get_root (parser), scan));
  if (scan->n_members == 0 && !scan->is_infinite)
    return g_steal_pointer (&value);

  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                       scan->is_infinite ? _("Not JSON: a number is too large")
                                         : _("Not JSON: a name is there twice in one object"));
  return NULL;
}

GVariant *
app_json_parse (const char  *data,
                gsize        length,
                GError     **error)
{
  Scan scan = { 0 };
  const char *end;

  if (length > APP_JSON_MAX_LENGTH)
    fail (APP_JSON_MAX_LENGTH, error);
  else if (!g_utf8_validate_len (data, length, &end))
    fail ((gsize) (end - data), error);
  else if (scan_tokens (&scan, data, length, error))
    return read_tokens (data, length, &scan, error);

  return NULL;
}
