/* zim-config-published.c: the configuration that Z-Image and Z-Image-Turbo are published with
 *
 * A single file has no configuration. Its sizes are read off the shapes of its tensors; what no
 * shape tells is taken from here. The values are those of the config.json files of Tongyi-
 * MAI/Z-Image-Turbo; the base model differs in the scheduler's shift alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-config-private.h"

static const ZimConfig published = {
  .transformer = {
    .in_channels = 16,
    .patch_size = 2,
    .dim = 3840,
    .n_layers = 30,
    .n_refiner_layers = 2,
    .n_heads = 30,
    .norm_eps = 1e-5f,
    .qk_norm = TRUE,
    .cap_feat_dim = 2560,
    .rope_theta = 256,
    .t_scale = 1000,
    .axes_dims = { 32, 48, 48 },
    .axes_lens = { 1536, 512, 512 },
  },
  .text_encoder = {
    .vocab_size = 151936,
    .hidden_size = 2560,
    .intermediate_size = 9728,
    .num_hidden_layers = 36,
    .num_attention_heads = 32,
    .num_key_value_heads = 8,
    .head_dim = 128,
    .rms_norm_eps = 1e-6f,
    .rope_theta = 1000000,
  },
  .autoencoder = {
    .in_channels = 3,
    .out_channels = 3,
    .latent_channels = 16,
    .n_blocks = 4,
    .block_out_channels = { 128, 256, 512, 512 },
    .layers_per_block = 2,
    .norm_num_groups = 32,
    .mid_block_add_attention = TRUE,
    .scaling_factor = 0.3611f,
    .shift_factor = 0.1159f,
  },
  .scheduler = {
    .num_train_timesteps = 1000,
    .base_shift = 0.5,
    .max_shift = 1.15,
    .base_image_seq_len = 256,
    .max_image_seq_len = 4096,
  },
};

void
zim_config_init_published (ZimConfig *config,
                           gboolean   turbo)
{
  *config = published;
  config->scheduler.shift = turbo ? 3 : 6;
  zim_config_suggest (&config->defaults, turbo);
}
