/* zim-image.c: a picture and how it was made
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-image.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zim-error.h"
#include "zim-exif-private.h"
#include "zim-infotext-private.h"
#include "zim-params.h"

/**
 * ZimImage:
 *
 * A picture and how it was made.
 *
 * The parameters are those that the picture was really made with: the random seed that was drawn, the
 * size, the steps and the guidance that the model gave. A picture is saved with them as a PNG, JPEG or
 * WebP file, in the text form that stable-diffusion-webui began and that many programs read, and
 * [func@ZImage.Image.load] reads them back.
 *
 * An object never changes, so that it can be used from any thread.
 */

#define DEFAULT_QUALITY 90 /* of 1 to 100 */
#define FORMAT_NAMES "png, jpg, jpeg, webp"

/* The longest side product that is decoded: more is a mistake or an attack. */
#define MAX_PIXELS ((gint64) 1 << 28)

/* How many characters of a prompt a JPEG file keeps if it cannot keep all. */
#define SHORT_PROMPT 2000

typedef struct
{
  const char *extension;
  const char *codec;     /* gdk-pixbuf's name */
} Format;

static const Format formats[] = {
  { "png", "png" },
  { "jpg", "jpeg" },
  { "jpeg", "jpeg" },
  { "webp", "webp" },
};

struct _ZimImage
{
  GObject    parent_instance;

  GdkPixbuf *pixbuf;
  ZimParams *params;          /* sealed */
  char      *model_name;      /* (nullable) */
  char      *parameters_text;
};

G_DEFINE_FINAL_TYPE (ZimImage, zim_image, G_TYPE_OBJECT)

