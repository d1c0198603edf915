/* zim-config-private.h: what a checkpoint's JSON files say about its networks
 *
 * Every size of the networks comes from here; nothing about Z-Image's own sizes is a constant in
 * code. The fields are those of diffusers' and transformers' config.json files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* transformer/config.json of ZImageTransformer2DModel */
typedef struct {
  guint  in_channels;      /* latent channels, 16 */
  guint  patch_size;       /* all_patch_size[0], 2; all_f_patch_size[0], of frames, must be 1 */
  guint  dim;              /* model width D, 3840 */
  guint  n_layers;         /* joint layers, 30 */
  guint  n_refiner_layers; /* of the noise and of the context refiner each, 2 */
  guint  n_heads;          /* 30; n_kv_heads is ignored as diffusers does */
  float  norm_eps;         /* 1e-5 */
  gboolean qk_norm;        /* true */
  guint  cap_feat_dim;     /* width of the text features, 2560 */
  double rope_theta;       /* 256 */
  double t_scale;          /* 1000 */
  guint  axes_dims[3];     /* rotary widths of the three axes, sum = dim / n_heads: 32, 48, 48 */
  guint  axes_lens[3];     /* 1536, 512, 512; informative: tables are computed as far as needed */
} ZimTransformerConfig;

/* text_encoder/config.json of Qwen3Model */
typedef struct {
  guint  vocab_size;          /* 151936 */
  guint  hidden_size;         /* 2560 */
  guint  intermediate_size;   /* 9728 */
  guint  num_hidden_layers;   /* 36; the features are the output of the last but one */
  guint  num_attention_heads; /* 32 */
  guint  num_key_value_heads; /* 8 */
  guint  head_dim;            /* 128 */
  float  rms_norm_eps;        /* 1e-6 */
  double rope_theta;          /* 1000000; also read from rope_parameters.rope_theta */
} ZimTextEncoderConfig;

/* vae/config.json of AutoencoderKL */
typedef struct {
  guint  in_channels;           /* 3 */
  guint  out_channels;          /* 3 */
  guint  latent_channels;       /* 16 */
  guint  n_blocks;              /* length of block_out_channels, 4; the scale is 2^(n_blocks − 1) */
  guint  block_out_channels[8]; /* 128, 256, 512, 512 */
  guint  layers_per_block;      /* 2 in the encoder, one more in the decoder */
  guint  norm_num_groups;       /* 32 */
  gboolean mid_block_add_attention;
  gboolean use_quant_conv;      /* of the encoder */
  gboolean use_post_quant_conv; /* of the decoder */
  float  scaling_factor;        /* 0.3611 */
  float  shift_factor;          /* 0.1159 */
} ZimAutoencoderConfig;

/* scheduler/scheduler_config.json of FlowMatchEulerDiscreteScheduler */
typedef struct {
  guint    num_train_timesteps;  /* 1000 */
  double   shift;                /* 3 for turbo, 6 for base */
  gboolean use_dynamic_shifting; /* false; the fields below are for true */
  double   base_shift;           /* 0.5 */
  double   max_shift;            /* 1.15 */
  guint    base_image_seq_len;   /* 256 */
  guint    max_image_seq_len;    /* 4096 */
  gboolean time_shift_linear;    /* time_shift_type: “exponential” or “linear” */
} ZimSchedulerConfig;

/* What a model suggests when the caller says nothing: zimage.json beside model_index.json, else
 * from the scheduler's shift. */
typedef struct {
  char    *name;     /* (nullable) what the model calls itself */
  gboolean turbo;
  guint    width;    /* pixels */
  guint    height;
  guint    steps;
  double   guidance; /* diffusers' convention: 0 is off */
} ZimModelDefaults;

typedef struct {
  ZimTransformerConfig transformer;
  ZimTextEncoderConfig text_encoder;
  ZimAutoencoderConfig autoencoder;
  ZimSchedulerConfig   scheduler;
  ZimModelDefaults     defaults;
} ZimConfig;

/* Reads and checks all JSON files of a diffusers folder. config is filled only on success and
 * then needs zim_config_clear (). Fields that are missing get the class defaults of diffusers
 * and transformers, which leave out of a file what is at its default. */
gboolean         zim_config_load_folder       (ZimConfig             *config,
                                               const char            *path,
                                               GError               **error);

/* The same from files that lie anywhere. source names them all in messages that are about how they fit together. */
typedef struct {
  const char *index;        /* model_index.json */
  const char *scheduler;    /* scheduler_config.json */
  const char *text_encoder; /* the components' config.json */
  const char *transformer;
  const char *autoencoder;
  const char *defaults;     /* (nullable) zimage.json */
} ZimConfigPaths;

gboolean         zim_config_load_paths        (ZimConfig             *config,
                                               const ZimConfigPaths  *paths,
                                               const char            *source,
                                               GError               **error);

/* One component's config.json. */
gboolean         zim_config_load_transformer  (ZimTransformerConfig  *config,
                                               const char            *path,
                                               GError               **error);
gboolean         zim_config_load_text_encoder (ZimTextEncoderConfig  *config,
                                               const char            *path,
                                               GError               **error);
gboolean         zim_config_load_autoencoder  (ZimAutoencoderConfig  *config,
                                               const char            *path,
                                               GError               **error);

/* Whether sizes that do not come from config.json are in range and fit each other. source names
 * their origin. */
gboolean         zim_config_check             (const ZimConfig       *config,
                                               const char            *source,
                                               GError               **error);

/* The published model: what a single file's tensors do not tell is taken from here. */
void             zim_config_init_published    (ZimConfig             *config,
                                               gboolean               turbo);

/* What the variant suggests: size, steps and guidance. */
void             zim_config_suggest           (ZimModelDefaults      *defaults,
                                               gboolean               turbo);

/* Writes model_index.json, zimage.json and each component's configuration as diffusers and
 * transformers read them. The folder exists. */
gboolean         zim_config_write_folder      (const ZimConfig       *config,
                                               const char            *path,
                                               GError               **error);

/* The same as texts: calls func with each file's path in the folder, model_index.json last. Stops when func returns
 * FALSE. */
typedef gboolean (*ZimConfigFunc) (const char  *name,
                                   const char  *text,
                                   gpointer     user_data,
                                   GError     **error);

gboolean         zim_config_foreach_file      (const ZimConfig       *config,
                                               ZimConfigFunc          func,
                                               gpointer               user_data,
                                               GError               **error);

void             zim_config_copy              (const ZimConfig       *config,
                                               ZimConfig             *copy);
void             zim_config_clear             (ZimConfig             *config);

G_END_DECLS
