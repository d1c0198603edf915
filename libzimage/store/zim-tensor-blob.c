/* zim-tensor-blob.c: turning a weight into a blob
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-quantize-private.h"
#include "store/zim-blobs-private.h"
#include "store/zim-tensor-blob-private.h"
#include "store/zim-tensor-header-private.h"
#include "zim-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((gsize) 1 << 20)

static void
read_info (ZimSource         *self,
           const struct stat *info)
{
  self->size = (guint64) info->st_size;
  self->modified = (gint64) info->st_mtim.tv_sec * G_GINT64_CONSTANT (1000000000) + info->st_mtim.tv_nsec;
  self->device = (guint64) info->st_dev;
  self->inode = (guint64) info->st_ino;
}

ZimSource *
zim_source_open (const char  *path,
                 GError     **error)
{
  ZimSource *self = g_new0 (ZimSource, 1);
  struct stat info;

  self->path = g_strdup (path);
  self->fd = g_open (path, O_RDONLY | O_CLOEXEC, 0);
  if (self->fd >= 0 && fstat (self->fd, &info) == 0)
    {
      posix_fadvise (self->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
      read_info (self, &info);
      return self;
    }
  else
    {
      int saved = errno;

      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), _("Could not open “%s”: %s"),
                   path, g_strerror (saved));
      zim_source_free (self);
      return NULL;
    }
}

void
zim_source_free (ZimSource *self)
{
  if (self->fd >= 0)
    g_close (self->fd, NULL);
  g_free (self->path);
  g_free (self);
}

/* A digest of one state and the data of another would be a damaged blob. */
static gboolean
check_unchanged (const ZimSource  *self,
                 GError          **error)
{
  ZimSource now = { NULL };
  struct stat info;

  if (self == NULL)
    return TRUE;
  if (fstat (self->fd, &info) == 0)
    {
      read_info (&now, &info);
      if (now.size == self->size && now.modified == self->modified)
        return TRUE;
    }
  g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_FILE, _("“%s” was changed while it was read"), self->path);
  return FALSE;
}

/* n bytes of the weight at some offset of it. */
static gboolean
read_piece (const ZimTensorBlob  *self,
            guint64               at,
            void                 *buffer,
            gsize                 n,
            GError              **error)
{
  char *p = buffer;

  if (self->source == NULL)
    {
      memcpy (buffer, self->weight->data + at, n);
      return TRUE;
    }
  while (n > 0)
    {
      gssize got = pread (self->source->fd, p, n, (off_t) (self->offset + at));
      int saved = errno;

      if (got < 0 && saved == EINTR)
        continue;
      if (got <= 0)
        {
          g_set_error (error, G_FILE_ERROR, got < 0 ? g_file_error_from_errno (saved) : G_FILE_ERROR_IO,
                       _("Could not read “%s”: %s"), self->source->path,
                       got < 0 ? g_strerror (saved) : _("it is shorter than it was"));
          return FALSE;
        }
      p += got;
      at += (guint64) got;
      n -= (gsize) got;
    }
  return TRUE;
}

/* In place. FALSE if a value has bits that BF16 has not. */
static gboolean
narrow (void  *buffer,
        gsize  n_bytes)
{
  const guint32 *from = buffer;
  guint16 *to = buffer;
  guint32 lost = 0;

  for (gsize i = 0; i < n_bytes / sizeof *from; i++)
    {
      guint32 bits = from[i];

      lost |= bits & 0xffff;
      to[i] = (guint16) (bits >> 16);
    }
  return lost == 0;
}

/* One pass over the weight, with the blob's bytes going to a function. */
typedef struct {
  const ZimTensorBlob *blob;
  const ZimReport     *report;
  GCancellable        *cancellable;
  guint64              pass;     /* 0 or 1: each is half of the work */
  guint64              reported; /* bytes of the weight */
} Pass;

typedef gboolean (*SinkFunc) (gpointer      sink,
                              const void   *data,
                              gsize         size,
                              GError      **error);

/* at: bytes of the weight that this pass has seen. Hashing twice is no progress. */
static void
report (Pass    *pass,
        guint64  at)
{
  guint64 done = (pass->pass * pass->blob->weight->size + at) / 2;

  if (done <= pass->reported)
    return;
  zim_report_done (pass->report, done - pass->reported, pass->blob->name);
  pass->reported = done;
}

