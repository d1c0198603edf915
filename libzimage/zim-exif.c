/* zim-exif.c: a text in the EXIF data of JPEG and WebP files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Only the one tag that image tools keep their parameters in. Metadata libraries convert this tag through UCS-2, where
 * a prompt with an emoji does not fit; here it is UTF-16, which is the same for everything that does.
 *
 * EXIF data is a TIFF file: a header with the byte order, and directories of 12-byte entries. Directory 0 points to
 * the EXIF directory, which has the UserComment: 8 bytes that name the encoding and the text. In JPEG it is an APP1
 * segment, in WebP a chunk. */

#include "config.h"

#include "zim-exif-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "zim-error.h"

#define TAG_EXIF_DIRECTORY 0x8769
#define TAG_USER_COMMENT 0x9286
#define TYPE_LONG 4
#define TYPE_UNDEFINED 7
#define ENTRY_SIZE 12
#define CHARSET_SIZE 8

#define JPEG_SOI 0xd8
#define JPEG_SOS 0xda
#define JPEG_APP0 0xe0
#define JPEG_APP1 0xe1
#define JPEG_SEGMENT_MAX 65535

#define VP8X_SIZE 10
#define VP8X_EXIF 0x08
#define VP8X_ALPHA 0x10

static const char exif_magic[6] = "Exif\0";
static const char charset_unicode[CHARSET_SIZE] = "UNICODE";
static const char charset_ascii[CHARSET_SIZE] = "ASCII\0\0";
static const char charset_none[CHARSET_SIZE] = "";

typedef struct
{
  const guint8 *data;
  gsize         size;
  gboolean      little; /* byte order of the numbers in it */
} Span;

/* --- Numbers and pieces, bounds checked ------------------------------------------------------------ */

static gboolean
sub_span (const Span *span,
          gsize       offset,
          gsize       size,
          Span       *sub)
{
  if (offset > span->size || size > span->size - offset)
    return FALSE;

  *sub = (Span) { span->data + offset, size, span->little };
  return TRUE;
}

static gboolean
read_number (const Span *span,
             gsize       offset,
             gsize       n_bytes,
             guint32    *value)
{
  Span bytes;

  if (!sub_span (span, offset, n_bytes, &bytes))
    return FALSE;

  *value = 0;
  for (gsize i = 0; i < n_bytes; i++)
    *value = *value << 8 | bytes.data[span->little ? n_bytes - 1 - i : i];
  return TRUE;
}

static gboolean
starts_with (const Span *span,
             gsize       offset,
             const char *magic,
             gsize       size)
{
  Span bytes;

  return sub_span (span, offset, size, &bytes) && memcmp (bytes.data, magic, size) == 0;
}

static void
append_number (GByteArray *array,
               guint32     value,
               guint       n_bytes,
               gboolean    little)
{
  for (guint i = 0; i < n_bytes; i++)
    {
      guint8 byte = (guint8) (value >> 8 * (little ? i : n_bytes - 1 - i));

      g_byte_array_append (array, &byte, 1);
    }
}

/* --- Writing --------------------------------------------------------------------------------------- */

static void
append_entry (GByteArray *tiff,
              guint       tag,
              guint       type,
              guint32     count,
              guint32     value)
{
  append_number (tiff, tag, 2, FALSE);
  append_number (tiff, type, 2, FALSE);
  append_number (tiff, count, 4, FALSE);
  append_number (tiff, value, 4, FALSE);
}

/* Two directories of one entry each. Big endian, because readers of this tag take the text for that whatever the
 * header says. */
static GByteArray *
make_tiff (const char *text)
{
  const guint directory_size = 2 + ENTRY_SIZE + 4;
  GByteArray *tiff = g_byte_array_new ();
  glong n_units = 0;
  g_autofree gunichar2 *units = g_utf8_to_utf16 (text, -1, NULL, &n_units, NULL);

  g_byte_array_append (tiff, (const guint8 *) "MM\0*", 4);
  append_number (tiff, 8, 4, FALSE);
  append_number (tiff, 1, 2, FALSE);
  append_entry (tiff, TAG_EXIF_DIRECTORY, TYPE_LONG, 1, 8 + directory_size);
  append_number (tiff, 0, 4, FALSE);
  append_number (tiff, 1, 2, FALSE);
  append_entry (tiff, TAG_USER_COMMENT, TYPE_UNDEFINED,
                CHARSET_SIZE + 2 * (guint32) n_units, 8 + 2 * directory_size);
  append_number (tiff, 0, 4, FALSE);

  g_byte_array_append (tiff, (const guint8 *) charset_unicode, CHARSET_SIZE);
  for (glong i = 0; i < n_units; i++)
    append_number (tiff, units[i], 2, FALSE);

  return tiff;
}

