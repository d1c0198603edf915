/* test-program.c: recording: shapes that fit, shapes that do not, and states between programs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "op-devices.h"
#include "op-setup.h"
#include "zim-error.h"

static ZimBackend *
any_backend (void)
{
  return device_open (devices_get (&(guint) { 0 }), 2);
}

/* Mistakes. Each is recorded amid operations that are right, and the message has all of the texts. */

typedef struct {
  const char *name;
  void      (*record) (Setup *setup);
  const char *texts[3];
} Mistake;

static ZimTensor *
f32 (Setup  *setup,
     gint64  rows,
     gint64  cols)
{
  return setup_input (setup, rows, cols, 1);
}

static const ZimWeight *
matrix (Setup  *setup,
        gint64  out,
        gint64  in)
{
  return setup_weight (setup, ZIM_DTYPE_F32, 0, 1, 2, (const gint64[]) { out, in });
}

static const ZimWeight *
vector (Setup  *setup,
        gint64  n)
{
  return setup_vector (setup, ZIM_DTYPE_F32, 1, n);
}

static void
embed_of_numbers (Setup *setup)
{
  zim_program_embed (setup->program, f32 (setup, 5, 1), matrix (setup, 7, 6));
}

static void
embed_of_pairs (Setup *setup)
{
  ZimTensor *ids = zim_program_input (setup->program, "ids", ZIM_DTYPE_I32, 5, 2);

  zim_program_embed (setup->program, ids, matrix (setup, 7, 6));
}

static void
embed_in_vector (Setup *setup)
{
  zim_program_embed (setup->program, setup_ids (setup, 5, 7), vector (setup, 7));
}

static void
linear_of_other_width (Setup *setup)
{
  const ZimWeight *weights[] = { matrix (setup, 7, 6), matrix (setup, 3, 5) };

  zim_program_linear (setup->program, f32 (setup, 5, 6), weights, NULL, 2, 1);
}

static void
linear_by_vector (Setup *setup)
{
  const ZimWeight *weight = vector (setup, 6);

  zim_program_linear (setup->program, f32 (setup, 5, 6), &weight, NULL, 1, 1);
}

static void
linear_with_other_bias (Setup *setup)
{
  const ZimWeight *weight = matrix (setup, 7, 6), *bias = vector (setup, 6);

  zim_program_linear (setup->program, f32 (setup, 5, 6), &weight, &bias, 1, 1);
}

static void
linear_of_nothing (Setup *setup)
{
  zim_program_linear (setup->program, f32 (setup, 5, 6), NULL, NULL, 0, 1);
}

static void
linear_of_ids (Setup *setup)
{
  const ZimWeight *weight = matrix (setup, 7, 1);

  zim_program_linear (setup->program, setup_ids (setup, 5, 3), &weight, NULL, 1, 1);
}

static void
rms_norm_of_parts (Setup *setup)
{
  zim_program_rms_norm (setup->program, f32 (setup, 5, 6), NULL, 4, 1e-5f, NULL, NULL, 0);
}

static void
rms_norm_with_other_weight (Setup *setup)
{
  zim_program_rms_norm (setup->program, f32 (setup, 5, 6), vector (setup, 6), 3, 1e-5f, NULL, NULL, 0);
}

static void
rms_norm_with_other_scale (Setup *setup)
{
  zim_program_rms_norm (setup->program, f32 (setup, 5, 6), NULL, 0, 1e-5f, f32 (setup, 1, 7), NULL, 0);
}

static void
rms_norm_with_ids_for_scale (Setup *setup)
{
  ZimTensor *ids = zim_program_input (setup->program, "ids", ZIM_DTYPE_I32, 1, 6);

  zim_program_rms_norm (setup->program, f32 (setup, 5, 6), NULL, 0, 1e-5f, ids, NULL, 0);
}

static void
layer_norm_with_other_scale (Setup *setup)
{
  zim_program_layer_norm (setup->program, f32 (setup, 5, 6), 1e-5f, f32 (setup, 1, 3), NULL, 0);
}

static void
layer_norm_of_some_rows (Setup *setup)
{
  const ZimRange ranges[] = { { 0, 2, 0 }, { 2, 2, 0 } };

  zim_program_layer_norm (setup->program, f32 (setup, 5, 6), 1e-5f, f32 (setup, 1, 6), ranges, 2);
}

static void
layer_norm_with_a_gap (Setup *setup)
{
  const ZimRange ranges[] = { { 0, 2, 0 }, { 3, 2, 0 } };

  zim_program_layer_norm (setup->program, f32 (setup, 5, 6), 1e-5f, f32 (setup, 1, 6), ranges, 2);
}

