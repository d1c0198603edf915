/* zim-check.c: a backend whose every operation is checked by another
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <math.h>

#include "compute/zim-check-private.h"
#include "compute/zim-op-private.h"
#include "zim-error.h"

#define ZIM_TYPE_CHECK_BACKEND (zim_check_backend_get_type ())
G_DECLARE_FINAL_TYPE (ZimCheckBackend, zim_check_backend, ZIM, CHECK_BACKEND, ZimBackend)

struct _ZimCheckBackend {
  ZimBackend  parent_instance;

  ZimBackend *checked;
  ZimBackend *reference;
};

G_DEFINE_FINAL_TYPE (ZimCheckBackend, zim_check_backend, ZIM_TYPE_BACKEND)

#define ZIM_TYPE_CHECK_EXECUTABLE (zim_check_executable_get_type ())
G_DECLARE_FINAL_TYPE (ZimCheckExecutable, zim_check_executable, ZIM, CHECK_EXECUTABLE, ZimExecutable)

struct _ZimCheckExecutable {
  ZimExecutable    parent_instance;

  ZimCheckBackend *backend;
  ZimPrecision     precision;
  float          **bases; /* memory of every tensor's base, by id; a state's is its handle */
};

G_DEFINE_FINAL_TYPE (ZimCheckExecutable, zim_check_executable, ZIM_TYPE_EXECUTABLE)

/* ‖a − b‖ / ‖b‖ that a single operation may have */
static double
tolerance_of (ZimPrecision precision)
{
  switch (precision)
    {
    case ZIM_PRECISION_BF16:
      return 1e-2;
    case ZIM_PRECISION_F16:
      return 2e-3;
    case ZIM_PRECISION_F32:
    case ZIM_PRECISION_AUTO:
    default:
      return 2e-5;
    }
}

/* Rows without gaps ↔ rows of a tensor */

static float *
memory_of (ZimCheckExecutable *self,
           const ZimTensor    *tensor)
{
  float *base = tensor->state != NULL ? tensor->state->handle : self->bases[tensor->base->id];

  return base + tensor->offset;
}

static float *
gather (ZimCheckExecutable *self,
        const ZimTensor    *tensor)
{
  float *rows = g_new (float, tensor->rows * tensor->cols);

  for (gint64 row = 0; row < tensor->rows; row++)
    memcpy (rows + row * tensor->cols, memory_of (self, tensor) + row * tensor->stride, tensor->cols * sizeof *rows);
  return rows;
}

static void
scatter (ZimCheckExecutable *self,
         const ZimTensor    *tensor,
         const float        *rows)
{
  for (gint64 row = 0; row < tensor->rows; row++)
    memcpy (memory_of (self, tensor) + row * tensor->stride, rows + row * tensor->cols, tensor->cols * sizeof *rows);
}

/* One operation */

typedef struct {
  ZimProgram *program;
  ZimBinding  bindings[ZIM_OP_MAX_SOURCES + 1]; /* the last one is the result's */
  guint       n;
} Single;

static void
single_init (Single             *single,
             ZimCheckExecutable *self,
             const ZimOp        *op)
{
  ZimProgram *program = zim_program_new (zim_op_kind_name (op->kind));
  ZimTensor *out = zim_program_empty (program, op->out->rows, op->out->cols);
  ZimOp *copy = zim_program_add_op (program, op->kind, out);
  ZimTensor *sources[ZIM_OP_MAX_SOURCES] = { NULL };

  single->program = program;
  single->n = 0;
  for (guint i = 0; i < op->n_sources; i++)
    if (op->sources[i] != NULL)
      {
        const ZimTensor *x = op->sources[i];

        sources[i] = zim_program_input (program, "source", x->dtype, x->rows, x->cols);
        single->bindings[single->n++] = (ZimBinding) { sources[i], gather (self, x) };
      }
  *copy = *op;
  copy->out = out;
  memcpy (copy->sources, sources, sizeof sources);
  copy->ranges = g_memdup2 (op->ranges, op->n_ranges * sizeof *op->ranges);
  zim_program_output (program, out, "result");
  single->bindings[single->n++] = (ZimBinding) { out, g_new (float, out->rows * out->cols) };
}

static void
single_clear (Single *single)
{
  for (guint i = 0; i < single->n; i++)
    g_free (single->bindings[i].data);
  zim_program_unref (single->program);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Single, single_clear)

