/* app-fault.c: files that get shorter while they are mapped
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-fault.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static int n_faults; /* atomic */
static gsize page;

/* Nothing here but system calls, in whatever thread it was. What is no mapped file ends the process as before. */
static void
bus_cb (int        number,
        siginfo_t *info,
        void      *context)
{
  void *start = (void *) ((gsize) info->si_addr / page * page);

  if (info->si_code == BUS_ADRERR &&
      mmap (start, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
    {
      g_atomic_int_inc (&n_faults);
      return;
    }
  signal (number, SIG_DFL);
}

void
app_fault_watch (void)
{
  struct sigaction action = { .sa_sigaction = bus_cb, .sa_flags = SA_SIGINFO | SA_RESTART };

  page = (gsize) sysconf (_SC_PAGESIZE);
  sigemptyset (&action.sa_mask);
  sigaction (SIGBUS, &action, NULL);
}

guint
app_fault_get_n_faults (void)
{
  return (guint) g_atomic_int_get (&n_faults);
}
