/* zim-vk-executable.c: a program as commands that are recorded once and replayed
 *
 * Compiling plans the arena. The first run uploads the weights and records the commands; later runs only submit them,
 * unless what they address has moved. Inputs go to memory of the executable's own, outputs are read where they lie.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "compute/vulkan/zim-vk-backend-private.h"
#include "compute/vulkan/zim-vk-pipeline-private.h"
#include "compute/vulkan/zim-vk-replay-private.h"
#include "compute/vulkan/zim-vk-times-private.h"
#include "compute/vulkan/zim-vk-transfer-private.h"
#include "compute/zim-arena-private.h"
#include "compute/zim-debug-private.h"
#include "zim-error.h"

#define SLOW_RATE 1e10 /* FLOP/s of a processor, and of a GPU, that could not be measured */
#define FAST_RATE 1e12

#define ZIM_TYPE_VK_EXECUTABLE (zim_vk_executable_get_type ())
G_DECLARE_FINAL_TYPE (ZimVkExecutable, zim_vk_executable, ZIM, VK_EXECUTABLE, ZimExecutable)

/* What an operation needs beside tensors */
typedef struct {
  ZimVkPacking *packings[2]; /* (nullable) */
  gsize         place;       /* in the own memory: of its ranges, or of an embedding's rows */
} OpData;

struct _ZimVkExecutable {
  ZimExecutable    parent_instance;

  ZimVkBackend    *backend;
  ZimVkSetup       setup;
  ZimArenaPlan    *plan;
  OpData          *ops;
  gsize           *places;     /* of the inputs in the own memory, by tensor id */
  gsize            own_size;
  ZimVkSpan        own;        /* inputs, tables of ranges, gathered rows */
  VkDeviceAddress *bases;      /* as recorded, by tensor id */
  float           *factors;    /* of tensors that are stored as operands, by id */
  ZimVkRecorder   *recorder;   /* NULL until the first run */
  ZimVkReplay     *replay;
  ZimVkTimes      *times;      /* (nullable) */
  guint            arena_age;  /* of the arena that it addresses */
  GArray          *addresses;  /* of VkDeviceAddress: of the weights, as recorded */
};

G_DEFINE_FINAL_TYPE (ZimVkExecutable, zim_vk_executable, ZIM_TYPE_EXECUTABLE)

static GPtrArray *
get_ops (ZimVkExecutable *self)
{
  return zim_program_get_ops (zim_executable_get_program (ZIM_EXECUTABLE (self)));
}

static GPtrArray *
get_tensors (ZimVkExecutable *self)
{
  return zim_program_get_tensors (zim_executable_get_program (ZIM_EXECUTABLE (self)));
}

/* Planning */

static gsize
op_scratch (const ZimOp *op,
            gpointer     user_data)
{
  const ZimVkExecutable *self = user_data;
  const ZimVkOpClass *class = zim_vk_op_class (op->kind);

  return class->scratch != NULL ? class->scratch (op, &self->setup) : 0;
}

static gsize
element_size (const ZimTensor *tensor,
              gpointer         user_data)
{
  return zim_vk_element_size (((const ZimVkExecutable *) user_data)->factors, tensor);
}

static gsize
place_own (ZimVkExecutable *self,
           gsize            size)
{
  gsize place = self->own_size;

  self->own_size += (size + ZIM_ARENA_ALIGNMENT - 1) / ZIM_ARENA_ALIGNMENT * ZIM_ARENA_ALIGNMENT;
  return place;
}

static gboolean
has_table (const ZimOp *op)
{
  return (op->kind == ZIM_OP_RMS_NORM || op->kind == ZIM_OP_LAYER_NORM) && op->n_sources > 1;
}

