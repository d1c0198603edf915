/* zim-ollama-key-private.h: who the user is for Ollama's registry
 *
 * Ollama makes a key for each user, ~/.ollama/id_ed25519, in the form of OpenSSH's. Who has made it known on
 * ollama.com gets the models that are his own with it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The value of Authorization for a GET of an address: “public key:signature”. NULL if the user has no such key, or one
 * with a password. (transfer full) (nullable) */
char     *zim_ollama_key_sign  (const char  *uri);

/* The seed and the public half of the key of such a file. */
gboolean  zim_ollama_key_parse (const char  *text,
                                guint8       seed[32],
                                guint8       public_key[32]);

G_END_DECLS