static void
layer_norm_of_no_sample (Setup *setup)
{
  const ZimRange ranges[] = { { 0, 2, 0 }, { 2, 3, 2 } };

  zim_program_layer_norm (setup->program, f32 (setup, 5, 6), 1e-5f, f32 (setup, 2, 6), ranges, 2);
}

static void
layer_norm_with_empty_range (Setup *setup)
{
  const ZimRange ranges[] = { { 0, 5, 0 }, { 5, 0, 0 } };

  zim_program_layer_norm (setup->program, f32 (setup, 5, 6), 1e-5f, NULL, ranges, 2);
}

static void
group_norm_of_parts (Setup *setup)
{
  zim_program_group_norm (setup->program, f32 (setup, 5, 6), NULL, NULL, 4, 1e-5f, FALSE);
}

static void
group_sums_of_other_blocks (Setup *setup)
{
  zim_program_group_sums (setup->program, f32 (setup, 5, 6), f32 (setup, 1, 6), 2, f32 (setup, 2, 24));
}

static void
group_sums_about_other_shift (Setup *setup)
{
  zim_program_group_sums (setup->program, f32 (setup, 5, 6), f32 (setup, 1, 5), 5, f32 (setup, 1, 24));
}

static void
group_factors_of_other_sums (Setup *setup)
{
  zim_program_group_factors (setup->program, f32 (setup, 1, 20), f32 (setup, 1, 6), NULL, NULL, 3, 1e-5f, 5);
}

static void
group_norm_by_other_factors (Setup *setup)
{
  zim_program_group_apply (setup->program, f32 (setup, 5, 6), f32 (setup, 3, 5), FALSE);
}

static void
group_norm_of_no_groups (Setup *setup)
{
  zim_program_group_norm (setup->program, f32 (setup, 5, 6), NULL, NULL, 0, 1e-5f, FALSE);
}

static void
group_norm_with_other_weight (Setup *setup)
{
  zim_program_group_norm (setup->program, f32 (setup, 5, 6), vector (setup, 5), vector (setup, 6), 3, 1e-5f, FALSE);
}

static void
group_norm_with_other_bias (Setup *setup)
{
  zim_program_group_norm (setup->program, f32 (setup, 5, 6), vector (setup, 6), vector (setup, 1), 3, 1e-5f, FALSE);
}

static void
rope_of_parts (Setup *setup)
{
  zim_program_rope (setup->program, f32 (setup, 5, 6), f32 (setup, 5, 2), f32 (setup, 5, 2), 4, TRUE);
}

static void
rope_of_odd_heads (Setup *setup)
{
  zim_program_rope (setup->program, f32 (setup, 5, 6), f32 (setup, 5, 1), f32 (setup, 5, 1), 3, TRUE);
}

static void
rope_of_no_heads (Setup *setup)
{
  zim_program_rope (setup->program, f32 (setup, 5, 6), f32 (setup, 5, 1), f32 (setup, 5, 1), 0, TRUE);
}

static void
rope_with_other_tables (Setup *setup)
{
  zim_program_rope (setup->program, f32 (setup, 5, 8), f32 (setup, 5, 2), f32 (setup, 4, 2), 4, TRUE);
}

static void
rope_by_ids (Setup *setup)
{
  zim_program_rope (setup->program, f32 (setup, 5, 8), f32 (setup, 5, 1), setup_ids (setup, 5, 3), 2, TRUE);
}

static void
attention_of_uneven_heads (Setup *setup)
{
  zim_program_attention (setup->program, f32 (setup, 5, 12), f32 (setup, 5, 8), f32 (setup, 5, 8), 3, 2, 4, FALSE,
                         NULL, 0);
}

static void
attention_of_no_key_heads (Setup *setup)
{
  zim_program_attention (setup->program, f32 (setup, 5, 12), f32 (setup, 5, 8), f32 (setup, 5, 8), 3, 0, 4, FALSE,
                         NULL, 0);
}

static void
attention_with_other_q (Setup *setup)
{
  zim_program_attention (setup->program, f32 (setup, 5, 9), f32 (setup, 5, 8), f32 (setup, 5, 8), 2, 2, 4, FALSE,
                         NULL, 0);
}

static void
attention_with_other_k (Setup *setup)
{
  zim_program_attention (setup->program, f32 (setup, 5, 8), f32 (setup, 4, 8), f32 (setup, 5, 8), 2, 2, 4, FALSE,
                         NULL, 0);
}

