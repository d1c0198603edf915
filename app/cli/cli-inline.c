/* cli-inline.c: pictures in the terminal
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-inline.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_SIXEL
# include <sixel.h>
#endif

#include "cli-terminal.h"

#define ESC "\033"
#define ST ESC "\\" /* ends a control string */

/* Kitty's limit of one part of a picture. */
#define KITTY_CHUNK 4096

typedef enum {
  METHOD_NONE,
  METHOD_KITTY,
  METHOD_ITERM,
  METHOD_SIXEL,
} Method;

static Method method = METHOD_NONE;

static gboolean
env_is (const char *name,
        const char *value)
{
  return g_strcmp0 (g_getenv (name), value) == 0;
}

static Method
ask_terminal (void)
{
#ifdef HAVE_SIXEL
  if (cli_terminal_has_sixel ())
    return METHOD_SIXEL;
#endif
  return METHOD_NONE;
}

static Method
choose_by_name (const char *name)
{
  if (g_str_equal (name, "kitty"))
    return METHOD_KITTY;
  if (g_str_equal (name, "iterm"))
    return METHOD_ITERM;
#ifdef HAVE_SIXEL
  if (g_str_equal (name, "sixel"))
    return METHOD_SIXEL;
#endif
  return METHOD_NONE;
}

static gboolean
in_tmux (void)
{
  return g_getenv ("TMUX") != NULL;
}

static gboolean
in_multiplexer (void)
{
  return in_tmux () || g_getenv ("STY") != NULL;
}

static Method
choose_method (void)
{
  const char *name = g_getenv ("ZIMAGE_INLINE");

  if (!cli_terminal_is_smart (STDOUT_FILENO))
    return METHOD_NONE;
  if (name != NULL && *name != '\0')
    return choose_by_name (name);

  /* A multiplexer inherits the variables of the terminal around it, and does not pass its pictures on unless it was
   * told to. What it draws itself, it says when it is asked. */
  if (in_multiplexer ())
    return ask_terminal ();

  if (g_getenv ("KITTY_WINDOW_ID") != NULL || g_getenv ("GHOSTTY_RESOURCES_DIR") != NULL ||
      env_is ("TERM", "xterm-kitty") || env_is ("TERM", "xterm-ghostty") || env_is ("TERM_PROGRAM", "ghostty"))
    return METHOD_KITTY;
  if (env_is ("TERM_PROGRAM", "iTerm.app") || env_is ("TERM_PROGRAM", "WezTerm") || env_is ("LC_TERMINAL", "iTerm2") ||
      g_getenv ("WEZTERM_PANE") != NULL || env_is ("TERM_PROGRAM", "mintty"))
    return METHOD_ITERM;
  return ask_terminal ();
}

/* No larger than the window, less the lines above and below it, and never larger than it is. */
static GdkPixbuf *
scale_to_window (GdkPixbuf             *pixbuf,
                 const CliTerminalSize *size)
{
  int width = gdk_pixbuf_get_width (pixbuf);
  int height = gdk_pixbuf_get_height (pixbuf);
  double scale = MIN ((double) size->columns * size->cell_width / width,
                      (double) MAX (size->rows - 3, 1) * size->cell_height / height);

  if (scale >= 1.0)
    return g_object_ref (pixbuf);

  return gdk_pixbuf_scale_simple (pixbuf, MAX ((int) (width * scale), 1), MAX ((int) (height * scale), 1),
                                  GDK_INTERP_BILINEAR);
}

/* A control sequence, on its way to the terminal around tmux if there is one: tmux passes on what is wrapped so, with
 * every escape character doubled. */
static void
put_sequence (const char *sequence)
{
  if (!in_tmux ())
    {
      fputs (sequence, stdout);
      return;
    }

  fputs (ESC "Ptmux;", stdout);
  for (const char *p = sequence; *p != '\0'; p++)
    {
      if (*p == '\033')
        putchar ('\033');
      putchar (*p);
    }
  fputs (ST, stdout);
}

static char *
encode_base64 (GdkPixbuf *pixbuf)
{
  g_autofree char *png = NULL;
  gsize size;

  if (!gdk_pixbuf_save_to_buffer (pixbuf, &png, &size, "png", NULL, NULL))
    return NULL;

  return g_base64_encode ((const guchar *) png, size);
}

