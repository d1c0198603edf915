/* fuzz-request.c: any bytes as the body of a request
 *
 * With libFuzzer, compile with -fsanitize=fuzzer -DZIM_LIBFUZZER. Without, this is a program that replays
 * the files it is given, or mutates its own seeds for a while when it is given none.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "app-json.h"
#include "server-request.h"

int LLVMFuzzerTestOneInput (const guint8 *data,
                            size_t        size);

typedef ServerRequest *(*Read) (GVariant    *body,
                                gint64       keep_alive,
                                const char **bad_field,
                                GError     **error);

/* A request that is taken is one that can be run, and one that is not says why. */
static void
try_request (GVariant *body,
             Read      read)
{
  g_autoptr(GError) error = NULL;
  const char *bad_field;
  g_autoptr(ServerRequest) request = read (body, 0, &bad_field, &error);

  if ((request == NULL) != (error != NULL))
    abort ();
  if (error != NULL && !g_utf8_validate (error->message, -1, NULL))
    abort ();
  if (request != NULL && *zim_params_get_prompt (request->params) != '\0' &&
      !zim_params_validate (request->params, NULL))
    abort ();
}

int
LLVMFuzzerTestOneInput (const guint8 *data,
                        size_t        size)
{
  g_autoptr(GVariant) body = app_json_parse ((const char *) data, size, NULL);
  g_autofree char *json = NULL;
  g_autoptr(GVariant) again = NULL;

  if (body == NULL)
    return 0;
  /* What was read can be written and read. */
  json = app_variant_to_json_line (body);
  again = app_json_parse (json, strlen (json), NULL);
  if (again == NULL)
    abort ();
  if (!g_variant_is_of_type (body, G_VARIANT_TYPE_VARDICT))
    return 0;
  try_request (body, server_request_read_openai);
  try_request (body, server_request_read_ollama);
  try_request (body, server_request_read_job);
  return 0;
}

#ifndef ZIM_LIBFUZZER

static const char *const seeds[] = {
  "{\"model\": \"m\", \"prompt\": \"a cat\", \"size\": \"96x64\", \"n\": 2, \"stream\": true, \"partial_images\": 2}",
  "{\"prompt\": \"\\u5915\\ud83d\\ude00\", \"output_format\": \"webp\", \"output_compression\": 50, \"user\": null}",
  "{\"model\": \"m\", \"prompt\": \"\", \"keep_alive\": \"1h30m\", \"options\": {\"seed\": 7}, \"images\": []}",
  "{\"prompt\": \"x\", \"width\": 64, \"height\": 64.0, \"seed\": -1, \"guidance_scale\": 4.5, \"rng\": \"cuda\"}",
  "[[[[{\"a\": [1, -2.5e3, true, false, null]}]]]]",
};

static void
mutate (GByteArray *input,
        GRand      *rand)
{
  static const char special[] = "{}[]\",:\\u0019.-eE+ntf \xff\xc3";
  guint at = (guint) g_rand_int_range (rand, 0, (gint32) input->len);
  guint8 byte = (guint8) special[g_rand_int_range (rand, 0, sizeof special - 1)];

  if (g_rand_boolean (rand) || input->len == 1)
    input->data[at] = byte;
  else if (g_rand_boolean (rand))
    g_byte_array_remove_index (input, at);
  else
    g_byte_array_append (input, &byte, 1);
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