static void
attention_with_other_v (Setup *setup)
{
  zim_program_attention (setup->program, f32 (setup, 5, 8), f32 (setup, 5, 8), f32 (setup, 5, 4), 2, 2, 4, FALSE,
                         NULL, 0);
}

static void
attention_of_ids (Setup *setup)
{
  zim_program_attention (setup->program, f32 (setup, 5, 1), setup_ids (setup, 5, 3), f32 (setup, 5, 1), 1, 1, 1, FALSE,
                         NULL, 0);
}

static void
attention_of_some_rows (Setup *setup)
{
  const ZimRange range = { 0, 6, 0 };

  zim_program_attention (setup->program, f32 (setup, 5, 8), f32 (setup, 5, 8), f32 (setup, 5, 8), 2, 2, 4, FALSE,
                         &range, 1);
}

static void
swiglu_of_different (Setup *setup)
{
  zim_program_swiglu (setup->program, f32 (setup, 5, 6), f32 (setup, 5, 7));
}

static void
add_of_different (Setup *setup)
{
  zim_program_add (setup->program, f32 (setup, 5, 6), f32 (setup, 4, 6));
}

static void
add_of_ids (Setup *setup)
{
  zim_program_add (setup->program, f32 (setup, 5, 1), setup_ids (setup, 5, 3));
}

static void
silu_of_ids (Setup *setup)
{
  zim_program_silu (setup->program, setup_ids (setup, 5, 3));
}

static void
tanh_of_ids (Setup *setup)
{
  zim_program_tanh (setup->program, setup_ids (setup, 5, 3));
}

static void
affine_of_ids (Setup *setup)
{
  zim_program_affine (setup->program, setup_ids (setup, 5, 3), 2, 1);
}

static const ZimWeight *
filter (Setup  *setup,
        gint64  out,
        gint64  in,
        gint64  height,
        gint64  width)
{
  return setup_weight (setup, ZIM_DTYPE_F32, 0, 1, 4, (const gint64[]) { out, in, height, width });
}

static void
conv_of_other_channels (Setup *setup)
{
  zim_program_conv2d (setup->program, f32 (setup, 20, 6), filter (setup, 7, 5, 3, 3), NULL, 4, 5, 1, 1, FALSE);
}

static void
conv_of_other_size (Setup *setup)
{
  zim_program_conv2d (setup->program, f32 (setup, 20, 6), filter (setup, 7, 6, 3, 3), NULL, 4, 6, 1, 1, FALSE);
}

static void
conv_by_oblong (Setup *setup)
{
  zim_program_conv2d (setup->program, f32 (setup, 20, 6), filter (setup, 7, 6, 3, 1), NULL, 4, 5, 1, 1, FALSE);
}

static void
conv_by_matrix (Setup *setup)
{
  zim_program_conv2d (setup->program, f32 (setup, 20, 6), matrix (setup, 7, 6), NULL, 4, 5, 1, 1, FALSE);
}

static void
conv_with_other_bias (Setup *setup)
{
  zim_program_conv2d (setup->program, f32 (setup, 20, 6), filter (setup, 7, 6, 3, 3), vector (setup, 6), 4, 5, 1,
                      1, FALSE);
}

static void
conv_band_of_broken_rows (Setup *setup)
{
  zim_program_conv2d_band (setup->program, f32 (setup, 14, 6), filter (setup, 7, 6, 3, 3), NULL, 4, 5, 1, 1, FALSE, 0,
                           0, 2);
}

static void
conv_band_beyond_the_end (Setup *setup)
{
  zim_program_conv2d_band (setup->program, f32 (setup, 20, 6), filter (setup, 7, 6, 3, 3), NULL, 4, 5, 1, 1, FALSE, 0,
                           3, 2);
}

/* Row 2 reads row 3, which is not there. */
static void
conv_band_of_too_few_rows (Setup *setup)
{
  zim_program_conv2d_band (setup->program, f32 (setup, 10, 6), filter (setup, 7, 6, 3, 3), NULL, 4, 5, 1, 1, FALSE, 1,
                           2, 1);
}

static void
conv_without_stride (Setup *setup)
{
  zim_program_conv2d (setup->program, f32 (setup, 20, 6), filter (setup, 7, 6, 3, 3), NULL, 4, 5, 0, 1, FALSE);
}

static void
repeat_no_times (Setup *setup)
{
  zim_program_repeat_row (setup->program, vector (setup, 6), 0);
}

