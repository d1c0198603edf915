/* zim-gguf.c: reading and checking GGUF files
 *
 * Nothing that stands before the tensors' bytes is believed: counts and lengths are bounded by the bytes that there
 * are, types, shapes and places are checked against each other and against the file before a pointer is made.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-gguf-private.h"
#include "formats/zim-json-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

#define MAGIC "GGUF"
#define MAX_DIMS 4
#define DEFAULT_ALIGNMENT 32
#define SHAPE_KEY "comfy.gguf.orig_shape." /* and a tensor's name: the shape that it was stored in another for */

/* The types of values. */
enum {
  VALUE_U32 = 4,
  VALUE_I32 = 5,
  VALUE_STRING = 8,
  VALUE_ARRAY = 9,
};

/* Bytes of a value of each type; 0: it depends. */
static const guint8 value_sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

/* The types of tensors by their numbers: NULL for those that there never were, or that are gone. */
static const char *const tensor_types[] = {
  "F32", "F16", "Q4_0", "Q4_1", NULL, NULL, "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
  "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8", "I16", "I32", "I64",
  "F64", "IQ1_M", "BF16", NULL, NULL, NULL, "TQ1_0", "TQ2_0", NULL, NULL, NULL, "MXFP4", "NVFP4",
};

typedef struct {
  guint32       type;
  guint32       element; /* of an array */
  guint64       n;       /* elements of an array, bytes of a string, else 1 */
  const guint8 *data;
} Value;

struct _ZimGguf {
  gatomicrefcount  ref_count;
  char            *path;
  GBytes          *bytes;  /* keeps the file mapped */
  GStringChunk    *names;  /* of tensors and values */
  GHashTable      *values; /* key → Value */
  ZimTensorSet     set;
};

/* A walk over what stands before the tensors' bytes. Errors are kept as by a JSON reader, the first one alone. */
typedef struct {
  ZimGguf       *self;
  const guint8  *data;
  gsize          size;
  gsize          at;
  ZimJsonReader  fault;
} Reader;

/* A tensor as the file tells it. */
typedef struct {
  ZimWeight   weight; /* without data */
  const char *type;
  gboolean    foreign;
  guint64     offset; /* in the part with the tensors' bytes */
} Info;

/* Bytes */

static const guint8 *
take (Reader     *reader,
      guint64     n,
      const char *what)
{
  if (reader->fault.error != NULL)
    return NULL;
  if (n > reader->size - reader->at)
    {
      zim_json_reader_fail (&reader->fault, ZIM_ERROR_BAD_FILE,
                            _("Truncated, or not a GGUF file: %s of %llu bytes at %zu in a file of %zu"), what,
                            (unsigned long long) n, reader->at, reader->size);
      return NULL;
    }
  reader->at += (gsize) n;
  return reader->data + reader->at - n;
}

/* 0 after an error. */
static guint32
take_u32 (Reader     *reader,
          const char *what)
{
  const guint8 *p = take (reader, sizeof (guint32), what);
  guint32 value = 0;

  if (p != NULL)
    memcpy (&value, p, sizeof value);
  return value;
}

static guint64
take_u64 (Reader     *reader,
          const char *what)
{
  const guint8 *p = take (reader, sizeof (guint64), what);
  guint64 value = 0;

  if (p != NULL)
    memcpy (&value, p, sizeof value);
  return value;
}

/* A key or a tensor's name, kept with the file; NULL after an error. */
static const char *
take_name (Reader     *reader,
           const char *what)
{
  gsize at = reader->at;
  guint64 length = take_u64 (reader, what);
  const char *p = (const char *) take (reader, length, what);

  if (p == NULL)
    return NULL;
  if (length > 0 && length <= G_MAXSSIZE && g_utf8_validate (p, (gssize) length, NULL))
    return g_string_chunk_insert_len (reader->self->names, p, (gssize) length);
  zim_json_reader_fail (&reader->fault, ZIM_ERROR_BAD_FILE, _("%s at %zu is empty or not a text"),
                        what, at);
  return NULL;
}

static void
fail_value (Reader     *reader,
            const char *key,
            const char *what)
{
  g_autofree char *shown = zim_json_shorten (key);

  zim_json_reader_fail (&reader->fault, ZIM_ERROR_BAD_FILE, _("Value “%s”: %s"), shown, what);
}

static void
fail_tensor (Reader     *reader,
             int         code,
             const char *name,
             const char *what)
{
  g_autofree char *shown = zim_json_shorten (name);

  zim_json_reader_fail (&reader->fault, code, _("Tensor “%s”: %s"), shown, what);
}

/* Values */

