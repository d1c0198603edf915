/* zim-cpu-backend.c: programs on the CPU
 *
 * Compiling plans the arena and decodes the small vectors (norm weights, biases); matrices stay where they are mapped.
 * Running goes through the operations in order, each divided among the threads of the team.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <cblas.h>
#include <errno.h>
#include <glib/gi18n-lib.h>
#include <sys/mman.h>

#include "compute/cpu/zim-cpu-prefetch-private.h"
#include "compute/cpu/zim-cpu-private.h"
#include "compute/zim-arena-private.h"
#include "zim-error.h"

struct _ZimCpuBackend {
  ZimBackend           parent_instance;

  const ZimCpuKernels *kernels;
  ZimCpuTeam          *team;
  guint8              *arena; /* mapped: pages that no program touches cost nothing */
  gsize                arena_size;
};

G_DEFINE_FINAL_TYPE (ZimCpuBackend, zim_cpu_backend, ZIM_TYPE_BACKEND)

#define ZIM_TYPE_CPU_EXECUTABLE (zim_cpu_executable_get_type ())
G_DECLARE_FINAL_TYPE (ZimCpuExecutable, zim_cpu_executable, ZIM, CPU_EXECUTABLE, ZimExecutable)

struct _ZimCpuExecutable {
  ZimExecutable  parent_instance;

  ZimCpuBackend *backend;
  ZimCpuSetup    setup;
  ZimArenaPlan  *plan;
  float        **vectors; /* two an operation */
  void         **bases;   /* of the current run, by tensor id */
  ZimCpuPrefetch prefetch;
};

G_DEFINE_FINAL_TYPE (ZimCpuExecutable, zim_cpu_executable, ZIM_TYPE_EXECUTABLE)

static const ZimCpuOpClass *
op_class (ZimOpKind kind)
{
  switch (kind)
    {
    case ZIM_OP_LINEAR:
      return &zim_cpu_linear_class;
    case ZIM_OP_ATTENTION:
      return &zim_cpu_attention_class;
    case ZIM_OP_CONV2D:
      return &zim_cpu_conv2d_class;
    case ZIM_OP_GROUP_SUMS:
      return &zim_cpu_group_sums_class;
    case ZIM_OP_GROUP_FACTORS:
      return &zim_cpu_group_factors_class;
    default:
      return &zim_cpu_row_classes[kind];
    }
}

/* Executables */

static float *
decode_vector (const ZimWeight *weight)
{
  gsize n;
  float *vector;

  if (weight == NULL)
    return NULL;
  n = zim_weight_n_elements (weight);
  vector = g_new (float, n);
  zim_weight_decode (weight, 0, n, vector);
  return vector;
}

/* The biases of all parts of a linear, one after another; parts without one have zeros. */
static float *
decode_biases (const ZimOp *op)
{
  float *vector;
  gint64 done = 0;

  if (op->linear.biases == NULL)
    return NULL;
  vector = g_new0 (float, op->out->cols);
  for (guint i = 0; i < op->linear.n_weights; i++)
    {
      const ZimWeight *bias = op->linear.biases[i];

      if (bias != NULL)
        zim_weight_decode (bias, 0, bias->dims[0], vector + done);
      done += op->linear.weights[i]->dims[0];
    }
  return vector;
}

static void
decode_vectors (const ZimOp  *op,
                float       **vectors)
{
  switch (op->kind)
    {
    case ZIM_OP_LINEAR:
      vectors[0] = decode_biases (op);
      break;
    case ZIM_OP_CONV2D:
      vectors[0] = decode_vector (op->conv.bias);
      break;
    case ZIM_OP_RMS_NORM:
    case ZIM_OP_GROUP_FACTORS:
      vectors[0] = decode_vector (op->norm.weight);
      vectors[1] = decode_vector (op->norm.bias);
      break;
    default:
      break;
    }
}

static gpointer
caller_memory (const ZimTensor  *tensor,
               const ZimBinding *bindings,
               guint             n_bindings)
{
  for (guint i = 0; i < n_bindings; i++)
    if (bindings[i].tensor == tensor)
      return bindings[i].data;
  return NULL;
}

