/* app-job.h: one job of a queue, from the queue to its encoded pictures
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

#define APP_N_STAGES (ZIM_STAGE_DONE + 1)

#define APP_TYPE_JOB (app_job_get_type ())

G_DECLARE_FINAL_TYPE (AppJob, app_job, APP, JOB, GObject)

/* Others than the queue only read it once it is in the queue.
 *
 * ::progress is emitted when step, stage, place in the queue or, now and then, the fraction change, ::preview when
 * there is a new one, and ::done once, at the end. */
struct _AppJob
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
  gboolean     as_text;    /* its pictures are to be sent as text: base64 */
  guint64      turn;       /* in which of the queue's rounds it comes */

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
  GQueue       encodings;  /* of GTask: previews; the first is being encoded */
  gboolean     is_drawn;   /* its pictures are only to be encoded */
  GPtrArray   *pictures;   /* of GBytes, files or, as_text, base64 of them; once it is done */
  GError      *error;      /* why it has failed or was cancelled */

  gint64       created;    /* seconds since 1970 */
  gint64       submitted;  /* monotonic, microseconds; so are the others */
  gint64       started;
  gint64       ended;
  double       stage_seconds[APP_N_STAGES];
  gint64       stage_at;   /* when the stage began */
  gint64       progress_at;
  guint        n_faults;   /* of app-fault.h when it began */
};

/* A preview as a file, or base64 of it. */
typedef struct
{
  GBytes *data;
  int     step; /* after which it was */
  int     total;
} AppPreview;

void app_preview_free (AppPreview *preview);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppPreview, app_preview_free)

AppJob     *app_job_new                   (const char           *client,
                                           const char           *model,
                                           ZimParams            *params);

gboolean    app_job_is_over               (AppJob               *self);
double      app_job_get_remaining         (AppJob               *self); /* seconds, or −1 */
gint64      app_job_get_seed              (AppJob               *self, /* −1 as long as it is not drawn */
                                           guint                 index);

/* Whoever is told of a preview may have it encoded, in a thread. Previews come in the order in which they were asked
 * for, and before the end of the job unless it ends with an error. The format is a literal. */
void        app_job_encode_preview_async  (AppJob               *self,
                                           const char           *format,
                                           gboolean              as_text,
                                           GAsyncReadyCallback   callback,
                                           gpointer              user_data);
AppPreview *app_job_encode_preview_finish (AppJob               *self, /* (transfer full) */
                                           GAsyncResult         *result,
                                           GError              **error);

/* The queue's. */
void        app_job_set_place             (AppJob               *self,
                                           int                   position,
                                           double                wait);
void        app_job_begin                 (AppJob               *self);
void        app_job_run                   (AppJob               *self,
                                           ZimPipeline          *pipeline);
/* Whether a file was cut off since it began, so that what it computes is wrong. */
gboolean    app_job_is_damaged            (AppJob               *self);
/* Takes the error. Does nothing if the job is over. */
void        app_job_fail                  (AppJob               *self,
                                           GError               *error);

G_END_DECLS