static void
take_elements (Reader     *reader,
               const char *key,
               Value      *value)
{
  guint size = value->element < G_N_ELEMENTS (value_sizes) ? value_sizes[value->element] : 0;

  value->data = reader->data + reader->at;
  if (value->element == VALUE_ARRAY)
    fail_value (reader, key, _("An array of arrays"));
  else if (value->element >= G_N_ELEMENTS (value_sizes))
    fail_value (reader, key, _("An array of an unknown type"));
  else if (size > 0 && value->n > G_MAXUINT64 / size)
    fail_value (reader, key, _("An array of more elements than a file can have"));
  else if (size > 0)
    take (reader, value->n * size, _("An array"));
  else
    for (guint64 i = 0; i < value->n && reader->fault.error == NULL; i++)
      take (reader, take_u64 (reader, _("A string’s length")), _("A string"));
}

static void
take_value (Reader     *reader,
            const char *key,
            Value      *value)
{
  value->type = take_u32 (reader, _("A value’s type"));
  value->n = 1;
  if (value->type == VALUE_ARRAY)
    {
      value->element = take_u32 (reader, _("An array’s type"));
      value->n = take_u64 (reader, _("An array’s length"));
      if (reader->fault.error == NULL)
        take_elements (reader, key, value);
    }
  else if (value->type == VALUE_STRING)
    {
      value->n = take_u64 (reader, _("A string’s length"));
      value->data = take (reader, value->n, _("A string"));
    }
  else if (value->type < G_N_ELEMENTS (value_sizes))
    value->data = take (reader, value_sizes[value->type], _("A value"));
  else
    fail_value (reader, key, _("An unknown type"));
}

static void
read_values (Reader  *reader,
             guint64  n)
{
  for (guint64 i = 0; i < n && reader->fault.error == NULL; i++)
    {
      const char *key = take_name (reader, _("A value’s key"));
      Value value = { 0 };

      if (key != NULL)
        take_value (reader, key, &value);
      if (reader->fault.error != NULL)
        return;
      if (!g_hash_table_insert (reader->self->values, (char *) key, g_memdup2 (&value, sizeof value)))
        fail_value (reader, key, _("It is there twice"));
    }
}

static const Value *
find_value (ZimGguf    *self,
            const char *key,
            guint32     type,
            guint32     element)
{
  const Value *value = g_hash_table_lookup (self->values, key);

  return value != NULL && value->type == type && value->element == element ? value : NULL;
}

static gsize
read_alignment (Reader *reader)
{
  const char *key = "general.alignment";
  const Value *value = find_value (reader->self, key, VALUE_U32, 0);
  guint32 alignment = DEFAULT_ALIGNMENT;

  if (value != NULL)
    memcpy (&alignment, value->data, sizeof alignment);
  else if (g_hash_table_contains (reader->self->values, key))
    fail_value (reader, key, _("It is not of type u32"));
  if (alignment == 0 || (alignment & (alignment - 1)) != 0)
    fail_value (reader, key, _("It is not a power of 2"));
  return alignment;
}

/* Tensors */

/* Outermost first, as everywhere here. */
static void
take_dims (Reader    *reader,
           ZimWeight *weight)
{
  weight->n_dims = take_u32 (reader, _("A number of dimensions"));
  if (weight->n_dims > MAX_DIMS)
    {
      fail_tensor (reader, ZIM_ERROR_BAD_FILE, weight->name, _("More than four dimensions"));
      return;
    }
  for (guint i = weight->n_dims; i > 0; i--)
    {
      guint64 dim = take_u64 (reader, _("A dimension"));

      weight->dims[i - 1] = (gint64) dim;
      if (reader->fault.error == NULL && (dim == 0 || dim > G_MAXINT64))
        fail_tensor (reader, ZIM_ERROR_BAD_FILE, weight->name, _("A dimension is 0 or beyond all numbers"));
    }
}

static gboolean
multiply (const ZimWeight *weight,
          gint64          *n)
{
  *n = 1;
  for (guint i = 0; i < weight->n_dims; i++)
    if (__builtin_mul_overflow (*n, weight->dims[i], n))
      return FALSE;
  return TRUE;
}

/* FALSE if these are no dimensions. */
static gboolean
read_shape (ZimGgufArray *dims,
            ZimWeight    *shape)
{
  if (dims->n > ZIM_MAX_DIMS)
    return FALSE;
  while (dims->n > 0)
    {
      gint32 dim = zim_gguf_next_int (dims);

      if (dim <= 0)
        return FALSE;
      shape->dims[shape->n_dims++] = dim;
    }
  return TRUE;
}

/* What another program had to store in a shape of its own. */
static void
restore_shape (Reader    *reader,
               ZimWeight *weight)
{
  g_autofree char *key = g_strconcat (SHAPE_KEY, weight->name, NULL);
  ZimWeight shape = { .n_dims = 0 };
  ZimGgufArray dims;
  gint64 n, expected;

  if (!g_hash_table_contains (reader->self->values, key))
    return;
  if (zim_gguf_get_ints (reader->self, key, &dims) && read_shape (&dims, &shape) &&
      multiply (&shape, &n) && multiply (weight, &expected) && n == expected)
    {
      weight->n_dims = shape.n_dims;
      memcpy (weight->dims, shape.dims, sizeof shape.dims);
    }
  else
    {
      fail_value (reader, key, _("It is no shape, in i32, of as many elements as the tensor has"));
    }
}