static void
resolve_bases (ZimCpuExecutable *self,
               const ZimBinding *bindings,
               guint             n_bindings)
{
  GPtrArray *tensors = zim_program_get_tensors (zim_executable_get_program (ZIM_EXECUTABLE (self)));

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);
      gpointer memory = NULL;

      if (tensor->base != tensor)
        continue;
      if (tensor->place == ZIM_PLACE_INPUT || tensor->place == ZIM_PLACE_OUTPUT)
        memory = caller_memory (tensor, bindings, n_bindings);
      if (memory == NULL && tensor->place == ZIM_PLACE_STATE)
        memory = tensor->state->handle;
      if (memory == NULL && self->plan->tensors[i] != G_MAXSIZE)
        memory = self->backend->arena + self->plan->tensors[i];
      self->bases[i] = memory;
    }
}

/* Outputs that are parts of other tensors: those lie in the arena or in memory of their own. */
static void
copy_parts (ZimCpuExecutable *self,
            const ZimBinding *bindings,
            guint             n_bindings)
{
  for (guint i = 0; i < n_bindings; i++)
    {
      const ZimTensor *tensor = bindings[i].tensor;
      const float *data = self->bases[tensor->base->id];
      float *out = bindings[i].data;

      if (tensor->base != tensor && tensor->place == ZIM_PLACE_OUTPUT)
        for (gint64 row = 0; row < tensor->rows; row++)
          memcpy (out + row * tensor->cols, data + tensor->offset + row * tensor->stride, tensor->cols * sizeof *out);
    }
}

static gboolean
zim_cpu_executable_run (ZimExecutable     *executable,
                        const ZimBinding  *bindings,
                        guint              n_bindings,
                        GCancellable      *cancellable,
                        GError           **error)
{
  ZimCpuExecutable *self = ZIM_CPU_EXECUTABLE (executable);
  GPtrArray *ops = zim_program_get_ops (zim_executable_get_program (executable));

  if (!zim_backend_reserve (ZIM_BACKEND (self->backend), self->plan->size, error))
    return FALSE;
  resolve_bases (self, bindings, n_bindings);
  zim_cpu_prefetch_begin (&self->prefetch);
  for (guint i = 0; i < ops->len; i++)
    {
      const ZimOp *op = g_ptr_array_index (ops, i);
      ZimCpuCall call = {
        .op = op,
        .kernels = self->setup.kernels,
        .team = self->backend->team,
        .operand = self->setup.operand,
        .scratch = self->backend->arena + self->plan->scratch[i],
        .vectors = { self->vectors[2 * i], self->vectors[2 * i + 1] },
        .bases = self->bases,
        .cancellable = cancellable,
      };

      zim_cpu_prefetch_advance (&self->prefetch, ops, i);
      if (!op_class (op->kind)->run (&call))
        {
          g_cancellable_set_error_if_cancelled (cancellable, error);
          return FALSE;
        }
    }
  zim_cpu_prefetch_end (&self->prefetch);
  copy_parts (self, bindings, n_bindings);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static void
zim_cpu_executable_dump (ZimExecutable *executable,
                         ZimDumpFunc    func,
                         gpointer       user_data)
{
  ZimCpuExecutable *self = ZIM_CPU_EXECUTABLE (executable);
  GPtrArray *tensors = zim_program_get_tensors (zim_executable_get_program (executable));

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);
      const float *data = self->bases[tensor->base->id];
      g_autofree float *copy = NULL;

      if (tensor->name == NULL || tensor->place != ZIM_PLACE_OUTPUT || data == NULL)
        continue;
      data += tensor->offset;
      if (!zim_tensor_is_contiguous (tensor))
        {
          copy = g_new (float, tensor->rows * tensor->cols);
          for (gint64 row = 0; row < tensor->rows; row++)
            memcpy (copy + row * tensor->cols, data + row * tensor->stride, tensor->cols * sizeof *copy);
          data = copy;
        }
      func (tensor->name, tensor->rows, tensor->cols, data, user_data);
    }
}