static void
copy_to_other_shape (Setup *setup)
{
  zim_program_copy_to (setup->program, f32 (setup, 5, 6), zim_program_empty (setup->program, 6, 5));
}

static void
copy_to_input (Setup *setup)
{
  zim_program_copy_to (setup->program, f32 (setup, 5, 6), f32 (setup, 5, 6));
}

static void
copy_to_ids (Setup *setup)
{
  zim_program_copy_to (setup->program, f32 (setup, 5, 1), setup_ids (setup, 5, 3));
}

static void
permute_to_other_size (Setup *setup)
{
  zim_program_permute (setup->program, f32 (setup, 5, 6), 2, (const gint64[]) { 5, 6 }, (const guint[]) { 1, 0 }, 6, 4);
}

static void
permute_of_other_size (Setup *setup)
{
  zim_program_permute (setup->program, f32 (setup, 5, 6), 2, (const gint64[]) { 5, 7 }, (const guint[]) { 1, 0 }, 6, 5);
}

static void
permute_twice_the_same (Setup *setup)
{
  zim_program_permute (setup->program, f32 (setup, 5, 6), 2, (const gint64[]) { 5, 6 }, (const guint[]) { 1, 1 }, 6, 5);
}

static void
permute_beyond_dimensions (Setup *setup)
{
  zim_program_permute (setup->program, f32 (setup, 5, 6), 2, (const gint64[]) { 5, 6 }, (const guint[]) { 1, 99 },
                       6, 5);
}

static void
permute_too_many_dimensions (Setup *setup)
{
  zim_program_permute (setup->program, f32 (setup, 5, 6), 6, (const gint64[]) { 5, 1, 2, 1, 3, 1 },
                       (const guint[]) { 5, 4, 3, 2, 1, 0 }, 6, 5);
}

static void
permute_of_columns (Setup *setup)
{
  zim_program_permute (setup->program, zim_program_cols (setup->program, f32 (setup, 5, 9), 0, 6), 2,
                       (const gint64[]) { 5, 6 }, (const guint[]) { 1, 0 }, 6, 5);
}

static void
rows_beyond (Setup *setup)
{
  zim_program_silu (setup->program, zim_program_rows (setup->program, f32 (setup, 5, 6), 3, 3));
}

static void
rows_before (Setup *setup)
{
  zim_program_silu (setup->program, zim_program_rows (setup->program, f32 (setup, 5, 6), -1, 3));
}

static void
cols_beyond (Setup *setup)
{
  zim_program_silu (setup->program, zim_program_cols (setup->program, f32 (setup, 5, 6), 6, 1));
}

static void
no_cols (Setup *setup)
{
  zim_program_silu (setup->program, zim_program_cols (setup->program, f32 (setup, 5, 6), 2, 0));
}

static void
no_rows (Setup *setup)
{
  zim_program_silu (setup->program, zim_program_empty (setup->program, 0, 6));
}