static GBytes *
embed_jpeg (const Span  *file,
            GByteArray  *tiff,
            GError     **error)
{
  GByteArray *result;
  gsize length = 2 + sizeof exif_magic + tiff->len;
  gsize start = 2;
  guint32 app0_length;

  if (length > JPEG_SEGMENT_MAX)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
                   _("The parameters take %zu bytes, expected at most %d in a JPEG file"),
                   length, JPEG_SEGMENT_MAX);
      return NULL;
    }

  /* JFIF wants its own segment to be the first. */
  if (file->data[2] == 0xff && file->data[3] == JPEG_APP0 && read_number (file, 4, 2, &app0_length))
    start = MIN (4 + (gsize) app0_length, file->size);

  result = g_byte_array_sized_new ((guint) (file->size + length + 2));
  g_byte_array_append (result, file->data, (guint) start);
  append_number (result, 0xff00 | JPEG_APP1, 2, FALSE);
  append_number (result, (guint32) length, 2, FALSE);
  g_byte_array_append (result, (const guint8 *) exif_magic, sizeof exif_magic);
  g_byte_array_append (result, tiff->data, tiff->len);
  g_byte_array_append (result, file->data + start, (guint) (file->size - start));

  return g_byte_array_free_to_bytes (result);
}

static void
append_chunk (GByteArray   *webp,
              const char   *name,
              const guint8 *data,
              gsize         size)
{
  g_byte_array_append (webp, (const guint8 *) name, 4);
  append_number (webp, (guint32) size, 4, TRUE);
  g_byte_array_append (webp, data, (guint) size);
  if (size % 2 != 0)
    g_byte_array_append (webp, (const guint8 *) "", 1);
}

/* The extended header that a WebP file needs before it may have more than its pixels. */
static void
append_vp8x (GByteArray *webp,
             const Span *file,
             int         width,
             int         height)
{
  guint8 flags = VP8X_EXIF;
  g_autoptr(GByteArray) header = g_byte_array_new ();
  guint32 lossless_header;

  /* Lossless: a signature byte, then 14 bits width, 14 bits height, 1 bit alpha. */
  if (starts_with (file, 12, "VP8L", 4) && read_number (file, 21, 4, &lossless_header) &&
      (lossless_header >> 28 & 1) != 0)
    flags |= VP8X_ALPHA;

  g_byte_array_append (header, &flags, 1);
  append_number (header, 0, 3, TRUE);
  append_number (header, (guint32) width - 1, 3, TRUE);
  append_number (header, (guint32) height - 1, 3, TRUE);
  append_chunk (webp, "VP8X", header->data, header->len);
}

static GBytes *
embed_webp (const Span *file,
            GByteArray *tiff,
            int         width,
            int         height)
{
  GByteArray *result = g_byte_array_sized_new ((guint) (file->size + tiff->len + 64));
  gboolean extended = starts_with (file, 12, "VP8X", 4);
  guint riff_size;

  g_byte_array_append (result, file->data, 12);
  if (!extended)
    append_vp8x (result, file, width, height);
  g_byte_array_append (result, file->data + 12, (guint) (file->size - 12));
  if (extended)
    result->data[20] |= VP8X_EXIF;
  if (result->len % 2 != 0)
    g_byte_array_append (result, (const guint8 *) "", 1);
  append_chunk (result, "EXIF", tiff->data, tiff->len);

  riff_size = GUINT32_TO_LE (result->len - 8);
  memcpy (result->data + 4, &riff_size, 4);

  return g_byte_array_free_to_bytes (result);
}

static gboolean
is_jpeg (const Span *file)
{
  return starts_with (file, 0, "\xff\xd8\xff", 3);
}

static gboolean
is_webp (const Span *file)
{
  return starts_with (file, 0, "RIFF", 4) && starts_with (file, 8, "WEBPVP8", 7);
}

GBytes *
zim_exif_embed (GBytes      *bytes,
                const char  *text,
                int          width,
                int          height,
                GError     **error)
{
  g_autoptr(GByteArray) tiff = make_tiff (text);
  Span file = { NULL, 0, TRUE };

  file.data = g_bytes_get_data (bytes, &file.size);
  if (is_webp (&file) && file.size > 12 + 8 + VP8X_SIZE)
    return embed_webp (&file, tiff, width, height);

  file.little = FALSE;
  if (is_jpeg (&file) && file.size > 4)
    return embed_jpeg (&file, tiff, error);

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
               _("The picture is in an unknown format, expected one of: %s"), "jpeg, webp");
  return NULL;
}

/* --- Reading --------------------------------------------------------------------------------------- */

static gboolean
find_jpeg_exif (const Span *file,
                Span       *tiff)
{
  guint32 marker, length;

  for (gsize at = 2; read_number (file, at, 2, &marker) && marker >> 8 == 0xff; at += 2 + (gsize) length)
    {
      /* Fill bytes may come before a marker. */
      if (marker == 0xffff)
        {
          length = 0;
          at -= 1;
          continue;
        }
      if (marker == (0xff00 | JPEG_SOS) || !read_number (file, at + 2, 2, &length) || length < 2)
        return FALSE;
      if (marker == (0xff00 | JPEG_APP1) && length >= 2 + sizeof exif_magic &&
          starts_with (file, at + 4, exif_magic, sizeof exif_magic))
        return sub_span (file, at + 4 + sizeof exif_magic, length - 2 - sizeof exif_magic, tiff);
    }

  return FALSE;
}