enum {
  PROP_0,
  PROP_PIXBUF,
  PROP_PARAMS,
  PROP_MODEL_NAME,
  PROP_PARAMETERS_TEXT,
  PROP_SEED,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
zim_image_constructed (GObject *object)
{
  ZimImage *self = ZIM_IMAGE (object);

  G_OBJECT_CLASS (zim_image_parent_class)->constructed (object);

  if (self->parameters_text == NULL)
    self->parameters_text = zim_infotext_format (self->params, self->model_name);
}

static void
zim_image_finalize (GObject *object)
{
  ZimImage *self = ZIM_IMAGE (object);

  g_clear_object (&self->pixbuf);
  g_clear_object (&self->params);
  g_free (self->model_name);
  g_free (self->parameters_text);

  G_OBJECT_CLASS (zim_image_parent_class)->finalize (object);
}

static void
zim_image_get_property (GObject    *object,
                        guint       prop_id,
                        GValue     *value,
                        GParamSpec *pspec)
{
  ZimImage *self = ZIM_IMAGE (object);

  switch (prop_id)
    {
    case PROP_PIXBUF:
      g_value_set_object (value, self->pixbuf);
      break;
    case PROP_PARAMS:
      g_value_set_object (value, self->params);
      break;
    case PROP_MODEL_NAME:
      g_value_set_string (value, self->model_name);
      break;
    case PROP_PARAMETERS_TEXT:
      g_value_set_string (value, self->parameters_text);
      break;
    case PROP_SEED:
      g_value_set_int64 (value, zim_image_get_seed (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

/* Somebody else's parameters may still change, ours must not. */
static ZimParams *
sealed_params (ZimParams *params)
{
  ZimParams *copy;

  if (params != NULL && zim_params_is_sealed (params))
    return g_object_ref (params);

  copy = params != NULL ? zim_params_copy (params) : zim_params_new (NULL);
  zim_params_seal (copy);
  return copy;
}

static void
zim_image_set_property (GObject      *object,
                        guint         prop_id,
                        const GValue *value,
                        GParamSpec   *pspec)
{
  ZimImage *self = ZIM_IMAGE (object);

  switch (prop_id)
    {
    case PROP_PIXBUF:
      self->pixbuf = g_value_dup_object (value);
      break;
    case PROP_PARAMS:
      self->params = sealed_params (g_value_get_object (value));
      break;
    case PROP_MODEL_NAME:
      self->model_name = g_value_dup_string (value);
      break;
    case PROP_PARAMETERS_TEXT:
      self->parameters_text = g_value_dup_string (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_image_class_init (ZimImageClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->constructed = zim_image_constructed;
  object_class->finalize = zim_image_finalize;
  object_class->get_property = zim_image_get_property;
  object_class->set_property = zim_image_set_property;

  /**
   * ZimImage:pixbuf:
   *
   * The pixels.
   */
  properties[PROP_PIXBUF] = g_param_spec_object ("pixbuf", NULL, NULL, GDK_TYPE_PIXBUF, flags);

  /**
   * ZimImage:params:
   *
   * The sealed parameters that the picture was made with.
   */
  properties[PROP_PARAMS] = g_param_spec_object ("params", NULL, NULL, ZIM_TYPE_PARAMS, flags);

  /**
   * ZimImage:model-name:
   *
   * The name of the model that made the picture, %NULL if it is not known.
   */
  properties[PROP_MODEL_NAME] = g_param_spec_string ("model-name", NULL, NULL, NULL, flags);

  /**
   * ZimImage:parameters-text:
   *
   * The parameters as the text that is saved with the picture.
   */
  properties[PROP_PARAMETERS_TEXT] = g_param_spec_string ("parameters-text", NULL, NULL, NULL, flags);

  /**
   * ZimImage:seed:
   *
   * The seed that the picture was made with, −1 if it is not known.
   */
  properties[PROP_SEED] =
    g_param_spec_int64 ("seed", NULL, NULL,
                        G_MININT64, G_MAXINT64, ZIM_SEED_RANDOM,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
zim_image_init (ZimImage *self)
{
}

/* --- Formats --------------------------------------------------------------------------------------- */

static gboolean
codec_can_write (const char *codec)
{
  g_autoptr(GSList) known = gdk_pixbuf_get_formats ();

  for (GSList *l = known; l != NULL; l = l->next)
    {
      g_autofree char *name = gdk_pixbuf_format_get_name (l->data);

      if (g_str_equal (name, codec))
        return gdk_pixbuf_format_is_writable (l->data);
    }

  return FALSE;
}

static const Format *
find_format (const char  *name,
             GError     **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      if (g_ascii_strcasecmp (name, formats[i].extension) != 0)
        continue;
      if (codec_can_write (formats[i].codec))
        return &formats[i];

      g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
                   _("Format “%s” needs a gdk-pixbuf loader that is not installed"), formats[i].codec);
      return NULL;
    }

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
               _("Format “%s” is unknown, expected one of: %s"), name, FORMAT_NAMES);
  return NULL;
}

static const Format *
find_format_of_path (const char  *path,
                     GError     **error)
{
  g_autofree char *base = g_path_get_basename (path);
  const char *dot = strrchr (base, '.');

  if (dot != NULL && dot != base)
    return find_format (dot + 1, error);

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
               _("File name “%s” has no extension, expected one of: %s"), path, FORMAT_NAMES);
  return NULL;
}

/* --- Encoding -------------------------------------------------------------------------------------- */

static GBytes *
encode_pixels (ZimImage     *self,
               const char   *codec,
               const char  **keys,
               const char  **values,
               GError      **error)
{
  char *data;
  gsize size;

  if (!gdk_pixbuf_save_to_bufferv (self->pixbuf, &data, &size, codec,
                                   (char **) keys, (char **) values, error))
    return NULL;

  return g_bytes_new_take (data, size);
}

/* gdk-pixbuf writes a tEXt chunk if the text is Latin-1 and an iTXt chunk if it is not, as the readers of this key
 * expect it. */
static GBytes *
encode_png (ZimImage  *self,
            GError   **error)
{
  const char *keys[] = { "tEXt::parameters", NULL };
  const char *values[] = { self->parameters_text, NULL };

  return encode_pixels (self, "png", keys, values, error);
}

static char *
shorten (const char *text)
{
  g_autofree char *start = NULL;

  if (g_utf8_strlen (text, -1) <= SHORT_PROMPT)
    return g_strdup (text);

  start = g_utf8_substring (text, 0, SHORT_PROMPT);
  return g_strconcat (start, "…", NULL);
}

/* A picture is worth more than the end of its prompt. */
static char *
make_jpeg_text (ZimImage *self)
{
  g_autoptr(ZimParams) params = NULL;
  g_autofree char *prompt = NULL;
  g_autofree char *negative = NULL;

  /* A UTF-16 unit takes one byte of UTF-8 at least. */
  if (strlen (self->parameters_text) <= ZIM_EXIF_JPEG_MAX)
    return g_strdup (self->parameters_text);

  params = zim_params_copy (self->params);
  prompt = shorten (zim_params_get_prompt (params));
  negative = shorten (zim_params_get_negative_prompt (params));
  zim_params_set_prompt (params, prompt);
  zim_params_set_negative_prompt (params, negative);

  return zim_infotext_format (params, self->model_name);
}

static GBytes *
encode_lossy (ZimImage    *self,
              const char  *codec,
              int          quality,
              GError     **error)
{
  gboolean is_jpeg = g_str_equal (codec, "jpeg");
  g_autofree char *number = g_strdup_printf ("%d", quality == 0 ? DEFAULT_QUALITY : quality);
  g_autofree char *text = is_jpeg ? make_jpeg_text (self) : g_strdup (self->parameters_text);
  const char *keys[] = { "quality", NULL };
  const char *values[] = { number, NULL };
  g_autoptr(GBytes) bytes = encode_pixels (self, codec, keys, values, error);

  if (bytes == NULL)
    return NULL;

  return zim_exif_embed (bytes, text,
                         gdk_pixbuf_get_width (self->pixbuf), gdk_pixbuf_get_height (self->pixbuf),
                         error);
}

static GBytes *
encode (ZimImage      *self,
        const Format  *format,
        int            quality,
        GError       **error)
{
  if (quality < 0 || quality > 100)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
                   _("Quality is %d, expected a whole number from 1 to 100, or 0 for the default"), quality);
      return NULL;
    }

  if (g_str_equal (format->codec, "png"))
    return encode_png (self, error);

  return encode_lossy (self, format->codec, quality, error);
}

/* --- Files ----------------------------------------------------------------------------------------- */

static void
set_write_error (GError     **error,
                 const char  *path,
                 int          code)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
               _("Failed to write “%s”: %s"), path, g_strerror (code));
}

static gboolean
write_all (int           fd,
           const guint8 *data,
           gsize         size)
{
  while (size > 0)
    {
      gssize written = write (fd, data, size);

      if (written < 0 && errno != EINTR)
        return FALSE;
      if (written > 0)
        {
          data += written;
          size -= (gsize) written;
        }
    }

  return TRUE;
}

/* A device or a pipe cannot be replaced, and must not be. */
static gboolean
write_special (const char  *path,
               GBytes      *bytes,
               GError     **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  int fd = g_open (path, O_WRONLY | O_CLOEXEC, 0);
  gboolean ok = fd >= 0 && write_all (fd, data, size);

  if (!ok)
    set_write_error (error, path, errno);
  if (fd >= 0 && !g_close (fd, ok ? error : NULL))
    ok = FALSE;

  return ok;
}

/* The whole file or nothing: it is written beside its place, flushed and renamed. Where a link leads to stays the
 * file, and the link a link. */
static gboolean
write_file (const char  *path,
            GBytes      *bytes,
            GError     **error)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  g_autofree char *target = realpath (path, NULL);
  GStatBuf info;

  if (target != NULL && g_stat (target, &info) == 0 && !S_ISREG (info.st_mode) && !S_ISDIR (info.st_mode))
    return write_special (target, bytes, error);

  return g_file_set_contents_full (target != NULL ? target : path,
                                   data, (gssize) size,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                   0666, error);
}

static GBytes *
read_file (const char  *path,
           GError     **error)
{
  GStatBuf info;
  char *data;
  gsize size;

  if (g_stat (path, &info) == 0 && !S_ISREG (info.st_mode))
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE,
                   _("“%s” is not a regular file, expected a picture"), path);
      return NULL;
    }
  if (!g_file_get_contents (path, &data, &size, error))
    return NULL;

  return g_bytes_new_take (data, size);
}

