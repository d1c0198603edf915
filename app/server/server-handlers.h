/* server-handlers.h: what answers the requests
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "server-call.h"

G_BEGIN_DECLS

/* Answers a call, now or later. body is the request's object (a{sv}), empty if there is none. */
typedef void (*ServerHandler) (ServerCall *call,
                               GVariant   *body);

/* server-openai.c */
void server_openai_generate   (ServerCall *call,
                               GVariant   *body);
void server_openai_models     (ServerCall *call,
                               GVariant   *body);
void server_openai_model      (ServerCall *call,
                               GVariant   *body);

/* server-ollama.c */
void server_ollama_generate   (ServerCall *call,
                               GVariant   *body);
void server_ollama_tags       (ServerCall *call,
                               GVariant   *body);
void server_ollama_show       (ServerCall *call,
                               GVariant   *body);
void server_ollama_ps         (ServerCall *call,
                               GVariant   *body);
void server_ollama_version    (ServerCall *call,
                               GVariant   *body);

/* server-store.c */
void server_store_create      (ServerCall *call,
                               GVariant   *body);
void server_store_pull        (ServerCall *call,
                               GVariant   *body);
void server_store_copy        (ServerCall *call,
                               GVariant   *body);
void server_store_delete      (ServerCall *call,
                               GVariant   *body);

/* server-jobs.c */
void server_jobs_create       (ServerCall *call,
                               GVariant   *body);
void server_jobs_get          (ServerCall *call,
                               GVariant   *body);
void server_jobs_events       (ServerCall *call,
                               GVariant   *body);
void server_jobs_delete       (ServerCall *call,
                               GVariant   *body);
void server_jobs_image        (ServerCall *call,
                               GVariant   *body);

/* server-info.c */
void server_info_page         (ServerCall *call,
                               GVariant   *body);
void server_info_health       (ServerCall *call,
                               GVariant   *body);
void server_info_metrics      (ServerCall *call,
                               GVariant   *body);
void server_info_openapi      (ServerCall *call,
                               GVariant   *body);

G_END_DECLS