/* narrowed is set to FALSE, and the pass ends, if the weight should be narrowed and cannot be. */
static gboolean
run_pass (Pass      *pass,
          guint64    at,
          SinkFunc   func,
          gpointer   sink,
          gboolean  *narrowed,
          GError   **error)
{
  const ZimTensorBlob *blob = pass->blob;
  g_autofree guint8 *buffer = g_malloc (CHUNK);

  while (at < blob->weight->size)
    {
      gsize n = (gsize) MIN (CHUNK, blob->weight->size - at);
      gboolean convert = blob->dtype != blob->weight->dtype;

      if (g_cancellable_set_error_if_cancelled (pass->cancellable, error) ||
          !read_piece (blob, at, buffer, n, error))
        return FALSE;
      if (convert && !narrow (buffer, n))
        {
          *narrowed = FALSE;
          return TRUE;
        }
      if (!func (sink, buffer, convert ? n / 2 : n, error))
        return FALSE;
      at += n;
      report (pass, at);
    }
  return TRUE;
}

/* The header, whose size and that of all that follows it is the blob's. */
static gboolean
put_header (const ZimTensorBlob  *self,
            SinkFunc              func,
            gpointer              sink,
            guint64              *blob_size,
            GError              **error)
{
  const char *name = strchr (self->name, '/');
  g_autoptr(GString) header = zim_tensor_header (self->weight, self->dtype, name != NULL ? name + 1 : self->name);
  guint64 length = GUINT64_TO_LE ((guint64) header->len);

  *blob_size = sizeof length + header->len +
               zim_dtype_row_size (self->dtype, (gsize) zim_weight_n_elements (self->weight)) +
               (zim_dtype_is_affine (self->dtype) ? 2 * zim_affine_size (self->weight) : 0);
  return func (sink, &length, sizeof length, error) && func (sink, header->str, header->len, error);
}

/* What follows the values. */
static gboolean
put_scales (const ZimTensorBlob  *self,
            SinkFunc              func,
            gpointer              sink,
            GError              **error)
{
  gsize size;

  if (!zim_dtype_is_affine (self->dtype))
    return TRUE;
  size = (gsize) zim_affine_size (self->weight);
  return func (sink, self->weight->scales, size, error) && func (sink, self->weight->biases, size, error);
}

static gboolean
hash_sink (gpointer      sink,
           const void   *data,
           gsize         size,
           GError      **error)
{
  zim_sha256_update (sink, data, size);
  return TRUE;
}

static gboolean
write_sink (gpointer      sink,
            const void   *data,
            gsize         size,
            GError      **error)
{
  return zim_blob_writer_write (sink, data, size, error);
}

static gboolean
hash (ZimTensorBlob  *self,
      Pass           *pass,
      GError        **error)
{
  gboolean narrowed = TRUE;
  ZimSha256 sha256;

  zim_sha256_init (&sha256);
  if (!put_header (self, hash_sink, &sha256, &self->size, error) ||
      !run_pass (pass, 0, hash_sink, &sha256, &narrowed, error) ||
      !put_scales (self, hash_sink, &sha256, error))
    return FALSE;
  if (!narrowed)
    {
      self->dtype = self->weight->dtype;
      return hash (self, pass, error);
    }
  zim_sha256_finish (&sha256, self->hex);
  return TRUE;
}

/* What the kernel copies by itself, where the file systems let it: file systems that share blocks may do without
 * copying. The rest goes through memory, which finds what is wrong too. */
static guint64
copy_range (Pass          *pass,
            ZimBlobWriter *writer)
{
  const ZimTensorBlob *blob = pass->blob;
  guint64 at = 0;

  if (blob->source == NULL || blob->dtype != blob->weight->dtype)
    return 0;
  while (at < blob->weight->size && !g_cancellable_is_cancelled (pass->cancellable))
    {
      off_t from = (off_t) (blob->offset + at);
      gssize n = copy_file_range (blob->source->fd, &from, writer->fd, NULL,
                                  (gsize) MIN (16 * CHUNK, blob->weight->size - at), 0);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        break;
      at += (guint64) n;
      report (pass, at);
    }
  return at;
}

