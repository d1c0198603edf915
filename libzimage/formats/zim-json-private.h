/* zim-json-private.h: JSON that others wrote, read without trusting it
 *
 * json-glib gives the tree, but its parser is not used: the one in Debian 12 overflows the stack on
 * deep nesting, lets a second member of the same name replace the first and wraps large integers
 * around.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define ZIM_JSON_MAX_SIZE   100000000 /* bytes; the limit that safetensors sets for its header */
#define ZIM_JSON_MAX_DEPTH  64
#define ZIM_JSON_MAX_VALUES 4000000   /* some 150 bytes each; a tokenizer has about 800,000 */

/* One JSON value (RFC 8259) and nothing after it. data need not end in a NUL; source names it in
 * errors, which are ZIM_ERROR_BAD_FILE with the byte offset. Not accepted: invalid UTF-8, a NUL
 * (escaped ones too), surrogates without their pair, two members of one name in an object,
 * numbers beyond a double, and anything over the limits above. Integers beyond 64 bits become
 * doubles. */
JsonNode    *zim_json_parse          (const char     *data,
                                      gsize           length,
                                      const char     *source,
                                      GError        **error);

/* A foreign string for a message: it may be as long as the file. */
char        *zim_json_shorten        (const char     *string);

/* Typed reading of members. The first fault is kept in the reader and every later call then gives its
 * fallback (or 0, NULL), so that a whole object is read first and the reader asked once at the end:
 *
 *   ZimJsonReader reader = { .source = path, .code = ZIM_ERROR_BAD_CONFIG };
 *   JsonObject *root = zim_json_read_root (&reader, node);
 *   guint dim = zim_json_need_int (&reader, root, "dim", 1, G_MAXINT);
 *   if (!zim_json_reader_finish (&reader, error)) …
 *
 * A member that is null counts as missing. read_ calls accept a missing member, need_ calls do not. */
typedef struct {
  const char *source; /* the file, for messages */
  int         code;   /* of ZIM_ERROR, for missing members and wrong types and values */
  GError     *error;
} ZimJsonReader;

JsonObject  *zim_json_read_root      (ZimJsonReader  *reader,
                                      JsonNode       *node);
gint64       zim_json_read_int       (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member,
                                      gint64          min,
                                      gint64          max,
                                      gint64          fallback);
gint64       zim_json_need_int       (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member,
                                      gint64          min,
                                      gint64          max);
double       zim_json_read_double    (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member,
                                      double          min,
                                      double          max,
                                      double          fallback); /* integers are doubles too */
double       zim_json_need_double    (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member,
                                      double          min,
                                      double          max);
gboolean     zim_json_read_boolean   (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member,
                                      gboolean        fallback);
const char  *zim_json_read_string    (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member,
                                      const char     *fallback);
const char  *zim_json_need_string    (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member);
JsonArray   *zim_json_read_array     (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member); /* (nullable) */
JsonArray   *zim_json_need_array     (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member);
JsonObject  *zim_json_read_object    (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member); /* (nullable) */
JsonObject  *zim_json_need_object    (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member);

/* The integers of an array, at most max_n of them; returns how many. 0 if the member is missing. */
guint        zim_json_read_ints      (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member,
                                      gint64          min,
                                      gint64          max,
                                      gint64         *values,
                                      guint           max_n);

/* Members of which only one value can be computed, which is also what a missing one means. Any
 * other is ZIM_ERROR_UNSUPPORTED. */
void         zim_json_only_string    (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member,
                                      const char     *expected);
void         zim_json_only_false     (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member);
void         zim_json_only_null      (ZimJsonReader  *reader,
                                      JsonObject     *object,
                                      const char     *member);

gboolean     zim_json_has            (JsonObject     *object,
                                      const char     *member); /* and it is not null */

/* Notes a fault of the caller's own finding, prefixed with the source, unless there is one
 * already. */
void         zim_json_reader_fail    (ZimJsonReader  *reader,
                                      int             code,
                                      const char     *format,
                                      ...) G_GNUC_PRINTF (3, 4);

/* FALSE and the error if there was a fault. The reader is empty afterwards. */
gboolean     zim_json_reader_finish  (ZimJsonReader  *reader,
                                      GError        **error);

G_END_DECLS
