/* pull-server.h: a server that speaks the protocols of registries and of Hugging Face, and misbehaves
 *
 * It is in this process, on the loopback interface: nothing leaves the machine. It is a proxy as well, for a host that
 * does not exist.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

#define PULL_COMMIT "0123456789abcdef0123456789abcdef01234567"
#define PULL_NO_HOST "http://models.invalid" /* reached through the proxy alone */

/* What is wrong with it. */
typedef enum {
  PULL_WELL,
  PULL_CUT,         /* connections end in the middle of large answers */
  PULL_NO_RANGES,
  PULL_CUT_NO_RANGES,
  PULL_UNAVAILABLE, /* 503 */
  PULL_TOO_MANY,    /* 429 */
  PULL_STALLED,     /* nothing comes */
  PULL_WRONG,       /* one byte of every large file is another */
  PULL_SHORT,       /* blobs are shorter than their manifest says */
  PULL_REDIRECT,    /* to another host, where everything is */
  PULL_CIRCLE,      /* redirects to itself */
} PullFault;

/* What it wants to see of who asks for something. */
typedef enum {
  PULL_OPEN,
  PULL_CHALLENGE,       /* a token that it gives itself */
  PULL_CHALLENGE_OTHER, /* one that another host gives */
  PULL_CHALLENGE_NONE,  /* it sends for one to nowhere */
  PULL_BASIC,           /* a name and a password */
} PullDoor;

typedef struct
{
  char         *base;        /* http://127.0.0.1:PORT */
  char         *other;       /* the same under another name */
  const char   *source;      /* the folder of the model that the hub has */
  const char   *origin;      /* the store that the registry has */
  const char   *listing;     /* the file that the hub answers with */
  const char   *retry_after; /* (nullable) */
  const char   *answer;      /* (nullable) what the server of tokens says, if not a token */

  /* All atomic. */
  int           fault;
  int           n_faults;    /* requests that are still to go wrong */
  int           status;      /* for every request, if not 0 */
  int           door;
  int           n_uses;      /* of a token, until it is too old; 0: it never is */
  int           n_blobs;     /* answers that were blobs or pieces of weights */
  int           n_tokens;    /* requests with an Authorization */
  int           n_leaked;    /* those of them to the other host */
  int           n_granted;   /* tokens given */
  int           n_proxied;   /* requests for the host that does not exist */

  GMutex        lock;
  char         *proof;       /* under the lock: what the last who wanted a token showed */
  char         *asked;       /* likewise: and the address that he asked */

  /* Only of the server's thread. */
  int           n_used;
  GHashTable   *files;       /* path → GBytes */
  SoupServer   *server;
  GThread      *thread;
  GMainContext *context;
  GMainLoop    *loop;
} PullServer;

PullServer *pull_server_new  (const char *source,
                              const char *origin,
                              const char *listing);
void        pull_server_free (PullServer *self);

/* Well again, with all counters at 0. */
void        pull_server_heal (PullServer *self);

G_END_DECLS
