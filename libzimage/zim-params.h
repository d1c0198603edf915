/* zim-params.h: what to generate
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include "zim-enums.h"
#include "zim-types.h"
#include "zim-version-macros.h"

G_BEGIN_DECLS

#define ZIM_TYPE_PARAMS (zim_params_get_type ())

ZIM_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ZimParams, zim_params, ZIM, PARAMS, GObject)

/**
 * ZIM_SEED_RANDOM:
 *
 * The seed that asks for a random one, drawn when the job is submitted.
 */
#define ZIM_SEED_RANDOM (-1)

/**
 * ZIM_SEED_MAX:
 *
 * The largest seed, 2⁵³ − 1: the largest integer that JSON readers keep exactly.
 */
#define ZIM_SEED_MAX ((gint64) 9007199254740991)

/**
 * ZIM_SIZE_MAX:
 *
 * The largest width and height in pixels.
 */
#define ZIM_SIZE_MAX 8192

/**
 * ZIM_STEPS_MAX:
 *
 * The largest number of steps.
 */
#define ZIM_STEPS_MAX 1000

/**
 * ZIM_IMAGES_MAX:
 *
 * The largest number of images of one job.
 */
#define ZIM_IMAGES_MAX 1024

ZIM_AVAILABLE_IN_ALL
ZimParams  *zim_params_new                 (const char *prompt);
ZIM_AVAILABLE_IN_ALL
ZimParams  *zim_params_copy                (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
gboolean    zim_params_validate            (ZimParams  *self,
                                            GError    **error);
ZIM_AVAILABLE_IN_ALL
void        zim_params_seal                (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
gboolean    zim_params_is_sealed           (ZimParams  *self);

ZIM_AVAILABLE_IN_ALL
const char *zim_params_get_prompt          (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_prompt          (ZimParams  *self,
                                            const char *prompt);
ZIM_AVAILABLE_IN_ALL
const char *zim_params_get_negative_prompt (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_negative_prompt (ZimParams  *self,
                                            const char *negative_prompt);
ZIM_AVAILABLE_IN_ALL
int         zim_params_get_width           (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_width           (ZimParams  *self,
                                            int         width);
ZIM_AVAILABLE_IN_ALL
int         zim_params_get_height          (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_height          (ZimParams  *self,
                                            int         height);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_size            (ZimParams  *self,
                                            int         width,
                                            int         height);
ZIM_AVAILABLE_IN_ALL
int         zim_params_get_steps           (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_steps           (ZimParams  *self,
                                            int         steps);
ZIM_AVAILABLE_IN_ALL
gint64      zim_params_get_seed            (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_seed            (ZimParams  *self,
                                            gint64      seed);
ZIM_AVAILABLE_IN_ALL
int         zim_params_get_n_images        (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_n_images        (ZimParams  *self,
                                            int         n_images);
ZIM_AVAILABLE_IN_ALL
double      zim_params_get_guidance        (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_guidance        (ZimParams  *self,
                                            double      guidance);
ZIM_AVAILABLE_IN_ALL
double      zim_params_get_cfg             (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_cfg             (ZimParams  *self,
                                            double      cfg);
ZIM_AVAILABLE_IN_ALL
double      zim_params_get_cfg_normalization (ZimParams *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_cfg_normalization (ZimParams *self,
                                            double      cfg_normalization);
ZIM_AVAILABLE_IN_ALL
double      zim_params_get_cfg_truncation  (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_cfg_truncation  (ZimParams  *self,
                                            double      cfg_truncation);
ZIM_AVAILABLE_IN_ALL
int         zim_params_get_max_tokens      (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_max_tokens      (ZimParams  *self,
                                            int         max_tokens);
ZIM_AVAILABLE_IN_ALL
ZimRng      zim_params_get_rng             (ZimParams  *self);
ZIM_AVAILABLE_IN_ALL
void        zim_params_set_rng             (ZimParams  *self,
                                            ZimRng      rng);

G_END_DECLS
