/* zim-vk-backend.c: programs on a Vulkan device
 *
 * The arena is as large as the largest program that was run, in as many allocations as the device's limit asks for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-backend-private.h"
#include "compute/vulkan/zim-vk-pipeline-private.h"
#include "compute/vulkan/zim-vk-transfer-private.h"
#include "compute/vulkan/zim-vk-tune-private.h"
#include "compute/zim-debug-private.h"

G_DEFINE_FINAL_TYPE (ZimVkBackend, zim_vk_backend, ZIM_TYPE_BACKEND)

const ZimVkOpClass *
zim_vk_op_class (ZimOpKind kind)
{
  switch (kind)
    {
    case ZIM_OP_LINEAR:
      return &zim_vk_linear_class;
    case ZIM_OP_ATTENTION:
      return &zim_vk_attention_class;
    case ZIM_OP_CONV2D:
      return &zim_vk_conv2d_class;
    case ZIM_OP_GROUP_SUMS:
      return &zim_vk_group_sums_class;
    case ZIM_OP_GROUP_FACTORS:
      return &zim_vk_group_factors_class;
    case ZIM_OP_GROUP_NORM:
      return &zim_vk_group_norm_class;
    default:
      return &zim_vk_row_classes[kind];
    }
}

static ZimExecutable *
zim_vk_backend_compile (ZimBackend    *backend,
                        ZimProgram    *program,
                        ZimPrecision   precision,
                        GError       **error)
{
  return zim_vk_executable_new (ZIM_VK_BACKEND (backend), program, precision, error);
}

/* Arena */

static void
free_arena (ZimVkBackend *self)
{
  for (guint i = 0; i < self->arena->len; i++)
    zim_vk_memory_release (self->device, &g_array_index (self->arena, ZimVkSpan, i));
  g_array_set_size (self->arena, 0);
  self->arena_size = 0;
  self->arena_age++;
}

static gboolean
zim_vk_backend_reserve (ZimBackend  *backend,
                        gsize        size,
                        GError     **error)
{
  ZimVkBackend *self = ZIM_VK_BACKEND (backend);

  if (size <= self->arena_size)
    return TRUE;
  /* What is in it is of no use to the next run, so both need not exist at once. */
  free_arena (self);
  for (gsize offset = 0; offset < size; offset += self->arena_chunk)
    {
      ZimVkSpan span;

      /* A program that is too large is told from all of it, not from the chunk at which memory ends. */
      if (!zim_vk_memory_fits (self->device, size - offset, "intermediate results", error) ||
          !zim_vk_memory_alloc (self->device, ZIM_VK_MEMORY_DEVICE, MIN (self->arena_chunk, size - offset),
                                "intermediate results", &span, error))
        {
          free_arena (self);
          return FALSE;
        }
      g_array_append_val (self->arena, span);
    }
  self->arena_size = size;
  return TRUE;
}

const ZimVkSpan *
zim_vk_backend_find_chunk (ZimVkBackend *self,
                           gsize         offset)
{
  return &g_array_index (self->arena, ZimVkSpan, offset / self->arena_chunk);
}

/* States */

static gsize
state_size (const ZimState *state)
{
  return (gsize) state->rows * state->cols * zim_dtype_size (state->dtype);
}

static void
fill_zeros (guint8   *out,
            gsize     offset,
            gsize     size,
            gpointer  user_data)
{
  memset (out, 0, size);
}

static gboolean
zim_vk_backend_state_init (ZimBackend  *backend,
                           ZimState    *state,
                           GError     **error)
{
  state->handle = g_new0 (ZimVkState, 1);
  return TRUE;
}

static gboolean
make_memory (ZimVkBackend  *self,
             ZimState      *state,
             GError       **error)
{
  ZimVkSpan *span = &((ZimVkState *) state->handle)->span;

  if (span->block != NULL)
    return TRUE;
  if (zim_vk_memory_alloc (self->device, ZIM_VK_MEMORY_DEVICE, state_size (state), "kept results", span, error) &&
      zim_vk_upload_func (self->device, span, 0, state_size (state), 4, fill_zeros, NULL, error))
    return TRUE;
  zim_vk_memory_release (self->device, span);
  return FALSE;
}

gboolean
zim_vk_backend_make_state (ZimVkBackend  *self,
                           ZimState      *state,
                           GError       **error)
{
  const ZimVkState *handle = state->handle;

  if (handle->error == NULL)
    return make_memory (self, state, error);
  g_propagate_error (error, g_error_copy (handle->error));
  return FALSE;
}

static void
zim_vk_backend_state_clear (ZimBackend *backend,
                            ZimState   *state)
{
  ZimVkState *handle = state->handle;

  zim_vk_memory_release (ZIM_VK_BACKEND (backend)->device, &handle->span);
  g_clear_error (&handle->error);
  g_clear_pointer (&state->handle, g_free);
}

