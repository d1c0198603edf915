/* zim-json-reader.c: typed reading of JSON members
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-json-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

void
zim_json_reader_fail (ZimJsonReader *reader,
                      int            code,
                      const char    *format,
                      ...)
{
  g_autofree char *message = NULL;
  va_list args;

  if (reader->error != NULL)
    return;
  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  reader->error = g_error_new (ZIM_ERROR, code, "%s: %s", reader->source, message);
}

gboolean
zim_json_reader_finish (ZimJsonReader  *reader,
                        GError        **error)
{
  if (reader->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&reader->error));
  return FALSE;
}

gboolean
zim_json_has (JsonObject *object,
              const char *member)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, member) : NULL;

  return node != NULL && !JSON_NODE_HOLDS_NULL (node);
}

JsonObject *
zim_json_read_root (ZimJsonReader *reader,
                    JsonNode      *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node);
  zim_json_reader_fail (reader, reader->code, _("Expected an object, found %s"),
                        json_node_type_name (node));
  return NULL;
}

/* The member if it is there, not null and nothing went wrong before. */
static JsonNode *
find_member (ZimJsonReader *reader,
             JsonObject    *object,
             const char    *member,
             gboolean       needed)
{
  if (reader->error != NULL)
    return NULL;
  if (zim_json_has (object, member))
    return json_object_get_member (object, member);
  if (needed)
    zim_json_reader_fail (reader, reader->code, _("Field “%s” is missing"), member);
  return NULL;
}

static gboolean
holds (ZimJsonReader *reader,
       JsonNode      *node,
       const char    *member,
       GType          type,
       const char    *expected)
{
  if (JSON_NODE_HOLDS_VALUE (node) &&
      (json_node_get_value_type (node) == type ||
       (type == G_TYPE_DOUBLE && json_node_get_value_type (node) == G_TYPE_INT64)))
    return TRUE;
  zim_json_reader_fail (reader, reader->code, _("Field “%s” is not %s"), member, expected);
  return FALSE;
}

static gint64
check_int (ZimJsonReader *reader,
           JsonNode      *node,
           const char    *member,
           gint64         min,
           gint64         max,
           gint64         fallback)
{
  gint64 value;

  if (!holds (reader, node, member, G_TYPE_INT64, _("an integer")))
    return fallback;
  value = json_node_get_int (node);
  if (value >= min && value <= max)
    return value;
  zim_json_reader_fail (reader, reader->code,
                        _("Field “%s” is %lld, expected %lld to %lld"),
                        member, (long long) value, (long long) min, (long long) max);
  return fallback;
}

gint64
zim_json_read_int (ZimJsonReader *reader,
                   JsonObject    *object,
                   const char    *member,
                   gint64         min,
                   gint64         max,
                   gint64         fallback)
{
  JsonNode *node = find_member (reader, object, member, FALSE);

  return node != NULL ? check_int (reader, node, member, min, max, fallback) : fallback;
}

gint64
zim_json_need_int (ZimJsonReader *reader,
                   JsonObject    *object,
                   const char    *member,
                   gint64         min,
                   gint64         max)
{
  JsonNode *node = find_member (reader, object, member, TRUE);

  return node != NULL ? check_int (reader, node, member, min, max, 0) : 0;
}

static double
check_double (ZimJsonReader *reader,
              JsonNode      *node,
              const char    *member,
              double         min,
              double         max,
              double         fallback)
{
  double value;

  if (!holds (reader, node, member, G_TYPE_DOUBLE, _("a number")))
    return fallback;
  value = json_node_get_double (node);
  if (value >= min && value <= max)
    return value;
  zim_json_reader_fail (reader, reader->code, _("Field “%s” is %g, expected %g to %g"),
                        member, value, min, max);
  return fallback;
}

double
zim_json_read_double (ZimJsonReader *reader,
                      JsonObject    *object,
                      const char    *member,
                      double         min,
                      double         max,
                      double         fallback)
{
  JsonNode *node = find_member (reader, object, member, FALSE);

  return node != NULL ? check_double (reader, node, member, min, max, fallback) : fallback;
}

double
zim_json_need_double (ZimJsonReader *reader,
                      JsonObject    *object,
                      const char    *member,
                      double         min,
                      double         max)
{
  JsonNode *node = find_member (reader, object, member, TRUE);

  return node != NULL ? check_double (reader, node, member, min, max, 0) : 0;
}

