/* test-vulkan.c: the Vulkan device on which tests run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "test-vulkan.h"

#include <dlfcn.h>

int
test_vulkan_find (void)
{
  g_autoptr(GError) error = NULL;
  const char *name = g_getenv ("ZIM_TEST_VULKAN");
  GPtrArray *list;

  if (g_strcmp0 (name, "none") == 0 || dlopen ("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL) == NULL)
    return -1;
  list = zim_vk_list (&error);
  g_assert_no_error (error);
  for (guint i = 0; i < list->len; i++)
    if (name == NULL || strstr (((ZimVkInfo *) g_ptr_array_index (list, i))->name, name) != NULL)
      return (int) i;
  g_error ("ZIM_TEST_VULKAN: there is no “%s”", name);
}

gboolean
test_vulkan_has_matrices (void)
{
  int index = test_vulkan_find ();

  return index >= 0 && ((ZimVkInfo *) g_ptr_array_index (zim_vk_list (NULL), (guint) index))->has_matrices;
}

ZimBackend *
test_vulkan_open (void)
{
  g_autoptr(GError) error = NULL;
  int index = test_vulkan_find ();
  ZimBackend *backend = index >= 0 ? zim_vk_backend_new ((guint) index, &error) : NULL;

  g_assert_no_error (error);
  return backend;
}
