/* zim-quantize-private.h: values to the quantized types
 *
 * What is written depends on the values alone: it is the same on every machine and in any number of threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/zim-weight-private.h"

G_BEGIN_DECLS

/* “fp8”, “q8_0”, “q4_0”, “q4_k”, “q6_k”, “int8”, “int4”, in any case. ZIM_ERROR_UNSUPPORTED for others. */
gboolean zim_quantize_from_name (const char       *name,
                                 ZimDType         *dtype,
                                 GError          **error);

/* Whether it is a matrix whose rows are whole blocks or groups of the type. */
gboolean zim_quantize_fits      (const ZimWeight  *weight,
                                 ZimDType          dtype);

/* Sets result to the weight in one of those types, in memory of its own: FP8 with a scale for each row, INT4 and INT8
 * in groups of 64. The weight has to fit. ZIM_ERROR_BAD_FILE if a value is infinite or not a number. */
gboolean zim_quantize           (const ZimWeight  *weight,
                                 ZimDType          dtype,
                                 ZimWeight        *result,
                                 GCancellable     *cancellable,
                                 GError          **error);
void     zim_quantize_clear     (ZimWeight        *result);

G_END_DECLS
