/* test-weights.h: weights and inputs that are computed from their names
 *
 * The rule is that of tests/reference/weights.py, so that fixtures need no weights: j · step + mean, with j from a
 * counter-based hash of “component/name”; exact in f32, bf16 and f16.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <json-glib/json-glib.h>

#include "formats/zim-checkpoint-private.h"

/* The i-th value (from 1) of the counter-based generator. */
guint64  test_hash            (guint64       seed,
                               guint64       i);

/* A ZimFillFunc; user_data is the case's “weight_shift” object or NULL. */
void     test_fill_weights    (const char   *name,
                               guint         n_dims,
                               const gint64 *dims,
                               ZimDType      dtype,
                               void         *data,
                               gpointer      weight_shift);

/* An input tensor, named “input/latents”, with steps of 2^(shift − 6). */
float   *test_input           (const char   *name,
                               gsize         n,
                               int           shift);
