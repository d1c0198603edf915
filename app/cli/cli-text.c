/* cli-text.c: text in columns
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "cli-text.h"

#define GAP "  "

static int
char_width (gunichar c)
{
  if (g_unichar_iszerowidth (c))
    return 0;

  return g_unichar_iswide (c) ? 2 : 1;
}

int
cli_text_width (const char *text)
{
  int width = 0;

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    width += char_width (g_utf8_get_char (p));

  return width;
}

char *
cli_text_fit (const char *text,
              int         width)
{
  GString *fitted = g_string_new (NULL);
  int used = 0;

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (used + char_width (c) > width)
        break;
      used += char_width (c);
      g_string_append_unichar (fitted, c);
    }
  for (; used < width; used++)
    g_string_append_c (fitted, ' ');

  return g_string_free (fitted, FALSE);
}

char *
cli_text_bar (int    width,
              double fraction)
{
  GString *bar = g_string_new (NULL);
  gboolean is_utf8 = g_get_charset (NULL);
  int filled = (int) (fraction * width);

  for (int i = 0; i < width; i++)
    g_string_append (bar, i < filled ? (is_utf8 ? "█" : "#") : (is_utf8 ? "░" : "."));

  return g_string_free (bar, FALSE);
}

CliTable *
cli_table_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
}

void
cli_table_add (CliTable   *table,
               const char *first,
               ...)
{
  g_autoptr(GPtrArray) cells = g_ptr_array_new ();
  va_list rest;

  va_start (rest, first);
  for (const char *cell = first; cell != NULL; cell = va_arg (rest, const char *))
    g_ptr_array_add (cells, g_strdup (cell));
  va_end (rest);
  g_ptr_array_add (cells, NULL);

  g_ptr_array_add (table, g_ptr_array_free (g_steal_pointer (&cells), FALSE));
}

static int
cell_width (const char *cell)
{
  return cli_text_width (*cell == '\t' ? cell + 1 : cell);
}

static int
column_width (CliTable *table,
              guint     column)
{
  int width = 0;

  for (guint i = 0; i < table->len; i++)
    {
      char **cells = g_ptr_array_index (table, i);

      if (column < g_strv_length (cells))
        width = MAX (width, cell_width (cells[column]));
    }

  return width;
}

static void
print_cell (const char *cell,
            int         width,
            gboolean    is_last)
{
  int spaces = width - cell_width (cell);

  if (*cell == '\t')
    g_print ("%*s%s", spaces, "", cell + 1);
  else
    g_print ("%s%*s", cell, is_last ? 0 : spaces, "");
  g_print ("%s", is_last ? "\n" : GAP);
}

void
cli_table_print (CliTable *table)
{
  for (guint i = 0; i < table->len; i++)
    {
      char **cells = g_ptr_array_index (table, i);

      for (guint j = 0; cells[j] != NULL; j++)
        print_cell (cells[j], column_width (table, j), cells[j + 1] == NULL);
    }
}