static void
zim_cpu_executable_finalize (GObject *object)
{
  ZimCpuExecutable *self = ZIM_CPU_EXECUTABLE (object);
  GPtrArray *ops = zim_program_get_ops (zim_executable_get_program (ZIM_EXECUTABLE (object)));

  for (guint i = 0; i < 2 * ops->len; i++)
    g_free (self->vectors[i]);
  g_free (self->vectors);
  g_free (self->bases);
  zim_arena_plan_free (self->plan);
  g_object_unref (self->backend);
  G_OBJECT_CLASS (zim_cpu_executable_parent_class)->finalize (object);
}

static void
zim_cpu_executable_class_init (ZimCpuExecutableClass *class)
{
  ZimExecutableClass *executable_class = ZIM_EXECUTABLE_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = zim_cpu_executable_finalize;
  executable_class->run = zim_cpu_executable_run;
  executable_class->dump = zim_cpu_executable_dump;
}

static void
zim_cpu_executable_init (ZimCpuExecutable *self)
{
}

/* Backend */

static gsize
op_scratch (const ZimOp *op,
            gpointer     user_data)
{
  const ZimCpuOpClass *class = op_class (op->kind);

  return class->scratch != NULL ? class->scratch (op, user_data) : 0;
}

static ZimOperand
operand_for (const ZimCpuKernels *kernels,
             ZimPrecision         precision)
{
  switch (precision)
    {
    case ZIM_PRECISION_BF16:
      return kernels->has_bf16_dot ? ZIM_OPERAND_BF16 : ZIM_OPERAND_BF16_IN_F32;
    case ZIM_PRECISION_F16:
      return ZIM_OPERAND_F16_IN_F32;
    case ZIM_PRECISION_AUTO:
    case ZIM_PRECISION_F32:
    default:
      return ZIM_OPERAND_F32;
    }
}

static ZimExecutable *
zim_cpu_backend_compile (ZimBackend   *backend,
                         ZimProgram   *program,
                         ZimPrecision  precision,
                         GError      **error)
{
  ZimCpuBackend *self = ZIM_CPU_BACKEND (backend);
  ZimCpuExecutable *executable = g_object_new (ZIM_TYPE_CPU_EXECUTABLE, NULL);
  GPtrArray *ops = zim_program_get_ops (program);

  executable->backend = g_object_ref (self);
  executable->setup = (ZimCpuSetup) {
    .kernels = self->kernels,
    .n_threads = zim_cpu_team_get_n_threads (self->team),
    .operand = operand_for (self->kernels, precision),
  };
  executable->plan = zim_arena_plan_new (program, NULL, op_scratch, &executable->setup, 0);
  executable->bases = g_new0 (void *, zim_program_get_tensors (program)->len);
  executable->vectors = g_new0 (float *, 2 * ops->len);
  for (guint i = 0; i < ops->len; i++)
    decode_vectors (g_ptr_array_index (ops, i), executable->vectors + 2 * i);
  zim_executable_set_program (ZIM_EXECUTABLE (executable), program, executable->plan->size);
  return ZIM_EXECUTABLE (executable);
}

static gboolean
zim_cpu_backend_reserve (ZimBackend *backend,
                         gsize       size,
                         GError    **error)
{
  ZimCpuBackend *self = ZIM_CPU_BACKEND (backend);
  gpointer arena;

  if (size <= self->arena_size)
    return TRUE;
  arena = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (arena == MAP_FAILED)
    {
      g_autofree char *amount = g_format_size_full (size, G_FORMAT_SIZE_IEC_UNITS);

      g_set_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY, _("No memory for %s of intermediate results: %s"), amount,
                   g_strerror (errno));
      return FALSE;
    }
  if (self->arena != NULL)
    munmap (self->arena, self->arena_size);
  self->arena = arena;
  self->arena_size = size;
  return TRUE;
}

static gboolean
zim_cpu_backend_state_init (ZimBackend *backend,
                            ZimState   *state,
                            GError    **error)
{
  gsize size = (gsize) state->rows * state->cols * zim_dtype_size (state->dtype);

  state->handle = g_try_malloc0 (size);
  if (state->handle == NULL)
    {
      g_autofree char *amount = g_format_size_full (size, G_FORMAT_SIZE_IEC_UNITS);

      g_set_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY, _("No memory for %s of kept results"), amount);
    }
  return state->handle != NULL;
}