static void
zim_vk_backend_state_write (ZimBackend    *backend,
                            ZimState      *state,
                            gconstpointer  data)
{
  ZimVkBackend *self = ZIM_VK_BACKEND (backend);
  ZimVkState *handle = state->handle;

  g_clear_error (&handle->error);
  if (make_memory (self, state, &handle->error))
    zim_vk_upload (self->device, &handle->span, 0, data, state_size (state), &handle->error);
}

/* Budget */

#define MARGIN_MAX ((guint64) 512 << 20) /* for what the driver takes itself: command buffers, pipelines */

static guint64
zim_vk_backend_get_available (ZimBackend *backend)
{
  ZimVkDevice *device = ZIM_VK_BACKEND (backend)->device;
  guint64 all = device->physical->info.memory, margin = MIN (all / 16, MARGIN_MAX);
  guint64 available = MIN (all, zim_vk_physical_get_free (device->physical) + zim_vk_memory_get_allocated (device));

  return available > margin ? available - margin : 1;
}

static void
zim_vk_backend_set_budget (ZimBackend *backend,
                           guint64     budget)
{
  ZimVkBackend *self = ZIM_VK_BACKEND (backend);

  /* What an earlier, larger budget left there */
  if (zim_vk_memory_get_allocated (self->device) > budget)
    {
      free_arena (self);
      for (guint i = 0; i < ZIM_BACKEND_N_SETS; i++)
        zim_vk_weights_unload (self->weights, i);
    }
  zim_vk_memory_set_budget (self->device, budget);
  zim_vk_memory_reset_peak (self->device);
  self->budget = budget;
}

static guint64
zim_vk_backend_get_peak (ZimBackend *backend)
{
  return zim_vk_memory_get_peak (ZIM_VK_BACKEND (backend)->device);
}

static gsize
rounded_state_size (const ZimState *state,
                    ZimVkDevice    *device)
{
  return zim_vk_memory_round (device, state_size (state));
}

static gsize
sum_rounded_states (ZimVkBackend *self,
                    GPtrArray    *executables)
{
  g_autoptr(GHashTable) seen = g_hash_table_new (NULL, NULL);
  gsize sum = 0;

  for (guint i = 0; i < executables->len; i++)
    {
      GPtrArray *tensors = zim_program_get_tensors (zim_executable_get_program (g_ptr_array_index (executables, i)));

      for (guint j = 0; j < tensors->len; j++)
        {
          const ZimTensor *tensor = g_ptr_array_index (tensors, j);

          if (tensor->state != NULL && g_hash_table_add (seen, tensor->state))
            sum += rounded_state_size (tensor->state, self->device);
        }
    }
  return sum;
}

/* The packings of all of these, and what the weights of one operation take at most. */
static GPtrArray *
list_packings (GPtrArray *executables,
               gsize     *largest)
{
  g_autoptr(GHashTable) seen = g_hash_table_new (NULL, NULL);
  GPtrArray *packings = g_ptr_array_new ();

  *largest = 0;
  for (guint i = 0; i < executables->len; i++)
    *largest = MAX (*largest, zim_vk_executable_list_packings (g_ptr_array_index (executables, i), packings, seen));
  return packings;
}

static void
zim_vk_backend_measure (ZimBackend *backend,
                        GPtrArray  *executables,
                        ZimNeeds   *needs)
{
  ZimVkBackend *self = ZIM_VK_BACKEND (backend);
  gsize largest;
  g_autoptr(GPtrArray) packings = list_packings (executables, &largest);

  needs->arena = needs->arena > 0 ? zim_vk_memory_round (self->device, needs->arena) : 0;
  needs->states = sum_rounded_states (self, executables);
  for (guint i = 0; i < executables->len; i++)
    needs->own += zim_vk_memory_round (self->device,
                                       zim_vk_executable_get_own_size (g_ptr_array_index (executables, i)));
  needs->weights = zim_vk_weights_layout (self->weights, packings);
  needs->window = 2 * zim_vk_memory_round (self->device, largest);
  needs->staging = zim_vk_transfer_get_size (self->device);
}

static void
zim_vk_backend_place (ZimBackend         *backend,
                      guint               set,
                      GPtrArray          *executables,
                      const ZimPlacement *placement)
{
  ZimVkBackend *self = ZIM_VK_BACKEND (backend);
  gsize largest;
  g_autoptr(GPtrArray) packings = list_packings (executables, &largest);

  zim_vk_weights_place (self->weights, set, packings, placement->resident, placement->window);
}

