/* zim-version-macros.h: visibility and availability of the public symbols
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include <glib.h>

#ifndef _ZIM_EXTERN
# define _ZIM_EXTERN extern
#endif

#define ZIM_AVAILABLE_IN_ALL _ZIM_EXTERN
