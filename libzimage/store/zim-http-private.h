/* zim-http-private.h: getting bytes from a server that may not feel well
 *
 * A request is repeated, after growing pauses, when the connection fails or stalls, or the server says that it is its
 * own fault; what has arrived is kept. A server that has too many requests is left alone as long as it wants, within
 * reason. Redirects are followed, but the token goes to nobody but the host it is for. Proxies are those of the
 * environment, or else of the system.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct {
  char  *base;  /* “https://huggingface.co”, without a slash at its end */
  char  *token; /* (nullable) the user's, or “name:password” */
  guint  pause; /* milliseconds before the first repetition, then twice as many each time */
  guint  stall; /* seconds without a byte until a connection counts as failed */

  GMutex lock;
  char  *granted; /* under the lock: (nullable) the token that the server has sent us for */
} ZimServer; /* any thread */

ZimServer *zim_server_new     (const char       *base,
                               const char       *token);
void       zim_server_free    (ZimServer        *self);

/* The whole of something small: max_size is an error. */
GBytes    *zim_http_get       (ZimServer  *self,
                               const char       *path,   /* on the server, from its slash on */
                               const char       *accept, /* (nullable) */
                               gsize             max_size,
                               GCancellable     *cancellable,
                               GError          **error);

/* The bytes from begin to end; end may be behind the end of the file. total is set to the size of the file. */
GBytes    *zim_http_get_range (ZimServer  *self,
                               const char       *path,
                               guint64           begin,
                               guint64           end,
                               guint64          *total, /* (nullable) */
                               GCancellable     *cancellable,
                               GError          **error);

/* The same into a file, behind what it has already, until it has size bytes. */
typedef void (*ZimHttpFunc) (gint64 n_bytes, gpointer user_data); /* negative: they have to come again */

gboolean   zim_http_fill_file (ZimServer  *self,
                               const char       *path,
                               guint64           begin,
                               int               fd,
                               guint64           size,
                               ZimHttpFunc       func,
                               gpointer          user_data,
                               GCancellable     *cancellable,
                               GError          **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimServer, zim_server_free)

G_END_DECLS
