/* zim-vk-pipeline-private.h: compute pipelines, made when they are first asked for
 *
 * A pipeline is a shader and the values of its constants. All share one layout: push constants and nothing else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-device-private.h"
#include "compute/vulkan/zim-vk-shader-private.h"

G_BEGIN_DECLS

ZimVkPipelines   *zim_vk_pipelines_new        (ZimVkDevice        *device,
                                               GError            **error);
void              zim_vk_pipelines_free       (ZimVkPipelines     *self);

/* constants: the shader's struct of them */
VkPipeline        zim_vk_pipelines_get        (ZimVkPipelines     *self,
                                               const ZimVkShader  *shader,
                                               gconstpointer       constants,
                                               GError            **error);
VkPipelineLayout  zim_vk_pipelines_get_layout (ZimVkPipelines     *self);

/* The file of this device and driver in the user's cache; NULL where nothing is kept. */
const char       *zim_vk_pipelines_get_path   (ZimVkPipelines     *self);

/* Writes what the driver compiled to the user's cache, if something is new. */
void              zim_vk_pipelines_save       (ZimVkPipelines     *self);

G_END_DECLS
