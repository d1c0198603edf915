/* zim-error.c: the error domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-error.h"

G_DEFINE_QUARK (zim-error-quark, zim_error)
