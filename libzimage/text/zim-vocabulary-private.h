/* zim-vocabulary-private.h: what a tokenizer is made of, whatever file it came from
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "text/zim-bpe-private.h"
#include "text/zim-tokenizer-private.h"

G_BEGIN_DECLS

/* A token that is found in the raw text before anything else is done with it. */
typedef struct {
  char   *text;
  gsize   length;
  gint32  id;
} ZimAddedToken;

typedef struct _ZimVocabulary ZimVocabulary;

ZimVocabulary  *zim_vocabulary_new               (void);
void            zim_vocabulary_free              (ZimVocabulary   *self);

/* Tokens and merges are written with one printable character per byte, as in tokenizer.json. All
 * tokens come first, then the merges in order of rank, then the added tokens. Errors do not name the
 * file. */
gboolean        zim_vocabulary_add_token         (ZimVocabulary   *self,
                                                  const char      *text,
                                                  gint64           id,
                                                  GError         **error);
gboolean        zim_vocabulary_add_merge         (ZimVocabulary   *self,
                                                  const char      *left,
                                                  const char      *right,
                                                  GError         **error);
gboolean        zim_vocabulary_add_added_token   (ZimVocabulary   *self,
                                                  const char      *text,
                                                  gint64           id,
                                                  GError         **error);

/* To be asked once all is in it: every byte must have a token. */
gboolean        zim_vocabulary_is_complete       (ZimVocabulary   *self,
                                                  GError         **error);

guint           zim_vocabulary_get_n_ids         (ZimVocabulary   *self);
ZimBpe         *zim_vocabulary_steal_bpe         (ZimVocabulary   *self);
GArray         *zim_vocabulary_steal_added       (ZimVocabulary   *self); /* of ZimAddedToken */

/* A text as a message can show it: one that is as long as its file is cut. */
char           *zim_vocabulary_show              (const char      *text);

/* (transfer full) of the vocabulary. nfc: whether text is normalized first. */
ZimTokenizer   *zim_tokenizer_new_for_vocabulary (ZimVocabulary   *vocabulary,
                                                  gboolean         nfc);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimVocabulary, zim_vocabulary_free)

G_END_DECLS