/* The bytes that the shape asks for: rows of whole blocks. */
static void
count_bytes (Reader    *reader,
             ZimWeight *weight)
{
  gint64 block = (gint64) zim_dtype_block_elements (weight->dtype), cols, n, size;
  g_autofree char *shape = zim_shape_to_string (weight->n_dims, weight->dims);
  g_autofree char *what = NULL;

  cols = weight->n_dims > 0 ? weight->dims[weight->n_dims - 1] : 1;
  if (cols % block != 0)
    {
      what = g_strdup_printf (_("Its shape is %s, but type %s has blocks of %d columns"), shape,
                              zim_dtype_name (weight->dtype), (int) block);
      fail_tensor (reader, ZIM_ERROR_BAD_FILE, weight->name, what);
    }
  else if (!multiply (weight, &n) ||
           __builtin_mul_overflow (n / block, (gint64) zim_dtype_row_size (weight->dtype, (gsize) block), &size))
    {
      what = g_strdup_printf (_("Its shape is %s, more than a file can have"), shape);
      fail_tensor (reader, ZIM_ERROR_BAD_FILE, weight->name, what);
    }
  else
    {
      weight->size = (gsize) size;
    }
}

/* Integers are none of the types here: as weights they would need scales, which GGUF has not. */
static void
read_type (Reader *reader,
           Info   *info)
{
  guint32 id = take_u32 (reader, _("A tensor’s type"));

  if (reader->fault.error != NULL)
    return;
  info->type = id < G_N_ELEMENTS (tensor_types) ? tensor_types[id] : NULL;
  if (info->type == NULL)
    {
      g_autofree char *what = g_strdup_printf (_("Unknown type %u"), id);

      fail_tensor (reader, ZIM_ERROR_BAD_FILE, info->weight.name, what);
      return;
    }
  info->foreign = *info->type == 'I' || !zim_dtype_from_name (info->type, &info->weight.dtype);
}

static void
read_info (Reader *reader,
           Info   *info)
{
  info->weight.name = take_name (reader, _("A tensor’s name"));
  take_dims (reader, &info->weight);
  read_type (reader, info);
  info->offset = take_u64 (reader, _("A tensor’s place"));
  if (reader->fault.error == NULL)
    restore_shape (reader, &info->weight);
  if (reader->fault.error == NULL && !info->foreign)
    count_bytes (reader, &info->weight);
}

static GArray *
read_infos (Reader  *reader,
            guint64  n)
{
  GArray *infos = g_array_new (FALSE, FALSE, sizeof (Info));

  for (guint64 i = 0; i < n && reader->fault.error == NULL; i++)
    {
      Info info = { { NULL, }, };

      read_info (reader, &info);
      g_array_append_val (infos, info);
    }
  return infos;
}

static int
compare_offsets (gconstpointer a,
                 gconstpointer b)
{
  const Info *x = a;
  const Info *y = b;

  if (x->offset != y->offset)
    return x->offset < y->offset ? -1 : 1;
  return x->weight.size < y->weight.size ? -1 : x->weight.size > y->weight.size;
}

/* In the order of their places, each behind the one before and before the end of the file. */
static void
add_tensors (Reader *reader,
             GArray *infos,
             gsize   alignment)
{
  ZimTensorSet *set = &reader->self->set;
  gsize start = reader->at + (-reader->at & (alignment - 1)), payload = reader->size - MIN (start, reader->size);
  guint64 end = 0;

  g_array_sort (infos, compare_offsets);
  for (guint i = 0; i < infos->len && reader->fault.error == NULL; i++)
    {
      Info *info = &g_array_index (infos, Info, i);
      ZimWeight *weight = &info->weight;

      if (zim_tensor_set_has (set, weight->name))
        fail_tensor (reader, ZIM_ERROR_BAD_FILE, weight->name, _("It is there twice"));
      else if (info->offset % alignment != 0)
        fail_tensor (reader, ZIM_ERROR_BAD_FILE, weight->name, _("Its data is not aligned"));
      else if (info->offset > payload || weight->size > payload - info->offset)
        fail_tensor (reader, ZIM_ERROR_BAD_FILE, weight->name, _("Its data ends behind the end of the file"));
      else if (info->offset < end)
        fail_tensor (reader, ZIM_ERROR_BAD_FILE, weight->name, _("Its data overlaps another tensor’s"));
      else if (info->foreign)
        zim_tensor_set_add_foreign (set, weight, info->type);
      else
        {
          weight->data = reader->data + start + info->offset;
          end = info->offset + weight->size;
          zim_tensor_set_add (set, weight);
        }
    }
}

