/* test-prefetch.c: weights are read from disk before they are needed, and only while that is of use
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compute/cpu/zim-cpu-prefetch-private.h"

#define ROWS 1024
#define COLS 1024
#define SIZE (ROWS * COLS * sizeof (float))

/* Two products whose weights are the halves of a mapped file; the second's are codes, scales and biases. */
typedef struct {
  char       *path;
  int         fd;
  guint8     *data;
  ZimWeight   weights[2];
  ZimProgram *program;
} Fixture;

/* Twice the rows in a byte each, a scale and a bias for each 4: as large as one of f32. */
static ZimWeight
make_affine (const guint8 *data)
{
  return (ZimWeight) {
    .name = "w", .dtype = ZIM_DTYPE_INT8, .n_dims = 2, .dims = { 2 * ROWS, COLS }, .data = data, .size = SIZE / 2,
    .scales = data + SIZE / 2, .biases = data + SIZE * 3 / 4, .group = 4,
  };
}

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  g_autofree guint8 *content = g_malloc0 (2 * SIZE);
  ZimTensor *x;

  /* Beside the program: the folder for temporary files may be memory, whose pages never leave. */
  fixture->path = g_test_build_filename (G_TEST_BUILT, "prefetch.data", NULL);
  g_assert_true (g_file_set_contents (fixture->path, (const char *) content, 2 * SIZE, NULL));
  fixture->fd = g_open (fixture->path, O_RDONLY);
  g_assert_cmpint (fixture->fd, >=, 0);
  g_assert_cmpint (fsync (fixture->fd), ==, 0);
  fixture->data = mmap (NULL, 2 * SIZE, PROT_READ, MAP_SHARED, fixture->fd, 0);
  g_assert_true (fixture->data != MAP_FAILED);

  fixture->program = zim_program_new ("two products");
  x = zim_program_input (fixture->program, "x", ZIM_DTYPE_F32, 1, COLS);
  fixture->weights[0] = (ZimWeight) { "w", ZIM_DTYPE_F32, 2, { ROWS, COLS }, fixture->data, SIZE };
  fixture->weights[1] = make_affine (fixture->data + SIZE);
  for (guint i = 0; i < 2; i++)
    {
      const ZimWeight *weight = &fixture->weights[i];

      x = zim_program_linear (fixture->program, x, &weight, NULL, 1, 1);
    }
  zim_program_output (fixture->program, x, "y");
  g_assert_no_error (zim_program_get_error (fixture->program));
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  zim_program_unref (fixture->program);
  munmap (fixture->data, 2 * SIZE);
  close (fixture->fd);
  g_unlink (fixture->path);
  g_free (fixture->path);
}

static gsize
count_resident (Fixture *fixture)
{
  gsize page = (gsize) sysconf (_SC_PAGESIZE), n = 2 * SIZE / page, resident = 0;
  g_autofree guint8 *pages = g_malloc (n);

  g_assert_cmpint (mincore (fixture->data, 2 * SIZE, pages), ==, 0);
  for (gsize i = 0; i < n; i++)
    resident += pages[i] & 1;
  return resident * page;
}

/* FALSE where the file system does not let go of pages. */
static gboolean
evict (Fixture *fixture)
{
  for (guint i = 0; i < 100 && count_resident (fixture) > 0; i++)
    {
      posix_fadvise (fixture->fd, 0, 0, POSIX_FADV_DONTNEED);
      g_usleep (10 * 1000);
    }
  return count_resident (fixture) == 0;
}

static gboolean
wait_resident (Fixture *fixture)
{
  for (guint i = 0; i < 3000 && count_resident (fixture) < 2 * SIZE; i++)
    g_usleep (10 * 1000);
  return count_resident (fixture) == 2 * SIZE;
}

static void
test_prefetch (Fixture       *fixture,
               gconstpointer  data)
{
  GPtrArray *ops = zim_program_get_ops (fixture->program);
  ZimCpuPrefetch prefetch = { 0 };

  if (!evict (fixture))
    {
      g_test_skip ("The file system of the build folder keeps the file in memory");
      return;
    }
  /* Nothing touches the weights, and yet they come, those of the second operation with those of the first. */
  zim_cpu_prefetch_begin (&prefetch);
  zim_cpu_prefetch_advance (&prefetch, ops, 0);
  g_assert_true (wait_resident (fixture));
  zim_cpu_prefetch_advance (&prefetch, ops, 1);
  g_assert_cmpuint (prefetch.next, ==, 2);
  g_assert_cmpuint (prefetch.ahead, ==, 0);
  zim_cpu_prefetch_end (&prefetch);
  if (prefetch.idle)
    {
      g_test_skip ("The file system of the build folder does not count what is read");
      return;
    }

  /* A run that reads nothing is the last that asks. (The process may still read pages of its own code.) */
  for (guint i = 0; i < 20 && !prefetch.idle; i++)
    {
      zim_cpu_prefetch_begin (&prefetch);
      zim_cpu_prefetch_advance (&prefetch, ops, 0);
      zim_cpu_prefetch_advance (&prefetch, ops, 1);
      zim_cpu_prefetch_end (&prefetch);
    }
  g_assert_true (prefetch.idle);
  g_assert_true (evict (fixture));
  zim_cpu_prefetch_begin (&prefetch);
  zim_cpu_prefetch_advance (&prefetch, ops, 0);
  g_usleep (200 * 1000);
  g_assert_cmpuint (count_resident (fixture), ==, 0);

  /* It asks again after one that had to read. */
  for (gsize i = 0; i < 2 * SIZE; i += 4096)
    g_assert_cmpuint (*(volatile guint8 *) (fixture->data + i), ==, 0);
  zim_cpu_prefetch_end (&prefetch);
  g_assert_false (prefetch.idle);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/prefetch", Fixture, NULL, set_up, test_prefetch, tear_down);
  return g_test_run ();
}
