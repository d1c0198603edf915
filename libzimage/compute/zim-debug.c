/* zim-debug.c: what the environment asks to be told or to be left out
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/zim-debug-private.h"

static const GDebugKey debug_keys[] = {
  { "ops", ZIM_DEBUG_OPS },
  { "memory", ZIM_DEBUG_MEMORY },
  { "time", ZIM_DEBUG_TIME },
  { "validation", ZIM_DEBUG_VALIDATION },
};

static const GDebugKey disable_keys[] = {
  { "split", ZIM_DISABLE_SPLIT },
  { "mapping", ZIM_DISABLE_MAPPING },
  { "cache", ZIM_DISABLE_CACHE },
  { "coopmat", ZIM_DISABLE_COOPMAT },
  { "narrow", ZIM_DISABLE_NARROW },
};

gboolean
zim_debug (ZimDebugFlags flag)
{
  return (g_parse_debug_string (g_getenv ("ZIM_DEBUG"), debug_keys, G_N_ELEMENTS (debug_keys)) & flag) != 0;
}

gboolean
zim_is_disabled (ZimDisableFlags flag)
{
  return (g_parse_debug_string (g_getenv ("ZIM_DISABLE"), disable_keys, G_N_ELEMENTS (disable_keys)) & flag) != 0;
}

void
zim_debug_print (const char *format,
                 ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_printerr ("zimage: %s\n", message);
}
