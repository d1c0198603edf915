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

double
zim_backend_measure_peak (ZimBackend   *self,
                          ZimPrecision  precision)
{
  return ZIM_BACKEND_GET_CLASS (self)->measure_peak (self, precision);
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
