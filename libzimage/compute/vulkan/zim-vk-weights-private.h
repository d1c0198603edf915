/* zim-vk-weights-private.h: weights as they lie on the device
 *
 * What a kernel reads is a packing of one or several stored tensors: matrices side by side, convolution kernels in the
 * order in which they are read, vectors decoded. Quantized matrices are packed as codes, so that a packing of several
 * types has as many sections. Each is uploaded once and stays until it is trimmed, or until others need its place; it
 * is known by where its tensors are mapped.
 *
 * A user of weights gets hold of the packings first, which costs nothing, then acquires them for as long as the device
 * computes with them, and releases them.
 *
 * A set of packings can be given a placement. Then they lie in memory of the set, which is allocated and given back as
 * a whole: some at places that they keep, the others in one of two halves of a window, where an executable uploads them
 * each time before it computes with them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-codes-private.h"
#include "compute/vulkan/zim-vk-memory-private.h"

G_BEGIN_DECLS

/* Columns of a packed row are a multiple of this, zeros behind the stored ones: no kernel looks for the end of k. */
#define ZIM_VK_WEIGHT_COLS 32

typedef struct _ZimVkWeights ZimVkWeights;

typedef struct _ZimVkSet ZimVkSet;

/* Rows of a packing that have one format */
typedef struct {
  ZimVkFormat format;
  gint64      first_row;
  gint64      rows;
  gsize       offset;  /* bytes into the packing */
} ZimVkSection;

typedef struct {
  ZimVkSpan  span;     /* no memory while it is not on the device */
  gint64     rows;
  gint64     stride;   /* columns of a row, those that it is filled up with among them */
  GArray    *sections; /* of ZimVkSection; none until the size is known */
  gsize      size;     /* bytes; 0 until it is known */
  ZimVkSet  *set;      /* (nullable) whose memory it lies in */
  gboolean   streams;  /* it has no place of its own in the set's memory */
  gsize      place;    /* else this one */
  guint      n_users;  /* that hold it */
  guint      n_uses;   /* of those that compute with it now */
  guint64    last;     /* when it was acquired last, counted */
  gpointer   source;   /* what it is packed from */
} ZimVkPacking;

ZimVkWeights *zim_vk_weights_new     (ZimVkDevice            *device);
void          zim_vk_weights_free    (ZimVkWeights           *self);

/* The rows of matrices of the same width, one after another. */
ZimVkPacking *zim_vk_weights_matrix  (ZimVkWeights           *self,
                                      const ZimWeight *const *weights,
                                      guint                   n);
/* [out, in, k, k] → [out][k · k][in], each tap padded to whole columns */
ZimVkPacking *zim_vk_weights_kernel  (ZimVkWeights           *self,
                                      const ZimWeight        *weight);
/* Vectors one after another as f32. Where an entry is NULL there are as many zeros as the matrix has rows. */
ZimVkPacking *zim_vk_weights_vector  (ZimVkWeights           *self,
                                      const ZimWeight *const *weights,
                                      const ZimWeight *const *matrices,
                                      guint                   n);
/* Gives up what one of the three calls above gave. */
void          zim_vk_weights_drop    (ZimVkWeights           *self,
                                      ZimVkPacking           *packing);

/* Uploads it if it is not on the device, and keeps it there until it is released. */
gboolean      zim_vk_weights_acquire (ZimVkWeights           *self,
                                      ZimVkPacking           *packing,
                                      GError                **error);
void          zim_vk_weights_release (ZimVkWeights           *self,
                                      ZimVkPacking           *packing);

/* Finds the formats and the size that it is packed in, which reads weights in f32. */
void          zim_vk_weights_measure (ZimVkPacking           *packing);
const ZimVkSection *
              zim_vk_packing_get_section (const ZimVkPacking *packing,
                                      guint                   i);

/* Memory that all of these packings, of ZimVkPacking, take together. */
gsize         zim_vk_weights_layout  (ZimVkWeights           *self,
                                      GPtrArray              *packings);
/* Gives these packings a placement, unless it is the one that they have. Nobody computes with them. */
void          zim_vk_weights_place   (ZimVkWeights           *self,
                                      guint                   set,
                                      GPtrArray              *packings,
                                      gsize                   resident,
                                      gsize                   window);
/* Bytes of the set's memory when it is on the device, and whether it is. */
gsize         zim_vk_weights_get_set_size (ZimVkWeights      *self,
                                      guint                   set);
gboolean      zim_vk_weights_is_loaded (ZimVkWeights         *self,
                                      guint                   set);
gboolean      zim_vk_weights_load    (ZimVkWeights           *self,
                                      guint                   set,
                                      GError                **error);
void          zim_vk_weights_unload  (ZimVkWeights           *self,
                                      guint                   set);
/* Of packings that are streamed: the bytes of half a window, and that half. */
gsize         zim_vk_set_get_half_size (const ZimVkSet       *set);
const ZimVkSpan *
              zim_vk_set_get_half    (const ZimVkSet         *set,
                                      guint                   half);
/* Raised whenever places change: what was recorded before is worth nothing. */
guint         zim_vk_set_get_age     (const ZimVkSet         *set);
/* Uploads it to where its span is. */
gboolean      zim_vk_weights_upload  (ZimVkWeights           *self,
                                      ZimVkPacking           *packing,
                                      GError                **error);

/* Frees what nobody holds. */
void          zim_vk_weights_trim    (ZimVkWeights           *self);
/* Bytes on the device */
gsize         zim_vk_weights_get_size (ZimVkWeights          *self);

G_END_DECLS
