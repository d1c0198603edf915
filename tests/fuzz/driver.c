/* driver.c: drives a fuzz target without libFuzzer
 *
 * Replays the files of the folder that it is given, and then files that are made from them by chance, for as many
 * seconds as it is told. What it tries is the same on every machine as far as it gets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SIZE 65536

static int
compare_paths (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* In the order of their names. */
static GPtrArray *
load (const char *path)
{
  GPtrArray *corpus = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr(GDir) dir = g_dir_open (path, 0, NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_build_filename (path, name, NULL));
  g_ptr_array_sort (names, compare_paths);
  for (guint i = 0; i < names->len; i++)
    {
      char *data;
      gsize size;

      if (g_file_get_contents (g_ptr_array_index (names, i), &data, &size, NULL))
        g_ptr_array_add (corpus, g_bytes_new_take (data, size));
    }
  return corpus;
}

/* Characters that mean something to parsers come more often than others. */
static guint8
draw_byte (GRand *rand)
{
  static const char special[] = "{}[]\",:\\u0123456789-.eE/ \n";

  if (g_rand_int_range (rand, 0, 4) == 0)
    return (guint8) g_rand_int_range (rand, 0, 256);
  return (guint8) special[g_rand_int_range (rand, 0, sizeof special - 1)];
}

static void
insert (GByteArray   *input,
        guint         at,
        const guint8 *data,
        guint         size)
{
  if (input->len + size > MAX_SIZE)
    return;
  g_byte_array_set_size (input, input->len + size);
  memmove (input->data + at + size, input->data + at, input->len - size - at);
  memcpy (input->data + at, data, size);
}

/* A piece of another file, of which at most as much as there is. */
static void
splice (GByteArray *input,
        guint       at,
        GPtrArray  *corpus,
        GRand      *rand)
{
  GBytes *other = g_ptr_array_index (corpus, g_rand_int_range (rand, 0, (gint32) corpus->len));
  gsize size;
  const guint8 *data = g_bytes_get_data (other, &size);
  guint from = (guint) g_rand_int_range (rand, 0, (gint32) MAX (size, 1));
  gsize n = (gsize) g_rand_int_range (rand, 1, 64);

  if (size > 0)
    insert (input, at, data + from, (guint) MIN (size - from, n));
}

/* Numbers that are too large for somebody. */
static void
insert_number (GByteArray *input,
               guint       at,
               GRand      *rand)
{
  static const char *const numbers[] = {
    "-1", "4294967296", "2147483648", "9223372036854775807", "18446744073709551616", "1e308", "1125899906842624",
  };
  const char *number = numbers[g_rand_int_range (rand, 0, G_N_ELEMENTS (numbers))];

  insert (input, at, (const guint8 *) number, (guint) strlen (number));
}

static void
mutate (GByteArray *input,
        GPtrArray  *corpus,
        GRand      *rand)
{
  guint at = (guint) g_rand_int_range (rand, 0, (gint32) MAX (input->len, 1));
  guint8 byte = draw_byte (rand);

  switch (input->len == 0 ? 2 : g_rand_int_range (rand, 0, 8))
    {
    case 0:
    case 1:
      input->data[at] = byte;
      break;
    case 2:
    case 3:
      insert (input, at, &byte, 1);
      break;
    case 4:
      g_byte_array_remove_range (input, at, (guint) g_rand_int_range (rand, 1, (gint32) MIN (input->len - at, 8) + 1));
      break;
    case 5:
      splice (input, at, corpus, rand);
      break;
    case 6:
      insert_number (input, at, rand);
      break;
    default:
      if (g_rand_int_range (rand, 0, 8) == 0)
        g_byte_array_set_size (input, at + 1);
      break;
    }
}

static guint
run (GPtrArray *corpus,
     double     seconds)
{
  g_autoptr(GRand) rand = g_rand_new_with_seed (1);
  gint64 end = g_get_monotonic_time () + (gint64) (seconds * G_TIME_SPAN_SECOND);
  guint n = 0;

  for (; g_get_monotonic_time () < end; n++)
    {
      GBytes *seed = g_ptr_array_index (corpus, n % corpus->len);
      g_autoptr(GByteArray) input = g_byte_array_new ();

      g_byte_array_append (input, g_bytes_get_data (seed, NULL), (guint) g_bytes_get_size (seed));
      for (gint32 i = g_rand_int_range (rand, 0, 6); i > 0; i--)
        mutate (input, corpus, rand);
      LLVMFuzzerTestOneInput (input->data, input->len);
    }
  return n;
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr(GPtrArray) corpus = argc > 1 ? load (argv[1]) : NULL;

  if (argc != 3 || corpus->len == 0)
    {
      g_printerr ("Usage: %s FOLDER SECONDS\n", argv[0]);
      return EXIT_FAILURE;
    }
  for (guint i = 0; i < corpus->len; i++)
    {
      GBytes *bytes = g_ptr_array_index (corpus, i);

      LLVMFuzzerTestOneInput (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    }
  g_print ("%u files of the corpus, %u made from them\n", corpus->len, run (corpus, g_ascii_strtod (argv[2], NULL)));
  return EXIT_SUCCESS;
}