static gboolean
single_run (Single        *single,
            ZimBackend    *backend,
            ZimPrecision   precision,
            GCancellable  *cancellable,
            GError       **error)
{
  g_autoptr(ZimExecutable) executable = zim_backend_compile (backend, single->program, precision, error);

  return executable != NULL && zim_executable_run (executable, single->bindings, single->n, cancellable, error);
}

/* ‖a − b‖ / ‖b‖; infinite if one is finite where the other is not */
static double
distance_of (const float *a,
             const float *b,
             gint64       n)
{
  double errors = 0, squares = 0;

  for (gint64 i = 0; i < n; i++)
    {
      if (!isfinite (a[i]) != !isfinite (b[i]))
        return INFINITY;
      if (!isfinite (a[i]))
        continue;
      errors += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
      squares += (double) b[i] * b[i];
    }
  return errors > 0 ? sqrt (errors / MAX (squares, 1e-60)) : 0;
}

static gboolean
check_op (ZimCheckExecutable  *self,
          guint                i,
          const ZimOp         *op,
          GCancellable        *cancellable,
          GError             **error)
{
  g_auto(Single) single = { NULL };
  g_autofree float *expected = NULL;
  gint64 n = op->out->rows * op->out->cols;
  float *result;
  double distance;

  single_init (&single, self, op);
  result = single.bindings[single.n - 1].data;
  if (!single_run (&single, self->backend->reference, ZIM_PRECISION_F32, cancellable, error))
    return FALSE;
  expected = g_memdup2 (result, (gsize) n * sizeof *expected);
  memset (result, 0xff, (gsize) n * sizeof *result); /* NaN: what is not written shows */
  if (!single_run (&single, self->backend->checked, self->precision, cancellable, error))
    return FALSE;
  distance = distance_of (result, expected, n);
  scatter (self, op->out, result);
  if (distance <= tolerance_of (self->precision))
    return TRUE;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_FAILED,
               _("ZIM_CHECK: program “%s”, operation %u, %s to [%lld, %lld]: differs by %.3g, expected at most %.3g"),
               zim_program_get_name (zim_executable_get_program (ZIM_EXECUTABLE (self))), i,
               zim_op_kind_name (op->kind), (long long) op->out->rows, (long long) op->out->cols,
               distance, tolerance_of (self->precision));
  return FALSE;
}

/* Executables */

static gboolean
zim_check_executable_run (ZimExecutable     *executable,
                          const ZimBinding  *bindings,
                          guint              n_bindings,
                          GCancellable      *cancellable,
                          GError           **error)
{
  ZimCheckExecutable *self = ZIM_CHECK_EXECUTABLE (executable);
  GPtrArray *ops = zim_program_get_ops (zim_executable_get_program (executable));

  for (guint i = 0; i < n_bindings; i++)
    if (bindings[i].tensor->place == ZIM_PLACE_INPUT)
      scatter (self, bindings[i].tensor, bindings[i].data);
  for (guint i = 0; i < ops->len; i++)
    if (!check_op (self, i, g_ptr_array_index (ops, i), cancellable, error))
      return FALSE;
  for (guint i = 0; i < n_bindings; i++)
    if (bindings[i].tensor->place == ZIM_PLACE_OUTPUT)
      {
        g_autofree float *rows = gather (self, bindings[i].tensor);

        memcpy (bindings[i].data, rows, zim_tensor_size (bindings[i].tensor));
      }
  return TRUE;
}

static void
zim_check_executable_dump (ZimExecutable *executable,
                           ZimDumpFunc    func,
                           gpointer       user_data)
{
  ZimCheckExecutable *self = ZIM_CHECK_EXECUTABLE (executable);
  GPtrArray *tensors = zim_program_get_tensors (zim_executable_get_program (executable));

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (tensor->name != NULL && tensor->place == ZIM_PLACE_OUTPUT)
        {
          g_autofree float *rows = gather (self, tensor);

          func (tensor->name, tensor->rows, tensor->cols, rows, user_data);
        }
    }
}

static void
zim_check_executable_finalize (GObject *object)
{
  ZimCheckExecutable *self = ZIM_CHECK_EXECUTABLE (object);
  GPtrArray *tensors = zim_program_get_tensors (zim_executable_get_program (ZIM_EXECUTABLE (object)));

  for (guint i = 0; i < tensors->len; i++)
    g_free (self->bases[i]);
  g_free (self->bases);
  g_object_unref (self->backend);
  G_OBJECT_CLASS (zim_check_executable_parent_class)->finalize (object);
}