static void
plan_own_memory (ZimVkExecutable *self)
{
  GPtrArray *tensors = get_tensors (self), *ops = get_ops (self);

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (tensor->base == tensor && tensor->place == ZIM_PLACE_INPUT)
        self->places[i] = place_own (self, zim_tensor_size (tensor));
    }
  for (guint i = 0; i < ops->len; i++)
    {
      const ZimOp *op = g_ptr_array_index (ops, i);

      if (has_table (op))
        self->ops[i].place = place_own (self, op->n_ranges * 2 * sizeof (guint32));
      if (op->kind == ZIM_OP_EMBED)
        self->ops[i].place = place_own (self, zim_tensor_size (op->out));
    }
}

/* Shaders count elements in 32 bits, and the host reads the ids of an embedding. */
static gboolean
check_program (ZimProgram  *program,
               GError     **error)
{
  GPtrArray *tensors = zim_program_get_tensors (program), *ops = zim_program_get_ops (program);

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (tensor->rows * tensor->stride > G_MAXINT32)
        {
          g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
                       _("Program “%s” has a tensor of %lld times %lld values, more than Vulkan’s shaders count; "
                         "choose a smaller picture"),
                       zim_program_get_name (program), (long long) tensor->rows, (long long) tensor->cols);
          return FALSE;
        }
    }
  for (guint i = 0; i < ops->len; i++)
    {
      const ZimOp *op = g_ptr_array_index (ops, i);

      if (op->kind == ZIM_OP_EMBED && op->sources[0]->place != ZIM_PLACE_INPUT)
        {
          g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
                       _("Program “%s”, operation %u: the ids of an embedding are not an input"),
                       zim_program_get_name (program), i);
          return FALSE;
        }
    }
  return TRUE;
}

static void
hold_weights (ZimVkExecutable *self)
{
  GPtrArray *ops = get_ops (self);

  for (guint i = 0; i < ops->len; i++)
    {
      const ZimOp *op = g_ptr_array_index (ops, i);
      const ZimVkOpClass *class = zim_vk_op_class (op->kind);

      if (class->pack != NULL)
        class->pack (self->backend->weights, op, self->ops[i].packings);
    }
}

ZimExecutable *
zim_vk_executable_new (ZimVkBackend  *backend,
                       ZimProgram    *program,
                       ZimPrecision   precision,
                       GError       **error)
{
  ZimVkExecutable *self;

  if (!check_program (program, error))
    return NULL;
  self = g_object_new (ZIM_TYPE_VK_EXECUTABLE, NULL);
  self->backend = g_object_ref (backend);
  self->setup = (ZimVkSetup) {
    backend->device, (ZimVkOperand) (precision - ZIM_PRECISION_F32), !zim_is_disabled (ZIM_DISABLE_NARROW),
  };
  self->factors = zim_vk_find_narrow (program, &self->setup);
  self->plan = zim_arena_plan_new (program, element_size, op_scratch, self, backend->arena_chunk);
  zim_executable_set_program (ZIM_EXECUTABLE (self), program, self->plan->size);
  self->replay = zim_vk_replay_new (backend->device, backend->weights);
  self->ops = g_new0 (OpData, get_ops (self)->len);
  self->places = g_new0 (gsize, get_tensors (self)->len);
  self->bases = g_new0 (VkDeviceAddress, get_tensors (self)->len);
  plan_own_memory (self);
  hold_weights (self);
  return ZIM_EXECUTABLE (self);
}

/* Weights */

static gboolean
acquire_weights (ZimVkExecutable  *self,
                 GError          **error)
{
  ZimVkWeights *weights = self->backend->weights;
  guint n = 2 * get_ops (self)->len;

  for (guint i = 0; i < n; i++)
    {
      ZimVkPacking *packing = self->ops[i / 2].packings[i % 2];

      if (packing == NULL || zim_vk_weights_acquire (weights, packing, error))
        continue;
      while (i-- > 0)
        if (self->ops[i / 2].packings[i % 2] != NULL)
          zim_vk_weights_release (weights, self->ops[i / 2].packings[i % 2]);
      return FALSE;
    }
  return TRUE;
}

