/* op-runner.c: one case on every backend, tier and number of threads
 *
 * Each run starts on an arena and outputs full of NaN, so that whatever reads what nobody wrote shows. Its results
 * are compared with the reference, bit by bit with those of other numbers of threads, and the memory behind
 * its plan must be untouched.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "op-runner.h"

#include "op-devices.h"
#include "op-reference.h"

#define N_PRECISIONS (ZIM_PRECISION_F16 + 1)

typedef struct {
  char         *op;
  char         *name;
  BuildFunc     build;
  gconstpointer data;
} Case;

typedef struct {
  const Case   *test_case;
  const Device *device;
  ZimPrecision  precision;
} Run;

/* The case at work: tests of one case follow one another. */
static struct {
  const Case *test_case;
  Setup      *setup;
  guint       key_block;              /* that the expected results are of */
  gboolean    rotates_x;              /* the same */
  GPtrArray  *expected[N_PRECISIONS]; /* of Expected, one for each output */
} current;

static const char *const precision_names[N_PRECISIONS] = { "auto", "f32", "bf16", "f16" };

static void
forget_expected (void)
{
  for (guint i = 0; i < N_PRECISIONS; i++)
    g_clear_pointer (&current.expected[i], g_ptr_array_unref);
}

static void
forget_case (void)
{
  devices_trim ();
  g_clear_pointer (&current.setup, setup_free);
  forget_expected ();
  current.test_case = NULL;
}

static void
begin_case (const Case *test_case,
            ZimBackend *backend)
{
  if (current.test_case != test_case)
    {
      forget_case ();
      current.test_case = test_case;
      current.setup = setup_new ();
    }
  setup_begin (current.setup, backend);
  test_case->build (current.setup, test_case->data);
}

static GPtrArray *
get_expected (const Run *run)
{
  GPtrArray **expected = &current.expected[run->precision];
  const Setup *setup = current.setup;
  g_autoptr(Reference) reference = NULL;

  /* Tiers share the results; another kind of device may walk over keys in other blocks, or rotate something else. */
  if (current.key_block != run->device->key_block || current.rotates_x != run->device->rotates_x)
    forget_expected ();
  current.key_block = run->device->key_block;
  current.rotates_x = run->device->rotates_x;
  if (*expected != NULL)
    return *expected;
  reference = reference_new (setup->program, run->precision, run->device->key_block, run->device->rotates_x);
  for (guint i = 0; i < setup->inputs->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (setup->inputs, i);

      reference_set (reference, tensor, g_hash_table_lookup (setup->numbers, tensor));
    }
  reference_run (reference);
  *expected = g_ptr_array_new_with_free_func ((GDestroyNotify) expected_free);
  for (guint i = 0; i < setup->outputs->len; i++)
    g_ptr_array_add (*expected, reference_get (reference, g_ptr_array_index (setup->outputs, i)));
  return *expected;
}

/* The arena: programs that write all of it and read the end of it. Rows of 64 numbers are 256 bytes, the unit of
 * plans. */

#define ROW 64
#define GUARD_ROWS 256

static const guint32 poison = 0x7fc0beef; /* a NaN */

static void
run_program (ZimBackend       *backend,
             ZimProgram       *program,
             const ZimBinding *binding)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimExecutable) executable = zim_backend_compile (backend, program, ZIM_PRECISION_F32, &error);

  g_assert_no_error (error);
  zim_executable_run (executable, binding, binding != NULL ? 1 : 0, NULL, &error);
  g_assert_no_error (error);
}

static void
poison_arena (ZimBackend *backend,
              gint64      n_rows)
{
  guint32 row[ROW];
  ZimWeight weight = { "poison", ZIM_DTYPE_F32, 1, { ROW }, (const guint8 *) row, sizeof row };
  g_autoptr(ZimProgram) program = zim_program_new ("poison");

  for (guint i = 0; i < ROW; i++)
    row[i] = poison;
  zim_program_repeat_row (program, &weight, n_rows);
  run_program (backend, program, NULL);
}

/* A temporary that nobody writes shows what lies in the arena; the smaller output gets its place behind it. */
static void
check_guard (ZimBackend *backend,
             gint64      first,
             gint64      n_rows)
{
  g_autoptr(ZimProgram) program = zim_program_new ("guard");
  g_autofree guint32 *words = g_new0 (guint32, GUARD_ROWS * ROW);
  ZimTensor *all = zim_program_empty (program, n_rows, ROW), *guard = zim_program_empty (program, GUARD_ROWS, ROW);
  ZimBinding binding = { guard, words };

  zim_program_copy_to (program, zim_program_rows (program, all, first, GUARD_ROWS), guard);
  zim_program_output (program, guard, "guard");
  run_program (backend, program, &binding);
  for (guint i = 0; i < GUARD_ROWS * ROW; i++)
    g_assert_cmphex (words[i], ==, poison);
}

