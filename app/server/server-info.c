/* server-info.c: the web page, and what those who run a server want to know
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-params.h"
#include "server-handlers.h"
#include "server-private.h"

#define RESOURCES "/io/github/zimage/server/"

/* The page loads nothing, and nobody may frame it. */
#define PAGE_POLICY "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data: " \
                    "blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static void
reply_resource (ServerCall *call,
                const char *name,
                const char *type)
{
  g_autofree char *path = g_strconcat (RESOURCES, name, NULL);
  g_autoptr(GBytes) bytes = g_resources_lookup_data (path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);

  g_assert (bytes != NULL);
  server_call_reply_bytes (call, 200, type, bytes);
}

/* The page for a language as browsers write it, such as de-AT or zh-Hans-CN: that of the country, or of the language
 * alone, or NULL.
 */
static char *
find_page (const char *language)
{
  g_auto(GStrv) parts = g_strsplit (language, "-", -1);
  guint n = g_strv_length (parts);
  g_autofree char *country = n > 0 ? g_strconcat (parts[0], "_", parts[n - 1], NULL) : NULL;
  /* Chinese is translated as it is written on the mainland. */
  gboolean is_chinese = n > 0 && g_ascii_strcasecmp (parts[0], "zh") == 0;
  const char *const names[] = { country, parts[0], is_chinese ? "zh_CN" : NULL, NULL };

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *name = g_strdup_printf ("page.%s.html", names[i]);
      g_autofree char *path = g_strconcat (RESOURCES, name, NULL);

      if (g_resources_get_info (path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL, NULL, NULL))
        return g_steal_pointer (&name);
    }
  return NULL;
}

/* In the language that the browser likes best of those there are. */
static char *
choose_page (SoupServerMessage *message)
{
  const char *wanted = soup_message_headers_get_list (soup_server_message_get_request_headers (message),
                                                      "Accept-Language");
  GSList *languages = wanted != NULL ? soup_header_parse_quality_list (wanted, NULL) : NULL;
  char *page = NULL;

  for (GSList *l = languages; l != NULL && page == NULL; l = l->next)
    page = find_page (l->data);
  soup_header_free_list (languages);
  return page != NULL ? page : g_strdup ("page.en.html");
}

void
server_info_page (ServerCall *call,
                  GVariant   *body)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (server_call_get_message (call));
  g_autofree char *name = choose_page (server_call_get_message (call));

  soup_message_headers_replace (headers, "Content-Security-Policy", PAGE_POLICY);
  soup_message_headers_replace (headers, "Cache-Control", "no-cache");
  soup_message_headers_replace (headers, "Vary", "Accept-Language");
  reply_resource (call, name, "text/html; charset=utf-8");
}

void
server_info_openapi (ServerCall *call,
                     GVariant   *body)
{
  reply_resource (call, "openapi.json", "application/json; charset=utf-8");
}

void
server_info_health (ServerCall *call,
                    GVariant   *body)
{
  AppServer *server = server_call_get_server (call);
  GVariantBuilder dict;

  g_variant_builder_init (&dict, G_VARIANT_TYPE_VARDICT);
  app_dict_add (&dict, "status", "s", server->is_stopping ? "stopping" : "ok");
  server_call_reply_json (call, server->is_stopping ? 503 : 200, g_variant_builder_end (&dict));
}

static void
get_gauges (AppServer    *server,
            ServerGauges *gauges)
{
  GPtrArray *models = app_models_get_list (server->models);

  *gauges = (ServerGauges) { 0 };
  gauges->n_waiting = app_queue_get_n_waiting (server->queue);
  gauges->n_running = app_queue_get_n_running (server->queue);
  gauges->n_connections = server_connections_get_n (server->connections);
  for (guint i = 0; i < models->len; i++)
    {
      AppModel *model = models->pdata[i];

      if (model->pipeline == NULL)
        continue;
      gauges->n_models++;
      gauges->model_bytes += zim_model_get_size (model->model);
    }
}

void
server_info_metrics (ServerCall *call,
                     GVariant   *body)
{
  AppServer *server = server_call_get_server (call);
  ServerGauges gauges;
  g_autoptr(GBytes) bytes = NULL;
  char *text;

  get_gauges (server, &gauges);
  text = server_metrics_to_text (server->metrics, &gauges);
  bytes = g_bytes_new_take (text, strlen (text));
  server_call_reply_bytes (call, 200, "text/plain; version=0.0.4; charset=utf-8", bytes);
}