static const Mistake mistakes[] = {
  { "embed/numbers", embed_of_numbers, { "embed", "F32 [5, 1]", "I32 [n, 1]" } },
  { "embed/pairs", embed_of_pairs, { "embed", "[5, 2]", "I32 [n, 1]" } },
  { "embed/vector", embed_in_vector, { "embed", "1 dimension", "2" } },
  { "linear/width", linear_of_other_width, { "linear", "[3, 5]", "[out, 6]" } },
  { "linear/vector", linear_by_vector, { "linear", "[6]", "[out, 6]" } },
  { "linear/bias", linear_with_other_bias, { "linear", "[6]", "[7]" } },
  { "linear/nothing", linear_of_nothing, { "linear", "[5, 0]", "" } },
  { "linear/ids", linear_of_ids, { "linear", "I32", "F32" } },
  { "rms_norm/parts", rms_norm_of_parts, { "rms_norm", "[5, 6]", "4" } },
  { "rms_norm/weight", rms_norm_with_other_weight, { "rms_norm", "[6]", "[3]" } },
  { "rms_norm/scale", rms_norm_with_other_scale, { "rms_norm", "[1, 7]", "[samples, 6]" } },
  { "rms_norm/scale-of-ids", rms_norm_with_ids_for_scale, { "rms_norm", "I32", "F32" } },
  { "layer_norm/scale", layer_norm_with_other_scale, { "layer_norm", "[1, 3]", "[samples, 6]" } },
  { "layer_norm/some-rows", layer_norm_of_some_rows, { "layer_norm", "4 of 5 rows", "" } },
  { "layer_norm/gap", layer_norm_with_a_gap, { "layer_norm", "starts at row 3", "2" } },
  { "layer_norm/sample", layer_norm_of_no_sample, { "layer_norm", "sample 2", "of 2" } },
  { "layer_norm/empty-range", layer_norm_with_empty_range, { "layer_norm", "range 1", "" } },
  { "group_norm/parts", group_norm_of_parts, { "group_norm", "[5, 6]", "4 groups" } },
  { "group_sums/blocks", group_sums_of_other_blocks, { "[5, 6]", "blocks of 2", "[2, 24]" } },
  { "group_sums/shift", group_sums_about_other_shift, { "group_sums", "[1, 5]", "[1, 6]" } },
  { "group_factors/sums", group_factors_of_other_sums, { "group_factors", "[1, 20]", "[1, 6]" } },
  { "group_norm/factors", group_norm_by_other_factors, { "group_norm", "[3, 5]", "[3, 6]" } },
  { "group_norm/no-groups", group_norm_of_no_groups, { "group_norm", "[5, 6]", "0 groups" } },
  { "group_norm/weight", group_norm_with_other_weight, { "group_norm", "[5]", "[6]" } },
  { "group_norm/bias", group_norm_with_other_bias, { "group_norm", "[1]", "[6]" } },
  { "rope/parts", rope_of_parts, { "rope", "[5, 6]", "4" } },
  { "rope/odd-heads", rope_of_odd_heads, { "rope", "[5, 6]", "3" } },
  { "rope/no-heads", rope_of_no_heads, { "rope", "[5, 6]", "0" } },
  { "rope/tables", rope_with_other_tables, { "rope", "[4, 2]", "[5, 2]" } },
  { "rope/ids", rope_by_ids, { "rope", "I32", "F32" } },
  { "attention/uneven-heads", attention_of_uneven_heads, { "attention", "3 heads", "2 key heads" } },
  { "attention/no-key-heads", attention_of_no_key_heads, { "attention", "3 heads", "0 key heads" } },
  { "attention/q", attention_with_other_q, { "attention", "[5, 9]", "2 heads of 4" } },
  { "attention/k", attention_with_other_k, { "attention", "[4, 8]", "[5, 8]" } },
  { "attention/v", attention_with_other_v, { "attention", "[5, 4]", "[5, 8]" } },
  { "attention/ids", attention_of_ids, { "attention", "I32", "F32" } },
  { "attention/ranges", attention_of_some_rows, { "attention", "6 of 5 rows", "" } },
  { "swiglu/different", swiglu_of_different, { "swiglu", "[5, 6]", "[5, 7]" } },
  { "add/different", add_of_different, { "add", "[5, 6]", "[4, 6]" } },
  { "add/ids", add_of_ids, { "add", "I32", "F32" } },
  { "silu/ids", silu_of_ids, { "silu", "I32", "F32" } },
  { "tanh/ids", tanh_of_ids, { "tanh", "I32", "F32" } },
  { "affine/ids", affine_of_ids, { "affine", "I32", "F32" } },
  { "conv2d/channels", conv_of_other_channels, { "conv2d", "[7, 5, 3, 3]", "[out, 6, k, k]" } },
  { "conv2d/size", conv_of_other_size, { "conv2d", "[20, 6]", "4 by 6" } },
  { "conv2d/oblong", conv_by_oblong, { "conv2d", "[7, 6, 3, 1]", "[out, 6, k, k]" } },
  { "conv2d/matrix", conv_by_matrix, { "conv2d", "[7, 6]", "[out, 6, k, k]" } },
  { "conv2d/bias", conv_with_other_bias, { "conv2d", "[6]", "[7]" } },
  { "conv2d/band-broken", conv_band_of_broken_rows, { "conv2d", "[14, 6]", "rows of 5 pixels" } },
  { "conv2d/band-end", conv_band_beyond_the_end, { "conv2d", "rows 3 to 5", "of 4" } },
  { "conv2d/band-few", conv_band_of_too_few_rows, { "[10, 6]", "1 to 3", "1 to 4" } },
  { "conv2d/stride", conv_without_stride, { "conv2d", "[20, 6]", "stride of 0" } },
  { "repeat_row/no-times", repeat_no_times, { "repeat_row", "[0, 6]", "" } },
  { "copy/shape", copy_to_other_shape, { "copy", "[5, 6]", "[6, 5]" } },
  { "copy/input", copy_to_input, { "copy", "input", "" } },
  { "copy/ids", copy_to_ids, { "copy", "I32", "F32" } },
  { "permute/result", permute_to_other_size, { "permute", "[5, 6]", "[6, 4]" } },
  { "permute/source", permute_of_other_size, { "permute", "[5, 6]", "35 elements" } },
  { "permute/order", permute_twice_the_same, { "permute", "[5, 6]", "[6, 5]" } },
  { "permute/order-beyond", permute_beyond_dimensions, { "permute", "[5, 6]", "[6, 5]" } },
  { "permute/dimensions", permute_too_many_dimensions, { "permute", "[5, 6]", "6 dimensions" } },
  { "permute/columns", permute_of_columns, { "permute", "[5, 6]", "[6, 5]" } },
  { "rows/beyond", rows_beyond, { "rows 3 to 6", "[5, 6]", "" } },
  { "rows/before", rows_before, { "rows -1 to 2", "[5, 6]", "" } },
  { "cols/beyond", cols_beyond, { "columns 6 to 7", "[5, 6]", "" } },
  { "cols/none", no_cols, { "columns 2 to 2", "[5, 6]", "" } },
  { "empty/no-rows", no_rows, { "silu", "[0, 6]", "" } },
};

