/* zim-safetensors.c: reading and checking safetensors files
 *
 * Nothing of a header is believed: lengths, types, shapes and offsets are checked against each
 * other and against the file before a pointer is made. The rules are those of the format's
 * reference: tensors follow one another without gap or overlap and end where the file ends.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-file-private.h"
#include "formats/zim-json-private.h"
#include "formats/zim-safetensors-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

#if G_BYTE_ORDER != G_LITTLE_ENDIAN
# error "Weights are used where they lie in the file: this needs a little-endian machine"
#endif

struct _ZimSafetensors {
  gatomicrefcount  ref_count;
  char            *path;
  GBytes          *bytes;    /* keeps the file mapped */
  JsonNode        *header;   /* owns the names and the metadata */
  JsonObject      *metadata; /* (nullable) no-ref */
  ZimTensorSet     set;      /* weights in the order of their data */
};

/* Every type of the format, with the bits of an element. */
static const struct {
  const char *name;
  guint       bits;
} stored_types[] = {
  { "F64", 64 }, { "F32", 32 }, { "F16", 16 }, { "BF16", 16 },
  { "I64", 64 }, { "I32", 32 }, { "I16", 16 }, { "I8", 8 },
  { "U64", 64 }, { "U32", 32 }, { "U16", 16 }, { "U8", 8 },
  { "BOOL", 8 }, { "C64", 64 },
  { "F8_E4M3", 8 }, { "F8_E5M2", 8 }, { "F8_E8M0", 8 }, { "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 },
  { "F6_E2M3", 6 }, { "F6_E3M2", 6 }, { "F4", 4 },
};

/* A tensor as the header tells it. */
typedef struct {
  ZimWeight   weight; /* without data */
  const char *dtype;
  gsize       begin;
  gsize       end;
} Entry;

static void
fail_tensor (ZimJsonReader *reader,
             int            code,
             const char    *name,
             const char    *what)
{
  g_autofree char *start = zim_json_shorten (name);

  zim_json_reader_fail (reader, code, _("Tensor “%s”: %s"), start, what);
}

static guint
find_type_bits (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (stored_types); i++)
    if (strcmp (stored_types[i].name, name) == 0)
      return stored_types[i].bits;
  return 0;
}

/* gint64 is enough for dimensions and offsets: no file has more bytes. */
static gboolean
get_natural (JsonArray *array,
             guint      i,
             gint64    *value)
{
  JsonNode *node = json_array_get_element (array, i);

  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
    return FALSE;
  *value = json_node_get_int (node);
  return *value >= 0;
}

static gboolean
read_shape (ZimJsonReader *reader,
            JsonArray     *shape,
            ZimWeight     *weight)
{
  weight->n_dims = json_array_get_length (shape);
  if (weight->n_dims > ZIM_MAX_DIMS)
    {
      fail_tensor (reader, ZIM_ERROR_UNSUPPORTED, weight->name, _("More than five dimensions"));
      return FALSE;
    }
  for (guint i = 0; i < weight->n_dims; i++)
    if (!get_natural (shape, i, &weight->dims[i]))
      {
        fail_tensor (reader, ZIM_ERROR_BAD_FILE, weight->name,
                     _("A dimension is not a whole number"));
        return FALSE;
      }
  return TRUE;
}

/* The bytes that the shape asks for. A dimension of 0 counts as 1 in the test for overflow, so
 * that no order of multiplying the dimensions overflows later. */
static gboolean
count_bytes (const ZimWeight *weight,
             guint            bits,
             gsize           *size)
{
  gint64 total = bits;
  gboolean empty = FALSE;

  for (guint i = 0; i < weight->n_dims; i++)
    {
      empty |= weight->dims[i] == 0;
      if (__builtin_mul_overflow (total, MAX (weight->dims[i], 1), &total))
        return FALSE;
    }
  if (empty)
    total = 0;
  *size = (gsize) (total / 8);
  return total % 8 == 0;
}

static gboolean
check_size (ZimJsonReader *reader,
            const Entry   *entry)
{
  guint bits = find_type_bits (entry->dtype);
  g_autofree char *dtype = zim_json_shorten (entry->dtype);
  g_autofree char *shape = NULL;
  g_autofree char *what = NULL;
  gsize size;

  if (bits == 0)
    {
      what = g_strdup_printf (_("Unknown data type “%s”"), dtype);
      fail_tensor (reader, ZIM_ERROR_BAD_FILE, entry->weight.name, what);
      return FALSE;
    }
  if (count_bytes (&entry->weight, bits, &size) && size == entry->weight.size)
    return TRUE;

  shape = zim_shape_to_string (entry->weight.n_dims, entry->weight.dims);
  what = g_strdup_printf (_("%zu bytes do not fit the shape %s of type %s"),
                          entry->weight.size, shape, dtype);
  fail_tensor (reader, ZIM_ERROR_BAD_FILE, entry->weight.name, what);
  return FALSE;
}

