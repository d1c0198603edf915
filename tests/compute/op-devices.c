/* op-devices.c: the backends on which every case runs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "op-devices.h"

#include "compute/cpu/zim-cpu-private.h"
#include "test-vulkan.h"

static ZimBackend *
open_cpu (const char *tier,
          guint       n_threads)
{
  const ZimCpuKernels *const *list = zim_cpu_kernels_list ();

  for (guint i = 0; list[i] != NULL; i++)
    if (g_str_equal (list[i]->name, tier))
      return zim_cpu_backend_new (list[i], n_threads, NULL);
  return NULL;
}

/* Portable kernels, or those for cooperative matrices where the device has them. */
static ZimBackend *
open_vulkan (const char *tier,
             guint       n_threads)
{
  ZimBackend *backend;

  if (g_str_equal (tier, "matrices"))
    return test_vulkan_has_matrices () ? test_vulkan_open () : NULL;
  g_setenv ("ZIM_DISABLE", "coopmat", TRUE);
  backend = test_vulkan_open ();
  g_unsetenv ("ZIM_DISABLE");
  return backend;
}

#define CPU(tier) { "cpu-" tier, open_cpu, tier, { 1, 2, 3 }, 256, FALSE, FALSE, TRUE }

static const Device devices[] = {
  CPU ("portable"),
  CPU ("avx2"),
  CPU ("avx512"),
  { "vulkan", open_vulkan, "portable", { 1 }, 32, TRUE, TRUE, TRUE },
  { "vulkan-matrices", open_vulkan, "matrices", { 1 }, 32, TRUE, TRUE, TRUE },
};

const Device *
devices_get (guint *n_devices)
{
  *n_devices = G_N_ELEMENTS (devices);
  return devices;
}

static GHashTable *opened; /* “name/threads” → ZimBackend */

ZimBackend *
device_open (const Device *self,
             guint         n_threads)
{
  g_autofree char *key = g_strdup_printf ("%s/%u", self->name, n_threads);
  ZimBackend *backend;

  if (opened == NULL)
    opened = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  backend = g_hash_table_lookup (opened, key);
  if (backend == NULL)
    {
      backend = self->open (self->tier, n_threads);
      if (backend != NULL)
        g_hash_table_insert (opened, g_steal_pointer (&key), backend);
    }
  return backend;
}

void
devices_trim (void)
{
  GHashTableIter iter;
  gpointer backend;

  if (opened == NULL)
    return;
  g_hash_table_iter_init (&iter, opened);
  while (g_hash_table_iter_next (&iter, NULL, &backend))
    zim_backend_trim (backend);
}

void
devices_shutdown (void)
{
  g_clear_pointer (&opened, g_hash_table_unref);
}
