/* op-setup.h: programs of tests and the numbers that go in
 *
 * A case is built anew for each backend, from the same numbers: what a Setup made in one build it hands out again, in
 * the same order, in the next.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-backend-private.h"

G_BEGIN_DECLS

/* How the source of an operation lies in memory. */
typedef enum {
  LAYOUT_PLAIN,
  LAYOUT_COLS,     /* some columns of a wider tensor */
  LAYOUT_ROWS,     /* some rows of a longer tensor */
  LAYOUT_IN_PLACE, /* a temporary that is not used again, whose memory the result may take */
} Layout;

typedef struct {
  ZimBackend *backend;  /* not owned */
  ZimProgram *program;
  GArray     *bindings; /* of ZimBinding: inputs and outputs */
  GHashTable *numbers;  /* ZimTensor that is an input, a state or an output → its memory or contents */
  GPtrArray  *inputs;   /* of ZimTensor, states too */
  GPtrArray  *outputs;  /* of ZimTensor */
  GPtrArray  *states;   /* of ZimState, of this build */
  GPtrArray  *buffers;  /* of memory, of all builds */
  guint       n_used;   /* of the buffers, by this build */
  GHashTable *origins;  /* ZimTensor filled by the program → ZimTensor that it is filled from */
  guint64     random;
} Setup;

Setup           *setup_new       (void);
void             setup_free      (Setup              *self);
/* Starts a program; what an earlier one used is handed out again. */
void             setup_begin     (Setup              *self,
                                  ZimBackend         *backend);

/* Random numbers of mean 0 and that standard deviation. */
ZimTensor       *setup_input     (Setup              *self,
                                  gint64              rows,
                                  gint64              cols,
                                  double              spread);
ZimTensor       *setup_layout    (Setup              *self,
                                  Layout              layout,
                                  gint64              rows,
                                  gint64              cols,
                                  double              spread);
ZimTensor       *setup_ids       (Setup              *self,
                                  gint64              n,
                                  gint32              below);
ZimTensor       *setup_state     (Setup              *self,
                                  gint64              rows,
                                  gint64              cols);
/* Element (0, 0) of what one of the four calls above gave. */
float           *setup_values    (Setup              *self,
                                  const ZimTensor    *tensor);
/* misalignment: bytes past a multiple of 64. Scales lie behind the data: one for each row, or for each 32 columns of
 * the affine types; columns of I8 are rotated where they are whole groups of 64. */
const ZimWeight *setup_weight    (Setup              *self,
                                  ZimDType            dtype,
                                  guint               misalignment,
                                  double              spread,
                                  guint               n_dims,
                                  const gint64       *dims);
const ZimWeight *setup_vector    (Setup              *self,
                                  ZimDType            dtype,
                                  double              spread,
                                  gint64              n);
void             setup_output    (Setup              *self,
                                  ZimTensor          *tensor);
float           *setup_result    (Setup              *self,
                                  guint               output);

ZimExecutable   *setup_compile   (Setup              *self,
                                  ZimPrecision        precision);
/* Outputs are full of NaN before. */
gboolean         setup_run       (Setup              *self,
                                  ZimExecutable      *executable,
                                  GCancellable       *cancellable,
                                  GError            **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Setup, setup_free)

G_END_DECLS
