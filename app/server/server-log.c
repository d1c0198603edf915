/* server-log.c: lines that programs can read, too
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "server-log.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define FIELDS_MAX 32

/* Bytes that are no characters, or none that can be seen, are written by their numbers. */
static void
append_quoted (GString    *line,
               const char *value)
{
  for (const char *p = value; *p != '\0';)
    {
      gunichar character = g_utf8_get_char_validated (p, -1);
      gboolean is_invalid = character == (gunichar) -1 || character == (gunichar) -2;
      const char *next = is_invalid ? p + 1 : g_utf8_next_char (p);

      if (*p == '"' || *p == '\\')
        g_string_append_printf (line, "\\%c", *p);
      else if (!is_invalid && !g_unichar_iscntrl (character))
        g_string_append_len (line, p, next - p);
      else
        for (const char *q = p; q < next; q++)
          g_string_append_printf (line, "\\x%02x", (guchar) *q);
      p = next;
    }
}

/* What is no plain word is quoted; nothing in it can begin another line or look like another field. */
static void
append_value (GString    *line,
              const char *value)
{
  gboolean is_plain = *value != '\0';

  for (const char *p = value; *p != '\0'; p++)
    is_plain = is_plain && (guchar) *p > 0x20 && (guchar) *p < 0x7f && strchr ("\"=\\", *p) == NULL;
  if (is_plain)
    {
      g_string_append (line, value);
      return;
    }

  g_string_append_c (line, '"');
  append_quoted (line, value);
  g_string_append_c (line, '"');
}

static void
append_field (GString    *line,
              const char *name,
              const char *value)
{
  g_string_append_printf (line, " %s=", name);
  append_value (line, value);
}

static void
send_to_journal (const char *message,
                 GPtrArray  *pairs)
{
  GLogField fields[FIELDS_MAX] = {
    { "MESSAGE", message, -1 },
    { "PRIORITY", "6", -1 },
  };
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  gsize n = 2;

  for (guint i = 0; i + 1 < pairs->len && n < FIELDS_MAX; i += 2)
    {
      char *upper = g_ascii_strup (pairs->pdata[i], -1);
      char *name = g_strconcat ("ZIMAGE_", upper, NULL);

      g_free (upper);
      g_ptr_array_add (names, name);
      fields[n++] = (GLogField) { name, pairs->pdata[i + 1], -1 };
    }
  g_log_writer_journald (G_LOG_LEVEL_INFO, fields, n, NULL);
}

void
server_log (const char *event,
            const char *name,
            ...)
{
  g_autoptr(GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");
  g_autoptr(GString) line = g_string_new (NULL);
  g_autoptr(GPtrArray) pairs = g_ptr_array_new ();
  va_list rest;

  append_field (line, "event", event);
  va_start (rest, name);
  for (; name != NULL; name = va_arg (rest, const char *))
    {
      const char *value = va_arg (rest, const char *);

      if (value == NULL)
        continue;
      append_field (line, name, value);
      g_ptr_array_add (pairs, (gpointer) name);
      g_ptr_array_add (pairs, (gpointer) value);
    }
  va_end (rest);

  if (g_log_writer_is_journald (STDERR_FILENO))
    send_to_journal (line->str + 1, pairs);
  else
    g_printerr ("time=%s.%03dZ level=info%s\n", time, g_date_time_get_microsecond (now) / 1000, line->str);
}
