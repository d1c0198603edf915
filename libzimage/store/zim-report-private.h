/* zim-report-private.h: telling how far a long call is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Called in whatever thread does the work, often: with the bytes that were done since the last call and what they were
 * of, or, when that becomes known, with the bytes of it all (done 0, item NULL). */
typedef void (*ZimReportFunc) (guint64     total,
                               guint64     done,
                               const char *item,
                               gpointer    user_data);

typedef struct {
  ZimReportFunc func; /* (nullable) */
  gpointer      user_data;
} ZimReport;

static inline void
zim_report_total (const ZimReport *self,
                  guint64          total)
{
  if (self->func != NULL)
    self->func (total, 0, NULL, self->user_data);
}

static inline void
zim_report_done (const ZimReport *self,
                 guint64          done,
                 const char      *item)
{
  if (self->func != NULL && done > 0)
    self->func (0, done, item, self->user_data);
}

G_END_DECLS