/* What others of the sets hold, and what the arena is too large by */
static gsize
idle_size (ZimVkBackend   *self,
           guint           set,
           const ZimNeeds *needs)
{
  gsize size = self->arena_size > needs->arena ? self->arena_size - needs->arena : 0;

  for (guint i = 0; i < ZIM_BACKEND_N_SETS; i++)
    if (i != set && zim_vk_weights_is_loaded (self->weights, i))
      size += zim_vk_weights_get_set_size (self->weights, i);
  return size;
}

static gboolean
zim_vk_backend_enter (ZimBackend      *backend,
                      guint            set,
                      const ZimNeeds  *needs,
                      GError         **error)
{
  /* The first network is needed once a prompt, the last one once a picture, and it is small. */
  static const guint order[ZIM_BACKEND_N_SETS] = { 0, 2, 1 };
  ZimVkBackend *self = ZIM_VK_BACKEND (backend);
  gsize wanted = zim_vk_weights_get_set_size (self->weights, set) + needs->arena + needs->own + needs->states +
                 needs->staging;

  for (guint i = 0; i < ZIM_BACKEND_N_SETS && wanted + idle_size (self, set, needs) > self->budget; i++)
    {
      if (self->arena_size > needs->arena)
        free_arena (self);
      if (order[i] != set && wanted + idle_size (self, set, needs) > self->budget)
        zim_vk_weights_unload (self->weights, order[i]);
    }
  if (zim_debug (ZIM_DEBUG_MEMORY))
    zim_debug_print ("memory: set %u: %" G_GSIZE_FORMAT " bytes are wanted, %" G_GUINT64_FORMAT " are allocated", set,
                     wanted, zim_vk_memory_get_allocated (self->device));
  return zim_vk_weights_load (self->weights, set, error);
}

/* Backend */

static void
zim_vk_backend_trim (ZimBackend *backend)
{
  zim_vk_weights_trim (ZIM_VK_BACKEND (backend)->weights);
}

static double
zim_vk_backend_measure_peak (ZimBackend   *backend,
                             ZimPrecision  precision)
{
  return zim_vk_measure_rate (ZIM_VK_BACKEND (backend)->device, (ZimVkOperand) (precision - ZIM_PRECISION_F32), NULL);
}

static GVariant *
zim_vk_backend_tune (ZimBackend    *backend,
                     ZimPrecision   precision,
                     GCancellable  *cancellable,
                     GError       **error)
{
  ZimVkBackend *self = ZIM_VK_BACKEND (backend);
  GVariant *found;

  /* Memory in blocks of just their size leaves with what is tried. */
  zim_vk_backend_set_budget (backend, G_MAXUINT64);
  found = zim_vk_tune (self, precision, cancellable, error);
  free_arena (self);
  return found;
}

static void
zim_vk_backend_finalize (GObject *object)
{
  ZimVkBackend *self = ZIM_VK_BACKEND (object);

  if (self->device != NULL)
    free_arena (self);
  g_clear_pointer (&self->arena, g_array_unref);
  g_clear_pointer (&self->weights, zim_vk_weights_free);
  g_clear_pointer (&self->device, zim_vk_device_free);
  G_OBJECT_CLASS (zim_vk_backend_parent_class)->finalize (object);
}

static void
zim_vk_backend_class_init (ZimVkBackendClass *class)
{
  ZimBackendClass *backend_class = ZIM_BACKEND_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = zim_vk_backend_finalize;
  backend_class->compile = zim_vk_backend_compile;
  backend_class->reserve = zim_vk_backend_reserve;
  backend_class->state_init = zim_vk_backend_state_init;
  backend_class->state_clear = zim_vk_backend_state_clear;
  backend_class->state_write = zim_vk_backend_state_write;
  backend_class->trim = zim_vk_backend_trim;
  backend_class->get_available = zim_vk_backend_get_available;
  backend_class->set_budget = zim_vk_backend_set_budget;
  backend_class->get_peak = zim_vk_backend_get_peak;
  backend_class->measure = zim_vk_backend_measure;
  backend_class->place = zim_vk_backend_place;
  backend_class->enter = zim_vk_backend_enter;
  backend_class->measure_peak = zim_vk_backend_measure_peak;
  backend_class->tune = zim_vk_backend_tune;
}

static void
zim_vk_backend_init (ZimVkBackend *self)
{
  self->arena = g_array_new (FALSE, FALSE, sizeof (ZimVkSpan));
  self->budget = G_MAXUINT64;
}

ZimBackend *
zim_vk_backend_new (guint    index,
                    GError **error)
{
  g_autoptr(ZimVkDevice) device = zim_vk_device_new (index, error);
  ZimVkBackend *self;

  if (device == NULL)
    return NULL;
  self = g_object_new (ZIM_TYPE_VK_BACKEND, NULL);
  self->device = g_steal_pointer (&device);
  self->weights = zim_vk_weights_new (self->device);
  self->arena_chunk = zim_vk_memory_get_max (self->device);
  return ZIM_BACKEND (self);
}
