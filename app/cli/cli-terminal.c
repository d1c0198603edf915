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
#define ANSWER_TIMEOUT 500 /* milliseconds: it may have to come through a slow network */
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

/* The answer to “primary device attributes” is ESC [ ? 62 ; 4 ; … c. Gives what is between, or NULL as long as it is
 * not complete. What was typed meanwhile may be around it. */
static char *
find_attributes (const char *answer)
{
  const char *start = strstr (answer, "\033[?");
  gsize length = start != NULL ? strspn (start + 3, "0123456789;") : 0;

  if (start == NULL || start[3 + length] != 'c')
    return NULL;

  return g_strndup (start + 3, length);
}

/* (nullable): the terminal may not answer. */
static char *
read_attributes (int fd)
{
  gint64 end = g_get_monotonic_time () + ANSWER_TIMEOUT * 1000;
  char answer[ANSWER_MAX] = "";
  char *attributes = NULL;

  for (gsize length = 0; attributes == NULL && length < ANSWER_MAX - 1; length++)
    {
      struct pollfd poll_fd = { fd, POLLIN, 0 };
      int left = (int) ((end - g_get_monotonic_time ()) / 1000);

      if (left <= 0 || poll (&poll_fd, 1, left) <= 0 || read (fd, answer + length, 1) != 1)
        break;
      attributes = find_attributes (answer);
    }

  return attributes;
}

static gboolean
has_attribute (const char *attributes,
               const char *attribute)
{
  g_auto(GStrv) list = attributes != NULL ? g_strsplit (attributes, ";", -1) : NULL;

  /* The first is the terminal's class. */
  return list != NULL && list[0] != NULL && g_strv_contains ((const char *const *) list + 1, attribute);
}

static gboolean
ask_for_sixel (int fd)
{
  static const char question[] = "\033[c";
  struct termios old, raw;
  g_autofree char *attributes = NULL;

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
    attributes = read_attributes (fd);
  tcsetattr (fd, TCSADRAIN, &old);

  return has_attribute (attributes, ATTRIBUTE_SIXEL);
}

gboolean
cli_terminal_has_sixel (void)
{
  gboolean has_sixel;
  int fd = open ("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

  if (fd < 0)
    return FALSE;

  has_sixel = ask_for_sixel (fd);
  close (fd);
  return has_sixel;
}