static void
test_mistake (gconstpointer data)
{
  const Mistake *mistake = data;
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(GError) error = NULL;
  g_autofree char *text = NULL;
  ZimExecutable *executable;

  setup_begin (setup, any_backend ());
  zim_program_silu (setup->program, f32 (setup, 3, 4));
  g_assert_no_error (zim_program_get_error (setup->program));
  mistake->record (setup);
  g_assert_error (zim_program_get_error (setup->program), ZIM_ERROR, ZIM_ERROR_BAD_SHAPE);
  /* What comes after is recorded, and its mistakes are not the first. */
  zim_program_add (setup->program, f32 (setup, 3, 4), f32 (setup, 17, 19));
  text = zim_program_print (setup->program);
  g_assert_nonnull (strstr (text, "= add ("));

  executable = zim_backend_compile (setup->backend, setup->program, ZIM_PRECISION_F32, &error);
  g_assert_null (executable);
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_BAD_SHAPE);
  g_assert_nonnull (strstr (error->message, "Program “test”"));
  g_test_message ("%s", error->message);
  for (guint i = 0; i < G_N_ELEMENTS (mistake->texts); i++)
    g_assert_nonnull (strstr (error->message, mistake->texts[i]));
  g_assert_null (strstr (error->message, "[17, 19]"));
}

/* What is recorded */

static const ZimOp *
last_op (Setup *setup)
{
  GPtrArray *ops = zim_program_get_ops (setup->program);

  return g_ptr_array_index (ops, ops->len - 1);
}

static void
assert_result (Setup     *setup,
               ZimTensor *out,
               ZimOpKind  kind,
               gint64     rows,
               gint64     cols)
{
  const ZimOp *op = last_op (setup);

  g_assert_no_error (zim_program_get_error (setup->program));
  g_assert_cmpint (op->kind, ==, kind);
  g_assert_true (op->out == out);
  g_assert_cmpint (out->rows, ==, rows);
  g_assert_cmpint (out->cols, ==, cols);
  g_assert_cmpint (out->stride, ==, cols);
  g_assert_cmpint (out->dtype, ==, ZIM_DTYPE_F32);
  g_assert_cmpint (out->place, ==, ZIM_PLACE_TEMPORARY);
}

static void
test_records_linear (void)
{
  g_autoptr(Setup) setup = setup_new ();
  const ZimWeight *weights[3], *biases[3] = { NULL };
  ZimTensor *x, *y;

  setup_begin (setup, any_backend ());
  x = f32 (setup, 5, 6);
  for (guint i = 0; i < 3; i++)
    weights[i] = matrix (setup, 7 + i, 6);
  biases[1] = vector (setup, 8);
  y = zim_program_linear (setup->program, x, weights, biases, 3, 0.25f);
  assert_result (setup, y, ZIM_OP_LINEAR, 5, 24);
  g_assert_true (last_op (setup)->sources[0] == x);
  g_assert_cmpuint (last_op (setup)->linear.n_weights, ==, 3);
  g_assert_cmpfloat (last_op (setup)->linear.operand_scale, ==, 0.25);
  /* The lists are the program's own. */
  g_assert_true (last_op (setup)->linear.weights[2] == weights[2]);
  weights[2] = biases[1] = NULL;
  g_assert_nonnull (last_op (setup)->linear.weights[2]);
  g_assert_nonnull (last_op (setup)->linear.biases[1]);
  g_assert_null (last_op (setup)->linear.biases[0]);
  g_assert_cmpfloat (zim_program_get_flops (setup->program), ==, 2 * 5 * 6 * 24);
}