static void
zim_cpu_backend_state_clear (ZimBackend *backend,
                             ZimState   *state)
{
  g_clear_pointer (&state->handle, g_free);
}

static void
zim_cpu_backend_state_write (ZimBackend    *backend,
                             ZimState      *state,
                             gconstpointer  data)
{
  memcpy (state->handle, data, (gsize) state->rows * state->cols * zim_dtype_size (state->dtype));
}

/* The best of five half-second loops of register-only multiply-adds on all threads. */

#define SPIN_SECONDS 0.5
#define SPIN_BATCH 200000

typedef struct {
  const ZimCpuKernels *kernels;
  ZimOperand           operand;
  double              *flops; /* of each task */
  double              *seconds;
} Spin;

static void
spin_task (gpointer data,
           guint    task,
           guint    thread)
{
  Spin *spin = data;
  gint64 start = g_get_monotonic_time ();
  double elapsed;

  spin->flops[task] = 0;
  do
    {
      spin->flops[task] += spin->kernels->spin (spin->operand, SPIN_BATCH);
      elapsed = (g_get_monotonic_time () - start) / 1e6;
    }
  while (elapsed < SPIN_SECONDS);
  spin->seconds[task] = elapsed;
}

static double
zim_cpu_backend_measure_peak (ZimBackend   *backend,
                              ZimPrecision  precision)
{
  ZimCpuBackend *self = ZIM_CPU_BACKEND (backend);
  guint n = zim_cpu_team_get_n_threads (self->team);
  g_autofree double *flops = g_new0 (double, n);
  g_autofree double *seconds = g_new0 (double, n);
  Spin spin = { self->kernels, operand_for (self->kernels, precision), flops, seconds };
  double best = 0;

  for (guint attempt = 0; attempt < 5; attempt++)
    {
      double rate = 0;

      zim_cpu_team_run (self->team, n, spin_task, &spin, NULL);
      for (guint i = 0; i < n; i++)
        rate += flops[i] / seconds[i];
      best = MAX (best, rate);
    }
  return best;
}

static void
zim_cpu_backend_finalize (GObject *object)
{
  ZimCpuBackend *self = ZIM_CPU_BACKEND (object);

  g_clear_pointer (&self->team, zim_cpu_team_free);
  if (self->arena != NULL)
    munmap (self->arena, self->arena_size);
  G_OBJECT_CLASS (zim_cpu_backend_parent_class)->finalize (object);
}

static void
zim_cpu_backend_class_init (ZimCpuBackendClass *class)
{
  ZimBackendClass *backend_class = ZIM_BACKEND_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = zim_cpu_backend_finalize;
  backend_class->compile = zim_cpu_backend_compile;
  backend_class->reserve = zim_cpu_backend_reserve;
  backend_class->state_init = zim_cpu_backend_state_init;
  backend_class->state_clear = zim_cpu_backend_state_clear;
  backend_class->state_write = zim_cpu_backend_state_write;
  backend_class->measure_peak = zim_cpu_backend_measure_peak;
}

static void
zim_cpu_backend_init (ZimCpuBackend *self)
{
}

ZimBackend *
zim_cpu_backend_new (const ZimCpuKernels  *kernels,
                     guint                 n_threads,
                     GError              **error)
{
  ZimCpuBackend *self;

  if (kernels == NULL)
    kernels = zim_cpu_kernels_get (error);
  if (kernels == NULL)
    return NULL;
  /* The threads are ours: each calls OpenBLAS for a tile of its own. */
  openblas_set_num_threads (1);
  self = g_object_new (ZIM_TYPE_CPU_BACKEND, NULL);
  self->kernels = kernels;
  self->team = zim_cpu_team_new (n_threads != 0 ? n_threads : zim_cpu_n_threads ());
  return ZIM_BACKEND (self);
}

ZimPrecision
zim_cpu_auto_precision (const ZimCpuKernels *kernels)
{
  return kernels->has_bf16_dot ? ZIM_PRECISION_BF16 : ZIM_PRECISION_F32;
}