static gboolean
find_webp_exif (const Span *file,
                Span       *tiff)
{
  guint32 size;

  for (gsize at = 12; read_number (file, at + 4, 4, &size); at += 8 + (gsize) size + size % 2)
    {
      if (!sub_span (file, at + 8, size, tiff))
        return FALSE;
      if (!starts_with (file, at, "EXIF", 4))
        continue;
      /* Some writers keep the header that only JPEG has. */
      if (starts_with (tiff, 0, exif_magic, sizeof exif_magic))
        return sub_span (tiff, sizeof exif_magic, tiff->size - sizeof exif_magic, tiff);
      return TRUE;
    }

  return FALSE;
}

/* The offset of a tag's entry in the directory at an offset. */
static gboolean
find_entry (const Span *tiff,
            gsize       directory,
            guint       tag,
            gsize      *entry)
{
  guint32 n_entries, found;

  if (!read_number (tiff, directory, 2, &n_entries))
    return FALSE;

  for (guint32 i = 0; i < n_entries; i++)
    {
      *entry = directory + 2 + i * ENTRY_SIZE;
      if (!read_number (tiff, *entry, 2, &found))
        return FALSE;
      if (found == tag)
        return TRUE;
    }

  return FALSE;
}

static gboolean
find_comment (Span *tiff,
              Span *comment)
{
  gsize entry;
  guint32 directory, size, offset;

  tiff->little = starts_with (tiff, 0, "II*\0", 4);
  if (!tiff->little && !starts_with (tiff, 0, "MM\0*", 4))
    return FALSE;

  return read_number (tiff, 4, 4, &directory) &&
         find_entry (tiff, directory, TAG_EXIF_DIRECTORY, &entry) &&
         read_number (tiff, entry + 8, 4, &directory) &&
         find_entry (tiff, directory, TAG_USER_COMMENT, &entry) &&
         read_number (tiff, entry + 4, 4, &size) &&
         read_number (tiff, entry + 8, 4, &offset) &&
         size > CHARSET_SIZE &&
         sub_span (tiff, offset, size, comment);
}

/* Writers disagree whether the text follows the byte order of the header or is always big endian. The parameters have
 * plenty of ASCII, whose high bytes are zero. */
static gboolean
guess_little (const Span *text)
{
  gsize zeros[2] = { 0, 0 };

  for (gsize i = 0; i < text->size; i++)
    if (text->data[i] == 0)
      zeros[i % 2]++;

  return zeros[0] == zeros[1] ? text->little : zeros[1] > zeros[0];
}

static char *
decode_utf16 (const Span *text)
{
  gsize n_units = text->size / 2;
  g_autofree gunichar2 *units = g_new (gunichar2, n_units + 1);
  gsize start;

  for (gsize i = 0; i < n_units; i++)
    {
      guint32 unit = 0;

      read_number (text, 2 * i, 2, &unit);
      units[i] = (gunichar2) unit;
    }
  units[n_units] = 0;
  start = n_units > 0 && units[0] == 0xfeff ? 1 : 0;

  return g_utf16_to_utf8 (units + start, -1, NULL, NULL, NULL);
}

static char *
decode_comment (const Span *comment)
{
  Span text;
  g_autofree char *bytes = NULL;

  if (!sub_span (comment, CHARSET_SIZE, comment->size - CHARSET_SIZE, &text))
    return NULL;

  if (starts_with (comment, 0, charset_unicode, CHARSET_SIZE))
    {
      text.little = guess_little (&text);
      return decode_utf16 (&text);
    }
  if (!starts_with (comment, 0, charset_ascii, CHARSET_SIZE) && !starts_with (comment, 0, charset_none, CHARSET_SIZE))
    return NULL;

  bytes = g_strndup ((const char *) text.data, text.size);
  if (g_utf8_validate (bytes, -1, NULL))
    return g_steal_pointer (&bytes);
  return g_convert (bytes, -1, "UTF-8", "ISO-8859-1", NULL, NULL, NULL);
}

char *
zim_exif_extract (GBytes *bytes)
{
  Span file = { NULL, 0, FALSE };
  Span tiff, comment;
  gboolean found = FALSE;

  file.data = g_bytes_get_data (bytes, &file.size);
  if (is_jpeg (&file))
    found = find_jpeg_exif (&file, &tiff);

  if (is_webp (&file))
    {
      file.little = TRUE;
      found = find_webp_exif (&file, &tiff);
    }

  if (!found || !find_comment (&tiff, &comment))
    return NULL;

  return decode_comment (&comment);
}
