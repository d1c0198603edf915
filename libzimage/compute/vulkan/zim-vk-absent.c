/* zim-vk-absent.c: what stands for the Vulkan backend in a build without it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "compute/vulkan/zim-vk-private.h"
#include "zim-error.h"

GPtrArray *
zim_vk_list (GError **error)
{
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE, _("This libzimage was built without Vulkan; choose “cpu”"));
  return NULL;
}

ZimBackend *
zim_vk_backend_new (guint    index,
                    GError **error)
{
  zim_vk_list (error);
  return NULL;
}
