/* zim-error.h: what can go wrong, as codes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include <glib.h>
#include "zim-version-macros.h"

G_BEGIN_DECLS

/**
 * ZimError:
 * @ZIM_ERROR_FAILED: an error that has no code of its own
 * @ZIM_ERROR_NOT_FOUND: a model, a file or a part of a model does not exist
 * @ZIM_ERROR_BAD_FILE: a file is not what its name or header says: truncated, overlapping, not JSON, …
 * @ZIM_ERROR_BAD_CONFIG: a model's configuration is inconsistent or lacks a field
 * @ZIM_ERROR_MISSING_TENSOR: a checkpoint lacks a tensor that its configuration asks for
 * @ZIM_ERROR_BAD_SHAPE: a tensor has another shape than its use asks for
 * @ZIM_ERROR_UNSUPPORTED: a known thing that this version cannot do: a data type, an architecture, …
 * @ZIM_ERROR_INVALID_PARAMS: a generation parameter is out of range
 * @ZIM_ERROR_NON_FINITE: the computation gave infinities or NaNs; no picture is made of them
 * @ZIM_ERROR_OUT_OF_MEMORY: the memory that the run needs is not there
 * @ZIM_ERROR_DEVICE: a compute device is missing, lost or refuses
 * @ZIM_ERROR_BAD_IMAGE: an image file cannot be read or carries no parameters
 *
 * Error codes of libzimage. The message names the file, the tensor or the field, what was found and
 * what was expected.
 *
 * Input and output errors are passed on as `G_IO_ERROR` or `G_FILE_ERROR`, and a cancelled operation
 * ends in `G_IO_ERROR_CANCELLED`. More codes may be added in later versions.
 */
typedef enum {
  ZIM_ERROR_FAILED,
  ZIM_ERROR_NOT_FOUND,
  ZIM_ERROR_BAD_FILE,
  ZIM_ERROR_BAD_CONFIG,
  ZIM_ERROR_MISSING_TENSOR,
  ZIM_ERROR_BAD_SHAPE,
  ZIM_ERROR_UNSUPPORTED,
  ZIM_ERROR_INVALID_PARAMS,
  ZIM_ERROR_NON_FINITE,
  ZIM_ERROR_OUT_OF_MEMORY,
  ZIM_ERROR_DEVICE,
  ZIM_ERROR_BAD_IMAGE,
} ZimError;

/**
 * ZIM_ERROR:
 *
 * The error domain of libzimage.
 */
#define ZIM_ERROR (zim_error_quark ())

/**
 * zim_error_quark:
 *
 * Gets the error domain of libzimage.
 *
 * Returns: the domain
 */
ZIM_AVAILABLE_IN_ALL
GQuark zim_error_quark (void);

G_END_DECLS
