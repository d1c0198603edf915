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

void
server_info_page (ServerCall *call,
                  GVariant   *body)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (server_call_get_message (call));

  soup_message_headers_replace (headers, "Content-Security-Policy", PAGE_POLICY);
  soup_message_headers_replace (headers, "Cache-Control", "no-cache");
  reply_resource (call, "index.html", "text/html; charset=utf-8");
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
