/* zim-parallel.c: the same work for many things on several threads
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-parallel-private.h"

#define MAX_THREADS 8 /* more do not make a disk faster */

typedef struct {
  guint            n;
  ZimParallelFunc  func;
  gpointer         user_data;
  GCancellable    *cancellable;
  int              next;
  GMutex           lock;
  GError          *error; /* under the lock: the first */
} Parallel;

static gboolean
has_failed (Parallel *self)
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  return self->error != NULL;
}

static void
fail (Parallel *self,
      GError   *error) /* taken */
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  if (self->error == NULL)
    self->error = g_steal_pointer (&error);
  g_clear_error (&error);
}

static gpointer
work (gpointer data)
{
  Parallel *self = data;
  guint i;

  while ((i = (guint) g_atomic_int_add (&self->next, 1)) < self->n && !has_failed (self))
    {
      GError *error = NULL;

      if (g_cancellable_set_error_if_cancelled (self->cancellable, &error) ||
          !self->func (i, self->user_data, self->cancellable, &error))
        fail (self, error);
    }
  return NULL;
}

gboolean
zim_parallel_run (guint             n,
                  guint             max_threads,
                  ZimParallelFunc   func,
                  gpointer          user_data,
                  GCancellable     *cancellable,
                  GError          **error)
{
  Parallel self = { .n = n, .func = func, .user_data = user_data, .cancellable = cancellable };
  GThread *threads[MAX_THREADS] = { NULL, };
  guint n_threads = MIN (n, max_threads > 0 ? MIN (max_threads, MAX_THREADS)
                                            : MIN (g_get_num_processors (), MAX_THREADS));

  g_mutex_init (&self.lock);
  /* This thread is one of them; where no other can be had, it is the only one. */
  for (guint i = 1; i < n_threads; i++)
    threads[i] = g_thread_try_new ("zim-store", work, &self, NULL);
  work (&self);
  for (guint i = 1; i < n_threads; i++)
    if (threads[i] != NULL)
      g_thread_join (threads[i]);
  g_mutex_clear (&self.lock);
  if (self.error == NULL)
    return TRUE;
  g_propagate_error (error, self.error);
  return FALSE;
}