/* a=T: show it at once, f=100: it is PNG, q=2: no answers, which would be read as typed text, m: more parts follow. */
static void
show_kitty (GdkPixbuf *pixbuf)
{
  g_autofree char *data = encode_base64 (pixbuf);
  gsize length = data != NULL ? strlen (data) : 0;

  for (gsize at = 0; at < length; at += KITTY_CHUNK)
    {
      g_autofree char *part = g_strndup (data + at, KITTY_CHUNK);
      g_autofree char *sequence = NULL;

      sequence = g_strdup_printf (ESC "_G%sm=%d;%s" ST,
                                  at == 0 ? "a=T,f=100,q=2," : "q=2,", at + KITTY_CHUNK < length, part);
      put_sequence (sequence);
    }
}

static void
show_iterm (GdkPixbuf *pixbuf)
{
  g_autofree char *data = encode_base64 (pixbuf);
  g_autofree char *sequence = NULL;

  if (data == NULL)
    return;

  sequence = g_strdup_printf (ESC "]1337;File=inline=1;preserveAspectRatio=1;width=%dpx;height=%dpx:%s\a",
                              gdk_pixbuf_get_width (pixbuf), gdk_pixbuf_get_height (pixbuf), data);
  put_sequence (sequence);
}

#ifdef HAVE_SIXEL
static int
write_sixel (char *data,
             int   size,
             void *file)
{
  return (int) fwrite (data, 1, (gsize) size, file);
}

/* libsixel wants rows without padding. */
static guint8 *
copy_pixels (GdkPixbuf *pixbuf)
{
  int row = gdk_pixbuf_get_width (pixbuf) * gdk_pixbuf_get_n_channels (pixbuf);
  guint8 *pixels = g_malloc ((gsize) row * gdk_pixbuf_get_height (pixbuf));

  for (int y = 0; y < gdk_pixbuf_get_height (pixbuf); y++)
    memcpy (pixels + (gsize) y * row,
            gdk_pixbuf_read_pixels (pixbuf) + (gsize) y * gdk_pixbuf_get_rowstride (pixbuf),
            (gsize) row);

  return pixels;
}

static void
show_sixel (GdkPixbuf *pixbuf)
{
  g_autofree guint8 *pixels = copy_pixels (pixbuf);
  int format = gdk_pixbuf_get_has_alpha (pixbuf) ? SIXEL_PIXELFORMAT_RGBA8888 : SIXEL_PIXELFORMAT_RGB888;
  sixel_output_t *output = NULL;
  sixel_dither_t *dither = NULL;

  if (SIXEL_SUCCEEDED (sixel_output_new (&output, write_sixel, stdout, NULL)) &&
      SIXEL_SUCCEEDED (sixel_dither_new (&dither, 256, NULL)) &&
      SIXEL_SUCCEEDED (sixel_dither_initialize (dither, pixels,
                                                gdk_pixbuf_get_width (pixbuf), gdk_pixbuf_get_height (pixbuf),
                                                format,
                                                SIXEL_LARGE_AUTO, SIXEL_REP_AUTO, SIXEL_QUALITY_AUTO)))
    sixel_encode (pixels,
                  gdk_pixbuf_get_width (pixbuf), gdk_pixbuf_get_height (pixbuf),
                  3, dither, output);

  if (dither != NULL)
    sixel_dither_unref (dither);
  if (output != NULL)
    sixel_output_unref (output);
}
#endif

void
cli_inline_prepare (void)
{
  method = choose_method ();
}

void
cli_inline_show (GdkPixbuf *pixbuf)
{
  CliTerminalSize size;
  g_autoptr(GdkPixbuf) scaled = NULL;

  if (method == METHOD_NONE)
    return;

  cli_terminal_get_size (STDOUT_FILENO, &size);
  scaled = scale_to_window (pixbuf, &size);
  if (scaled == NULL)
    return;

  if (method == METHOD_KITTY)
    show_kitty (scaled);
  else if (method == METHOD_ITERM)
    show_iterm (scaled);
#ifdef HAVE_SIXEL
  else if (method == METHOD_SIXEL)
    show_sixel (scaled);
#endif
  fputs ("\n", stdout);
  fflush (stdout);
}
