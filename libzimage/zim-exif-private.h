/* zim-exif-private.h: a text in the EXIF data of JPEG and WebP files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The longest text that a JPEG file can hold, in units of UTF-16: a segment ends at 64 KiB. */
#define ZIM_EXIF_JPEG_MAX 32737

/* The file with the text as its UserComment, in UTF-16 as the tools that read it expect. The file is a JPEG or WebP
 * file that a codec just wrote, without EXIF data, of width x height pixels. */
GBytes *zim_exif_embed   (GBytes      *file,
                          const char  *text,
                          int          width,
                          int          height,
                          GError     **error);

/* The UserComment of any JPEG or WebP file, (nullable) (transfer full): NULL if there is none that can be read.
 * Every byte of the file is untrusted. */
char   *zim_exif_extract (GBytes      *file);

G_END_DECLS