static void
run_guarded (const Run *run)
{
  Setup *setup = current.setup;
  g_autoptr(ZimExecutable) executable = setup_compile (setup, run->precision);
  g_autoptr(GError) error = NULL;
  gint64 first = (gint64) (zim_executable_get_arena_size (executable) / (ROW * sizeof (float)));
  gint64 n_rows = first + GUARD_ROWS + 1;

  g_assert_cmpuint (zim_executable_get_arena_size (executable) % (ROW * sizeof (float)), ==, 0);
  zim_backend_reserve (setup->backend, (n_rows + GUARD_ROWS) * ROW * sizeof (float), &error);
  g_assert_no_error (error);
  poison_arena (setup->backend, n_rows);
  setup_run (setup, executable, NULL, &error);
  g_assert_no_error (error);
  if (run->device->has_guard)
    check_guard (setup->backend, first, n_rows);
}

/* Results of the first number of threads, for the others */
static GPtrArray *
copy_results (const Setup *setup)
{
  GPtrArray *copies = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  for (guint i = 0; i < setup->outputs->len; i++)
    g_ptr_array_add (copies, g_bytes_new (setup_result (current.setup, i),
                                          zim_tensor_size (g_ptr_array_index (setup->outputs, i))));
  return copies;
}

static void
check_results (const Run *run)
{
  GPtrArray *expected = get_expected (run);
  double used = 0;

  for (guint i = 0; i < expected->len; i++)
    used = MAX (used, expected_check (g_ptr_array_index (expected, i), setup_result (current.setup, i),
                                      run->device->may_flush));
  g_test_message ("%.2f of the tolerance", used);
}

static void
run_case (gconstpointer data)
{
  const Run *run = data;
  g_autoptr(GPtrArray) first = NULL;

  for (guint i = 0; i < MAX_THREAD_COUNTS && run->device->n_threads[i] != 0; i++)
    {
      ZimBackend *backend = device_open (run->device, run->device->n_threads[i]);

      begin_case (run->test_case, backend);
      run_guarded (run);
      if (first == NULL)
        {
          check_results (run);
          first = copy_results (current.setup);
          continue;
        }
      for (guint j = 0; j < first->len; j++)
        {
          GBytes *bytes = g_ptr_array_index (first, j);

          g_assert_cmpmem (setup_result (current.setup, j), g_bytes_get_size (bytes), g_bytes_get_data (bytes, NULL),
                           g_bytes_get_size (bytes));
        }
    }
}

static GPtrArray *cases;  /* of Case */
static GPtrArray *runs;   /* of Run */
static GPtrArray *absent; /* of Device: what this machine lacks */

static void
skip_device (gconstpointer data)
{
  const Device *device = data;

  g_test_skip_printf ("this machine has no %s", device->name);
}

/* Tells so in one test for all cases. */
static gboolean
is_absent (const Device *device)
{
  g_autofree char *path = g_strdup_printf ("/ops/%s", device->name);

  if (g_ptr_array_find (absent, device, NULL))
    return TRUE;
  if (device_open (device, device->n_threads[0]) != NULL)
    return FALSE;
  g_ptr_array_add (absent, (gpointer) device);
  g_test_add_data_func (path, device, skip_device);
  return TRUE;
}

static void
case_free (Case *test_case)
{
  g_free (test_case->op);
  g_free (test_case->name);
  g_free (test_case);
}

static void
add_run (const Case   *test_case,
         const Device *device,
         ZimPrecision  precision)
{
  g_autofree char *path = g_strdup_printf ("/ops/%s/%s/%s/%s", test_case->op, test_case->name, device->name,
                                           precision_names[precision]);
  Run *run = g_new0 (Run, 1);

  *run = (Run) { test_case, device, precision };
  g_ptr_array_add (runs, run);
  g_test_add_data_func (path, run, run_case);
}

void
ops_add_case (const char    *op,
              const char    *name,
              BuildFunc      build,
              gconstpointer  data,
              gboolean       takes_operands)
{
  Case *test_case = g_new0 (Case, 1);
  guint n_devices;
  const Device *devices = devices_get (&n_devices);

  if (cases == NULL)
    {
      cases = g_ptr_array_new_with_free_func ((GDestroyNotify) case_free);
      runs = g_ptr_array_new_with_free_func (g_free);
      absent = g_ptr_array_new ();
    }
  *test_case = (Case) { g_strdup (op), g_strdup (name), build, data };
  g_ptr_array_add (cases, test_case);
  for (guint i = 0; i < n_devices; i++)
    for (ZimPrecision precision = ZIM_PRECISION_F32; precision < (takes_operands ? N_PRECISIONS : ZIM_PRECISION_BF16);
         precision++)
      if (!is_absent (&devices[i]))
        add_run (test_case, &devices[i], precision);
}

void
ops_shutdown (void)
{
  forget_case ();
  g_clear_pointer (&cases, g_ptr_array_unref);
  g_clear_pointer (&runs, g_ptr_array_unref);
  g_clear_pointer (&absent, g_ptr_array_unref);
  devices_shutdown ();
}
