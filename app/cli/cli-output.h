/* cli-output.h: where pictures go
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

/* What the options of a run say about its results. */
typedef struct
{
  const char *path;    /* a file, a folder, “-” for standard output, or NULL */
  const char *format;  /* or NULL */
  int         quality; /* 0 is the default */
  gboolean    quiet;
  gboolean    json;
} CliOutput;

/* Whether pictures could be saved so, as far as it can be known before they are made. */
gboolean  cli_output_check      (const CliOutput  *self,
                                 int               n_images,
                                 GError          **error);
gboolean  cli_output_is_stdout  (const CliOutput  *self);
/* Saves one of n pictures and returns its path, NULL for an error. (transfer full) */
char     *cli_output_save       (const CliOutput  *self,
                                 ZimImage         *image,
                                 guint             index,
                                 guint             n_images,
                                 GError          **error);

G_END_DECLS
