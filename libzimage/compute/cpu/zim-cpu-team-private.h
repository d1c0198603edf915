/* zim-cpu-team-private.h: the threads of the CPU backend
 *
 * A team works on one list of tasks at a time; each thread takes the next task that nobody has. What a task computes
 * depends on its number alone, never on the thread, so results do not depend on how many threads there are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _ZimCpuTeam ZimCpuTeam;

/* thread: 0 … n_threads − 1, for scratch memory of one's own */
typedef void (*ZimCpuTask) (gpointer data,
                            guint    task,
                            guint    thread);

ZimCpuTeam *zim_cpu_team_new         (guint          n_threads);
void        zim_cpu_team_free        (ZimCpuTeam    *team);
guint       zim_cpu_team_get_n_threads (ZimCpuTeam  *team);

/* Does tasks 0 … n_tasks − 1, the calling thread included. Between tasks the cancellable is looked at: FALSE means
 * that it was cancelled and that tasks are left undone. */
gboolean    zim_cpu_team_run         (ZimCpuTeam    *team,
                                      guint          n_tasks,
                                      ZimCpuTask     func,
                                      gpointer       data,
                                      GCancellable  *cancellable);

/* The threads to use: ZIM_THREADS, else the CPUs that this process may run on. */
guint       zim_cpu_n_threads        (void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimCpuTeam, zim_cpu_team_free)

G_END_DECLS