static void
zim_check_executable_class_init (ZimCheckExecutableClass *class)
{
  ZimExecutableClass *executable_class = ZIM_EXECUTABLE_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = zim_check_executable_finalize;
  executable_class->run = zim_check_executable_run;
  executable_class->dump = zim_check_executable_dump;
}

static void
zim_check_executable_init (ZimCheckExecutable *self)
{
}

/* Backend */

static ZimExecutable *
zim_check_backend_compile (ZimBackend    *backend,
                           ZimProgram    *program,
                           ZimPrecision   precision,
                           GError       **error)
{
  ZimCheckExecutable *self = g_object_new (ZIM_TYPE_CHECK_EXECUTABLE, NULL);
  GPtrArray *tensors = zim_program_get_tensors (program);

  self->backend = g_object_ref (ZIM_CHECK_BACKEND (backend));
  self->precision = precision;
  self->bases = g_new0 (float *, tensors->len);
  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (tensor->base == tensor && tensor->state == NULL)
        self->bases[i] = g_new0 (float, tensor->rows * tensor->cols);
    }
  zim_executable_set_program (ZIM_EXECUTABLE (self), program, 0);
  return ZIM_EXECUTABLE (self);
}

static gboolean
zim_check_backend_reserve (ZimBackend  *backend,
                           gsize        size,
                           GError     **error)
{
  return TRUE;
}

static gsize
state_size (const ZimState *state)
{
  return (gsize) state->rows * state->cols * zim_dtype_size (state->dtype);
}

static gboolean
zim_check_backend_state_init (ZimBackend  *backend,
                              ZimState    *state,
                              GError     **error)
{
  state->handle = g_malloc0 (state_size (state));
  return TRUE;
}

static void
zim_check_backend_state_clear (ZimBackend *backend,
                               ZimState   *state)
{
  g_clear_pointer (&state->handle, g_free);
}

static void
zim_check_backend_state_write (ZimBackend    *backend,
                               ZimState      *state,
                               gconstpointer  data)
{
  memcpy (state->handle, data, state_size (state));
}

static void
zim_check_backend_trim (ZimBackend *backend)
{
  zim_backend_trim (ZIM_CHECK_BACKEND (backend)->checked);
  zim_backend_trim (ZIM_CHECK_BACKEND (backend)->reference);
}

static double
zim_check_backend_measure_peak (ZimBackend   *backend,
                                ZimPrecision  precision)
{
  return zim_backend_measure_peak (ZIM_CHECK_BACKEND (backend)->checked, precision);
}

static GVariant *
zim_check_backend_tune (ZimBackend    *backend,
                        ZimPrecision   precision,
                        GCancellable  *cancellable,
                        GError       **error)
{
  return zim_backend_tune (ZIM_CHECK_BACKEND (backend)->checked, precision, cancellable, error);
}

static void
zim_check_backend_finalize (GObject *object)
{
  ZimCheckBackend *self = ZIM_CHECK_BACKEND (object);

  g_clear_object (&self->checked);
  g_clear_object (&self->reference);
  G_OBJECT_CLASS (zim_check_backend_parent_class)->finalize (object);
}

static void
zim_check_backend_class_init (ZimCheckBackendClass *class)
{
  ZimBackendClass *backend_class = ZIM_BACKEND_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = zim_check_backend_finalize;
  backend_class->compile = zim_check_backend_compile;
  backend_class->reserve = zim_check_backend_reserve;
  backend_class->state_init = zim_check_backend_state_init;
  backend_class->state_clear = zim_check_backend_state_clear;
  backend_class->state_write = zim_check_backend_state_write;
  backend_class->trim = zim_check_backend_trim;
  backend_class->measure_peak = zim_check_backend_measure_peak;
  backend_class->tune = zim_check_backend_tune;
}

static void
zim_check_backend_init (ZimCheckBackend *self)
{
}

ZimBackend *
zim_check_backend_new (ZimBackend *checked,
                       ZimBackend *reference)
{
  ZimCheckBackend *self = g_object_new (ZIM_TYPE_CHECK_BACKEND, NULL);

  self->checked = checked;
  self->reference = reference;
  return ZIM_BACKEND (self);
}
