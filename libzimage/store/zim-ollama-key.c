/* zim-ollama-key.c: who the user is for Ollama's registry
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-ollama-key-private.h"
#include "store/zim-sha256-private.h"

#include <nettle/eddsa.h>
#include <string.h>

#define MAGIC "openssh-key-v1" /* with its NUL */
#define TYPE "ssh-ed25519"

/* Numbers and strings of SSH: lengths before them, the large end first. */
typedef struct {
  const guint8 *data;
  gsize         size;
} Reader;

/* NULL, once and for all, if there is not so much. */
static const guint8 *
take (Reader *self,
      gsize   size)
{
  const guint8 *data = self->data;

  if (data == NULL || size > self->size)
    {
      *self = (Reader) { NULL, 0 };
      return NULL;
    }
  self->data += size;
  self->size -= size;
  return data;
}

static guint32
take_number (Reader *self)
{
  const guint8 *data = take (self, 4);

  return data != NULL ? (guint32) data[0] << 24 | (guint32) data[1] << 16 | (guint32) data[2] << 8 | data[3] : 0;
}

static Reader
take_string (Reader *self)
{
  guint32 size = take_number (self);
  const guint8 *data = take (self, size);

  return (Reader) { data, data != NULL ? size : 0 };
}

static gboolean
is_text (Reader      string,
         const char *text)
{
  return string.data != NULL && string.size == strlen (text) && memcmp (string.data, text, string.size) == 0;
}

/* What is between the lines that begin and end the file. */
static guint8 *
decode (const char *text,
        gsize      *size)
{
  static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
  const char *from = strstr (text, begin);
  const char *to = from != NULL ? strstr (from, "-----END OPENSSH PRIVATE KEY-----") : NULL;
  g_autofree char *body = to != NULL ? g_strndup (from + strlen (begin), (gsize) (to - from) - strlen (begin)) : NULL;

  return body != NULL ? g_base64_decode (body, size) : NULL;
}

gboolean
zim_ollama_key_parse (const char *text,
                      guint8      seed[32],
                      guint8      public_key[32])
{
  gsize size = 0;
  g_autofree guint8 *data = decode (text, &size);
  Reader file = { data, size };
  const guint8 *magic = take (&file, sizeof MAGIC);
  Reader cipher, private, public, pair;
  guint32 check; /* is there twice, so that a wrong password is noticed */

  if (magic == NULL || memcmp (magic, MAGIC, sizeof MAGIC) != 0)
    return FALSE;
  cipher = take_string (&file);
  take_string (&file); /* how the password becomes a key, and what that needs */
  take_string (&file);
  if (!is_text (cipher, "none") || take_number (&file) != 1)
    return FALSE;
  take_string (&file); /* the public key, which stands in the private part again */
  private = take_string (&file);
  check = take_number (&private);
  if (take_number (&private) != check || !is_text (take_string (&private), TYPE))
    return FALSE;
  public = take_string (&private);
  pair = take_string (&private);
  if (public.size != ED25519_KEY_SIZE || pair.size != 2 * ED25519_KEY_SIZE)
    return FALSE;
  memcpy (seed, pair.data, ED25519_KEY_SIZE);
  memcpy (public_key, public.data, ED25519_KEY_SIZE);
  return TRUE;
}

/* As it stands in a list of keys that may log in. */
static char *
print_public_key (const guint8 public_key[ED25519_KEY_SIZE])
{
  g_autoptr(GByteArray) blob = g_byte_array_new ();
  const guint8 type_size[] = { 0, 0, 0, sizeof TYPE - 1 }, key_size[] = { 0, 0, 0, ED25519_KEY_SIZE };

  g_byte_array_append (blob, type_size, sizeof type_size);
  g_byte_array_append (blob, (const guint8 *) TYPE, sizeof TYPE - 1);
  g_byte_array_append (blob, key_size, sizeof key_size);
  g_byte_array_append (blob, public_key, ED25519_KEY_SIZE);
  return g_base64_encode (blob->data, blob->len);
}

/* The method, the address and the digest of the body, which is empty. */
static char *
make_message (const char *uri)
{
  g_autoptr(GBytes) nothing = g_bytes_new_static ("", 0);
  char hex[ZIM_SHA256_HEX + 1];
  g_autofree char *encoded = NULL;

  zim_sha256_of_bytes (nothing, hex);
  encoded = g_base64_encode ((const guchar *) hex, ZIM_SHA256_HEX);
  return g_strdup_printf ("GET,%s,%s", uri, encoded);
}

char *
zim_ollama_key_sign (const char *uri)
{
  g_autofree char *path = g_build_filename (g_get_home_dir (), ".ollama", "id_ed25519", NULL);
  g_autofree char *text = NULL;
  g_autofree char *message = make_message (uri);
  g_autofree char *shown = NULL;
  g_autofree char *encoded = NULL;
  guint8 seed[ED25519_KEY_SIZE], public_key[ED25519_KEY_SIZE], signature[ED25519_SIGNATURE_SIZE];

  if (!g_file_get_contents (path, &text, NULL, NULL) || !zim_ollama_key_parse (text, seed, public_key))
    return NULL;
  ed25519_sha512_sign (public_key, seed, strlen (message), (const guint8 *) message, signature);
  shown = print_public_key (public_key);
  encoded = g_base64_encode (signature, sizeof signature);
  return g_strconcat (shown, ":", encoded, NULL);
}
