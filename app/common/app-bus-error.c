/* app-bus-error.c: what errors are called on the session bus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-bus-error.h"

#include <zimage.h>

#include "app-queue.h"

#define PREFIX "io.github.zimage.Error."
#define FAILED PREFIX "Failed"
#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"

/* Of several errors with one name, the first is what the name is read as. */
static const struct
{
  GQuark    (*domain) (void);
  int         code;
  const char *name;
} names[] = {
  { zim_error_quark, ZIM_ERROR_INVALID_PARAMS, INVALID_ARGS },
  { g_option_error_quark, G_OPTION_ERROR_BAD_VALUE, INVALID_ARGS },
  { zim_error_quark, ZIM_ERROR_NOT_FOUND, PREFIX "ModelNotFound" },
  { zim_error_quark, ZIM_ERROR_BAD_FILE, PREFIX "BadModel" },
  { zim_error_quark, ZIM_ERROR_BAD_CONFIG, PREFIX "BadModel" },
  { zim_error_quark, ZIM_ERROR_MISSING_TENSOR, PREFIX "BadModel" },
  { zim_error_quark, ZIM_ERROR_BAD_SHAPE, PREFIX "BadModel" },
  { zim_error_quark, ZIM_ERROR_UNSUPPORTED, PREFIX "Unsupported" },
  { zim_error_quark, ZIM_ERROR_OUT_OF_MEMORY, PREFIX "OutOfMemory" },
  { zim_error_quark, ZIM_ERROR_NON_FINITE, PREFIX "NonFinite" },
  { zim_error_quark, ZIM_ERROR_DEVICE, PREFIX "Device" },
  { app_queue_error_quark, APP_QUEUE_ERROR_TOO_LARGE, PREFIX "TooLarge" },
  { app_queue_error_quark, APP_QUEUE_ERROR_TOO_MANY, PREFIX "TooManyJobs" },
  { app_queue_error_quark, APP_QUEUE_ERROR_FULL, PREFIX "QueueFull" },
  { app_queue_error_quark, APP_QUEUE_ERROR_CLOSED, PREFIX "Stopping" },
  { g_io_error_quark, G_IO_ERROR_CANCELLED, PREFIX "Cancelled" },
};

const char *
app_bus_error_get_name (const GError *error)
{
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_error_matches (error, names[i].domain (), names[i].code))
      return names[i].name;

  return FAILED;
}

GError *
app_bus_error_new (const char *name,
                   const char *message)
{
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (name, names[i].name))
      return g_error_new_literal (names[i].domain (), names[i].code, message);

  return g_error_new_literal (ZIM_ERROR, ZIM_ERROR_FAILED, message);
}

GError *
app_bus_error_convert (GError *error)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  GError *converted;

  if (name == NULL || (!g_str_has_prefix (name, PREFIX) && !g_str_equal (name, INVALID_ARGS)))
    return error;

  g_dbus_error_strip_remote_error (error);
  converted = app_bus_error_new (name, error->message);
  g_error_free (error);
  return converted;
}
