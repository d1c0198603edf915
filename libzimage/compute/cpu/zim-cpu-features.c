/* zim-cpu-features.c: which tier of instructions this CPU has
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "compute/cpu/zim-cpu-kernels-private.h"
#include "zim-error.h"

#if defined (__x86_64__)

#include <cpuid.h>

/* Clang 14 does not know the name for __builtin_cpu_supports (). */
static gboolean
has_f16c (void)
{
  guint a, b, c, d;

  return __get_cpuid (1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}

static gboolean
has_avx2 (void)
{
  return __builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma") && has_f16c ();
}

static gboolean
has_avx512 (void)
{
  return has_avx2 () && __builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw") &&
         __builtin_cpu_supports ("avx512vl") && __builtin_cpu_supports ("avx512dq") &&
         __builtin_cpu_supports ("avx512bf16");
}

#endif

const ZimCpuKernels *const *
zim_cpu_kernels_list (void)
{
  static const ZimCpuKernels *list[4];
  static gsize once;

  if (g_once_init_enter (&once))
    {
      guint n = 0;

#if defined (__x86_64__)
      if (has_avx512 ())
        list[n++] = &zim_cpu_kernels_avx512;
      if (has_avx2 ())
        list[n++] = &zim_cpu_kernels_avx2;
#endif
      list[n++] = &zim_cpu_kernels_portable;
      g_once_init_leave (&once, 1);
    }
  return list;
}

const ZimCpuKernels *
zim_cpu_kernels_get (GError **error)
{
  const char *wanted = g_getenv ("ZIM_CPU");
  const ZimCpuKernels *const *list = zim_cpu_kernels_list ();

  if (wanted == NULL || *wanted == '\0')
    return list[0];
  for (guint i = 0; list[i] != NULL; i++)
    if (g_strcmp0 (list[i]->name, wanted) == 0)
      return list[i];
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE,
               _("ZIM_CPU names the tier “%s”; this CPU has “%s” and everything below it (avx512, avx2, portable)"),
               wanted, list[0]->name);
  return NULL;
}