static void
release_weights (ZimVkExecutable *self)
{
  for (guint i = 0; i < 2 * get_ops (self)->len; i++)
    if (self->ops[i / 2].packings[i % 2] != NULL)
      zim_vk_weights_release (self->backend->weights, self->ops[i / 2].packings[i % 2]);
}

gsize
zim_vk_executable_get_own_size (ZimExecutable *executable)
{
  return ZIM_VK_EXECUTABLE (executable)->own_size;
}

static gsize
packing_size (ZimVkExecutable *self,
              ZimVkPacking    *packing)
{
  if (packing == NULL)
    return 0;
  zim_vk_weights_measure (packing);
  return zim_vk_memory_round (self->setup.device, packing->size);
}

gsize
zim_vk_executable_list_packings (ZimExecutable *executable,
                                 GPtrArray     *list,
                                 GHashTable    *seen)
{
  ZimVkExecutable *self = ZIM_VK_EXECUTABLE (executable);
  gsize largest = 0;

  for (guint i = 0; i < 2 * get_ops (self)->len; i++)
    {
      ZimVkPacking *const *packings = self->ops[i / 2].packings;

      largest = MAX (largest, packing_size (self, packings[0]) + packing_size (self, packings[1]));
      if (packings[i % 2] != NULL && g_hash_table_add (seen, packings[i % 2]))
        g_ptr_array_add (list, packings[i % 2]);
    }
  return largest;
}

/* Recording */

static VkDeviceAddress
arena_address (ZimVkExecutable *self,
               gsize            offset)
{
  return zim_vk_span_address (zim_vk_backend_find_chunk (self->backend, offset)) + offset % self->backend->arena_chunk;
}

static void
resolve_bases (ZimVkExecutable *self)
{
  GPtrArray *tensors = get_tensors (self);

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (tensor->base != tensor)
        continue;
      if (tensor->place == ZIM_PLACE_INPUT)
        self->bases[i] = zim_vk_span_address (&self->own) + self->places[i];
      else if (tensor->place == ZIM_PLACE_STATE)
        self->bases[i] = zim_vk_span_address (&((const ZimVkState *) tensor->state->handle)->span);
      else if (self->plan->tensors[i] < self->plan->size)
        self->bases[i] = arena_address (self, self->plan->tensors[i]);
    }
}

static ZimVkAccess
tensor_access (const ZimVkCall *call,
               const ZimTensor *tensor,
               gboolean         is_write)
{
  gsize n = (gsize) ((tensor->rows - 1) * tensor->stride + tensor->cols);

  return (ZimVkAccess) { zim_vk_tensor_address (call, tensor), n * zim_vk_element_size (call->factors, tensor),
                         is_write };
}

static void
begin_op (ZimVkExecutable *self,
          const ZimVkCall *call)
{
  ZimVkAccess accesses[ZIM_OP_MAX_SOURCES + 2];
  const ZimOp *op = call->op;
  guint n = 0;

  for (guint i = 0; i < op->n_sources; i++)
    if (op->sources[i] != NULL)
      accesses[n++] = tensor_access (call, op->sources[i], FALSE);
  accesses[n++] = tensor_access (call, op->out, TRUE);
  if (call->scratch != 0)
    accesses[n++] = (ZimVkAccess) { call->scratch, op_scratch (op, self), TRUE };
  zim_vk_recorder_begin_op (call->recorder, accesses, n);
}

static void
record_op (ZimVkExecutable *self,
           guint            i)
{
  const ZimOp *op = g_ptr_array_index (get_ops (self), i);
  VkDeviceAddress own = zim_vk_span_address (&self->own) + self->ops[i].place;
  ZimVkCall call = {
    .setup = &self->setup,
    .recorder = self->recorder,
    .op = op,
    .bases = self->bases,
    .factors = self->factors,
    .scratch = op_scratch (op, self) > 0 ? arena_address (self, self->plan->scratch[i]) : 0,
    .packings = { self->ops[i].packings[0], self->ops[i].packings[1] },
    .table = own,
    .rows = own,
  };

  begin_op (self, &call);
  zim_vk_op_class (op->kind)->emit (&call);
}

