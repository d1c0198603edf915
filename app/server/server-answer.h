/* server-answer.h: what a client is told of a job, and of the models
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "app-job.h"
#include "server-call.h"
#include "server-request.h"

G_BEGIN_DECLS

typedef struct _ServerAnswer ServerAnswer;

/* What one API says when. A NULL says nothing. */
typedef struct
{
  void (*begin)    (ServerAnswer *answer); /* the job is in the queue */
  void (*progress) (ServerAnswer *answer);
  /* As what a new preview is to be encoded; NULL if this one is of no use. */
  const char *(*want_preview) (ServerAnswer *answer);
  void (*preview)  (ServerAnswer *answer, const AppPreview *preview); /* base64 */
  void (*done)     (ServerAnswer *answer); /* it has its pictures */
  gboolean is_observer;                    /* the job goes on when the client has gone */
} ServerAnswerKind;

struct _ServerAnswer
{
  const ServerAnswerKind *kind;
  ServerCall             *call;    /* which it belongs to */
  ServerRequest          *request; /* NULL for an observer */
  AppJob                 *job;
  int                     last_step;
  int                     n_previews; /* that were wanted so far */
  int                     n_encoding; /* of those: previews that are not there yet */
};

/* Makes a job of a request, which it takes, puts it into the queue and tells the client about it. */
void      server_answer_start       (ServerCall             *call,
                                     ServerRequest          *request,
                                     const ServerAnswerKind *kind);
/* Tells about a job that there is. */
void      server_answer_observe     (ServerCall             *call,
                                     AppJob                 *job,
                                     const ServerAnswerKind *kind);

/* Parts of what is told. */
char     *server_answer_progress    (AppJob                 *job); /* JSON (transfer full) */
GVariant *server_answer_job         (ServerCall             *call, /* (transfer floating) */
                                     AppJob                 *job);
GVariant *server_answer_text        (GBytes                 *text); /* base64 (transfer floating) */
char     *server_answer_picture_url (ServerCall             *call, /* (transfer full) */
                                     AppJob                 *job,
                                     guint                   index);

/* The models that there are, as an API has them. (element-type AppListing) (transfer floating) */
typedef GVariant *(*ServerMakeListings) (GPtrArray *listings);

void      server_answer_listings    (ServerCall             *call,
                                     ServerMakeListings      make);

G_END_DECLS
