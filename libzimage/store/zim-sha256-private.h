/* zim-sha256-private.h: the digests that name the blobs of a store
 *
 * Nettle's, not GChecksum: importing a model hashes all of it, and GLib's portable C is a fifth as fast as what nettle
 * makes of the processor's own instructions (132 against 664 MB/s on a busy Zen 5).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <nettle/sha2.h>

G_BEGIN_DECLS

#define ZIM_SHA256_HEX 64 /* characters of a digest, without the NUL */

typedef struct {
  struct sha256_ctx context;
} ZimSha256;

static inline void
zim_sha256_init (ZimSha256 *self)
{
  sha256_init (&self->context);
}

static inline void
zim_sha256_update (ZimSha256  *self,
                   const void *data,
                   gsize       size)
{
  sha256_update (&self->context, size, data);
}

/* Lower case, NUL-terminated. */
void      zim_sha256_finish    (ZimSha256   *self,
                                char         hex[ZIM_SHA256_HEX + 1]);

void      zim_sha256_of_bytes  (GBytes      *bytes,
                                char         hex[ZIM_SHA256_HEX + 1]);

/* “sha256:0123…” or “sha256-0123…”, in any case. */
gboolean  zim_sha256_parse     (const char  *text,
                                char         hex[ZIM_SHA256_HEX + 1]);

G_END_DECLS