/* From the file and not from its bytes: gdk-pixbuf takes a truncated PNG that comes piece by piece for a whole one. */
static GdkPixbuf *
decode (const char  *path,
        GError     **error)
{
  g_autoptr(GdkPixbuf) pixbuf = NULL;
  g_autoptr(GError) reason = NULL;
  int width, height;

  if (gdk_pixbuf_get_file_info (path, &width, &height) == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE,
                   _("File “%s” is not in a format that is known, expected a PNG, JPEG or WebP file"), path);
      return NULL;
    }
  if ((gint64) width * height > MAX_PIXELS)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE,
                   _("File “%s” has %d×%d pixels, expected at most %lld in all"),
                   path, width, height, (long long) MAX_PIXELS);
      return NULL;
    }

  pixbuf = gdk_pixbuf_new_from_file (path, &reason);
  if (pixbuf == NULL)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE,
                 _("File “%s” cannot be read: %s"), path, reason->message);

  return g_steal_pointer (&pixbuf);
}

/* Some programs put UTF-8 into the chunk that is meant for Latin-1. Text that is UTF-8 when its characters are taken
 * for bytes was meant so: no real Latin-1 text is. */
static char *
repair_encoding (const char *text)
{
  g_autofree char *bytes = g_convert (text, -1, "ISO-8859-1", "UTF-8", NULL, NULL, NULL);

  if (bytes != NULL && g_utf8_validate (bytes, -1, NULL))
    return g_steal_pointer (&bytes);

  return g_strdup (text);
}

