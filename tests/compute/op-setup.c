/* op-setup.c: programs of tests and the numbers that go in
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "op-setup.h"

typedef struct {
  gpointer  data; /* aligned to 64 bytes */
  ZimWeight weight;
} Buffer;

static void
buffer_free (Buffer *buffer)
{
  g_aligned_free (buffer->data);
  g_free (buffer);
}

Setup *
setup_new (void)
{
  Setup *self = g_new0 (Setup, 1);

  self->bindings = g_array_new (FALSE, FALSE, sizeof (ZimBinding));
  self->inputs = g_ptr_array_new ();
  self->outputs = g_ptr_array_new ();
  self->states = g_ptr_array_new_with_free_func ((GDestroyNotify) zim_state_free);
  self->buffers = g_ptr_array_new_with_free_func ((GDestroyNotify) buffer_free);
  self->origins = g_hash_table_new (NULL, NULL);
  self->numbers = g_hash_table_new (NULL, NULL);
  self->random = 0x9e3779b97f4a7c15;
  return self;
}

void
setup_free (Setup *self)
{
  g_clear_pointer (&self->program, zim_program_unref);
  g_array_unref (self->bindings);
  g_ptr_array_unref (self->inputs);
  g_ptr_array_unref (self->outputs);
  g_ptr_array_unref (self->states);
  g_ptr_array_unref (self->buffers);
  g_hash_table_unref (self->origins);
  g_hash_table_unref (self->numbers);
  g_free (self);
}

void
setup_begin (Setup      *self,
             ZimBackend *backend)
{
  g_clear_pointer (&self->program, zim_program_unref);
  self->program = zim_program_new ("test");
  self->backend = backend;
  g_array_set_size (self->bindings, 0);
  g_ptr_array_set_size (self->inputs, 0);
  g_ptr_array_set_size (self->outputs, 0);
  g_ptr_array_set_size (self->states, 0);
  g_hash_table_remove_all (self->origins);
  g_hash_table_remove_all (self->numbers);
  self->n_used = 0;
}

/* Numbers */

/* xorshift64*, by Vigna: the upper 24 bits as −1 … 1 */
static double
next_uniform (Setup *self)
{
  self->random ^= self->random >> 12;
  self->random ^= self->random << 25;
  self->random ^= self->random >> 27;
  return (double) ((self->random * 0x2545f4914f6cdd1d) >> 40) * 0x1p-23 - 1;
}

/* Four uniform numbers have a variance of 4 / 3 together. */
static void
fill_random (Setup  *self,
             float  *data,
             gsize   n,
             double  spread)
{
  double factor = spread * 0.8660254037844386;

  for (gsize i = 0; i < n; i++)
    data[i] = (float) (factor * (next_uniform (self) + next_uniform (self) +
                                 next_uniform (self) + next_uniform (self)));
}

static Buffer *
take_buffer (Setup    *self,
             gsize     size,
             gboolean *is_new)
{
  Buffer *buffer;

  *is_new = self->n_used == self->buffers->len;
  if (*is_new)
    {
      buffer = g_new0 (Buffer, 1);
      buffer->data = g_aligned_alloc (1, MAX (1, size), 64);
      g_ptr_array_add (self->buffers, buffer);
    }
  return g_ptr_array_index (self->buffers, self->n_used++);
}

static float *
take_numbers (Setup  *self,
              gsize   n,
              double  spread)
{
  gboolean is_new;
  Buffer *buffer = take_buffer (self, n * sizeof (float), &is_new);

  if (is_new)
    fill_random (self, buffer->data, n, spread);
  return buffer->data;
}

/* Tensors */

static ZimTensor *
add_input (Setup    *self,
           ZimDType  dtype,
           gint64    rows,
           gint64    cols,
           gpointer  data)
{
  g_autofree char *name = g_strdup_printf ("input %u", self->inputs->len);
  ZimTensor *tensor = zim_program_input (self->program, name, dtype, rows, cols);
  ZimBinding binding = { tensor, data };

  g_array_append_val (self->bindings, binding);
  g_hash_table_insert (self->numbers, tensor, data);
  g_ptr_array_add (self->inputs, tensor);
  return tensor;
}

ZimTensor *
setup_input (Setup  *self,
             gint64  rows,
             gint64  cols,
             double  spread)
{
  return add_input (self, ZIM_DTYPE_F32, rows, cols, take_numbers (self, rows * cols, spread));
}

ZimTensor *
setup_layout (Setup  *self,
              Layout  layout,
              gint64  rows,
              gint64  cols,
              double  spread)
{
  ZimTensor *input, *copy;

  switch (layout)
    {
    case LAYOUT_COLS:
      return zim_program_cols (self->program, setup_input (self, rows, cols + 12, spread), 5, cols);
    case LAYOUT_ROWS:
      return zim_program_rows (self->program, setup_input (self, rows + 5, cols, spread), 3, rows);
    case LAYOUT_IN_PLACE:
      input = setup_input (self, rows, cols, spread);
      copy = zim_program_empty (self->program, rows, cols);
      zim_program_copy_to (self->program, input, copy);
      g_hash_table_insert (self->origins, copy, input);
      return copy;
    case LAYOUT_PLAIN:
    default:
      return setup_input (self, rows, cols, spread);
    }
}

