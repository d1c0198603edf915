/* zim-types.h: the classes, named before they are declared
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _ZimBenchmark ZimBenchmark;
typedef struct _ZimDevice ZimDevice;
typedef struct _ZimImage ZimImage;
typedef struct _ZimJob ZimJob;
typedef struct _ZimModel ZimModel;
typedef struct _ZimParams ZimParams;
typedef struct _ZimPipeline ZimPipeline;
typedef struct _ZimStore ZimStore;
typedef struct _ZimStoredModel ZimStoredModel;
typedef struct _ZimTransfer ZimTransfer;

G_END_DECLS