static char *
find_text (GdkPixbuf *pixbuf,
           GBytes    *bytes)
{
  const char *text = gdk_pixbuf_get_option (pixbuf, "tEXt::parameters");

  return text != NULL ? repair_encoding (text) : zim_exif_extract (bytes);
}

/* The size of the picture, for texts that do not say one. */
static void
complete_size (ZimParams *params,
               GdkPixbuf *pixbuf)
{
  if (zim_params_get_width (params) == 0)
    zim_params_set_size (params, gdk_pixbuf_get_width (pixbuf), gdk_pixbuf_get_height (pixbuf));
}

/* --- Public calls ---------------------------------------------------------------------------------- */

/**
 * zim_image_new:
 * @pixbuf: the pixels; they must not be changed afterwards
 * @params: how the picture was made; copied unless they are sealed
 * @model_name: (nullable): the model that made the picture
 *
 * Creates an image.
 *
 * Returns: (transfer full): a new image
 */
ZimImage *
zim_image_new (GdkPixbuf  *pixbuf,
               ZimParams  *params,
               const char *model_name)
{
  g_return_val_if_fail (GDK_IS_PIXBUF (pixbuf), NULL);
  g_return_val_if_fail (ZIM_IS_PARAMS (params), NULL);

  return g_object_new (ZIM_TYPE_IMAGE,
                       "pixbuf", pixbuf,
                       "params", params,
                       "model-name", model_name,
                       NULL);
}

/**
 * zim_image_load:
 * @path: (type filename): a PNG, JPEG or WebP file
 * @error: return location for an error
 *
 * Reads a picture and the parameters that are saved in it, by this library or by another program.
 *
 * What the saved text does not say has its default; what it says in words of other programs is left
 * out. The parameters may so fail [method@ZImage.Params.validate].
 *
 * The error is `ZIM_ERROR_BAD_IMAGE` if the file is no picture or has no parameters, and a
 * `G_FILE_ERROR` if it cannot be read.
 *
 * Returns: (transfer full): the image
 */
ZimImage *
zim_image_load (const char  *path,
                GError     **error)
{
  g_autoptr(GBytes) bytes = NULL;
  g_autoptr(GdkPixbuf) pixbuf = NULL;
  g_autoptr(ZimParams) params = NULL;
  g_autofree char *text = NULL;
  g_autofree char *model_name = NULL;

  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  bytes = read_file (path, error);
  if (bytes == NULL)
    return NULL;
  pixbuf = decode (path, error);
  if (pixbuf == NULL)
    return NULL;

  text = find_text (pixbuf, bytes);
  if (text == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE,
                   _("File “%s” has no generation parameters"), path);
      return NULL;
    }

  params = zim_infotext_parse (text, &model_name);
  complete_size (params, pixbuf);
  zim_params_seal (params);
  return g_object_new (ZIM_TYPE_IMAGE,
                       "pixbuf", pixbuf,
                       "params", params,
                       "model-name", model_name,
                       "parameters-text", text,
                       NULL);
}

/**
 * zim_image_get_pixbuf:
 * @self: an image
 *
 * The pixels. They must not be changed.
 *
 * Returns: (transfer none): the pixels
 */
GdkPixbuf *
zim_image_get_pixbuf (ZimImage *self)
{
  g_return_val_if_fail (ZIM_IS_IMAGE (self), NULL);

  return self->pixbuf;
}

