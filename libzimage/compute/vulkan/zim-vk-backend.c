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
  ZimVkBackend *self = ZIM_VK_BACKEND (backend);
  ZimVkSpan *span = g_new0 (ZimVkSpan, 1);

  state->handle = span;
  if (zim_vk_memory_alloc (self->device, ZIM_VK_MEMORY_DEVICE, state_size (state), "kept results", span, error) &&
      zim_vk_upload_func (self->device, span, 0, state_size (state), 4, fill_zeros, NULL, error))
    return TRUE;
  zim_vk_memory_release (self->device, span);
  g_clear_pointer (&state->handle, g_free);
  return FALSE;
}

static void
zim_vk_backend_state_clear (ZimBackend *backend,
                            ZimState   *state)
{
  zim_vk_memory_release (ZIM_VK_BACKEND (backend)->device, state->handle);
  g_clear_pointer (&state->handle, g_free);
}

/* What fails here fails again, and is told, when a program that reads the state is run. */
static void
zim_vk_backend_state_write (ZimBackend    *backend,
                            ZimState      *state,
                            gconstpointer  data)
{
  g_autoptr(GError) error = NULL;

  if (!zim_vk_upload (ZIM_VK_BACKEND (backend)->device, state->handle, 0, data, state_size (state), &error))
    g_debug ("%s", error->message);
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
  backend_class->measure_peak = zim_vk_backend_measure_peak;
}

static void
zim_vk_backend_init (ZimVkBackend *self)
{
  self->arena = g_array_new (FALSE, FALSE, sizeof (ZimVkSpan));
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