ZimTensor *
setup_ids (Setup  *self,
           gint64  n,
           gint32  below)
{
  gboolean is_new;
  Buffer *buffer = take_buffer (self, n * sizeof (gint32), &is_new);
  gint32 *ids = buffer->data;

  if (is_new)
    for (gint64 i = 0; i < n; i++)
      ids[i] = MIN ((gint32) ((next_uniform (self) + 1) / 2 * below), below - 1);
  return add_input (self, ZIM_DTYPE_I32, n, 1, ids);
}

ZimTensor *
setup_state (Setup  *self,
             gint64  rows,
             gint64  cols)
{
  float *numbers = take_numbers (self, rows * cols, 1);
  ZimState *state = zim_state_new (self->backend, ZIM_DTYPE_F32, rows, cols, NULL);
  ZimTensor *tensor;

  g_assert_nonnull (state);
  zim_state_write (state, numbers);
  g_ptr_array_add (self->states, state);
  tensor = zim_program_state (self->program, "state", state);
  g_ptr_array_add (self->inputs, tensor);
  g_hash_table_insert (self->numbers, tensor, numbers);
  return tensor;
}

float *
setup_values (Setup           *self,
              const ZimTensor *tensor)
{
  const ZimTensor *origin = g_hash_table_lookup (self->origins, tensor);

  if (origin != NULL)
    tensor = origin;
  return (float *) g_hash_table_lookup (self->numbers, tensor->base) + tensor->offset;
}

/* Weights */

static void
store_numbers (ZimDType     dtype,
               const float *numbers,
               gsize        n,
               guint8      *data)
{
  for (gsize i = 0; i < n; i++)
    {
      guint16 half = dtype == ZIM_DTYPE_F16 ? zim_f32_to_f16 (numbers[i]) : zim_f32_to_bf16 (numbers[i]);

      if (dtype == ZIM_DTYPE_F32)
        memcpy (data + 4 * i, &numbers[i], 4);
      else
        memcpy (data + 2 * i, &half, 2);
    }
}

/* Types of blocks: bytes at which their f16 scales lie, and by how much their values are larger than these. */
static const struct {
  guint  n;
  guint  at[2];
  double spread;
} block_scales[ZIM_N_DTYPES] = {
  [ZIM_DTYPE_Q8_0] = { 1, { 0 }, 74 },
  [ZIM_DTYPE_Q4_0] = { 1, { 0 }, 4.6 },
  [ZIM_DTYPE_Q4_1] = { 2, { 0, 2 }, 9 },
  [ZIM_DTYPE_Q5_0] = { 1, { 0 }, 9.2 },
  [ZIM_DTYPE_Q5_1] = { 2, { 0, 2 }, 18 },
  [ZIM_DTYPE_Q2_K] = { 2, { 80, 82 }, 18 },
  [ZIM_DTYPE_Q3_K] = { 1, { 108 }, 45 },
  [ZIM_DTYPE_Q4_K] = { 2, { 0, 2 }, 320 },
  [ZIM_DTYPE_Q5_K] = { 2, { 0, 2 }, 650 },
  [ZIM_DTYPE_Q6_K] = { 1, { 208 }, 1400 },
};

/* Random bytes with random scales */
static void
store_blocks (Setup     *self,
              ZimWeight *weight,
              double     spread,
              guint8    *data)
{
  gsize size = zim_dtype_row_size (weight->dtype, zim_dtype_block_elements (weight->dtype));

  for (gsize i = 0; i < weight->size; i++)
    data[i] = (guint8) ((next_uniform (self) + 1) * 128);
  for (gsize i = 0; i < weight->size; i += size)
    for (guint j = 0; j < block_scales[weight->dtype].n; j++)
      {
        float number;
        guint16 half;

        fill_random (self, &number, 1, spread / block_scales[weight->dtype].spread);
        half = zim_f32_to_f16 (number);
        memcpy (data + i + block_scales[weight->dtype].at[j], &half, sizeof half);
      }
}

/* Random codes, of f8 with absolute values between 0.5 and 2, and a scale for each row, or of the affine types for each
 * 32 columns. All rows are about as large: the reference's tolerance counts on many errors of one size. */
