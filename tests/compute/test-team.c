/* test-team.c: the threads, and cancelling what they do from another one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "op-setup.h"
#include "op-spy.h"

/* Lists of tasks */

#define MAX_TASKS 5000
#define MAX_THREADS 5

typedef struct {
  gint          done[MAX_TASKS];   /* atomic: how often */
  gint          busy[MAX_THREADS]; /* atomic: tasks at work on that thread */
  guint         n_threads;
  gint          n_mistakes;        /* atomic */
  gint          n_done;            /* atomic */
  guint         cancel_at;
  GCancellable *cancellable;
} Tasks;

static void
count_task (gpointer data,
            guint    task,
            guint    thread)
{
  Tasks *tasks = data;

  if (thread >= tasks->n_threads || g_atomic_int_add (&tasks->busy[thread], 1) != 0)
    g_atomic_int_inc (&tasks->n_mistakes);
  g_atomic_int_inc (&tasks->done[task]);
  g_atomic_int_inc (&tasks->n_done);
  if (tasks->cancellable != NULL && task == tasks->cancel_at)
    g_cancellable_cancel (tasks->cancellable);
  g_atomic_int_add (&tasks->busy[thread], -1);
}

static void
check_list (ZimCpuTeam *team,
            guint       n_tasks)
{
  g_autofree Tasks *tasks = g_new0 (Tasks, 1);

  tasks->n_threads = zim_cpu_team_get_n_threads (team);
  g_assert_true (zim_cpu_team_run (team, n_tasks, count_task, tasks, NULL));
  for (guint i = 0; i < MAX_TASKS; i++)
    g_assert_cmpint (g_atomic_int_get (&tasks->done[i]), ==, i < n_tasks);
  g_assert_cmpint (g_atomic_int_get (&tasks->n_mistakes), ==, 0);
}

static void
test_each_task_once (void)
{
  static const guint counts[] = { 0, 1, 2, 3, 7, 100, MAX_TASKS };

  for (guint n_threads = 1; n_threads <= MAX_THREADS; n_threads++)
    {
      g_autoptr(ZimCpuTeam) team = zim_cpu_team_new (n_threads);

      g_assert_cmpuint (zim_cpu_team_get_n_threads (team), ==, n_threads);
      for (guint i = 0; i < G_N_ELEMENTS (counts); i++)
        check_list (team, counts[i]);
    }
}

static void
add_task (gpointer data,
          guint    task,
          guint    thread)
{
  guint *numbers = data; /* not atomic: a task has its own */

  numbers[task] += task;
}

/* Short lists follow one another at once; each sees what the one before wrote, whichever thread it was. */
static void
test_many_lists (void)
{
  g_autoptr(ZimCpuTeam) team = zim_cpu_team_new (3);
  guint numbers[17] = { 0 };

  for (guint i = 0; i < 3000; i++)
    g_assert_true (zim_cpu_team_run (team, 1 + i % 17, add_task, numbers, NULL));
  for (guint task = 0; task < 17; task++)
    {
      guint n = 0;

      for (guint i = 0; i < 3000; i++)
        n += task < 1 + i % 17;
      g_assert_cmpuint (numbers[task], ==, n * task);
    }
}

static void
meet_task (gpointer data,
           guint    task,
           guint    thread)
{
  gint *n_here = data;

  g_atomic_int_inc (n_here);
  while (g_atomic_int_get (n_here) < 3)
    g_thread_yield ();
}

/* Tasks that wait for one another are at work at the same time. */
static void
test_all_at_once (void)
{
  g_autoptr(ZimCpuTeam) team = zim_cpu_team_new (3);

  for (guint i = 0; i < 20; i++)
    {
      gint n_here = 0;

      g_assert_true (zim_cpu_team_run (team, 3, meet_task, &n_here, NULL));
    }
}

