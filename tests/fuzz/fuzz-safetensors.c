/* fuzz-safetensors.c: any bytes as a safetensors file, and as the header of one
 *
 * With libFuzzer, compile with -fsanitize=fuzzer -DZIM_LIBFUZZER. Without, this is a program that replays
 * the files it is given, or mutates its own seeds for a while when it is given none.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-safetensors-private.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput (const guint8 *data,
                            size_t        size);

/* Reads every byte that a file claims to have, so that a sanitizer sees one too many. */
static void
read_all (ZimSafetensors *tensors)
{
  static volatile guint8 sink;

  for (guint i = 0; i < zim_safetensors_get_n (tensors); i++)
    {
      const ZimWeight *weight = zim_safetensors_get (tensors, i);
      gsize size = (gsize) zim_weight_n_elements (weight) * zim_dtype_size (weight->dtype);

      if (size != weight->size || zim_safetensors_lookup (tensors, weight->name) != weight)
        abort ();
      for (gsize j = 0; j < size; j++)
        sink ^= weight->data[j];
    }
  (void) sink;
  zim_safetensors_get_metadata (tensors, "format");
}

static void
try_file (const void *data,
          gsize       size)
{
  /* A copy of its own length: nothing readable lies behind it. */
  g_autofree void *copy = g_memdup2 (data, size);
  g_autoptr(GBytes) bytes = g_bytes_new_static (copy, size);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimSafetensors) tensors = zim_safetensors_new_from_bytes (bytes, "fuzz", &error);

  if ((tensors == NULL) == (error == NULL))
    abort ();
  if (tensors != NULL)
    read_all (tensors);
}

/* The bytes as a header with the right length before it and some data behind it. */
static void
try_header (const guint8 *data,
            gsize         size)
{
  g_autoptr(GByteArray) file = g_byte_array_new ();
  guint64 length = size;

  g_byte_array_append (file, (const guint8 *) &length, sizeof length);
  g_byte_array_append (file, data, (guint) size);
  g_byte_array_append (file, (const guint8 *) "0123456789abcdef0123456789abcdef", 32);
  try_file (file->data, file->len);
}

int
LLVMFuzzerTestOneInput (const guint8 *data,
                        size_t        size)
{
  try_file (data, size);
  try_header (data, size);
  return 0;
}

#ifndef ZIM_LIBFUZZER

static const char *const seeds[] = {
  "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
  "\"b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]}}",
  "{\"__metadata__\":{\"format\":\"pt\"},\"x\":{\"dtype\":\"U8\",\"shape\":[32],\"data_offsets\":[0,32]}}",
  "{\"\\u00e9\\n\":{\"dtype\":\"F16\",\"shape\":[0,5],\"data_offsets\":[0,0]},"
  "\"c\":{\"data_offsets\":[0,32],\"shape\":[1,2,1,4,1],\"dtype\":\"I32\",\"more\":[null,true,-1.5e3]}}",
  "{\"z\":{\"dtype\":\"F8_E4M3\",\"shape\":[],\"data_offsets\":[0,1]},"
  "\"y\":{\"dtype\":\"F4\",\"shape\":[62],\"data_offsets\":[1,32]}}",
};

/* Characters that mean something to the parser come more often than others. */
static guint8
draw_byte (GRand *rand)
{
  static const char special[] = "{}[]\",:\\u0123456789-.eE \n";

  if (g_rand_int_range (rand, 0, 4) == 0)
    return (guint8) g_rand_int_range (rand, 0, 256);
  return (guint8) special[g_rand_int_range (rand, 0, sizeof special - 1)];
}

static void
mutate (GByteArray *input,
        GRand      *rand)
{
  guint at = (guint) g_rand_int_range (rand, 0, (gint32) input->len);
  guint8 byte = draw_byte (rand);

  switch (g_rand_int_range (rand, 0, 4))
    {
    case 0:
      input->data[at] = byte;
      break;
    case 1:
      if (input->len > 1)
        g_byte_array_remove_index (input, at);
      break;
    case 2:
      g_byte_array_append (input, &byte, 1);
      memmove (input->data + at + 1, input->data + at, input->len - at - 1);
      input->data[at] = byte;
      break;
    default:
      if (g_rand_int_range (rand, 0, 8) == 0)
        g_byte_array_set_size (input, at + 1);
      break;
    }
}

static void
run_seeds (guint n_runs)
{
  g_autoptr(GRand) rand = g_rand_new_with_seed (1);

  for (guint i = 0; i < n_runs; i++)
    {
      const char *seed = seeds[i % G_N_ELEMENTS (seeds)];
      g_autoptr(GByteArray) input = g_byte_array_new ();

      g_byte_array_append (input, (const guint8 *) seed, (guint) strlen (seed));
      for (gint32 n = g_rand_int_range (rand, 0, 6); n > 0; n--)
        mutate (input, rand);
      LLVMFuzzerTestOneInput (input->data, input->len);
    }
}

int
main (int   argc,
      char *argv[])
{
  for (int i = 1; i < argc; i++)
    {
      g_autofree char *data = NULL;
      gsize size;

      if (!g_file_get_contents (argv[i], &data, &size, NULL))
        return EXIT_FAILURE;
      LLVMFuzzerTestOneInput ((const guint8 *) data, size);
    }
  if (argc == 1)
    run_seeds (20000);
  return EXIT_SUCCESS;
}

#endif
