/* zim-journal.c: what an interrupted call had finished
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-journal-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

struct _ZimJournal {
  char       *path;
  int         fd;   /* −1 if it cannot be written */
  GHashTable *done; /* key → value, as they were when it was opened */
};

/* “key<TAB>value” lines; the last one of a process that was killed may be torn, and has no newline then. */
static void
load (ZimJournal *self)
{
  g_autofree char *contents = NULL;
  g_auto(GStrv) lines = NULL;

  if (g_file_test (self->path, G_FILE_TEST_IS_SYMLINK) || !g_file_get_contents (self->path, &contents, NULL, NULL))
    return;
  lines = g_strsplit (contents, "\n", -1);
  for (guint i = 0; lines[i] != NULL && lines[i + 1] != NULL; i++)
    {
      char *tab = strchr (lines[i], '\t');

      if (tab == NULL)
        continue;
      *tab = '\0';
      g_hash_table_insert (self->done, g_strdup (lines[i]), g_strdup (tab + 1));
    }
}

ZimJournal *
zim_journal_open (const char *root,
                  const char *name)
{
  ZimJournal *self = g_new0 (ZimJournal, 1);
  g_autofree char *folder = zim_blobs_get_partial (root, "");
  g_autoptr(GBytes) bytes = g_bytes_new_static (name, strlen (name));
  char hex[ZIM_SHA256_HEX + 1];
  g_autofree char *base = NULL;

  zim_sha256_of_bytes (bytes, hex);
  base = g_strconcat ("journal-", hex, NULL);
  self->path = zim_blobs_get_partial (root, base);
  self->done = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  load (self);
  g_mkdir_with_parents (folder, 0755);
  self->fd = g_open (self->path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  /* Ends a line that was torn. */
  if (self->fd >= 0 && g_hash_table_size (self->done) > 0 && write (self->fd, "\n", 1) < 0)
    g_debug ("cannot write to %s", self->path);
  return self;
}

void
zim_journal_free (ZimJournal *self)
{
  if (self->fd >= 0)
    g_close (self->fd, NULL);
  g_hash_table_unref (self->done);
  g_free (self->path);
  g_free (self);
}

const char *
zim_journal_lookup (ZimJournal *self,
                    const char *key)
{
  return g_hash_table_lookup (self->done, key);
}

void
zim_journal_note (ZimJournal *self,
                  const char *key,
                  const char *value)
{
  g_autofree char *line = g_strdup_printf ("%s\t%s\n", key, value);

  /* One write of a short line to the end of a file comes whole or not at all, whoever else writes to it. */
  if (self->fd >= 0 && write (self->fd, line, strlen (line)) < 0)
    g_debug ("cannot write to %s", self->path);
}

void
zim_journal_finish (ZimJournal *self)
{
  g_unlink (self->path);
}