static void
test_cancelled_before (void)
{
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();

  g_cancellable_cancel (cancellable);
  for (guint n_threads = 1; n_threads <= 3; n_threads++)
    {
      g_autoptr(ZimCpuTeam) team = zim_cpu_team_new (n_threads);
      g_autofree Tasks *tasks = g_new0 (Tasks, 1);

      g_assert_false (zim_cpu_team_run (team, 100, count_task, tasks, cancellable));
      g_assert_false (zim_cpu_team_run (team, 1, count_task, tasks, cancellable));
      g_assert_cmpint (tasks->n_done, ==, 0);
    }
}

static void
test_cancelled_within (void)
{
  for (guint n_threads = 1; n_threads <= 3; n_threads++)
    {
      g_autoptr(ZimCpuTeam) team = zim_cpu_team_new (n_threads);
      g_autoptr(GCancellable) cancellable = g_cancellable_new ();
      g_autofree Tasks *tasks = g_new0 (Tasks, 1);

      *tasks = (Tasks) { .n_threads = n_threads, .cancel_at = 50, .cancellable = cancellable };
      g_assert_false (zim_cpu_team_run (team, MAX_TASKS, count_task, tasks, cancellable));
      g_assert_cmpint (tasks->n_done, >=, 51);
      g_assert_cmpint (tasks->n_done, <, MAX_TASKS);
      if (n_threads == 1)
        g_assert_cmpint (tasks->n_done, ==, 51);
      for (guint i = 0; i < MAX_TASKS; i++)
        g_assert_cmpint (tasks->done[i], <=, 1);
      check_list (team, 1000);
    }
}

static void
test_n_threads (void)
{
  g_setenv ("ZIM_THREADS", "3", TRUE);
  g_assert_cmpuint (zim_cpu_n_threads (), ==, 3);
  g_setenv ("ZIM_THREADS", "0", TRUE);
  g_assert_cmpuint (zim_cpu_n_threads (), >=, 1);
  g_setenv ("ZIM_THREADS", "many", TRUE);
  g_assert_cmpuint (zim_cpu_n_threads (), >=, 1);
  g_assert_cmpuint (zim_cpu_n_threads (), <=, g_get_num_processors ());
  g_unsetenv ("ZIM_THREADS");
}

/* Cancelling an operation. The products are counted; those after a third wait until another thread has cancelled. */

typedef struct {
  const char *name;
  void      (*build) (Setup *setup);
} LongOp;

static void
build_linear (Setup *setup)
{
  const ZimWeight *weight = setup_weight (setup, ZIM_DTYPE_BF16, 0, 1, 2, (const gint64[]) { 2000, 1100 });

  setup_output (setup, zim_program_linear (setup->program, setup_input (setup, 400, 1100, 1), &weight, NULL, 1, 1));
}

static void
build_attention (Setup *setup)
{
  ZimTensor *x = setup_input (setup, 600, 512, 1);

  setup_output (setup, zim_program_attention (setup->program, x, x, x, 8, 8, 64, FALSE, NULL, 0));
}

static void
build_conv (Setup *setup)
{
  const ZimWeight *weight = setup_weight (setup, ZIM_DTYPE_BF16, 0, 1, 4, (const gint64[]) { 64, 64, 3, 3 });

  setup_output (setup, zim_program_conv2d (setup->program, setup_input (setup, 60 * 70, 64, 1), weight, NULL, 60, 70, 1,
                                           1, FALSE));
}

static const LongOp long_ops[] = {
  { "linear", build_linear },
  { "attention", build_attention },
  { "conv2d", build_conv },
};

typedef struct {
  GCancellable *cancellable;
  gint          wanted; /* atomic */
  gint          done;   /* atomic */
  gint64        time;
} Canceller;

static gpointer
canceller_main (gpointer data)
{
  Canceller *self = data;

  while (!g_atomic_int_get (&self->wanted))
    g_usleep (100);
  self->time = g_get_monotonic_time ();
  g_cancellable_cancel (self->cancellable);
  g_atomic_int_set (&self->done, TRUE);
  return NULL;
}