static void
store_codes (Setup     *self,
             ZimWeight *weight,
             double     spread,
             guint8    *data)
{
  gboolean is_affine = zim_dtype_is_affine (weight->dtype);
  gsize n = zim_weight_n_elements (weight), n_scales;
  guint8 *scales = data + weight->size;

  weight->group = is_affine ? 32 : n / weight->dims[0];
  weight->rotation = weight->dtype == ZIM_DTYPE_I8 && weight->group % 64 == 0 ? 64 : 0;
  n_scales = n / weight->group;
  for (gsize i = 0; i < weight->size; i++)
    {
      data[i] = (guint8) ((next_uniform (self) + 1) * 128);
      if (weight->dtype == ZIM_DTYPE_F8_E4M3)
        data[i] = (data[i] & 0x8f) | 0x30;
      else if (weight->dtype == ZIM_DTYPE_F8_E5M2)
        data[i] = (data[i] & 0x87) | 0x38;
    }
  weight->scales = scales;
  weight->biases = is_affine ? scales + 2 * n_scales : NULL;
  for (gsize i = 0; i < (is_affine ? 2 * n_scales : n_scales); i++)
    {
      float number = (float) (spread * (1 + next_uniform (self) / 4));

      if (i % 2 == 1)
        number = -number;
      store_numbers (is_affine ? ZIM_DTYPE_BF16 : ZIM_DTYPE_F32, &number, 1, scales + i * (is_affine ? 2 : 4));
    }
}

static void
store_weight (Setup     *self,
              ZimWeight *weight,
              double     spread,
              guint8    *data)
{
  gsize n = zim_weight_n_elements (weight);
  g_autofree float *numbers = NULL;

  weight->data = data;
  switch (weight->dtype)
    {
    case ZIM_DTYPE_F32:
    case ZIM_DTYPE_F16:
    case ZIM_DTYPE_BF16:
      numbers = g_new (float, n);
      fill_random (self, numbers, n, spread);
      store_numbers (weight->dtype, numbers, n, data);
      break;
    case ZIM_DTYPE_F8_E4M3:
    case ZIM_DTYPE_F8_E5M2:
      store_codes (self, weight, spread, data);
      break;
    case ZIM_DTYPE_I8:
    case ZIM_DTYPE_INT4:
    case ZIM_DTYPE_INT8:
      store_codes (self, weight, spread / 100, data);
      break;
    default:
      store_blocks (self, weight, spread, data);
    }
}

/* As much as the scales need: of 4 bytes for each row, or for a scale and a bias of 32 columns. */
static gsize
room_for_scales (const ZimWeight *weight)
{
  return (gsize) zim_weight_n_elements (weight) / 8 + 4 * weight->dims[0];
}

const ZimWeight *
setup_weight (Setup        *self,
              ZimDType      dtype,
              guint         misalignment,
              double        spread,
              guint         n_dims,
              const gint64 *dims)
{
  ZimWeight weight = { .name = "weight", .dtype = dtype, .n_dims = n_dims };
  gboolean is_new;
  Buffer *buffer;

  memcpy (weight.dims, dims, n_dims * sizeof *dims);
  weight.size = zim_dtype_row_size (dtype, zim_weight_n_elements (&weight));
  buffer = take_buffer (self, weight.size + room_for_scales (&weight) + misalignment, &is_new);
  if (!is_new)
    return &buffer->weight;
  store_weight (self, &weight, spread, (guint8 *) buffer->data + misalignment);
  buffer->weight = weight;
  return &buffer->weight;
}

const ZimWeight *
setup_vector (Setup    *self,
              ZimDType  dtype,
              double    spread,
              gint64    n)
{
  return setup_weight (self, dtype, 0, spread, 1, &n);
}

/* Results */

void
setup_output (Setup     *self,
              ZimTensor *tensor)
{
  g_autofree char *name = g_strdup_printf ("output %u", self->outputs->len);
  gboolean is_new;
  Buffer *buffer = take_buffer (self, tensor->rows * tensor->cols * sizeof (float), &is_new);
  ZimBinding binding = { tensor, buffer->data };

  zim_program_output (self->program, tensor, name);
  g_array_append_val (self->bindings, binding);
  g_hash_table_insert (self->numbers, tensor, buffer->data);
  g_ptr_array_add (self->outputs, tensor);
}

float *
setup_result (Setup *self,
              guint  output)
{
  return g_hash_table_lookup (self->numbers, g_ptr_array_index (self->outputs, output));
}

ZimExecutable *
setup_compile (Setup        *self,
               ZimPrecision  precision)
{
  g_autoptr(GError) error = NULL;
  ZimExecutable *executable = zim_backend_compile (self->backend, self->program, precision, &error);

  g_assert_no_error (error);
  return executable;
}

gboolean
setup_run (Setup          *self,
           ZimExecutable  *executable,
           GCancellable   *cancellable,
           GError        **error)
{
  for (guint i = 0; i < self->outputs->len; i++)
    memset (setup_result (self, i), 0xff, zim_tensor_size (g_ptr_array_index (self->outputs, i)));
  return zim_executable_run (executable, (const ZimBinding *) self->bindings->data, self->bindings->len, cancellable,
                             error);
}
