/* zim-program.c: recording of programs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/zim-program-private.h"

#include "compute/zim-backend-private.h"
#include "compute/zim-op-private.h"
#include "zim-error.h"

struct _ZimProgram {
  char      *name;
  GPtrArray *ops;     /* of ZimOp */
  GPtrArray *tensors; /* of ZimTensor; a tensor's id is its index */
  GPtrArray *arrays;  /* of weight lists */
  GError    *error;   /* the first mistake */
  gboolean   keep_named;
};

static void
zim_tensor_free (ZimTensor *tensor)
{
  g_free (tensor->name);
  g_free (tensor);
}

static void
zim_op_free (ZimOp *op)
{
  g_free (op->ranges);
  g_free (op);
}

ZimProgram *
zim_program_new (const char *name)
{
  ZimProgram *self = g_atomic_rc_box_new0 (ZimProgram);

  self->name = g_strdup (name);
  self->ops = g_ptr_array_new_with_free_func ((GDestroyNotify) zim_op_free);
  self->tensors = g_ptr_array_new_with_free_func ((GDestroyNotify) zim_tensor_free);
  self->arrays = g_ptr_array_new_with_free_func (g_free);
  return self;
}

ZimProgram *
zim_program_ref (ZimProgram *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
zim_program_clear (gpointer data)
{
  ZimProgram *self = data;

  g_free (self->name);
  g_ptr_array_unref (self->ops);
  g_ptr_array_unref (self->tensors);
  g_ptr_array_unref (self->arrays);
  g_clear_error (&self->error);
}

void
zim_program_unref (ZimProgram *self)
{
  g_atomic_rc_box_release_full (self, zim_program_clear);
}

const char *
zim_program_get_name (ZimProgram *self)
{
  return self->name;
}

const GError *
zim_program_get_error (ZimProgram *self)
{
  return self->error;
}

GPtrArray *
zim_program_get_ops (ZimProgram *self)
{
  return self->ops;
}

GPtrArray *
zim_program_get_tensors (ZimProgram *self)
{
  return self->tensors;
}

void
zim_program_set_keep_named (ZimProgram *self,
                            gboolean    keep_named)
{
  self->keep_named = keep_named;
}

/* Tensors */

static ZimTensor *
zim_program_add_tensor (ZimProgram *self,
                        ZimPlace    place,
                        ZimDType    dtype,
                        gint64      rows,
                        gint64      cols)
{
  ZimTensor *tensor = g_new0 (ZimTensor, 1);

  tensor->id = self->tensors->len;
  tensor->place = place;
  tensor->dtype = dtype;
  tensor->rows = rows;
  tensor->cols = cols;
  tensor->stride = cols;
  tensor->base = tensor;
  g_ptr_array_add (self->tensors, tensor);
  return tensor;
}

static void
zim_tensor_keep (ZimTensor *tensor)
{
  if (tensor->base->place == ZIM_PLACE_TEMPORARY)
    tensor->base->place = ZIM_PLACE_OUTPUT;
  tensor->place = tensor->base->place;
}

void
zim_program_name (ZimProgram *self,
                  ZimTensor  *tensor,
                  const char *format,
                  ...)
{
  va_list args;

  if (!self->keep_named)
    return;
  va_start (args, format);
  g_free (tensor->name);
  tensor->name = g_strdup_vprintf (format, args);
  va_end (args);
  zim_tensor_keep (tensor);
}

ZimTensor *
zim_program_input (ZimProgram *self,
                   const char *name,
                   ZimDType    dtype,
                   gint64      rows,
                   gint64      cols)
{
  ZimTensor *tensor = zim_program_add_tensor (self, ZIM_PLACE_INPUT, dtype, rows, cols);

  tensor->name = g_strdup (name);
  return tensor;
}

ZimTensor *
zim_program_state (ZimProgram *self,
                   const char *name,
                   ZimState   *state)
{
  ZimTensor *tensor;

  tensor = zim_program_add_tensor (self, ZIM_PLACE_STATE, state->dtype, state->rows, state->cols);
  tensor->state = state;
  tensor->name = g_strdup (name);
  return tensor;
}

void
zim_program_output (ZimProgram *self,
                    ZimTensor  *tensor,
                    const char *name)
{
  if (tensor->name == NULL)
    tensor->name = g_strdup (name);
  zim_tensor_keep (tensor);
}

ZimTensor *
zim_program_empty (ZimProgram *self,
                   gint64      rows,
                   gint64      cols)
{
  return zim_program_add_tensor (self, ZIM_PLACE_TEMPORARY, ZIM_DTYPE_F32, rows, cols);
}

static ZimTensor *
zim_program_view (ZimProgram *self,
                  ZimTensor  *tensor,
                  gint64      offset,
                  gint64      rows,
                  gint64      cols)
{
  ZimTensor *view = zim_program_add_tensor (self, tensor->place, tensor->dtype, rows, cols);

  view->stride = tensor->stride;
  view->base = tensor->base;
  view->offset = tensor->offset + offset;
  view->state = tensor->state;
  return view;
}

ZimTensor *
zim_program_rows (ZimProgram *self,
                  ZimTensor  *tensor,
                  gint64      start,
                  gint64      n)
{
  zim_program_check (self, start >= 0 && n > 0 && start + n <= tensor->rows,
                     "rows %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " of [%" G_GINT64_FORMAT
                     ", %" G_GINT64_FORMAT "]",
                     start, start + n, tensor->rows, tensor->cols);
  return zim_program_view (self, tensor, start * tensor->stride, n, tensor->cols);
}

ZimTensor *
zim_program_cols (ZimProgram *self,
                  ZimTensor  *tensor,
                  gint64      start,
                  gint64      n)
{
  zim_program_check (self, start >= 0 && n > 0 && start + n <= tensor->cols,
                     "columns %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " of [%" G_GINT64_FORMAT
                     ", %" G_GINT64_FORMAT "]",
                     start, start + n, tensor->rows, tensor->cols);
  return zim_program_view (self, tensor, start, tensor->rows, n);
}

/* Operations */

void
zim_program_check (ZimProgram *self,
                   gboolean    condition,
                   const char *format,
                   ...)
{
  g_autofree char *message = NULL;
  va_list args;

  if (condition || self->error != NULL)
    return;
  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (&self->error, ZIM_ERROR, ZIM_ERROR_BAD_SHAPE, "Program “%s”, operation %u: %s", self->name,
               self->ops->len, message);
}

ZimOp *
zim_program_add_op (ZimProgram *self,
                    ZimOpKind   kind,
                    ZimTensor  *out)
{
  ZimOp *op = g_new0 (ZimOp, 1);

  op->kind = kind;
  op->out = out;
  g_ptr_array_add (self->ops, op);
  zim_program_check (self, out->rows > 0 && out->cols > 0,
                     "%s: result is [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "]", zim_op_kind_name (kind), out->rows,
                     out->cols);
  return op;
}

ZimTensor *
zim_program_add_result (ZimProgram *self,
                        gint64      rows,
                        gint64      cols)
{
  return zim_program_add_tensor (self, ZIM_PLACE_TEMPORARY, ZIM_DTYPE_F32, rows, cols);
}

const ZimWeight **
zim_program_copy_weights (ZimProgram             *self,
                          const ZimWeight *const *weights,
                          guint                   n)
{
  const ZimWeight **copy = g_memdup2 (weights, n * sizeof *weights);

  g_ptr_array_add (self->arrays, copy);
  return copy;
}

double
zim_program_get_flops (ZimProgram *self)
{
  double flops = 0;

  for (guint i = 0; i < self->ops->len; i++)
    flops += zim_op_get_flops (g_ptr_array_index (self->ops, i));
  return flops;
}

static void
zim_tensor_print (const ZimTensor *tensor,
                  GString         *string)
{
  static const char *const places[] = { "input", "temporary", "output", "state" };

  g_string_append_printf (string, "%%%u [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "]", tensor->base->id, tensor->rows,
                          tensor->cols);
  if (tensor->offset != 0)
    g_string_append_printf (string, "+%" G_GINT64_FORMAT, tensor->offset);
  if (tensor->place != ZIM_PLACE_TEMPORARY)
    g_string_append_printf (string, " %s", places[tensor->place]);
  if (tensor->name != NULL)
    g_string_append_printf (string, " “%s”", tensor->name);
}

char *
zim_program_print (ZimProgram *self)
{
  GString *string = g_string_new (NULL);

  g_string_append_printf (string, "program “%s”, %.3g GFLOP\n", self->name, zim_program_get_flops (self) / 1e9);
  for (guint i = 0; i < self->ops->len; i++)
    {
      const ZimOp *op = g_ptr_array_index (self->ops, i);

      g_string_append (string, "  ");
      zim_tensor_print (op->out, string);
      g_string_append_printf (string, " = %s (", zim_op_kind_name (op->kind));
      for (guint j = 0; j < op->n_sources; j++)
        {
          if (j > 0)
            g_string_append (string, ", ");
          if (op->sources[j] != NULL)
            zim_tensor_print (op->sources[j], string);
        }
      g_string_append (string, ")\n");
    }
  return g_string_free (string, FALSE);
}
