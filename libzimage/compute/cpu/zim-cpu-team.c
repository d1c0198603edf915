/* zim-cpu-team.c: the threads of the CPU backend
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <sched.h>

#include "compute/cpu/zim-cpu-team-private.h"

/* How often a waiting thread looks before it goes to sleep: operations follow one another within microseconds. */
#define SPINS 4000

struct _ZimCpuTeam {
  guint         n_threads;
  GThread     **threads; /* n_threads − 1: the caller is one too */

  GMutex        lock;
  GCond         wake;
  gint          generation; /* atomic: counts lists of tasks */
  gint          quit;       /* atomic */

  /* The current list */
  ZimCpuTask    func;
  gpointer      data;
  guint         n_tasks;
  GCancellable *cancellable;
  gint          next;    /* atomic */
  gint          working; /* atomic: threads that are not done with the list, the caller apart */
};

typedef struct {
  ZimCpuTeam *team;
  guint       index;
} Member;

static inline void
relax (void)
{
#if defined (__x86_64__)
  __builtin_ia32_pause ();
#endif
}

static gboolean
work (ZimCpuTeam *team,
      guint       thread)
{
  while (TRUE)
    {
      guint task = (guint) g_atomic_int_add (&team->next, 1);

      if (task >= team->n_tasks)
        return TRUE;
      if (g_cancellable_is_cancelled (team->cancellable))
        return FALSE;
      team->func (team->data, task, thread);
    }
}

/* Waits for another generation than seen; FALSE when the team ends. */
static gboolean
wait_for_work (ZimCpuTeam *team,
               gint       *seen)
{
  gboolean quit;

  for (guint i = 0; i < SPINS && g_atomic_int_get (&team->generation) == *seen; i++)
    relax ();
  g_mutex_lock (&team->lock);
  while (g_atomic_int_get (&team->generation) == *seen && !g_atomic_int_get (&team->quit))
    g_cond_wait (&team->wake, &team->lock);
  *seen = g_atomic_int_get (&team->generation);
  quit = g_atomic_int_get (&team->quit);
  g_mutex_unlock (&team->lock);
  return !quit;
}

static gpointer
member_main (gpointer data)
{
  Member *member = data;
  ZimCpuTeam *team = member->team;
  gint seen = 0;

  while (wait_for_work (team, &seen))
    {
      work (team, member->index);
      g_atomic_int_add (&team->working, -1);
    }
  g_free (member);
  return NULL;
}

ZimCpuTeam *
zim_cpu_team_new (guint n_threads)
{
  ZimCpuTeam *team = g_new0 (ZimCpuTeam, 1);

  g_mutex_init (&team->lock);
  g_cond_init (&team->wake);
  team->n_threads = n_threads;
  team->threads = g_new0 (GThread *, n_threads);
  for (guint i = 1; i < n_threads; i++)
    {
      Member *member = g_new (Member, 1);

      member->team = team;
      member->index = i;
      team->threads[i - 1] = g_thread_new ("zimage-cpu", member_main, member);
    }
  return team;
}

void
zim_cpu_team_free (ZimCpuTeam *team)
{
  g_mutex_lock (&team->lock);
  g_atomic_int_set (&team->quit, TRUE);
  g_cond_broadcast (&team->wake);
  g_mutex_unlock (&team->lock);
  for (guint i = 1; i < team->n_threads; i++)
    g_thread_join (team->threads[i - 1]);
  g_mutex_clear (&team->lock);
  g_cond_clear (&team->wake);
  g_free (team->threads);
  g_free (team);
}

guint
zim_cpu_team_get_n_threads (ZimCpuTeam *team)
{
  return team->n_threads;
}

static gboolean
run_alone (guint         n_tasks,
           ZimCpuTask    func,
           gpointer      data,
           GCancellable *cancellable)
{
  for (guint i = 0; i < n_tasks; i++)
    {
      if (g_cancellable_is_cancelled (cancellable))
        return FALSE;
      func (data, i, 0);
    }
  return TRUE;
}

gboolean
zim_cpu_team_run (ZimCpuTeam   *team,
                  guint         n_tasks,
                  ZimCpuTask    func,
                  gpointer      data,
                  GCancellable *cancellable)
{
  if (team->n_threads == 1 || n_tasks == 1)
    return run_alone (n_tasks, func, data, cancellable);

  g_mutex_lock (&team->lock);
  team->func = func;
  team->data = data;
  team->n_tasks = n_tasks;
  team->cancellable = cancellable;
  g_atomic_int_set (&team->next, 0);
  g_atomic_int_set (&team->working, team->n_threads - 1);
  g_atomic_int_inc (&team->generation);
  g_cond_broadcast (&team->wake);
  g_mutex_unlock (&team->lock);

  work (team, 0);
  /* The others are about to end; but on a busy machine one of them may be waiting for this very core. */
  for (guint spins = 0; g_atomic_int_get (&team->working) > 0; spins++)
    {
      if (spins < SPINS)
        relax ();
      else
        g_thread_yield ();
    }
  return !g_cancellable_is_cancelled (cancellable);
}

guint
zim_cpu_n_threads (void)
{
  const char *wanted = g_getenv ("ZIM_THREADS");
  guint64 n;
  cpu_set_t set;

  if (wanted != NULL && g_ascii_string_to_unsigned (wanted, 10, 1, 1024, &n, NULL))
    return (guint) n;
  if (sched_getaffinity (0, sizeof set, &set) == 0)
    return MAX (1, CPU_COUNT (&set));
  return g_get_num_processors ();
}