static void
test_records_attention (void)
{
  const ZimRange ranges[] = { { 0, 3, 0 }, { 3, 2, 0 } };
  g_autoptr(Setup) setup = setup_new ();
  ZimTensor *y;

  setup_begin (setup, any_backend ());
  y = zim_program_attention (setup->program, f32 (setup, 5, 32), f32 (setup, 5, 16), f32 (setup, 5, 16), 4, 2, 8, FALSE,
                             ranges, 2);
  assert_result (setup, y, ZIM_OP_ATTENTION, 5, 32);
  g_assert_cmpuint (last_op (setup)->n_ranges, ==, 2);
  g_assert_cmpint (last_op (setup)->ranges[1].start, ==, 3);
  g_assert_cmpfloat (zim_program_get_flops (setup->program), ==, 4 * (9 + 4) * 32);
  y = zim_program_attention (setup->program, f32 (setup, 5, 8), f32 (setup, 5, 8), f32 (setup, 5, 8), 1, 1, 8, TRUE,
                             NULL, 0);
  assert_result (setup, y, ZIM_OP_ATTENTION, 5, 8);
  g_assert_cmpuint (last_op (setup)->n_ranges, ==, 1);
  g_assert_cmpint (last_op (setup)->ranges[0].length, ==, 5);
  g_assert_true (last_op (setup)->attention.causal);
}

/* Sides of convolutions, and what they cost */
static void
test_records_conv (void)
{
  static const struct {
    gint64   kernel, height, width, out_height, out_width;
    guint    stride, pad;
    gboolean upsample;
  } cases[] = {
    { 3, 4, 5, 4, 5, 1, 1, FALSE },
    { 3, 4, 5, 8, 10, 1, 1, TRUE },
    { 3, 4, 6, 2, 3, 2, 0, FALSE },
    { 3, 5, 7, 3, 4, 2, 0, FALSE },
    { 1, 4, 5, 4, 5, 1, 0, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(Setup) setup = setup_new ();
      gint64 k = cases[i].kernel;
      ZimTensor *y;

      setup_begin (setup, any_backend ());
      y = zim_program_conv2d (setup->program, f32 (setup, cases[i].height * cases[i].width, 6),
                              filter (setup, 7, 6, k, k), NULL,
                              cases[i].height, cases[i].width, cases[i].stride, cases[i].pad, cases[i].upsample);
      assert_result (setup, y, ZIM_OP_CONV2D, cases[i].out_height * cases[i].out_width, 7);
      g_assert_cmpint (last_op (setup)->conv.out_height, ==, cases[i].out_height);
      g_assert_cmpint (last_op (setup)->conv.out_width, ==, cases[i].out_width);
      g_assert_cmpfloat (zim_program_get_flops (setup->program), ==, 2.0 * y->rows * 7 * 6 * k * k);
    }
}

static void
test_records_parts (void)
{
  g_autoptr(Setup) setup = setup_new ();
  ZimTensor *x, *part;

  setup_begin (setup, any_backend ());
  x = f32 (setup, 10, 20);
  part = zim_program_cols (setup->program, zim_program_rows (setup->program, x, 2, 6), 5, 8);
  part = zim_program_rows (setup->program, part, 1, 3);
  g_assert_true (part->base == x);
  g_assert_cmpint (part->offset, ==, 3 * 20 + 5);
  g_assert_cmpint (part->stride, ==, 20);
  g_assert_cmpint (part->rows, ==, 3);
  g_assert_cmpint (part->cols, ==, 8);
  g_assert_false (zim_tensor_is_contiguous (part));
  g_assert_true (zim_tensor_is_contiguous (zim_program_rows (setup->program, x, 3, 4)));
}

static void
test_print (void)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autofree char *text = NULL;
  ZimTensor *x;

  setup_begin (setup, any_backend ());
  zim_program_set_keep_named (setup->program, TRUE);
  x = zim_program_silu (setup->program, zim_program_cols (setup->program, f32 (setup, 3, 4), 1, 2));
  zim_program_name (setup->program, x, "layer %d", 7);
  text = zim_program_print (setup->program);
  g_assert_cmpstr (text, ==,
                   "program “test”, 0 GFLOP\n"
                   "  %2 [3, 2] output “layer 7” = silu (%0 [3, 2]+1 input)\n");
}

/* States */

