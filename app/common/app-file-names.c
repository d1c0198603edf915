/* app-file-names.c: names for pictures that nobody named
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-file-names.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

#define SLUG_MAX 50 /* bytes */
#define TRIES_MAX 100000

/* Marks belong to the letter before them; without them many scripts cannot be read. */
static gboolean
is_word (gunichar c)
{
  return g_unichar_isalnum (c) || g_unichar_ismark (c);
}

static void
strip_dash (GString *slug)
{
  if (slug->len > 0 && slug->str[slug->len - 1] == '-')
    g_string_truncate (slug, slug->len - 1);
}

char *
app_slug (const char *prompt)
{
  g_autofree char *valid = g_utf8_make_valid (prompt, -1);
  g_autofree char *lower = g_utf8_strdown (valid, -1);
  g_autofree char *text = g_utf8_normalize (lower, -1, G_NORMALIZE_NFC);
  g_autoptr(GString) slug = g_string_new (NULL);

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      int size = g_unichar_to_utf8 (c, NULL);

      if (slug->len + (gsize) size > SLUG_MAX)
        break;
      if (c != 0xfffd && is_word (c))
        g_string_append_unichar (slug, c);
      else if (slug->len > 0 && slug->str[slug->len - 1] != '-')
        g_string_append_c (slug, '-');
    }
  strip_dash (slug);

  return slug->len > 0 ? g_string_free (g_steal_pointer (&slug), FALSE) : g_strdup ("image");
}

static void
set_create_error (GError     **error,
                  const char  *path,
                  int          code)
{
  g_autofree char *shown = g_filename_display_name (path);

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
               _("Failed to create “%s”: %s"), shown, g_strerror (code));
}

char *
app_reserve_file (const char  *folder,
                  const char  *prompt,
                  const char  *extension,
                  GError     **error)
{
  g_autoptr(GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%Y%m%d-%H%M%S");
  g_autofree char *slug = app_slug (prompt);
  g_autofree char *path = NULL;

  for (int i = 1; i <= TRIES_MAX; i++)
    {
      g_autofree char *suffix = i > 1 ? g_strdup_printf ("-%d", i) : g_strdup ("");
      g_autofree char *name = g_strconcat (slug, "-", time, suffix, ".", extension, NULL);
      int fd;

      g_free (path);
      path = g_build_filename (folder, name, NULL);
      fd = g_open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd >= 0)
        {
          g_close (fd, NULL);
          return g_steal_pointer (&path);
        }
      if (errno != EEXIST)
        break;
    }

  set_create_error (error, path, errno);
  return NULL;
}