static void
reached_cb (gpointer data,
            gpointer user_data)
{
  Canceller *self = user_data;

  g_atomic_int_set (&self->wanted, TRUE);
  while (!g_atomic_int_get (&self->done))
    g_usleep (100);
}

static gboolean
run_cancelled (Setup         *setup,
               ZimExecutable *executable,
               guint64        at,
               double        *seconds,
               GError       **error)
{
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  Canceller canceller = { cancellable };
  GThread *thread;
  gboolean result;

  thread = g_thread_new ("canceller", canceller_main, &canceller);
  spy_start (FALSE, at, reached_cb, &canceller);
  result = setup_run (setup, executable, cancellable, error);
  *seconds = g_get_monotonic_time () / 1e6;
  g_thread_join (thread);
  *seconds -= canceller.time / 1e6;
  return result;
}

static void
check_cancel (const LongOp        *op,
              const ZimCpuKernels *kernels,
              ZimPrecision         precision)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimBackend) backend = zim_cpu_backend_new (spy_kernels (kernels), 2, NULL);
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree float *before = NULL;
  double seconds;
  guint64 all;
  gsize size;

  setup_begin (setup, backend);
  op->build (setup);
  executable = setup_compile (setup, precision);
  size = zim_tensor_size (g_ptr_array_index (setup->outputs, 0));
  spy_start (FALSE, 0, NULL, NULL);
  g_assert_true (setup_run (setup, executable, NULL, NULL));
  before = g_memdup2 (setup_result (setup, 0), size);
  all = spy_get_flops ();

  g_assert_false (run_cancelled (setup, executable, all / 3, &seconds, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_test_message ("%s, %s: %.1f %% done, back after %.1f ms", op->name, kernels->name, 100.0 * spy_get_flops () / all,
                  1000 * seconds);
  g_assert_cmpuint (spy_get_flops (), <, all / 2);
  g_assert_cmpfloat (seconds, <, 1);

  /* The same again, from beginning to end */
  spy_start (FALSE, 0, NULL, NULL);
  g_assert_true (setup_run (setup, executable, NULL, NULL));
  g_assert_cmpmem (before, size, setup_result (setup, 0), size);
}

static void
test_cancel (gconstpointer data)
{
  const LongOp *op = data;
  const ZimCpuKernels *const *list = zim_cpu_kernels_list ();

  for (guint i = 0; list[i] != NULL; i++)
    {
      check_cancel (op, list[i], ZIM_PRECISION_BF16);
      if (spy_has_blas ())
        check_cancel (op, list[i], ZIM_PRECISION_F32);
    }
}

/* A run that is cancelled before it starts does nothing. */
static void
test_cancelled_run (void)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimBackend) backend = zim_cpu_backend_new (spy_kernels (zim_cpu_kernels_list ()[0]), 2, NULL);
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GError) error = NULL;

  setup_begin (setup, backend);
  build_attention (setup);
  executable = setup_compile (setup, ZIM_PRECISION_F32);
  g_cancellable_cancel (cancellable);
  spy_start (FALSE, 0, NULL, NULL);
  g_assert_false (setup_run (setup, executable, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (spy_get_flops (), ==, 0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/team/n-threads", test_n_threads); /* the first: it sets the environment, which threads may read */
  g_test_add_func ("/team/each-task-once", test_each_task_once);
  g_test_add_func ("/team/many-lists", test_many_lists);
  g_test_add_func ("/team/all-at-once", test_all_at_once);
  g_test_add_func ("/team/cancelled-before", test_cancelled_before);
  g_test_add_func ("/team/cancelled-within", test_cancelled_within);
  for (guint i = 0; i < G_N_ELEMENTS (long_ops); i++)
    {
      g_autofree char *path = g_strconcat ("/team/cancel/", long_ops[i].name, NULL);

      g_test_add_data_func (path, &long_ops[i], test_cancel);
    }
  g_test_add_func ("/team/cancel/before-the-run", test_cancelled_run);
  return g_test_run ();
}
