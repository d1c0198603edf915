/* zim-dump-private.h: named tensors of a run, collected for a safetensors file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _ZimDump ZimDump;

ZimDump  *zim_dump_new        (void);
void      zim_dump_free       (ZimDump      *self);

/* What names begin with from now on: “step.3.” */
void      zim_dump_set_prefix (ZimDump      *self,
                               const char   *format,
                               ...) G_GNUC_PRINTF (2, 3);

/* A ZimDumpFunc whose user_data is a ZimDump. */
void      zim_dump_add        (const char   *name,
                               gint64        rows,
                               gint64        cols,
                               const float  *data,
                               gpointer      self);
void      zim_dump_add_ids    (ZimDump      *self,
                               const gint32 *ids,
                               guint         n);

gboolean  zim_dump_write      (ZimDump      *self,
                               const char   *path,
                               GError      **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimDump, zim_dump_free)

G_END_DECLS