/* One program writes a state that another adds to; it stays between runs, and in a third program. */
static void
test_states (void)
{
  ZimBackend *backend = any_backend ();
  g_autoptr(ZimState) state = zim_state_new (backend, ZIM_DTYPE_F32, 2, 3, NULL);
  g_autoptr(ZimProgram) add = zim_program_new ("add"), read = zim_program_new ("read");
  g_autoptr(ZimExecutable) adding = NULL;
  g_autoptr(ZimExecutable) reading = NULL;
  static const float start[6] = { 1, 2, 3, 4, 5, 6 };
  float step[3] = { 10, 20, 30 }, result[3];
  ZimTensor *x = zim_program_input (add, "x", ZIM_DTYPE_F32, 1, 3), *s = zim_program_state (add, "s", state);
  ZimTensor *row, *out;

  row = zim_program_rows (add, s, 1, 1);
  zim_program_copy_to (add, zim_program_add (add, row, x), row);
  adding = zim_backend_compile (backend, add, ZIM_PRECISION_F32, NULL);

  out = zim_program_affine (read, zim_program_rows (read, zim_program_state (read, "s", state), 1, 1), 2, 0);
  zim_program_output (read, out, "out");
  reading = zim_backend_compile (backend, read, ZIM_PRECISION_F32, NULL);

  zim_state_write (state, start);
  for (guint i = 1; i < 4; i++)
    {
      g_assert_true (zim_executable_run (adding, &(ZimBinding) { x, step }, 1, NULL, NULL));
      g_assert_true (zim_executable_run (reading, &(ZimBinding) { out, result }, 1, NULL, NULL));
      g_assert_cmpfloat (result[0], ==, 2 * (4 + 10 * i));
      g_assert_cmpfloat (result[2], ==, 2 * (6 + 30 * i));
    }
}

/* New states are zero. */
static void
test_state_starts_empty (void)
{
  ZimBackend *backend = any_backend ();
  g_autoptr(ZimState) state = zim_state_new (backend, ZIM_DTYPE_F32, 50, 30, NULL);
  g_autoptr(ZimProgram) program = zim_program_new ("read");
  g_autoptr(ZimExecutable) executable = NULL;
  g_autofree float *result = g_new (float, 1500);
  ZimTensor *out = zim_program_affine (program, zim_program_state (program, "s", state), 1, 0);

  zim_program_output (program, out, "out");
  executable = zim_backend_compile (backend, program, ZIM_PRECISION_F32, NULL);
  g_assert_true (zim_executable_run (executable, &(ZimBinding) { out, result }, 1, NULL, NULL));
  for (guint i = 0; i < 1500; i++)
    g_assert_cmpfloat (result[i], ==, 0);
}

/* An executable keeps its program and its backend. */
static void
test_lifetimes (void)
{
  ZimBackend *backend = devices_get (&(guint) { 0 })->open ("portable", 2);
  ZimProgram *program = zim_program_new ("program");
  ZimTensor *x = zim_program_input (program, "x", ZIM_DTYPE_F32, 1, 1), *y = zim_program_affine (program, x, 2, 1);
  ZimExecutable *executable;
  float in = 3, out = 0;
  ZimBinding bindings[] = { { x, &in }, { y, &out } };

  zim_program_output (program, y, "y");
  executable = zim_backend_compile (backend, program, ZIM_PRECISION_F32, NULL);
  g_object_add_weak_pointer (G_OBJECT (backend), (gpointer *) &backend);
  g_object_unref (backend);
  zim_program_unref (program);
  g_assert_nonnull (backend);
  g_assert_true (zim_executable_run (executable, bindings, 2, NULL, NULL));
  g_assert_cmpfloat (out, ==, 7);
  g_assert_cmpstr (zim_program_get_name (zim_executable_get_program (executable)), ==, "program");
  g_assert_finalize_object (executable);
  g_assert_null (backend);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (mistakes); i++)
    {
      g_autofree char *path = g_strconcat ("/program/mistakes/", mistakes[i].name, NULL);

      g_test_add_data_func (path, &mistakes[i], test_mistake);
    }
  g_test_add_func ("/program/records/linear", test_records_linear);
  g_test_add_func ("/program/records/attention", test_records_attention);
  g_test_add_func ("/program/records/conv2d", test_records_conv);
  g_test_add_func ("/program/records/parts", test_records_parts);
  g_test_add_func ("/program/print", test_print);
  g_test_add_func ("/program/states/between-programs", test_states);
  g_test_add_func ("/program/states/start-empty", test_state_starts_empty);
  g_test_add_func ("/program/lifetimes", test_lifetimes);
  status = g_test_run ();
  devices_shutdown ();
  return status;
}
