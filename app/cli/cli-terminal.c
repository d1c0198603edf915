/* cli-terminal.c: what is known about the terminal
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ANSWER_MAX 128
#define ANSWER_TIMEOUT 250 /* milliseconds */
#define ATTRIBUTE_SIXEL "4"

gboolean
cli_terminal_is_smart (int fd)
{
  const char *term = g_getenv ("TERM");

  return isatty (fd) && term != NULL && *term != '\0' && !g_str_equal (term, "dumb");
}

void
cli_terminal_get_size (int              fd,
                       CliTerminalSize *size)
{
  struct winsize window = { 0 };

  *size = (CliTerminalSize) { 80, 24, 8, 16 };
  if (ioctl (fd, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row == 0)
    return;

  size->columns = window.ws_col;
  size->rows = window.ws_row;
  if (window.ws_xpixel >= window.ws_col && window.ws_ypixel >= window.ws_row)
    {
      size->cell_width = window.ws_xpixel / window.ws_col;
      size->cell_height = window.ws_ypixel / window.ws_row;
    }
}

/* Reads until the letter that ends the answer, an empty line of time, or a full buffer. */
static void
read_answer (int   fd,
             char *answer)
{
  gint64 end = g_get_monotonic_time () + ANSWER_TIMEOUT * 1000;
  gsize length = 0;

  while (length < ANSWER_MAX - 1)
    {
      struct pollfd poll_fd = { fd, POLLIN, 0 };
      int left = (int) ((end - g_get_monotonic_time ()) / 1000);

      if (left <= 0 || poll (&poll_fd, 1, left) <= 0 || read (fd, answer + length, 1) != 1)
        break;
      if (answer[length++] == 'c')
        break;
    }
  answer[length] = '\0';
}

/* The answer to “primary device attributes”: ESC [ ? 62 ; 4 ; … c */
static gboolean
has_attribute (const char *answer,
               const char *attribute)
{
  const char *start = strstr (answer, "\033[?");
  g_autofree char *list = NULL;
  g_auto(GStrv) attributes = NULL;

  if (start == NULL || strchr (start, 'c') == NULL)
    return FALSE;

  list = g_strndup (start + 3, (gsize) (strchr (start, 'c') - start - 3));
  attributes = g_strsplit (list, ";", -1);
  /* The first is the terminal's class. */
  return attributes[0] != NULL && g_strv_contains ((const char *const *) attributes + 1, attribute);
}

static gboolean
ask_for_sixel (int fd)
{
  static const char question[] = "\033[c";
  struct termios old, raw;
  char answer[ANSWER_MAX] = "";

  /* In the background, touching the terminal would stop the process. */
  if (tcgetpgrp (fd) != getpgrp () || tcgetattr (fd, &old) != 0)
    return FALSE;

  raw = old;
  raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  if (tcsetattr (fd, TCSADRAIN, &raw) != 0)
    return FALSE;
  if (write (fd, question, strlen (question)) == (gssize) strlen (question))
    read_answer (fd, answer);
  tcsetattr (fd, TCSADRAIN, &old);

  return has_attribute (answer, ATTRIBUTE_SIXEL);
}

gboolean
cli_terminal_has_sixel (void)
{
  static int known = -1;
  int fd;

  if (known >= 0)
    return known;

  known = FALSE;
  fd = open ("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd >= 0)
    {
      known = ask_for_sixel (fd);
      close (fd);
    }

  return known;
}