/**
 * zim_image_get_params:
 * @self: an image
 *
 * How the picture was made. Its number of images is 1, and its seed the one of this picture.
 *
 * Returns: (transfer none): sealed parameters
 */
ZimParams *
zim_image_get_params (ZimImage *self)
{
  g_return_val_if_fail (ZIM_IS_IMAGE (self), NULL);

  return self->params;
}

/**
 * zim_image_get_seed:
 * @self: an image
 *
 * The seed that the picture was made with.
 *
 * Returns: the seed, or −1 if a file did not say it
 */
gint64
zim_image_get_seed (ZimImage *self)
{
  g_return_val_if_fail (ZIM_IS_IMAGE (self), ZIM_SEED_RANDOM);

  return zim_params_get_seed (self->params);
}

/**
 * zim_image_get_model_name:
 * @self: an image
 *
 * The name of the model that made the picture.
 *
 * Returns: (transfer none) (nullable): the name, or %NULL if it is not known
 */
const char *
zim_image_get_model_name (ZimImage *self)
{
  g_return_val_if_fail (ZIM_IS_IMAGE (self), NULL);

  return self->model_name;
}

/**
 * zim_image_get_parameters_text:
 * @self: an image
 *
 * The parameters as the text that is saved with the picture: the prompt, a line that starts with
 * “Negative prompt:” if there is one, and a line “Steps: 8, Sampler: Euler, …”. For a picture that was
 * read it is the text as it was found.
 *
 * Returns: (transfer none): the text, UTF-8
 */
const char *
zim_image_get_parameters_text (ZimImage *self)
{
  g_return_val_if_fail (ZIM_IS_IMAGE (self), NULL);

  return self->parameters_text;
}

/**
 * zim_image_save:
 * @self: an image
 * @path: (type filename): a file name that ends in .png, .jpg, .jpeg or .webp
 * @error: return location for an error
 *
 * Saves the picture with its parameters, in the format that the name asks for and in the default
 * quality. See [method@ZImage.Image.save_as].
 *
 * Returns: %TRUE if the file is complete on disk
 */
gboolean
zim_image_save (ZimImage    *self,
                const char  *path,
                GError     **error)
{
  return zim_image_save_as (self, path, NULL, 0, error);
}

/**
 * zim_image_save_as:
 * @self: an image
 * @path: (type filename): a file name
 * @format: (nullable): “png”, “jpeg” (or “jpg”) or “webp”; %NULL takes the name’s extension
 * @quality: 1 to 100 for JPEG and WebP, or 0 for the default, 90
 * @error: return location for an error
 *
 * Saves the picture with its parameters. A file of that name is replaced, at once and only by a
 * complete one; after an error nothing is left of the new one. A device or pipe of that name is
 * written to.
 *
 * The error is `ZIM_ERROR_UNSUPPORTED` for an unknown format, and a `G_FILE_ERROR` if the file cannot
 * be written.
 *
 * Returns: %TRUE if the file is complete on disk
 */
gboolean
zim_image_save_as (ZimImage    *self,
                   const char  *path,
                   const char  *format,
                   int          quality,
                   GError     **error)
{
  const Format *found;
  g_autoptr(GBytes) bytes = NULL;

  g_return_val_if_fail (ZIM_IS_IMAGE (self), FALSE);
  g_return_val_if_fail (path != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  found = format != NULL ? find_format (format, error) : find_format_of_path (path, error);
  if (found == NULL)
    return FALSE;
  bytes = encode (self, found, quality, error);
  if (bytes == NULL)
    return FALSE;

  return write_file (path, bytes, error);
}

/**
 * zim_image_encode:
 * @self: an image
 * @format: “png”, “jpeg” (or “jpg”) or “webp”
 * @quality: 1 to 100 for JPEG and WebP, or 0 for the default, 90
 * @error: return location for an error
 *
 * The bytes of a file with the picture and its parameters. The error is `ZIM_ERROR_UNSUPPORTED` for an
 * unknown format.
 *
 * Returns: (transfer full): the bytes
 */
GBytes *
zim_image_encode (ZimImage    *self,
                  const char  *format,
                  int          quality,
                  GError     **error)
{
  const Format *found;

  g_return_val_if_fail (ZIM_IS_IMAGE (self), NULL);
  g_return_val_if_fail (format != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  found = find_format (format, error);
  if (found == NULL)
    return NULL;

  return encode (self, found, quality, error);
}
