/* zim-op-private.h: what zim-op.c needs of zim-program.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-program-private.h"

G_BEGIN_DECLS

/* Records the message as the program's error if condition is false and no error was recorded before. */
void              zim_program_check        (ZimProgram             *self,
                                            gboolean                condition,
                                            const char             *format,
                                            ...) G_GNUC_PRINTF (3, 4);
ZimOp            *zim_program_add_op       (ZimProgram             *self,
                                            ZimOpKind               kind,
                                            ZimTensor              *out);
ZimTensor        *zim_program_add_result   (ZimProgram             *self,
                                            gint64                  rows,
                                            gint64                  cols);
const ZimWeight **zim_program_copy_weights (ZimProgram             *self,
                                            const ZimWeight *const *weights,
                                            guint                   n);

G_END_DECLS
