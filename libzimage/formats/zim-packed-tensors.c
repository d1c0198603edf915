/* zim-packed-tensors.c: weights that a store's files keep as bytes or as words
 *
 * GGUF's blocks are U8 [rows, bytes of a row], their type and shape being the list's. Ollama's INT4 and INT8 are U32
 * [rows, columns · bits / 32], lowest bits first, with scales and biases in BF16 [rows, groups]:
 *
 *   together      one file with the tensors X, X.scale and X.bias, and quant_type and group_size in its metadata
 *   apart         before February 2026: the files X, X_scale and X_qbias; groups were of 32
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-checkpoint-internal.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

#define EARLY_GROUP 32

static gboolean
fail_shape (const char       *path,
            const ZimWeight  *found,
            guint             n_dims,
            const gint64     *dims,
            GError          **error)
{
  g_autofree char *shape = zim_shape_to_string (found->n_dims, found->dims);
  g_autofree char *expected = zim_shape_to_string (n_dims, dims);

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: Tensor “%s” has shape %s, expected %s"),
               path, found->name, shape, expected);
  return FALSE;
}

static gboolean
has_shape (const ZimWeight *weight,
           guint            n_dims,
           const gint64    *dims)
{
  return weight->n_dims == n_dims && memcmp (weight->dims, dims, n_dims * sizeof *dims) == 0;
}

/* Blocks */

static gboolean
unpack_blocks (const ZimWeight          *bytes,
               const ZimCheckpointBlob  *blob,
               ZimDType                  dtype,
               ZimWeight                *weight,
               GError                  **error)
{
  gint64 dims[ZIM_MAX_DIMS], cols = blob->n_dims > 0 ? blob->dims[blob->n_dims - 1] : 0;

  if (cols == 0 || cols % (gint64) zim_dtype_block_elements (dtype) != 0)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                   _("%s: Tensor “%s” is said to have rows of %lld values, which are no whole blocks "
                     "of %s"), blob->path, blob->name, (long long) cols, zim_dtype_name (dtype));
      return FALSE;
    }
  memcpy (dims, blob->dims, blob->n_dims * sizeof *dims);
  dims[blob->n_dims - 1] = (gint64) zim_dtype_row_size (dtype, (gsize) cols);
  if (!has_shape (bytes, blob->n_dims, dims))
    return fail_shape (blob->path, bytes, blob->n_dims, dims, error);
  *weight = *bytes;
  weight->dtype = dtype;
  memcpy (weight->dims, blob->dims, blob->n_dims * sizeof *dims);
  return TRUE;
}

/* INT4 and INT8 */

static gboolean
check_values (const char       *path,
              const ZimWeight  *values,
              gboolean          is_bf16,
              gint64            rows,
              gint64            groups,
              GError          **error)
{
  const gint64 dims[] = { rows, groups };

  if (!is_bf16)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: Tensor “%s” is not of type %s"),
                   path, values->name, "BF16");
      return FALSE;
    }
  return has_shape (values, 2, dims) || fail_shape (path, values, 2, dims, error);
}

/* words is U32; result keeps its name. */
static gboolean
unpack_affine (const char       *path,
               const ZimWeight  *words,
               const ZimWeight  *scales,
               const ZimWeight  *biases,
               gboolean          are_bf16,
               gint64            bits,
               gint64            group,
               ZimWeight        *result,
               GError          **error)
{
  gint64 rows = words->dims[0], cols = words->n_dims == 2 ? words->dims[1] * 32 / bits : 0;

  if (cols == 0 || cols % group != 0)
    {
      g_autofree char *shape = zim_shape_to_string (words->n_dims, words->dims);

      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE,
                   _("%s: Tensor “%s” has shape %s, which is no matrix of groups of %lld values with %lld bits"),
                   path, words->name, shape, (long long) group, (long long) bits);
      return FALSE;
    }
  if (!check_values (path, scales, are_bf16, rows, cols / group, error) ||
      !check_values (path, biases, are_bf16, rows, cols / group, error))
    return FALSE;
  *result = *words;
  result->dtype = bits == 4 ? ZIM_DTYPE_INT4 : ZIM_DTYPE_INT8;
  result->dims[1] = cols;
  result->scales = scales->data;
  result->biases = biases->data;
  result->group = (gsize) group;
  return TRUE;
}

/* Together */

static gboolean
fail_missing (const ZimCheckpointBlob  *blob,
              const char               *name,
              const char               *type,
              GError                  **error)
{
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: “%s” has no tensor “%s” of type %s"),
               blob->path, blob->name, name, type);
  return FALSE;
}

