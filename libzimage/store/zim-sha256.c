/* zim-sha256.c: the digests that name the blobs of a store
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-sha256-private.h"

#include <string.h>

void
zim_sha256_finish (ZimSha256 *self,
                   char       hex[ZIM_SHA256_HEX + 1])
{
  static const char digits[] = "0123456789abcdef";
  guint8 digest[SHA256_DIGEST_SIZE];

  sha256_digest (&self->context, sizeof digest, digest);
  for (guint i = 0; i < sizeof digest; i++)
    {
      hex[2 * i] = digits[digest[i] >> 4];
      hex[2 * i + 1] = digits[digest[i] & 15];
    }
  hex[ZIM_SHA256_HEX] = '\0';
}

void
zim_sha256_of_bytes (GBytes *bytes,
                     char    hex[ZIM_SHA256_HEX + 1])
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  ZimSha256 sha256;

  zim_sha256_init (&sha256);
  zim_sha256_update (&sha256, data, size);
  zim_sha256_finish (&sha256, hex);
}

gboolean
zim_sha256_parse (const char *text,
                  char        hex[ZIM_SHA256_HEX + 1])
{
  if (!g_str_has_prefix (text, "sha256:") && !g_str_has_prefix (text, "sha256-"))
    return FALSE;
  text += strlen ("sha256:");
  if (strlen (text) != ZIM_SHA256_HEX)
    return FALSE;
  for (guint i = 0; i <= ZIM_SHA256_HEX; i++)
    {
      if (i < ZIM_SHA256_HEX && !g_ascii_isxdigit (text[i]))
        return FALSE;
      hex[i] = g_ascii_tolower (text[i]);
    }
  return TRUE;
}
