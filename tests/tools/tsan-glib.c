/* tsan-glib.c: tells ThreadSanitizer how GLib synchronises
 *
 * GLib's mutexes, main contexts and reference counts are made of futexes and atomic operations inside a library that is
 * not instrumented, so ThreadSanitizer takes everything that they protect for races. In the TSan build the linker puts
 * these wrappers around our own calls (--wrap); each does what GLib does and says which order it gives.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <gio/gio.h>

void __tsan_acquire (void *address);
void __tsan_release (void *address);

#define DECLARE(type, name, arguments)   \
  type __real_##name arguments;          \
  type __wrap_##name arguments

/* Mutexes and conditions: what was done before an unlock is seen after the next lock. */

DECLARE (void, g_mutex_lock, (GMutex *mutex));
DECLARE (void, g_mutex_unlock, (GMutex *mutex));
DECLARE (void, g_cond_wait, (GCond *cond, GMutex *mutex));

void
__wrap_g_mutex_lock (GMutex *mutex)
{
  __real_g_mutex_lock (mutex);
  __tsan_acquire (mutex);
}

void
__wrap_g_mutex_unlock (GMutex *mutex)
{
  __tsan_release (mutex);
  __real_g_mutex_unlock (mutex);
}

void
__wrap_g_cond_wait (GCond  *cond,
                    GMutex *mutex)
{
  __tsan_release (mutex);
  __real_g_cond_wait (cond, mutex);
  __tsan_acquire (mutex);
}

/* Reference counts: what was done before an unref is seen by whoever frees. */

DECLARE (void, g_object_unref, (gpointer object));

void
__wrap_g_object_unref (gpointer object)
{
  __tsan_release (object);
  __tsan_acquire (object);
  __real_g_object_unref (object);
}

DECLARE (void, g_ptr_array_unref, (GPtrArray *array));

void
__wrap_g_ptr_array_unref (GPtrArray *array)
{
  __tsan_release (array);
  __tsan_acquire (array);
  __real_g_ptr_array_unref (array);
}

/* Idle sources: what was done before attaching is seen by the callback. */

typedef struct {
  GSourceFunc    func;
  gpointer       data;
  GDestroyNotify notify;
} Callback;

static gboolean
call (gpointer user_data)
{
  Callback *callback = user_data;

  __tsan_acquire (callback);
  return callback->func (callback->data);
}

static void
destroy (gpointer user_data)
{
  Callback *callback = user_data;

  __tsan_acquire (callback);
  if (callback->notify != NULL)
    callback->notify (callback->data);
  g_free (callback);
}

DECLARE (void, g_source_set_callback, (GSource *source, GSourceFunc func, gpointer data, GDestroyNotify notify));

void
__wrap_g_source_set_callback (GSource        *source,
                              GSourceFunc     func,
                              gpointer        data,
                              GDestroyNotify  notify)
{
  Callback *callback = g_new (Callback, 1);

  *callback = (Callback) { func, data, notify };
  __tsan_release (callback);
  __real_g_source_set_callback (source, call, callback, destroy);
}

/* Handlers of a cancellable: what was done before connecting is seen by the handler. */

typedef void (*Cancelled) (GCancellable *cancellable,
                           gpointer      data);

typedef struct {
  Cancelled      func;
  gpointer       data;
  GDestroyNotify notify;
} Handler;

static void
handle (GCancellable *cancellable,
        gpointer      user_data)
{
  Handler *handler = user_data;

  __tsan_acquire (handler);
  handler->func (cancellable, handler->data);
}

static void
handler_free (gpointer user_data)
{
  Handler *handler = user_data;

  __tsan_acquire (handler);
  if (handler->notify != NULL)
    handler->notify (handler->data);
  g_free (handler);
}

DECLARE (gulong, g_cancellable_connect,
         (GCancellable *cancellable, GCallback func, gpointer data, GDestroyNotify notify));

gulong
__wrap_g_cancellable_connect (GCancellable   *cancellable,
                              GCallback       func,
                              gpointer        data,
                              GDestroyNotify  notify)
{
  Handler *handler = g_new (Handler, 1);

  *handler = (Handler) { (Cancelled) func, data, notify };
  __tsan_release (handler);
  return __real_g_cancellable_connect (cancellable, G_CALLBACK (handle), handler, handler_free);
}

/* Cancellation: what was done before cancelling is seen by whoever finds it cancelled. */

DECLARE (void, g_cancellable_cancel, (GCancellable *cancellable));
DECLARE (gboolean, g_cancellable_is_cancelled, (GCancellable *cancellable));

void
__wrap_g_cancellable_cancel (GCancellable *cancellable)
{
  __tsan_release (cancellable);
  __real_g_cancellable_cancel (cancellable);
}

gboolean
__wrap_g_cancellable_is_cancelled (GCancellable *cancellable)
{
  gboolean cancelled = __real_g_cancellable_is_cancelled (cancellable);

  if (cancelled)
    __tsan_acquire (cancellable);
  return cancelled;
}

/* Tasks in threads: what was done before a task runs is seen by its function, and what that did by whoever frees it. */

static void
run_task (GTask        *task,
          gpointer      source,
          gpointer      data,
          GCancellable *cancellable)
{
  GTaskThreadFunc *func = g_object_get_data (G_OBJECT (task), "tsan-func");

  __tsan_acquire (task);
  (*func) (task, source, data, cancellable);
  __tsan_release (task);
}

DECLARE (void, g_task_run_in_thread, (GTask *task, GTaskThreadFunc func));

void
__wrap_g_task_run_in_thread (GTask           *task,
                             GTaskThreadFunc  func)
{
  GTaskThreadFunc *kept = g_new (GTaskThreadFunc, 1);

  *kept = func;
  g_object_set_data_full (G_OBJECT (task), "tsan-func", kept, g_free);
  __tsan_release (task);
  __real_g_task_run_in_thread (task, run_task);
}