static gboolean
read_metadata (ZimSafetensors           *file,
               const ZimCheckpointBlob  *blob,
               const char               *type,
               gint64                   *bits,
               gint64                   *group,
               GError                  **error)
{
  const char *size = zim_safetensors_get_metadata (file, "group_size");

  *bits = g_ascii_strcasecmp (type, "int4") == 0 ? 4 : 8;
  if (*bits == 8 && g_ascii_strcasecmp (type, "int8") != 0)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
                   _("%s: Tensor “%s” is quantized to “%s”, supported are “int4” and “int8”"),
                   blob->path, blob->name, type);
      return FALSE;
    }
  if (size != NULL && g_ascii_string_to_signed (size, 10, 8, 1 << 16, group, NULL))
    return TRUE;
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("%s: Tensor “%s” has the group size “%s”, expected a number"),
               blob->path, blob->name, size != NULL ? size : "");
  return FALSE;
}

static gboolean
unpack_together (ZimSafetensors           *file,
                 const ZimCheckpointBlob  *blob,
                 const char               *name,
                 const char               *type,
                 ZimWeight                *weight,
                 GError                  **error)
{
  const ZimTensorSet *set = zim_safetensors_get_set (file);
  const char *words_type = g_hash_table_lookup (set->foreign, name);
  g_autofree char *scale = g_strconcat (name, ".scale", NULL);
  g_autofree char *bias = g_strconcat (name, ".bias", NULL);
  const ZimWeight *scales = zim_tensor_set_lookup (set, scale), *biases = zim_tensor_set_lookup (set, bias);
  gint64 bits, group;

  if (!read_metadata (file, blob, type, &bits, &group, error))
    return FALSE;
  if (g_strcmp0 (words_type, "U32") != 0)
    return fail_missing (blob, name, "U32", error);
  if (scales == NULL || biases == NULL)
    return fail_missing (blob, scales == NULL ? scale : bias, "BF16", error);
  return unpack_affine (blob->path, g_hash_table_lookup (set->others, name), scales, biases,
                        scales->dtype == ZIM_DTYPE_BF16 && biases->dtype == ZIM_DTYPE_BF16, bits, group,
                        weight, error);
}

gboolean
_zim_checkpoint_unpack (ZimSafetensors           *file,
                        const ZimCheckpointBlob  *blob,
                        const char               *name,
                        ZimWeight                *weight,
                        gboolean                 *is_packed,
                        GError                  **error)
{
  const ZimTensorSet *set = zim_safetensors_get_set (file);
  const char *type = zim_safetensors_get_metadata (file, "quant_type");
  ZimDType dtype;

  *is_packed = TRUE;
  if (type != NULL)
    return unpack_together (file, blob, name, type, weight, error);
  if (blob->dtype != NULL && blob->has_shape && zim_dtype_from_name (blob->dtype, &dtype) &&
      zim_dtype_block_elements (dtype) > 1 && !zim_dtype_is_affine (dtype))
    {
      if (g_strcmp0 (g_hash_table_lookup (set->foreign, name), "U8") != 0)
        return fail_missing (blob, name, "U8", error);
      return unpack_blocks (g_hash_table_lookup (set->others, name), blob, dtype, weight, error);
    }
  *is_packed = FALSE;
  return TRUE;
}

/* Apart */

gboolean
_zim_checkpoint_unpack_apart (ZimEntry        *entry,
                              const ZimEntry  *scale,
                              const ZimEntry  *bias,
                              GError         **error)
{
  const ZimWeight *words = &entry->weight;
  gint64 groups = scale->weight.n_dims == 2 ? scale->weight.dims[1] : 0;
  gint64 bits = words->n_dims == 2 && groups > 0 ? words->dims[1] / groups : 0;
  gboolean are_bf16 = scale->foreign == NULL && scale->weight.dtype == ZIM_DTYPE_BF16 && bias->foreign == NULL &&
                      bias->weight.dtype == ZIM_DTYPE_BF16;

  /* A group of 32 values is as many words as a value has bits. */
  if ((bits != 4 && bits != 8) || words->dims[1] != bits * groups)
    {
      const gint64 expected[] = { words->dims[0], MAX (1, words->dims[1] / 8) };

      return fail_shape (scale->path, &scale->weight, 2, expected, error);
    }
  entry->foreign = NULL;
  return unpack_affine (entry->path, words, &scale->weight, &bias->weight, are_bf16, bits, EARLY_GROUP,
                        &entry->weight, error);
}