/* The tables of ranges do not change: they are written before the first run. */
static gboolean
write_tables (ZimVkExecutable  *self,
              GError          **error)
{
  GPtrArray *ops = get_ops (self);

  for (guint i = 0; i < ops->len; i++)
    {
      const ZimOp *op = g_ptr_array_index (ops, i);
      g_autofree guint32 *table = NULL;

      if (!has_table (op))
        continue;
      table = g_new (guint32, 2 * op->n_ranges);
      for (guint j = 0; j < op->n_ranges; j++)
        {
          table[2 * j] = (guint32) (op->ranges[j].start + op->ranges[j].length);
          table[2 * j + 1] = op->ranges[j].sample;
        }
      if (!zim_vk_upload (self->setup.device, &self->own, self->ops[i].place, table, 2 * op->n_ranges * sizeof *table,
                          error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
make_own_memory (ZimVkExecutable  *self,
                 GError          **error)
{
  if (self->own.block != NULL)
    return TRUE;
  if (zim_vk_memory_alloc (self->setup.device, ZIM_VK_MEMORY_DEVICE, self->own_size, "inputs", &self->own, error) &&
      write_tables (self, error))
    return TRUE;
  zim_vk_memory_release (self->setup.device, &self->own);
  return FALSE;
}

/* Those that are streamed have no address that is theirs. */
static VkDeviceAddress
recorded_address (const ZimVkPacking *packing)
{
  return packing->streams ? 0 : zim_vk_packing_address (packing);
}

static gboolean
is_recorded (ZimVkExecutable *self)
{
  guint n = 0;

  if (self->recorder == NULL || self->arena_age != self->backend->arena_age ||
      !zim_vk_replay_is_current (self->replay))
    return FALSE;
  for (guint i = 0; i < 2 * get_ops (self)->len; i++)
    {
      const ZimVkPacking *packing = self->ops[i / 2].packings[i % 2];

      if (packing != NULL &&
          g_array_index (self->addresses, VkDeviceAddress, n++) != recorded_address (packing))
        return FALSE;
    }
  return TRUE;
}

static gboolean
measure_device (ZimVkDevice  *device,
                GError      **error)
{
  g_autoptr(GError) local_error = NULL;

  if (device->rate == 0)
    device->rate = zim_vk_measure_rate (device, ZIM_VK_OPERAND_F32, &local_error);
  if (device->rate > 0)
    return TRUE;
  if (!g_error_matches (local_error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  /* The budget leaves no room for it; a guess makes segments shorter or longer, and the same results. */
  device->rate = device->physical->info.kind == ZIM_VK_SOFTWARE ? SLOW_RATE : FAST_RATE;
  return TRUE;
}

static gboolean
record (ZimVkExecutable  *self,
        GError          **error)
{
  ZimVkDevice *device = self->setup.device;
  guint n_ops = get_ops (self)->len;

  if (is_recorded (self))
    return TRUE;
  if (!measure_device (device, error))
    return FALSE;
  g_clear_pointer (&self->recorder, zim_vk_recorder_free);
  if (self->times == NULL)
    self->times = zim_vk_times_new (device, zim_executable_get_program (ZIM_EXECUTABLE (self)));
  self->recorder = zim_vk_recorder_new (device, device->rate);
  self->arena_age = self->backend->arena_age;
  g_array_set_size (self->addresses, 0);
  for (guint i = 0; i < 2 * n_ops; i++)
    if (self->ops[i / 2].packings[i % 2] != NULL)
      {
        VkDeviceAddress address = recorded_address (self->ops[i / 2].packings[i % 2]);

        g_array_append_val (self->addresses, address);
      }
  zim_vk_replay_begin (self->replay, self->recorder);
  resolve_bases (self);
  zim_vk_times_mark (self->times, self->recorder, 0);
  for (guint i = 0; i < n_ops; i++)
    {
      zim_vk_replay_place (self->replay, self->ops[i].packings, G_N_ELEMENTS (self->ops[i].packings));
      record_op (self, i);
      zim_vk_times_mark (self->times, self->recorder, i + 1);
    }
  zim_vk_replay_end (self->replay);
  if (!zim_vk_recorder_finish (self->recorder, error))
    {
      g_clear_pointer (&self->recorder, zim_vk_recorder_free);
      return FALSE;
    }
  zim_vk_pipelines_save (device->pipelines);
  return TRUE;
}

/* Running */

static gconstpointer
find_binding (const ZimTensor  *tensor,
              const ZimBinding *bindings,
              guint             n_bindings)
{
  for (guint i = 0; i < n_bindings; i++)
    if (bindings[i].tensor == tensor)
      return bindings[i].data;
  return NULL;
}

static gboolean
write_inputs (ZimVkExecutable   *self,
              const ZimBinding  *bindings,
              guint              n_bindings,
              GError           **error)
{
  for (guint i = 0; i < n_bindings; i++)
    {
      const ZimTensor *tensor = bindings[i].tensor;

      if (tensor->place == ZIM_PLACE_INPUT &&
          !zim_vk_upload (self->setup.device, &self->own, self->places[tensor->id], bindings[i].data,
                          zim_tensor_size (tensor), error))
        return FALSE;
    }
  return TRUE;
}

typedef struct {
  const ZimWeight *weight;
  const gint32    *ids;
} Gather;

static void
gather_rows (guint8   *out,
             gsize     offset,
             gsize     size,
             gpointer  user_data)
{
  const Gather *gather = user_data;
  gsize cols = (gsize) gather->weight->dims[1];
  gsize first = offset / (cols * sizeof (float)), n = size / (cols * sizeof (float));

  for (gsize i = 0; i < n; i++)
    {
      gint32 id = gather->ids[first + i];

      /* An id beyond the table is the tokenizer's and the model's disagreement, refused when the prompt is encoded. */
      g_assert (id >= 0 && id < gather->weight->dims[0]);
      zim_weight_decode (gather->weight, (gsize) id * cols, cols, (float *) (gpointer) out + i * cols);
    }
}

static gboolean
write_embeddings (ZimVkExecutable   *self,
                  const ZimBinding  *bindings,
                  guint              n_bindings,
                  GError           **error)
{
  GPtrArray *ops = get_ops (self);

  for (guint i = 0; i < ops->len; i++)
    {
      const ZimOp *op = g_ptr_array_index (ops, i);
      const ZimTensor *ids = op->sources[0];
      Gather gather = { op->kind == ZIM_OP_EMBED ? op->row.weight : NULL, NULL };

      if (gather.weight == NULL)
        continue;
      gather.ids = find_binding (ids->base, bindings, n_bindings);
      g_assert (gather.ids != NULL);
      gather.ids += ids->offset;
      if (!zim_vk_upload_func (self->setup.device, &self->own, self->ops[i].place, zim_tensor_size (op->out),
                               (gsize) op->out->cols * sizeof (float), gather_rows, &gather, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_tensor (ZimVkExecutable  *self,
             const ZimTensor  *tensor,
             gpointer          data,
             GError          **error)
{
  gsize place = self->plan->tensors[tensor->base->id];
  const ZimVkSpan *chunk = zim_vk_backend_find_chunk (self->backend, place);

  return zim_vk_download (self->setup.device, chunk,
                          place % self->backend->arena_chunk + (gsize) tensor->offset * sizeof (float),
                          (gsize) tensor->rows, (gsize) tensor->cols * sizeof (float),
                          (gsize) tensor->stride * sizeof (float), data, error);
}

static gboolean
read_outputs (ZimVkExecutable   *self,
              const ZimBinding  *bindings,
              guint              n_bindings,
              GError           **error)
{
  for (guint i = 0; i < n_bindings; i++)
    if (bindings[i].tensor->place == ZIM_PLACE_OUTPUT &&
        !read_tensor (self, bindings[i].tensor, bindings[i].data, error))
      return FALSE;
  return TRUE;
}

static gboolean
make_states (ZimVkExecutable  *self,
             GError          **error)
{
  GPtrArray *tensors = get_tensors (self);

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (tensor->state != NULL && !zim_vk_backend_make_state (self->backend, tensor->state, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
zim_vk_executable_run (ZimExecutable     *executable,
                       const ZimBinding  *bindings,
                       guint              n_bindings,
                       GCancellable      *cancellable,
                       GError           **error)
{
  ZimVkExecutable *self = ZIM_VK_EXECUTABLE (executable);
  gboolean is_done;

  if (!zim_backend_reserve (ZIM_BACKEND (self->backend), self->plan->size, error) || !make_own_memory (self, error) ||
      !make_states (self, error) || !acquire_weights (self, error))
    return FALSE;
  is_done = record (self, error) && write_inputs (self, bindings, n_bindings, error) &&
            write_embeddings (self, bindings, n_bindings, error) &&
            zim_vk_replay_run (self->replay, cancellable, error) && read_outputs (self, bindings, n_bindings, error);
  release_weights (self);
  if (is_done)
    zim_vk_times_print (self->times);
  return is_done && !g_cancellable_set_error_if_cancelled (cancellable, error);
}

double
zim_vk_executable_get_time (ZimExecutable *executable,
                            ZimOpKind      kind)
{
  return zim_vk_times_get (ZIM_VK_EXECUTABLE (executable)->times, kind);
}

static void
zim_vk_executable_dump (ZimExecutable *executable,
                        ZimDumpFunc    func,
                        gpointer       user_data)
{
  ZimVkExecutable *self = ZIM_VK_EXECUTABLE (executable);
  GPtrArray *tensors = get_tensors (self);

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);
      g_autofree float *data = NULL;

      if (tensor->name == NULL || tensor->place != ZIM_PLACE_OUTPUT || self->bases[tensor->base->id] == 0)
        continue;
      data = g_new (float, tensor->rows * tensor->cols);
      if (read_tensor (self, tensor, data, NULL))
        func (tensor->name, tensor->rows, tensor->cols, data, user_data);
    }
}

static void
zim_vk_executable_finalize (GObject *object)
{
  ZimVkExecutable *self = ZIM_VK_EXECUTABLE (object);

  g_clear_pointer (&self->recorder, zim_vk_recorder_free);
  g_clear_pointer (&self->times, zim_vk_times_free);
  for (guint i = 0; i < 2 * get_ops (self)->len; i++)
    if (self->ops[i / 2].packings[i % 2] != NULL)
      zim_vk_weights_drop (self->backend->weights, self->ops[i / 2].packings[i % 2]);
  zim_vk_memory_release (self->setup.device, &self->own);
  g_array_unref (self->addresses);
  zim_vk_replay_free (self->replay);
  g_free (self->ops);
  g_free (self->places);
  g_free (self->bases);
  g_free (self->factors);
  zim_arena_plan_free (self->plan);
  g_object_unref (self->backend);
  G_OBJECT_CLASS (zim_vk_executable_parent_class)->finalize (object);
}

static void
zim_vk_executable_class_init (ZimVkExecutableClass *class)
{
  ZimExecutableClass *executable_class = ZIM_EXECUTABLE_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = zim_vk_executable_finalize;
  executable_class->run = zim_vk_executable_run;
  executable_class->dump = zim_vk_executable_dump;
}

static void
zim_vk_executable_init (ZimVkExecutable *self)
{
  self->addresses = g_array_new (FALSE, FALSE, sizeof (VkDeviceAddress));
}
