/* zim-backend.c: the abstract backend and executable
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/zim-backend-private.h"

#include "compute/zim-debug-private.h"

G_DEFINE_ABSTRACT_TYPE (ZimBackend, zim_backend, G_TYPE_OBJECT)

typedef struct {
  ZimProgram *program;
  gsize       arena_size;
} ZimExecutablePrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (ZimExecutable, zim_executable, G_TYPE_OBJECT)

static void
zim_backend_class_init (ZimBackendClass *class)
{
}

static void
zim_backend_init (ZimBackend *self)
{
}

ZimExecutable *
zim_backend_compile (ZimBackend   *self,
                     ZimProgram   *program,
                     ZimPrecision  precision,
                     GError      **error)
{
  const GError *mistake = zim_program_get_error (program);

  g_assert (precision != ZIM_PRECISION_AUTO);
  if (mistake != NULL)
    {
      g_propagate_error (error, g_error_copy (mistake));
      return NULL;
    }
  if (zim_debug (ZIM_DEBUG_OPS))
    {
      g_autofree char *text = zim_program_print (program);

      zim_debug_print ("ops: %s", text);
    }
  return ZIM_BACKEND_GET_CLASS (self)->compile (self, program, precision, error);
}

gboolean
zim_backend_reserve (ZimBackend *self,
                     gsize       size,
                     GError    **error)
{
  return ZIM_BACKEND_GET_CLASS (self)->reserve (self, size, error);
}

void
zim_backend_trim (ZimBackend *self)
{
  if (ZIM_BACKEND_GET_CLASS (self)->trim != NULL)
    ZIM_BACKEND_GET_CLASS (self)->trim (self);
}

guint64
zim_backend_get_available (ZimBackend *self)
{
  ZimBackendClass *class = ZIM_BACKEND_GET_CLASS (self);

  return class->get_available != NULL ? class->get_available (self) : 0;
}

void
zim_backend_set_budget (ZimBackend *self,
                        guint64     budget)
{
  ZimBackendClass *class = ZIM_BACKEND_GET_CLASS (self);

  if (class->set_budget != NULL)
    class->set_budget (self, budget);
}

guint64
zim_backend_get_peak (ZimBackend *self)
{
  ZimBackendClass *class = ZIM_BACKEND_GET_CLASS (self);

  return class->get_peak != NULL ? class->get_peak (self) : 0;
}

static gsize
sum_states (GPtrArray *executables)
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
            sum += (gsize) tensor->state->rows * tensor->state->cols * zim_dtype_size (tensor->state->dtype);
        }
    }
  return sum;
}

void
zim_backend_measure (ZimBackend *self,
                     GPtrArray  *executables,
                     ZimNeeds   *needs)
{
  ZimBackendClass *class = ZIM_BACKEND_GET_CLASS (self);

  *needs = (ZimNeeds) { 0 };
  for (guint i = 0; i < executables->len; i++)
    needs->arena = MAX (needs->arena, zim_executable_get_arena_size (g_ptr_array_index (executables, i)));
  needs->states = sum_states (executables);
  if (class->measure != NULL)
    class->measure (self, executables, needs);
}

void
zim_backend_place (ZimBackend         *self,
                   guint               set,
                   GPtrArray          *executables,
                   const ZimPlacement *placement)
{
  ZimBackendClass *class = ZIM_BACKEND_GET_CLASS (self);

  g_assert (set < ZIM_BACKEND_N_SETS);
  if (class->place != NULL)
    class->place (self, set, executables, placement);
}

gboolean
zim_backend_enter (ZimBackend      *self,
                   guint            set,
                   const ZimNeeds  *needs,
                   GError         **error)
{
  ZimBackendClass *class = ZIM_BACKEND_GET_CLASS (self);

  g_assert (set < ZIM_BACKEND_N_SETS);
  return class->enter == NULL || class->enter (self, set, needs, error);
}

double
zim_backend_measure_peak (ZimBackend   *self,
                          ZimPrecision  precision)
{
  return ZIM_BACKEND_GET_CLASS (self)->measure_peak (self, precision);
}

GVariant *
zim_backend_tune (ZimBackend    *self,
                  ZimPrecision   precision,
                  GCancellable  *cancellable,
                  GError       **error)
{
  ZimBackendClass *class = ZIM_BACKEND_GET_CLASS (self);

  if (class->tune != NULL)
    return class->tune (self, precision, cancellable, error);
  return g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
}

ZimState *
zim_state_new (ZimBackend *backend,
               ZimDType    dtype,
               gint64      rows,
               gint64      cols,
               GError    **error)
{
  ZimState *state = g_new0 (ZimState, 1);

  state->backend = backend;
  state->dtype = dtype;
  state->rows = rows;
  state->cols = cols;
  if (!ZIM_BACKEND_GET_CLASS (backend)->state_init (backend, state, error))
    g_clear_pointer (&state, g_free);
  return state;
}

void
zim_state_free (ZimState *state)
{
  ZIM_BACKEND_GET_CLASS (state->backend)->state_clear (state->backend, state);
  g_free (state);
}

void
zim_state_write (ZimState      *state,
                 gconstpointer  data)
{
  ZIM_BACKEND_GET_CLASS (state->backend)->state_write (state->backend, state, data);
}

static void
zim_executable_finalize (GObject *object)
{
  ZimExecutablePrivate *priv = zim_executable_get_instance_private (ZIM_EXECUTABLE (object));

  g_clear_pointer (&priv->program, zim_program_unref);
  G_OBJECT_CLASS (zim_executable_parent_class)->finalize (object);
}

static void
zim_executable_class_init (ZimExecutableClass *class)
{
  G_OBJECT_CLASS (class)->finalize = zim_executable_finalize;
}

static void
zim_executable_init (ZimExecutable *self)
{
}

void
zim_executable_set_program (ZimExecutable *self,
                            ZimProgram    *program,
                            gsize          arena_size)
{
  ZimExecutablePrivate *priv = zim_executable_get_instance_private (self);

  priv->program = zim_program_ref (program);
  priv->arena_size = arena_size;
}

ZimProgram *
zim_executable_get_program (ZimExecutable *self)
{
  ZimExecutablePrivate *priv = zim_executable_get_instance_private (self);

  return priv->program;
}

gsize
zim_executable_get_arena_size (ZimExecutable *self)
{
  ZimExecutablePrivate *priv = zim_executable_get_instance_private (self);

  return priv->arena_size;
}

gboolean
zim_executable_run (ZimExecutable     *self,
                    const ZimBinding  *bindings,
                    guint              n_bindings,
                    GCancellable      *cancellable,
                    GError           **error)
{
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  return ZIM_EXECUTABLE_GET_CLASS (self)->run (self, bindings, n_bindings, cancellable, error);
}

void
zim_executable_dump (ZimExecutable *self,
                     ZimDumpFunc    func,
                     gpointer       user_data)
{
  ZIM_EXECUTABLE_GET_CLASS (self)->dump (self, func, user_data);
}
