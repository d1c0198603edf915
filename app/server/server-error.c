/* server-error.c: what errors are called on the network
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "server-error.h"

#include <gio/gio.h>
#include <zimage.h>

#include "app-queue.h"

#define RETRY_AFTER 5 /* seconds: a job may be over by then */

G_DEFINE_QUARK (server-error-quark, server_error)

static guint
library_status (int code)
{
  switch (code)
    {
    case ZIM_ERROR_INVALID_PARAMS:
      return 400;
    case ZIM_ERROR_NOT_FOUND:
      return 404;
    case ZIM_ERROR_UNSUPPORTED:
    case ZIM_ERROR_OUT_OF_MEMORY:
      return 422;
    default:
      return 500;
    }
}

static guint
queue_status (int code)
{
  switch (code)
    {
    case APP_QUEUE_ERROR_TOO_LARGE:
      return 422;
    case APP_QUEUE_ERROR_TOO_MANY:
      return 429;
    default:
      return 503;
    }
}

guint
server_error_get_status (const GError *error)
{
  if (error->domain == SERVER_ERROR)
    return (guint) error->code;
  if (error->domain == APP_QUEUE_ERROR)
    return queue_status (error->code);
  if (error->domain == ZIM_ERROR)
    return library_status (error->code);
  if (error->domain == G_OPTION_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA))
    return 400;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return SERVER_STATUS_CANCELLED;

  return 500;
}

const char *
server_error_get_type (guint status)
{
  switch (status)
    {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
    }
}

const char *
server_error_get_code (const GError *error)
{
  if (g_error_matches (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND))
    return "model_not_found";
  if (g_error_matches (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY))
    return "out_of_memory";
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return "cancelled";
  if (error->domain != SERVER_ERROR && error->domain != APP_QUEUE_ERROR)
    return NULL;

  switch (server_error_get_status (error))
    {
    case 401:
      return "invalid_api_key";
    case 422:
      return "too_large";
    case 429:
      return "too_many_jobs";
    case 503:
      return "unavailable";
    default:
      return NULL;
    }
}

guint
server_error_get_retry (guint status)
{
  return status == 429 || status == 503 ? RETRY_AFTER : 0;
}
