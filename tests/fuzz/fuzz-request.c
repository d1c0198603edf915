/* fuzz-request.c: any bytes as the body of a request
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "app-json.h"
#include "fuzz.h"
#include "server-request.h"

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