static gboolean
read_offsets (ZimJsonReader *reader,
              JsonArray     *offsets,
              gsize          payload,
              Entry         *entry)
{
  gint64 begin;
  gint64 end;

  if (json_array_get_length (offsets) != 2 ||
      !get_natural (offsets, 0, &begin) || !get_natural (offsets, 1, &end) || begin > end)
    {
      fail_tensor (reader, ZIM_ERROR_BAD_FILE, entry->weight.name, _("Bad data_offsets"));
      return FALSE;
    }
  if ((guint64) end > payload)
    {
      fail_tensor (reader, ZIM_ERROR_BAD_FILE, entry->weight.name,
                   _("Its data ends behind the end of the file"));
      return FALSE;
    }
  entry->begin = (gsize) begin;
  entry->end = (gsize) end;
  entry->weight.size = entry->end - entry->begin;
  return TRUE;
}

static gboolean
read_entry (ZimJsonReader *reader,
            const char    *name,
            JsonNode      *node,
            gsize          payload,
            Entry         *entry)
{
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonArray *shape;
  JsonArray *offsets;

  entry->weight.name = name;
  if (object == NULL)
    {
      fail_tensor (reader, ZIM_ERROR_BAD_FILE, name, _("Its description is not an object"));
      return FALSE;
    }
  entry->dtype = zim_json_need_string (reader, object, "dtype");
  shape = zim_json_need_array (reader, object, "shape");
  offsets = zim_json_need_array (reader, object, "data_offsets");
  if (reader->error != NULL)
    {
      g_clear_error (&reader->error);
      fail_tensor (reader, ZIM_ERROR_BAD_FILE, name,
                   _("Expected a string “dtype” and the arrays “shape” and “data_offsets”"));
      return FALSE;
    }
  return read_shape (reader, shape, &entry->weight) &&
         read_offsets (reader, offsets, payload, entry) &&
         check_size (reader, entry);
}

static gboolean
read_metadata (ZimJsonReader *reader,
               JsonNode      *node,
               JsonObject   **metadata)
{
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  g_autoptr(GList) values = object != NULL ? json_object_get_values (object) : NULL;
  gboolean ok = object != NULL;

  for (GList *l = values; l != NULL && ok; l = l->next)
    ok = JSON_NODE_HOLDS_VALUE (l->data) && json_node_get_value_type (l->data) == G_TYPE_STRING;
  if (!ok)
    zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE,
                          _("“__metadata__” does not map strings to strings"));
  *metadata = object;
  return ok;
}

static GArray *
read_entries (ZimJsonReader *reader,
              JsonNode      *header,
              gsize          payload,
              JsonObject   **metadata)
{
  JsonObject *root = zim_json_read_root (reader, header);
  g_autoptr(GArray) entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (root == NULL)
    return NULL;
  json_object_iter_init_ordered (&iter, root);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    {
      Entry entry = { { NULL, }, };

      if (strcmp (name, "__metadata__") == 0)
        {
          if (!read_metadata (reader, node, metadata))
            return NULL;
          continue;
        }
      if (!read_entry (reader, name, node, payload, &entry))
        return NULL;
      g_array_append_val (entries, entry);
    }
  return g_steal_pointer (&entries);
}

static int
compare_entries (gconstpointer a,
                 gconstpointer b)
{
  const Entry *x = a;
  const Entry *y = b;

  if (x->begin != y->begin)
    return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end)
    return x->end < y->end ? -1 : 1;
  return 0;
}

/* Each byte of the payload belongs to one tensor. */
static gboolean
check_layout (ZimJsonReader *reader,
              GArray        *entries,
              gsize          payload)
{
  gsize at = 0;

  g_array_sort (entries, compare_entries);
  for (guint i = 0; i < entries->len; i++)
    {
      const Entry *entry = &g_array_index (entries, Entry, i);

      if (entry->begin != at)
        {
          fail_tensor (reader, ZIM_ERROR_BAD_FILE, entry->weight.name,
                       entry->begin < at ? _("Its data overlaps another tensor’s")
                                         : _("There is a gap before its data"));
          return FALSE;
        }
      at = entry->end;
    }
  if (at != payload)
    {
      zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE,
                            _("%zu bytes behind the last tensor belong to none"),
                            payload - at);
      return FALSE;
    }
  return TRUE;
}

static void
add_entries (ZimSafetensors *self,
             GArray         *entries,
             const guint8   *payload)
{
  for (guint i = 0; i < entries->len; i++)
    {
      Entry *entry = &g_array_index (entries, Entry, i);

      entry->weight.data = payload + entry->begin;
      if (zim_dtype_from_name (entry->dtype, &entry->weight.dtype))
        zim_tensor_set_add (&self->set, &entry->weight);
      else
        zim_tensor_set_add_foreign (&self->set, &entry->weight, entry->dtype);
    }
}