/* Files */

static void
check_version (Reader  *reader,
               guint32  version)
{
  if (version == 2 || version == 3 || reader->fault.error != NULL)
    return;
  if (GUINT32_SWAP_LE_BE (version) == 2 || GUINT32_SWAP_LE_BE (version) == 3)
    zim_json_reader_fail (&reader->fault, ZIM_ERROR_UNSUPPORTED, _("A GGUF file for big-endian machines"));
  else
    zim_json_reader_fail (&reader->fault, ZIM_ERROR_UNSUPPORTED, _("GGUF of version %u, supported are 2 and 3"),
                          version);
}

static void
load (Reader *reader)
{
  const guint8 *magic = take (reader, strlen (MAGIC), _("A header"));
  guint64 n_tensors, n_values;
  g_autoptr(GArray) infos = NULL;
  gsize alignment;

  if (magic != NULL && memcmp (magic, MAGIC, strlen (MAGIC)) != 0)
    zim_json_reader_fail (&reader->fault, ZIM_ERROR_BAD_FILE, _("Not a GGUF file"));
  check_version (reader, take_u32 (reader, _("A header")));
  n_tensors = take_u64 (reader, _("A header"));
  n_values = take_u64 (reader, _("A header"));
  read_values (reader, n_values);
  if (reader->fault.error != NULL)
    return;
  alignment = read_alignment (reader);
  infos = read_infos (reader, n_tensors);
  if (reader->fault.error == NULL)
    add_tensors (reader, infos, alignment);
}

gboolean
zim_gguf_recognize (GBytes *bytes)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  return size >= strlen (MAGIC) && memcmp (data, MAGIC, strlen (MAGIC)) == 0;
}

ZimGguf *
zim_gguf_new_from_bytes (GBytes      *bytes,
                         const char  *path,
                         GError     **error)
{
  g_autoptr(ZimGguf) self = g_new0 (ZimGguf, 1);
  Reader reader = { .self = self, .fault = { .source = path, .code = ZIM_ERROR_BAD_FILE } };

  g_atomic_ref_count_init (&self->ref_count);
  self->path = g_strdup (path);
  self->bytes = g_bytes_ref (bytes);
  self->names = g_string_chunk_new (4096);
  self->values = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  reader.data = g_bytes_get_data (bytes, &reader.size);
  zim_tensor_set_init (&self->set, self->path, reader.data);

  load (&reader);
  return zim_json_reader_finish (&reader.fault, error) ? g_steal_pointer (&self) : NULL;
}

ZimGguf *
zim_gguf_ref (ZimGguf *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
zim_gguf_unref (ZimGguf *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  zim_tensor_set_clear (&self->set);
  g_hash_table_unref (self->values);
  g_string_chunk_free (self->names);
  g_bytes_unref (self->bytes);
  g_free (self->path);
  g_free (self);
}

const char *
zim_gguf_get_path (ZimGguf *self)
{
  return self->path;
}

const ZimTensorSet *
zim_gguf_get_set (ZimGguf *self)
{
  return &self->set;
}

char *
zim_gguf_get_string (ZimGguf    *self,
                     const char *key)
{
  const Value *value = find_value (self, key, VALUE_STRING, 0);

  return value != NULL ? g_utf8_make_valid ((const char *) value->data, (gssize) value->n) : NULL;
}

static gboolean
get_array (ZimGguf      *self,
           const char   *key,
           guint32       element,
           ZimGgufArray *array)
{
  const Value *value = find_value (self, key, VALUE_ARRAY, element);

  if (value == NULL)
    return FALSE;
  array->n = value->n;
  array->at = value->data;
  return TRUE;
}

gboolean
zim_gguf_get_strings (ZimGguf      *self,
                      const char   *key,
                      ZimGgufArray *array)
{
  return get_array (self, key, VALUE_STRING, array);
}

gboolean
zim_gguf_get_ints (ZimGguf      *self,
                   const char   *key,
                   ZimGgufArray *array)
{
  return get_array (self, key, VALUE_I32, array);
}

const char *
zim_gguf_next_string (ZimGgufArray *array,
                      gsize        *length)
{
  const char *string;
  guint64 n;

  g_assert (array->n > 0);
  memcpy (&n, array->at, sizeof n);
  string = (const char *) array->at + sizeof n;
  array->at += sizeof n + n;
  array->n--;
  *length = (gsize) n;
  return string;
}

gint32
zim_gguf_next_int (ZimGgufArray *array)
{
  gint32 value;

  g_assert (array->n > 0);
  memcpy (&value, array->at, sizeof value);
  array->at += sizeof value;
  array->n--;
  return value;
}
