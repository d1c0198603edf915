/* server-routes.c: which paths are served
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "server-routes.h"

#include <string.h>

/* openapi.json describes the same; a test compares them. The name of a job is as good as a key for its pictures, which
 * an <img> fetches without one. */
static const ServerRoute routes[] = {
  { "GET", "/", server_info_page, SERVER_DIALECT_OLLAMA, TRUE },
  { "GET", "/healthz", server_info_health, SERVER_DIALECT_OLLAMA, TRUE },
  { "GET", "/metrics", server_info_metrics, SERVER_DIALECT_OLLAMA, FALSE },
  { "GET", "/openapi.json", server_info_openapi, SERVER_DIALECT_OLLAMA, TRUE },
  { "POST", "/v1/images/generations", server_openai_generate, SERVER_DIALECT_OPENAI, FALSE },
  { "GET", "/v1/models", server_openai_models, SERVER_DIALECT_OPENAI, FALSE },
  { "GET", "/v1/models/{model}", server_openai_model, SERVER_DIALECT_OPENAI, FALSE },
  { "POST", "/api/generate", server_ollama_generate, SERVER_DIALECT_OLLAMA, FALSE },
  { "GET", "/api/tags", server_ollama_tags, SERVER_DIALECT_OLLAMA, FALSE },
  { "POST", "/api/show", server_ollama_show, SERVER_DIALECT_OLLAMA, FALSE },
  { "GET", "/api/ps", server_ollama_ps, SERVER_DIALECT_OLLAMA, FALSE },
  { "GET", "/api/version", server_ollama_version, SERVER_DIALECT_OLLAMA, FALSE },
  { "POST", "/api/create", server_store_create, SERVER_DIALECT_OLLAMA, FALSE },
  { "POST", "/api/pull", server_store_pull, SERVER_DIALECT_OLLAMA, FALSE },
  { "POST", "/api/copy", server_store_copy, SERVER_DIALECT_OLLAMA, FALSE },
  { "DELETE", "/api/delete", server_store_delete, SERVER_DIALECT_OLLAMA, FALSE },
  { "POST", "/api/jobs", server_jobs_create, SERVER_DIALECT_OLLAMA, FALSE },
  { "GET", "/api/jobs/{id}", server_jobs_get, SERVER_DIALECT_OLLAMA, FALSE },
  { "DELETE", "/api/jobs/{id}", server_jobs_delete, SERVER_DIALECT_OLLAMA, FALSE },
  { "GET", "/api/jobs/{id}/events", server_jobs_events, SERVER_DIALECT_OLLAMA, FALSE },
  { "GET", "/api/jobs/{id}/image/{n}", server_jobs_image, SERVER_DIALECT_OLLAMA, TRUE },
};

const ServerRoute *
server_routes (guint *n_routes)
{
  *n_routes = G_N_ELEMENTS (routes);
  return routes;
}

/* The arguments, or NULL if a path is another one. The name of a model is all of the rest: it may have slashes. */
static char **
match (const char *pattern,
       const char *path)
{
  g_auto(GStrv) expected = g_strsplit (pattern, "/", -1);
  guint n = g_strv_length (expected);
  g_auto(GStrv) parts = g_strsplit (path, "/", g_str_has_suffix (pattern, "/{model}") ? (int) n : -1);
  g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func (g_free);

  if (g_strv_length (parts) != n)
    return NULL;
  for (guint i = 0; i < n; i++)
    {
      if (*expected[i] == '{' && *parts[i] != '\0')
        g_ptr_array_add (arguments, g_strdup (parts[i]));
      else if (!g_str_equal (expected[i], parts[i]))
        return NULL;
    }

  g_ptr_array_add (arguments, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&arguments), FALSE);
}

const ServerRoute *
server_routes_find (const char   *method,
                    const char   *path,
                    char       ***arguments,
                    char        **allowed)
{
  g_autoptr(GString) methods = g_string_new (NULL);

  if (g_str_equal (method, "HEAD"))
    method = "GET";
  for (guint i = 0; i < G_N_ELEMENTS (routes); i++)
    {
      g_auto(GStrv) found = match (routes[i].path, path);

      if (found != NULL && g_str_equal (routes[i].method, method))
        {
          *arguments = g_steal_pointer (&found);
          return &routes[i];
        }
      if (found != NULL)
        g_string_append_printf (methods, "%s%s", methods->len > 0 ? ", " : "", routes[i].method);
    }

  *allowed = methods->len > 0 ? g_string_free (g_steal_pointer (&methods), FALSE) : NULL;
  return NULL;
}

ServerDialect
server_routes_guess (const char *path)
{
  return g_str_has_prefix (path, "/v1/") ? SERVER_DIALECT_OPENAI : SERVER_DIALECT_OLLAMA;
}
