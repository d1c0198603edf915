/* zim-blocks-private.h: the block types of GGUF files, value by value
 *
 * Values that follow one another in a row share scales that are stored among them; such a block is decoded as a whole.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* One block of any alignment → its values. */
typedef void (*ZimBlockFunc) (const guint8 *block,
                              float        *values);

void zim_block_decode_q8_0 (const guint8 *block, float *values);
void zim_block_decode_q4_0 (const guint8 *block, float *values);
void zim_block_decode_q4_1 (const guint8 *block, float *values);
void zim_block_decode_q5_0 (const guint8 *block, float *values);
void zim_block_decode_q5_1 (const guint8 *block, float *values);
void zim_block_decode_q2_k (const guint8 *block, float *values);
void zim_block_decode_q3_k (const guint8 *block, float *values);
void zim_block_decode_q4_k (const guint8 *block, float *values);
void zim_block_decode_q5_k (const guint8 *block, float *values);
void zim_block_decode_q6_k (const guint8 *block, float *values);

G_END_DECLS
