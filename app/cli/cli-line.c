/* cli-line.c: lines typed with editing, completion and history
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* GNU readline has one state per process, and so has this file. */

#include "config.h"

#include "cli-line.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#define HISTORY_MAX 1000 /* lines */

static CliLineComplete complete_names;
static char *history_path;
static GMainLoop *loop;
static char *line;
static const char *interrupt_hint;

static char *
generate_match (const char *text,
                int         state)
{
  static const char *const *next;

  if (state == 0)
    {
      g_autofree char *before = g_strndup (rl_line_buffer, (gsize) rl_point - strlen (text));

      next = complete_names (before);
    }

  while (next != NULL && *next != NULL)
    {
      const char *name = *next++;

      if (g_str_has_prefix (name, text))
        return strdup (name);
    }

  return NULL;
}

static char **
complete_cb (const char *text,
             int         start,
             int         end)
{
  /* File names are no use here. */
  rl_attempted_completion_over = 1;
  return rl_completion_matches (text, generate_match);
}

static void
open_history (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd;

  stifle_history (HISTORY_MAX);
  if (g_mkdir_with_parents (folder, 0700) != 0)
    return;

  /* Prompts are private. */
  fd = g_open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return;
  g_close (fd, NULL);

  history_path = g_strdup (path);
  read_history (history_path);
}

void
cli_line_begin (CliLineComplete  complete,
                const char      *history_file)
{
  complete_names = complete;
  rl_readline_name = "zimage";
  rl_attempted_completion_function = complete_cb;
  rl_completer_word_break_characters = (char *) " ";
  rl_catch_signals = 0;
  using_history ();
  if (history_file != NULL)
    open_history (history_file);
}

void
cli_line_end (void)
{
  if (history_path != NULL)
    history_truncate_file (history_path, HISTORY_MAX);
  g_clear_pointer (&history_path, g_free);
  clear_history ();
}

static void
remember (const char *text)
{
  HIST_ENTRY *last = history_length > 0 ? history_get (history_base + history_length - 1) : NULL;

  if (*text == '\0' || (last != NULL && g_str_equal (last->line, text)))
    return;

  add_history (text);
  if (history_path != NULL)
    append_history (1, history_path);
}

/* Readline calls this with a line that the C library allocated. */
static void
line_cb (char *typed)
{
  rl_callback_handler_remove ();
  line = g_strdup (typed);
  free (typed);
  g_main_loop_quit (loop);
}

static gboolean
input_cb (int          fd,
          GIOCondition condition,
          gpointer     data)
{
  rl_callback_read_char ();
  return G_SOURCE_CONTINUE;
}

static gboolean
interrupt_cb (gpointer data)
{
  gboolean was_empty = rl_end == 0;

  rl_callback_sigcleanup ();
  rl_free_line_state ();
  fputs ("^C\n", rl_outstream);
  if (was_empty)
    fprintf (rl_outstream, "%s\n", interrupt_hint);
  rl_replace_line ("", 0);
  rl_on_new_line ();
  rl_redisplay ();
  return G_SOURCE_CONTINUE;
}

static gboolean
terminate_cb (gpointer data)
{
  rl_callback_handler_remove ();
  signal (SIGTERM, SIG_DFL);
  raise (SIGTERM);
  return G_SOURCE_CONTINUE;
}

char *
cli_line_read (const char *prompt,
               const char *hint)
{
  guint input_id, interrupt_id, terminate_id;

  loop = g_main_loop_new (NULL, FALSE);
  interrupt_hint = hint;
  rl_callback_handler_install (prompt, line_cb);
  input_id = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, input_cb, NULL);
  interrupt_id = g_unix_signal_add (SIGINT, interrupt_cb, NULL);
  terminate_id = g_unix_signal_add (SIGTERM, terminate_cb, NULL);

  g_main_loop_run (loop);

  g_source_remove (terminate_id);
  g_source_remove (interrupt_id);
  g_source_remove (input_id);
  g_clear_pointer (&loop, g_main_loop_unref);
  if (line != NULL)
    remember (line);
  return g_steal_pointer (&line);
}