static gboolean
read_header_length (ZimJsonReader *reader,
                    const guint8  *data,
                    gsize          size,
                    gsize         *length)
{
  guint64 n;

  if (size < sizeof n)
    {
      zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE,
                            _("Not a safetensors file: it has only %zu bytes"), size);
      return FALSE;
    }
  memcpy (&n, data, sizeof n);
  if (n > ZIM_JSON_MAX_SIZE || n > size - sizeof n)
    {
      zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE,
                            _("Not a safetensors file, or truncated: a header of %llu bytes in a file of %zu"),
                            (unsigned long long) n, size);
      return FALSE;
    }
  if (n == 0 || data[sizeof n] != '{')
    {
      zim_json_reader_fail (reader, ZIM_ERROR_BAD_FILE,
                            _("Not a safetensors file: the header is not an object"));
      return FALSE;
    }
  *length = (gsize) n;
  return TRUE;
}

/* size is that of the file, of which bytes may be the start. */
static gboolean
load (ZimSafetensors *self,
      gsize           size,
      ZimJsonReader  *reader)
{
  gsize n_bytes;
  const guint8 *data = g_bytes_get_data (self->bytes, &n_bytes);
  g_autoptr(GArray) entries = NULL;
  gsize length;
  gsize payload;

  /* A server that was asked twice may have said another length the first time. */
  if (!read_header_length (reader, data, n_bytes, &length))
    return FALSE;
  self->header = zim_json_parse ((const char *) data + 8, length, self->path, &reader->error);
  if (self->header == NULL)
    return FALSE;
  payload = size - 8 - length;
  entries = read_entries (reader, self->header, payload, &self->metadata);
  if (entries == NULL || !check_layout (reader, entries, payload))
    return FALSE;
  add_entries (self, entries, data + 8 + length);
  return TRUE;
}

static ZimSafetensors *
new_of_size (GBytes      *bytes,
             gsize        size,
             const char  *path,
             GError     **error)
{
  g_autoptr(ZimSafetensors) self = g_new0 (ZimSafetensors, 1);
  ZimJsonReader reader = { .source = path, .code = ZIM_ERROR_BAD_FILE };

  g_atomic_ref_count_init (&self->ref_count);
  self->path = g_strdup (path);
  self->bytes = g_bytes_ref (bytes);
  zim_tensor_set_init (&self->set, self->path, g_bytes_get_data (bytes, NULL));

  load (self, size, &reader);
  return zim_json_reader_finish (&reader, error) ? g_steal_pointer (&self) : NULL;
}

ZimSafetensors *
zim_safetensors_new_from_bytes (GBytes      *bytes,
                                const char  *path,
                                GError     **error)
{
  return new_of_size (bytes, g_bytes_get_size (bytes), path, error);
}

ZimSafetensors *
zim_safetensors_new_from_header (GBytes      *start,
                                 guint64      file_size,
                                 const char  *path,
                                 GError     **error)
{
  return new_of_size (start, file_size, path, error);
}

ZimSafetensors *
zim_safetensors_open (const char  *path,
                      GError     **error)
{
  g_autoptr(GBytes) bytes = NULL;

  g_return_val_if_fail (path != NULL, NULL);

  bytes = zim_file_map (path, error);
  return bytes != NULL ? zim_safetensors_new_from_bytes (bytes, path, error) : NULL;
}

ZimSafetensors *
zim_safetensors_ref (ZimSafetensors *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
zim_safetensors_unref (ZimSafetensors *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  zim_tensor_set_clear (&self->set);
  g_clear_pointer (&self->header, json_node_unref);
  g_bytes_unref (self->bytes);
  g_free (self->path);
  g_free (self);
}

const char *
zim_safetensors_get_path (ZimSafetensors *self)
{
  return self->path;
}

const guint8 *
zim_safetensors_get_base (ZimSafetensors *self)
{
  return g_bytes_get_data (self->bytes, NULL);
}

const ZimTensorSet *
zim_safetensors_get_set (ZimSafetensors *self)
{
  return &self->set;
}

guint
zim_safetensors_get_n (ZimSafetensors *self)
{
  return self->set.weights->len;
}

const ZimWeight *
zim_safetensors_get (ZimSafetensors *self,
                     guint           i)
{
  g_return_val_if_fail (i < self->set.weights->len, NULL);

  return &g_array_index (self->set.weights, ZimWeight, i);
}

const ZimWeight *
zim_safetensors_lookup (ZimSafetensors *self,
                        const char     *name)
{
  return zim_tensor_set_lookup (&self->set, name);
}

GHashTable *
zim_safetensors_get_foreign (ZimSafetensors *self)
{
  return self->set.foreign;
}

const char *
zim_safetensors_get_metadata (ZimSafetensors *self,
                              const char     *key)
{
  if (self->metadata == NULL || !json_object_has_member (self->metadata, key))
    return NULL;
  return json_object_get_string_member (self->metadata, key);
}
