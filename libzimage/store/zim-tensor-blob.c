/* zim-tensor-blob.c: turning a weight into a blob
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-tensor-blob-private.h"
#include "zim-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
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

/* As Ollama has it: padded with spaces to a multiple of 8. */
static GString *
make_header (const ZimTensorBlob *self,
             guint64              size)
{
  GString *header = g_string_new (NULL);

  g_string_append_printf (header, "{\"data\":{\"dtype\":\"%s\",\"shape\":[", zim_dtype_name (self->dtype));
  for (guint i = 0; i < self->weight->n_dims; i++)
    g_string_append_printf (header, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", self->weight->dims[i]);
  g_string_append_printf (header, "],\"data_offsets\":[0,%" G_GUINT64_FORMAT "]}}", size);
  while (header->len % 8 != 0)
    g_string_append_c (header, ' ');
  return header;
}

static gboolean
put_header (const ZimTensorBlob  *self,
            SinkFunc              func,
            gpointer              sink,
            guint64              *blob_size,
            GError              **error)
{
  guint64 size = self->dtype == self->weight->dtype ? self->weight->size : self->weight->size / 2;
  g_autoptr(GString) header = make_header (self, size);
  guint64 length = GUINT64_TO_LE ((guint64) header->len);

  *blob_size = sizeof length + header->len + size;
  return func (sink, &length, sizeof length, error) && func (sink, header->str, header->len, error);
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
      !run_pass (pass, 0, hash_sink, &sha256, &narrowed, error))
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
         check_unchanged (self->source, error) &&
         zim_blob_writer_commit (&writer, self->hex, error);
}

gboolean
zim_tensor_blob_make (ZimTensorBlob    *self,
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
  return TRUE;
}

char *
zim_tensor_blob_get_key (const ZimTensorBlob *self)
{
  const ZimSource *source = self->source;
  g_autofree char *shape = zim_shape_to_string (self->weight->n_dims, self->weight->dims);

  if (source == NULL)
    return NULL;
  return g_strdup_printf ("%" G_GINT64_MODIFIER "x:%" G_GINT64_MODIFIER "x:%" G_GUINT64_FORMAT ":%" G_GINT64_FORMAT
                          ":%" G_GUINT64_FORMAT ":%s%s",
                          source->device, source->inode, source->size, source->modified,
                          self->offset, zim_dtype_name (self->weight->dtype), shape);
}

void
zim_tensor_blob_note (const ZimTensorBlob *self,
                      ZimJournal          *journal,
                      const char          *key)
{
  g_autofree char *value = g_strdup_printf ("sha256:%s %" G_GUINT64_FORMAT " %s",
                                            self->hex, self->size, zim_dtype_name (self->dtype));

  zim_journal_note (journal, key, value);
}

gboolean
zim_tensor_blob_recall (ZimTensorBlob *self,
                        const char    *root,
                        ZimJournal    *journal,
                        const char    *key)
{
  const char *value = zim_journal_lookup (journal, key);
  g_auto(GStrv) parts = value != NULL ? g_strsplit (value, " ", -1) : NULL;

  return parts != NULL && g_strv_length (parts) == 3 && zim_sha256_parse (parts[0], self->hex) &&
         g_ascii_string_to_unsigned (parts[1], 10, 0, G_MAXINT64, &self->size, NULL) &&
         zim_dtype_from_name (parts[2], &self->dtype) && zim_blobs_has (root, self->hex, self->size);
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