static gboolean
store (ZimTensorBlob  *self,
       const char     *root,
       Pass           *pass,
       GError        **error)
{
  g_auto(ZimBlobWriter) writer = { .fd = -1 };
  gboolean narrowed = TRUE;
  guint64 size;

  return zim_blob_writer_open (&writer, root, error) &&
         put_header (self, write_sink, &writer, &size, error) &&
         run_pass (pass, copy_range (pass, &writer), write_sink, &writer, &narrowed, error) &&
         put_scales (self, write_sink, &writer, error) &&
         check_unchanged (self->source, error) &&
         zim_blob_writer_commit (&writer, self->hex, error);
}

static gboolean
put_sides (ZimTensorBlob  *self,
           const char     *root,
           GError        **error)
{
  self->n_sides = zim_side_blobs_list (self->weight, self->weight->scales != NULL, self->sides);
  for (guint i = 0; i < self->n_sides; i++)
    if (!zim_side_blob_put (&self->sides[i], self->weight, root, error))
      return FALSE;
  return TRUE;
}

static gboolean
make_as_it_is (ZimTensorBlob    *self,
               const char       *root,
               const ZimReport  *progress,
               GCancellable     *cancellable,
               GError          **error)
{
  Pass pass = { .blob = self, .report = progress, .cancellable = cancellable };

  self->dtype = self->weight->dtype == ZIM_DTYPE_F32 ? ZIM_DTYPE_BF16 : self->weight->dtype;
  if (!hash (self, &pass, error))
    return FALSE;
  pass.pass = 1;
  if (!zim_blobs_has (root, self->hex, self->size) && !store (self, root, &pass, error))
    return FALSE;
  report (&pass, self->weight->size);
  return put_sides (self, root, error);
}

/* Lets go of the pages of a mapped file that have been read. */
static void
forget_pages (const ZimWeight *weight)
{
  gsize page = (gsize) sysconf (_SC_PAGESIZE), start = ((gsize) weight->data + page - 1) / page * page;
  gsize end = ((gsize) weight->data + weight->size) / page * page;

  if (end > start)
    madvise ((void *) start, end - start, MADV_DONTNEED);
}

/* The one time that all of a tensor is in memory. */
static gboolean
make_quantized (ZimTensorBlob    *self,
                const char       *root,
                const ZimReport  *progress,
                GCancellable     *cancellable,
                GError          **error)
{
  const ZimReport silent = { NULL };
  const ZimWeight *weight = self->weight;
  ZimSource *source = self->source;
  ZimWeight quantized;
  gboolean ok;

  if (!zim_quantize (weight, self->target, &quantized, cancellable, error))
    return FALSE;
  self->weight = &quantized;
  self->source = NULL;
  ok = make_as_it_is (self, root, &silent, cancellable, error);
  self->weight = weight;
  self->source = source;
  zim_quantize_clear (&quantized);
  if (source != NULL)
    forget_pages (weight);
  if (ok)
    zim_report_done (progress, weight->size, self->name);
  return ok && check_unchanged (source, error);
}

gboolean
zim_tensor_blob_make (ZimTensorBlob    *self,
                      const char       *root,
                      const ZimReport  *progress,
                      GCancellable     *cancellable,
                      GError          **error)
{
  if (self->quantize)
    return make_quantized (self, root, progress, cancellable, error);
  return make_as_it_is (self, root, progress, cancellable, error);
}

char *
zim_tensor_blob_get_key (const ZimTensorBlob *self)
{
  const ZimSource *source = self->source;
  g_autofree char *shape = zim_shape_to_string (self->weight->n_dims, self->weight->dims);

  if (source == NULL)
    return NULL;
  return g_strdup_printf ("%" G_GINT64_MODIFIER "x:%" G_GINT64_MODIFIER "x:%" G_GUINT64_FORMAT ":%" G_GINT64_FORMAT
                          ":%" G_GUINT64_FORMAT ":%s%s%s%s",
                          source->device, source->inode, source->size, source->modified,
                          self->offset, zim_dtype_name (self->weight->dtype), shape,
                          self->quantize ? ">" : "", self->quantize ? zim_dtype_name (self->target) : "");
}