gboolean
zim_json_read_boolean (ZimJsonReader *reader,
                       JsonObject    *object,
                       const char    *member,
                       gboolean       fallback)
{
  JsonNode *node = find_member (reader, object, member, FALSE);

  if (node == NULL || !holds (reader, node, member, G_TYPE_BOOLEAN, _("true or false")))
    return fallback;
  return json_node_get_boolean (node);
}

static const char *
get_string (ZimJsonReader *reader,
            JsonObject    *object,
            const char    *member,
            gboolean       needed,
            const char    *fallback)
{
  JsonNode *node = find_member (reader, object, member, needed);

  if (node == NULL || !holds (reader, node, member, G_TYPE_STRING, _("a string")))
    return fallback;
  return json_node_get_string (node);
}

const char *
zim_json_read_string (ZimJsonReader *reader,
                      JsonObject    *object,
                      const char    *member,
                      const char    *fallback)
{
  return get_string (reader, object, member, FALSE, fallback);
}

const char *
zim_json_need_string (ZimJsonReader *reader,
                      JsonObject    *object,
                      const char    *member)
{
  return get_string (reader, object, member, TRUE, NULL);
}

static JsonArray *
get_array (ZimJsonReader *reader,
           JsonObject    *object,
           const char    *member,
           gboolean       needed)
{
  JsonNode *node = find_member (reader, object, member, needed);

  if (node == NULL || JSON_NODE_HOLDS_ARRAY (node))
    return node != NULL ? json_node_get_array (node) : NULL;
  zim_json_reader_fail (reader, reader->code, _("Field “%s” is not an array"), member);
  return NULL;
}

JsonArray *
zim_json_read_array (ZimJsonReader *reader,
                     JsonObject    *object,
                     const char    *member)
{
  return get_array (reader, object, member, FALSE);
}

JsonArray *
zim_json_need_array (ZimJsonReader *reader,
                     JsonObject    *object,
                     const char    *member)
{
  return get_array (reader, object, member, TRUE);
}

static JsonObject *
get_object (ZimJsonReader *reader,
            JsonObject    *object,
            const char    *member,
            gboolean       needed)
{
  JsonNode *node = find_member (reader, object, member, needed);

  if (node == NULL || JSON_NODE_HOLDS_OBJECT (node))
    return node != NULL ? json_node_get_object (node) : NULL;
  zim_json_reader_fail (reader, reader->code, _("Field “%s” is not an object"), member);
  return NULL;
}

JsonObject *
zim_json_read_object (ZimJsonReader *reader,
                      JsonObject    *object,
                      const char    *member)
{
  return get_object (reader, object, member, FALSE);
}

JsonObject *
zim_json_need_object (ZimJsonReader *reader,
                      JsonObject    *object,
                      const char    *member)
{
  return get_object (reader, object, member, TRUE);
}

guint
zim_json_read_ints (ZimJsonReader *reader,
                    JsonObject    *object,
                    const char    *member,
                    gint64         min,
                    gint64         max,
                    gint64        *values,
                    guint          max_n)
{
  JsonArray *array = zim_json_read_array (reader, object, member);
  guint n = array != NULL ? json_array_get_length (array) : 0;

  if (n > max_n)
    zim_json_reader_fail (reader, reader->code, _("Field “%s” has %u elements, expected at most %u"),
                          member, n, max_n);
  if (reader->error != NULL)
    return 0;
  for (guint i = 0; i < n; i++)
    values[i] = check_int (reader, json_array_get_element (array, i), member, min, max, min);
  return reader->error == NULL ? n : 0;
}

void
zim_json_only_string (ZimJsonReader *reader,
                      JsonObject    *object,
                      const char    *member,
                      const char    *expected)
{
  const char *value = zim_json_read_string (reader, object, member, expected);

  if (strcmp (value, expected) != 0)
    {
      g_autofree char *shortened = zim_json_shorten (value);

      zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                            _("Field “%s” is “%s”, only “%s” is supported"),
                            member, shortened, expected);
    }
}

void
zim_json_only_false (ZimJsonReader *reader,
                     JsonObject    *object,
                     const char    *member)
{
  if (zim_json_read_boolean (reader, object, member, FALSE))
    zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                          _("Field “%s” is true, which is not supported"), member);
}

void
zim_json_only_null (ZimJsonReader *reader,
                    JsonObject    *object,
                    const char    *member)
{
  if (zim_json_has (object, member))
    zim_json_reader_fail (reader, ZIM_ERROR_UNSUPPORTED,
                          _("Field “%s” is set, which is not supported"), member);
}
