/* zim-model-private.h: what the library itself asks of a model
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "diffusion/zim-autoencoder-private.h"
#include "diffusion/zim-text-encoder-private.h"
#include "diffusion/zim-transformer-private.h"
#include "formats/zim-checkpoint-private.h"
#include "text/zim-tokenizer-private.h"
#include "zim-model.h"

G_BEGIN_DECLS

/* Builds the networks: every tensor that they need is there in the right shape, or there is an error. */
ZimModel        *_zim_model_new_for_checkpoint  (ZimCheckpoint  *checkpoint,
                                                 const char     *name,
                                                 GError        **error);

ZimCheckpoint   *_zim_model_get_checkpoint      (ZimModel       *self);
ZimTokenizer    *_zim_model_get_tokenizer       (ZimModel       *self); /* (nullable): generated weights have none */
ZimTextEncoder  *_zim_model_get_text_encoder    (ZimModel       *self);
ZimTransformer  *_zim_model_get_transformer     (ZimModel       *self);
ZimAutoencoder  *_zim_model_get_autoencoder     (ZimModel       *self);

G_END_DECLS