/* “sha256:… SIZE TYPE”, and digest and size of each side. */
void
zim_tensor_blob_note (const ZimTensorBlob *self,
                      ZimJournal          *journal,
                      const char          *key)
{
  g_autoptr(GString) value = g_string_new (NULL);

  g_string_append_printf (value, "sha256:%s %" G_GUINT64_FORMAT " %s",
                          self->hex, self->size, zim_dtype_name (self->dtype));
  for (guint i = 0; i < self->n_sides; i++)
    g_string_append_printf (value, " sha256:%s %" G_GUINT64_FORMAT, self->sides[i].hex, self->sides[i].size);
  zim_journal_note (journal, key, value->str);
}

/* The blob that two words tell of, if it is there. */
static gboolean
recall_blob (char       **words,
             const char  *root,
             char        *hex,
             guint64     *size)
{
  return zim_sha256_parse (words[0], hex) &&
         g_ascii_string_to_unsigned (words[1], 10, 0, G_MAXINT64, size, NULL) &&
         zim_blobs_has (root, hex, *size);
}

static guint
list_sides (ZimTensorBlob *self)
{
  ZimWeight weight = *self->weight;

  if (!self->quantize)
    return zim_side_blobs_list (&weight, weight.scales != NULL, self->sides);
  weight = (ZimWeight) { .dtype = self->target, .n_dims = weight.n_dims, .group = (gsize) weight.dims[1] };
  memcpy (weight.dims, self->weight->dims, sizeof weight.dims);
  return zim_side_blobs_list (&weight, self->target == ZIM_DTYPE_F8_E4M3, self->sides);
}

gboolean
zim_tensor_blob_recall (ZimTensorBlob *self,
                        const char    *root,
                        ZimJournal    *journal,
                        const char    *key)
{
  const char *value = zim_journal_lookup (journal, key);
  g_auto(GStrv) words = value != NULL ? g_strsplit (value, " ", -1) : NULL;

  self->n_sides = list_sides (self);
  if (words == NULL || g_strv_length (words) != 3 + 2 * self->n_sides ||
      !recall_blob (words, root, self->hex, &self->size) || !zim_dtype_from_name (words[2], &self->dtype))
    return FALSE;
  for (guint i = 0; i < self->n_sides; i++)
    if (!recall_blob (words + 3 + 2 * i, root, self->sides[i].hex, &self->sides[i].size))
      return FALSE;
  return TRUE;
}

/* Zeros behind each value, which is what narrowing took. */
static void
widen (const guint16 *from,
       guint32       *to,
       gsize          n)
{
  for (gsize i = 0; i < n; i++)
    to[i] = (guint32) from[i] << 16;
}

gboolean
zim_tensor_blob_rehash (const ZimTensorBlob  *self,
                        const char           *root,
                        ZimSha256            *sha256,
                        GCancellable         *cancellable,
                        GError              **error)
{
  gboolean is_narrow = self->dtype != self->weight->dtype;
  guint64 size = is_narrow ? self->weight->size / 2 : self->weight->size;
  g_autofree char *path = zim_blobs_get_path (root, self->hex);
  g_autofree guint8 *buffer = g_malloc (CHUNK);
  g_autofree guint32 *wide = is_narrow ? g_malloc (2 * CHUNK) : NULL;
  ZimSource *source = zim_source_open (path, error);
  const ZimTensorBlob stored = { .source = source, .weight = self->weight, .offset = self->size - size };
  gboolean ok = source != NULL;

  for (guint64 at = 0; ok && at < size; at += CHUNK)
    {
      gsize n = (gsize) MIN (CHUNK, size - at);

      ok = !g_cancellable_set_error_if_cancelled (cancellable, error) && read_piece (&stored, at, buffer, n, error);
      if (ok && is_narrow)
        widen ((const guint16 *) (gconstpointer) buffer, wide, n / 2);
      if (ok)
        zim_sha256_update (sha256, is_narrow ? (const void *) wide : buffer, is_narrow ? 2 * n : n);
    }
  g_clear_pointer (&source, zim_source_free);
  return ok;
}
