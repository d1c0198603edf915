/* server-job.h: one job of the server, from the queue to its encoded pictures
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

#define SERVER_N_STAGES (ZIM_STAGE_DONE + 1)

#define SERVER_TYPE_JOB (server_job_get_type ())

G_DECLARE_FINAL_TYPE (ServerJob, server_job, SERVER, JOB, GObject)

/* Others than the queue only read it once it is in the queue.
 *
 * ::progress is emitted when step, stage, place in the queue or, now and then, the fraction change, ::preview when
 * there is a new one, and ::done once, at the end. */
struct _ServerJob
{
  GObject      parent_instance;

  char        *id;         /* 32 hexadecimal digits, which nobody guesses */
  char        *client;     /* who asked */
  char        *model;      /* its full name */
  ZimParams   *params;     /* as they were asked for; once it runs, as they are */
  const char  *format;     /* “png”, “jpeg” or “webp” */
  int          quality;    /* of JPEG and WebP */
  int          preview_interval; /* steps, 0 for none */
  gint64       keep_alive; /* of the model afterwards, microseconds; negative: for ever */
  gboolean     is_kept;    /* its pictures are fetched later */

  ZimJobState  state;
  int          position;   /* how many jobs come before it */
  double       wait;       /* estimated seconds until it begins, or −1 */
  double       estimate;   /* estimated seconds that it takes, or −1 */
  ZimStage     stage;
  int          step;
  int          total;
  double       fraction;
  char        *warning;    /* or NULL */
  ZimJob      *run;        /* while it runs */
  GPtrArray   *pictures;   /* of GBytes, files; once it is done */
  GError      *error;      /* why it has failed or was cancelled */

  gint64       created;    /* seconds since 1970 */
  gint64       submitted;  /* monotonic, microseconds; so are the others */
  gint64       started;
  gint64       ended;
  double       stage_seconds[SERVER_N_STAGES];
  gint64       stage_at;   /* when the stage began */
  gint64       progress_at;
};

ServerJob  *server_job_new           (const char     *client,
                                      const char     *model,
                                      ZimParams      *params);

gboolean    server_job_is_over       (ServerJob      *self);
double      server_job_get_remaining (ServerJob      *self); /* seconds, or −1 */
GdkPixbuf  *server_job_get_preview   (ServerJob      *self); /* (nullable) */
gint64      server_job_get_seed      (ServerJob      *self, /* −1 as long as it is not drawn */
                                      guint           index);

/* The queue's. */
void        server_job_set_place     (ServerJob      *self,
                                      int             position,
                                      double          wait);
void        server_job_begin         (ServerJob      *self);
void        server_job_run           (ServerJob      *self,
                                      ZimPipeline    *pipeline);
/* Takes the error. Does nothing if the job is over. */
void        server_job_fail          (ServerJob      *self,
                                      GError         *error);

G_END_DECLS
